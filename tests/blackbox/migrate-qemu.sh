#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Real QEMU to real QEMU: through a unix socket, a file, a descriptor and a command; cancelled, without room,
# and across a restart of the daemon. The machines have 8 MiB that are not zero, and a mark in them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/qemu.sh"
MARK_AT=0x1000000 MARK=0x6b72616d
head -c 8M /dev/urandom >"$W/image"
printf 'mark' | dd of="$W/image" conv=notrunc status=none
LOADER="{\"kind\": \"raw\", \"args\": [\"-device\", {\"driver\": \"loader\", \"file\": \"$W/image\", \"addr\": $((MARK_AT)), \"force-raw\": true}]}"
BALLOON='{"kind": "balloon", "id": "balloon0"}'
world_start

# source NAME: runs, with the mark
source_machine()
{
	create source
	wait_state "$D" running
	SOURCE=$D
	wait_run_state "$SOURCE" running
	[[ $(word "$SOURCE" "$MARK_AT") == "$MARK" ]] || fail "no mark: $(word "$SOURCE" "$MARK_AT")"
}
# arrived DOMAIN: it has the memory, and runs when it is let go
arrived()
{
	wait_run_state "$1" paused
	[[ $(word "$1" "$MARK_AT") == "$MARK" ]] || fail "the memory did not come: $(word "$1" "$MARK_AT")"
	must dmctl qmp "$1" cont
	wait_run_state "$1" running
}
left()
{
	expect "$SOURCE" '.state == "running" and .migration == "completed" and .reason == null'
	run_state_is "$SOURCE" postmigrate || fail "the source is $(run_state "$SOURCE")"
	destroy "$SOURCE"
	wait_gone "$SOURCE"
}
slowly() { "$@" --parameter max-bandwidth=4096 --capability auto-converge=on; }
as_before()
{
	wait_run_state "$SOURCE" running
	dmctl query "$SOURCE" migrate-parameters | jq -e '."max-bandwidth" == 134217728' >/dev/null || fail 'the bandwidth stays'
	dmctl query "$SOURCE" migrate-capabilities | jq -e '.[] | select(.capability == "auto-converge").state | not' >/dev/null \
		|| fail 'the capability stays'
}
under_way() { is "$SOURCE" '.migration == "active"'; }
machine source "{\"devices\": [$LOADER, $BALLOON]}"

step 'queries and the balloon'
source_machine
for what in balloon block block-jobs blockstats chardev cpus fdsets hotpluggable-cpus iothreads jobs machines memdev memory \
	memory-devices migrate migrate-capabilities migrate-parameters name pci rx-filter status uuid version vnc; do
	must dmctl query "$SOURCE" $what
done
must dmctl balloon "$SOURCE" 24
has "$W/out" 'the guest has (24|32) MiB' # a firmware has no driver for it

step 'through a unix socket'
machine waits "{\"incoming\": {\"migration_type\": \"defer\"}, \"devices\": [$BALLOON]}"
create waits
wait_state "$D" running
run_state_is "$D" inmigrate || fail "it is $(run_state "$D")"
dmctl migrate --incoming "$D" "unix:$W/socket" >"$W/min" 2>"$W/merr" &
COMING=$!
wait_until 'dmctl listens' test -S "$W/socket"
must dmctl migrate "$SOURCE" "unix:$W/socket" --parameter downtime-limit=500
has "$W/out" '^completed, .* down for '
wait "$COMING" || fail "$(cat "$W/merr")"
has "$W/min" '^completed'
arrived "$D"
left
destroy "$D"

step 'into a file, and out of one that the start opens'
source_machine
must dmctl migrate "$SOURCE" "file:$W/vm" --json
jq -se 'last.migration | .status == "completed" and .downtime_ms >= 0 and .total_ms >= 0 and .total > 0' "$W/out" >/dev/null \
	|| fail "progress: $(cat "$W/out")"
left
machine reads "{\"incoming\": {\"migration_type\": \"fd\", \"fd\": \"@state\"}, \"devices\": [$BALLOON]}" \
	"{\"files\": {\"state\": {\"path\": \"$W/vm\"}}}"
create reads
wait_state "$D" running
arrived "$D"
destroy "$D"

step 'and out of a descriptor that comes with the start'
machine gets "{\"incoming\": {\"migration_type\": \"fd\", \"fd\": \"@state\"}, \"devices\": [$BALLOON]}" \
	'{"files": {"state": {"received": true}}}'
create gets
reached "$D" waiting 'files\.state comes with the start'
must dmctl start "$D" --fd "state=$W/vm"
arrived "$D"
destroy "$D"

step 'through commands'
source_machine
must dmctl migrate "$SOURCE" "exec:cat >$W/by-command"
left
machine execs "{\"incoming\": {\"migration_type\": \"exec\", \"exec\": \"cat $W/by-command\"}, \"devices\": [$BALLOON]}"
create execs
wait_state "$D" running
arrived "$D"
destroy "$D"

step 'by a descriptor, which is full'
source_machine
must_fail 1 dmctl migrate "$SOURCE" fd:9 9>/dev/full
has "$W/err" 'the migration: QEMU says "failed"'
wait_run_state "$SOURCE" running
expect "$SOURCE" '.migration == null'
must_fail 1 dmctl migrate "$SOURCE" "exec:exit 3"
wait_run_state "$SOURCE" running

step 'cancelled'
slowly dmctl migrate "$SOURCE" "file:$W/vm2" >"$W/mout" 2>"$W/merr" &
GOING=$!
wait_until 'it is under way' under_way
wait_until 'its progress is told' grep -q '^active' "$W/mout"
must dmctl migrate --cancel "$SOURCE"
wait "$GOING" && fail 'a cancelled one succeeds'
has "$W/merr" 'the migration: cancelled'
[[ ! -e $W/vm2 ]] || fail 'its file stays'
as_before

step 'the daemon ends in the middle, and the next one follows it'
must slowly dmctl migrate --detach "$SOURCE" "file:$W/vm2"
daemon_kill
daemon_start
wait_state "$SOURCE" running
wait_until 'it is followed' under_way
must dmctl migrate --status "$SOURCE"
has "$W/out" '^active, '
must dmctl migrate --cancel "$SOURCE"
as_before

step 'QEMU dies in the middle'
slowly dmctl migrate "$SOURCE" "file:$W/vm2" >"$W/mout" 2>"$W/merr" &
GOING=$!
wait_until 'it is under way' under_way
kill -KILL "$(field "$SOURCE" pid)"
wait "$GOING" && fail 'by a dead one'
has "$W/merr" 'its device model ends, and the migration with it'
wait_state "$SOURCE" exited
destroy "$SOURCE"
world_end
