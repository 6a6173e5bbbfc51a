# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Messages of JSON over a unix socket, for the clients of this folder: QMP, and the daemon's varlink."""
import json
import os
import socket

CONTROL = os.environ.get('XENDMD_RUNDIR', '/run/xendmd') + '/control'
INTERFACE = 'io.xendmd.DeviceModels.'


class Ended(Exception):
    """The other side hung up."""


class Connection:
    def __init__(self, path, end, patience):
        self.end = end
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patience)
        self.socket.connect(path)
        self.unread = b''

    def send(self, message):
        try:
            self.socket.sendall(json.dumps(message).encode() + self.end)
        except (BrokenPipeError, ConnectionResetError):
            raise Ended from None

    def receive(self):
        while self.end not in self.unread:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b''
            if not data:
                raise Ended
            self.unread += data
        message, self.unread = self.unread.split(self.end, 1)
        return json.loads(message)


class Qmp(Connection):
    def __init__(self, path, patience):
        super().__init__(path, b'\n', patience)
        self.number = 0
        greeting = self.receive()
        assert 'QMP' in greeting, greeting
        assert 'return' in self.ask('qmp_capabilities')

    def ask(self, command):
        """The answer to it, whole; events before it are left out."""
        self.number += 1
        self.send({'execute': command, 'id': self.number})
        while 'event' in (answer := self.receive()):
            pass
        assert answer.get('id') == self.number, answer
        return answer


class Varlink(Connection):
    def __init__(self, patience):
        super().__init__(CONTROL, b'\0', patience)

    def call(self, method, **parameters):
        """The reply, whole. With more=True there may be others to receive()."""
        more = parameters.pop('more', False)
        self.send({'method': INTERFACE + method, 'parameters': parameters, **({'more': True} if more else {})})
        return self.receive()
