#!/usr/bin/python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qmp-client.py SOCKET WHAT COUNT: times a QMP server's clients, in milliseconds, one JSON object.

first     from connect() to the answer of query-status, COUNT connections
status    round trips of query-status on one connection, COUNT of them
schema    query-qmp-schema on one connection, COUNT times
eight     8 clients at once, COUNT/8 commands each: how many were answered within a minute, and rtt
"""
import json
import socket
import statistics
import sys
import threading
import time

PATH, WHAT, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])


class Client:
    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(PATH)
        self.s.settimeout(60)
        self.left = bytearray()
        self.id = 2020372480
        self.message()
        self.ask('qmp_capabilities')

    def message(self):
        while True:
            end = self.left.find(b'\r\n')
            while end < 0:
                at = len(self.left)
                data = self.s.recv(65536)
                if not data:
                    raise ConnectionError('closed')
                self.left += data
                end = self.left.find(b'\r\n', max(at - 1, 0))
            line = bytes(self.left[:end])
            del self.left[:end + 2]
            if not line.startswith(b'{"timestamp"'):
                return line

    def ask(self, command):
        self.id += 1
        self.s.sendall(b'{"execute":"%s","id":%d}\r\n' % (command.encode(), self.id))
        line = self.message()
        assert b'"return"' in line, line[:200]
        return len(line)

    def timed(self, command):
        began = time.monotonic()
        size = self.ask(command)
        return (time.monotonic() - began) * 1000, size


def report(times, **more):
    times = sorted(times)
    print(json.dumps({'n': len(times), 'median': round(statistics.median(times), 3),
                      'p99': round(times[min(len(times) - 1, int(len(times) * 0.99))], 3), **more}))


def first():
    times = []
    for _ in range(COUNT):
        began = time.monotonic()
        client = Client()
        client.ask('query-status')
        times.append((time.monotonic() - began) * 1000)
        client.s.close()
        time.sleep(0.3)
    report(times)


def repeated(command):
    client = Client()
    got = [client.timed(command) for _ in range(COUNT)]
    report([t for t, _ in got], bytes=got[0][1])


def eight():
    times, lock, end = [], threading.Lock(), time.monotonic() + 60

    def one():
        try:
            client = Client()
            for _ in range(COUNT // 8):
                if time.monotonic() > end:
                    return
                t, _ = client.timed('query-status')
                with lock:
                    times.append(t)
            # It stays, as a client does that waits for events.
            time.sleep(max(0, end - time.monotonic()) if len(times) < COUNT // 8 * 8 else 0)
        except OSError:
            pass

    began = time.monotonic()
    threads = [threading.Thread(target=one, daemon=True) for _ in range(8)]
    for t in threads:
        t.start()
    while len(times) < COUNT // 8 * 8 and time.monotonic() < end:
        time.sleep(0.02)
    report(times or [0], asked=COUNT // 8 * 8, ms=round((time.monotonic() - began) * 1000))


{'first': first, 'status': lambda: repeated('query-status'), 'schema': lambda: repeated('query-qmp-schema'),
 'eight': eight}[WHAT]()
