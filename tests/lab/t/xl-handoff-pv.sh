#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=300
#
# A PV guest (Debian's own kernel) whose QEMU, for a vfb, a qdisk disk and a channel, is handed over:
# VNC answers, the channel's socket is there, and the end of that QEMU is told.
. "$(dirname "$0")/lib.sh"

xl_domid() { xl domid pv 2>/dev/null; }
unlisted() { [[ -z $(dm_field "$1" state) ]]; }
backend() { xenstore-read "/local/domain/0/backend/$1/$DOMID/$2/state" 2>/dev/null; }

truncate -s 8M disk.img
cat >guest.cfg <<END
type = "pv"
name = "pv"
kernel = "/lab/vmlinuz"
memory = 192
disk = [ '$PWD/disk.img,raw,xvda,rw,backendtype=qdisk' ]
vfb = [ 'type=vnc,vnclisten=127.0.0.1,vncunused=1' ]
channel = [ 'name=org.xendmd.test,connection=socket,path=$PWD/channel' ]
on_crash = "preserve"
device_model_override = "/usr/libexec/xendmd/dm-handoff"
END

snapshot before
xl create guest.cfg >xl.log 2>&1 || fail "xl create: $(<xl.log) $(cat /var/log/xen/qemu-dm-pv.log)"
DOMID=$(xl_domid)
wait_state "$DOMID" running 60
PID=$(dm_field "$DOMID" pid)
expect source "$(dm_field "$DOMID" source)" handoff
expect "device-model-pid" "$(xenstore-read "/local/domain/$DOMID/image/device-model-pid")" "$PID"
tr '\0' ' ' <"/proc/$PID/cmdline" | grep -q -- '-machine xenpv ' || fail "no xenpv: $(tr '\0' ' ' <"/proc/$PID/cmdline")"
port=$(xenstore-read "/local/domain/$DOMID/console/vnc-port") || fail "no VNC port in xenstore"
exec 9<>"/dev/tcp/127.0.0.1/$port" || fail "VNC does not answer at $port"
read -r -t 20 -n 3 -u 9 greeting
expect "VNC's greeting" "$greeting" RFB
exec 9>&-
[[ -S channel ]] || fail "no socket for the channel"
ls -l "/proc/$PID/fd" | grep -qF "$PWD/disk.img" || [[ $(backend qdisk 51712) == [1246] ]] \
	|| fail "no disk: $(xenstore-ls "/local/domain/0/backend/qdisk/$DOMID")"

kill -KILL "$PID"
wait_state "$DOMID" exited 30
expect exit "$(dm_field "$DOMID" exit | jq -c .)" '{"signal":"SIGKILL"}'
has_event "$DOMID" policy-applied || fail "no policy: $(events "$DOMID")"
xenstore-exists "/local/domain/$DOMID/image/device-model-pid" && fail "xenstore names a dead device model"
xl destroy pv || fail "xl destroy"
wait_until 90 domain_gone "$DOMID"
wait_until 30 unlisted "$DOMID"
rm -f channel
snapshot_same before 30
