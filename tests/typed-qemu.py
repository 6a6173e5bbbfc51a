#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""typed-qemu.py QEMU DMCTL: real QEMU takes each typed description, and has what it describes.

QEMU may be "new", for the one that qemu-new.sh fetches. Each machine is started stopped (-S, TCG), and
asked over QMP for the devices. Nothing that QEMU says of something deprecated is let through. What needs
hardware that a test has not got (vfio, vhost) must be refused by QEMU for that reason alone."""
import os
import re
import subprocess
import sys
import time

import typed_lab
from typed_lab import Failure, Machine

Q35 = {'type': 'q35', 'acceleration': 'tcg'}
PC = {'type': 'pc', 'acceleration': 'tcg'}
KNOBS = {'no_defaults': True, 'no_user_config': True, 'stopped': True}
BASE = {'machine': Q35, 'knobs': KNOBS, 'vga': 'none'}
SHARED = {'memory': {'size': '64M'}, 'knobs': {**KNOBS, 'mem_shared': True}}
SERIAL = {'kind': 'serial', 'driver': 'virtio-serial', 'id': 's'}


def port(backend, **fields):
    return {'devices': [SERIAL, {'kind': 'char', 'backend': backend, 'driver': 'virtconsole', 'id': 'c', 'device_id': 'x', **fields}]}


def user(kind, **fields):
    return {**SHARED, 'devices': [{'kind': 'vhost_user', 'vhost_user_type': kind, 'socket_path': '%(user)s', 'char_dev_id': 'c', **fields}]}


def tap(**fields):
    return {'devices': [{'kind': 'net', 'type': 'tap', 'id': 'n', 'device_id': 'x', **fields}]}


# name, description, what it has (typed_lab.Machine.has), its open files
MACHINES = [
    ('sections', {'name': 'a,b', 'debug': True, 'uuid': '4cb19522-1e18-439a-883a-f9b2a3a95f5e', 'cpu_model': 'max',
                  'memory': {'size': '64M', 'slots': 2, 'max_mem': '128M'}, 'smp': {'cpus': 1, 'max_cpus': 2, 'sockets': 2,
                  'cores': 1, 'threads': 1}, 'rtc': {'base': 'utc', 'clock': 'vm', 'drift_fix': 'slew'},
                  'fw_cfg': [{'name': 'opt/a', 'str': 'x,y'}, {'name': 'opt/b', 'file': '%(image)s'}],
                  'globals': ['virtio-rng-pci.period=500'], 'pid_file': '%(dir)s/pid', 'log_file': '%(dir)s/log',
                  'seccomp_sandbox': 'on,obsolete=deny', 'iothreads': [{'id': 'io0'}]}, ['/io0:iothread']),
    ('rtc without the rest', {'rtc': {'clock': 'rt'}}, []),
    ('rtc with a date', {'rtc': {'base': '2026-11-21T15:00:00', 'drift_fix': 'none'}}, []),
    ('acceleration with properties', {'machine': {'type': 'q35', 'acceleration': 'tcg,kernel_irqchip=off', 'options': 'usb=off'}}, []),
    ('pc', {'machine': {**PC, 'options': 'usb=off'}}, []),
    ('microvm', {'machine': {'type': 'microvm', 'acceleration': 'tcg'}, **SHARED, 'devices': [{'kind': 'rng', 'id': 'r'}]},
     ['/r:rng-random', ':virtio-rng-device', '/dimm1:memory-backend-ram']),
    ('microvm with all that is virtio', {
        'machine': {'type': 'microvm', 'acceleration': 'tcg'}, 'memory': {'size': '64M'},
        'devices': [{'kind': 'balloon', 'id': 'a'}, {'kind': 'scsi_controller', 'id': 'b'},
                    {'kind': 'block', 'driver': 'virtio-blk', 'id': 'd', 'device_id': 'c', 'file': '%(image)s', 'format': 'raw'},
                    {'kind': 'serial', 'driver': 'virtio-serial', 'id': 'e'}, {'kind': 'fs', 'driver': 'virtio-9p', 'fs_driver': 'local',
                     'id': 'f', 'path': '%(dir)s', 'mount_tag': 't', 'security_model': 'none'},
                    {'kind': 'net', 'type': 'tap', 'id': 'n', 'device_id': 'g', 'fds': ['@tap0']}]},
     ['a:virtio-balloon-device', 'b:virtio-scsi-device', 'c:virtio-blk-device', 'e:virtio-serial-device', ':virtio-9p-device',
      'g:virtio-net-device'], ['tap0']),
    ('memory in a file', {'memory': {'size': '64M', 'path': '%(dir)s/mem'},
                          'knobs': {**KNOBS, 'file_backed_mem': True, 'mem_shared': True, 'mem_prealloc': True}}, ['/dimm1:memory-backend-file']),
    ('numa', {'memory': {'size': '64M'}, 'smp': {'cpus': 2}, 'numa_nodes': [{'mem_size': '32M', 'cpus': '0'},
              {'mem_size': '32M', 'node_id': 1, 'cpus': '1'}], 'numa_dists': [{'src': 0, 'dst': 1, 'val': 20}]}, ['/numa-mem1:memory-backend-ram']),
    ('incoming', {'incoming': {'migration_type': 'defer'}}, []),
    ('incoming from a program', {'incoming': {'migration_type': 'exec', 'exec': 'sleep 1000'}}, []),
    ('kernel', {'kernel': {'path': '%(kernel)s', 'initrd_path': '%(image)s', 'params': 'a b,c'}}, []),
    ('monitors', {'qmp_sockets': [{'type': 'unix', 'name': '%(dir)s/a,b', 'server': True, 'no_wait': True},
                  {'type': 'unix', 'fd': '@listen', 'server': True, 'no_wait': True, 'protocol': 'hmp'},
                  {'type': 'unix', 'name': '%(dir)s/p', 'server': True, 'no_wait': True, 'protocol': 'qmp-pretty'}]},
     ['%compat_monitor1', '%compat_monitor2'], ['listen']),
    ('block', {'iothreads': [{'id': 'io0'}], 'devices': [{'kind': 'block', 'driver': 'virtio-blk', 'id': 'b', 'device_id': 'x',
               'file': '%(image)s', 'format': 'raw', 'aio': 'threads', 'cache': 'none', 'read_only': True, 'share_rw': True,
               'discard_unmap': True, 'serial': 's1', 'iothread': 'io0', 'addr': 16}]}, ['x:virtio-blk-pci']),
    ('block with native aio', {'devices': [{'kind': 'block', 'driver': 'virtio-blk', 'id': 'b', 'device_id': 'x', 'wce': True,
                               'file': '%(image)s', 'format': 'raw', 'aio': 'native'}]}, ['x:virtio-blk-pci']),
    ('block with commas', {'devices': [{'kind': 'block', 'driver': 'virtio-blk', 'id': 'b', 'device_id': 'x',
                           'file': '%(comma)s', 'format': 'raw'}]}, ['x:virtio-blk-pci']),
    ('block on others', {'devices': [{'kind': 'block', 'driver': 'ide-hd', 'id': 'b', 'device_id': 'x', 'file': '%(image)s', 'format': 'raw',
                         'bus': 'ide.0'}, {'kind': 'block', 'driver': 'nvme', 'id': 'd', 'device_id': 'y', 'file': '%(comma)s',
                         'format': 'raw', 'serial': 'n1'}]}, ['x:ide-hd', 'y:nvme']),
    ('scsi', {'iothreads': [{'id': 'io0'}], 'devices': [{'kind': 'scsi_controller', 'id': 's', 'addr': '4.0', 'iothread': 'io0'}, {'kind': 'block', 'driver': 'scsi-hd', 'id': 'b',
              'device_id': 'x', 'file': '%(image)s', 'format': 'raw', 'bus': 's.0'}]}, ['s:virtio-scsi-pci', 'x:scsi-hd']),
    ('fs', {'devices': [{'kind': 'fs', 'driver': 'virtio-9p', 'fs_driver': 'local', 'id': 'f', 'path': '%(dir)s',
            'mount_tag': 't', 'security_model': 'mapped-xattr', 'multidev': 'remap', 'disable_modern': True}]}, [':virtio-9p-pci']),
    ('char: socket, a server', {'devices': [{**SERIAL, 'max_ports': 2}, {'kind': 'char', 'backend': 'socket', 'driver': 'virtserialport',
                                'id': 'c', 'device_id': 'x', 'path': '%(dir)s/c', 'name': 'n.0', 'bus': 's.0'}]},
     ['s:virtio-serial-pci', 'x:virtserialport', '%c']),
    ('char: socket, a client', port('socket', path='%(user)s', client=True), ['x:virtconsole', '%c']),
    ('char: pty', port('pty'), ['x:virtconsole', '%c']),
    ('char: pipe', port('pipe', path='%(pipe)s'), ['x:virtconsole', '%c']),
    ('char: serial', port('serial', path='%(tty)s'), ['x:virtconsole', '%c']),
    ('char: tty', port('tty', path='%(tty)s'), ['x:virtconsole', '%c']),
    ('char: file', port('file', path='%(dir)s/c'), ['x:virtconsole', '%c']),
    ('char: stdio', port('stdio'), ['x:virtconsole', '%c']),
    ('legacy serial', {'devices': [{'kind': 'char', 'backend': 'file', 'driver': 'serial', 'id': 'c', 'path': '%(dir)s/c'},
                       {'kind': 'legacy_serial', 'chardev': 'c'}]}, ['%c']),
    ('net: tap', tap(fds=['@tap0'], mac_address='00:16:3e:01:02:03'), ['@n', 'x:virtio-net-pci'], ['tap0']),
    ('net: several queues', tap(fds=['@mq0', '@mq1']), ['@n', 'x:virtio-net-pci'], ['mq0', 'mq1']),
    ('net: another card', tap(fds=['@tap0'], driver='e1000'), ['@n', 'x:e1000'], ['tap0']),
    ('net: by its name', tap(if_name='xtypedn%(pid)s', script='no', down_script='no'), ['@n', 'x:virtio-net-pci']),
    ('net: vhost-user', {**SHARED, 'devices': [{'kind': 'char', 'backend': 'socket', 'driver': 'serial', 'id': 'c', 'path': '%(user)s',
                         'client': True}, {'kind': 'net', 'type': 'vhost-user', 'id': 'n', 'device_id': 'x', 'chardev': 'c', 'queues': 2}]},
     ['@n', 'x:virtio-net-pci']),
    ('vhost_user: net', user('virtio-net', type_dev_id='x', address='00:16:3e:00:00:01'), ['@x', ':virtio-net-pci']),
    ('vhost_user: scsi', user('vhost-user-scsi', type_dev_id='x'), ['x:vhost-user-scsi-pci']),
    ('vhost_user: blk', user('vhost-user-blk', type_dev_id='x'), ['x:vhost-user-blk-pci']),
    ('vhost_user: fs', user('vhost-user-fs', type_dev_id='x', tag='t', queue_size=512), ['x:vhost-user-fs-pci']),
    ('rng', {'devices': [{'kind': 'rng', 'id': 'r', 'filename': '/dev/urandom', 'max_bytes': 20, 'period': 500}]},
     ['/r:rng-random', ':virtio-rng-pci']),
    ('balloon', {'devices': [{'kind': 'balloon', 'id': 'x', 'deflate_on_oom': True, 'free_page_reporting': True,
                 'disable_modern': True, 'addr': '0x5'}]}, ['x:virtio-balloon-pci']),
    ('bridge: pci', {'machine': PC, 'devices': [{'kind': 'bridge', 'type': 'pci', 'bus': 'pci.0', 'id': 'x', 'chassis': 1,
                     'shpc': True, 'addr': '5', 'io_reserve': '4K', 'mem_reserve': '1M'},
                     {'kind': 'rng', 'id': 'r', 'bus': 'x', 'addr': '1'}]}, ['x:pci-bridge', ':virtio-rng-pci']),
    ('bridge: pcie', {'devices': [{'kind': 'bridge', 'type': 'pcie', 'bus': 'pcie.0', 'id': 'x'}]}, ['x:pcie-pci-bridge']),
    ('switch', {'devices': [{'kind': 'pcie_root_port', 'id': 'rp', 'slot': 1, 'chassis': '0x1', 'pref64_reserve': '1G', 'bus_reserve': 4},
                {'kind': 'pcie_switch_upstream_port', 'id': 'up', 'bus': 'rp'},
                {'kind': 'pcie_switch_downstream_port', 'id': 'x', 'bus': 'up', 'chassis': 2, 'slot': 2},
                {'kind': 'balloon', 'id': 'b', 'bus': 'x'}]},
     ['rp:pcie-root-port', 'up:x3130-upstream', 'x:xio3130-downstream', 'b:virtio-balloon-pci']),
    ('root ports that share a slot', {'devices': [{'kind': 'pcie_root_port', 'id': 'a', 'chassis': 1, 'addr': '3.0', 'multifunction': True},
                                      {'kind': 'pcie_root_port', 'id': 'b', 'chassis': 2, 'addr': '3.1'}]},
     ['a:pcie-root-port', 'b:pcie-root-port']),
    ('pxb', {'memory': {'size': '64M'}, 'knobs': {**KNOBS, 'mem_prealloc': True}, 'devices': [{'kind': 'pxb_pcie', 'id': 'x', 'bus_nr': 32},
             {'kind': 'pcie_root_port', 'id': 'p', 'bus': 'x', 'chassis': 1}]}, ['x:pxb-pcie', 'p:pcie-root-port']),
    ('memory_object: nvdimm', {'machine': {**Q35, 'options': 'nvdimm=on'}, 'memory': {'size': '64M', 'slots': 2, 'max_mem': '1G'},
                               'devices': [{'kind': 'memory_object', 'type': 'memory-backend-file', 'id': 'm', 'mem_path': '%(image)s',
                                            'size': '1M', 'driver': 'nvdimm', 'device_id': 'x', 'read_only': True}]},
     ['/m:memory-backend-file', 'x:nvdimm']),
    ('memory_object: dimm', {'memory': {'size': '64M', 'slots': 2, 'max_mem': '1G'}, 'devices': [
        {'kind': 'memory_object', 'type': 'memory-backend-ram', 'id': 'm', 'size': '128M', 'driver': 'pc-dimm', 'device_id': 'x'}]},
     ['/m:memory-backend-ram', 'x:pc-dimm']),
    ('memory_object: alone', {'devices': [{'kind': 'memory_object', 'type': 'memory-backend-memfd', 'id': 'm', 'size': '1M', 'share': True},
                              {'kind': 'memory_object', 'type': 'memory-backend-ram', 'id': 'n', 'size': 65536, 'prealloc': True}]},
     ['/m:memory-backend-memfd', '/n:memory-backend-ram']),
    ('loader', {'devices': [{'kind': 'loader', 'file': '%(image)s', 'id': 'x'}]}, ['x:loader']),
    ('pvpanic', {'devices': [{'kind': 'pvpanic', 'no_shutdown': True}]}, [':pvpanic']),
    ('iommu', {'devices': [{'kind': 'iommu', 'device_iotlb': True, 'caching_mode': True}]}, [':intel-iommu']),
    ('raw', {'devices': [{'kind': 'raw', 'args': ['-device', {'driver': 'edu', 'id': 'x'}, '-boot', 'order=c']}]}, ['x:edu']),
]

# name, description, what QEMU says where the hardware is missing
NOT_HERE = [
    ('vfio', {'devices': [{'kind': 'vfio', 'bdf': '0000:ff:1f.7', 'id': 'x', 'vendor_id': '0x10de', 'device_id': '0x15f8'}]},
     r'ff:1f\.7.*(no such host device|No such file)'),
    ('net: vfio', {'devices': [{'kind': 'net', 'type': 'vfio', 'id': 'x', 'bdf': 'ff:1f.7'}]}, r'ff:1f\.7.*(no such host device|No such file)'),
    ('vfio: mediated', {'devices': [{'kind': 'vfio', 'sysfs_dev': '/sys/nowhere', 'id': 'x'}]}, r'(no such host device|No such file)'),
    ('vsock', {'devices': [{'kind': 'vsock', 'id': 'x', 'context_id': 7, 'vhost_fd': '@null'}]}, r'vhost-vsock|vhost_set_owner|vhostfd'),
    ('huge pages', {'memory': {'size': '64M'}, 'knobs': {**KNOBS, 'huge_pages': True, 'mem_prealloc': True}}, r'hugepages'),
]


def describe(description, places, qemu, dmctl):
    names = {**places.names, 'pid': os.getpid() % 10000}
    argv, why = typed_lab.render(dmctl, {'qemu': typed_lab.fill({**BASE, **description}, names)}, places.directory,
                                 '--qemu-version', typed_lab.version_of(qemu))
    if argv is None:
        raise Failure('refused: ' + why)
    return argv


def check_machine(places, _, qemu, dmctl, description, has, files=()):
    machine = Machine(qemu, describe(description, places, qemu, dmctl), places, files)
    try:
        machine.check(has)
    finally:
        machine.stop()


def check_not_here(places, _, qemu, dmctl, description, reason):
    machine = Machine(qemu, describe(description, places, qemu, dmctl), places, ('null',))
    try:
        if machine.connection:
            machine.check()  # it is here after all
        elif not re.search(reason, machine.said()):
            raise Failure('QEMU says: ' + machine.said()[-300:])
    finally:
        machine.stop()


def check_state(places, _, qemu, dmctl):
    """A machine's state goes into a file and comes from it, by a descriptor."""
    part = {'machine': PC, 'knobs': KNOBS, 'memory': {'size': '16M'}, 'vga': 'none', 'devices': [{'kind': 'rng', 'id': 'r'}]}
    first = Machine(qemu, describe(part, places, qemu, dmctl), places)
    try:
        first.check()
        first.ask('migrate', uri='exec:cat >%s/state' % places.directory)
        wait_for_migration(first)
    finally:
        first.stop()
    definition = {'match': {'name': 'a'}, 'kind': 'qemu', 'files': {'state': {'path': places.directory + '/state'}},
                  'qemu': {**part, 'incoming': {'migration_type': 'fd', 'fd': '@state'}}}
    argv, why = typed_lab.render(dmctl, definition, places.directory, '--qemu-version', typed_lab.version_of(qemu))
    if argv is None:
        raise Failure('refused: ' + why)
    second = Machine(qemu, argv, places, ('state',))
    try:
        second.check()
        wait_for_migration(second)
        second.check()
    finally:
        second.stop()


def wait_for_migration(machine):
    status = None
    for _ in range(typed_lab.DEADLINE_S * 10):
        status = machine.ask('query-migrate').get('status')
        if status == 'completed':
            return
        if status in ('failed', 'cancelled'):
            break
        time.sleep(0.1)
    raise Failure('the migration is ' + str(status))


def main():
    qemu, dmctl = sys.argv[1:]
    if qemu == 'new':
        run = subprocess.run([os.path.dirname(os.path.abspath(__file__)) + '/qemu-new.sh'], stdout=subprocess.PIPE, text=True)
        if run.returncode:
            print('there is no newer QEMU to try\n0 passed, 1 failed')
            return 1
        qemu = run.stdout.strip()
    print('QEMU ' + typed_lab.version_of(qemu))
    cases = [(name, check_machine, qemu, dmctl, *rest) for name, *rest in MACHINES]
    cases += [(name, check_not_here, qemu, dmctl, *rest) for name, *rest in NOT_HERE]
    cases += [('state from a file', check_state, qemu, dmctl)]
    return typed_lab.run(cases, lambda places, name, check, *rest: check(places, name, *rest))


sys.exit(main())
