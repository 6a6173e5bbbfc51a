#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=600
#
# 20 domains with a device model, created and destroyed one after the other: nothing adds up.
. "$(dirname "$0")/lib.sh"

GROWTH_KIB=2048	# of the daemon, from the fifth to the last: noise

PID=$(systemctl show -P MainPID xendmd)

rss()
{
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$PID/status"
}

descriptors()
{
	find "/proc/$PID/fd" -mindepth 1 2>/dev/null | wc -l
}

descriptors_as_before()
{
	[[ $(descriptors) == "$FDS" ]]
}

one()
{
	mkdom_create "series-$1" --memory 40
	wait_state "$DOMID" running 60
	mkdom_destroy "$DOMID"
}

define series < <(qemu_definition 'series-*')
one 0
wait_until 30 status_empty
snapshot before
sleep 3	# an idle connection to systemd is closed
FDS=$(descriptors)
for i in {1..20}; do
	one "$i"
	if (( i == 5 )); then
		RSS=$(rss)
	fi
done
wait_until 30 status_empty
echo "memory: $RSS KiB after 5, $(rss) after 20"
(( $(rss) < RSS + GROWTH_KIB )) || fail "the daemon grew from $RSS to $(rss) KiB"
wait_until 30 descriptors_as_before
snapshot_same before 30
expect "pid of the daemon" "$(systemctl show -P MainPID xendmd)" "$PID"
undefine series
rm -f /var/log/xen/qemu-dm-series-*
