#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# qmp_client.py SOCKET COMMAND FIRST
# qmp_client.py varlink:DOMID COMMAND FIRST
#
# A client of a guest's QMP that never stops asking, on a socket of its own or by the control
# socket's method Qmp, until the other side ends it. The file FIRST is there from the first answer on.
# Prints how many answers it had. An error is an answer only if none without comes after it: the
# session is at its end.
import json, socket, sys, time

CONTROL = "/run/xendmd/control"
PAUSE_S = 0.2
TIMEOUT_S = 120


class Ended(Exception):
    pass


class Connection:
    def __init__(self, path, end):
        self.end = end
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(path)
        self.buffer = b""

    def send(self, message):
        self.socket.sendall(json.dumps(message).encode() + self.end)

    def receive(self):
        while self.end not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise Ended
            self.buffer += data
        line, self.buffer = self.buffer.split(self.end, 1)
        return json.loads(line)


class Qmp:
    def __init__(self, path):
        self.connection = Connection(path, b"\n")
        self.number = 0
        greeting = self.connection.receive()
        assert "QMP" in greeting, greeting
        assert self.ask("qmp_capabilities")

    def ask(self, command):
        self.number += 1
        self.connection.send({"execute": command, "id": self.number})
        answer = self.connection.receive()
        while "event" in answer:
            answer = self.connection.receive()
        assert answer.get("id") == self.number, answer
        return "return" in answer


class Varlink:
    METHOD = "io.xendmd.DeviceModels.Qmp"

    def __init__(self, domid):
        self.connection = Connection(CONTROL, b"\0")
        self.domid = domid

    def ask(self, command):
        self.connection.send({"method": self.METHOD, "parameters": {"domain": self.domid, "command": command}})
        answer = self.connection.receive()
        if answer.get("error", "").endswith((".NoSuchDomain", ".NotRunning")):
            raise Ended
        return "error" not in answer


def main(where, command, first):
    answers = errors = 0
    try:
        client = Varlink(where[8:]) if where.startswith("varlink:") else Qmp(where)
        while True:
            if not client.ask(command):
                errors += 1
            else:
                assert errors == 0, "an error, and then an answer"
                answers += 1
                if answers == 1:
                    open(first, "w").close()
            time.sleep(PAUSE_S)
    except (Ended, ConnectionResetError, BrokenPipeError):
        pass
    print(answers)


main(*sys.argv[1:])
