#!/usr/bin/python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""others.py QMP-SOCKET: what the clients of another domain see while one is attacked. Asks query-status there
and the daemon for its list, ten times a second, each on a connection that stays. A line for each answer:
"qmp MS" or "list MS". A wait of a minute, an error or a lost connection is a failure; SIGTERM ends it."""
import signal
import sys
import time

import wire

PATIENCE_S = 60


def ask(name, question):
    began = time.monotonic()
    answer = question()
    print('%s %.2f' % (name, (time.monotonic() - began) * 1000), flush=True)
    assert 'error' not in answer, answer


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
qmp = wire.Qmp(sys.argv[1], PATIENCE_S)
control = wire.Varlink(PATIENCE_S)
while True:
    time.sleep(0.1)
    ask('qmp', lambda: qmp.ask('query-status'))
    ask('list', lambda: control.call('List'))
