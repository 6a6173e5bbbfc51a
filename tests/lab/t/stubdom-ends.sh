#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long releases=bookworm timeout=600
#
# The daemon that serves a stub domain's QMP is restarted, killed, and away; the stub domain is killed;
# the guest is destroyed with clients at its sockets. Each time nothing is left, least of all the stub
# domain itself.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/parts/qmp.sh"
. "$(dirname "$0")/parts/stubdom.sh"

# daemon_goes COMMAND…
daemon_goes()
{
	local guest=$DOMID

	clients_begin
	must "$@"
	clients_ended
	wait_until 60 dmctl version
	served
	expect "the guest" "$DOMID" "$guest"
	info_status sd
}

daemon_goes_twice()
{
	daemon_goes systemctl restart xendmd
	daemon_goes systemctl kill -s KILL xendmd
}

destroyed_with_clients()
{
	clients_begin
	destroy_guest
	clients_ended
}

holds_no_page() { ! grep -q /dev/xen/gntdev "/proc/$(systemctl show -P MainPID xendmd)/maps"; }

# An exit of the device model; its guest goes by its toolstack later. Until then Xen itself keeps what is left
# of the stub domain: the guest's ioreq server refers to it.
stub_killed()
{
	starts create guest.cfg
	served
	must xl pause sd
	clients_begin
	must xl destroy "$STUB"
	clients_ended
	wait_until 30 holds_no_page
	wait_until 30 eval "[[ ! -e /run/xen/qmp-libxl-$DOMID && ! -e /run/xendmd/dm/$DOMID/qmp ]]"
	xl destroy sd >xl.log 2>&1 # complains of the missing stub domain
	ended "$DOMID" "$STUB"
}

daemon_away()
{
	systemctl stop xendmd.socket
	systemctl kill -s KILL xendmd
	systemctl stop xendmd
}

daemon_back()
{
	systemctl start xendmd.socket xendmd || fail "start"
	wait_until 60 dmctl version
}

# Without the daemon the domains die; the next one leaves nothing of them.
dead_while_away()
{
	starts create guest.cfg
	served
	daemon_away
	must xl pause sd
	must xl destroy sd
	daemon_back
	ended "$DOMID" "$STUB"
}

# Without the daemon Xen's own proxy serves, and goes on serving when it is back.
fallback()
{
	local proxy

	daemon_away
	starts create guest.cfg
	found || fail "no guest"
	proxy=$(pid_node)
	expect "who serves QMP" "$(readlink "/proc/$proxy/exe")" "$(readlink -f /usr/lib/xen-*/bin/vchan-socket-proxy)"
	info_status sd
	daemon_back
	wait_until 60 status_is stubdom.domid "$STUB"
	expect kind "$(dm_field "$DOMID" kind)" foreign
	info_status sd
	destroy_guest
	wait_until 30 no_process
}

begin_guest
must xl pause sd # its firmware finds no disk, and would reset the machine after a minute
for part in daemon_goes_twice destroyed_with_clients stub_killed dead_while_away fallback; do
	echo "$SECONDS s: $part"
	$part
done
snapshot_same before 30
