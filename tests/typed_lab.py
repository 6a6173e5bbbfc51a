# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of typed descriptions share: they are rendered, and real QEMU is started with them.

QEMU runs stopped and emulated. Files that a description names with "@" are opened here by their names:
tap… and mq… (a queue of a tap interface), listen… (a unix socket that listens), null… (nothing).
A vhost-user device's other side is VhostUser."""
import concurrent.futures
import fcntl
import json
import os
import re
import select
import socket
import struct
import subprocess
import tempfile
import threading

DEADLINE_S = 240  # of any one answer; for a machine that is busy with everything at once
FD_MIN = 64       # ours lie above QEMU's numbers
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE, IFF_VNET_HDR = 0x400454ca, 2, 0x1000, 0x100, 0x4000


class Failure(Exception):
    """What is wrong, for who reads the test's output."""


def fill(value, places):
    if isinstance(value, dict):
        return {k: fill(v, places) for k, v in value.items()}
    if isinstance(value, list):
        return [fill(v, places) for v in value]
    return value % places if isinstance(value, str) else value


def render(dmctl, definition, directory, *options):
    """(argv, None) or (None, the reason)."""
    path = directory + '/definition.json'
    with open(path, 'w') as f:
        json.dump(definition, f)
    return render_file(dmctl, path, *options)


def render_file(dmctl, path, *options):
    run = subprocess.run([dmctl, 'render', '--json', *options, path], capture_output=True, text=True, timeout=DEADLINE_S)
    if run.returncode == 0:
        return json.loads(run.stdout)['argv'], None
    if run.returncode != 1 or not run.stderr.strip():
        raise Failure('render exits %d: %s' % (run.returncode, run.stderr))
    return None, run.stderr.strip().replace(path, 'FILE')


def version_of(qemu):
    said = subprocess.run([qemu, '--version'], capture_output=True, text=True, timeout=DEADLINE_S).stdout
    return re.search(r'version (\d+\.\d+)', said).group(1)


class Places:
    """A directory with what descriptions name, and the open files."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix='typed-')
        self.directory = self.holder.name
        self.fds, self.taps, self.listeners = [], {}, []
        self.names = {'dir': self.directory}
        for name in ('image', 'a,b=c'):
            with open(self.directory + '/' + name, 'wb') as f:
                f.truncate(1 << 20)
        self.names.update(image=self.directory + '/image', comma=self.directory + '/a,b=c', kernel=self.make_kernel(),
                          tty=self.make_tty(), user=self.directory + '/vhost-user')
        for end in ('in', 'out'):
            os.mkfifo(self.directory + '/pipe.' + end)
        self.names['pipe'] = self.directory + '/pipe'
        self.backend = VhostUser(self.names['user'])

    def make_kernel(self):
        """The header of a Linux bzImage, as far as QEMU reads it."""
        header = bytearray(4096)
        header[0x1fe:0x200], header[0x202:0x206], header[0x206:0x208] = b'\x55\xaa', b'HdrS', b'\x00\x02'
        header[0x1f1], header[0x211] = 1, 1
        path = self.directory + '/kernel'
        with open(path, 'wb') as f:
            f.write(header)
        return path

    def make_tty(self):
        primary, secondary = os.openpty()
        self.keep(primary)
        path = os.ttyname(secondary)
        self.keep(secondary)
        return path

    def keep(self, fd):
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FD_MIN)
        os.close(fd)
        self.fds.append(high)
        return high

    def open(self, name):
        if name.startswith(('tap', 'mq')):
            several = IFF_MULTI_QUEUE if name.startswith('mq') else 0
            fd = os.open('/dev/net/tun', os.O_RDWR)
            wanted = self.taps.get(name.rstrip('0123456789'), 'xtyped%d')
            reply = fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH22x', wanted.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | several))
            if several:
                self.taps[name.rstrip('0123456789')] = reply[:16].rstrip(b'\0').decode()
            return self.keep(fd)
        if name.startswith('listen'):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.directory + '/' + name)
            listener.listen(1)
            return self.keep(listener.detach())
        if name.startswith('state'):
            return self.keep(os.open(self.directory + '/state', os.O_RDONLY))
        return self.keep(os.open('/dev/null', os.O_RDWR))

    def close(self):
        self.backend.close()
        for fd in self.fds:
            os.close(fd)
        self.holder.cleanup()


class VhostUser:
    """The least of a vhost-user device's other side that QEMU brings one up with."""
    ANSWERED = {1: 1 << 30 | 1 << 32, 15: 1 << 0 | 1 << 9, 17: 2, 36: 8}  # features, protocol features, queues, slots
    GET_VRING_BASE, GET_CONFIG, PROTOCOL_CONFIG = 11, 24, 24

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(4)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            while True:
                header = self.read(connection, 12)
                if not header:
                    return
                request, _, size = struct.unpack('<3I', header)
                payload = self.read(connection, size) if size else b''
                if request in self.ANSWERED:
                    answer = struct.pack('<Q', self.ANSWERED[request])
                elif request == self.GET_VRING_BASE:
                    answer = payload[:8]
                elif request == self.GET_CONFIG:  # a disk of 1 MiB with one queue
                    config = struct.pack('<Q', 2048).ljust(34, b'\0') + b'\1\0'
                    answer = payload[:12] + config.ljust(len(payload), b'\0')[:len(payload) - 12]
                else:
                    continue
                connection.sendall(struct.pack('<3I', request, 5, len(answer)) + answer)

    @staticmethod
    def read(connection, size):
        data = b''
        while len(data) < size:
            try:
                more, fds, _, _ = socket.recv_fds(connection, size - len(data), 16)
            except OSError:
                return b''
            for fd in fds:
                os.close(fd)
            if not more:
                return b''
            data += more
        return data

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Machine:
    """A QEMU with these arguments; names of files in the order of their descriptors."""

    def __init__(self, qemu, argv, places, files=()):
        self.places = places
        numbers = [places.open(name) for name in files]
        moves = ' '.join('%d<&%d %d<&-' % (3 + i, fd, fd) for i, fd in enumerate(numbers))
        listener = socket.socket(socket.AF_UNIX)
        monitor = '%s/monitor%d' % (places.directory, len(os.listdir(places.directory)))
        listener.bind(monitor)
        listener.listen(1)
        self.errors = open(monitor + '.stderr', 'w+')
        self.process = subprocess.Popen(
            ['bash', '-c', 'exec %s; exec "$0" "$@"' % moves, qemu, '-display', 'none', '-qmp', 'unix:' + monitor] + argv,
            stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors, pass_fds=numbers, cwd=places.directory)
        with listener:
            self.connection = listener.accept()[0] if self.wait_for(listener) else None
        if self.connection:
            self.greet()

    def greet(self):
        """It may end at once: devices come after the monitor."""
        self.connection.settimeout(DEADLINE_S)
        self.channel = self.connection.makefile('rwb')
        try:
            self.channel.readline()
            self.ask('qmp_capabilities')
        except (Failure, OSError):
            self.process.wait(DEADLINE_S)
            self.connection.close()
            self.connection = None

    def wait_for(self, listener):
        """Its connection, not its end."""
        for _ in range(DEADLINE_S * 5):
            if select.select([listener], [], [], 0.2)[0]:
                return True
            if self.process.poll() is not None:
                return False
        return False

    def said(self):
        self.errors.seek(0)
        return self.errors.read().strip()

    def ask(self, name, **arguments):
        self.channel.write(json.dumps({'execute': name, 'arguments': arguments}).encode() + b'\n')
        self.channel.flush()
        while True:
            line = self.channel.readline()
            if not line:
                raise Failure('QEMU closed its monitor: ' + self.said()[-300:])
            reply = json.loads(line)
            if 'error' in reply:
                raise Failure('%s: %s' % (name, reply['error']['desc']))
            if 'return' in reply:
                return reply['return']

    def has(self, what):
        """ID:TYPE a device, :TYPE one without an id, /ID:TYPE an object, %ID a chardev, @ID a netdev."""
        if what[0] == '%':
            return any(c['label'] == what[1:] for c in self.ask('query-chardev'))
        if what[0] == '@':
            return any(f['name'] == what[1:] for f in self.ask('query-rx-filter')) or \
                what[1:] + ':' in self.ask('human-monitor-command', **{'command-line': 'info network'})
        name, kind = what.lstrip('/').split(':')
        path = '/objects' if what[0] == '/' else '/machine/peripheral' if name else '/machine/peripheral-anon'
        return any(e['type'] == 'child<%s>' % kind and (not name or e['name'] == name) for e in self.ask('qom-list', path=path))

    def check(self, has=()):
        """What it has, and that it runs without a word of anything deprecated."""
        if not self.connection:
            raise Failure('QEMU ends with %s: %s' % (self.process.returncode, self.said()[-300:]))
        status = self.ask('query-status')['status']
        if status not in ('prelaunch', 'inmigrate', 'paused'):
            raise Failure('its status is ' + status)
        for what in has:
            if not self.has(what):
                raise Failure('it has no %s' % what)
        if 'deprecated' in self.said():
            raise Failure('QEMU warns: ' + self.said()[-300:])

    def stop(self):
        """To be called whatever happened."""
        try:
            if self.connection:
                try:
                    self.ask('quit')
                    self.process.wait(DEADLINE_S)
                except (Failure, OSError, subprocess.TimeoutExpired):
                    pass
                self.connection.close()
        finally:
            self.process.kill()
            self.process.wait()
            self.errors.close()


def run(cases, check, workers=2):
    """check(*case) for each, so many side by side; it raises Failure. The exit status."""
    failed = 0

    def one(case):
        places = Places()
        try:
            check(places, *case)
            return None
        except (Failure, OSError, ValueError) as error:
            return '%s: %s' % (type(error).__name__, error) if not isinstance(error, Failure) else str(error)
        finally:
            places.close()

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for case, why in zip(cases, pool.map(one, cases)):
            if why:
                failed += 1
                print('FAIL %s: %s' % (case[0], why))
    print('%d passed, %d failed' % (len(cases) - failed, failed))
    return 1 if failed or not cases else 0
