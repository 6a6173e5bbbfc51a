#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: essential timeout=400
#
# The daemon goes and comes, by restart, by kill -9 and by an upgrade under which QEMU's program is
# replaced too: the same three device models run on and are taken up again. Then records that can't
# be read, and the end.
. "$(dirname "$0")/lib.sh"

NAMES="one two three"
DEADLINE=$((SECONDS + 240))
declare -A ID PID

# The third one's program is a script: it is what it executes that is taken up again.
start_them()
{
	local name

	printf '#!/bin/sh\nexec %s "$@"\n' "$QEMU" >/run/lab/script
	chmod 755 /run/lab/script
	for name in $NAMES; do
		RELOAD=no define_qemu $name "\"binary\": \"$([[ $name == three ]] && echo /run/lab/script || echo "$QEMU")\""
	done
	dmctl reload
	for name in $NAMES; do
		mkdom_create $name --memory 24
		ID[$name]=$DOMID
	done
	for name in $NAMES; do
		wait_state "${ID[$name]}" running 90
		PID[$name]=$(dm_field "${ID[$name]}" pid)
	done
}

main_pid()
{
	systemctl show -P MainPID xendmd
}

last_seq()
{
	dmctl events --json | jq -s 'last | .seq'
}

# all_are KIND: status shows all three running, with the pids that they had.
all_are()
{
	local name wanted

	wanted=$(for name in $NAMES; do
		echo "${ID[$name]} running $1 ${PID[$name]}"
	done | sort)
	dmctl status --json >status || return
	expect status "$(jq -r '.domains[] | "\(.domid) \(.state) \(.kind) \(.pid)"' status | sort)" "$wanted"
}

# after_daemon_change WHAT OLD-PID OLD-SEQ
after_daemon_change()
{
	wait_until 60 new_daemon "$2"
	until ( all_are qemu ) 2>err; do
		(( SECONDS < DEADLINE )) || fail "$1: $(<err)"
	done
	dmctl events --json >events
	expect "adopted after $1" "$(jq -c 'select(.event == "device-model-adopted") | .pid' events \
		| sort -n | paste -sd' ')" "$(printf '%s\n' "${PID[@]}" | sort -n | paste -sd' ')"
	jq -se --argjson seq "$3" 'map(select(.event == "device-model-adopted")) | .[0].seq > $seq' \
		events >/dev/null || fail "event numbers went back: $3, $(<events)"
	grep -qE 'device-model-(starting|exited|failed|lost|stopped)' events && fail "$1: $(<events)"
	return 0
}

new_daemon()
{
	local pid

	pid=$(main_pid)
	[[ $pid != 0 && $pid != "$1" ]] && dmctl version
}

changes_of_the_daemon()
{
	local pid seq binary

	pid=$(main_pid) seq=$(last_seq)
	systemctl restart xendmd
	after_daemon_change restart "$pid" "$seq"

	pid=$(main_pid) seq=$(last_seq)
	kill -KILL "$pid"
	after_daemon_change "kill -9" "$pid" "$seq"

	pid=$(main_pid) seq=$(last_seq)
	for binary in /usr/sbin/xendmd /usr/libexec/xendmd/dm-launch "$(readlink -f "$QEMU")"; do
		cp -p "$binary" "$binary.new" && mv "$binary.new" "$binary"
	done
	[[ $(readlink "/proc/${PID[one]}/exe") == *"(deleted)" ]] || fail "not replaced"
	systemctl restart xendmd
	after_daemon_change upgrade "$pid" "$seq"
}

# Cut off, no JSON, of a version to come: told, kept aside, and whoever runs goes on.
broken_records()
{
	local name dir id

	systemctl stop xendmd.socket xendmd 2>/dev/null
	dir=/run/xendmd/dm
	truncate -s 100 "$dir/${ID[one]}/record.json"
	head -c 3000 /dev/urandom >"$dir/${ID[two]}/record.json"
	jq '.version = 99' "$dir/${ID[three]}/record.json" >record.new
	cat record.new >"$dir/${ID[three]}/record.json"
	systemctl start xendmd.socket xendmd || fail "start with broken records"
	until ( all_are foreign ) 2>err; do
		(( SECONDS < DEADLINE )) || fail "broken records: $(<err)"
	done
	for name in $NAMES; do
		id=${ID[$name]}
		[[ $(journalctl -u xendmd -n 100 -o cat) == *"dm/$id/record.json\": "*"kept as"* ]] \
			|| fail "no message about $name's record"
		ls "/run/xendmd/broken/$id"-*.json >/dev/null || fail "$name's record is not kept"
	done
	cmp record.new /run/xendmd/broken/"${ID[three]}"-*.json || fail "the record was changed"
}

# Nobody's any more: the daemon only watches them. They keep their dying domains until they end, and
# that is the administrator's business.
end_them()
{
	local name

	for name in $NAMES; do
		mkdom_destroy "${ID[$name]}"
	done
	sleep 2
	for name in $NAMES; do
		kill -0 "${PID[$name]}" || fail "$name's QEMU was ended although it was foreign"
		kill "${PID[$name]}"
		xenstore-rm "/local/domain/0/device-model/${ID[$name]}"
	done
	wait_until 60 status_empty
	rm -r /run/xendmd/broken /run/lab/script
}

# A normal life and its end, with a daemon that took the device model up.
normal_end()
{
	mkdom_create one --memory 24
	wait_state "$DOMID" running 90
	systemctl restart xendmd
	wait_state "$DOMID" running 60
	mkdom_destroy "$DOMID"
	wait_until 30 status_empty
	has_event "$DOMID" device-model-stopped || fail "no device-model-stopped: $(dmctl events)"
	no_event "$DOMID" device-model-exited
}

snapshot before
start_them
changes_of_the_daemon
broken_records
end_them
normal_end
snapshot_same before 30
