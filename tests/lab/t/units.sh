#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=180
#
# The units as systemd sees them, and who may do what at the control socket.
. "$(dirname "$0")/lib.sh"

units_are_right()
{
	local unit

	systemd-analyze --man=no verify xendmd.service xendmd.socket xendmd-dm.slice >out 2>&1 \
		|| fail "systemd-analyze verify: $(<out)"
	grep -i xendmd out && fail "systemd-analyze verify complains"
	for unit in xendmd.service xendmd.socket; do
		expect "$unit" "$(systemctl is-enabled "$unit")" enabled
	done
	expect Type "$(systemctl show -P Type xendmd)" notify
	expect "watchdog" "$(systemctl show -P WatchdogUSec xendmd)" 2min
	[[ " $(systemctl show -P Before xendmd) " == *" xendomains.service "* ]] || fail "order"
	systemctl show -P StatusText xendmd | grep -q '0 domains' \
		|| fail "status text: $(systemctl show -P StatusText xendmd)"
	systemctl stop xendmd-dm.slice 2>/dev/null && fail "the slice of all guests can be stopped"
	expect "socket's mode" "$(stat -c '%a %U %G' /run/xendmd/control)" "660 root xendmd"
	expect "/run/xendmd" "$(stat -c '%a %U' /run/xendmd)" "755 root"
}

reloads()
{
	local pid

	pid=$(systemctl show -P MainPID xendmd)
	timeout 60 systemctl reload xendmd || fail "systemctl reload"
	expect "main pid" "$(systemctl show -P MainPID xendmd)" "$pid"
	dmctl events --json | grep -q configuration-reloaded || fail "no event"
	expect "after the reload" "$(systemctl is-active xendmd)" active
}

# dmctl needs no daemon that runs, only the socket.
socket_activation()
{
	systemctl stop xendmd 2>/dev/null
	[[ $(systemctl is-active xendmd) != active ]] || fail "not stopped"
	[[ -S /run/xendmd/control ]] || fail "the socket went with the service"
	status_empty || fail "dmctl status"
	expect "service" "$(systemctl is-active xendmd)" active
}

as_group()
{
	setpriv --reuid nobody --regid nogroup --groups xendmd "$@"
}

# A member of the group looks, root changes, others can't even connect.
who_may()
{
	# As in README.md, "The first definition".
	define mine <<-'END'
		{
		  "match": { "name": "mine" },
		  "kind": "qemu",
		  "argv": [ "-xen-domid", "$DOMID", "-name", "$NAME", "-no-shutdown", "-nodefaults",
		            "-no-user-config", "-display", "none", "-machine", "xenfv", "-m", "$MEMORY_MIB" ],
		  "on_exit": "pause",
		  "limits": { "memory_max_mib": 512, "start_timeout_s": 30 }
		}
	END
	mkdom_create mine
	wait_state "$DOMID" running 90
	as_group dmctl status --json >out || fail "a member can't look"
	expect "what a member sees" "$(jq -r '.domains[0].name' out)" mine
	as_group dmctl show mine >/dev/null || fail "show"
	as_group dmctl events >/dev/null || fail "events"
	as_group dmctl logs mine >/dev/null || fail "logs"
	as_group dmctl reload 2>err && fail "a member may reload"
	grep -qi root err || fail "the refusal says: $(<err)"
	as_group dmctl stop --force mine 2>err && fail "a member may stop"
	as_group dmctl start mine 2>err && fail "a member may start"
	wait_state "$DOMID" running
	setpriv --reuid nobody --regid nogroup --clear-groups dmctl status 2>err
	expect "exit status for a stranger" $? 4
}

# stop needs --force while the guest runs, and is no death.
stop_and_start()
{
	local pid

	pid=$(dm_field "$DOMID" pid)
	xl unpause "$DOMID" 2>/dev/null
	dmctl stop mine 2>err && fail "stop without --force"
	grep -q -- --force err || fail "the refusal says: $(<err)"
	dmctl stop --force mine || fail "stop --force"
	expect state "$(dm_field "$DOMID" state)" exited
	expect reason "$(dm_field "$DOMID" reason)" "stopped by dmctl"
	[[ ! -e /proc/$pid ]] || fail "QEMU still runs"
	no_event "$DOMID" device-model-exited
	no_event "$DOMID" policy-applied
	mkdom_destroy "$DOMID"
	wait_until 30 status_empty
}

units_are_right
reloads
socket_activation
who_may
stop_and_start
