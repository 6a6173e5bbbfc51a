#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""record.py CONFIGS.jsonl CASES.jsonl [SECONDS]: what stock libxl makes of xl configurations.

A line of CONFIGS has "name" and "xl_cfg"; one of CASES is a case in the form of
tests/corpus/libxl-stock/README.md. Runs in dom0 of the lab, or in tests/stock-libxl.sh. A configuration that xl itself
refuses gives no case: libxl never sees it. After SECONDS no more are begun.
"""
import concurrent.futures
import glob
import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time

from xenstore import Store

HERE = os.path.dirname(os.path.abspath(__file__))
RECORDS = '/run/libxl-record'
JOBS = int(os.environ.get('RECORD_JOBS', '4'))
CREATE_TIMEOUT = 120
ENV = {'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/root', 'LC_ALL': 'C.UTF-8'}
SHELL_ADDS = {'PWD', 'OLDPWD', 'SHLVL', '_', 'XENDMD_RECORD', 'FAKEXC_DOMID', 'XENSTORED_PATH', 'LD_PRELOAD'}
# Not the reason, but what follows from it or stands beside it.
NOT_WHY = re.compile(r'unable to add|Non-existant|DOMAINDOMID|Unable to destroy|Destruction of domain failed|'
                     r'^xl: |is a warning|xenconsole|cannot (re-)?build domain')
# What another host would take: no business of a configuration's text.
OF_THE_HOST = re.compile(r'passthrough not supported|failed to stat|Unable to set (disk|nic) defaults|failed to read BIOS|'
                         r'is not executable|could not access stubdomain|Unable to .*kernel|failed to load|'
                         r'opendir failed')

# Without Xen (tests/fake/fakexc.c): numbers are given here, and what answers libxl on a host is played.
FAKE = 'XENSTORED_PATH' in os.environ
numbers = itertools.count(1, 4)

store_lock = threading.Lock()
store = Store()


class Run:
    """One xl create and the device models that it started."""

    def __init__(self, name, xl_cfg):
        self.name, self.record = name, os.path.join(RECORDS, name)
        self.uuid = re.search(r'^uuid = "(.*)"', xl_cfg, re.M).group(1)
        self.cfg, self.stderr = self.record + '.cfg', self.record + '.stderr'
        self.env = dict(ENV, XENDMD_RECORD=self.record)
        self.found = {}
        if FAKE:
            with store_lock:
                self.env['FAKEXC_DOMID'] = str(next(numbers))
            self.env['XENSTORED_PATH'] = os.environ['XENSTORED_PATH']
        with open(self.cfg, 'w') as f:
            f.write(xl_cfg)

    def parse(self):
        run = subprocess.run(['xl', 'create', '-n', self.cfg], env=self.env, capture_output=True, timeout=CREATE_TIMEOUT)
        if run.returncode:
            return run.stderr.decode(errors='replace')
        self.config = json.loads(run.stdout)
        return None

    def look_at_store(self):
        """What a stub domain is told; the rest of what libxl keeps for a device model."""
        image = '/vm/%s/image/' % self.uuid
        with store_lock:
            args = store.list(image + 'dm-argv')
            if args:
                self.found['dm_argv'] = [store.read(image + 'dm-argv/' + n) for n in sorted(args)]
                self.found['first_index'] = min(args)
            dmargs = store.read(image + 'dmargs')
            if dmargs is not None:
                self.found['dmargs'] = dmargs
            self.found['store'] = {p: [store.read(p), store.perms(p)] for p in self.paths() if store.read(p) is not None}

    def paths(self):
        domid = self.found.get('domid', 0)
        yield '/vm/%s/vncpasswd' % self.uuid
        yield '/local/domain/0/device-model/%d/disable_pf' % domid
        yield '/local/domain/%d/hvmloader/bios' % domid
        yield '/local/domain/%d/hvmloader/allow-memory-relocate' % domid
        yield '/local/domain/0/backend/vfb/%d/0/vncpasswd' % domid

    def take(self, cmdline):
        """A recorder's notes."""
        argv = open(cmdline, 'rb').read().decode('utf-8', 'surrogateescape').split('\0')[:-1]
        # "/bin/sh", the recorder's path, and what libxl gave
        argv = argv[2:]
        environ = open(cmdline[:-len('cmdline')] + 'environ', 'rb').read().decode('utf-8', 'surrogateescape')
        env = dict(e.split('=', 1) for e in environ.split('\0') if e)
        env = {k: v for k, v in env.items() if self.env.get(k) != v and k not in SHELL_ADDS}
        served = int(argv[argv.index('-xen-domid') + 1] if '-xen-domid' in argv else argv[argv.index('-d') + 1])
        with store_lock:
            target = store.read('/local/domain/%d/target' % served)
        if target is None:
            self.found.update(domid=served, argv=argv, env=env)
        else:
            self.found.update(domid=int(target), stubdom_id=served, stub_dom0_argv=argv)
        self.look_at_store()
        os.unlink(cmdline)

    def play(self):
        """xenconsoled, and the kernel's block backends with their hotplug scripts."""
        first = int(self.env['FAKEXC_DOMID'])
        with store_lock:
            for domid in range(first, first + 4):
                home = '/local/domain/%d/console' % domid
                if store.read(home + '/type') and not store.read(home + '/tty'):
                    store.write(home + '/tty', '/dev/pts/0')
                for kind in ('vbd', 'vif', 'vusb', 'virtio_disk', 'vsnd'):
                    backend = '/local/domain/0/backend/%s/%d/' % (kind, domid)
                    for dev in store.list(backend[:-1]):
                        state = store.read(backend + dev + '/state')
                        if state == '1':
                            store.write(backend + dev + '/hotplug-status', 'connected')
                            store.write(backend + dev + '/state', '2')
                        elif state == '5':
                            store.write(backend + dev + '/state', '6')

    def create(self):
        with open(self.stderr, 'wb') as err:
            xl = subprocess.Popen(['xl', 'create', '-p', self.cfg], env=self.env, stdout=err, stderr=err)
        end = time.monotonic() + CREATE_TIMEOUT
        while xl.poll() is None:
            for cmdline in glob.glob(glob.escape(self.record) + '.*.cmdline'):
                self.take(cmdline)
            if time.monotonic() > end:
                xl.kill()
            if FAKE:
                self.play()
            time.sleep(0.05)
        self.status = xl.returncode
        self.said = open(self.stderr, errors='replace').read()
        if not FAKE:
            subprocess.run(['xl', 'destroy', self.config['c_info']['name']], env=self.env,
                           capture_output=True)
        return xl.returncode

    def why(self):
        """libxl's first complaint, without its place in the source."""
        if self.status < 0:
            return 'xl is killed by signal %d' % -self.status
        for line in self.said.split('\n'):
            found = re.match(r'libxl: error: \S+?:\d+:\w+: ?(.*)', line)
            if found and not NOT_WHY.search(line):
                return re.sub(r'^Domain \d+:', '', found.group(1))
        return self.said.strip()[-300:]

    def case(self, xl_cfg, status):
        case = {'name': self.name, 'xl_cfg': xl_cfg, 'config': self.config}
        if 'argv' in self.found or 'dm_argv' in self.found or 'dmargs' in self.found:
            case.update(self.found)
            if os.environ.get('RECORD_CORPUS'):
                case.pop('store', None)
                case.pop('stub_dom0_argv', None)
        elif status == 0:
            case['no_device_model'] = True
        else:
            case['rejected'] = self.why()
            if OF_THE_HOST.search(case['rejected']):
                raise LookupError('depends on the host: ' + case['rejected'])
        return case


def record(line):
    config = json.loads(line)
    run = Run(config['name'], config['xl_cfg'])
    started = time.monotonic()
    try:
        refused = run.parse()
        if refused:
            print('xl refuses %s: %s' % (run.name, refused.strip()[-200:]), flush=True)
            return None
        case = run.case(config['xl_cfg'], run.create())
        if os.environ.get('RECORD_VERBOSE'):
            print('%s: %.1f s %s' % (run.name, time.monotonic() - started, case.get('rejected', '')), flush=True)
        return case
    except (LookupError, OSError, ValueError, subprocess.TimeoutExpired) as e:  # one must not take the others along
        print('%s: %s' % (run.name, e), flush=True)
        return None


def main(configs, cases, seconds='inf'):
    os.makedirs(RECORDS, exist_ok=True)
    end = time.monotonic() + float(seconds)
    lines = [l for l in open(configs) if l.strip()]
    begun, done = 0, 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool, open(cases, 'w') as out:
        running, left = set(), list(reversed(lines))
        while running or left:
            while left and len(running) < JOBS and time.monotonic() < end:
                running.add(pool.submit(record, left.pop()))
                begun += 1
            if not running:
                break
            finished, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for case in (f.result() for f in finished):
                if case:
                    done += 1
                    out.write(json.dumps(case) + '\n')
                    out.flush()
    print('%d configurations, %d tried, %d cases' % (len(lines), begun, done))


main(*sys.argv[1:])
