#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Clients of the control socket that misbehave: none disturbs the others or grows the daemon.
. "$(dirname "$0")/lib.sh"
config '{"control_clients": 8, "control_message_kib": 64, "control_queue_kib": 64, "control_idle_timeout_ms": 1500}'
world_start
def web1 web1 ''
create web1
wait_state "$D" running
PID=$(field "$D" pid)
S=$W/run/control
fine() { must timeout 20 "$BUILD/daemon/ctl/dmctl" status; expect "$D" ".pid == $PID and .state == \"running\""; }
rss() { awk '/VmRSS/ { print $2 }' "/proc/$DPID/status"; }
CALL='{"method":"io.xendmd.DeviceModels.List"}'
FDS=$(fds) RSS=$(rss)

step garbage
for text in 'hello\0' '\0\0\0' '{"method":\0' '[]\0' '{"method":4}\0' '{"method":"io.xendmd.DeviceModels.List","parameters":7}\0' \
	'{"method":"x\xff"}\0' '{"method":"io.xendmd.DeviceModels.Nothing"}\0' '\xfe\xff\0'; do
	printf "$text" | timeout 20 socat -t 5 - "UNIX-CONNECT:$S" >"$W/out" 2>"$W/err"
	fine
done
head -c 60000 /dev/urandom | timeout 20 socat -t 5 - "UNIX-CONNECT:$S" >"$W/out" 2>&1
fine

step 'half a message'
printf '%s' "${CALL:0:20}" >"$W/half"
timeout 60 socat -t 1 "SYSTEM:cat $W/half; sleep 55" "UNIX-CONNECT:$S" >/dev/null 2>&1 &
HALF=$!
fine
wait_until 'it is thrown out' eval '! kill -0 $HALF 2>/dev/null'
wait $HALF 2>/dev/null
fine

step '100 MB'
head -c 100000000 /dev/zero | tr '\0' a | timeout 60 socat -u - "UNIX-CONNECT:$S" >/dev/null 2>"$W/err"
fine
for i in 1 2 3; do
	{ printf '{"method":"'; head -c 100000000 /dev/zero | tr '\0' a; } | timeout 60 socat -u - "UNIX-CONNECT:$S" >/dev/null 2>&1
done
fine

step 'one that never reads'
mkfifo "$W/never"
exec 9<>"$W/never"
for (( i = 0; i < 2000; i++ )); do printf '%s\0' "$CALL"; done >"$W/calls"
timeout 60 socat -b 4096 "SYSTEM:cat $W/calls >&1; sleep 50,nofork" "UNIX-CONNECT:$S" >/dev/null 2>&1 </dev/null &
timeout 30 socat -u "FILE:$W/calls" "UNIX-CONNECT:$S" >/dev/null 2>&1
fine

step 'more clients than there is room for'
PIDS=()
for (( i = 0; i < 12; i++ )); do
	"$BUILD/daemon/ctl/dmctl" events --follow >/dev/null 2>"$W/client.$i" &
	PIDS+=($!)
done
wait_until 'some are refused' eval 'grep -q "too many clients" "$W"/client.*'
state=$(cat "/proc/$PID/stat" | cut -d ' ' -f 3)
[[ $state == [SR] ]] || fail 'the device model does not care'
kill "${PIDS[@]}" 2>/dev/null
wait "${PIDS[@]}" 2>/dev/null
wait_until 'there is room again' answers
fine

step 'what changes something needs root'
if id nobody >/dev/null 2>&1; then
	chmod 755 "$W" "$W/run"
	setpriv --reuid nobody --regid nogroup --clear-groups "$BUILD/daemon/ctl/dmctl" status >"$W/out" 2>"$W/err"
	[[ $? == 4 ]] || fail "nobody may ask: $(cat "$W/out" "$W/err")"
fi
[[ $(stat -c %a "$S") == 660 || $(stat -c %a "$S") == 600 ]] || fail "mode of the socket: $(stat -c %a "$S")"

wait_until 'all descriptors are closed' eval '(( $(fds) <= FDS ))'
step "RSS: $RSS KiB before, $(rss) KiB after"
(( $(rss) < RSS + 65536 )) || fail "the daemon has grown from $RSS to $(rss) KiB"
world_end
