#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""typed-qemu.py QEMU DMCTL: real QEMU takes each typed description, and has what it describes.

Each machine is started stopped (-S, TCG), and asked over QMP for the device. Nothing that QEMU says of
something deprecated is let through. The last line is `N passed, N failed`."""
import json
import select
import socket
import subprocess
import sys
import tempfile

DEADLINE_S = 60
Q35 = {'type': 'q35', 'acceleration': 'tcg'}
BASE = {'machine': Q35, 'knobs': {'no_defaults': True, 'no_user_config': True, 'stopped': True}, 'vga': 'none'}

# name, description, id of the device to be found (None: starting is all), type it must have
MACHINES = [
    ('sections', {'name': 'a,b', 'debug': True, 'uuid': '4cb19522-1e18-439a-883a-f9b2a3a95f5e', 'cpu_model': 'max',
                  'memory': {'size': '64M', 'slots': 2, 'max_mem': '128M'}, 'smp': {'cpus': 1, 'max_cpus': 2, 'sockets': 2,
                  'cores': 1, 'threads': 1}, 'rtc': {'base': 'utc', 'clock': 'vm', 'drift_fix': 'slew'},
                  'fw_cfg': [{'name': 'opt/a', 'str': 'x,y'}, {'name': 'opt/b', 'file': '%(image)s'}],
                  'globals': ['virtio-rng-pci.period=500'], 'pid_file': '%(dir)s/pid', 'log_file': '%(dir)s/log',
                  'seccomp_sandbox': 'on,obsolete=deny', 'iothreads': [{'id': 'io0'}]}, None, None),
    ('xen machine without Xen', {'machine': {'type': 'pc', 'acceleration': 'tcg', 'options': 'usb=off'}}, None, None),
    ('microvm', {'machine': {'type': 'microvm', 'acceleration': 'tcg'}, 'memory': {'size': '64M'},
                 'knobs': {'mem_shared': True, 'stopped': True, 'no_defaults': True},
                 'devices': [{'kind': 'rng', 'id': 'r'}]}, None, None),
    ('memory backend', {'memory': {'size': '64M', 'path': '%(dir)s/mem'},
                        'knobs': {'file_backed_mem': True, 'mem_shared': True, 'mem_prealloc': True, 'stopped': True}}, None, None),
    ('numa', {'memory': {'size': '64M'}, 'smp': {'cpus': 2}, 'numa_nodes': [{'mem_size': '32M', 'cpus': '0'},
              {'mem_size': '32M', 'node_id': 1, 'cpus': '1'}], 'numa_dists': [{'src': 0, 'dst': 1, 'val': 20}]}, None, None),
    ('incoming', {'incoming': {'migration_type': 'defer'}}, None, None),
    ('kernel', {'kernel': {'path': '%(kernel)s', 'params': 'a b,c'}}, None, None),
    ('own monitor', {'qmp_sockets': [{'type': 'unix', 'name': '%(dir)s/a,b', 'server': True, 'no_wait': True}]}, None, None),
    ('block', {'iothreads': [{'id': 'io0'}], 'devices': [{'kind': 'block', 'driver': 'virtio-blk', 'id': 'b', 'device_id': 'x',
               'file': '%(image)s', 'format': 'raw', 'aio': 'threads', 'cache': 'none', 'read_only': True, 'share_rw': True,
               'discard_unmap': True, 'serial': 's1', 'iothread': 'io0', 'addr': 16}]}, 'x', 'virtio-blk-pci'),
    ('block with commas', {'devices': [{'kind': 'block', 'driver': 'virtio-blk', 'id': 'b', 'device_id': 'x',
                           'file': '%(comma)s', 'format': 'raw'}]}, 'x', 'virtio-blk-pci'),
    ('scsi', {'devices': [{'kind': 'scsi_controller', 'id': 's'}, {'kind': 'block', 'driver': 'scsi-hd', 'id': 'b',
              'device_id': 'x', 'file': '%(image)s', 'format': 'raw', 'bus': 's.0'}]}, 'x', 'scsi-hd'),
    ('fs', {'devices': [{'kind': 'fs', 'driver': 'virtio-9p', 'fs_driver': 'local', 'id': 'f', 'path': '%(dir)s',
            'mount_tag': 't', 'security_model': 'mapped-xattr', 'multidev': 'remap'}]}, None, None),
    ('char', {'devices': [{'kind': 'serial', 'driver': 'virtio-serial', 'id': 's', 'max_ports': 2},
              {'kind': 'char', 'backend': 'socket', 'driver': 'virtserialport', 'id': 'c', 'device_id': 'x',
               'path': '%(dir)s/c', 'name': 'n.0', 'bus': 's.0'}]}, 'x', 'virtserialport'),
    ('pty', {'devices': [{'kind': 'serial', 'driver': 'virtio-serial', 'id': 's'},
             {'kind': 'char', 'backend': 'pty', 'driver': 'virtconsole', 'id': 'c', 'device_id': 'x'}]}, 'x', 'virtconsole'),
    ('legacy serial', {'devices': [{'kind': 'char', 'backend': 'file', 'driver': 'serial', 'id': 'c', 'path': '%(dir)s/c'},
                       {'kind': 'legacy_serial', 'chardev': 'c'}]}, None, None),
    ('rng', {'devices': [{'kind': 'rng', 'id': 'r', 'filename': '/dev/urandom', 'max_bytes': 20, 'period': 500}]}, None, None),
    ('balloon', {'devices': [{'kind': 'balloon', 'id': 'x', 'deflate_on_oom': True, 'free_page_reporting': True,
                 'disable_modern': True, 'addr': '0x5'}]}, 'x', 'virtio-balloon-pci'),
    ('pci bridge', {'machine': {'type': 'pc', 'acceleration': 'tcg'}, 'devices': [{'kind': 'bridge', 'type': 'pci',
                    'bus': 'pci.0', 'id': 'x', 'chassis': 1, 'shpc': True, 'addr': '5'}]}, 'x', 'pci-bridge'),
    ('pcie bridge', {'devices': [{'kind': 'bridge', 'type': 'pcie', 'bus': 'pcie.0', 'id': 'x'}]}, 'x', 'pcie-pci-bridge'),
    ('switch', {'devices': [{'kind': 'pcie_root_port', 'id': 'rp', 'slot': 1, 'chassis': '0x1', 'pref64_reserve': '1G'},
                {'kind': 'pcie_switch_upstream_port', 'id': 'up', 'bus': 'rp'},
                {'kind': 'pcie_switch_downstream_port', 'id': 'x', 'bus': 'up', 'chassis': 2, 'slot': 2}]}, 'x', 'xio3130-downstream'),
    ('pxb', {'memory': {'size': '64M'}, 'knobs': {'mem_prealloc': True, 'stopped': True},
             'devices': [{'kind': 'pxb_pcie', 'id': 'x', 'bus_nr': 32}]}, None, None),
    ('nvdimm', {'machine': {'type': 'q35', 'acceleration': 'tcg', 'options': 'nvdimm=on'},
                'memory': {'size': '64M', 'slots': 2, 'max_mem': '1G'},
                'devices': [{'kind': 'memory_object', 'type': 'memory-backend-file', 'id': 'm', 'mem_path': '%(image)s',
                             'size': '1M', 'driver': 'nvdimm', 'device_id': 'x', 'read_only': True}]}, 'x', 'nvdimm'),
    ('memory objects', {'devices': [{'kind': 'memory_object', 'type': 'memory-backend-memfd', 'id': 'm', 'size': '1M', 'share': True},
                        {'kind': 'memory_object', 'type': 'memory-backend-ram', 'id': 'n', 'size': 65536}]}, None, None),
    ('loader', {'devices': [{'kind': 'loader', 'file': '%(image)s', 'id': 'x'}]}, None, None),
    ('pvpanic', {'devices': [{'kind': 'pvpanic', 'no_shutdown': True}]}, None, None),
    ('iommu', {'devices': [{'kind': 'iommu', 'device_iotlb': True, 'caching_mode': True}]}, None, None),
    ('raw', {'devices': [{'kind': 'raw', 'args': ['-device', {'driver': 'edu', 'id': 'x'}, '-boot', 'order=c']}]}, 'x', 'edu'),
]


def fill(value, places):
    if isinstance(value, dict):
        return {k: fill(v, places) for k, v in value.items()}
    if isinstance(value, list):
        return [fill(v, places) for v in value]
    return value % places if isinstance(value, str) else value


def command(channel, name, **arguments):
    channel.write(json.dumps({'execute': name, 'arguments': arguments}).encode() + b'\n')
    channel.flush()
    while True:
        line = channel.readline()
        if not line:
            raise OSError('QEMU closed its monitor')
        reply = json.loads(line)
        if 'return' in reply or 'error' in reply:
            return reply.get('return')


def ask(qemu, argv, device, kind, places):
    """What is wrong, or None."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(places['dir'] + '/monitor')
    listener.listen(1)
    errors = open(places['dir'] + '/stderr', 'w+')
    process = subprocess.Popen([qemu, '-display', 'none', '-qmp', 'unix:%s/monitor' % places['dir']] + argv,
                               stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
    try:
        connection = listener.accept()[0] if wait_for(process, listener) else None
        if not connection:
            errors.seek(0)
            return 'QEMU ends with %s: %s' % (process.returncode, errors.read()[-300:])
        connection.settimeout(DEADLINE_S)
        channel = connection.makefile('rwb')
        channel.readline()
        command(channel, 'qmp_capabilities')
        found = None
        if device:
            entries = command(channel, 'qom-list', path='/machine/peripheral') or []
            found = [e['type'] for e in entries if e['name'] == device]
        command(channel, 'quit')
        process.wait(DEADLINE_S)
        errors.seek(0)
        said = errors.read()
        if 'deprecated' in said:
            return 'QEMU warns: ' + said[-300:]
        return None if not device or found == ['child<%s>' % kind] else 'no %s called "%s": %s' % (kind, device, found)
    finally:
        process.kill()
        process.wait()
        listener.close()
        errors.close()


def wait_for(process, listener):
    """Its connection, not its end."""
    for _ in range(DEADLINE_S * 5):
        if select.select([listener], [], [], 0.2)[0]:
            return True
        if process.poll() is not None:
            return False
    return False


def attempt(qemu, dmctl, description, device, kind):
    with tempfile.TemporaryDirectory() as directory:
        places = {'dir': directory, 'image': directory + '/image', 'comma': directory + '/a,,b=c', 'kernel': directory + '/kernel'}
        for key in ('image', 'comma'):
            with open(places[key], 'wb') as f:
                f.truncate(1 << 20)
        with open(places['kernel'], 'wb') as f:  # a Linux bzImage's header, as far as QEMU reads it
            header = bytearray(4096)
            header[0x1fe:0x200], header[0x202:0x206], header[0x206:0x208] = b'\x55\xaa', b'HdrS', b'\x00\x02'
            header[0x1f1], header[0x211] = 1, 1
            f.write(header)
        with open(directory + '/d.json', 'w') as f:
            json.dump({'qemu': fill({**BASE, **description}, places)}, f)
        run = subprocess.run([dmctl, 'render', '--json', directory + '/d.json'], capture_output=True, text=True, timeout=30)
        if run.returncode:
            return 'refused: ' + run.stderr.strip()
        return ask(qemu, json.loads(run.stdout)['argv'], device, kind, places)


passed = failed = 0
for name, description, device, kind in MACHINES:
    why = attempt(sys.argv[1], sys.argv[2], description, device, kind)
    passed, failed = passed + (why is None), failed + (why is not None)
    if why:
        print('FAIL %s: %s' % (name, why))
print('%d passed, %d failed' % (passed, failed))
sys.exit(1 if failed else 0)
