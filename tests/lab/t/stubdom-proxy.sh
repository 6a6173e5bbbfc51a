#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long releases=bookworm timeout=600
#
# The life that stock xl gives a guest with a stub domain whose QMP the daemon serves in the place of
# Xen's proxy, while four others use it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/parts/qmp.sh"
. "$(dirname "$0")/parts/stubdom.sh"

# libxl 4.17 can't do it in a stub domain and says so; later ones do it through QMP.
change_disc()
{
	if [[ $LAB_RELEASE == bookworm ]]; then
		! xl cd-insert sd hdc "$PWD/two.iso" >xl.log 2>&1 || fail "libxl 4.17 has changed a disc"
		grep -q "doesn't work for stub domains" xl.log || fail "cd-insert: $(<xl.log)"
		return
	fi
	must xl cd-insert sd hdc "$PWD/two.iso"
	must xl cd-eject sd hdc
}

a_life()
{
	clients_begin
	must xl pause sd
	xl_state_has "$DOMID" p || fail "not paused"
	must xl unpause sd
	info_status sd
	change_disc
	must xl vcpu-set --ignore-host sd 2
	listed sd '.b_info.device_model_stubdomain == "True"'
	must xentop -b -i 1 # asks of QEMU's own disks, of which this guest has none
	stats_answered "/run/xen/qmp-libxenstat-$DOMID"
	clients_live
}

# Its stub domain goes with it.
reboot_guest()
{
	local guest=$DOMID stub=$STUB

	wait_until 240 disk_booted "$DOMID"
	guest_resets
	clients_ended
	ended "$guest" "$stub"
	served
	info_status sd
}

begin_guest disks
for part in a_life reboot_guest; do
	echo "$SECONDS s: $part"
	$part
done
destroy_guest
snapshot_same before 30
