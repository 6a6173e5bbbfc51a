#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: own-boot timeout=300
#
# xenstored dies and a new one, that knows nothing, takes its place: the daemon answers, sees a device
# model die, touches no other because xenstore is empty, and serves new domains by itself.
. "$(dirname "$0")/lib.sh"

XENSTORED=$(pidof oxenstored xenstored) || fail "no xenstored"
mapfile -d '' -t COMMAND <"/proc/$XENSTORED/cmdline"

answers()
{
	timeout 10 dmctl status --json >status.json || fail "dmctl status $1"
}

as_it_was()
{
	dm_state_is "$ONE" running || fail "$1: domain $ONE is $(dm_field "$ONE" state)"
	expect "$1: pid" "$(qemu_pid "$ONE")" "$PID"
	[[ -S /run/xendmd/dm/$ONE/monitor && -e /run/xendmd/dm/$ONE/record.json ]] \
		|| fail "$1: domain $ONE has lost its files"
}

no_xenstored()
{
	! pidof oxenstored xenstored
}

define store < <(qemu_definition 'store-*')
mkdom_create store-1
ONE=$DOMID
mkdom_create store-2
TWO=$DOMID
wait_state "$ONE" running 60
wait_state "$TWO" running 60
PID=$(dm_field "$ONE" pid)

# The unit would take what depends on it down with it; a crash leaves that to chance.
systemctl kill --kill-whom=all --signal=KILL "$(ps -o unit= -p "$XENSTORED")" 2>/dev/null
kill -KILL "$XENSTORED" 2>/dev/null
wait_until 10 no_xenstored
for i in 1 2 3 4 5; do
	answers "without xenstored"
	as_it_was "without xenstored"
	sleep 1
done
kill -KILL "$(dm_field "$TWO" pid)"
wait_state "$TWO" exited 30
expect exit "$(dm_field "$TWO" exit.signal)" SIGKILL
systemctl is-active --quiet xendmd || fail "xendmd is down"

echo "a new one: ${COMMAND[*]}"
"${COMMAND[@]}" </dev/null >xenstored.out 2>&1 &
wait_until 30 xenstore-ls /
"$(echo /usr/lib/xen-*/bin/xen-init-dom0)" || fail "xen-init-dom0"
[[ -z $(xenstore-list "/local/domain/$ONE" 2>/dev/null) ]] || fail "this xenstored is not empty"
for i in 1 2 3 4 5; do
	answers "with an empty xenstore"
	as_it_was "with an empty xenstore"
	sleep 1
done
no_event "$ONE" domain-gone
no_event "$ONE" device-model-stopped
no_event "$TWO" domain-gone

mkdom_create store-3
wait_state "$DOMID" running 60
mkdom_destroy "$DOMID"
mkdom_destroy "$TWO"
mkdom_destroy "$ONE"
wait_until 60 status_empty
no_qemu "$ONE" || fail "the device model of $ONE is left"
[[ -z $(find /run/xendmd/dm -mindepth 1) ]] || fail "left: $(find /run/xendmd/dm -mindepth 1)"
