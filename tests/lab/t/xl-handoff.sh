#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: essential timeout=900
#
# The life that stock xl gives a guest whose device_model_override is dm-handoff: as without it, and
# each of its device models is ours. What takes longer is in xl-handoff-many.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/handoff/common.sh"

BRIDGE=labbr

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
}

save_and_restore()
{
	local first=$DOMID

	must xl save ho state
	ended "$first"
	restore ho state eval 'served; answers_qmp'
	rm state
	served
	told "$DOMID" -- device-model-exited
}

# After the restore: SeaBIOS takes a cpu that is new there for the machine's wake-up, and resets it.
more_cpus()
{
	must xl vcpu-set --ignore-host ho 2 # which may have one processor
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

destroyed()
{
	must xl destroy ho
	ended "$DOMID"
}

ip link add "$BRIDGE" type bridge && ip link set "$BRIDGE" up || fail "bridge"
trap 'status=$?; ip link del "$BRIDGE"; (exit "$status"); cleanup_test' EXIT
boot_disk disk.img
truncate -s 8M one.iso two.iso
{
	guest ho
	# no boot from the network, which takes a minute in the lab
	echo 'device_model_args = [ "-global", "rtl8139.romfile=" ]'
	echo "disk = [ '$PWD/disk.img,raw,hda,rw,backendtype=qdisk', '$PWD/one.iso,raw,hdc,ro,devtype=cdrom' ]"
	echo "vif = [ 'mac=00:16:3e:00:00:01,bridge=$BRIDGE,model=rtl8139' ]"
	echo 'on_reboot = "restart"'
} >guest.cfg

snapshot before
for part in a_life reboot_guest save_and_restore more_cpus destroyed; do
	echo "$SECONDS s: $part"
	$part
done
snapshot_same before 30
