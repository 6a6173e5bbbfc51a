#!/usr/bin/python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""schema-agrees.py SCHEMA DMCTL CASES.jsonl: the schema and the parser say the same of a definition.

Of the examples below, and of all of govmm's descriptions in a definition. Where the parser alone can
tell (what no single field shows: sums, references, pairs of fields) the schema may take what it refuses,
never the other way round; each such example is marked."""
import json
import subprocess
import sys
import tempfile

import jsonschema

BASE = {'match': {'name': 'a'}, 'kind': 'qemu'}
QEMU = {'machine': {'type': 'q35', 'acceleration': 'tcg'}, 'memory': {'size': '64M'}}
DEVICE = {'kind': 'rng', 'id': 'r'}

VALID = [
    {}, {'argv': ['-S', '$DOMID']}, {'env': {'A': 'b'}}, {'binary': '/x'}, {'binary': 'x'}, {'on_exit': 'none'},
    {'limits': {'memory_max_mib': None, 'cpu_weight': 1}}, {'match': {'domid': 32751}},
    {'match': {'uuid': '4cb19522-1e18-439a-883a-f9b2a3a95f5e'}}, {'kind': 'none'}, {'qemu': {}}, {'qemu': QEMU},
    {'qemu': {'devices': [DEVICE, {'kind': 'raw', 'args': ['-device', {'driver': 'edu', 'x': 1, 'y': True}]}]}},
    {'qemu': {'devices': [{**DEVICE, 'id': 'r$DOMID', 'addr': 4}]}}, {'qemu': {'devices': [{**DEVICE, 'addr': '0x4'}]}},
    {'qemu': {'name': '$NAME', 'smp': {'cpus': 2}}},
    {'qemu': {**QEMU, 'devices': [{'kind': 'pcie_root_port', 'id': 'p', 'slot': '0x2', 'chassis': 1}]}},
]
INVALID = [
    {'match': {}}, {'match': {'name': 'a', 'domid': 1}}, {'match': {'domid': 0}}, {'match': {'domid': 32752}},
    {'match': {'name': ''}}, {'match': {'uuid': 'x'}}, {'kind': 'kvm'}, {'kinds': 1}, {'argv': 'x'}, {'argv': [1]},
    {'argv': [], 'qemu': {}}, {'env': {'A=': 'b'}}, {'env': {'A': 1}}, {'binary': 'a/b'}, {'on_exit': 'reboot'},
    {'limits': {'cpu_weight': 0}}, {'limits': {'pids': 1}}, {'files': {'f': {}}}, {'files': {'f/': {'received': True}}},
    {'files': {'f': {'received': False}}}, {'stubdom': {}}, {'confinement': {'chroot': 1}},
    {'confinement': {'namespaces': ['user']}}, {'restore_from': 'x'}, {'qemu': []},
    {'qemu': {'machine': {}}}, {'qemu': {'machine': {'type': ''}}}, {'qemu': {'memory': {'size': '64'}}},
    {'qemu': {'memory': {'size': 64}}}, {'qemu': {'smp': {'cpus': 0}}}, {'qemu': {'rtc': {'clock': 'x'}}},
    {'qemu': {'devices': {}}}, {'qemu': {'devices': [{}]}}, {'qemu': {'devices': [{'kind': 'x'}]}},
    {'qemu': {'devices': [{'kind': 'rng'}]}}, {'qemu': {'devices': [{**DEVICE, 'id': '0'}]}},
    {'qemu': {'devices': [{**DEVICE, 'addr': '-1'}]}}, {'qemu': {'devices': [{**DEVICE, 'addr': 256}]}},
    {'qemu': {'devices': [{**DEVICE, 'file': 'x'}]}}, {'qemu': {'devices': [{'kind': 'vsock', 'id': 'v', 'context_id': 2}]}},
    {'qemu': {'machine': {'type': 'pc', 'options': 'usb=off,nvdimm'}}}, {'qemu': {'knobs': {'stopped': 1}}},
    {'qemu': {'devices': [{'kind': 'raw', 'args': ['-device', {'a,b': 1}]}]}},
    {'qemu': {'devices': [{'kind': 'raw', 'args': ['-device', {'a': {}}]}]}},
    {'qemu': {'devices': [{'kind': 'raw', 'args': ['-device', {'a': None}]}]}},
]
PARSER_ALONE = [
    {'qemu': {'smp': {'cpus': 2, 'max_cpus': 1}}}, {'qemu': {'debug': True}}, {'qemu': {'knobs': {'daemonize': True}}},
    {'qemu': {'devices': [{'kind': 'scsi_controller', 'id': 's', 'iothread': 'x'}]}}, {'argv': ['$X']}, {'argv': ['-daemonize']},
    {'qemu': {'devices': [DEVICE, {'kind': 'rng', 'id': 'r'}]}}, {'qemu': {'devices': [{**DEVICE, 'addr': 0}]}},
    {'files': {'f': {'received': True}}},
]


def parses(dmctl, definition):
    with tempfile.NamedTemporaryFile('w', suffix='.json') as f:
        json.dump(definition, f)
        f.flush()
        run = subprocess.run([dmctl, 'check', f.name], capture_output=True, text=True, timeout=30)
    # What this version can't start is well-formed.
    return run.returncode == 0 or 'not supported by this version' in run.stdout + run.stderr, run.stdout + run.stderr


schema = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
schema.check_schema(schema.schema)
examples = [({**BASE, **e}, True, True) for e in VALID] + [({**BASE, **e}, False, False) for e in INVALID]
examples += [({**BASE, **e}, True, False) for e in PARSER_ALONE]
examples += [({'match': {'name': 'a'}, 'libxl': {'c_info': {'type': 'hvm'}, 'b_info': {}}}, True, True), ({'kind': 'qemu'}, False, False),
             ({'match': {'name': 'a'}}, False, False), ({**BASE, 'kind': 'stubdom-linux', 'binary': 'x', 'argv': []}, False, False)]
for line in open(sys.argv[3]):
    examples.append(({**BASE, 'qemu': json.loads(line)['config']}, None, None))
passed = failed = 0
for definition, by_schema, by_parser in examples:
    valid = schema.is_valid(definition)
    parsed, said = parses(sys.argv[2], definition)
    good = (valid or not parsed) if by_schema is None else valid == by_schema and parsed == by_parser
    passed, failed = passed + good, failed + (not good)
    if not good:
        print('%s: the schema says %s, the parser %s: %s' % (json.dumps(definition), valid, parsed, said.strip()))
print('%d passed, %d failed' % (passed, failed))
sys.exit(1 if failed else 0)
