#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=400
#
# Clients of a real QEMU's QMP that mean no good (tests/blackbox/qmp_clients.py), one kind after the
# other and then all at once: each gets its error, another domain's QMP and the daemon's list go on, the
# daemon's memory and descriptors return.
. "$(dirname "$0")/lib.sh"

CLIENTS=/lab/guest/qmp_clients.py
PEAK_KIB=$((48 * 1024))
KEPT_KIB=$((16 * 1024))

memory() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$PID/status"; }
descriptors() { find "/proc/$PID/fd" -type l | wc -l; }
answers() { timeout 60 dmctl qmp "$1" query-status | holds .status; }
no_clients() { [[ $(dmctl show --json "$VICTIM" | jq .qmp_session.clients) == 0 ]]; }
descriptors_back() { (( $(descriptors) <= FDS )); }

afterwards()
{
	wait_until 60 no_clients
	wait_until 60 descriptors_back
	answers "$VICTIM" || fail "$1: its own QMP"
	expect "$1: pid of its QEMU" "$(dm_field "$VICTIM" pid)" "$QEMU_PID"
}

snapshot before
for name in victim good; do
	define_qemu "$name"
	mkdom_create "$name"
	wait_state "$DOMID" running 90
	if [[ $name == victim ]]; then VICTIM=$DOMID; else GOOD=$DOMID; fi
done
PID=$(systemctl show -P MainPID xendmd)
QEMU_PID=$(dm_field "$VICTIM" pid)
SOCKET=$(dm_field "$VICTIM" qmp)
answers "$VICTIM" || fail "its QMP"
others_begin "$GOOD" usual
sleep 3
others_end
others_begin "$GOOD" meanwhile
FDS=$(descriptors)
RSS=$(memory VmRSS)
echo 5 >"/proc/$PID/clear_refs"

for kind in $("$CLIENTS" list); do
	began=$SECONDS
	timeout 180 "$CLIENTS" "$SOCKET" "$kind" >log 2>&1 || fail "$kind: $(tail -n 5 log)"
	afterwards "$kind"
	echo "$kind: $((SECONDS - began)) s, $(memory VmRSS) KiB"
done
jobs=()
for kind in $("$CLIENTS" list) crowd fd_bomb; do
	timeout 180 "$CLIENTS" "$SOCKET" "$kind" >/dev/null 2>&1 &
	jobs+=($!)
done
wait "${jobs[@]}"
afterwards 'all at once'
others_end
echo "others usually: $(others_summary usual)"
echo "meanwhile: $(others_summary meanwhile)"
expect "pid of the daemon" "$(systemctl show -P MainPID xendmd)" "$PID"
echo "memory: $RSS KiB before, peak $(memory VmHWM), now $(memory VmRSS); descriptors $FDS, now $(descriptors)"
(( $(memory VmHWM) < RSS + PEAK_KIB )) || fail "peak of $(memory VmHWM) KiB, $RSS before"
(( $(memory VmRSS) < RSS + KEPT_KIB )) || fail "$(memory VmRSS) KiB stay, $RSS before"

mkdom_destroy "$VICTIM"
mkdom_destroy "$GOOD"
wait_until 30 status_empty
undefine victim
undefine good
snapshot_same before 30
