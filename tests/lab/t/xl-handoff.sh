#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: essential timeout=900
#
# The life that stock xl gives a guest whose device_model_override is dm-handoff: as without it, and
# each of its device models is ours.
. "$(dirname "$0")/lib.sh"

HANDOFF=/usr/libexec/xendmd/dm-handoff
BRIDGE=labbr

xl_domid() { xl domid "$1" 2>/dev/null; }
pid_in_xenstore() { xenstore-read "/local/domain/$DOMID/image/device-model-pid" 2>/dev/null; }
no_helper() { ! pgrep -f -- "^$HANDOFF .*-xen-domid $1( |\$)"; }
unpaused() { ! xl_state_has "$1" p; }
unlisted() { ! dmctl status "$1"; }

guest()
{
	cat <<-END
		type = "hvm"
		name = "$1"
		memory = 48
		vnc = 0
		vcpus = 1
		maxvcpus = 2
		device_model_override = "$HANDOFF"
	END
}

# served [NAME]: DOMID and PID are those of xl's guest; its device model is ours, and nothing but it is
# left of its making.
served()
{
	local name=${1:-ho} is

	wait_until 60 xl_domid "$name"
	DOMID=$(xl_domid "$name")
	wait_until 60 eval 'mapfile -t is < <(dm_fields "$DOMID" state source kind name log pid); [[ ${is[0]:-} == running ]]'
	PID=${is[5]}
	expect "what is told" "${is[*]:1:4}" "handoff qemu $name /var/log/xen/qemu-dm-$name.log"
	expect "device-model-pid" "$(pid_in_xenstore)" "$PID"
	expect "QEMU's pid" "$(qemu_pid "$DOMID")" "$PID"
	expect program "$(readlink "/proc/$PID/exe")" "$(readlink -f $QEMU)"
	grep -q "/xendmd-dm-$DOMID.scope\$" "/proc/$PID/cgroup" || fail "scope: $(cat "/proc/$PID/cgroup")"
	wait_until 10 no_helper "$DOMID"
	expect "state in xenstore" "$(xenstore-read "/local/domain/0/device-model/$DOMID/state")" running
	wait_until 60 unpaused "$DOMID" # the xl that reboots it in the background is done
}

# ended DOMID: by xl's own doing, which is no death.
ended()
{
	wait_until 90 domain_gone "$1"
	wait_until 30 unlisted "$1"
	told "$1" device-model-stopped domain-gone -- device-model-exited device-model-failed
}

must()
{
	"$@" >xl.log 2>&1 || fail "$*: $(<xl.log)"
}

answers_qmp()
{
	local answer

	answer=$(xl qemu-monitor-command "${1:-ho}" "info status" 2>&1)
	[[ $answer == *status:\ * ]] || fail "xl qemu-monitor-command: $answer"
}

# cdrom_is PATTERN
cdrom_is()
{
	local line

	line=$(xl qemu-monitor-command ho "info block" | sed -n 's/^ide-5632[^:]*: //p')
	[[ $line == $1 ]] || fail "the cdrom is $line"
}

a_life()
{
	must xl create guest.cfg
	served
	answers_qmp
	expect "our own monitor" "$(ss -xl | grep -c "/run/xendmd/dm/$DOMID/monitor")" 1
	must xl pause ho
	must xl unpause ho
	must xl cd-insert ho hdc "$PWD/two.iso"
	cdrom_is '/dev/fdset/*' # libxl hands the new file to QEMU as a descriptor
	must xl cd-eject ho hdc
	cdrom_is '\[not inserted\]*'
	[[ -e /sys/class/net/vif$DOMID.0-emu ]] || fail "no tap: $(ls /sys/class/net)"
	must xl rename ho other
	wait_until 10 eval '[[ $(dm_field "$DOMID" name) == other ]]'
	answers_qmp other
	must xl rename other ho
	wait_until 10 eval '[[ $(dm_field "$DOMID" name) == ho ]]'
}

save_and_restore()
{
	local first=$DOMID

	must xl save ho state
	ended "$first"
	must xl restore state
	rm state
	served
	answers_qmp
	told "$DOMID" -- device-model-exited
}

# After the restore: SeaBIOS takes a cpu that is new there for the machine's wake-up, and resets it.
more_cpus()
{
	must xl vcpu-set ho 2
	expect "second cpu" "$(xenstore-read "/local/domain/$DOMID/cpu/1/availability")" online
}

# SeaBIOS resets the machine on these keys.
reboot_guest()
{
	local first=$DOMID

	wait_until 180 disk_booted "$DOMID"
	qmp "/run/xendmd/dm/$DOMID/qmp" '{"execute": "send-key", "arguments": {"keys": [
		{"type": "qcode", "data": "ctrl"}, {"type": "qcode", "data": "alt"},
		{"type": "qcode", "data": "delete"}]}}' >/dev/null
	wait_until 120 eval '[[ $(xl_domid ho) && $(xl_domid ho) != '"$first"' ]]'
	ended "$first"
	served
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

ip link add "$BRIDGE" type bridge && ip link set "$BRIDGE" up || fail "bridge"
trap 'status=$?; ip link del "$BRIDGE"; (exit "$status"); cleanup_test' EXIT
boot_disk disk.img
truncate -s 8M one.iso two.iso
guest one >one.cfg
{
	guest ho
	# no boot from the network, which takes a minute in the lab
	echo 'device_model_args = [ "-global", "rtl8139.romfile=" ]'
	echo "disk = [ '$PWD/disk.img,raw,hda,rw,backendtype=qdisk', '$PWD/one.iso,raw,hdc,ro,devtype=cdrom' ]"
	echo "vif = [ 'mac=00:16:3e:00:00:01,bridge=$BRIDGE,model=rtl8139' ]"
	echo 'on_reboot = "restart"'
} >guest.cfg

snapshot before
for part in a_life reboot_guest save_and_restore more_cpus survives_the_daemon shut_down defined \
	destroyed_while_it_starts two_at_once ten_in_a_row without_the_daemon; do
	echo "$SECONDS s: $part"
	$part
done
snapshot_same before 30
