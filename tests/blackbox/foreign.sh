#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Device models that another toolstack started: found, proven, watched, told of when they end, and
# never touched. THEIRS is QEMU as libxl starts it: outside of everything that is ours.
. "$(dirname "$0")/lib.sh"
config '{"toolstack_stop_timeout_s": 3, "xenstore_timeout_ms": 1000}'
THEIRS=$W/theirs
cp "$FAKEDM" "$THEIRS"

# qemu DOMID NAME [ARGUMENT…]: PID is a QEMU of that domain's; xenstore does not know it yet.
qemu()
{
	local domid=$1 name=$2
	shift 2
	"$THEIRS" -xen-domid "$domid" -name "$name" -fakedm 'never-ready,say=hello of theirs' "$@" \
		2>>"$W/log/qemu-dm-$name.log" &
	PID=$!
}
# tell DOMID PID: as libxl and QEMU write it
tell()
{
	xs write "/local/domain/0/device-model/$1/state" running
	xs write "/local/domain/$1/image/device-model-pid" "$2"
}
# guest NAME [ARGUMENT…]: a guest that stock xl made, D and PID
guest()
{
	local name=$1
	shift
	create "$name" --as-libxl --running
	qemu "$D" "$name" "$@"
	tell "$D" "$PID"
}
# xl_destroy DOMID [PID]
xl_destroy()
{
	xs rm "/local/domain/0/device-model/$1"
	[[ -z ${2:-} ]] || { kill -HUP "$2"; wait "$2" 2>/dev/null; }
	destroy "$1"
	wait_gone "$1"
}
reap() { kill -KILL "$1"; wait "$1" 2>/dev/null; }
foreign_is() { is "$1" ".state == \"running\" and .kind == \"foreign\" and .source == \"foreign\" and .pid == $2"; }
wait_foreign() { wait_until "$1 runs the foreign $2" foreign_is "$1" "$2"; }
records() { cat "$W"/state/exits/*.json 2>/dev/null | jq -sc "map(select(.domid == $1))"; }
told() { events | jq -s "map(select(.domid == $1 and .event == \"$2\")) | length"; }
# theirs: all in xenstore and on disk that is not ours
tree()
{
	local name
	[[ $1 != /local/domain/0/xendmd ]] || return 0
	printf '%s = %s\n' "$1" "$(xs read "${1:-/}" 2>/dev/null)"
	xs ls "${1:-/}" 2>/dev/null | sort | while read -r name; do tree "$1/$name"; done
}
theirs()
{
	tree ''
	find "$W/log" "$W/xenrun" "$W/run/dm" -exec stat -c '%n %s %Y' {} + 2>/dev/null | sort
}

step 'on a host with guests: found at the start'
xenstored_start
guest one -vnc 'none,password=geheim'
ONE=$D ONE_PID=$PID
guest two
TWO=$D TWO_PID=$PID
create plain --as-libxl
PLAIN=$D
wait_until 'their logs' eval '[[ -s $W/log/qemu-dm-one.log && -s $W/log/qemu-dm-two.log ]]'
mkdir -p "$W/run/dm"
theirs >"$W/before"
daemon_start
wait_foreign "$ONE" $ONE_PID
wait_foreign "$TWO" $TWO_PID
wait_state "$PLAIN" unmanaged
expect "$ONE" ".log == \"$W/log/qemu-dm-one.log\" and .stubdom == null and .exit == null and .reason == null"
AGE=$(( $(date +%s) - $(date +%s -d "$(field "$ONE" since)") ))
(( AGE >= 0 && AGE < 600 )) || fail "since: $(field "$ONE" since)"
sequence "$ONE" domain-appeared device-model-running
must dmctl show --json one
jq -e '.argv[0:3] == ["'"$THEIRS"'", "-xen-domid", "'"$ONE"'"] and .binary == "'"$THEIRS"'"
	and .on_exit == "none" and .limits == null and .phases == []' "$W/out" >/dev/null \
	|| fail "show: $(cat "$W/out")"
hasnt "$W/out" geheim
must dmctl show one
has "$W/out" 'kind: foreign'
must dmctl logs one
has "$W/out" 'hello of theirs'
must dmctl status
has "$W/out" "one +foreign +running +$ONE_PID"
[[ $(xs read "/local/domain/0/xendmd/$ONE/kind") == foreign ]] || fail 'not told in our own node'
must_fail 1 dmctl stop --force "$ONE"
has "$W/err" 'not ours'
must_fail 1 dmctl start "$ONE"
must dmctl reload
kill -HUP "$DPID"

step 'the daemon goes and comes, and is killed: they run on and stay known'
daemon_stop
daemon_start
wait_foreign "$ONE" $ONE_PID
daemon_kill
daemon_start
wait_foreign "$ONE" $ONE_PID
wait_foreign "$TWO" $TWO_PID
[[ $(told "$ONE" device-model-exited) == 0 ]] || fail 'told as dead'
theirs >"$W/after"
diff "$W/before" "$W/after" || fail 'something of theirs was changed'

step 'death: told, recorded, nothing done'
reap $ONE_PID
reached "$ONE" exited 'while its domain lives'
expect "$ONE" '.exit == null and .pid == null and .kind == "foreign" and .source == "foreign"'
[[ $(told "$ONE" device-model-exited) == 1 ]] || fail 'no event, or more'
[[ $(told "$ONE" policy-applied) == 0 ]] || fail 'a policy was applied'
records "$ONE" >"$W/out"
jq -e 'length == 1 and (.[0] | .state == "exited" and .exit == null and .policy == "none"
	and .kind == "foreign" and .uptime_ms > 0 and (.log_tail | test("hello of theirs")))' \
	"$W/out" >/dev/null || fail "exit record: $(cat "$W/out")"
[[ $(hv list | awk -v d="$ONE" '$1 == d { print $3, $5, $6 }') == '--- 0 0' ]] || fail "touched: $(hv list)"
theirs >"$W/after"
diff "$W/before" "$W/after" || fail 'something of theirs was changed'

step 'it stays dead for the next daemon, and is told once'
REASON=$(field "$ONE" reason)
daemon_stop
daemon_start
wait_state "$ONE" exited
[[ $(field "$ONE" reason) == "$REASON" ]] || fail "another reason: $(field "$ONE" reason)"
expect "$ONE" '.exit == null and .kind == "foreign"'
[[ $(told "$ONE" device-model-exited) == 0 && $(records "$ONE" | jq length) == 1 ]] || fail 'told again'

step 'its toolstack makes another one'
qemu "$ONE" one
ONE_PID=$PID
tell "$ONE" $ONE_PID
wait_foreign "$ONE" $ONE_PID
expect "$ONE" '.reason == null'
[[ $(told "$ONE" device-model-running) == 1 ]] || fail 'not told'

step 'dead while no daemon ran'
daemon_stop
reap $ONE_PID
daemon_start
reached "$ONE" exited 'while its domain lives'
expect "$ONE" '.exit == null and .pid == null'
[[ $(told "$ONE" device-model-exited) == 1 && $(records "$ONE" | jq length) == 2 ]] || fail 'not told'
records "$ONE" | jq -e '.[1] | .uptime_ms == null and .exit == null and (.log_tail | test("hello"))' \
	>/dev/null || fail "exit record: $(records "$ONE")"
step 'and never seen by any daemon'
daemon_stop
guest three
THREE=$D
reap "$PID"
daemon_start
reached "$THREE" exited 'while its domain lives'
[[ $(told "$THREE" device-model-exited) == 1 ]] || fail 'not told'
xl_destroy "$THREE"
xl_destroy "$ONE"
[[ $(told "$ONE" device-model-stopped) == 0 ]] || fail 'a dead one was stopped'

step 'its toolstack ends it: no death'
xs rm "/local/domain/0/device-model/$TWO"
kill -HUP $TWO_PID
wait $TWO_PID 2>/dev/null
wait_state "$TWO" stopping
[[ $(told "$TWO" device-model-stopped) == 1 ]] || fail 'not told'
step 'and makes a new one (a soft reset)'
qemu "$TWO" two
tell "$TWO" "$PID"
wait_foreign "$TWO" "$PID"
xs rm "/local/domain/0/device-model/$TWO"
reap "$PID"
reached "$TWO" exited 'stopped by its toolstack'
xl_destroy "$TWO"
guest shut
wait_foreign "$D" "$PID"
hv shutdown "$D" 0
reap "$PID"
wait_event "$D" device-model-stopped
xl_destroy "$D"
[[ $(told "$D" device-model-exited) == 0 ]] || fail 'the end of a guest that shut down is no death'
sequence "$D" domain-appeared device-model-running device-model-stopped domain-gone

step 'found later: by its pid alone, or after the pid of a probe'
qemu "$PLAIN" plain
xs write "/local/domain/$PLAIN/image/device-model-pid" "$PID"
wait_foreign "$PLAIN" "$PID"
xl_destroy "$PLAIN" "$PID"
create probe --as-libxl
"$THEIRS" -machine none,accel=xen -fakedm never-ready &
PROBE=$!
xs write "/local/domain/$D/image/device-model-pid" $PROBE
wait_state "$D" unmanaged
reap $PROBE
sleep 1
expect "$D" '.state == "unmanaged"'
qemu "$D" probe
tell "$D" "$PID"
wait_foreign "$D" "$PID"
sequence "$D" domain-appeared device-model-running
xl_destroy "$D" "$PID"

step 'numbers that prove nothing'
guest other
OTHER=$D OTHER_PID=$PID
wait_foreign "$OTHER" $OTHER_PID
create forged --as-libxl
"$THEIRS" -xen-domid 0 -xen-attach -fakedm never-ready & # domain 0's own
DOM0=$!
for number in $$ $OTHER_PID $DOM0 1 0 -1 "$OTHER_PID " 12abc 99999999999999999999 ''; do
	xs write "/local/domain/$D/image/device-model-pid" "$number"
	must dmctl reload
	sleep 0.2
	expect "$D" '.state == "unmanaged" and .pid == null and .kind == null'
done
for number in 0 "$D" 32753 -1 x 4294967298; do
	xs write "/local/domain/$D/image/device-model-domid" "$number"
	must dmctl reload
	sleep 0.2
	expect "$D" '.state == "unmanaged"'
done
xs write "/local/domain/$D/image/device-model-domid" "$OTHER" # no stub domain of this guest's
must dmctl reload
sleep 0.5
expect "$D" '.state == "unmanaged" and .stubdom == null'
xs rm "/local/domain/$D/image"
qemu "$D" forged
tell "$D" "$PID"
wait_foreign "$D" "$PID"
FORGED=$D FORGED_PID=$PID
step 'a pid that was used again'
daemon_stop
reap $FORGED_PID
xs write "/local/domain/$FORGED/image/device-model-pid" $OTHER_PID
daemon_start
reached "$FORGED" exited 'while its domain lives'
expect "$FORGED" '.pid == null'
wait_foreign "$OTHER" $OTHER_PID
xl_destroy "$FORGED"
reap $DOM0

step 'helpers of ours are not theirs'
cp "$FAKEDM" "$W/dm-handoff"
create handed --as-libxl
"$W/dm-handoff" -xen-domid "$D" -fakedm never-ready &
HELPER=$!
tell "$D" $HELPER
sleep 1
expect "$D" '.kind == null and .state == "unmanaged"'
reap $HELPER
xl_destroy "$D"

step 'renamed, and called otherwise when its log was made'
create web1 --as-libxl
"$THEIRS" -xen-domid "$D" -fakedm 'never-ready,say=received' 2>"$W/log/qemu-dm-web1--incoming.log" &
PID=$!
tell "$D" "$PID"
wait_foreign "$D" "$PID"
expect "$D" ".log == \"$W/log/qemu-dm-web1--incoming.log\""
xl_destroy "$D" "$PID"

step 'xenstored goes away'
guest away
AWAY=$D
wait_foreign "$AWAY" "$PID"
mark
xenstored_kill
wait_said 'connection lost'
expect "$OTHER" ".pid == $OTHER_PID and .state == \"running\""
reap "$PID"
reached "$AWAY" exited 'while its domain lives'
mark
xenstored_start # and empty
wait_said 'xenstore: connected'
must dmctl reload
expect "$OTHER" ".pid == $OTHER_PID and .state == \"running\""
hv gone "$AWAY"
hv gone "$OTHER"
wait_gone "$AWAY"
wait_gone "$OTHER"
lives $OTHER_PID || fail 'a foreign device model was ended'
reap $OTHER_PID

step 'a stub domain'
create guest --as-libxl --running
GUEST=$D
create guest-dm --as-libxl --running
STUB=$D
xs write "/local/domain/$GUEST/image/device-model-domid" "$STUB"
xs write "/local/domain/$STUB/target" "$GUEST"
qemu "$STUB" guest-dm
BACKEND=$PID
tell "$STUB" $BACKEND
wait_until 'the stub domain' is "$GUEST" ".state == \"running\" and .kind == \"foreign\" and .pid == null
	and .stubdom == {\"domid\": $STUB, \"backend\": {\"pid\": $BACKEND, \"state\": \"running\"}}"
is_gone "$STUB" || fail 'the stub domain is listed'
daemon_stop
daemon_start
wait_until 'the stub domain again' is "$GUEST" ".state == \"running\" and .kind == \"foreign\"
	and .stubdom == {\"domid\": $STUB, \"backend\": {\"pid\": $BACKEND, \"state\": \"running\"}}"
sequence "$GUEST" domain-appeared device-model-running
reap $BACKEND
wait_event "$STUB" device-model-exited
expect "$GUEST" '.state == "running" and .stubdom.backend.state == "exited"'
events | jq -se "map(select(.domid == $STUB)) | map(.event) == [\"device-model-exited\"] and .[0].target == $GUEST" \
	>/dev/null || fail "events of the stub domain: $(events)"
[[ $(records "$STUB" | jq length) == 1 ]] || fail 'no exit record of the backend'
hv shutdown "$STUB" 3
reached "$GUEST" exited "stub domain $STUB .*while its domain lives"
expect "$GUEST" '.exit == null'
[[ $(told "$GUEST" device-model-exited) == 1 ]] || fail 'not told'
daemon_stop
daemon_start
reached "$GUEST" exited "stub domain $STUB"
[[ $(told "$GUEST" device-model-exited) == 0 && $(told "$STUB" device-model-exited) == 0 ]] || fail 'told again'
xs rm "/local/domain/0/device-model/$STUB"
destroy "$STUB" "$GUEST"
wait_gone "$GUEST"

step 'its toolstack ends guest and stub domain'
hv set next-domid $((STUB + 20))
create stub-dm --as-libxl
STUB=$D
create guest --as-libxl --running
GUEST=$D
xs write "/local/domain/$GUEST/image/device-model-domid" "$STUB"
xs write "/local/domain/$STUB/target" "$GUEST"
wait_until 'a stub domain of a lower number' is "$GUEST" ".state == \"running\" and .stubdom.domid == $STUB"
is_gone "$STUB" || fail 'the stub domain is listed'
destroy "$STUB"
wait_state "$GUEST" stopping
destroy "$GUEST"
wait_gone "$GUEST"
sequence "$GUEST" domain-appeared device-model-running device-model-stopped domain-gone
daemon_stop
daemon_start

step 'many, and what they cost'
declare -A PIDS
before=$(fds)
for i in {1..60}; do
	guest many-"$i"
	PIDS[$D]=$PID
done
for d in "${!PIDS[@]}"; do wait_foreign "$d" "${PIDS[$d]}"; done
(( $(fds) <= before + 60 )) || fail "descriptors: $before before, $(fds) after"
(( $(cat "/proc/$DPID/task"/*/stat | awk '{ t += $14 + $15 } END { print t }') >= 0 ))
quiet_ticks() { awk '{ print $14 + $15 }' "/proc/$DPID/stat"; }
sleep 1
t=$(quiet_ticks)
sleep 2
(( $(quiet_ticks) - t <= 2 )) || fail "at idle: $(( $(quiet_ticks) - t )) ticks in 2 s"
for d in "${!PIDS[@]}"; do
	xs rm "/local/domain/0/device-model/$d"
	kill -HUP "${PIDS[$d]}"
done
wait "${PIDS[@]}" 2>/dev/null
hv destroy all
world_end
