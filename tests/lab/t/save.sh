#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=500
#
# The state of a real QEMU is saved, the machine goes on; then QEMU ends and another one goes on with
# the state for the same guest.
. "$(dirname "$0")/lib.sh"

definition()
{
	cat <<-END
		{ "match": { "name": "save1" }, "kind": "qemu", $1
		  "qemu": { "machine": { "type": "xenfv", "options": "suppress-vmdesc=on" }, "name": "\$NAME",
		            "memory": { "size": "\${MEMORY_MIB}M" }, "vga": "cirrus",
		            "knobs": { "no_defaults": true, "no_user_config": true, "no_shutdown": true },
		            "devices": [ { "kind": "raw", "args": [ "-display", "none" ] } ] } }
	END
}

runs() { dmctl qmp "$DOMID" query-status | holds '.running'; }
ended() { ! kill -0 "$1" 2>/dev/null; }

snapshot before
definition '' | define save1
mkdom_create save1 --running
wait_state "$DOMID" running 60
wait_until 180 firmware_ran "$DOMID"
old=$(dm_field "$DOMID" pid)
dmctl save "$DOMID" "$PWD/devices" || fail "save"
[[ $(head -c 4 devices) == QEVM ]] || fail "no state: $(head -c 64 devices | od -c | head -n 4)"
runs || fail "it does not go on"
dmctl qmp "$DOMID" query-fdsets | holds '. == []' || fail "a descriptor stays with QEMU"

# What a toolstack keeps with the state, and gives back before it is restored.
xenstore-ls -f "/local/domain/0/device-model/$DOMID/physmap" >kept 2>/dev/null || true
dmctl stop --force "$DOMID" || fail "stop"
wait_state "$DOMID" exited
wait_until 20 ended "$old"
sed -n 's/^\([^ ]*\) = "\(.*\)"$/\1 \2/p' kept | while read -r path value; do
	xenstore-write "$path" "$value"
done
definition "\"restore_from\": \"$PWD/devices\"," | define save1
dmctl start "$DOMID" || fail "start: $(dmctl show "$DOMID" | tail -n 5)"
wait_state "$DOMID" running 60
[[ $(dm_field "$DOMID" pid) != "$old" ]] || fail "the same QEMU"
tr '\0' ' ' <"/proc/$(dm_field "$DOMID" pid)/cmdline" | grep -q -- '-incoming fd:3 ' || fail "not with the state"
wait_until 20 runs
mkdom_destroy "$DOMID"
wait_until 30 status_empty
undefine save1
snapshot_same before
