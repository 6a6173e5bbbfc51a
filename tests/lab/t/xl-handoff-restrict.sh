#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=400
#
# dm_restrict through dm-handoff: libxl's monitor is a descriptor that it opened, it waits for
# query-status there, and gives up when xenstore's state comes first. On Xen 4.20 stock libxl asks a
# first QEMU for its options on a listening socket at the same path; dm-handoff keeps that one from
# unlinking the second one's (strace: bind by libxl, unlink by the first QEMU, connect: ENOENT).
. "$(dirname "$0")/lib.sh"

xl_domid() { xl domid restricted 2>/dev/null; }
unlisted() { [[ -z $(dm_field "$1" state) ]]; }

cat >guest.cfg <<END
type = "hvm"
name = "restricted"
memory = 48
vnc = 0
vkb_device = 0
dm_restrict = 1
device_model_override = "/usr/libexec/xendmd/dm-handoff"
END
grep -q '^xen-qemuuser-range-base:' /etc/passwd \
	|| useradd --system --no-create-home --uid 65536 --user-group xen-qemuuser-range-base \
	|| fail "useradd"
snapshot before
xl create guest.cfg >xl.log 2>&1 \
	|| fail "xl create: $(<xl.log) $(cat /var/log/xen/qemu-dm-restricted.log) $(dmctl events | tail -n 5)"
DOMID=$(xl_domid)
wait_state "$DOMID" running 60
PID=$(dm_field "$DOMID" pid)
expect source "$(dm_field "$DOMID" source)" handoff
expect "device-model-pid" "$(xenstore-read "/local/domain/$DOMID/image/device-model-pid")" "$PID"
wait_until 20 eval '[[ $(xenstore-read "/local/domain/0/device-model/$DOMID/state") == running ]]'
expect user "$(stat -c %u "/proc/$PID")" $((65536 + DOMID))
for ns in mnt ipc; do
	[[ $(readlink "/proc/$PID/ns/$ns") != $(readlink /proc/1/ns/$ns) ]] || fail "the host's $ns namespace"
done
for line in 'Max core file size 0 0' 'Max locked memory 0 0' 'Max msgqueue size 0 0' \
	'Max file size unlimited unlimited'; do
	tr -s ' ' <"/proc/$PID/limits" | grep -qF "$line" || fail "no \"$line\": $(cat "/proc/$PID/limits")"
done
wait_until 180 firmware_ran "$DOMID"
xl save restricted state >xl.log 2>&1 || fail "xl save: $(<xl.log)"
wait_until 60 domain_gone "$DOMID"
wait_until 30 unlisted "$DOMID"
no_event "$DOMID" device-model-exited
xl restore state >xl.log 2>&1 || fail "xl restore: $(<xl.log) $(cat /var/log/xen/qemu-dm-restricted.log)"
rm state
DOMID=$(xl_domid)
wait_state "$DOMID" running 60
expect "device-model-pid" "$(xenstore-read "/local/domain/$DOMID/image/device-model-pid")" "$(dm_field "$DOMID" pid)"
xl destroy restricted || fail "xl destroy"
wait_until 60 domain_gone "$DOMID"
wait_until 30 unlisted "$DOMID"
no_event "$DOMID" device-model-exited
# libxl's: removed by it only when the number comes again, and never
rmdir /run/xen/qemu-root-*
rm /run/xen/dm-reaper-lock
snapshot_same before 30
