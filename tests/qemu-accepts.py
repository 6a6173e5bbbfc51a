#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu-accepts.py CASES.jsonl QEMU COMMAND [ARG...]: real QEMU takes what plain render gives.

Starts QEMU, stopped and without a CPU, with the command line of each case that needs no more than
that, and asks it over QMP whether it stands. What belongs to Xen or to the host is put aside or
replaced (see PREPARE below); all devices, drives, screens and serial lines stay. Each answer that is no
error must be without a warning about something deprecated. The last line is `N passed, N failed, N
left out`."""
import json, os, re, socket, struct, subprocess, sys, tempfile, time

DEADLINE_S = 30
DISPLAY_OFFSET = 40  # so that nobody else's VNC is in the way
# What only Xen's QEMU knows; the number of arguments that follow.
XEN_ONLY = {'-xen-domid': 1, '-xen-attach': 0, '-xen-domid-restrict': 0}
# Arguments of the corpus that no QEMU takes; what can't be tried here: parts that a distribution
# packages apart, and configurations with one image in two drives.
UNUSABLE = ('-a', '-b')
NOT_HERE = re.compile(r"not a valid device model name|spice support is disabled|invalid option|"
                           r"Display 'sdl' is not available|does not accept value 'sdl'|Unknown driver|could not load module|failed to open module|"
                      r"Failed to get \"write\" lock")


def image(path, kind):
    """An empty disk of 1 MiB: raw, qcow2 (docs/interop/qcow2.txt) or qed (docs/interop/qed_spec.txt)."""
    size, cluster = 1 << 20, 1 << 16
    with open(path, 'wb') as f:
        if kind == 'qcow2':
            f.write(struct.pack('>4sIQIIQIIQQIIQ', b'QFI\xfb', 2, 0, 0, 16, size, 0, 1, 3 * cluster, cluster, 1, 0, 0))
            f.seek(cluster)
            f.write(struct.pack('>Q', 2 * cluster))
            f.seek(2 * cluster)
            f.write(struct.pack('>4H', 1, 1, 1, 1))
            f.truncate(4 * cluster)
        elif kind == 'qed':
            f.write(struct.pack('<4sIIIQQQQQ', b'QED\0', cluster, 4, 1, 0, 0, 0, cluster, size))
            f.truncate(5 * cluster)
        else:
            f.truncate(size)


def machine(value):
    """PREPARE: the same machine without Xen."""
    parts = [p for p in value.split(',') if p not in ('accel=xen', 'igd-passthru=on')]
    if parts[0] == 'xenpv':
        parts = ['none']
    return ','.join([parts[0].replace('xenfv', 'pc')] + parts[1:] + ['accel=tcg:qtest'])


def prepare(argv, directory):
    """PREPARE: what belongs to the host. None where the case is about something that no QEMU takes."""
    result, rest = [], list(argv)
    while rest:
        name = rest.pop(0)
        if name in UNUSABLE:
            return None
        if name in XEN_ONLY:
            del rest[:XEN_ONLY[name]]
            continue
        if name in ('-runas', '-chroot') and os.getuid():
            rest.pop(0)
            continue
        result.append(name)
        if not rest or rest[0].startswith('-'):
            continue
        value = rest.pop(0)
        if name == '-machine':
            value = machine(value)
        elif name == '-netdev':
            value = 'hubport,hubid=0,' + re.search(r'id=[^,]*', value).group(0)
        elif name == '-vnc' and value != 'none':
            value = re.sub(r'^.*?:(\d+)', lambda m: '127.0.0.1:%d' % (int(m.group(1)) + DISPLAY_OFFSET), value)
        elif name == '-chroot':
            value = os.path.join(directory, 'root')
        elif name == '-serial' and value == 'stdio':
            value = 'null'
        value = re.sub(r'(^|=|:)(/var/run/xen|/run|/boot)/', lambda m: '%s%s/' % (m.group(1), directory), value)
        result.append(value)
    return result


def make_files(argv, directory):
    os.makedirs(os.path.join(directory, 'root'), exist_ok=True)
    for value in argv:
        for path in re.findall(r'(?:^|file=)(%s/(?:[^,]|,,)+)' % re.escape(directory), value):
            path = path.replace(',,', ',')
            if not os.path.exists(path):
                image(path, path.rsplit('.', 1)[-1])


def ask(path, process):
    """QEMU's status over QMP; None when it ended."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return None
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path)
        except OSError:
            time.sleep(0.02)
            continue
        s.settimeout(DEADLINE_S)
        return converse(s.makefile('rw'))
    return None


def converse(f):
    """The status; None when it ended before it told."""
    status = None
    try:
        f.readline()
        for command in 'qmp_capabilities', 'query-status', 'quit':
            f.write('{"execute": "%s"}' % command)
            f.flush()
            answer = f.readline()
            if command == 'query-status' and answer:
                status = json.loads(answer)['return']['status']
    except OSError:
        pass
    return status


def start(qemu, argv, directory):
    qmp = os.path.join(directory, 'ours')
    command = [qemu, '-S', '-chardev', 'socket,id=ours,path=%s,server=on,wait=off' % qmp, '-mon',
               'chardev=ours,mode=control'] + argv
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True) as process:
        status = ask(qmp, process)
        if status is None:
            process.kill()
        return status, process.communicate()[1]


def check(case, qemu, render):
    """'' when it is good, None when it can't be tried here, else what is wrong."""
    with tempfile.TemporaryDirectory(prefix='qa-') as directory:
        with open(os.path.join(directory, 'config'), 'w') as f:
            json.dump(case['config'], f)
        out = subprocess.run(render + ['--json', '--domid', str(case['domid']), f.name], capture_output=True, text=True)
        if out.returncode:
            return 'render: ' + out.stderr.strip()
        argv = prepare(json.loads(out.stdout)['argv'], directory)
        if argv is None:
            return None
        make_files(argv, directory)
        status, errors = start(qemu, argv, directory)
    if status is None and NOT_HERE.search(errors):
        return None
    if status != 'prelaunch':
        return '%s: %s\n    %s' % (status, errors.strip(), ' '.join(argv))
    if re.search('deprecat', errors):
        return errors.strip()
    return ''


def main():
    results = {'passed': 0, 'failed': 0, 'left out': 0}
    env = os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), 'passwd')
    os.environ['XENDMD_PASSWD'] = env
    for line in open(sys.argv[1]):
        case = json.loads(line)
        if 'argv' not in case:
            continue
        wrong = check(case, sys.argv[2], sys.argv[3:])
        results['left out' if wrong is None else 'failed' if wrong else 'passed'] += 1
        if wrong:
            print('FAIL %s: %s' % (case['name'], wrong))
    print(', '.join('%d %s' % (count, name) for name, count in results.items()))
    return 1 if results['failed'] or not results['passed'] else 0


sys.exit(main())
