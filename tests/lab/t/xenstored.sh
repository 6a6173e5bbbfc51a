#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: timeout=300
#
# xenstored stands still for a minute: the daemon answers, sees a device model die, cleans nothing
# up because of it, and goes on as if nothing had been once xenstored is back.
. "$(dirname "$0")/lib.sh"

XENSTORED=$(pidof oxenstored xenstored) || fail "no xenstored"
trap 'status=$?; kill -CONT "$XENSTORED"; (exit $status); cleanup_test' EXIT

# answers_in MS: dmctl status, in that time.
answers_in()
{
	local begin=${EPOCHREALTIME/./}

	timeout 30 dmctl status --json >status.json || fail "dmctl status while xenstored stands still"
	(( ${EPOCHREALTIME/./} - begin < $1 * 1000 )) || fail "dmctl status took $((${EPOCHREALTIME/./} - begin)) us"
}

as_it_was()
{
	dm_state_is "$ONE" running || fail "domain $ONE is $(dm_field "$ONE" state)"
	expect pid "$(qemu_pid "$ONE")" "$PID"
	[[ -S /run/xendmd/dm/$ONE/monitor && -e /run/xendmd/dm/$ONE/record.json ]] \
		|| fail "domain $ONE has lost its files"
}

snapshot before
define store < <(qemu_definition 'store-*')
mkdom_create store-1
ONE=$DOMID
mkdom_create store-2
TWO=$DOMID
wait_state "$ONE" running 60
wait_state "$TWO" running 60
PID=$(dm_field "$ONE" pid)

kill -STOP "$XENSTORED"
STOPPED=$SECONDS
answers_in 10000
kill -KILL "$(dm_field "$TWO" pid)"
wait_state "$TWO" exited 30
expect exit "$(dm_field "$TWO" exit.signal)" SIGKILL
answers_in 10000
as_it_was
dmctl show "$ONE" >/dev/null || fail "show"
dmctl start "$TWO" 2>start.err & START=$!	# waits for xenstored
while (( SECONDS - STOPPED < 60 )); do
	sleep 5
	answers_in 10000
	as_it_was
done
kill -CONT "$XENSTORED"

wait "$START" || echo "start while xenstored stood still: $(<start.err)"
as_it_was
if ! dm_state_is "$TWO" running; then
	dmctl start "$TWO" || fail "start afterwards: $(dm_field "$TWO" reason)"
fi
mkdom_create store-3
wait_state "$DOMID" running 60
mkdom_destroy "$DOMID"
mkdom_destroy "$TWO"
mkdom_destroy "$ONE"
wait_until 30 status_empty
undefine store
snapshot_same before 30
