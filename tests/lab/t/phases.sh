#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=600
#
# A domain that is destroyed, or a daemon that is killed, in each phase of a start. In the end there
# is one device model that runs or a reason why there is none, and after the domain nothing.
. "$(dirname "$0")/lib.sh"

SLOW=$PWD/slow		# a device model that takes its time before it is QEMU
CONF=/etc/xendmd/xendmd.json

cp -p "$CONF" conf.before
XENSTORED=$(pidof oxenstored xenstored) || fail "no xenstored"

restore()
{
	kill -CONT "$XENSTORED" 2>/dev/null
	cp -p conf.before "$CONF"
}
trap 'status=$?; restore; (exit $status); cleanup_test' EXIT

slow_for()
{
	printf '#!/bin/bash\nsleep %s\nexec %s "$@"\n' "$1" "$QEMU" >"$SLOW.new"
	chmod 755 "$SLOW.new"
	mv "$SLOW.new" "$SLOW"
}

kill_daemon()
{
	local pid

	pid=$(systemctl show -P MainPID xendmd)
	kill -KILL "$pid"
	wait_until 60 another_daemon "$pid"
}

another_daemon()
{
	local now

	now=$(systemctl show -P MainPID xendmd)
	[[ $now != 0 && $now != "$1" ]] && timeout 30 dmctl status
}

# The number of the domain without a name that is there; mkdom says it only at its end.
introduced()
{
	DOMID=$(dmctl status --json | jq -r '.domains[] | select(.name == null) | .domid')
	[[ -n $DOMID ]]
}

# late_name: DOMID is a domain whose name comes after 4 s; MKDOM its maker.
late_name()
{
	mkdom create phase --late-name=4000 >/dev/null 2>&1 &
	MKDOM=$!
	wait_until 30 introduced
	CREATED_DOMAINS+=("$DOMID")
}

listed()
{
	dmctl status "$1" >/dev/null 2>&1
}

# gone DOMID [PROGRAM]: domain, device model, and everything of both.
gone()
{
	wait_until 60 domain_gone "$1"
	wait_until 30 not_listed "$1"
	no_qemu "$1" || fail "QEMU is left"
	pgrep -f "$SLOW" && fail "the device model is left"
	return 0
}

not_listed()
{
	! listed "$1"
}

# comes_to DOMID: runs, as one QEMU, or says why not.
comes_to()
{
	wait_until 90 settled "$1"
	if dm_state_is "$1" running; then
		expect "number of QEMUs" "$(pgrep -cf -- "-xen-domid $1( |\$)")" 1
	else
		[[ -n $(dm_field "$1" reason) ]] || fail "failed without a reason"
		no_qemu "$1" || fail "failed, and a QEMU runs"
	fi
}

settled()
{
	[[ $(dm_field "$1" state) =~ ^(running|failed)$ ]]
}

destroyed_before_its_name()
{
	late_name
	kill "$MKDOM"	# it would write the name of a domain that is gone
	wait "$MKDOM"
	mkdom_destroy "$DOMID"
	gone "$DOMID"
}

# One start at a time: the second waits for the first, which is slow.
destroyed_in_the_queue_and_while_it_starts()
{
	local first

	jq '.starts_at_once = 1' conf.before >"$CONF"
	slow_for 1000
	dmctl reload
	mkdom_create phase
	first=$DOMID
	wait_until 30 slow_runs
	mkdom_create phase
	wait_state "$DOMID" waiting
	dm_state_is "$first" starting || fail "the first is $(dm_field "$first" state)"
	mkdom_destroy "$DOMID"
	gone_beside "$DOMID"
	dm_state_is "$first" starting || fail "the first is $(dm_field "$first" state)"
	mkdom_destroy "$first"
	gone "$first"
	cp -p conf.before "$CONF"
	dmctl reload
}

gone_beside()
{
	wait_until 60 domain_gone "$1"
	wait_until 30 not_listed "$1"
}

slow_runs()
{
	pgrep -f "$SLOW"
}

# xenstored does not answer while the start prepares its nodes; the hypervisor alone destroys.
destroyed_while_it_prepares()
{
	local uuid start

	mkdom_create other
	uuid=$(dm_field "$DOMID" uuid)
	qemu_definition other >other.json
	wait_state "$DOMID" unmanaged
	kill -STOP "$XENSTORED"
	dmctl start "$DOMID" --definition other.json 2>start.err &
	start=$!
	wait_state "$DOMID" starting
	/usr/libexec/xendmd/dom-destroy "$DOMID" "$uuid" || fail "dom-destroy"
	sleep 1
	kill -CONT "$XENSTORED"
	wait "$start" && fail "start of a dead domain succeeded"
	[[ -s start.err ]] || fail "start says nothing"
	gone "$DOMID"
	# What else a toolstack does.
	xenstore-rm "/local/domain/$DOMID"
	xenstore-rm "/vm/$uuid"
	xenstore-rm -t "/local/domain/0/backend/console/$DOMID"
}

killed_before_the_name()
{
	slow_for 0
	late_name
	kill_daemon
	wait "$MKDOM"
	comes_to "$DOMID"
	expect state "$(dm_field "$DOMID" state)" running
	mkdom_destroy "$DOMID"
	gone "$DOMID"
}

killed_while_it_prepares()
{
	mkdom_create other
	wait_state "$DOMID" unmanaged
	kill -STOP "$XENSTORED"
	dmctl start "$DOMID" --definition other.json >/dev/null 2>&1 &
	wait_state "$DOMID" starting
	kill -KILL "$(systemctl show -P MainPID xendmd)"
	sleep 1
	kill -CONT "$XENSTORED"
	wait $!
	# Nothing had run, and the definition went with the daemon.
	wait_until 60 dm_state_is "$DOMID" unmanaged
	dmctl start "$DOMID" --definition other.json || fail "start: $(dm_field "$DOMID" reason)"
	mkdom_destroy "$DOMID"
	gone "$DOMID"
}

killed_while_it_starts()
{
	local pid

	slow_for 12
	mkdom_create phase
	wait_until 30 slow_runs
	sleep 1
	pid=$(dm_field "$DOMID" pid)
	kill_daemon
	comes_to "$DOMID"
	expect state "$(dm_field "$DOMID" state)" running
	expect pid "$(dm_field "$DOMID" pid)" "$pid"
	mkdom_destroy "$DOMID"
	gone "$DOMID"
}

# Wherever it meets the start.
killed_any_time()
{
	local delay

	slow_for 0
	for delay in 0.1 0.4 0.8 1.5; do
		mkdom_create phase
		sleep "$delay"
		echo "killed after $delay s as $(dm_field "$DOMID" state)"
		kill_daemon
		comes_to "$DOMID"
		mkdom_destroy "$DOMID"
		gone "$DOMID"
	done
}

# The device model hears nothing, its domain is gone: the next daemon goes on ending it.
killed_while_it_stops()
{
	mkdom_create phase
	wait_state "$DOMID" running 60
	kill -STOP "$(dm_field "$DOMID" pid)"
	mkdom_destroy "$DOMID"
	sleep 1
	kill_daemon
	gone "$DOMID"
}

slow_for 0
define phase < <(qemu_definition phase "\"binary\": \"$SLOW\",")
snapshot before
destroyed_before_its_name
destroyed_in_the_queue_and_while_it_starts
destroyed_while_it_prepares
killed_before_the_name
killed_while_it_prepares
killed_while_it_starts
killed_any_time
killed_while_it_stops
snapshot_same before 30
undefine phase
