#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# One QMP session, many clients: the socket dm/G/qmp and dmctl qmp, clients that misbehave, a device
# model that does, a daemon that comes back.
. "$(dirname "$0")/lib.sh"
config '{"name_timeout_s": 2}'
world_start
def web1 web1 ''
create web1
wait_state "$D" running
wait_until 'its QMP socket' is "$D" '.qmp != null'
PID=$(field "$D" pid)
S=$W/run/dm/$D/qmp
FDS=$(fds)
HI='{"execute":"qmp_capabilities"}'
talk() { printf '%s' "$1" | timeout 20 socat -t 10 - "UNIX-CONNECT:$S" 2>"$W/err"; }
fine()
{
	must timeout 20 "$BUILD/daemon/ctl/dmctl" qmp "$D" query-status
	[[ $(jq -r .status "$W/out") == running ]] || fail "query-status: $(cat "$W/out")"
	expect "$D" ".pid == $PID and .state == \"running\""
}

step 'dmctl qmp'
expect "$D" ".qmp == \"$S\""
[[ $(stat -c %a "$S") == 600 ]] || fail "mode of the socket: $(stat -c %a "$S")"
fine
must_fail 1 dmctl qmp "$D" no-such-command
has "$W/err" 'no-such-command has not been found'
must_fail 1 dmctl qmp "$D" x-experiment
has "$W/err" 'not allowed to clients of class admin'
must_fail 2 dmctl qmp "$D" query-status '[1'
must_fail 3 dmctl qmp 4711 query-status
must dmctl qmp "$D" stop '{}'
wait_event "$D" qmp-event
must dmctl qmp "$D" cont
fine
must dmctl show --json "$D"
jq -e '.qmp_session.health == "ok" and .qmp_session.commands > 3' "$W/out" >/dev/null || fail "$(jq -c .qmp_session "$W/out")"

step 'many clients on the socket, ids come back as they were'
for (( i = 0; i < 8; i++ )); do
	for (( j = 0; j < 20; j++ )); do printf '{"execute":"query-status","id":{"a":[%s,"%s"]}}' $i $j; done >"$W/ask.$i"
	talk "$HI$(cat "$W/ask.$i")" >"$W/got.$i" &
done
wait $(jobs -p | grep -vx -e "$DPID" -e "$XSPID")
for (( i = 0; i < 8; i++ )); do
	has "$W/got.$i" '^\{"QMP": \{"version": \{"qemu": \{"micro": 22, "minor": 2, "major": 7\}, "package": "xendmd"\}, "capabilities": \[\]\}\}'
	for (( j = 0; j < 20; j++ )); do printf '{"a":[%s,"%s"]}\n' $i $j; done >"$W/want"
	grep -o '"id": .*}' "$W/got.$i" | grep -o '{.*]}' | diff - "$W/want" >"$W/out" || fail "ids of client $i: $(cat "$W/out")"
done
fine

step 'clients that misbehave'
talk 'hello
{"a
'"$HI$HI"'[]
{"execute":"stop","execute":"cont"}{"exec-oob":"stop"}' >"$W/got"
[[ $(grep -c '"error"' "$W/got") == 6 ]] || fail "answers: $(cat "$W/got")"
head -c 200000 /dev/urandom | timeout 20 socat -t 5 - "UNIX-CONNECT:$S" >"$W/got" 2>"$W/err"
{ printf '{'; head -c 70000 /dev/zero | tr '\0' ' '; } | timeout 20 socat -t 5 - "UNIX-CONNECT:$S" >"$W/got" 2>"$W/err"
has "$W/got" 'too large'
fine
timeout 60 socat -u "UNIX-CONNECT:$S" "SYSTEM:sleep 50" & SILENT=$!
for (( i = 0; i < 6000; i++ )); do printf '{"execute":"query-status","id":"%0200d"}' $i; done >"$W/flood"
timeout 60 socat -u "SYSTEM:printf '%s' '$HI'; cat $W/flood; sleep 50" "UNIX-CONNECT:$S" 2>/dev/null & NEVER=$!
fine
for (( i = 0; i < 500; i++ )); do timeout 20 socat -u "UNIX-CONNECT:$S" - >/dev/null 2>&1 & CROWD[i]=$!; done
fine
kill "${CROWD[@]}" $SILENT $NEVER 2>/dev/null
wait "${CROWD[@]}" $SILENT $NEVER 2>/dev/null
fine
wait_until 'all descriptors are closed' eval '(( $(fds) <= FDS ))'

step 'no descriptor for one more client'
for (( FREE = 0; ; FREE++ )); do [[ -e /proc/$DPID/fd/$FREE ]] || break; done
NOFILE=$(prlimit --pid "$DPID" --nofile --output SOFT --noheadings)
mark
prlimit --pid "$DPID" --nofile="$FREE:"
timeout 60 socat -u "UNIX-CONNECT:$S" - >"$W/got" 2>"$W/err" & LATE=$!
wait_said "/qmp: can't accept a client: Too many open files"
[[ ! -s $W/got ]] || fail "greeted: $(cat "$W/got")"
prlimit --pid "$DPID" --nofile="${NOFILE//[^0-9]/}:"
wait_until 'it is greeted after all' eval '[[ -s $W/got ]]'
kill $LATE
wait $LATE 2>/dev/null
fine

step 'a daemon that comes back'
daemon_kill
daemon_start
wait_state "$D" running
wait_until 'its QMP socket' is "$D" '.qmp != null'
wait_until 'its session' eval 'dmctl qmp "$D" query-status >/dev/null 2>&1'
fine
talk "$HI"'{"execute":"query-status","id":7}' >"$W/got"
has "$W/got" '"status": "running".*"id": 7'

step 'the device model ends'
kill -KILL "$PID"
wait_state "$D" exited
expect "$D" '.qmp == null'
[[ ! -e $S ]] || fail "its socket is left"
must_fail 1 dmctl qmp "$D" query-status
has "$W/err" 'its device model is exited'
world_end
