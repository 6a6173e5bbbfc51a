#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=400
#
# Clients of a real QEMU's QMP that mean no good (tests/blackbox/qmp_clients.py), one kind after the
# other and then all at once: each gets its error, another domain's QMP and dmctl status go on, the
# daemon's memory and descriptors return.
. "$(dirname "$0")/lib.sh"

CLIENTS=/lab/guest/qmp_clients.py
PEAK_KIB=$((48 * 1024))
KEPT_KIB=$((16 * 1024))

memory() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$PID/status"; }
descriptors() { find "/proc/$PID/fd" -type l | wc -l; }
answers() { timeout 60 dmctl qmp "$1" query-status | holds .status; }
ms() { echo $(($(date +%s%N) / 1000000)); }

# others WHAT: the time of the slower one of both is added to the list TIMES.
others()
{
	local began

	began=$(ms)
	answers "$GOOD" || fail "$1: the other domain's QMP"
	timeout 60 dmctl status --json | holds '.domains | length == 2' || fail "$1: dmctl status"
	TIMES+=($(($(ms) - began)))
}

# The median of TIMES.
median() { printf '%s\n' "${TIMES[@]}" | sort -n | awk '{ t[NR] = $1 } END { print t[int((NR + 1) / 2)] }'; }
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
TIMES=()
for _ in 1 2 3 4 5; do others 'before all'; done
USUAL=$(median)
FDS=$(descriptors)
RSS=$(memory VmRSS)
echo 5 >"/proc/$PID/clear_refs"

for kind in $("$CLIENTS" list); do
	TIMES=()
	timeout 180 "$CLIENTS" "$SOCKET" "$kind" >log 2>&1 &
	client=$!
	others "$kind"
	while kill -0 "$client" 2>/dev/null; do others "$kind"; done
	wait "$client" || fail "$kind: $(tail -n 5 log)"
	afterwards "$kind"
	echo "$kind: others in $(median) ms, $USUAL before; $(memory VmRSS) KiB"
done
TIMES=()
jobs=()
for kind in $("$CLIENTS" list) crowd fd_bomb; do
	timeout 180 "$CLIENTS" "$SOCKET" "$kind" >/dev/null 2>&1 &
	jobs+=($!)
done
for _ in 1 2 3 4 5 6 7 8; do others 'all at once'; done
wait "${jobs[@]}"
afterwards 'all at once'
echo "all at once: others in $(median) ms, $USUAL before"
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
