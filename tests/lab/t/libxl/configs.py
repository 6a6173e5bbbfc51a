#!/usr/bin/env python3
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""configs.py SERIES [--seed N] [--count N]: xl configurations, one JSON object a line, for record.py.

The series "traditional" and "doubtful" are fixed lists and what is drawn at random beside them, "random" is drawn
alone. Whoever adds a key that matters to a device model adds it here; what a configuration gives is libxl's to say.
"""
import argparse
import json
import random

IMAGES = '/run/libxl-world'  # files, made by world.sh
KERNEL, RAMDISK = IMAGES + '/kernel', IMAGES + '/ramdisk'
RECORDER = '/usr/bin/dmrec'


class Draw:
    """Chances; ODDS of a key that is there at all keep most configurations acceptable."""

    def __init__(self, rng):
        self.rng = rng

    def some(self, odds):
        return self.rng.random() < odds

    def one(self, *values):
        return self.rng.choice(values)

    def mac(self):
        return '00:16:3e:%02x:%02x:%02x' % tuple(self.rng.randrange(256) for _ in range(3))


def text(value):
    """As xl.cfg writes it."""
    if isinstance(value, str):
        return '"%s"' % value.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n')
    if isinstance(value, (list, tuple)):
        return '[ %s ]' % ', '.join(text(v) for v in value)
    return str(value)


def xl_cfg(number, settings):
    keys = {'uuid': '33333333-2222-3333-4444-%012d' % number, 'device_model_override': RECORDER}
    keys.update(settings)
    return ''.join('%s = %s\n' % (k, text(v)) for k, v in keys.items() if v is not None)


# --- the parts of a configuration: each returns its keys ---

def memory(d):
    keys = {'memory': d.one(48, 64, 80, 96)}
    if d.some(0.15):
        keys['maxmem'] = keys['memory'] + d.one(16, 17, 48)
    return keys


def vcpus(d):
    if d.some(0.4):
        return {}
    keys = {'vcpus': d.one(1, 2, 3, 5)}
    if d.some(0.5):
        keys['maxvcpus'] = keys['vcpus'] + d.one(0, 1, 3, 12)
    return keys


def graphics(d):
    keys = {}
    if d.some(0.6):
        keys['vnc'] = d.one(0, 1, 1)
    if d.some(0.3):
        keys['vnclisten'] = d.one('0.0.0.0', '127.0.0.1', '10.1.2.3:4', 'localhost', '', '::1', '192.168.1.1,to=3')
    if d.some(0.3):
        keys['vncdisplay'] = d.one(0, 1, 7, 42, 4000)
    if d.some(0.3):
        keys['vncunused'] = d.one(0, 1)
    if d.some(0.2):
        keys['vncpasswd'] = d.one('secret', '', 'with,comma', 'a b')
    if d.some(0.3):
        keys['sdl'] = d.one(0, 1)
        if d.some(0.3):
            keys['opengl'] = d.one(0, 1)
        if d.some(0.3):
            keys['display'] = d.one(':0', ':1.0', 'host:10')
        if d.some(0.3):
            keys['xauthority'] = '/root/.Xauthority'
    if d.some(0.2):
        keys['keymap'] = d.one('de', 'en-us', 'fr,x')
    if d.some(0.15):
        keys['nographic'] = d.one(0, 1)
    return keys


def spice(d):
    if not d.some(0.25):
        return {}
    keys = {'spice': d.one(0, 1, 1, 1), 'spiceport': 5930}
    if d.some(0.2):
        keys['spicetls_port'] = 5931
    if d.some(0.05):
        keys['spiceport'] = None
    if d.some(0.8):
        keys['spicedisable_ticketing'] = 1
    if d.some(0.3):
        keys['spicepasswd'] = 'sesame'
    for key, odds, values in (
            ('spicehost', 0.4, ('0.0.0.0', '127.0.0.1', 'spice.example')), ('spiceagent_mouse', 0.4, (0, 1)),
            ('spicevdagent', 0.4, (0, 1)), ('spice_clipboard_sharing', 0.4, (0, 1)),
            ('spiceusbredirection', 0.25, (0, 1, 4, 5)), ('spice_image_compression', 0.3, ('auto_glz', 'off', 'lz')),
            ('spice_streaming_video', 0.3, ('all', 'filter', 'off'))):
        if d.some(odds):
            keys[key] = d.one(*values)
    return keys


def card(d):
    keys = {}
    if d.some(0.5):
        keys['vga'] = d.one('stdvga', 'cirrus', 'none', 'qxl')
    elif d.some(0.1):
        keys['stdvga'] = d.one(0, 1)
    if keys.get('vga') == 'qxl':
        keys.update(videoram=d.one(128, 128, 256, 64), memory=320)
    elif d.some(0.3):
        keys['videoram'] = d.one(4, 8, 16, 16, 17, 32)
    return keys


def serial(d):
    if not d.some(0.35):
        return {}
    return {'serial': d.one('pty', 'stdio', 'null', 'file:/run/s.log', 'tcp:127.0.0.1:7000,server,nowait', ['pty'], ['pty', 'null'],
                            ['file:/run/a,b', 'pty', 'pty'], [])}


def usb(d):
    keys = {}
    if d.some(0.25):
        if d.some(0.6):
            keys['usb'] = d.one(0, 1)
        if d.some(0.7):
            keys['usbdevice'] = d.one('tablet', 'mouse', ['tablet'], ['tablet', 'keyboard'], 'host:1.2')
    if not keys or d.some(0.05):
        if d.some(0.25):
            keys['usbversion'] = d.one(0, 1, 2, 3, 4)
    return keys


def machine(d):
    keys = {}
    for key, odds, values in (
            ('soundhw', 0.2, ('ac97', 'es1370', 'HDA', 'hda', 'sb16', 'adlib', 'gus', 'cs4231a', 'pcspk', 'ac97,hda')),
            ('acpi', 0.2, (0, 1)), ('acpi_s3', 0.1, (0, 1)), ('xen_platform_pci', 0.2, (0, 1)), ('boot', 0.4, ('c', 'd', 'n', 'cd', 'dcn', 'a', '')),
            ('vendor_device', 0.1, ('none', 'xenserver')), ('hdtype', 0.2, ('ide', 'ahci')),
            ('mmio_hole', 0.15, (256, 512, 1000, 2048, 3840)), ('bios', 0.15, ('seabios', 'ovmf', 'rombios')),
            ('gfx_passthru', 0.08, (0, 'igd')), ('vkb_device', 0.1, (0, 1)), ('hpet', 0.1, (0, 1)), ('apic', 0.1, (0, 1)),
            ('nx', 0.1, (0, 1)), ('viridian', 0.1, (0, 1)), ('localtime', 0.1, (0, 1)), ('timer_mode', 0.1, (1, 'no_delay_for_missed_ticks')),
            ('nestedhvm', 0.1, (0, 1)), ('altp2m', 0.1, ('disabled', 'external')), ('shadow_memory', 0.1, (8, 16)),
            ('rdm', 0.1, ('strategy=host,policy=relaxed',)), ('ms_vm_genid', 0.1, ('generate', 'none'))):
        if d.some(odds):
            keys[key] = d.one(*values)
    return keys


def kernel(d):
    keys = {}
    if d.some(0.12):
        keys['kernel'] = KERNEL
    if d.some(0.1 if 'kernel' in keys else 0.02):
        keys['ramdisk'] = RAMDISK
    if d.some(0.5 if 'kernel' in keys else 0.02):
        keys.update(d.one({'cmdline': 'console=ttyS0 a=b,c'}, {'root': '/dev/xvda1 ro'}, {'root': '/dev/sda', 'extra': '1 quiet'}, {'extra': 'x y'}))
    return keys


def arguments(d, pv=False):
    keys = {}
    if d.some(0.15):
        keys['device_model_args'] = d.one(['-global', 'a.b=c'], ['-D', '/run/log'], [], ['-msg', 'timestamp=on', '-k', 'x,y'])
    if d.some(0.12):
        keys['device_model_args_hvm'] = d.one(['-h1'], ['-trace', 'x y'])
    if d.some(0.3 if pv else 0.08):
        keys['device_model_args_pv'] = d.one(['-p1'], ['-p2', 'a b'])
    return keys


def nic(d, emulated=True):
    parts = []
    if d.some(0.95):
        parts.append('mac=' + d.mac())
    if len(parts) == 0 or d.some(0.5):
        parts = parts or ['mac=' + d.mac().upper()]
    for key, odds, values in (
            ('model', 0.5, ('rtl8139', 'e1000', 'virtio-net', 'ne2k_pci', 'e1000,addr=5'[:5])), ('bridge', 0.4, ('br5', 'xenbr1')),
            ('type', 0.3, ('ioemu', 'vif') if emulated else ('vif',)), ('script', 0.15, ('vif-nat', '/etc/xen/scripts/vif-route')),
            ('vifname', 0.15, ('mine0',)), ('ip', 0.1, ('10.0.0.5',)), ('rate', 0.1, ('10Mb/s',)), ('mtu', 0.1, ('1400',)), ('devid', 0.15, ('3', '7'))):
        if d.some(odds):
            parts.append('%s=%s' % (key, d.one(*values)))
    return ','.join(parts)


def nics(d, emulated=True):
    if not d.some(0.4):
        return {}
    return {'vif': [nic(d, emulated) for _ in range(d.one(1, 1, 2, 3))]}


VDEVS = ('hda', 'hdb', 'hdc', 'hdd', 'xvda', 'xvdb', 'xvdc', 'xvde', 'xvdf', 'xvdz', 'xvdaa', 'sda', 'sdb', 'sdc', 'sdp', 'hda1', 'xvda2', 'sda3',
         'd0p0', 'd3p1', '51712', '5632', '768')


def disk(d, vdev):
    if vdev.startswith(('h', 'x')) and d.some(0.2):
        target = d.one('', IMAGES + '/cd.iso', IMAGES + '/cd.iso')
        return 'format=%s,vdev=%s,access=ro,devtype=cdrom,target=%s' % ('raw', vdev, target)
    form = d.one('raw', 'raw', 'raw', 'qcow2', 'qcow2', 'vhd', 'qcow', 'qed')
    parts = ['format=' + form, 'vdev=' + vdev, 'access=' + ('ro' if d.some(0.08) or vdev.startswith('x') and d.some(0.1) else 'rw')]
    backend = d.some(0.5) and d.one('qdisk', 'qdisk', 'phy', 'tap')
    if form == 'raw' and (d.some(0.25) or backend == 'phy'):
        target = '/dev/loop%d' % d.one(3, 4, 5)
    else:
        target = '%s/%s.%s' % (IMAGES, d.one('a', 'b', 'c', 'x y'), form)
    if backend and (backend != 'tap' or d.some(0.1)):
        parts.append('backendtype=' + backend)
    for key, odds in (('discard', 0.1), ('no-discard', 0.05), ('direct-io-safe', 0.1), ('script=block-other', 0.04), ('backend=0', 0.05)):
        if d.some(odds):
            parts.append(key)
    return ','.join(parts + ['target=' + target])


def disks(d, many=1):
    if not d.some(0.5 * many):
        return {}
    vdevs = list(VDEVS)
    d.rng.shuffle(vdevs)
    return {'disk': [disk(d, v) for v in vdevs[:d.one(1, 1, 2, 3, 4, 6)]]}


def channels(d, odds=0.12):
    if not d.some(odds):
        return {}
    return {'channel': [d.one('connection=pty,name=org.x', 'connection=socket,path=/run/ch.%s,name=org.y' % d.one('a', 'b,c'))
                        for _ in range(d.one(1, 1, 2))]}


def others(d):
    keys = {}
    for key, odds, values in (
            ('p9', 0.07, (['tag=t,security_model=none,path=/run'],)), ('vkb', 0.07, (['backend-type=qemu'], ['backend-type=linux,unique-id=k1'])),
            ('vfb', 0.05, (['type=vnc,vncdisplay=3'],)), ('usbctrl', 0.1, (['version=2,ports=4'], ['version=2,ports=6'], ['version=3,ports=8'],
            ['type=qusb,version=1,ports=4'], ['type=devicemodel,version=1,ports=2'], ['type=pv,version=2,ports=8'])),
            ('max_grant_frames', 0.05, (32,)), ('on_crash', 0.1, ('preserve',)), ('cpu_weight', 0.05, (512,)), ('pool', 0.05, ('Pool-0',)),
            ('tsc_mode', 0.05, ('native',)), ('extra_unknown', 0.05, (1,))):
        if d.some(odds):
            keys[key] = d.one(*values)
    return keys


def restriction(d):
    keys = {}
    if d.some(0.1):
        keys['dm_restrict'] = d.one(0, 1, 1)
    if d.some(0.1):
        keys['device_model_user'] = d.one('nobody', 'xen-qemuuser-shared', 'root', 'no-such-user')
    return keys


def name(d, number):
    if d.some(0.1):
        return d.one('with space %d', 'comma,%d', 'eq=%d', "quote'%d", 'utf-%d-\u00e4\u20ac', '%d.x_y', '-dash%d', 'a=b,c=%d') % number
    return 'r%d' % number


def hvm(d, number):
    keys = {'type': d.one('hvm', 'hvm', 'hvm', 'hvm')}
    if d.some(0.05):
        keys = {'builder': 'hvm'}
    keys['name'] = name(d, number)
    for part in (memory, vcpus, graphics, spice, card, serial, usb, machine, kernel, arguments, nics, disks, channels, others, restriction):
        keys.update(part(d))
    if d.some(0.7):
        keys['device_model_version'] = 'qemu-xen'
    return keys


def stub(d, number):
    keys = hvm(d, number)
    keys.pop('altp2m', None)
    keys.update(type='hvm', builder=None, device_model_stubdomain_override=1, device_model_version='qemu-xen', stubdomain_kernel=KERNEL,
                stubdomain_ramdisk=RAMDISK)
    if 'kernel' not in keys:
        keys.pop('ramdisk', None)
    if d.some(0.4):
        keys['stubdomain_memory'] = d.one(64, 192)
    if d.some(0.3):
        keys['stubdomain_cmdline'] = 'debug x=y'
    return keys


def vfb(d):
    parts = [d.one('type=vnc', 'type=vnc', 'type=sdl', 'vnc=1', 'vnc=0', 'sdl=1')]
    for key, odds, values in (
            ('vnclisten', 0.4, ('0.0.0.0', '10.0.0.1:3', '::1')), ('vncdisplay', 0.3, (0, 2, 9)), ('vncunused', 0.3, (0, 1)), ('vncpasswd', 0.2, ('pw',)),
            ('keymap', 0.3, ('de', 'fr')), ('sdl', 0.2, (0, 1)), ('opengl', 0.2, (0, 1)), ('display', 0.2, (':0',)), ('xauthority', 0.2, ('/x',))):
        if d.some(odds):
            parts.append('%s=%s' % (key, d.one(*values)))
    return ','.join(parts)


def pv(d, number):
    keys = {'type': d.one('pv', 'pvh'), 'name': name(d, number), 'kernel': KERNEL}
    if d.some(0.1):
        keys['ramdisk'] = RAMDISK
    if d.some(0.5):
        keys['vfb'] = [vfb(d) for _ in range(d.one(1, 1, 2))]
    elif d.some(0.4):
        keys.update(graphics(d))
    for part in (memory, vcpus, others, restriction):
        keys.update(part(d))
    keys.pop('altp2m', None)
    keys.update(arguments(d, pv=True))
    keys.update(nics(d, emulated=d.some(0.1)))
    keys.update(disks(d, 0.8))
    keys.update(channels(d, 0.25))
    if d.some(0.1):
        keys['videoram'] = d.one(4, 8)
    return keys


def traditional(d, number):
    keys = {'type': 'hvm', 'name': name(d, number)}
    for part in (memory, vcpus, graphics, spice, serial, usb, machine, arguments, nics, disks, others):
        keys.update(part(d))
    keys.pop('altp2m', None)
    if d.some(0.5):
        keys['vga'] = d.one('stdvga', 'cirrus', 'none')
    if d.some(0.4):
        keys['videoram'] = d.one(4, 8, 16, 17)
    if keys.get('bios') and d.some(0.8):
        keys['bios'] = 'rombios'
    keys['device_model_version'] = 'qemu-xen-traditional'
    if d.some(0.4):
        keys.update(device_model_stubdomain_override=1, stubdomain_kernel=KERNEL, stubdomain_memory=64)
        if d.some(0.3):
            keys['device_model_version'] = None
    return keys


# --- fixed series ---

def fixed_traditional():
    t = {'type': 'hvm', 'memory': 48, 'device_model_version': 'qemu-xen-traditional'}
    minios = {'device_model_stubdomain_override': 1, 'stubdomain_kernel': KERNEL}
    raw, qcow2 = 'format=raw,vdev=hda,access=rw,target=%s/a.raw' % IMAGES, 'format=qcow2,vdev=hdb,access=rw,target=%s/a.qcow2' % IMAGES
    nic1 = 'mac=00:16:3e:00:00:01'
    cases = {
        'plain': {}, 'novnc': {'vnc': 0}, 'vnc-pass': {'vncpasswd': 'secret'}, 'vnc-pass-empty': {'vncpasswd': ''},
        'vnc-unused0': {'vncunused': 0}, 'vnc-display': {'vncdisplay': 5}, 'vnc-listen': {'vnclisten': '0.0.0.0'},
        'vnc-listen-display': {'vnclisten': '0.0.0.0:3'}, 'vnc-both': {'vnclisten': '0.0.0.0:3', 'vncdisplay': 2}, 'sdl': {'vnc': 0, 'sdl': 1},
        'sdl-vnc': {'sdl': 1}, 'sdl-gl': {'vnc': 0, 'sdl': 1, 'opengl': 1}, 'sdl-env': {'sdl': 1, 'display': ':3', 'xauthority': '/x'},
        'nographic': {'vnc': 0, 'nographic': 1}, 'nographic-vnc': {'nographic': 1}, 'keymap': {'keymap': 'de'}, 'serial': {'serial': 'pty'},
        'serials': {'serial': ['pty', 'null']}, 'vga-std': {'vga': 'stdvga'}, 'vga-none': {'vga': 'none'}, 'vga-cirrus': {'vga': 'cirrus'},
        'vga-qxl': {'vga': 'qxl'}, 'std-4': {'vga': 'stdvga', 'videoram': 4}, 'std-16': {'vga': 'stdvga', 'videoram': 16},
        'cirrus-2': {'videoram': 2}, 'cirrus-8': {'videoram': 8}, 'cirrus-32': {'videoram': 32}, 'none-8': {'vga': 'none', 'videoram': 8},
        'boot': {'boot': 'dc'}, 'boot-empty': {'boot': ''}, 'usb': {'usb': 1}, 'usb-tablet': {'usb': 1, 'usbdevice': 'tablet'},
        'usbdevice': {'usbdevice': 'tablet'}, 'usb-list': {'usbdevice': ['tablet', 'mouse']}, 'usbversion': {'usbversion': 2},
        'snd': {'soundhw': 'sb16'}, 'snd-many': {'soundhw': 'sb16,es1370'}, 'snd-odd': {'soundhw': 'no such'}, 'acpi0': {'acpi': 0}, 'acpi1': {'acpi': 1},
        'vcpus': {'vcpus': 2}, 'vcpus4': {'vcpus': 4}, 'vcpus-max': {'vcpus': 2, 'maxvcpus': 4}, 'vcpus9': {'vcpus': 9}, 'vcpus-max12': {'vcpus': 1, 'maxvcpus': 12},
        'vcpus17': {'vcpus': 17, 'memory': 64}, 'vcpus-max1': {'vcpus': 1, 'maxvcpus': 1}, 'nic': {'vif': [nic1]}, 'nic-e1000': {'vif': [nic1 + ',model=e1000']},
        'nic-two': {'vif': [nic1 + ',bridge=br7', 'mac=00:16:3E:00:00:AB,model=ne2k_pci']}, 'nic-vif': {'vif': [nic1 + ',type=vif']},
        'nic-mixed': {'vif': [nic1 + ',type=vif', 'mac=00:16:3e:00:00:02']}, 'nic-script': {'vif': [nic1 + ',script=vif-nat,vifname=x']},
        'disk': {'disk': [raw]}, 'disk-qcow2': {'disk': [qcow2]}, 'disk-two': {'disk': [raw, qcow2]},
        'disk-ro': {'disk': [raw.replace('rw', 'ro')]}, 'cdrom': {'disk': ['format=raw,vdev=hdc,access=ro,devtype=cdrom,target=%s/cd.iso' % IMAGES]},
        'cdrom-empty': {'disk': ['format=raw,vdev=hdc,access=ro,devtype=cdrom,target=']}, 'args': {'device_model_args': ['-x', 'y z']},
        'args-hvm': {'device_model_args_hvm': ['-x']}, 'args-all': {'device_model_args': ['-a'], 'device_model_args_hvm': ['-b'], 'device_model_args_pv': ['-c']},
        'gfx': {'gfx_passthru': 1}, 'gfx-igd': {'gfx_passthru': 'igd'}, 'noplat': {'xen_platform_pci': 0}, 'mmio': {'mmio_hole': 512}, 'ahci': {'hdtype': 'ahci'},
        'vendor': {'vendor_device': 'xenserver'}, 'spice': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1},
        'spice-bad': {'spice': 1}, 'channel': {'channel': ['connection=pty,name=a']}, 'kernel': {'kernel': KERNEL}, 'restrict': {'dm_restrict': 1},
        'user': {'device_model_user': 'nobody'}, 'bios-rombios': {'bios': 'rombios'}, 'bios-seabios': {'bios': 'seabios'}, 'bios-ovmf': {'bios': 'ovmf'},
        'name-odd': {'name': 'odd, name=1'}, 'p9': {'p9': ['tag=t,security_model=none,path=/run']}, 'localtime': {'localtime': 1}, 'maxmem': {'maxmem': 80},
        'serial-odd': {'serial': 'file:/run/a,b'},
    }
    for key, settings in cases.items():
        yield 'trad-' + key, dict(t, name='trad-' + key, **{k: v for k, v in settings.items() if k != 'name'}) | settings
        if key not in ('kernel', 'restrict'):
            yield 'minios-' + key, dict(t, name='minios-' + key, **minios) | settings
    for key in ('plain', 'vnc-pass', 'nic'):
        yield 'minios-noversion-' + key, dict(t, name='minios-noversion-' + key, device_model_version=None, **minios) | cases[key]
    stock = dict(t, name='minios-stock', device_model_stubdomain_override=1)
    yield 'minios-stock', stock
    yield 'trad-default-binary', dict(t, name='trad-default-binary', device_model_override=None)
    yield 'minios-default-binary', dict(t, name='minios-default-binary', device_model_override=None, **minios)
    for kind in ('pv', 'pvh'):
        settings = {'type': kind, 'memory': 48, 'kernel': KERNEL, 'device_model_version': 'qemu-xen-traditional'}
        for key, more in (('plain', {}), ('vfb', {'vfb': ['type=vnc,vncpasswd=x,keymap=de']}), ('sdl', {'vfb': ['type=sdl,opengl=1,display=:0']}),
                          ('qdisk', {'disk': [qcow2]}), ('channel', {'channel': ['connection=pty,name=a']}), ('args', {'vfb': ['type=vnc'], 'device_model_args_pv': ['-p']})):
            yield 'trad-%s-%s' % (kind, key), dict(settings, name='trad-%s-%s' % (kind, key)) | more


def fixed_doubtful():
    h = {'type': 'hvm', 'memory': 48, 'device_model_version': 'qemu-xen', 'vnc': 0}
    nic1 = 'mac=00:16:3e:00:00:01'
    loop, a = '/dev/loop3', IMAGES + '/a.raw'

    def one(spec):
        return {'disk': [spec]}
    cases = {
        'pci': {'pci': ['00:03.0']}, 'pci-permissive': {'pci': ['00:03.0,permissive=1']}, 'pci-nothere': {'pci': ['0f:00.0']},
        'gfx-1': {'gfx_passthru': 1}, 'gfx-0': {'gfx_passthru': 0}, 'disk-missing': one('format=raw,vdev=hda,access=rw,target=/run/not-there'),
        'disk-missing-phy': one('format=raw,vdev=hda,access=rw,backendtype=phy,target=/dev/not-there'),
        'disk-missing-qcow2': one('format=qcow2,vdev=hda,access=rw,target=/run/not-there'),
        'disk-driver-domain': one('format=raw,vdev=hda,access=rw,backend=dd,target=/dev/x'),
        'disk-driver-domain-0': one('format=raw,vdev=hda,access=rw,backend=0,target=%s' % a),
        'disk-driver-domain-Domain-0': one('format=raw,vdev=hda,access=rw,backend=Domain-0,target=%s' % a),
        'disk-driver-domain-qdisk': one('format=qcow2,vdev=hda,access=rw,backend=dd,backendtype=qdisk,target=/x'),
        'disk-virtio': one('format=raw,vdev=xvda,access=rw,specification=virtio,target=%s' % a),
        'disk-virtio-standalone': one('format=raw,vdev=xvda,access=rw,specification=virtio,backendtype=standalone,target=%s' % a),
        'disk-standalone': one('format=raw,vdev=xvda,access=rw,backendtype=standalone,target=%s' % a),
        'disk-phy': one('format=raw,vdev=hda,access=rw,target=%s' % loop), 'disk-phy-explicit': one('format=raw,vdev=hda,access=rw,backendtype=phy,target=%s' % loop),
        'disk-phy-file': one('format=raw,vdev=hda,access=rw,backendtype=phy,target=%s' % a),
        'disk-phy-link': one('format=raw,vdev=hda,access=rw,backendtype=phy,target=%s/link' % IMAGES),
        'disk-link': one('format=raw,vdev=hda,access=rw,target=%s/link' % IMAGES),
        'disk-phy-qcow2': one('format=qcow2,vdev=hda,access=rw,backendtype=phy,target=%s' % loop),
        'disk-dev-qdisk': one('format=raw,vdev=hda,access=rw,backendtype=qdisk,target=%s' % loop),
        'disk-dev-qcow2': one('format=qcow2,vdev=hda,access=rw,target=%s' % loop), 'disk-tap': one('format=raw,vdev=hda,access=rw,backendtype=tap,target=%s' % a),
        'disk-script': one('format=raw,vdev=hda,access=rw,script=block,target=%s' % loop), 'disk-script-qdisk': one('format=raw,vdev=hda,access=rw,script=block,backendtype=qdisk,target=%s' % a),
        'disk-script-file': one('format=raw,vdev=hda,access=rw,script=block,target=%s' % a), 'disk-script-empty-ret': one('format=raw,vdev=xvdf,access=rw,script=block,target=foo'),
        'disk-ro-hda': one('format=raw,vdev=hda,access=ro,target=%s' % a), 'disk-ro-xvda': one('format=raw,vdev=xvda,access=ro,target=%s' % a),
        'disk-ro-hde': one('format=raw,vdev=xvde,access=ro,target=%s' % a), 'disk-ro-sda': one('format=raw,vdev=sda,access=ro,target=%s' % a),
        'disk-ro-phy': one('format=raw,vdev=hda,access=ro,target=%s' % loop), 'disk-ro-dd': one('format=raw,vdev=hda,access=ro,backend=0,target=%s' % a),
        'disk-vhd': one('format=vhd,vdev=hda,access=rw,target=%s/a.vhd' % IMAGES), 'disk-qcow': one('format=qcow,vdev=hda,access=rw,target=%s/a.qcow' % IMAGES),
        'disk-qed': one('format=qed,vdev=hda,access=rw,target=%s/a.qed' % IMAGES), 'disk-hde': one('format=raw,vdev=hde,access=rw,target=%s' % a),
        'disk-hdd': one('format=raw,vdev=hdd,access=rw,target=%s' % a), 'disk-sdp': one('format=raw,vdev=sdp,access=rw,target=%s' % a),
        'disk-sdq': one('format=raw,vdev=sdq,access=rw,target=%s' % a), 'disk-hda1': one('format=raw,vdev=hda1,access=rw,target=%s' % a),
        'disk-hda63': one('format=raw,vdev=hda63,access=rw,target=%s' % a), 'disk-hda64': one('format=raw,vdev=hda64,access=rw,target=%s' % a),
        'disk-xvda15': one('format=raw,vdev=xvda15,access=rw,target=%s' % a), 'disk-xvda16': one('format=raw,vdev=xvda16,access=rw,target=%s' % a),
        'disk-xvdq': one('format=raw,vdev=xvdq,access=rw,target=%s' % a), 'disk-xvdzz': one('format=raw,vdev=xvdzz,access=rw,target=%s' % a),
        'disk-number': one('format=raw,vdev=768,access=rw,target=%s' % a), 'disk-number-hex': one('format=raw,vdev=0x300,access=rw,target=%s' % a),
        'disk-d0p0': one('format=raw,vdev=d0p0,access=rw,target=%s' % a), 'disk-d5p3': one('format=raw,vdev=d5p3,access=rw,target=%s' % a), 'disk-bad-vdev': one('format=raw,vdev=foo,access=rw,target=%s' % a),
        'disk-30': {'disk': ['format=raw,vdev=xvd%s,access=rw,target=%s' % (v, a) for v in [chr(97 + i) for i in range(26)] + ['aa', 'ab', 'ac', 'ad']]},
        'disk-clash': {'disk': ['format=raw,vdev=hda,access=rw,target=%s' % a, 'format=raw,vdev=hda,access=rw,target=%s/b.raw' % IMAGES]},
        'disk-clash-hd-xvd': {'disk': ['format=raw,vdev=hda,access=rw,target=%s' % a, 'format=raw,vdev=xvda,access=rw,target=%s/b.raw' % IMAGES]},
        'disk-comma': one('format=raw,vdev=hda,access=rw,target=%s/a,b.raw' % IMAGES), 'disk-eq': one('format=raw,vdev=hda,access=rw,target=%s/a=b.raw' % IMAGES),
        'cdrom-hda': one('format=raw,vdev=hda,access=ro,devtype=cdrom,target=%s/cd.iso' % IMAGES), 'cdrom-hde': one('format=raw,vdev=xvde,access=ro,devtype=cdrom,target=%s/cd.iso' % IMAGES),
        'cdrom-xvdf': one('format=raw,vdev=xvdf,access=ro,devtype=cdrom,target=%s/cd.iso' % IMAGES), 'cdrom-sda': one('format=raw,vdev=sda,access=ro,devtype=cdrom,target=%s/cd.iso' % IMAGES),
        'cdrom-phy': one('format=raw,vdev=hdc,access=ro,devtype=cdrom,backendtype=phy,target=%s' % loop), 'cdrom-dev': one('format=raw,vdev=hdc,access=ro,devtype=cdrom,target=%s' % loop),
        'cdrom-qcow2': one('format=qcow2,vdev=hdc,access=ro,devtype=cdrom,target=%s/a.qcow2' % IMAGES), 'cdrom-number': one('format=raw,vdev=5632,access=ro,devtype=cdrom,target=%s/cd.iso' % IMAGES),
        'cdrom-rw': one('format=raw,vdev=hdc,access=rw,devtype=cdrom,target=%s/cd.iso' % IMAGES), 'cdrom-two-empty': {'disk': ['format=raw,vdev=hdc,devtype=cdrom,access=ro,target=', 'format=raw,vdev=hdd,devtype=cdrom,access=ro,target=']},
        'cdrom-missing': one('format=raw,vdev=hdc,access=ro,devtype=cdrom,target=/run/not-there'), 'cdrom-ahci': dict(one('format=raw,vdev=hdc,access=ro,devtype=cdrom,target=%s/cd.iso' % IMAGES), hdtype='ahci'),
        'ahci-eight': {'hdtype': 'ahci', 'disk': ['format=raw,vdev=xvd%s,access=rw,target=%s' % (v, a) for v in 'abcdefgh']},
        'ahci-ro': dict(one('format=raw,vdev=xvde,access=ro,target=%s' % a), hdtype='ahci'), 'ahci-ro-seventh': dict(one('format=raw,vdev=xvdg,access=ro,target=%s' % a), hdtype='ahci'),
        'ahci-sda': dict(one('format=raw,vdev=sda,access=rw,target=%s' % a), hdtype='ahci'), 'ahci-none': {'hdtype': 'ahci'},
        'vcpus-128': {'vcpus': 128, 'memory': 128}, 'vcpus-129': {'vcpus': 129, 'memory': 128}, 'vcpus-max-129': {'vcpus': 1, 'maxvcpus': 129, 'memory': 128}, 'vcpus-max-1-of-2': {'vcpus': 1, 'maxvcpus': 2},
        'vcpus-more-than-max': {'vcpus': 4, 'maxvcpus': 2}, 'nographic': {'nographic': 1}, 'nographic-0': {'nographic': 0}, 'nographic-vnc': {'nographic': 1, 'vnc': 1}, 'nographic-sdl': {'nographic': 1, 'sdl': 1},
        'nographic-spice': {'nographic': 1, 'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1}, 'spice': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1},
        'spice-tls': {'spice': 1, 'spicetls_port': 6001, 'spicedisable_ticketing': 1}, 'spice-both': {'spice': 1, 'spiceport': 6000, 'spicetls_port': 6001, 'spicepasswd': 'pw', 'spicehost': '0.0.0.0'},
        'spice-pass': {'spice': 1, 'spiceport': 6000, 'spicepasswd': 'pw,x'}, 'spice-nopass': {'spice': 1, 'spiceport': 6000}, 'spice-noport': {'spice': 1, 'spicedisable_ticketing': 1},
        'spice-pass-unused': {'spice': 1, 'spiceport': 6000, 'spicepasswd': 'pw', 'spicedisable_ticketing': 1}, 'spice-mouse0': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'spiceagent_mouse': 0},
        'spice-vdagent': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'spicevdagent': 1}, 'spice-clip': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'spice_clipboard_sharing': 1},
        'spice-image': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'spice_image_compression': 'quic', 'spice_streaming_video': 'all'}, 'spice-redir': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'spiceusbredirection': 4},
        'spice-redir-5': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'spiceusbredirection': 5}, 'spice-redir-v3': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'spiceusbredirection': 2, 'usbversion': 3},
        'spice-redir-usb': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'spiceusbredirection': 2, 'usb': 1}, 'spice-redir-off': {'spice': 0, 'spiceusbredirection': 2}, 'spice-off-redir-usb': {'spiceusbredirection': 2, 'usb': 1},
        'spice-qxl': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'vga': 'qxl', 'memory': 256}, 'spice-vnc-sdl': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'vnc': 1, 'sdl': 1},
        'usbver-1': {'usbversion': 1}, 'usbver-2': {'usbversion': 2}, 'usbver-3': {'usbversion': 3}, 'usbver-4': {'usbversion': 4}, 'usbver-usb': {'usbversion': 2, 'usb': 1}, 'usbver-usbdevice': {'usbversion': 2, 'usbdevice': 'tablet'}, 'usb-0-device': {'usb': 0, 'usbdevice': 'tablet'},
        'usb-0-version': {'usb': 0, 'usbversion': 3}, 'usb-0-redir': {'usb': 0, 'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'spiceusbredirection': 2},
        'usb-empty-list': {'usb': 1, 'usbdevice': []}, 'usbctrl': {'usbctrl': ['version=2,ports=6']}, 'usbctrl-ports': {'usbctrl': ['version=2,ports=4']}, 'usbctrl-3': {'usbctrl': ['version=3,ports=8']}, 'usbctrl-3-16': {'usbctrl': ['version=3,ports=16']}, 'usbctrl-1': {'usbctrl': ['version=1,ports=2']}, 'usbctrl-4': {'usbctrl': ['version=4,ports=2']},
        'usbctrl-pv': {'usbctrl': ['type=pv,version=2,ports=8']}, 'usbctrl-qusb': {'usbctrl': ['type=qusb,version=2,ports=8']}, 'usbctrl-pv3': {'usbctrl': ['type=pv,version=3,ports=8']}, 'usbctrl-pv32': {'usbctrl': ['type=qusb,version=2,ports=32']}, 'usbdev': {'usbdev': ['type=hostdev,hostbus=1,hostaddr=1']}, 'usbdev-ctrl': {'usbctrl': ['version=2,ports=6'], 'usbdev': ['type=hostdev,hostbus=1,hostaddr=2,controller=0,port=2']},
        'vnc-ipv6': {'vnc': 1, 'vnclisten': '::1'}, 'vnc-ipv6-display': {'vnc': 1, 'vnclisten': '::1', 'vncdisplay': 2}, 'vnc-empty-listen': {'vnc': 1, 'vnclisten': ''}, 'vnc-pass': {'vnc': 1, 'vncpasswd': 'x'}, 'vnc-pass-empty': {'vnc': 1, 'vncpasswd': ''}, 'vnc-pass-novnc': {'vncpasswd': 'x'}, 'vnc-display-off': {'vnclisten': 'a:1', 'vncdisplay': 3}, 'vnc-unused0': {'vnc': 1, 'vncunused': 0},
        'sdl': {'sdl': 1}, 'sdl-env': {'sdl': 1, 'display': ':1', 'xauthority': '/x'}, 'sdl-env-off': {'sdl': 0, 'display': ':1', 'xauthority': '/x'}, 'keymap-empty': {'keymap': ''}, 'serial-empty': {'serial': ''}, 'serial-list-empty': {'serial': []}, 'serial-list-one': {'serial': ['pty']}, 'boot-empty': {'boot': ''}, 'boot-odd': {'boot': 'xyz'},
        'acpi-1': {'acpi': 1}, 'vendor': {'vendor_device': 'xenserver'}, 'vendor-none': {'vendor_device': 'none'}, 'mmio-256': {'mmio_hole': 256}, 'mmio-3840': {'mmio_hole': 3840}, 'mmio-noplat': {'mmio_hole': 512, 'xen_platform_pci': 0}, 'igd-noplat': {'gfx_passthru': 'igd', 'xen_platform_pci': 0}, 'igd-mmio': {'gfx_passthru': 'igd', 'mmio_hole': 1024}, 'bios-ovmf': {'bios': 'ovmf'}, 'bios-rombios': {'bios': 'rombios'}, 'firmware-missing': {'firmware_override': '/not/there'},
        'vram-odd': {'videoram': 9, 'vga': 'cirrus'}, 'vram-std-15': {'videoram': 15, 'vga': 'stdvga'}, 'vram-none': {'videoram': 4, 'vga': 'none'}, 'vram-qxl-127': {'videoram': 127, 'vga': 'qxl', 'memory': 256}, 'vram-qxl-129': {'videoram': 129, 'vga': 'qxl', 'memory': 256}, 'vram-big': {'videoram': 64}, 'vram-0': {'videoram': 0}, 'vga-std-0': {'stdvga': 0}, 'vga-std-1': {'stdvga': 1}, 'vga-and-std': {'vga': 'cirrus', 'stdvga': 1},
        'snd-upper': {'soundhw': 'AC97'}, 'snd-two': {'soundhw': 'ac97,hda'}, 'snd-empty': {'soundhw': ''}, 'snd-pcspk': {'soundhw': 'pcspk'}, 'snd-gus': {'soundhw': 'gus'}, 'snd-cs': {'soundhw': 'cs4231a'}, 'snd-sb16': {'soundhw': 'sb16'},
        'kernel': {'kernel': KERNEL}, 'kernel-all': {'kernel': KERNEL, 'ramdisk': RAMDISK, 'cmdline': 'a b'}, 'kernel-missing': {'kernel': '/not/there'}, 'ramdisk-only': {'ramdisk': RAMDISK}, 'cmdline-only': {'cmdline': 'x'}, 'root-only': {'root': '/dev/xvda'}, 'extra-only': {'extra': 'q'}, 'kernel-comma': {'kernel': KERNEL, 'cmdline': 'a,b=c "q"'},
        'channel-two': {'channel': ['connection=pty,name=a', 'connection=socket,path=/run/x,name=b']}, 'channel-noname': {'channel': ['connection=pty']}, 'channel-noconn': {'channel': ['name=a']}, 'channel-nopath': {'channel': ['connection=socket,name=a']},
        'nic-two-ids': {'vif': [nic1 + ',devid=4', 'mac=00:16:3e:00:00:02']}, 'nic-same-id': {'vif': [nic1 + ',devid=4', 'mac=00:16:3e:00:00:02,devid=4']}, 'nic-upper': {'vif': ['mac=00:16:3E:AA:BB:CC']}, 'nic-vif-only': {'vif': [nic1 + ',type=vif']}, 'nic-driver': {'vif': [nic1 + ',backend=dd']}, 'nic-model-empty': {'vif': [nic1 + ',model=']}, 'nic-model-odd': {'vif': [nic1 + ',model=e1000e']}, 'nic-model-netfront': {'vif': [nic1 + ',model=netfront']}, 'nic-eight': {'vif': ['mac=00:16:3e:00:00:%02x' % i for i in range(8)]}, 'nic-mtu': {'vif': [nic1 + ',mtu=9000']}, 'nic-bridge-comma': {'vif': [nic1 + ',bridge=br 1']},
        'name-comma': {'name': 'a,b=c'}, 'name-utf8': {'name': 'n\u00e4me \u20ac'}, 'name-quote': {'name': 'q"uo\'te'}, 'name-dash': {'name': '-dash'}, 'name-slash': {'name': 'sl/ash'}, 'name-long': {'name': 'n' * 200}, 'name-eq': {'name': 'a=b'},
        'restrict': {'dm_restrict': 1}, 'restrict-user': {'dm_restrict': 1, 'device_model_user': 'nobody'}, 'restrict-vnc': {'dm_restrict': 1, 'vnc': 1}, 'user': {'device_model_user': 'nobody'}, 'user-root': {'device_model_user': 'root'}, 'user-none': {'device_model_user': 'no-such'}, 'user-empty': {'device_model_user': ''},
        'args-empty': {'device_model_args': [], 'device_model_args_hvm': []}, 'args-odd': {'device_model_args': ['a b', '', '-x,y', '"q"']}, 'model-old': {'device_model': '/usr/lib/xen/bin/qemu-dm'}, 'model-old-stub': {'device_model': 'stubdom-dm', 'device_model_override': None}, 'override-stubdom-dm': {'device_model_override': '/usr/lib/xen/bin/stubdom-dm'}, 'override-missing': {'device_model_override': '/not/there'},
        'maxmem': {'maxmem': 96}, 'maxmem-less': {'maxmem': 40}, 'mem-odd': {'memory': 49, 'maxmem': 51}, 'altp2m': {'altp2m': 'external'}, 'altp2m-pod': {'altp2m': 'external', 'maxmem': 96}, 'nested': {'nestedhvm': 1}, 'nested-altp2m': {'nestedhvm': 1, 'altp2m': 'external'}, 'altp2mhvm': {'altp2mhvm': 1}, 'vkb-0': {'vkb_device': 0}, 'vkb-list': {'vkb': ['backend-type=qemu']}, 'passthrough': {'passthrough': 'enabled'}, 'passthrough-disabled': {'passthrough': 'disabled'}, 'hap-0': {'hap': 0}, 'viridian': {'viridian': ['all']}, 'vfb-hvm': {'vfb': ['type=vnc,vncdisplay=4']}, 'vdispl': {'vdispl': ['backend=0,connectors=id0:1x1']}, 'p9-two': {'p9': ['tag=a,security_model=none,path=/run', 'tag=b,security_model=none,path=/tmp']}, 'version-default': {'device_model_version': None}, 'version-odd': {'device_model_version': 'qemu-new'},
    }
    for key, settings in cases.items():
        yield key, dict(h, name=key) | settings
    for kind in ('pv', 'pvh'):
        p = {'type': kind, 'memory': 48, 'kernel': KERNEL}
        for key, settings in {
            'plain': {}, 'stub': {'device_model_stubdomain_override': 1}, 'stub-vfb': {'device_model_stubdomain_override': 1, 'vfb': ['type=vnc']}, 'vfb': {'vfb': ['type=vnc']}, 'vfb-off': {'vfb': ['vnc=0']}, 'vfb-sdl': {'vfb': ['type=sdl,opengl=1,display=:0,xauthority=/x']}, 'vfb-both': {'vfb': ['vnc=1,sdl=1,keymap=de']}, 'vfb-two': {'vfb': ['type=vnc,vncdisplay=3,keymap=fr', 'type=vnc,vncdisplay=4']}, 'vfb-pass': {'vfb': ['type=vnc,vncpasswd=pw']}, 'vfb-ipv6': {'vfb': ['type=vnc,vnclisten=::1']}, 'vfb-ipv6-display': {'vfb': ['type=vnc,vnclisten=::1,vncdisplay=2']},
            'vnc': {'vnc': 1, 'vncdisplay': 2}, 'sdl': {'sdl': 1}, 'nographic': {'nographic': 1, 'vfb': ['type=vnc']}, 'qdisk': one('format=raw,vdev=xvda,access=rw,backendtype=qdisk,target=%s' % a), 'raw': one('format=raw,vdev=xvda,access=rw,target=%s' % a), 'phy': one('format=raw,vdev=xvda,access=rw,target=%s' % loop), 'qcow2': one('format=qcow2,vdev=xvda,access=rw,target=%s/a.qcow2' % IMAGES),
            'cdrom': one('format=raw,vdev=xvdc,access=ro,devtype=cdrom,target=%s/cd.iso' % IMAGES), 'cdrom-empty': one('format=raw,vdev=xvdc,access=ro,devtype=cdrom,target='), 'qdisk-dd': one('format=qcow2,vdev=xvda,access=rw,backend=dd,target=/x'), 'missing': one('format=raw,vdev=xvda,access=rw,target=/not/there'), 'virtio': one('format=raw,vdev=xvda,access=rw,specification=virtio,target=%s' % a), 'channel': {'channel': ['connection=pty,name=a']}, 'channel-socket': {'channel': ['connection=socket,path=/run/x,name=a']}, 'p9': {'p9': ['tag=a,security_model=none,path=/run']}, 'vkb': {'vkb': ['backend-type=qemu']}, 'nic': {'vif': [nic1]}, 'ioemu': {'vif': [nic1 + ',type=ioemu']},
            'usbctrl': {'usbctrl': ['version=2,ports=8']}, 'usbctrl-qusb': {'usbctrl': ['type=qusb,version=2,ports=8']}, 'usbctrl-pv': {'usbctrl': ['type=pv,version=2,ports=8']}, 'usbctrl-dm': {'usbctrl': ['type=devicemodel,version=2,ports=6']}, 'usbdev': {'usbdev': ['type=hostdev,hostbus=1,hostaddr=1']}, 'args': {'vfb': ['type=vnc'], 'device_model_args': ['-a'], 'device_model_args_pv': ['-b'], 'device_model_args_hvm': ['-c']}, 'user': {'vfb': ['type=vnc'], 'device_model_user': 'nobody'}, 'restrict': {'vfb': ['type=vnc'], 'dm_restrict': 1}, 'videoram': {'vfb': ['type=vnc'], 'videoram': 8}, 'maxmem': {'vfb': ['type=vnc'], 'maxmem': 80}, 'vcpus': {'vfb': ['type=vnc'], 'vcpus': 2, 'maxvcpus': 4}, 'name-comma': {'vfb': ['type=vnc'], 'name': kind + ',x=y'}, 'serial': {'vfb': ['type=vnc'], 'serial': 'pty'}, 'usb': {'vfb': ['type=vnc'], 'usb': 1, 'usbdevice': 'tablet'}, 'pvcalls': {'pvcalls': ['backend=0']}, 'vsnd': {'vsnd': [['card, backend=0, short-name=x']]}, 'missing-override': {'device_model_override': '/not/there'}, 'missing-override-vfb': {'vfb': ['type=vnc'], 'device_model_override': '/not/there'}, 'version-traditional': {'device_model_version': 'qemu-xen-traditional'}, 'pci': {'pci': ['00:03.0']},
        }.items():
            yield '%s-%s' % (kind, key), dict(p, name='%s-%s' % (kind, key)) | settings
    s = dict(h, device_model_stubdomain_override=1, stubdomain_kernel=KERNEL, stubdomain_ramdisk=RAMDISK)
    for key, settings in {
        'plain': {}, 'hda': one('format=raw,vdev=hda,access=rw,target=%s' % a), 'phy': one('format=raw,vdev=hda,access=rw,target=%s' % loop), 'sd': one('format=raw,vdev=sdb,access=rw,target=%s' % a), 'ro': one('format=raw,vdev=hda,access=ro,target=%s' % a), 'ro-fifth': one('format=raw,vdev=xvde,access=ro,target=%s' % a), 'cdrom': one('format=raw,vdev=hdc,access=ro,devtype=cdrom,target=%s/cd.iso' % IMAGES), 'cdrom-empty': one('format=raw,vdev=hdc,access=ro,devtype=cdrom,target='), 'xvdz': one('format=raw,vdev=xvdz,access=rw,target=%s' % a), 'xvdaa': one('format=raw,vdev=xvdaa,access=rw,target=%s' % a), 'number': one('format=raw,vdev=768,access=rw,target=%s' % a), 'hd-and-sd': {'disk': ['format=raw,vdev=hda,access=rw,target=%s' % a, 'format=raw,vdev=sda,access=rw,target=%s/b.raw' % IMAGES]}, 'dd': one('format=raw,vdev=hda,access=rw,backend=dd,target=/dev/x'),
        'ahci': {'hdtype': 'ahci', 'disk': ['format=raw,vdev=xvd%s,access=rw,target=%s' % (v, a) for v in 'abcdefg']}, 'serial': {'serial': 'pty'}, 'serials': {'serial': ['pty', 'file:/run/x', 'null']}, 'vnc': {'vnc': 1, 'vncdisplay': 3, 'vnclisten': '0.0.0.0', 'vncpasswd': 'x'}, 'sdl': {'sdl': 1, 'display': ':0'}, 'spice': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'spicevdagent': 1}, 'spice-bad': {'spice': 1}, 'spice-redir': {'spice': 1, 'spiceport': 6000, 'spicedisable_ticketing': 1, 'spiceusbredirection': 2}, 'keymap': {'keymap': 'de', 'vnc': 1}, 'nographic': {'nographic': 1}, 'restrict': {'dm_restrict': 1}, 'user': {'device_model_user': 'nobody'}, 'user-none': {'device_model_user': 'no-such'}, 'channel': {'channel': ['connection=pty,name=a', 'connection=socket,path=/run/x,name=b']}, 'snd': {'soundhw': 'hda'}, 'usb2': {'usbversion': 2}, 'nics': {'vif': [nic1, 'mac=00:16:3e:00:00:02,model=e1000,bridge=br9', 'mac=00:16:3e:00:00:03,type=vif']}, 'igd': {'gfx_passthru': 'igd'}, 'kernel': {'kernel': KERNEL, 'cmdline': 'x'}, 'args': {'device_model_args': ['-a'], 'device_model_args_hvm': ['-b'], 'device_model_args_pv': ['-c']}, 'acpi0': {'acpi': 0}, 'noplat': {'xen_platform_pci': 0}, 'vendor': {'vendor_device': 'xenserver'}, 'mmio': {'mmio_hole': 1024}, 'p9': {'p9': ['tag=a,security_model=none,path=/run']}, 'name-comma': {'name': 'stub,x=y'}, 'name-space': {'name': 'stub x'}, 'no-kernel': {'stubdomain_kernel': '/not/there'}, 'no-ramdisk': {'stubdomain_ramdisk': '/not/there'}, 'stdvga': {'vga': 'stdvga', 'videoram': 32}, 'missing-override': {'device_model_override': '/not/there'}, 'usbctrl': {'usbctrl': ['version=2,ports=6']}, 'pci': {'pci': ['00:03.0']}, 'maxmem': {'maxmem': 96}, 'vcpus': {'vcpus': 3, 'maxvcpus': 5},
    }.items():
        yield 'stub-' + key, dict(s, name='stub-' + key) | settings


def drawn(kind, seed, count):
    makers = {'hvm': hvm, 'pv': pv, 'stub': stub, 'traditional': traditional}
    for i in range(count):
        # each case by itself, so that a longer series begins with the shorter one
        d = Draw(random.Random('%d/%s/%d' % (seed, kind, i)))
        number = seed * 1000000 + i
        yield '%s-%d-%d' % (kind, seed, i), makers[kind](d, number)


def series(which, seed, count):
    if which == 'doubtful':
        yield from fixed_doubtful()
    elif which == 'traditional':
        yield from fixed_traditional()
        yield from drawn('traditional', seed, count)
    else:
        for kind, share in (('hvm', 0.45), ('pv', 0.2), ('stub', 0.2), ('traditional', 0.15)):
            yield from drawn(kind, seed, int(count * share + 0.5))


parser = argparse.ArgumentParser()
parser.add_argument('series', choices=('traditional', 'doubtful', 'random'))
parser.add_argument('--seed', type=int, default=1)
parser.add_argument('--count', type=int, default=40)
options = parser.parse_args()
base = {'traditional': 100000000, 'doubtful': 200000000, 'random': 300000000}[options.series] + options.seed * 10000
for n, (case_name, keys) in enumerate(series(options.series, options.seed, options.count)):
    print(json.dumps({'name': case_name, 'xl_cfg': xl_cfg(base + n, keys)}))
