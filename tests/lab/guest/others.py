#!/usr/bin/python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""others.py QMP-SOCKET: what the clients of another domain see while one is attacked. Asks query-status there
and the daemon for its list, ten times a second, each on a connection that stays. A line for each answer:
"qmp MS" or "list MS". A wait of a minute or a lost connection is a failure; SIGTERM ends it."""
import os
import signal
import socket
import sys
import time

PATIENCE = 60
LIST = b'{"method":"io.xendmd.DeviceModels.List"}\0'


class Connection:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(PATIENCE)
        self.s.connect(path)
        self.left = b''

    def message(self, end):
        while end not in self.left:
            data = self.s.recv(65536)
            if not data:
                sys.exit('hung up on')
            self.left += data
        message, self.left = self.left.split(end, 1)
        return message

    def ask(self, text, end):
        began = time.monotonic()
        self.s.sendall(text)
        while b'"event"' in (answer := self.message(end)):
            pass
        assert b'"error"' not in answer, answer
        return (time.monotonic() - began) * 1000


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
qmp = Connection(sys.argv[1])
qmp.message(b'\r\n')
qmp.ask(b'{"execute":"qmp_capabilities"}\r\n', b'\r\n')
control = Connection(os.environ.get('XENDMD_RUNDIR', '/run/xendmd') + '/control')
while True:
    time.sleep(0.1)
    print('qmp %.2f' % qmp.ask(b'{"execute":"query-status"}\r\n', b'\r\n'))
    print('list %.2f' % control.ask(LIST, b'\0'), flush=True)
