# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""As much of a xenstore client as a look at what libxl wrote needs: no process for each value."""
import os
import socket
import struct

DIRECTORY, READ, GET_PERMS, WRITE, ERROR = 1, 2, 3, 11, 16


class Store:
    def __init__(self):
        path = os.environ.get('XENSTORED_PATH')
        if path:
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(path)
            self.fd = peer.detach()
        else:
            self.fd = os.open('/dev/xen/xenbus', os.O_RDWR | os.O_CLOEXEC)

    def _receive(self, size):
        data = b''
        while len(data) < size:
            data += os.read(self.fd, size - len(data))
        return data

    def _ask(self, what, path, value=b''):
        payload = path.encode() + b'\0' + value
        os.write(self.fd, struct.pack('<IIII', what, 0, 0, len(payload)) + payload)
        kind, _, _, size = struct.unpack('<IIII', self._receive(16))
        data = self._receive(size)
        return None if kind == ERROR else data

    def read(self, path):
        data = self._ask(READ, path)
        return None if data is None else data.decode('utf-8', 'surrogateescape')

    def write(self, path, value):
        return self._ask(WRITE, path, value.encode()) is not None

    def list(self, path):
        data = self._ask(DIRECTORY, path)
        return [] if not data else data.decode().rstrip('\0').split('\0')

    def perms(self, path):
        data = self._ask(GET_PERMS, path)
        return None if data is None else data.decode().rstrip('\0').split('\0')
