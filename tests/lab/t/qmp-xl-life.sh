#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=600
#
# A guest of stock xl reboots, is saved and restored, while four others use the QMP of its QEMU in dom0,
# and while the daemon is restarted and killed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/parts/qmp.sh"
. "$(dirname "$0")/parts/handoff.sh"

reboot_guest()
{
	local first=$DOMID

	clients_begin
	wait_until 180 disk_booted "$first"
	guest_resets
	clients_ended
	wait_until 120 eval '[[ $(xl_domid qx) && $(xl_domid qx) != '"$first"' ]]'
	ended "$first"
	served
	info_status qx
}

save_and_restore()
{
	local first=$DOMID

	clients_begin
	must xl save qx state
	clients_ended
	ended "$first"
	must xl restore state
	rm state
	served
	info_status qx
}

# daemon_goes COMMAND…: the device model stays, xl finds the next daemon.
daemon_goes()
{
	local first=$DOMID

	clients_begin
	must "$@"
	clients_ended
	wait_until 60 dmctl version
	served
	expect "domain" "$DOMID" "$first"
	info_status qx
}

guest_config
snapshot before
must xl create guest.cfg
served
for part in reboot_guest save_and_restore "daemon_goes systemctl restart xendmd" \
	"daemon_goes systemctl kill -s KILL xendmd"; do
	echo "$SECONDS s: $part"
	$part
done
clients_begin
must xl destroy qx
clients_ended
ended "$DOMID"
snapshot_same before 30
