#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# What an earlier daemon left is taken up again by proven identity, or left alone.
. "$(dirname "$0")/lib.sh"
config '{"toolstack_stop_timeout_s": 2, "quit_timeout_s": 1, "term_timeout_s": 1}'
world_start
for name in a b c d e; do text $name '' >"$W/etc/domains.d/$name.json"; done
text dead '' '{"on_exit": "crash"}' >"$W/etc/domains.d/dead.json"
dmctl reload >/dev/null
declare -A DOM PIDS
run() { create "$1"; wait_state "$D" running; DOM[$1]=$D; PIDS[$1]=$(field "$D" pid); }
same() { expect "${DOM[$1]}" ".state == \"running\" and .pid == ${PIDS[$1]}"; }
last_seq() { events | tail -n 1 | jq .seq; }

step 'kill -9, and an orderly restart'
for name in a b c; do run $name; done
SINCE=$(field "${DOM[a]}" since)
SEQ=$(last_seq)
for how in kill stop; do
	daemon_$how
	kill -0 "${PIDS[a]}" "${PIDS[b]}" "${PIDS[c]}" || fail 'a device model ended with the daemon'
	daemon_start
	for name in a b c; do
		wait_state "${DOM[$name]}" running
		same $name
	done
	expect "${DOM[a]}" ".since == \"$SINCE\" and .start_ms >= 0 and (.log | test(\"qemu-dm-a\"))"
	wait_event "${DOM[a]}" device-model-adopted
	(( $(events | head -n 1 | jq .seq) > SEQ )) || fail 'event numbers went back'
	SEQ=$(last_seq)
done
kill -KILL "${PIDS[a]}"
reached "${DOM[a]}" exited
expect "${DOM[a]}" '.exit == null' # not our child: never guessed
wait_state "${DOM[b]}" running
destroy "${DOM[b]}"
wait_gone "${DOM[b]}"
! lives "${PIDS[b]}" || fail 'an adopted device model outlives its domain'

step 'an upgrade meanwhile: the binary is replaced, then deleted'
run d
cp "$FAKEDM" "$W/new"
mv "$W/new" "$FAKEDM"
daemon_kill
daemon_start
wait_state "${DOM[d]}" running
same d
cp "$FAKEDM" "$W/new"
rm "$FAKEDM"
daemon_stop
daemon_start
wait_state "${DOM[d]}" running
same d
mv "$W/new" "$FAKEDM"
must dmctl stop --force "${DOM[d]}"
expect "${DOM[d]}" '.state == "exited"'

step 'exited and failed stay what they are'
daemon_kill
daemon_start
reached "${DOM[d]}" exited 'stopped by dmctl'
reached "${DOM[a]}" exited
must dmctl start "${DOM[d]}"
hv destroy all
nothing_left

step 'the device model died while no daemon ran'
run dead
run a
daemon_kill
kill -KILL "${PIDS[dead]}"
daemon_start
reached "${DOM[dead]}" exited 'while its domain lives'
expect "${DOM[dead]}" '.exit == null and .pid == null'
[[ $(hv list | awk -v d="${DOM[dead]}" '$1 == d { print $6 }') == 1 ]] || fail 'on_exit was not carried out'
same a
hv destroy all
nothing_left

step 'records that are no records: kept aside, never fatal'
for name in a b c d e; do run $name; done
daemon_kill
R=$W/run/dm
printf '{ not json' >"$R/${DOM[a]}/record.json"
truncate -s 100 "$R/${DOM[b]}/record.json"
jq '.version = 4711' "$R/${DOM[c]}/record.json" >"$W/tmp.json"
cp "$W/tmp.json" "$R/${DOM[c]}/record.json"
jq '.boot_id = "00000000-0000-0000-0000-000000000000"' "$R/${DOM[d]}/record.json" >"$W/tmp.json"
cp "$W/tmp.json" "$R/${DOM[d]}/record.json"
: >"$R/${DOM[e]}/record.json"
mkdir "$R/junk" "$R/99999999" "$R/4000" "$R/4001"
printf '{' >"$R/4001/record.json"
daemon_start
for name in a b c d e; do
	wait_said "record .*dm/${DOM[$name]}/record.json.*kept as"
done
[[ ! -e $R/4000 && ! -e $R/4001 ]] || fail 'directories of no domain stay'
[[ $(ls "$W/run/broken" | wc -l) == 6 ]] || fail "kept: $(ls "$W/run/broken")"
daemon_kill
daemon_start
wait_until 'all are listed again' eval '[[ $(dmctl status --json | jq ".domains | length") == 5 ]]'
for name in a b c d e; do
	[[ -S $R/${DOM[$name]}/monitor ]] || fail "another restart took the sockets of $name"
	# Alive and unknown: it is not killed, and no second one is started beside it.
	kill -0 "${PIDS[$name]}" || fail "the device model of $name was killed"
	wait_until "$name is judged" eval '[[ $(field ${DOM[$name]} state) != waiting ]]'
	[[ $(processes "fakedm -xen-domid ${DOM[$name]} " | wc -l) == 1 ]] || fail "a second one for $name"
done
hv destroy all
wait_until 'none is listed' eval '[[ $(dmctl status --json | jq ".domains | length") == 0 ]]'
for name in a b c d e; do
	kill "${PIDS[$name]}"
	xs rm "/local/domain/0/device-model/${DOM[$name]}"
done
rm -rf "$R/junk" "$R/99999999"
nothing_left

step 'a record whose process is somebody else: lost, and untouched'
run a
run b
daemon_kill
sleep 1000 &
SLEEPER=$!
ticks=$(awk '{ print $22 }' /proc/$SLEEPER/stat)
jq . "$R/${DOM[a]}/record.json" >"$W/out"
jq --argjson pid $SLEEPER --argjson ticks "$ticks" \
	'(.. | objects | select(has("start_ticks"))) |= (.pid = $pid | .start_ticks = $ticks)' \
	"$W/out" >"$R/${DOM[a]}/record.json"
# The number was given to somebody else: the recorded process has ended.
jq --argjson pid $SLEEPER '(.. | objects | select(has("start_ticks"))).pid = $pid' \
	"$R/${DOM[b]}/record.json" >"$W/tmp.json"
cp "$W/tmp.json" "$R/${DOM[b]}/record.json"
daemon_start
reached "${DOM[a]}" lost "process $SLEEPER can't be proven"
wait_event "${DOM[a]}" device-model-lost
must_fail 1 dmctl stop --force "${DOM[a]}"
must_fail 1 dmctl start "${DOM[a]}"
wait_until 'b is judged' eval '[[ $(field ${DOM[b]} state) == @(exited|stopping) ]]'
kill "${PIDS[a]}" "${PIDS[b]}"
hv destroy all
nothing_left
kill -0 $SLEEPER || fail "somebody else's process was killed"
kill $SLEEPER

step 'a stop that was under way'
def slow slow ignore-quit,ignore-term
run slow
"$BUILD/daemon/ctl/dmctl" stop --force "${DOM[slow]}" >/dev/null 2>&1 &
wait_state "${DOM[slow]}" stopping
daemon_kill
daemon_start
reached "${DOM[slow]}" exited 'stopped by dmctl'
world_end
