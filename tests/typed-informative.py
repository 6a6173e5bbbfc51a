#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""typed-informative.py QEMU DMCTL CASES.jsonl: govmm's first version in its corners.

What that version made of these descriptions is for information only (tests/corpus/govmm/README.md): it
dropped a part silently, or QEMU refuses it today. Each has an expectation of our own here: the command
line, which QEMU must take, or the refusal's text. A case without one fails, and so does one without a case.

Where the command line names what a test has not got (/dev/vhost-net), the case says what QEMU may stop at;
else it must start: with a machine and memory where it has none, and with other paths and sizes in place of
the corpus' own."""
import json
import re
import sys

import typed_lab
from typed_lab import Failure, Machine

MAC = '01:02:de:ad:be:ef'
TAP = '-netdev tap,id=tap0,ifname=t0 -device virtio-net-pci,netdev=tap0'
Q35 = {'machine': {'type': 'q35', 'acceleration': 'tcg'}}
SIZE = {'memory': {'size': '256M'}}
SERIAL = {'kind': 'serial', 'driver': 'virtio-serial', 'id': 's'}


class Refused(str):
    """The text behind "FILE:1: "."""


class Runs:
    """The command line; when it runs, PATHS are replaced, and BESIDE is there, a description of the rest."""

    def __init__(self, argv, files=(), paths=None, stops_at=None, **beside):
        self.argv, self.files, self.paths, self.stops_at, self.beside = argv, files, paths or {}, stops_at, beside


EXPECTED = {
    'macvtap_with_fds': Runs('-netdev tap,id=tap0,fds=3 -device virtio-net-pci,netdev=tap0,mac=%s,mq=on,vectors=4' % MAC, ['tap0']),
    'ipvtap_invalid_even_complete': Runs('-netdev tap,id=tap0,fds=3 -device virtio-net-pci,netdev=tap0,mac=%s,mq=on,vectors=4' % MAC, ['tap0']),
    'tap_mac_empty': Runs(TAP),
    'tap_driver_field_ignored': Runs('-netdev tap,id=tap0,ifname=t0 -device e1000,netdev=tap0,mac=%s' % MAC),
    'tap_vhost_and_vhostfds_numbering': Runs(
        '-netdev tap,id=tap0,vhost=on,vhostfds=3:4,fds=5:6 -device virtio-net-pci,netdev=tap0,mac=%s,mq=on,vectors=6' % MAC,
        ['null0', 'null1', 'mq0', 'mq1'], stops_at=r'vhost'),
    'tap_addr_hex_string_dropped': Runs(TAP + ',mac=%s,addr=0x10' % MAC),
    'tap_addr_slot_function_dropped': Runs(TAP + ',mac=%s,addr=05.0' % MAC),
    'tap_addr_negative_dropped': Refused('qemu.devices[0].addr: must be a place on the bus: "4" (decimal), "0x4", or "4.0" with the '
                                         'function, is "-1"'),
    'tap_addr_decimal_16_becomes_hex_10': Runs(TAP + ',mac=%s,addr=10' % MAC),
    'incoming_fd_nil_file': Refused('qemu.incoming.fd: is missing: what "migration_type" names'),
    'incoming_unknown_type_3_ignored': Refused('qemu.incoming.migration_type: must be a string, is a whole number'),
    'stopped_and_incoming_double_S': Runs('-overcommit mem-lock=on -S -incoming exec:cat', {}, {'exec:cat': 'exec:sleep 1000'}),
    'object_without_driver_or_device_id': Runs('-object memory-backend-file,id=m,mem-path=/x,size=1', [], {'/x': '%(image)s', 'size=1': 'size=1M'}),
    'object_size_zero_skipped': Refused('qemu.devices[0].size: is missing: how large it is'),
    'char_pty_needs_path': Runs('-device virtserialport,chardev=c,id=d -chardev pty,id=c', devices=[SERIAL]),
    'char_pty_with_path': Refused('qemu.devices[0].path: a "pty" has none'),
    'char_pipe': Refused('qemu.devices[0].disable_modern: only a virtio device on PCI has this, "virtconsole" is none'),
    'char_no_driver': Refused('qemu.devices[0].driver: is missing'),
    'block_all_defaults': Runs('-device virtio-blk-pci,drive=b,config-wce=off -drive id=b,file=/f,if=none', [], {'/f': '%(image)s'}),
    'vhostuser_blk_ids_ignored': Refused('qemu.devices[0].address: must be an Ethernet address as "00:16:3e:01:02:03", is "ignored"'),
    'vhostuser_net_missing_mac_skipped': Refused('qemu.devices[0].address: is missing: this type needs one'),
    'vhostuser_scsi_missing_type_dev_id_skipped': Refused('qemu.devices[0].type_dev_id: is missing: this type needs one'),
    'vhostuser_unknown_type_skipped': Refused('qemu.devices[0].tag: is missing: this type needs one'),
    'bridge_pcie_gets_chassis_and_shpc': Runs('-device pcie-pci-bridge,bus=pcie.0,id=b'),
    'bridge_unknown_type_skipped': Refused('qemu.devices[0].type: must be a string, is a whole number'),
    'vsock_min_cid': Runs('-device vhost-vsock-pci,id=v,guest-cid=3', stops_at=r'vhost-vsock: failed to open vhost device'),
    'memory_size_only': Runs('-m 256M'),
    'smp_error_prefix_argv': Refused('qemu.smp.max_cpus: is less than "cpus", which is 3'),
    'knobs_realtime_no_mlock': Runs(''),
    'knobs_hugepages_no_memory': Refused('qemu.knobs.huge_pages: needs "memory" with its "size"'),
    'knobs_precedence_huge_over_prealloc_over_file': Runs(
        '-m 1G -object memory-backend-file,id=dimm1,size=1G,mem-path=/p,prealloc=on -numa node,memdev=dimm1 -overcommit mem-lock=on', [],
        {'/p': '%(dir)s/memory', '1G': '64M'}),
    'rtc_clock_rt_invalid': Runs('-rtc base=utc,clock=rt'),
    'rtc_driftfix_none_clock_vm': Runs('-rtc base=utc,driftfix=none,clock=vm'),
    'qmp_server_wait': Runs('-qmp unix:path=/s,server=on', [], {'/s,server=on': '%(dir)s/s,server=on,wait=off'}),
    'qmp_nowait_without_server_ignored': Refused('qemu.qmp_sockets[0].no_wait: needs "server" beside it'),
    'comma_in_path_not_escaped': Runs('-device virtio-blk-pci,drive=b,config-wce=off -drive id=b,file=/a,,b.img,aio=threads,format=qcow2,if=none',
                                      [], {'/a,,b.img': '%(dir)s/a,,b=c', 'qcow2': 'raw'}),
    'machine_accel_without_type_dropped': Refused('qemu.machine.type: is missing'),
    'full_config_launch_order': Runs(
        '-name n -uuid 4cb19522-1e18-439a-883a-f9b2a3a95f5e -machine q35,accel=kvm -cpu host -qmp unix:path=/run/q.sock,server=on,wait=off '
        '-m 2G,slots=2,maxmem=4G -device virtio-serial-pci,id=s0 -netdev tap,id=n0,vhost=on,vhostfds=3,fds=4 '
        '-device virtio-net-pci,netdev=n0,mac=02:00:00:00:00:01,bus=pcie.0,mq=on,vectors=4 -rtc base=utc,driftfix=slew,clock=host '
        '-global kvm-pit.lost_tick_policy=discard -vga none -no-user-config -nodefaults -nographic -daemonize '
        '-object memory-backend-file,id=dimm1,size=2G,mem-path=/dev/shm,share=on -numa node,memdev=dimm1 -overcommit mem-lock=on -S '
        '-kernel /k -initrd /i -append quiet -bios /b -object iothread,id=io0 -incoming fd:5 -smp 2,cores=1,threads=1,sockets=2,maxcpus=2',
        ['null0', 'tap0', 'listen'],
        {'accel=kvm': 'accel=tcg', '-cpu host': '-cpu max', '/run/q.sock': '%(dir)s/q', '/dev/shm': '%(dir)s/memory', ' -daemonize': '',
         ' -nographic': '', '-kernel /k': '-kernel %(kernel)s', '/i ': '%(image)s ', '-bios /b': '-bios bios-256k.bin', '2G': '64M', '4G': '128M',
         'kvm-pit': 'virtio-rng-pci', 'lost_tick_policy=discard': 'period=500', ' -overcommit mem-lock=on': ''}, stops_at=r'vhost'),
}


def words(argv):
    return ' '.join(argv)


def check_refused(why, wanted):
    if why is None:
        raise Failure('is not refused')
    if why != 'dmctl: FILE:1: ' + wanted:
        raise Failure('is refused with another text: ' + why)


def check_runs(places, qemu, dmctl, argv, expected):
    if words(argv) != expected.argv:
        raise Failure('is\n  %s\nand not\n  %s' % (words(argv), expected.argv))
    line = words(argv)
    for old, new in expected.paths.items():
        if old not in line:
            raise Failure('no "%s" to replace' % old)
        line = line.replace(old, new % places.names)
    line = line.replace('ifname=t0', 'ifname=xinf%d,script=no,downscript=no')
    rest = {**({} if '-machine' in line else Q35), **({} if re.search(r'(^| )-m ', line) else SIZE), **expected.beside}
    before, why = typed_lab.render(dmctl, {'qemu': rest}, places.directory)
    if why:
        raise Failure(why)
    stopped = [] if re.search(r'(^| )-S( |$)', line) else ['-S']
    arguments = before + ['-nodefaults', '-vga', 'none'] + stopped + (line.split(' ') if line else [])
    machine = Machine(qemu, join_spaces(arguments), places, expected.files)
    try:
        if machine.connection or not expected.stops_at:
            machine.check()
        elif not re.search(expected.stops_at, machine.said()):
            raise Failure('QEMU says: ' + machine.said()[-300:])
    finally:
        machine.stop()


def join_spaces(arguments):
    """What was one argument with a blank in it: a program and its argument."""
    text = '\0'.join(arguments).replace('exec:sleep\0', 'exec:sleep ')
    return text.split('\0')


def check(places, name, qemu, dmctl, config, expected):
    if expected is None:
        raise Failure('there is no expectation of it')
    if config is None:
        raise Failure('there is no such case')
    argv, why = typed_lab.render(dmctl, {'qemu': config}, places.directory)
    if isinstance(expected, Refused):
        check_refused(why, expected)
    elif argv is None:
        raise Failure('is refused: ' + why)
    else:
        check_runs(places, qemu, dmctl, argv, expected)


def main():
    qemu, dmctl, path = sys.argv[1:]
    configs = {}
    for line in open(path):
        case = json.loads(line)
        if case['rule'] == 'informative' and 'seed' in case['profiles']:
            configs[case['name'].removeprefix('seed/')] = case['config']
    names = sorted(set(configs) | set(EXPECTED))
    cases = [(name, qemu, dmctl, configs.get(name), EXPECTED.get(name)) for name in names]
    return typed_lab.run(cases, check)


sys.exit(main())
