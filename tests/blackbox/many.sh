#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Many domains, numbers that are used again, starts at once.
. "$(dirname "$0")/lib.sh"
config '{"starts_at_once": 2, "quit_timeout_s": 2}'
world_start
def web 'web-*' ''
BEFORE=$(fds)
count() { dmctl status --json | jq "[.domains[] | select(.state == \"$1\")] | length"; }

step 'no more starts at once than configured'
def hog 'hog-*' never-ready '{"limits": {"start_timeout_s": 3}}'
hv create hog --count 5 --quiet
wait_until 'two are starting' eval '[[ $(count starting) == 2 ]]'
(( $(count waiting) >= 1 )) || fail 'none waits'
(( $(processes /libexec/ | wc -l) <= 2 )) || fail 'more than two at once'
wait_until 'all have failed' eval '[[ $(count failed) == 5 ]]'
hv destroy all
nothing_left

step '200 domains created and destroyed in a row'
hv create web --count 1 --quiet
wait_until 'it runs' eval '[[ $(count running) == 1 ]]'
hv destroy all
nothing_left
FDS=$(fds) RSS=$(awk '/VmRSS/ { print $2 }' "/proc/$DPID/status")
for (( i = 1; i <= 200; i++ )); do
	hv create web-$i --quiet || fail "create $i"
	D=$(hv list | tail -n 1 | cut -d ' ' -f 1)
	# Some are destroyed at once, some while they start, some when they run.
	case $(( i % 10 )) in
	1 | 2 | 3 | 4 | 5 | 6 | 7) ;;
	8) sleep 0.0$(( i % 9 )) ;;
	*) wait_state "$D" running ;;
	esac
	hv destroy "$D" || fail "destroy $i"
done
nothing_left
(( $(fds) <= FDS )) || fail "descriptors: $FDS before, $(fds) after"
step "RSS: $RSS KiB before, $(awk '/VmRSS/ { print $2 }' "/proc/$DPID/status") KiB after"
! events | grep -E 'device-model-(failed|exited).*"name":"web' | grep -v "no directory any more" >"$W/out" || fail "events: $(cat "$W/out")"

step '60 at once'
hv create web --count 60 --quiet
wait_until 'all run' eval '[[ $(count running) == 60 ]]'
[[ $(processes /libexec/ | wc -l) == 60 ]] || fail 'one device model each'
hv destroy all
nothing_left

step 'a number is used again while its old owner is being cleaned'
def slow slow ignore-quit,ignore-term
create slow --domid 300
wait_state 300 running
OLD=$(field 300 pid)
destroy 300
create web-again --domid 300
# Until the daemon has looked, 300 is still the old one, and running.
wait_until 'the new one runs' is 300 '.name == "web-again" and .state == "running"'
[[ ! -e /proc/$OLD ]] || fail 'two device models of one number'
[[ $(xs read /local/domain/0/device-model/300/state) == running ]] || fail "the new one's node was cleaned"
jq -e '.uuid == $u' --arg u "$(field 300 uuid)" "$W/run/dm/300/record.json" >/dev/null || fail record
destroy 300
nothing_left

step 'the same number and uuid again'
U=11111111-2222-3333-4444-555555555555
for i in 1 2 3; do
	create web-same --domid 301 --uuid $U
	wait_state 301 running
	destroy 301
done
create web-same --domid 301 --uuid $U
wait_until 'its device model lives' eval '[[ $(field 301 state) == running && -e /proc/$(field 301 pid) ]]'
destroy 301
nothing_left

step 'domain events come once, in order'
create web-last
wait_state "$D" running
destroy "$D"
wait_gone "$D"
sequence "$D" domain-appeared device-model-starting device-model-running device-model-stopped domain-gone
events >"$W/out"
jq -se 'map(.seq) | . == (. | sort | unique)' "$W/out" >/dev/null || fail 'seq'
SEQ=$(tail -n 1 "$W/out" | jq .seq)
must dmctl events --json --since "$((SEQ - 2))"
[[ $(wc -l <"$W/out") == 2 ]] || fail '--since'
(( $(fds) <= BEFORE )) || fail "descriptors: $BEFORE before, $(fds) after"
world_end
