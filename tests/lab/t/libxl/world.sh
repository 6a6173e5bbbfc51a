# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the configurations of configs.py speak of: images, a kernel, users, and recorders where libxl
# looks for device models. Changes /etc/passwd, /usr/bin and Xen's directories: for a boot of its own,
# or a mount namespace of its own (tests/stock-libxl.sh).
# shellcheck shell=bash
WORLD=/run/libxl-world
LIBXL=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# world_make XENDIR: /usr/lib/xen-4.17
world_make()
{
	local file xen=$1

	mkdir -p "$WORLD" "$xen/boot" "$xen/bin"
	for file in {a,b,c,'x y','a,b','a=b'}.raw cd.iso {a,b,c,'x y'}.{qcow,qcow2,vhd,qed} ramdisk; do
		truncate -s 1M "$WORLD/$file"
	done
	ln -sf /dev/loop3 "$WORLD/link"
	python3 -B "$LIBXL/dummy_kernel.py" "$WORLD/kernel"
	install -m 755 "$LIBXL/recorder" /usr/bin/dmrec
	install -m 755 "$LIBXL/recorder" "$xen/bin/qemu-dm"
	cp "$WORLD/kernel" "$xen/boot/ioemu-stubdom.gz"
	grep xen-qemuuser "$LIBXL/passwd" >>/etc/passwd
}
