#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=900
#
# Device models of stock xl's, beside foreign: two of them, under a daemon that is stopped, killed and
# restarted, which changes nothing of theirs; one that dies is told once, and one that died while no
# daemon ran is told of as well.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/foreign/common.sh"

cleanup_foreign()
{
	local name

	for name in web db; do
		xl destroy $name 2>/dev/null
	done
	systemctl start xendmd
}
trap 'cleanup_foreign; cleanup_test' EXIT

# Side by side: where QEMU is dead, libxl waits for its disks' end in vain.
end_both()
{
	xl destroy web 2>/dev/null &
	xl destroy db 2>/dev/null
	wait $!
}
exit_records() { grep -l "\"domid\":$1[^0-9]" /var/lib/xendmd/exits/*.json | wc -l; }

snapshot clean
systemctl stop xendmd
guest web
WEB=$DOMID WEB_PID=$PID
guest db
DB=$DOMID DB_PID=$PID
wait_until 180 disk_booted "$WEB"
wait_until 180 disk_booted "$DB"
note_before

echo "== the service comes"
systemctl start xendmd
wait_until 30 is_foreign "$WEB"
wait_until 30 is_foreign "$DB"
expect "pid of web" "$(dm_field "$WEB" pid)" "$WEB_PID"
expect "pid of db" "$(dm_field "$DB" pid)" "$DB_PID"
expect "domains listed" "$(dmctl status --json | jq '.domains | length')" 2
dmctl status

echo "== the service is stopped, killed, restarted"
systemctl kill -s KILL xendmd
wait_until 30 is_foreign "$WEB"
systemctl restart xendmd
wait_until 30 is_foreign "$WEB"
wait_until 30 is_foreign "$DB"
no_event "$WEB" device-model-exited
same_as_before "after restarts"

echo "== QEMU dies; the next daemon knows, and tells it once"
kill -KILL "$WEB_PID"
wait_state "$WEB" exited 30
told "$WEB" device-model-exited -- policy-applied
systemctl restart xendmd
wait_state "$WEB" exited 30
no_event "$WEB" device-model-exited
expect "exit records" "$(exit_records "$WEB")" 1

echo "== dead while no daemon ran"
systemctl stop xendmd
kill -KILL "$DB_PID"
systemctl start xendmd
wait_state "$DB" exited 30
has_event "$DB" device-model-exited || fail "no event"

end_both
wait_until 90 domain_gone "$WEB"
wait_until 90 domain_gone "$DB"
wait_until 30 status_empty
snapshot_same clean 30
