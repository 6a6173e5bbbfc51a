#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""typed-examples.py QEMU DMCTL TYPED-DESCRIPTION.md: each example becomes what the document says, and starts.

Started is what needs no Xen and no hardware of its own: a Xen machine becomes pc or none, paths become
files of the test's, what talks to vhost-net is QEMU's own, and a host's PCI device stays away."""
import re
import shlex
import sys

import typed_lab
from typed_lab import Failure, Machine

# What the test puts in place of the host's, in the command line as the document shows it.
PLACES = {
    '-xen-domid 7 ': '', '-xen-attach ': '', '-machine xenfv': '-machine pc,accel=tcg', '-machine xenpv': '-machine none',
    '/run/xendmd/dm/7/': '%(dir)s/', '/srv/template.mem': '%(dir)s/template', '/srv/home': '%(dir)s', '/srv/pmem.raw': '%(image)s',
    '/run/virtiofsd.sock': '%(user)s', '/boot/vmlinuz': '%(kernel)s', '/boot/initrd.img': '%(image)s',
    'vhost=on,vhostfds=3:4,': '', '-device vfio-pci,host=0000:03:00.0,id=gpu0,bus=port1': '', '1024M': '64M', ' -display none': '',
}
FILES = {5: ['null', 'null', 'mq0', 'mq1']}
HAS = {1: ['ide0:ide-hd'], 3: ['disk0:virtio-blk-device', 'console0:virtconsole'], 4: ['port2:pcie-root-port', 'sda:scsi-hd'],
       5: ['nic0:virtio-net-pci', '@net0'], 6: ['virtiofs0:vhost-user-fs-pci'], 7: ['nvdimm0:nvdimm', ':virtio-9p-pci'],
       8: ['node1:pxb-pcie', '/numa-mem1:memory-backend-ram'], 9: ['edu0:edu', ':pvpanic', '%serial0'], 10: ['/dimm1:memory-backend-file']}
EXAMPLES = 10


def examples(path):
    """number, definition, command line: one after the other in their sections."""
    text = open(path).read()
    for section in re.split(r'^### ', text, flags=re.M)[1:]:
        number = re.match(r'(\d+)\. ', section)
        for definition, argv in re.findall(r'```json\n(.*?)```\n+```\n(.*?)```', section, flags=re.S) if number else []:
            yield int(number[1]), definition, argv


def check(places, _, qemu, dmctl, number, definition, argv):
    path = places.directory + '/example.json'
    with open(path, 'w') as f:
        f.write(definition)
    given, why = typed_lab.render_file(dmctl, path, '--domid', '7', '--qemu-version', '7.2')
    if given is None:
        raise Failure('refused: ' + why)
    if given != shlex.split(argv):
        raise Failure('becomes\n  %s\nand not\n  %s' % (shlex.join(given), ' '.join(argv.split())))
    line = re.sub(r'/srv/\w+\.raw', lambda m: m[0] if m[0] == '/srv/pmem.raw' else '%(image)s', shlex.join(given).replace('%', '%%'))
    for old, new in PLACES.items():
        line = line.replace(old, new)
    arguments = shlex.split(line % places.names)
    machine = Machine(qemu, arguments + ([] if '-S' in arguments else ['-S']), places, FILES.get(number, ()))
    try:
        machine.check(HAS.get(number, ()))
    finally:
        machine.stop()


def main():
    qemu, dmctl, path = sys.argv[1:]
    found = list(examples(path))
    if {number for number, _, _ in found} != set(range(1, EXAMPLES + 1)):
        print('not the %d examples: %s\n0 passed, 1 failed' % (EXAMPLES, sorted(n for n, _, _ in found)))
        return 1
    cases = [('example %d.%d' % (number, i), qemu, dmctl, number, definition, argv)
             for i, (number, definition, argv) in enumerate(found)]
    return typed_lab.run(cases, check)


sys.exit(main())
