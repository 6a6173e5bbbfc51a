#!/usr/bin/python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""asking.py SOCKET COMMAND FIRST, asking.py varlink:DOMID COMMAND FIRST: a client of a guest's QMP that never
stops asking, on a socket of its own or by the control socket's method Qmp, until the other side ends it. The
file FIRST is there from the first answer on. Prints how many answers it had. An error is an answer only if
none without comes after it: the session is at its end."""
import sys
import time

import wire

PAUSE_S = 0.2
PATIENCE_S = 120


class Session:
    """By the method Qmp, as over a socket."""

    def __init__(self, domid):
        self.varlink = wire.Varlink(PATIENCE_S)
        self.domid = domid

    def ask(self, command):
        answer = self.varlink.call('Qmp', domain=self.domid, command=command)
        if answer.get('error', '').endswith(('.NoSuchDomain', '.NotRunning')):
            raise wire.Ended
        return answer


def main(where, command, first):
    answers = errors = 0
    try:
        client = Session(where[8:]) if where.startswith('varlink:') else wire.Qmp(where, PATIENCE_S)
        while True:
            if 'error' in client.ask(command):
                errors += 1
            else:
                assert errors == 0, 'an error, and then an answer'
                answers += 1
                if answers == 1:
                    open(first, 'w').close()
            time.sleep(PAUSE_S)
    except wire.Ended:
        pass
    print(answers)


main(*sys.argv[1:])
