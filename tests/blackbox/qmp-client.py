#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QMP client that does what it is told, byte for byte: qmp-client.py SOCKET <SCRIPT

  send TEXT    these bytes and no newline (escapes as in Python)
  fd PATH      one blank with PATH's descriptor
  want TEXT    exactly these bytes come, and CRLF
  like REGEX   a line like this comes, ended by CRLF
  quiet MS     nothing comes for so long
  file PATH    is created: so far all is well
  until PATH   waits until the file is there
  shut         nothing more will be sent
  eof          the other side closes
  listen N     not a client: binds SOCKET, listens, executes the rest of the arguments with it as N

Exits 1 with what was wrong. A line has to come within 20 s.
"""
import array
import os
import re
import socket
import sys
import time

TIMEOUT = 20


def wrong(what):
    sys.exit(f'line {number}: {what}')


def receive():
    global pending
    data = sock.recv(65536)
    pending += data
    return data


def line():
    global pending
    while b'\n' not in pending:
        try:
            if not receive():
                wrong(f'the other side closed, after {pending!r}')
        except (TimeoutError, socket.timeout):
            wrong(f'nothing came but {pending!r}')
    text, pending = pending.split(b'\n', 1)
    if not text.endswith(b'\r'):
        wrong(f'no CRLF behind {text!r}')
    return text[:-1]


def quiet(ms):
    sock.settimeout(ms / 1000)
    try:
        data = pending or receive()
        wrong(f'{data!r} came')
    except (TimeoutError, socket.timeout):
        sock.settimeout(TIMEOUT)


def do(verb, text):
    data = text.encode().decode('unicode_escape').encode('latin-1')
    if verb == 'send':
        sock.sendall(data)
    elif verb == 'fd':
        with open(text) as f:
            rights = array.array('i', [f.fileno()])
            sock.sendmsg([b' '], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    elif verb == 'want':
        got = line()
        if got != data:
            wrong(f'{got!r} came instead of {data!r}')
    elif verb == 'like':
        got = line()
        if not re.fullmatch(data, got):
            wrong(f'{got!r} is not like {data!r}')
    elif verb == 'quiet':
        quiet(int(text))
    elif verb == 'file':
        open(text, 'w').close()
    elif verb == 'until':
        while not os.path.exists(text):
            time.sleep(0.05)
    elif verb == 'shut':
        sock.shutdown(socket.SHUT_WR)
    elif verb == 'eof':
        if pending or receive():
            wrong(f'{pending!r} came')
    else:
        wrong(f'no verb {verb}')


number, pending = 0, b''
sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
if sys.argv[2:3] == ['listen']:
    sock.bind(sys.argv[1])
    sock.listen(1)
    os.dup2(sock.fileno(), int(sys.argv[3]))
    os.execvp(sys.argv[4], sys.argv[4:])
sock.settimeout(TIMEOUT)
try:
    sock.connect(sys.argv[1])
except OSError as e:
    sys.exit(f'connect: {e.strerror}')
for script in sys.stdin:
    number += 1
    verb, _, text = script.rstrip('\n').lstrip('\t').partition(' ')
    if verb:
        do(verb, text)
