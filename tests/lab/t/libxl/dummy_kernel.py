#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dummy_kernel.py FILE: the smallest thing that libxl takes for a kernel, PV and PVH: an ELF file whose notes
(xen/include/public/elfnote.h) say so. It never runs."""
import struct
import sys

BASE, PAGE = 0x100000, 4096
XEN_ENTRY, XEN_HYPERCALL_PAGE, XEN_VIRT_BASE, XEN_PADDR_OFFSET, XEN_VERSION, XEN_GUEST_OS = 1, 2, 3, 4, 5, 6
XEN_LOADER, XEN_PHYS32_ENTRY = 8, 18
PT_LOAD, PT_NOTE = 1, 4


def note(kind, value):
    data = value.encode() + b'\0' if isinstance(value, str) else struct.pack('<I' if kind == XEN_PHYS32_ENTRY else '<Q', value)
    padded = data + b'\0' * (-len(data) % 4)
    return struct.pack('<III', 4, len(data), kind) + b'Xen\0' + padded


def header(kind, flags, offset, address, size):
    return struct.pack('<IIQQQQQQ', kind, flags, offset, address, address, size, size, PAGE if kind == PT_LOAD else 4)


def image():
    notes = b''.join(note(k, v) for k, v in (
        (XEN_GUEST_OS, 'xendmd-dummy'), (XEN_VERSION, 'xen-3.0'), (XEN_LOADER, 'generic'), (XEN_ENTRY, BASE),
        (XEN_HYPERCALL_PAGE, BASE + PAGE), (XEN_VIRT_BASE, 0), (XEN_PADDR_OFFSET, 0), (XEN_PHYS32_ENTRY, BASE)))
    code = b'\xf4\xeb\xfd'.ljust(3 * PAGE, b'\0')  # hlt, for ever
    body = code[:2 * PAGE] + notes.ljust(PAGE, b'\0')
    elf = struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\x02\x01\x01', 2, 62, 1, BASE, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    headers = header(PT_LOAD, 7, PAGE, BASE, len(body)) + header(PT_NOTE, 4, 3 * PAGE, BASE + 2 * PAGE, len(notes))
    return (elf + headers).ljust(PAGE, b'\0') + body


with open(sys.argv[1], 'wb') as f:
    f.write(image())
