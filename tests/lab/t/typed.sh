#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=500
#
# An HVM guest whose device model is described by "qemu" alone: it runs, its firmware is through, its
# disk is there, its network card has the tap that dm-launch opened; a description that is no whole
# machine starts nothing and says why.
. "$(dirname "$0")/lib.sh"

truncate -s 4M 'a,b.raw'

typed_definition()
{
	cat <<-END
		{ "match": { "name": "$1" }, "kind": "qemu", "files": { "tap": { "tap": "dmtap\$DOMID" } },
		  "qemu": { "name": "\$NAME", "machine": { "type": "xenfv", "options": "suppress-vmdesc=on" },
		            "memory": { "size": "\${MEMORY_MIB}M" }, "vga": "none",
		            "knobs": { "no_defaults": true, "no_user_config": true, "no_shutdown": true },
		            "devices": [
		              { "kind": "raw", "args": [ "-display", "none" ] },
		              { "kind": "char", "backend": "pty", "driver": "serial", "id": "s0" },
		              { "kind": "legacy_serial", "chardev": "s0" },
		              { "kind": "net", "type": "tap", "id": "n0", "driver": "e1000", "fds": [ "@tap" ],
		                "mac_address": "00:16:3e:00:00:01" },
		              { "kind": "block", "driver": "ide-hd", "id": "d0", "device_id": "disk", "format": "raw",
		                "file": "$PWD/a,b.raw", "bus": "${2:-ide.0}" } ] } }
	END
}

snapshot before
typed_definition typed1 nowhere | dmctl check /dev/stdin >said && fail "a bus that is nowhere is taken"
grep -q 'qemu.devices\[4\].bus: nothing here is called "nowhere"' said || fail "said: $(cat said)"

typed_definition typed1 | define typed1
mkdom_create typed1 --running
wait_state "$DOMID" running 60
tr '\0' ' ' <"/proc/$(dm_field "$DOMID" pid)/cmdline" | grep -qF "file=$PWD/a,,b.raw" || fail "the comma"
qmp "/run/xendmd/dm/$DOMID/qmp" '{"execute":"query-block"}' | holds '[.return[].device] | index("d0")' \
	|| fail "no disk"
[[ $(readlink "/proc/$(dm_field "$DOMID" pid)/fd/3") == /dev/net/tun ]] || fail "no tap at descriptor 3"
[[ -e /sys/class/net/dmtap$DOMID ]] || fail "no tap interface"
wait_until 180 firmware_ran "$DOMID"
grep -i deprecat /var/log/xen/qemu-dm-typed1.log && fail "a deprecated option"
mkdom_destroy "$DOMID"
wait_until 30 status_empty
[[ ! -e /sys/class/net/dmtap$DOMID ]] || fail "the tap interface stays"
undefine typed1
snapshot_same before
