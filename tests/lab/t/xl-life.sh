#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: essential timeout=400
#
# What stock xl does to its own guests is no death: create, save, restore, reboot, power-off and
# destroy end device models, and none of it is an event device-model-exited. A foreign device model
# that does die is told, and nothing is done to its domain.
. "$(dirname "$0")/lib.sh"

xl_domid()
{
	xl domid stock 2>/dev/null
}

# foreign_runs: DOMID and PID are those of xl's guest, as xl and the daemon see it.
foreign_runs()
{
	wait_until 60 xl_domid
	DOMID=$(xl_domid)
	wait_state "$DOMID" running 60
	PID=$(dm_field "$DOMID" pid)
	expect kind "$(dm_field "$DOMID" kind)" foreign
	expect source "$(dm_field "$DOMID" source)" foreign
	expect pid "$PID" "$(qemu_pid "$DOMID")"
	expect "libxl's pid" "$PID" "$(xenstore-read "/local/domain/$DOMID/image/device-model-pid")"
	expect "name" "$(dm_field "$DOMID" name)" stock
}

ended()
{
	wait_until 60 domain_gone "$1"
	wait_until 30 unlisted "$1"
	expect "events of $1 after $2" "$(events "$1" | paste -sd' ')" \
		"domain-appeared device-model-running device-model-stopped domain-gone"
	dmctl events --json | holds --argjson id "$1" 'select(.domid == $id) | select(.reason != null)' \
		&& fail "a reason where all is in order ($2)"
}

unlisted()
{
	[[ -z $(dm_field "$1" state) ]]
}

another_domid()
{
	local now

	now=$(xl_domid) && [[ $now != "$1" ]]
}

save_and_restore()
{
	local first=$DOMID

	wait_until 180 firmware_ran "$first"
	xl save stock state >xl.log 2>&1 || fail "xl save: $(<xl.log)"
	ended "$first" save
	xl restore state >xl.log 2>&1 || fail "xl restore: $(<xl.log)"
	rm state
	foreign_runs
}

# SeaBIOS resets the machine on these keys, so the guest reboots by itself, and the domain shuts down
# with reason reboot. (QMP's system_reset does not: QEMU resets its devices and nothing else.)
guest_resets()
{
	qmp "/run/xen/qmp-libxl-$DOMID" '{"execute": "send-key", "arguments": {"keys": [
		{"type": "qcode", "data": "ctrl"}, {"type": "qcode", "data": "alt"},
		{"type": "qcode", "data": "delete"}]}}' >/dev/null
}

reboot_guest()
{
	local first=$DOMID

	guest_resets
	wait_until 90 another_domid "$first"
	ended "$first" reboot
	foreign_runs
	xl destroy stock || fail "xl destroy"
	ended "$DOMID" "reboot and destroy"
}

# The guest ends itself, and xl is told not to make it again.
power_off()
{
	xl create guest.cfg 'on_reboot="destroy"' >/dev/null || fail "xl create"
	foreign_runs
	wait_until 180 firmware_ran "$DOMID"
	guest_resets
	ended "$DOMID" "power-off"
}

# libxl starts a device model itself: a definition with a source starts no second one, says so, and
# its on_exit is for what is ours.
killed_with_definition()
{
	define_qemu stock '"on_exit": "pause"'
	xl create guest.cfg >/dev/null || fail "xl create"
	foreign_runs
	expect "device models" "$(pgrep -fc -- "-xen-domid $DOMID( |\$)")" 1
	no_event "$DOMID" device-model-starting
	journal "$DOMID" | grep -q "starts nothing" || dmctl show stock | grep -q "starts nothing" \
		|| fail "nobody says that the definition starts nothing: $(dmctl show stock)"
	kill -KILL "$PID"
	wait_state "$DOMID" exited 30
	expect "exit" "$(dm_field "$DOMID" exit)" null
	[[ $(dm_field "$DOMID" reason) == *"while its domain lives"* ]] \
		|| fail "reason: $(dm_field "$DOMID" reason)"
	has_event "$DOMID" device-model-exited || fail "no device-model-exited"
	no_event "$DOMID" policy-applied
	xl_state_has "$DOMID" p && fail "the domain was paused"
	xl destroy stock 2>/dev/null
	wait_until 60 domain_gone "$DOMID"
	wait_until 30 status_empty
}

printf 'type="hvm"\nname="stock"\nmemory=40\nvnc=0\n' >guest.cfg
snapshot before
xl create guest.cfg >/dev/null || fail "xl create"
foreign_runs
save_and_restore
reboot_guest
power_off
killed_with_definition
snapshot_same before 30
