#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: timeout=500
#
# Stopping: what needs force, what force means, and device models that do not want to end.
. "$(dirname "$0")/lib.sh"

WRAPPER=$PWD/wrapper

last_seq()
{
	dmctl events --json | tail -n 1 | jq .seq
}

is_paused()
{
	xl list | awk -v id="$1" '$2 == id { print $5 }' | grep -q p
}

# exit_record UUID FILTER: one of its exit records is so.
exit_record()
{
	cat /var/lib/xendmd/exits/* | holds "select(.uuid == \"$1\") | $2"
}

force()
{
	local pid seq

	mkdom_create ladder --running
	wait_state "$DOMID" running 60
	pid=$(dm_field "$DOMID" pid)
	dmctl stop "$DOMID" 2>stop.err
	expect "exit status of stop" $? 1
	grep -q -- --force stop.err || fail "the refusal does not name --force: $(<stop.err)"
	expect pid "$(qemu_pid "$DOMID")" "$pid"
	seq=$(last_seq)
	dmctl stop --force "$DOMID" || fail "stop --force"
	expect state "$(dm_field "$DOMID" state)" exited
	expect reason "$(dm_field "$DOMID" reason)" "stopped by dmctl"
	no_qemu "$DOMID" || fail "QEMU still runs"
	is_paused "$DOMID" && fail "on_exit was applied"
	dmctl events --since "$seq" --json | grep -E 'policy-applied|device-model-exited' >events.out
	grep -q policy-applied events.out && fail "on_exit was applied: $(<events.out)"
	dmctl stop --force "$DOMID" 2>stop.err && fail "stopped twice"
	grep -q exited stop.err || fail "the second stop does not say why: $(<stop.err)"
	dmctl start "$DOMID" || fail "start after stop"
	wait_state "$DOMID" running 60
	[[ $(dm_field "$DOMID" pid) != "$pid" ]] || fail "the same process"
	mkdom_destroy "$DOMID"
}

# It hears neither QMP nor SIGTERM; in its scope there is a child of its own session, too.
deaf()
{
	local uuid

	printf '#!/bin/bash\nsetsid sleep 7777 & exec %s "$@"\n' "$QEMU" >"$WRAPPER"
	chmod 755 "$WRAPPER"
	define deaf < <(qemu_definition deaf "\"binary\": \"$WRAPPER\",")
	mkdom_create deaf
	wait_state "$DOMID" running 60
	uuid=$(dm_field "$DOMID" uuid)
	pgrep -f 'sleep 7777' >/dev/null || fail "the wrapper has no child"
	kill -STOP "$(dm_field "$DOMID" pid)"
	mkdom_destroy "$DOMID" &
	wait_until 60 no_qemu "$DOMID"
	wait_until 30 no_child
	wait_until 30 exit_record "$uuid" '.exit == {"signal": "SIGKILL"}'
	wait
	wait_until 30 domain_gone "$DOMID"
}

no_child()
{
	! pgrep -f 'sleep 7777'
}

# The same child, when QEMU dies and its domain stays.
child_of_a_dead_one()
{
	mkdom_create deaf
	wait_state "$DOMID" running 60
	kill -KILL "$(dm_field "$DOMID" pid)"
	wait_state "$DOMID" exited 30
	expect exit "$(dm_field "$DOMID" exit.signal)" SIGKILL
	wait_until 10 no_child
	is_paused "$DOMID" || fail "on_exit was not applied"
	mkdom_destroy "$DOMID"
}

snapshot before
define ladder < <(qemu_definition ladder)
force
deaf
child_of_a_dead_one
undefine ladder
undefine deaf
snapshot_same before 30
