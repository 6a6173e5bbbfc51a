#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Clients of a domain's QMP socket that mean no good (qmp_clients.py): each gets its error, another
# domain and dmctl status go on meanwhile, and the daemon holds no more than before. Then all at once.
. "$(dirname "$0")/lib.sh"
KEPT_KIB=8192		# the allocator's
PEAK_KIB=49152		# what all of them together may add for a moment
CLIENTS=$(dirname "$0")/qmp_clients.py
ASAN=''
grep -q __asan_init "$DAEMON" && ASAN=1
world_start
def victim victim ''
def good good ''
create victim
VICTIM=$D
create good
GOOD=$D
for D in "$VICTIM" "$GOOD"; do
	wait_state "$D" running
	wait_until 'its QMP socket' is "$D" '.qmp != null'
done
S=$W/run/dm/$VICTIM/qmp
PID=$(field "$VICTIM" pid)

memory() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$DPID/status"; }
asks() { timeout 60 "$BUILD/daemon/ctl/dmctl" qmp "$1" query-status 2>"$W/err" | jq -e .status >/dev/null; }
ms() { echo $(( $(date +%s%N) / 1000000 )); }
LONGEST=0
others()
{
	local began took

	began=$(ms)
	asks "$GOOD" || fail "$1: the other domain's QMP: $(cat "$W/err")"
	must timeout 60 "$BUILD/daemon/ctl/dmctl" status --json
	took=$(($(ms) - began))
	(( took <= LONGEST )) || LONGEST=$took
	(( took < 30000 )) || fail "$1: others waited for $took ms"
}
are_closed() { [[ $(dmctl show --json "$VICTIM" | jq .qmp_session.clients) == 0 ]]; }
afterwards()
{
	wait_until "$1: its clients are gone" are_closed
	wait_until "$1: all descriptors are closed" eval '(( $(fds) <= FDS ))'
	asks "$VICTIM" || fail "$1: its own QMP: $(cat "$W/err")"
	expect "$VICTIM" ".pid == $PID and .state == \"running\""
}

step 'P8: who may connect'
[[ $(stat -c '%a %u' "$S") == "600 $EUID" ]] || fail "mode and owner of the socket: $(stat -c '%a %u' "$S")"
[[ $(stat -c %a "$W/run/dm/$VICTIM") == 7?0 ]] || fail "mode of its directory: $(stat -c %a "$W/run/dm/$VICTIM")"
if (( EUID == 0 )); then
	# Somebody else whom the modes let through all the same.
	chmod 711 "$W" "$W/run" "$W/run/dm" "$W/run/dm/$VICTIM"
	chmod 666 "$S"
	setpriv --reuid=65534 --regid=65534 --clear-groups timeout 20 socat -u "UNIX-CONNECT:$S" - >"$W/got" 2>&1
	[[ ! -s $W/got ]] || fail "another user is served: $(cat "$W/got")"
	chmod 600 "$S"
	chmod 700 "$W/run/dm/$VICTIM"
fi

asks "$VICTIM" || fail "its QMP: $(cat "$W/err")"
others 'before all'
FDS=$(fds)
RSS=$(memory VmRSS)
step "before: $RSS KiB, $FDS descriptors, others served in $LONGEST ms"
LONGEST=0
for kind in $("$CLIENTS" list); do
	timeout 120 "$CLIENTS" "$S" "$kind" >"$W/$kind" 2>&1 &
	CLIENT=$!
	for i in 1 2 3; do others "$kind"; done
	wait "$CLIENT" || fail "$kind: $(tail -n 5 "$W/$kind")"
	afterwards "$kind"
	step "$kind: $(memory VmRSS) KiB, others within $LONGEST ms"
done

step 'R2: who leaves too much unread is dropped, and the log says so'
has "$W/daemon.log" 'QMP client .* does not read: dropped'

# What each is answered is not to be looked at here: they take each other's places.
step 'all at once'
ALL=()
for kind in $("$CLIENTS" list) crowd garbage fd_bomb never_reads; do
	timeout 120 "$CLIENTS" "$S" "$kind" >/dev/null 2>&1 &
	ALL+=($!)
done
for (( i = 0; i < 10; i++ )); do others 'all at once'; done
wait "${ALL[@]}"
afterwards 'all at once'
step "others within $LONGEST ms; $(memory VmRSS) KiB, at most $(memory VmHWM)"
[[ -n $ASAN ]] || (( $(memory VmRSS) < RSS + KEPT_KIB )) || fail "$(memory VmRSS) KiB stay, $RSS before"
[[ -n $ASAN ]] || (( $(memory VmHWM) < RSS + PEAK_KIB )) || fail "a peak of $(memory VmHWM) KiB, $RSS before"
world_end
