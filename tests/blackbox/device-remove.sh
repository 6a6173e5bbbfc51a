#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Devices of a running machine: removals that the guest grants, refuses, ignores and grants late; the daemon
# and QEMU end in the middle; what can't be undone; what is refused at once.
. "$(dirname "$0")/device-lib.sh"
step 'device_add is not answered, and was done'
sent_from
has_devices type
silent device_add
add '{"kind": "rng", "id": "x"}' >"$W/add.out" 2>&1 & PID=$!
wait_sent 'object-add device_add'
in_state x adding || fail "state $(state_of x)"
step 'the daemon is killed meanwhile, and finishes it'
daemon_kill
wait "$PID"
has_devices type x
fine device_add
daemon_start
wait_until 'it is finished' in_state x present
lets_go
must dmctl device remove "$D" x

step 'the daemon is killed at each step, and what was not done is undone'
for command in getfd netdev_add device_add; do
	printf '{"return": []}' >"$A/qom-list"
	silent "$command"
	add "${KINDS[0]}" "--fd=f=$W/disk" >"$W/add.out" 2>&1 & PID=$!
	wait_until "it is at $command" eval '[[ $(sent | tr " " "\n" | grep -v "^$" | tail -n 1) == '"$command"' ]] && in_state x adding'
	daemon_kill
	wait "$PID"
	fine "$command"
	refuses closefd # it was used
	sent_from
	daemon_start
	wait_until 'it is undone' eval 'is "$D" ".state == \"running\"" && nothing_listed'
	[[ $(sent) == *closefd* ]] || fail "sent: $(sent)"
done
fine closefd

step 'what can not be undone is told, and can be removed later'
refuses device_add
refuses netdev_del
must_fail 1 add "${KINDS[0]}" "--fd=f=$W/disk"
has "$W/err" 'step 3 of 3 .device_add x.: QMP: no device_add today; not undone: netdev_del n: QMP: no netdev_del today'
in_state x left || fail "state $(state_of x)"
must dmctl device list "$D"
has "$W/out" '^x +net +left +added +netdev_del n'
must_fail 1 dmctl device remove "$D" x
has "$W/err" 'not undone: netdev_del n'
fine device_add netdev_del
sent_from
must dmctl device remove "$D" x
[[ $(sent) == *netdev_del* ]] || fail "sent: $(sent)"
nothing_listed || fail 'it is listed'

step 'a guest that refuses, ignores, and lets go late'
has_devices type
must add "${KINDS[0]}" "--fd=f=$W/disk"
has_devices type x
echo '{"return": {}, "events": [{"event": "DEVICE_UNPLUG_GUEST_ERROR", "data": {"device": "x", "path": "/x"}}]}' >"$A/device_del"
must_fail 1 dmctl device remove "$D" x
has "$W/err" 'the guest refused to let go of it'
in_state x present || fail "state $(state_of x)"
echo '{"return": {}, "events": [{"event": "MEM_UNPLUG_ERROR", "data": {"device": "x", "msg": "busy"}}]}' >"$A/device_del"
must_fail 1 dmctl device remove "$D" x
has "$W/err" 'refused to let go of it: busy'
refuses device_del
must_fail 1 dmctl device remove "$D" x
has "$W/err" 'device_del: QMP: no device_del today'
in_state x present || fail "state $(state_of x)"
fine device_del
must_fail 1 dmctl device remove "$D" x --timeout 1
has "$W/err" 'the guest did not let go of it within 1 s'
in_state x removing || fail "state $(state_of x)"
echo '{"error": {"class": "GenericError", "desc": "Device x is already in the process of unplug"}}' >"$A/device_del"
must_fail 1 dmctl device remove "$D" x --timeout 0
has "$W/err" 'the guest did not let go of it within 0 s'
has_devices type
sent_from
REMOVED=$(count_of device-removed)
echo '{"return": {"name": "x"}, "events": [{"event": "DEVICE_DELETED", "data": {"device": "x", "path": "/x"}}]}' >"$A/query-name"
must dmctl qmp "$D" query-name
wait_until 'what stood behind it goes' nothing_listed
[[ $(sent) == *netdev_del* ]] || fail "sent: $(sent)"
(( $(count_of device-removed) == REMOVED + 1 )) || fail 'no event device-removed'

step 'while the daemon is away, the guest lets go'
must add '{"kind": "rng", "id": "x"}'
has_devices type x
fine device_del
must_fail 1 dmctl device remove "$D" x --timeout 0
daemon_kill
has_devices type
sent_from
daemon_start
wait_until 'what stood behind it goes' eval 'is "$D" ".state == \"running\"" && nothing_listed'
[[ $(sent) == *object-del* ]] || fail "sent: $(sent)"

step 'what is refused before QEMU is asked'
sent_from
for device in '{"kind": "rng"}' '{"kind": "rng", "id": "a,b"}' '{"kind": "rng", "id": "$NAME"}' '{"kind": "scsi_controller", "id": "taken"}' '[]' '{"kind": 1}' \
	'{"kind": "rng", "id": "'"$(printf 'x%.0s' {1..20000})"'"}' '{"kind": "loader", "file": "/f", "id": "l"}'; do
	must_fail 1 add "$device"
done
must_fail 1 add '{"kind": "net", "type": "tap", "id": "n", "fds": ["@g"]}' "--fd=f=$W/disk"
must_fail 1 add '{"kind": "rng", "id": "x"}' --fd=f=/nonexistent
must_fail 2 add '{"kind": "rng", "id": "x"}' --fd=f
must_fail 2 dmctl device remove "$D" x --timeout 601
must_fail 2 dmctl device replace "$D" x
must_fail 3 dmctl device list 4711
must_fail 1 dmctl device remove "$D" nobody
sent_is '' || fail "sent: $(sent)"

step 'one at a time: the others wait, a limited number of them; QEMU ends'
silent object-add
for (( i = 0; i < 17; i++ )); do
	echo '{"kind": "rng", "id": "r'$i'"}' >"$W/r$i.json"
	dmctl device add "$D" "$W/r$i.json" >"$W/r$i.out" 2>&1 & PIDS[i]=$!
done
echo '{"kind": "rng", "id": "more"}' >"$W/more.json"
full() { timeout 10 "$BUILD/daemon/ctl/dmctl" device add "$D" "$W/more.json" >"$W/more.out" 2>&1; grep -q 'changes of its devices wait already' "$W/more.out"; }
wait_until 'no more may wait' full
[[ $(sent) == 'object-add ' ]] || fail "sent: $(sent)"
kill -KILL "$(field "$D" pid)"
wait "${PIDS[@]}"
for (( i = 0; i < 17; i++ )); do has "$W/r$i.out" 'its device model ends|wait already'; done
wait_state "$D" exited
must_fail 1 add '{"kind": "rng", "id": "x"}'
has "$W/err" 'its device model is exited'

step 'device models that have no place for a device'
def pv pv '' '{"extra_args": ["-machine", "xenpv"]}'
create pv
wait_state "$D" running
must_fail 1 add '{"kind": "rng", "id": "x"}'
has "$W/err" 'has no bus to plug a device into'
create nobody
wait_state "$D" unmanaged
must_fail 1 add '{"kind": "rng", "id": "x"}'
has "$W/err" 'its device model is unmanaged'
world_end
