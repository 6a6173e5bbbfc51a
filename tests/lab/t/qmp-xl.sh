#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=400
#
# What stock xl asks of a QEMU in dom0 goes through the daemon's sockets, while four others use its QMP.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/parts/qmp.sh"
. "$(dirname "$0")/parts/handoff.sh"

# cdrom_is PATTERN
cdrom_is()
{
	local line

	must xl qemu-monitor-command qx "info block"
	line=$(sed -n 's/^ide-5632[^:]*: //p' xl.log)
	[[ $line == $1 ]] || fail "the cdrom is $line"
}

# Nobody but the daemon has a socket there, and QEMU serves nobody but the daemon.
sockets_are_ours()
{
	local daemon path

	daemon=$(systemctl show -P MainPID xendmd)
	for path in "/run/xen/qmp-libxl-$DOMID" "/run/xen/qmp-libxenstat-$DOMID"; do
		ss -xlpH | grep -E " (/var)?$path " | grep -q "pid=$daemon," || fail "$path: $(ss -xlpH)"
	done
}

refused_before()
{
	dmctl show --json "$DOMID" | jq .qmp_session.refused
}

guest_config
snapshot before
must xl create guest.cfg
served
sockets_are_ours
clients_begin
refused=$(refused_before)
must xl pause qx
xl_state_has "$DOMID" p || fail "not paused"
must xl unpause qx
info_status qx
cdrom_is "$PWD/one.iso*"
must xl cd-insert qx hdc "$PWD/two.iso"
cdrom_is '/dev/fdset/*'
must xl cd-eject qx hdc
cdrom_is '\[not inserted\]*'
must xl vcpu-set --ignore-host qx 2
expect "cpus" "$(dmctl qmp "$DOMID" query-cpus-fast | jq length)" 2
listed qx '.c_info.name == "qx"'
xentop_asks
expect "commands refused" "$(refused_before)" "$refused"
clients_live
must xl destroy qx
clients_ended
ended "$DOMID"
snapshot_same before 30
