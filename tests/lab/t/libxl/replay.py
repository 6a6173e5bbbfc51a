#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""replay.py CASES.jsonl COMMAND [ARG...]: what COMMAND (`dmctl render`) makes of each case, against what stock libxl
made of it (tests/corpus/libxl-stock/README.md). The last line is "N passed, N failed"."""
import concurrent.futures
import json
import os
import re
import subprocess
import sys

PASSWD = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'passwd')
ENV = dict(os.environ, XENDMD_PASSWD=os.environ.get('XENDMD_PASSWD', PASSWD))


def render(case):
    args = ['--as-libxl', '--json', '--domid', str(case.get('domid', 1))]
    if 'stubdom_id' in case:
        args += ['--stubdom-id', str(case['stubdom_id'])]
    return subprocess.run(sys.argv[2:] + args + ['/dev/stdin'], input=json.dumps(case['config']), capture_output=True, text=True,
                          timeout=60, env=ENV)


def without_numbers(arguments):
    return [re.sub(r'\bfd=\d+', 'fd=N', a) for a in arguments]


def difference(what, expected, got):
    expected, got = without_numbers(expected), without_numbers(got or [])
    if expected == got:
        return None
    at = next((i for i, (e, g) in enumerate(zip(expected, got)) if e != g), min(len(expected), len(got)))
    return '%s differs at %d: expected %s, got %s' % (what, at, expected[at:at + 3], got[at:at + 3])


def check(case):
    run = render(case)
    if run.returncode not in (0, 1):
        return 'exit status %d: %s' % (run.returncode, run.stderr[-200:])
    if 'rejected' in case:
        if run.returncode == 0:
            return 'accepted; libxl says: ' + case['rejected']
        return None if run.stderr.strip() else 'refused without a reason'
    if run.returncode:
        return 'refused: ' + run.stderr.strip()[-300:]
    out = json.loads(run.stdout)
    if 'no_device_model' in case:
        return None if out.get('argv') is None and 'dm_argv' not in out else 'a device model where libxl starts none'
    if 'dmargs' in case:
        got = ''.join(' ' + a for a in out.get('dm_argv') or [])
        return None if got == case['dmargs'] else 'dmargs: expected %r, got %r' % (case['dmargs'], got)
    if 'dm_argv' in case:
        return difference('dm_argv', case['dm_argv'], out.get('dm_argv'))
    why = difference('argv', case['argv'], out.get('argv'))
    if why is None and out.get('env') != case['env']:
        why = 'env: expected %s, got %s' % (case['env'], out.get('env'))
    return why


def main():
    cases = [json.loads(line) for line in open(sys.argv[1], encoding='utf-8')]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for case, why in zip(cases, pool.map(check, cases)):
            if why:
                failed += 1
                print('FAIL %s: %s' % (case['name'], why))
    print('%d passed, %d failed' % (len(cases) - failed, failed))
    return 1 if failed else 0


sys.exit(main())
