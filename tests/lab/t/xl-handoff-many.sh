#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=1500
#
# What xl does with guests whose device_model_override is dm-handoff, beside xl-handoff: renamed, shut
# down by their power button, two at once, ten in a row, destroyed while they start, with a definition,
# under a daemon that is restarted or away, and with a script that executes dm-handoff.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/handoff/common.sh"

renamed()
{
	must xl create ho.cfg
	served
	must xl rename ho other
	wait_until 10 eval '[[ $(dm_field "$DOMID" name) == other ]]'
	answers_qmp other
	must xl rename other ho
	wait_until 10 eval '[[ $(dm_field "$DOMID" name) == ho ]]'
}

survives_the_daemon()
{
	systemctl restart xendmd || fail "restart"
	served
	has_event "$DOMID" device-model-adopted || fail "not adopted"
	answers_qmp
}

# By the power button, which the guest obeys: it has no drivers for xl's word in xenstore.
shut_down()
{
	local first=$DOMID

	wait_until 180 disk_booted "$DOMID"
	must xl shutdown -F ho
	ended "$first"
}

two_at_once()
{
	local ids=() name

	guest two >two.cfg
	xl create one.cfg >one.log 2>&1 &
	must xl create two.cfg
	wait $! || fail "xl create one: $(<one.log)"
	for name in one two; do
		served $name
		ids+=("$DOMID")
	done
	must xl destroy one
	must xl destroy two
	ended "${ids[0]}"
	ended "${ids[1]}"
}

# One after the other, each while the last one's end may not be over yet.
ten_in_a_row()
{
	local i ids=()

	for i in {1..10}; do
		must xl create -p one.cfg
		DOMID=$(xl_domid one)
		ids+=("$DOMID")
		wait_until 30 dm_state_is "$DOMID" running
		expect "device-model-pid of $i" "$(pid_in_xenstore)" "$(qemu_pid "$DOMID")"
		must xl destroy one
	done
	for i in "${ids[@]}"; do
		ended "$i"
	done
	snapshot_same before 30
}

# The device model hangs before it is ready, and the domain is destroyed meanwhile.
destroyed_while_it_starts()
{
	cat >hang <<-'END'
		#!/bin/sh
		exec sleep 600
	END
	chmod +x hang
	define hanging <<<"{\"match\": {\"name\": \"hanging\"}, \"kind\": \"qemu\", \"binary\": \"$PWD/hang\"}"
	guest hanging >hanging.cfg
	xl create hanging.cfg >hanging.log 2>&1 &
	wait_until 60 xl_domid hanging
	DOMID=$(xl_domid hanging)
	wait_state "$DOMID" starting 60
	wait_until 30 eval '[[ $(pid_in_xenstore) == "$(dm_field "$DOMID" pid)" ]]'
	xl destroy hanging
	wait_until 90 domain_gone "$DOMID"
	wait_until 30 unlisted "$DOMID"
	wait $! && fail "xl create succeeded"
	told "$DOMID" -- device-model-exited
	[[ -z $(pgrep -f "sleep 600") ]] || fail "the device model lives"
	undefine hanging
}

# What a definition gives, and a device model that really dies.
defined()
{
	define one <<-'END'
		{ "match": { "name": "one" }, "kind": "qemu", "on_exit": "pause",
		  "limits": { "pids_max": 64, "memory_max_mib": 700 } }
	END
	must xl create one.cfg
	served one
	expect "pids.max" "$(cat "/sys/fs/cgroup$(cut -d: -f3 "/proc/$PID/cgroup")/pids.max")" 64
	expect "memory.max" "$(cat "/sys/fs/cgroup$(cut -d: -f3 "/proc/$PID/cgroup")/memory.max")" $((700 << 20))
	kill -KILL "$PID"
	wait_state "$DOMID" exited 30
	expect exit "$(dm_field "$DOMID" exit | jq -c .)" '{"signal":"SIGKILL"}'
	wait_until 10 xl_state_has "$DOMID" p
	[[ -z $(pid_in_xenstore) ]] || fail "xenstore names a dead device model"
	must xl destroy one
	wait_until 60 domain_gone "$DOMID"
	wait_until 30 unlisted "$DOMID"
	undefine one
}

# The daemon away: xl create fails with the reason in the device model's log.
without_the_daemon()
{
	systemctl stop xendmd.socket xendmd.service
	xl create one.cfg >xl.log 2>&1 && fail "xl create without the daemon"
	grep -q "dm-handoff: xendmd can't be reached" /var/log/xen/qemu-dm-one.log \
		|| fail "the log says: $(cat /var/log/xen/qemu-dm-one.log)"
	systemctl start xendmd.socket xendmd.service
	wait_until 30 dmctl version
	wait_until 60 status_empty
}

# libxl names the script's process, which is taken for its device model, before it executes dm-handoff.
by_a_script()
{
	cat >script <<-'END'
		#!/bin/bash
		kind_of() { dmctl status --json | jq -r --argjson id "$1" '.domains[] | select(.domid == $id).kind'; }
		for (( i = 1; i < $#; i++ )); do
			if [[ ${!i} == -xen-domid ]]; then
				i=$((i + 1))
				until [[ $(kind_of "${!i}") == foreign ]]; do sleep 0.2; done
			fi
		done
		exec /usr/libexec/xendmd/dm-handoff "$@"
	END
	chmod +x script
	GUEST_HELPER=$PWD/script guest scripted >scripted.cfg
	must xl create scripted.cfg
	served scripted
	answers_qmp scripted
	told "$DOMID" -- device-model-exited device-model-failed device-model-stopped
	must xl destroy scripted
	ended "$DOMID"
}

boot_disk disk.img
guest one >one.cfg
{
	guest ho
	echo "disk = [ '$PWD/disk.img,raw,hda,rw,backendtype=qdisk' ]"
} >ho.cfg

snapshot before
for part in renamed survives_the_daemon shut_down defined destroyed_while_it_starts two_at_once \
	ten_in_a_row by_a_script without_the_daemon; do
	echo "$SECONDS s: $part"
	$part
done
snapshot_same before 30
