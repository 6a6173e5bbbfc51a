#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Stub domains that a guest has taken over: the lab's peer (tests/lab/peer) over the fake vchan. What
# they say in QMP, what they do to rings, event channel and xenstore: who asked gets an answer or an
# error in time, what happened is an event, another domain and dmctl status go on, the daemon holds
# no more than before. Several at once. (tests/lab/t/vchan-hostile.sh has real ones.)
. "$(dirname "$0")/lib.sh"
CHOSEN=(events-endless events-before line-endless reply-2mb nesting-1000 nesting-1000-whole key-twice
	key-odd-case id-wrong id-missing id-early id-repeated errors-endless second-greeting greetings-endless
	silence half-a-line trickle nul esc utf8-invalid surrogate-lone marker)
SESSIONS=6
KEPT_KIB=8192 PEAK_KIB=24576
ln -s "$BUILD/daemon/helpers/vchan-socket-proxy" "$W/libexec/"
PROXY=$W/libexec/vchan-socket-proxy
export FAKEVCHAN_DIR=$W/vchan
mkdir -p "$FAKEVCHAN_DIR" "$W/xenrun"
# A copy: what the test leaves when it fails is found by its path.
cp "$BUILD/tests/fakepeer" "$W/fakepeer"
ASAN=''
grep -q __asan_init "$DAEMON" && ASAN=1
world_start
def good good ''
create good
GOOD=$D
wait_state "$GOOD" running

memory() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$DPID/status"; }
ms() { echo $(($(date +%s%N) / 1000000)); }
asks() { timeout 60 "$BUILD/daemon/ctl/dmctl" qmp "$1" "$2"; }
works() { asks "$1" query-status >/dev/null 2>&1; }
LONGEST=0
others()
{
	local began took

	began=$(ms)
	[[ $(asks "$GOOD" query-status | jq -r .status) == running ]] || fail "the other domain's QMP"
	must timeout 60 "$BUILD/daemon/ctl/dmctl" status --json
	took=$(($(ms) - began))
	(( took <= LONGEST )) || LONGEST=$took
	(( took < 30000 )) || fail "others waited for $took ms"
}

# --- in a session, which is a process of its own

bad() { echo "BAD: $*"; exit 1; }
soon()
{
	local what=$1 end=$((SECONDS + PATIENCE))

	shift
	until "$@" >/dev/null; do
		(( SECONDS < end )) || bad "never came: $what"
		sleep 0.1
	done
}

# victim: a guest G, its stub domain S that is the peer, and the daemon for its QMP.
victim()
{
	local middle

	G=$(hv create "victim-$1" --as-libxl) || bad "fakehv create"
	S=$(hv create "victim-$1-dm" --as-libxl) || bad "fakehv create"
	xs write "/local/domain/$S/target" "$G"
	xs write "/local/domain/$G/image/device-model-domid" "$S"
	"$W/fakepeer" "$S" "$G" 2>>"$W/peer.$S.log" &
	PEER=$!
	(
		"$PROXY" "$S" "/local/domain/$S/device-model/$G/qmp-vchan" "$W/xenrun/qmp-libxl-$G" \
			</dev/null >>"$W/log/$G.log" 2>&1 &
		xs write "/local/domain/$S/image/qmp-proxy-pid" "$!"
		wait "$!"
	) &
	middle=$!
	soon "the QMP of $G" works "$G"
	kill "$middle"
	wait "$middle" 2>/dev/null
}

# Its domain goes first: nothing comes over the vchan that would tell of it.
victim_ends()
{
	hv destroy "$S" || bad "fakehv destroy"
	kill "$PEER"
	wait "$PEER" 2>/dev/null
	hv destroy "$G" || bad "fakehv destroy"
	soon "$G is gone" is_gone "$G"
}

session()
{
	local attack

	trap - EXIT
	while read -r attack; do
		victim "$1"
		XENSTORE=$BUILD/tests/xsctl "$(dirname "$0")/../lab/guest/attacks.py" "$G" "$S" exact \
			<<<"$attack" || bad "$attack"
		victim_ends
	done <"$2"
}

# --- all of them

others
others
FDS=$(fds)
RSS=$(memory VmRSS)
step "before: $RSS KiB, $FDS descriptors, others served in $LONGEST ms"
LONGEST=0
"$BUILD/tests/fakepeer" >"$W/all"
for name in "${CHOSEN[@]}"; do grep "^$name " "$W/all"; done >"$W/chosen"
grep ' ring ' "$W/all" >>"$W/chosen"
(( $(wc -l <"$W/chosen") > 35 )) || fail "only $(wc -l <"$W/chosen") attacks"
JOBS=()
for (( n = 0; n < SESSIONS; n++ )); do
	awk -v n=$n -v all=$SESSIONS 'NR % all == n' "$W/chosen" >"$W/part.$n"
	session $n "$W/part.$n" >"$W/session.$n" 2>&1 </dev/null &
	JOBS+=($!)
done
while kill -0 "${JOBS[@]}" 2>/dev/null; do others; sleep 0.2; done
for (( n = 0; n < SESSIONS; n++ )); do
	wait "${JOBS[n]}" || fail "session $n: $(tail -n 3 "$W/session.$n")"
	cat "$W/session.$n"
done
step 'a stub domain that is paused'
victim paused
kill -STOP "$PEER"
must_fail 1 asks "$G" query-name
has "$W/err" 'no answer within'
others
kill -CONT "$PEER"
soon 'it works again' works "$G"

step 'a stub domain that is destroyed while clients wait'
xs write "/local/domain/$S/data/attack" says-nothing
soon 'it is mute' eval '[[ $(xs read "/local/domain/$S/data/did") == says-nothing ]]'
asks "$G" query-name >"$W/said" 2>&1 &
WAITING=$!
wait_until 'its command is sent' eval '(( $(dmctl show --json "$G" | jq .qmp_session.commands) > 0 ))'
sleep 1
hv destroy "$S"
wait "$WAITING" && fail 'a destroyed one answers'
grep -q "stub domain\|is gone\|device model ends" "$W/said" || fail "the error is not clear: $(cat "$W/said")"
kill "$PEER"
wait "$PEER" 2>/dev/null
wait_until 'its page is let go' eval '! grep -q "$FAKEVCHAN_DIR" "/proc/$DPID/maps"'
hv destroy "$G"
wait_gone "$G"
step "others served within $LONGEST ms; $(memory VmRSS) KiB, at most $(memory VmHWM)"
wait_until 'all descriptors are closed' eval '(( $(fds) <= FDS ))'
[[ -n $ASAN ]] || (( $(memory VmRSS) < RSS + KEPT_KIB )) || fail "$(memory VmRSS) KiB stay, $RSS before"
[[ -n $ASAN ]] || (( $(memory VmHWM) < RSS + PEAK_KIB )) || fail "a peak of $(memory VmHWM) KiB, $RSS before"
! grep -q "$FAKEVCHAN_DIR" "/proc/$DPID/maps" || fail "the daemon holds a page of a peer that is gone"
world_end
