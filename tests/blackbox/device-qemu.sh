#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Devices of a running machine with real QEMU (TCG, no Xen): each kind that this machine can carry is
# added and removed. A guest's consent is what system_reset gives: there is no guest.
. "$(dirname "$0")/lib.sh"
QEMU=${XENDMD_TEST_QEMU:-$(type -P qemu-system-x86_64)}
config '{"name_timeout_s": 2, "qmp_timeout_ms": 60000}'
world_start
truncate -s 1M "$W/disk" "$W/other"
MACHINE='{"knobs": {"no_defaults": true, "no_user_config": true, "mem_shared": true, "stopped": true}, "vga": "none",
	"memory": {"size": "64M", "slots": 4, "max_mem": "1G"}, "smp": {"cpus": 1, "max_cpus": 4}, "iothreads": [{"id": "io0"}]}'
# machine NAME TYPE DEVICES: its number in D
machine()
{
	jq -n --arg name "$1" --arg type "$2" --arg qemu "$QEMU" --argjson devices "$3" --argjson base "$MACHINE" '{match: {name: $name},
		kind: "qemu", binary: $qemu, limits: {start_timeout_s: 300}, qemu: ($base + {machine: {type: $type, acceleration: "tcg"},
		devices: ($devices + [{kind: "raw", args: ["-display", "none"]}])})}' | put "$1"
	create "$1"
	wait_state "$D" running
	wait_until 'its QMP socket' is "$D" '.qmp != null'
	must dmctl qmp "$D" cont # one that is stopped closes no descriptor
}
peripherals() { dmctl qmp "$D" qom-list '{"path": "/machine/peripheral"}' | jq -r '.[].name'; }
# there ID TYPE
there()
{
	dmctl qmp "$D" qom-list '{"path": "/machine/peripheral"}' | jq -e --arg id "$1" --arg type "child<$2>" \
		'any(.[]; .name == $id and .type == $type)' >/dev/null || fail "no $2 called $1: $(peripherals | tr '\n' ' ')"
}
listed() { dmctl device list "$D" --json | jq -e --arg id "$1" 'any(.[]; .id == $id and .state == "present")' >/dev/null; }
# add JSON [OPTION…]
add()
{
	printf '%s' "$1" >"$W/device.json"
	shift
	must dmctl device add "$D" "$W/device.json" "$@"
	ID=$(cut -d ' ' -f 1 "$W/out")
	listed "$ID" || fail "$ID is not listed: $(dmctl device list "$D")"
	happened "$D" device-added || fail 'no event device-added'
}
refused()
{
	printf '%s' "$1" >"$W/device.json"
	must_fail 1 dmctl device add "$D" "$W/device.json"
	has "$W/err" "$2"
}
# What QEMU has, but for the devices' order; nothing of an addition may be left in it.
has_now()
{
	{
		printf '{"execute":"qmp_capabilities"}'
		printf '{"execute":"%s"}' query-chardev query-named-block-nodes query-fdsets query-memory-devices
		printf '{"execute":"qom-list","arguments":{"path":"%s"}}' /objects /machine/peripheral
		printf '{"execute":"human-monitor-command","arguments":{"command-line":"info network"}}'
	} | timeout 120 socat -t 100 - "UNIX-CONNECT:$W/run/dm/$D/qmp" | jq -cS 'select(has("return")).return |
		if type == "array" then map(del(.stats?, .image?)) | sort_by(.name, .label, ."node-name") else . end'
}
is_asked() { dmctl device list "$D" --json | jq -e --arg id "$1" 'any(.[]; .id == $id and .state == "removing")' >/dev/null; }
# A PCI device goes when the machine is reset after it was asked for.
remove()
{
	dmctl device remove "$D" "$1" --timeout 300 >"$W/remove.out" 2>&1 & local pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		! is_asked "$1" || dmctl qmp "$D" system_reset >/dev/null
		sleep 0.2
	done
	wait "$pid" || fail "remove $1: $(cat "$W/remove.out")"
	! peripherals | grep -qx "$1" || fail "$1 is still there"
	! listed "$1" || fail "$1 is still listed"
	happened "$D" device-removed || fail 'no event device-removed'
}
# in_and_out TYPE JSON [OPTION…]
in_and_out()
{
	local type=$1
	shift
	step "$type"
	has_now >"$W/before"
	add "$@"
	there "$ID" "$type"
	remove "$ID"
	has_now >"$W/after"
	diff "$W/before" "$W/after" >"$W/out" || fail "left of $ID: $(cat "$W/out")"
}

step 'pc'
machine pc1 pc '[{"kind": "serial", "driver": "virtio-serial", "id": "vs"}, {"kind": "scsi_controller", "id": "sc"},
	{"kind": "block", "driver": "virtio-blk", "id": "b0", "device_id": "disk0", "file": "'"$W/other"'", "format": "raw"},
	{"kind": "rng", "id": "r0"}]'
must dmctl device list "$D"
has "$W/out" '^disk0 +block +present +start'
has "$W/out" '^- +rng +present +start'
BLOCK='"kind": "block", "driver": "virtio-blk", "id": "d1", "format": "raw", "iothread": "io0"'
in_and_out virtio-blk-pci '{'"$BLOCK"', "file": "'"$W/disk"'", "cache": "writethrough", "discard_unmap": true, "share_rw": true, "serial": "s"}'
in_and_out virtio-blk-pci '{'"$BLOCK"', "file": "@disk", "device_id": "x"}' --fd "disk=$W/disk"
in_and_out virtio-blk-pci '{"device": {'"$BLOCK"', "file": "@disk", "read_only": true}, "files": {"disk": {"path": "'"$W/disk"'", "mode": "r"}}}'
in_and_out virtio-rng-pci '{"kind": "rng", "id": "r1", "filename": "/dev/urandom", "max_bytes": 20, "period": 500}'
in_and_out virtio-scsi-pci '{"kind": "scsi_controller", "id": "s1", "addr": 16}'
in_and_out virtio-serial-pci '{"kind": "serial", "driver": "virtio-serial", "id": "s2", "max_ports": 2}'
BALLOON='{"kind": "balloon", "id": "b", "deflate_on_oom": true, "free_page_reporting": true}'
# QEMU 10.0 aborts when a balloon goes in the middle of a reset (resettable_container_child_foreach).
if "$QEMU" --version | grep -qE 'version (10|11)\.'; then
	step virtio-balloon-pci
	add "$BALLOON"
	there b virtio-balloon-pci
else
	in_and_out virtio-balloon-pci "$BALLOON"
fi
in_and_out edu '{"kind": "raw", "args": ["-device", {"driver": "edu", "id": "e", "dma_mask": 255}]}'
if ip tuntap add mode tap name "xb$$" 2>/dev/null; then
	in_and_out virtio-net-pci '{"kind": "net", "type": "tap", "id": "n", "if_name": "xb'$$'", "script": "no", "down_script": "no"}'
	ip link delete "xb$$"
	in_and_out virtio-net-pci '{"device": {"kind": "net", "type": "tap", "id": "n", "fds": ["@t"], "mac_address": "00:16:3e:00:00:01"},
		"files": {"t": {"tap": "xb'$$'", "queues": 2}}}'
fi

step 'a disk of a controller, a port of another: QEMU needs nobody for those'
has_now >"$W/before"
add '{"kind": "block", "driver": "scsi-hd", "id": "d2", "device_id": "x2", "file": "'"$W/disk"'", "format": "raw", "bus": "sc.0"}'
there x2 scsi-hd
add '{"kind": "char", "backend": "socket", "driver": "virtserialport", "id": "c", "device_id": "p", "path": "'"$W/c"'", "name": "n.0", "bus": "vs.0"}'
there p virtserialport
add '{"kind": "char", "backend": "pty", "driver": "serial", "id": "c2"}'
has "$W/out" '^c2 /dev/pts/[0-9]+$'
add '{"kind": "memory_object", "type": "memory-backend-memfd", "id": "m0", "size": "1M", "share": true}'
for id in x2 p c2 m0; do must dmctl device remove "$D" "$id" --timeout 300; done
has_now >"$W/after"
diff "$W/before" "$W/after" >"$W/out" || fail "left: $(cat "$W/out")"

step 'one that was there from the start, and another of its names'
remove disk0
refused '{"kind": "rng", "id": "r0"}' 'device.id: the machine has a object called "r0" already'
add '{"kind": "block", "driver": "virtio-blk", "id": "b0", "device_id": "disk0", "file": "'"$W/other"'", "format": "raw"}'
there disk0 virtio-blk-pci
must_fail 1 dmctl device remove "$D" r0
has "$W/err" 'no device "r0"'

step 'memory and a CPU, of which only a guest lets go'
add '{"kind": "memory_object", "type": "memory-backend-ram", "id": "m", "size": "128M", "driver": "pc-dimm", "device_id": "dm"}'
there dm pc-dimm
must_fail 1 dmctl device remove "$D" dm --timeout 1
has "$W/err" 'the guest did not let go of it within 1 s'
add '{"kind": "cpu", "id": "cpu1"}'
there cpu1 qemu64-x86_64-cpu
must_fail 1 dmctl device remove "$D" cpu1 --timeout 1
must dmctl qmp "$D" query-hotpluggable-cpus
[[ $(jq '[.[] | select(has("qom-path"))] | length' "$W/out") == 2 ]] || fail "CPUs: $(jq -c . "$W/out")"
refused '{"kind": "cpu", "id": "cpu2", "core_id": 1, "socket_id": 9}' 'none of the free CPUs'

step 'what QEMU refuses leaves nothing'
has_now >"$W/before"
refused '{"kind": "block", "driver": "virtio-blk", "id": "d", "file": "/nonexistent", "format": "raw"}' \
	'step 1 of 2 .blockdev-add d.: QMP: .*nonexistent.*; all is as before'
refused '{"kind": "block", "driver": "no-such-driver", "id": "d", "file": "'"$W/disk"'", "format": "raw"}' 'step 2 of 2 .device_add d.: QMP: '
refused '{"kind": "vfio", "bdf": "00:1f.7", "id": "v"}' 'step 1 of 1 .device_add v.: QMP: '
refused '{"kind": "vhost_user", "vhost_user_type": "vhost-user-blk", "socket_path": "/nonexistent", "char_dev_id": "c"}' 'chardev-add c'
refused '{"kind": "memory_object", "type": "memory-backend-file", "mem_path": "/nonexistent/m", "id": "mm", "size": "1M", "driver": "pc-dimm", "device_id": "dd"}' 'object-add mm'
refused '{"kind": "block", "driver": "virtio-blk", "id": "b0", "file": "'"$W/disk"'", "format": "raw"}' 'device: one is called|device.id: the machine has a block'
has_now >"$W/after"
diff "$W/before" "$W/after" >"$W/out" || fail "left of a refusal: $(cat "$W/out")"
has "$W/daemon.log" 'device-failed'

step 'a daemon that comes back knows them'
dmctl device list "$D" --json | jq -S . >"$W/before"
daemon_kill
daemon_start
wait_state "$D" running
wait_until 'its session' eval 'dmctl qmp "$D" query-status >/dev/null 2>&1'
dmctl device list "$D" --json | jq -S . | diff "$W/before" - || fail 'another list'
dmctl show --json "$D" | jq -e '.devices | any(.id == "cpu1" and .added)' >/dev/null || fail 'show knows no cpu1'
must_fail 1 dmctl device remove "$D" dm --timeout 1
has "$W/err" 'did not let go'
remove disk0

step 'q35'
machine q35 q35 '[{"kind": "pcie_root_port", "id": "rp1", "chassis": 1, "slot": 1}, {"kind": "pcie_root_port", "id": "rp2", "chassis": 2, "slot": 2}]'
in_and_out virtio-blk-pci '{"kind": "block", "driver": "virtio-blk", "id": "d", "file": "'"$W/disk"'", "format": "raw", "bus": "rp1"}'
in_and_out pcie-pci-bridge '{"kind": "bridge", "type": "pcie", "bus": "rp1", "id": "br"}'
refused '{"kind": "rng", "id": "r1"}' 'device.bus: is missing: a free "pcie_root_port"'
refused '{"kind": "rng", "id": "r1", "bus": "rp7"}' 'device.bus: nothing in the machine is called "rp7"'
refused '{"kind": "pcie_root_port", "id": "rp3"}' 'nothing can be plugged into pcie.0'
world_end
