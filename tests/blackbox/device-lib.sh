# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# A machine of fakedm that takes devices, of which the test says what becomes; for device*.sh.
. "$(dirname "$0")/lib.sh"
config '{"name_timeout_s": 2, "qmp_heartbeat_s": 0}'
world_start
A=$W/answers
mkdir "$A"
fine() { for command; do echo '{"return": {}}' >"$A/$command"; done; }
refuses() { echo '{"error": {"class": "GenericError", "desc": "no '"$1"' today"}}' >"$A/$1"; }
loses() { echo '"lost"' >"$A/$1"; }   # the connection ends
silent() { : >"$A/$1"; }
has_devices() { printf '%s\n' "$@" | jq -R '{name: ., type: "child<x>"}' | jq -s '{return: .}' >"$A/qom-list"; }
# The guest does, at once; of other devices as well.
lets_go()
{
	echo '{"return": {}, "events": [{"event": "DEVICE_DELETED", "data": {"path": "/machine/peripheral/x/y"}},
		{"event": "DEVICE_DELETED", "data": {"device": "x", "path": "/machine/peripheral/x"}}]}' >"$A/device_del"
}
ALL='netdev_add netdev_del blockdev-add blockdev-del object-add object-del chardev-add chardev-remove device_add device_del
	getfd closefd add-fd remove-fd'
fine $ALL
has_devices type
echo '{"return": [{"type": "cpu-x", "vcpus-count": 1, "props": {"core-id": 1}}]}' >"$A/query-hotpluggable-cpus"
def web1 web1 "answers=$A,commands=$W/commands" '{"extra_args": ["-object", "x,share=on", "-m", "1G,slots=2", "-device", "a,id=taken"]}'
machine()
{
	create web1
	wait_state "$D" running
	wait_until 'its session' eval 'dmctl qmp "$D" query-status >/dev/null 2>&1'
}
machine
sent_from() { FROM=$(wc -l <"$W/commands"); }
# The commands since then, but for looks.
sent() { tail -n +$((FROM + 1)) "$W/commands" | grep -v '^fd ' | jq -r .execute | grep -vxE 'qom-list|qmp_capabilities|query-status' | tr '\n' ' '; }
sent_is() { [[ $(sent) == "$1 " || $(sent) == "$1" ]]; }
wait_sent() { wait_until "sent: $1" sent_is "$1"; }
nothing_listed() { dmctl device list "$D" --json | jq -e 'length == 0' >/dev/null; }
state_of() { dmctl device list "$D" --json | jq -r --arg id "$1" '.[] | select(.id == $id).state'; }
in_state() { [[ $(state_of "$1") == "$2" ]]; }
add() { printf '%s' "$1" >"$W/device.json"; shift; dmctl device add "$D" "$W/device.json" "$@"; }
count_of() { events | jq -r "select(.domid == $D).event" | grep -cx "$1"; }

echo data >"$W/disk"
# What is added, the id, its commands, what undoes them (- for nothing, from the first).
KINDS=(
	'{"kind": "net", "type": "tap", "id": "n", "device_id": "x", "fds": ["@f"]}' 'getfd netdev_add device_add' 'closefd netdev_del -'
	'{"kind": "block", "driver": "virtio-blk", "id": "b", "device_id": "x", "file": "@f", "format": "raw"}' 'add-fd blockdev-add device_add' 'remove-fd blockdev-del -'
	'{"kind": "memory_object", "type": "memory-backend-ram", "id": "m", "size": "1M", "driver": "pc-dimm", "device_id": "x"}' 'object-add device_add' 'object-del -'
	'{"kind": "vhost_user", "vhost_user_type": "virtio-net", "socket_path": "/s", "char_dev_id": "c", "type_dev_id": "x", "address": "00:16:3e:00:00:01"}'
		'chardev-add netdev_add device_add' 'chardev-remove netdev_del -'
	'{"kind": "char", "backend": "file", "driver": "virtconsole", "id": "c", "device_id": "x", "path": "/f"}' 'chardev-add device_add' 'chardev-remove -'
	'{"kind": "rng", "id": "x"}' 'object-add device_add' 'object-del -'
	'{"kind": "cpu", "id": "x"}' 'query-hotpluggable-cpus device_add' '- -'
	'{"kind": "vfio", "bdf": "03:00.0", "id": "x"}' 'device_add' '-'
	'{"kind": "char", "backend": "pty", "driver": "serial", "id": "x"}' 'chardev-add' 'chardev-remove'
)
with_fd() { [[ $1 != *@f* ]] || echo "--fd=f=$W/disk"; }
