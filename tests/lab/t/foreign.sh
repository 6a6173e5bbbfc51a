#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=900
#
# Installed on a host that runs stock xl: a device model there is shown, its death is told and
# recorded, and nothing of theirs is changed by it: xenstore with its permissions, files, processes
# are compared. Guests are made and destroyed by xl alone. More of it is in foreign-more.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/foreign/common.sh"

trap 'xl destroy web 2>/dev/null; systemctl start xendmd; cleanup_test' EXIT

snapshot clean
systemctl stop xendmd
guest web
WEB=$DOMID WEB_PID=$PID
wait_until 180 disk_booted "$WEB"
note_before

echo "== the service comes"
systemctl start xendmd
wait_until 30 is_foreign "$WEB"
expect "pid and log" "$(dm_fields "$WEB" pid log | paste -sd' ')" "$WEB_PID /var/log/xen/qemu-dm-web.log"
dmctl show --json web >show.json
expect "argv" "$(jq -r '.argv[1:3] | join(" ")' show.json)" "-xen-domid $WEB"
expect "policy" "$(jq -r .on_exit show.json)" none
dmctl logs web >out || fail "dmctl logs"
dmctl stop --force web 2>err && fail "a foreign device model was stopped"
nothing_of_ours
same_as_before "after the start"

echo "== QEMU dies"
kill -KILL "$WEB_PID"
wait_state "$WEB" exited 30
[[ $(dm_fields "$WEB" exit reason | paste -sd' ') == "null "*"while its domain lives"* ]] \
	|| fail "exit and reason: $(dm_fields "$WEB" exit reason)"
told "$WEB" device-model-exited -- policy-applied
RECORD=$(grep -l "\"domid\":$WEB[^0-9]" /var/lib/xendmd/exits/*.json | tail -n 1)
holds --arg log "$(tail -n 1 /var/log/xen/qemu-dm-web.log)" \
	'.state == "exited" and .exit == null and .policy == "none" and .kind == "foreign" and .uptime_ms > 0
	and (.log_tail | contains($log))' "$RECORD" || fail "exit record: $(<"$RECORD")"
xl_state_has "$WEB" p && fail "the domain was paused"
xl_state_has "$WEB" '[scd]' && fail "the domain was ended"
sed -i "/^$WEB_PID /d" before # dead by our hand
theirs now
diff <(grep '^/' before) <(grep '^/' now) >&2 || fail "xenstore or files are not as before"

echo "== xl ends what is left, and makes another one under our eyes"
xl destroy web 2>/dev/null # its disk's end never comes
wait_until 90 domain_gone "$WEB"
wait_until 30 status_empty
guest web
wait_until 30 is_foreign "$DOMID"
expect "pid" "$(dm_field "$DOMID" pid)" "$PID"
xl destroy web || fail "xl destroy"
wait_until 60 domain_gone "$DOMID"
wait_until 30 status_empty
expect "events" "$(events "$DOMID" | paste -sd' ')" \
	"domain-appeared device-model-running device-model-stopped domain-gone"
snapshot_same clean 30
