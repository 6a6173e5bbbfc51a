#!/usr/bin/python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qmp_clients.py SOCKET KIND: clients of a domain's QMP socket that mean no good. Each checks what it
gets itself and exits 0 when that is right. KIND "list" prints the kinds."""
import array
import json
import os
import random
import socket
import sys
import time

PATH = sys.argv[1]
PATIENCE = 60
CAPABILITIES = b'{"execute":"qmp_capabilities"}'
STATUS = b'{"execute":"query-status"}'


class HungUp(ConnectionError):
    """Too many of us are still there: right for who comes and goes faster than the daemon sees."""


class Client:
    def __init__(self, hello=True):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(PATH)
        self.s.settimeout(PATIENCE)
        self.left = b''
        self.hello = hello and self.line()
        if hello and not self.hello:
            raise HungUp()
        assert not hello or b'"QMP"' in self.hello, self.hello

    def say(self, data):
        self.s.sendall(data)

    def line(self):
        """The next message, without events; b'' at the end."""
        while True:
            while b'\n' not in self.left:
                try:
                    data = self.s.recv(65536)
                except ConnectionError:
                    data = b''
                if not data:
                    return b''
                self.left += data
            line, self.left = self.left.split(b'\n', 1)
            assert all(0x20 <= c < 0x7f for c in line.rstrip(b'\r')), line
            if b'"event"' not in line:
                return line

    def ask(self, text):
        self.say(text)
        return json.loads(self.line())

    def negotiated(self):
        assert self.ask(CAPABILITIES) == {'return': {}}
        return self

    def until_closed(self):
        """How many messages come before the connection ends."""
        n = 0
        while self.line():
            n += 1
        return n


def error_of(reply):
    return reply['error']['class'], reply['error']['desc']


def silent():
    held = [Client() for _ in range(16)]
    time.sleep(3)
    for c in held:
        assert 'return' in c.negotiated().ask(STATUS)


def garbage():
    chance = random.Random(4711)
    for junk in [chance.randbytes(200000), b'\0' * 100000, b'\x01\x1b[2J\xff\n' * 1000, b'[' * 100000,
                 b'hello\n' * 1000, b'{}' * 1000, b'{"a\n' * 1000, b"{'execute':'stop'}" * 1000]:
        c = Client().negotiated()
        try:
            c.say(junk)
            c.s.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        assert c.until_closed() <= 70


def never_reads():
    """Answers pile up unread, until the client is dropped."""
    held = [Client().negotiated() for _ in range(4)]
    for c in held:
        c.s.setblocking(False)
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    text = b'{"execute":"x-nothing","id":"%s"}' % (b'x' * 250) * 50
    end = time.monotonic() + PATIENCE
    while held and time.monotonic() < end:
        for c in held[:]:
            try:
                c.s.send(text)
            except BlockingIOError:
                pass
            except ConnectionError:
                held.remove(c)
        time.sleep(0.01)
    assert not held, held


def half_way():
    for i in range(200):
        try:
            c = Client(hello=i % 3)
            c.say([b'', b'{"execute":"qmp_cap', CAPABILITIES + STATUS, CAPABILITIES + STATUS * 50,
                   CAPABILITIES + b'{"execute":"stop"}{"execute":"cont"}'][i % 5])
            c.s.close()
        except ConnectionError:
            pass


def half_close():
    c = Client().negotiated()
    c.say(STATUS * 3)
    c.s.shutdown(socket.SHUT_WR)
    assert c.until_closed() == 3


def ahead():
    """Commands that come while one is outstanding wait in the socket, and are answered in their order;
    who leaves meanwhile leaves nothing."""
    held = [Client().negotiated() for _ in range(4)]
    for i in range(100):
        for c in held:
            c.say(b'{"execute":"query-status","id":%d}' % i)
    for i in range(100):
        for c in held:
            reply = json.loads(c.line())
            assert 'return' in reply and reply['id'] == i, reply
    for c in held:
        c.say(STATUS)
        c.say(STATUS)
        c.s.close()


def crowd():
    """500 at once: some are served, the others are hung up on at once, none waits."""
    held = [Client(hello=False) for _ in range(500)]
    served = [c for c in held if c.line()]
    assert 1 <= len(served) <= 32, len(served)
    for c in served[1:]:
        c.s.close()
    assert 'return' in served[0].negotiated().ask(STATUS)


def come_and_go():
    for _ in range(500):
        s = socket.socket(socket.AF_UNIX)
        s.connect(PATH)
        s.close()


def send_fds(c, data, count):
    null = os.open('/dev/null', os.O_RDONLY)
    fds = array.array('i', [null] * count)
    c.s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    os.close(null)


def fd_bomb():
    c = Client().negotiated()
    for _ in range(300):
        send_fds(c, b' ', 253)
    assert 'return' in c.ask(STATUS)
    for _ in range(50):
        send_fds(c, STATUS, 100)
        assert 'return' in json.loads(c.line())
    # Left in the middle of it, with descriptors that nobody has taken.
    for _ in range(10):
        c = Client()
        send_fds(c, CAPABILITIES + STATUS, 253)
        send_fds(c, b'{"execute":', 253)
        c.s.close()


def ids():
    c = Client().negotiated()
    for text in ['0', '-0', '1.50', '2020372480', '99999999999999999', '1e5', '"a"', '""', 'null', 'true',
                 '[]', '{}', '{"b": 1,  "a": [1, {"c": null}]}', '"\\u0041\\n"', '"%s"' % ('x' * 254)]:
        c.say(b'{"execute":"query-status","id":%s}' % text.encode())
        line = c.line().decode().rstrip('\r')
        assert line.endswith(', "id": ' + text + '}') and line.startswith('{"return"'), line
    for text in ['"%s"' % ('x' * 255), '[' * 40 + ']' * 40, '"\\ud800"', '"\\u0000"', '1, "id": 2', 'nan', '']:
        reply = c.ask(b'{"execute":"query-status","id":%s}\n' % text.encode())
        assert error_of(reply)[0] == 'GenericError', (text, reply)
    assert 'return' in c.ask(STATUS)


def too_much():
    c = Client().negotiated()
    c.say(b'{"execute":"query-status","id":"' + b'x' * 70000)
    assert 'too large' in error_of(json.loads(c.line()))[1]
    assert c.line() == b''
    c = Client().negotiated()
    reply = c.ask(b'{"execute":"query-status","arguments":{"a":' + b'[' * 1000 + b']' * 1000 + b'}}')
    assert error_of(reply)[0] == 'GenericError', reply
    for text in [b'{"execute":"stop","execute":"cont"}', b'{"Execute":"stop"}', b'{"exec-oob":"stop"}',
                 b'{"execute":"stop","control":{}}', b'{"execute":7}', b'{"execute":"\\u0000"}',
                 b'{"execute":"x-colo-lost-heartbeat"}', b'{"execute":"query-status","arguments":[]}']:
        assert error_of(c.ask(text + b'\n'))[0] == 'GenericError', text
    assert 'return' in c.ask(STATUS)


def byte_by_byte():
    c = Client()
    for byte in CAPABILITIES + STATUS:
        c.say(bytes([byte]))
        time.sleep(0.005)
    assert 'return' in json.loads(c.line()) and 'return' in json.loads(c.line())


def unread_at_close():
    """Closed with answers unread: a reset on the other side."""
    for _ in range(100):
        c = Client(hello=False)
        try:
            c.say(CAPABILITIES + STATUS)
            c.s.recv(1)
        except ConnectionError:
            pass
        c.s.close()


KINDS = {f.__name__: f for f in [silent, garbage, never_reads, half_way, half_close, ahead, crowd, come_and_go,
                                 fd_bomb, ids, too_much, byte_by_byte, unread_at_close]}
if len(sys.argv) == 2 and PATH == 'list':
    print('\n'.join(KINDS))
else:
    KINDS[sys.argv[2]]()
