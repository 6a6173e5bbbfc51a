#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""typed-values.py TYPED-DESCRIPTION.md DMCTL: what the document says of each value is what is done.

"kept": the value stands on the command line; "renamed: X": X does; "says nothing": the command line is
the one without it; "refused": no command line, and a reason."""
import json
import re
import subprocess
import sys
import tempfile

DEVICES = {
    'char': {'kind': 'char', 'backend': 'file', 'driver': 'virtconsole', 'id': 'c', 'device_id': 'd', 'path': '/p'},
    'fs': {'kind': 'fs', 'driver': 'virtio-9p', 'fs_driver': 'local', 'id': 'f', 'path': '/p', 'mount_tag': 't',
           'security_model': 'none'},
    'net': {'kind': 'net', 'type': 'tap', 'id': 'n', 'fds': ['@f'], 'chardev': 'c', 'bdf': '03:00.0'},
    'block': {'kind': 'block', 'driver': 'virtio-blk', 'id': 'b', 'file': '/f'},
    'vfio': {'kind': 'vfio', 'sysfs_dev': '/sys/x'},
    'vhost_user': {'kind': 'vhost_user', 'socket_path': '/s', 'char_dev_id': 'c', 'type_dev_id': 't'},
    'bridge': {'kind': 'bridge', 'bus': 'pci.0', 'id': 'b', 'chassis': 1},
    'memory_object': {'kind': 'memory_object', 'id': 'm', 'size': '1M', 'mem_path': '/m'},
}
SECTIONS = {
    'machine': {'type': 'pc'}, 'rtc': {}, 'incoming': {}, 'knobs': {},
    'qmp_sockets': {'type': 'unix', 'name': '/q', 'server': True, 'no_wait': True},
}
# What a value needs beside it.
BESIDE = {
    ('char', 'pty'): {'path': None}, ('net', 'vfio'): {'fds': None, 'chardev': None},
    ('net', 'vhost-user'): {'fds': None},
    ('vhost_user', 'virtio-net'): {'address': '00:16:3e:00:00:01'},
    ('vhost_user', 'virtio-net-pci'): {'address': '00:16:3e:00:00:01'},
    ('vhost_user', 'vhost-user-fs'): {'tag': 't'},
    ('incoming', 'fd'): {'fd': '@f'}, ('incoming', 'exec'): {'exec': 'cat'},
}


def description(where, key, value):
    part = dict(DEVICES.get(where) or SECTIONS[where])
    if value is not None:
        part[key] = {'true': True, 'false': False}.get(value, value)
        part.update(BESIDE.get((where, value), {}))
    part = {k: v for k, v in part.items() if v is not None}
    if where in DEVICES:
        return {'devices': [part], 'memory': {'size': '64M'}, 'knobs': {'mem_shared': True}}
    return {where: [part] if where == 'qmp_sockets' else part}


def render(dmctl, qemu):
    with tempfile.NamedTemporaryFile('w', suffix='.json') as f:
        json.dump({'qemu': qemu}, f)
        f.flush()
        run = subprocess.run([dmctl, 'render', '--json', f.name], capture_output=True, text=True, timeout=30)
    return (json.loads(run.stdout)['argv'] if run.returncode == 0 else None), run.stderr.strip()


def words(argv):
    return set(re.split(r'[ ,=:]', ' '.join(argv))) | set(re.split(r'[ ,]', ' '.join(argv))) | {a.lstrip('-') for a in argv}


def check(dmctl, where, key, value, here):
    argv, reason = render(dmctl, description(where, key, value))
    if here.startswith('refused'):
        return None if argv is None and reason else 'is not refused'
    if argv is None:
        return 'is refused: ' + reason
    if here.startswith('says nothing'):
        return None if argv == render(dmctl, description(where, key, None))[0] else 'changes the command line'
    wanted = re.match(r'renamed: (\S+)', here).group(1) if here.startswith('renamed') else value
    return None if wanted in words(argv) else 'no "%s" in %s' % (wanted, argv)


passed = failed = 0
for line in open(sys.argv[1]):
    row = re.match(r'\| (\w+)\.(\w+) \| (\S+) \| (kept|renamed|refused|says)(.*) \|$', line)
    if not row:
        continue
    why = check(sys.argv[2], row[1], row[2], row[3], row[4] + row[5])
    passed, failed = passed + (why is None), failed + (why is not None)
    if why:
        print('%s.%s %s: %s' % (row[1], row[2], row[3], why))
print('%d passed, %d failed' % (passed, failed))
sys.exit(1 if failed or passed < 60 else 0)
