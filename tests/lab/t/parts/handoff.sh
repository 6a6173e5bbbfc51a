# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A guest of stock xl, "qx", whose QEMU is in dom0 and the daemon's (dm-handoff), and its QMP.
# shellcheck shell=bash

# With a disk of QEMU's own, of which xentop asks; from it the guest boots and idles.
guest_config()
{
	boot_disk disk.img
	truncate -s 8M one.iso two.iso
	cat >guest.cfg <<-END
		type = "hvm"
		name = "qx"
		memory = 48
		vnc = 0
		vcpus = 1
		maxvcpus = 2
		on_reboot = "restart"
		device_model_override = "/usr/libexec/xendmd/dm-handoff"
		disk = [ '$PWD/disk.img,raw,hda,rw,backendtype=qdisk', '$PWD/one.iso,raw,hdc,ro,devtype=cdrom' ]
	END
}

# served: DOMID is xl's guest; its QMP is the daemon's.
served()
{
	wait_until 120 xl_domid qx
	DOMID=$(xl_domid qx)
	wait_state "$DOMID" running 120
	expect kind "$(dm_field "$DOMID" kind)" qemu
	expect qmp "$(dm_field "$DOMID" qmp)" "/run/xendmd/dm/$DOMID/qmp"
	wait_until 60 healthy
	wait_until 60 eval '! xl_state_has "$DOMID" p' # xl is done with it
}

ended()
{
	wait_until 120 domain_gone "$1"
	wait_until 60 eval "! dmctl status $1"
	told "$1" device-model-stopped domain-gone -- device-model-exited device-model-failed
}
