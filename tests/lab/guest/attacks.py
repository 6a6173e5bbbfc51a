#!/usr/bin/python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""attacks.py GUEST STUB exact|whole|short: has the peer (tests/lab/peer) that is the stub domain STUB do the attacks
of standard input, one after the other, as it lists them. In each a client asks: it gets what it may, in time; why
the QMP was given up is an event, and there is none where it was not; afterwards QMP works again. "exact": on a real
machine; "whole": an emulated one may be too late for the first error of several; "short": and does what it does to
the ring for RING_S seconds only. The attack "paused" is xl's. XENSTORE is its client ("xenstore"). A line for each on
standard output; what is not so ends it, with status 1."""
import os
import re
import subprocess
import sys
import time

import wire

EXACT, SHORT = (sys.argv[3] == mode for mode in ('exact', 'short'))
PATIENCE_S = 30 if EXACT else 60	# deadlines are 8 and 9 s
EVENTUALLY_S = 120
RING_S = 3
GROWN_S = 4		# a pause before QMP is tried again that is no small one any more
STEADY_S = 11		# a session that held so long: the pauses begin small again
PAUSED_S = 60
XENSTORE = os.environ.get('XENSTORE', 'xenstore')
LATE = r'no answer within|half a message|has taken nothing'


def check(true, text):
    if not true:
        sys.exit(text)


def eventually(what, true):
    end = time.monotonic() + EVENTUALLY_S
    while not true():
        check(time.monotonic() < end, 'never came: ' + what)
        time.sleep(0.2)


class Events:
    """Why the QMP of the guest was given up, a text each time."""

    def __init__(self, domid):
        self.domid = domid
        self.varlink = wire.Varlink(PATIENCE_S)
        self.seen = 0

    def new(self):
        events = self.varlink.call('Events', since=self.seen)['parameters']['events']
        # What happened before the first look may be lost: tests share a daemon.
        check(not self.seen or not any(e['event'] == 'events-lost' for e in events), 'events were lost')
        if events:
            self.seen = events[-1]['seq']
        return [e['reason'] for e in events if e['event'] == 'qmp-quarantined' and e.get('domid') == self.domid]


class Victim:
    def __init__(self, guest, stub):
        self.guest, self.stub = guest, stub
        self.varlink = wire.Varlink(PATIENCE_S)
        self.events = Events(int(guest))
        self.told = []
        self.steady_at = 0

    def node(self, name):
        return f'/local/domain/{self.stub}/data/{name}'

    def taken(self, word):
        read = subprocess.run([XENSTORE, 'read', self.node('did')], capture_output=True, text=True)
        return read.stdout.strip() == word

    def does(self, word):
        subprocess.run([XENSTORE, 'write', self.node('attack'), word], check=True)
        eventually('it takes up ' + word, lambda: self.taken(word))

    def ask(self, command):
        """The text of the error; None: an answer."""
        answer = self.varlink.call('Qmp', domain=self.guest, command=command)
        return answer['parameters']['message'] if 'error' in answer else None

    def works(self):
        return self.ask('query-status') is None

    def is_told(self):
        self.told += self.events.new()
        return bool(self.told)

    def begin(self):
        time.sleep(max(0, self.steady_at - time.monotonic()))
        self.events.new()
        self.told = []

    def paused(self):
        """A stub domain that does not run for a minute: who asks gets an error, and all goes on after it."""
        began = time.monotonic()
        subprocess.run(['xl', 'pause', self.stub], check=True)
        for _ in range(3):
            check(self.ask('query-name'), 'a paused one answers')
        eventually('that it is paused', self.is_told)
        time.sleep(max(0, began + PAUSED_S - time.monotonic()))
        subprocess.run(['xl', 'unpause', self.stub], check=True)
        eventually('QMP after a pause', self.works)

    def attack(self, name, kind, client, link, ms, text):
        self.does(name)
        began = time.monotonic()
        error = self.ask('query-status' if kind == 'ring' else 'query-mice')
        took = time.monotonic() - began
        check(took < PATIENCE_S, f'{name}: the client waited for {took:.1f} s')
        check_answer(name, kind, client, text, error)
        if ms:
            time.sleep(RING_S if SHORT else ms / 1000)
        if link == 'ends':
            eventually(name + ' as an event', self.is_told)
            check(len(self.told[0]) > 10 and (kind == 'qmp' or text in self.told[0]), f'{name}: told was {self.told}')
        check(link != 'stays' or not self.is_told(), f'{name}: quarantined: {self.told}')
        self.does('none')
        over = time.monotonic()
        eventually('QMP after ' + name, self.works)
        if link != 'stays' and (not SHORT or time.monotonic() - over > GROWN_S):
            self.steady_at = time.monotonic() + STEADY_S
        return took, error

    def play(self, name, kind, client, link, ms, text=''):
        began = time.monotonic()
        self.begin()
        took, error = (self.paused(), None) if name == 'paused' else self.attack(name, kind, client, link, int(ms), text)
        self.is_told()
        print('%-20s %s%.1f s; %s; %s' % (name, '' if took is None else f'after {took:.1f} of ',
            time.monotonic() - began, error[:100] if error else 'answered', self.told[0][:100] if self.told else ''), flush=True)


def check_answer(name, kind, client, text, error):
    check(error is None or re.fullmatch('[ -~]+', error), f'{name}: bytes for a terminal: {error!a}')
    if client == 'fine':
        check(error is None, f'{name}: {error}')
    elif client != 'any':
        check(error, name + ': answered')
        # Of several errors the first one: a deadline may be before the end of a slow attack.
        late = not EXACT and (client == 'late' or re.search(LATE, error))
        check(kind == 'ring' or text in error or late, f'{name}: no "{text}" in {error}')


victim = Victim(sys.argv[1], sys.argv[2])
for line in sys.stdin:
    victim.play(*line.strip().split(' ', 5))
