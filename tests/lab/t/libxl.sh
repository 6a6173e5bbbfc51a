#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=500
#
# A guest of one's own toolstack whose definition is what stock xl prints for an xl.cfg; and what
# --as-libxl says against what stock xl runs.
. "$(dirname "$0")/lib.sh"

truncate -s 4M 'a,b.raw'
truncate -s 4M c.raw
cat >guest.cfg <<END
type = "hvm"
name = "libxl1"
memory = 40
vcpus = 1
serial = "pty"
boot = "c"
vnclisten = "::1"
usbdevice = "tablet"
soundhw = "es1370"
acpi = 0
disk = [ 'format=raw,vdev=hda,access=rw,backendtype=qdisk,target=$PWD/a,b.raw',
	'format=raw,vdev=sdb,access=rw,backendtype=qdisk,target=$PWD/c.raw',
	'format=raw,vdev=hdc,access=ro,devtype=cdrom,target=' ]
END
xl create -n guest.cfg >config.json || fail "xl create -n"

own_toolstack()
{
	snapshot before
	define libxl1 < <(jq '{match: {name: "libxl1"}, libxl: .}' config.json)
	mkdom_create libxl1 --running
	wait_state "$DOMID" running 60
	expect kind "$(dm_field "$DOMID" kind)" qemu
	tr '\0' '\n' <"/proc/$(dm_field "$DOMID" pid)/cmdline" | tail -n +2 >run
	dmctl render --json --domid "$DOMID" "$DOMAINS_D/libxl1.json" | jq -r '.argv[]' >rendered
	# The daemon listens at libxl's places itself, QEMU beside it.
	sed -i "s#path=/run/xendmd/dm/$DOMID/\(libxl\|libxenstat\),#path=/var/run/xen/qmp-\1-$DOMID,#" run
	head -n "$(wc -l <rendered)" run | cmp - rendered || fail "render: $(diff run rendered)"
	grep -qF "file=$PWD/a,,b.raw," run || fail "the comma: $(cat run)"
	grep -q '^\[::1\]:0,to=99$' run || fail "the address: $(cat run)"
	wait_until 180 firmware_ran "$DOMID"
	grep -i deprecat "/var/log/xen/qemu-dm-libxl1.log" && fail "a deprecated option"
	qmp "/run/xendmd/dm/$DOMID/qmp" '{"execute":"query-block"}' | holds '[.return[].device] |
		index("ide0-hd0") and index("scsi0-hd1") and index("ide-5632")' || fail "the disks"
	mkdom_destroy "$DOMID"
	wait_until 30 status_empty
	undefine libxl1
	snapshot_same before
}

# 4.17 is what --as-libxl follows. libxl can't open a disk with a comma, nor listen on ::1.
stock_xl()
{
	local domid

	sed -i 's/a,b.raw/c.raw/; /vdev=sdb/d; s/::1/127.0.0.1/; s/libxl1/libxl2/' guest.cfg
	xl create -n guest.cfg >config.json || fail "xl create -n"
	xl create guest.cfg || fail "xl create"
	domid=$(xl domid libxl2)
	tr '\0' '\n' <"/proc/$(qemu_pid "$domid")/cmdline" | tail -n +2 >run
	dmctl render --as-libxl --domid "$domid" config.json | tail -n +2 >rendered
	xl destroy libxl2 || fail "xl destroy"
	wait_until 20 domain_gone "$domid"
	wait_until 20 no_qemu "$domid"
	cmp run rendered || fail "--as-libxl: $(diff run rendered)"
}

own_toolstack
if [[ $(cat /sys/hypervisor/version/minor) == 17 ]]; then
	stock_xl
fi
exit 0
