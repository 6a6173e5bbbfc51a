#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: essential timeout=1000
#
# Installed on a host that runs stock xl: every device model there is shown, a death is told and
# recorded, and nothing of theirs is changed by it: xenstore with its permissions, files, processes
# are compared. Guests are made and destroyed by xl alone.
. "$(dirname "$0")/lib.sh"

cleanup_foreign()
{
	local name

	for name in web db; do
		xl destroy $name 2>/dev/null
	done
	systemctl start xendmd
}
trap 'cleanup_foreign; cleanup_test' EXIT

# theirs FILE: all that is not ours. What the guest and QEMU write by themselves in the meantime is
# waited for first.
theirs()
{
	{
		xenstore-ls -fp | grep -v '^/local/domain/0/xendmd'
		find /run/xen /var/lib/xen /var/log/xen -type f ! -name '*.log' -exec stat -c '%n %s %Y %U %a' {} +
		find /run/xen -type s -exec stat -c '%n %i' {} +
		find /var/log/xen -name '*.log' -exec stat -c '%n %i' {} +
		pgrep -a -f -- '-xen-domid [1-9]' | cut -d' ' -f1-4
		for pid in $(pgrep -f -- '-xen-domid [1-9]'); do
			cat "/proc/$pid/cgroup" "/proc/$pid/limits"
		done
	} >"$1"
}
same_as_before()
{
	theirs now
	diff before now >&2 || fail "$1: something of theirs is not as before"
}
is_foreign() { [[ $(dm_fields "$1" kind source state | paste -sd/) == foreign/foreign/running ]]; }
nothing_of_ours()
{
	[[ -z $(ls /run/xendmd/dm) ]] || fail "run directories: $(ls /run/xendmd/dm)"
	[[ -z $(systemctl list-units --plain --no-legend 'xendmd-dm-*.scope') ]] || fail "scopes of ours"
}
# As it was a moment ago.
settled()
{
	theirs one
	cmp -s one before && return
	mv one before
	return 1
}
# Side by side: where QEMU is dead, libxl waits for its disks' end in vain.
end_both()
{
	xl destroy web 2>/dev/null &
	xl destroy db 2>/dev/null
	wait $!
}

snapshot clean
systemctl stop xendmd

# Without a disk that boots SeaBIOS gives up after a minute and the guest reboots.
for name in web db; do
	boot_disk $name.img
	cat >$name.cfg <<-END
		type = "hvm"
		name = "$name"
		memory = 40
		vnc = 0
		serial = "pty"
		disk = ["format=raw,vdev=hda,access=rw,backendtype=qdisk,target=$PWD/$name.img"]
	END
	xl create $name.cfg >xl.log 2>&1 || fail "xl create: $(<xl.log)"
done
WEB=$(xl domid web) DB=$(xl domid db)
WEB_PID=$(xenstore-read "/local/domain/$WEB/image/device-model-pid")
DB_PID=$(xenstore-read "/local/domain/$DB/image/device-model-pid")
wait_until 120 disk_booted "$WEB"
wait_until 120 disk_booted "$DB"
theirs before
sleep 1
wait_until 60 settled

echo "== the service comes"
systemctl start xendmd
wait_until 30 is_foreign "$WEB"
wait_until 30 is_foreign "$DB"
expect "pid and log of web" "$(dm_fields "$WEB" pid log | paste -sd' ')" "$WEB_PID /var/log/xen/qemu-dm-web.log"
expect "pid of db" "$(dm_field "$DB" pid)" "$DB_PID"
expect "domains listed" "$(dmctl status --json | jq '.domains | length')" 2
dmctl status
dmctl show --json web >show.json
expect "argv" "$(jq -r '.argv[1:3] | join(" ")' show.json)" "-xen-domid $WEB"
expect "policy" "$(jq -r .on_exit show.json)" none
dmctl logs web >out || fail "dmctl logs"
dmctl stop --force web 2>err && fail "a foreign device model was stopped"
nothing_of_ours
same_as_before "after the start"

echo "== the service is stopped, killed, restarted"
systemctl kill -s KILL xendmd
wait_until 30 is_foreign "$WEB"
systemctl restart xendmd
wait_until 30 is_foreign "$WEB"
wait_until 30 is_foreign "$DB"
no_event "$WEB" device-model-exited
same_as_before "after restarts"

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
dmctl status

echo "== the next daemon knows, and tells it once"
systemctl restart xendmd
wait_state "$WEB" exited 30
no_event "$WEB" device-model-exited
expect "exit records" "$(grep -l "\"domid\":$WEB[^0-9]" /var/lib/xendmd/exits/*.json | wc -l)" 1

echo "== dead while no daemon ran"
systemctl stop xendmd
kill -KILL "$DB_PID"
systemctl start xendmd
wait_state "$DB" exited 30
has_event "$DB" device-model-exited || fail "no event"

echo "== xl ends what is left, and makes another one under our eyes"
end_both
wait_until 60 domain_gone "$WEB"
wait_until 60 domain_gone "$DB"
wait_until 30 status_empty
snapshot_same clean 30
xl create web.cfg >xl.log 2>&1 || fail "xl create: $(<xl.log)"
WEB=$(xl domid web)
wait_until 30 is_foreign "$WEB"
expect "pid" "$(dm_field "$WEB" pid)" "$(xenstore-read "/local/domain/$WEB/image/device-model-pid")"
xl destroy web || fail "xl destroy"
wait_until 60 domain_gone "$WEB"
wait_until 30 status_empty
expect "events" "$(events "$WEB" | paste -sd' ')" \
	"domain-appeared device-model-running device-model-stopped domain-gone"
snapshot_same clean 30
