#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# A device model that its guest has taken over plays every attack of tests/fake/evil.c: who asked
# gets an answer or an error in time, another domain and dmctl status go on, what happened is told,
# its QMP works again afterwards, and the daemon holds no more than before.
. "$(dirname "$0")/lib.sh"
KEPT_KIB=8192		# the allocator's
PEAK_KIB=16384
ASAN=''
grep -q __asan_init "$DAEMON" && ASAN=1
world_start
echo none >"$W/attack"
def evil evil "evil=$W/attack"
def good good ''
create good
GOOD=$D
wait_state "$GOOD" running

memory() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$DPID/status"; }
asks() { timeout 60 "$BUILD/daemon/ctl/dmctl" qmp "$1" "$2"; }
works() { asks "$EVIL" query-status >/dev/null 2>&1; }
quarantines() { events | jq -c "select(.domid == $1 and .event == \"qmp-quarantined\")" | wc -l; }
told() { (( $(quarantines "$EVIL") > $1 )); }
ms() { echo $(( $(date +%s%N) / 1000000 )); }

# Others are served; the longest wait is kept.
LONGEST=0
others()
{
	local began took

	began=$(ms)
	[[ $(asks "$GOOD" query-status | jq -r .status) == running ]] || fail "$1: the other domain's QMP"
	must timeout 60 "$BUILD/daemon/ctl/dmctl" status --json
	took=$(($(ms) - began))
	(( took <= LONGEST )) || LONGEST=$took
	(( took < 30000 )) || fail "$1: others waited for $took ms"
}

# attack NAME CLIENT LINK TEXT
attack()
{
	local name=$1 client=$2 link=$3 text=$4 before status=0 asking i

	echo "$name" >"$W/attack"
	before=$(quarantines "$EVIL")
	asks "$EVIL" query-mice >"$W/asked" 2>"$W/asked.err" &
	asking=$!
	for i in 1 2 3; do others "$name"; done
	wait "$asking" || status=$?
	case $client in
	fine) [[ $status == 0 ]] || fail "$name: status $status, $(cat "$W/asked.err")" ;;
	*)
		[[ $status == 1 ]] || fail "$name: status $status, not 1: $(cat "$W/asked" "$W/asked.err")"
		[[ -s $W/asked.err ]] || fail "$name: no word of error"
		[[ -z $text ]] || grep -qF "$text" "$W/asked.err" || fail "$name: no \"$text\" in $(cat "$W/asked.err")"
		! grep -q '[^ -~]' "$W/asked.err" || fail "$name: bytes for a terminal: $(cat -v "$W/asked.err")"
		;;
	esac
	if [[ $link == ends ]]; then
		wait_until "$name: told as an event" told "$before"
		events | jq -se --argjson d "$EVIL" '[.[] | select(.domid == $d and .event == "qmp-quarantined")] | last
			| (.reason | length > 10) and .again_ms > 0' >/dev/null || fail "$name: the event does not tell"
	else
		! told "$before" || fail "$name: quarantined: $(events | grep qmp-quarantined | tail -n 1)"
	fi
	echo none >"$W/attack"
	wait_until "$name: its QMP works again" works
	expect "$EVIL" ".pid == $EVIL_PID and .state == \"running\""
}

# A new one for each attack that ends the connection: the pauses grow with every quarantine.
evil_one()
{
	[[ -z ${EVIL:-} ]] || destroy "$EVIL"
	[[ -z ${EVIL:-} ]] || wait_gone "$EVIL"
	create evil
	EVIL=$D
	wait_state "$EVIL" running
	EVIL_PID=$(field "$EVIL" pid)
	wait_until 'its QMP' works
}

evil_one
others 'before all'
FDS=$(fds)
RSS=$(memory VmRSS)
step "before: $RSS KiB, $FDS descriptors, others served in $LONGEST ms"
LONGEST=0
ATTACKS=0
"$FAKEDM" -evil-list >"$W/attacks"
while read -r name client link _ text; do
	attack "$name" "$client" "$link" "$text"
	[[ $link == stays ]] || evil_one
	ATTACKS=$((ATTACKS + 1))
done <"$W/attacks"
(( ATTACKS > 40 )) || fail "only $ATTACKS attacks"

step 'a device model that is stopped for a while'
kill -STOP "$EVIL_PID"
for (( i = 0; i < 6; i++ )); do
	asks "$EVIL" query-name >"$W/stopped.$i" 2>&1 &
	STOPPED[i]=$!
done
others stopped
for i in "${!STOPPED[@]}"; do
	wait "${STOPPED[i]}" && fail "a stopped one answers"
	grep -qE 'no answer within|busy' "$W/stopped.$i" || fail "the error is not clear: $(cat "$W/stopped.$i")"
done
kill -CONT "$EVIL_PID"
wait_until 'it works again' works

step "$ATTACKS attacks; others served within $LONGEST ms; $(memory VmRSS) KiB, at most $(memory VmHWM)"
wait_until 'all descriptors are closed' eval '(( $(fds) <= FDS ))'
# Freed memory stays with the sanitizer for a while.
[[ -n $ASAN ]] || (( $(memory VmRSS) < RSS + KEPT_KIB )) || fail "$(memory VmRSS) KiB stay, $RSS before"
[[ -n $ASAN ]] || (( $(memory VmHWM) < RSS + PEAK_KIB )) || fail "a peak of $(memory VmHWM) KiB, $RSS before"
alive || fail 'the daemon is gone'
world_end
