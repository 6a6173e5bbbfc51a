#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Device models that end: whose doing it was, on_exit, stops on request and their ladder.
. "$(dirname "$0")/lib.sh"
config '{"toolstack_stop_timeout_s": 3, "quit_timeout_s": 1, "term_timeout_s": 1, "kill_timeout_s": 1, "exits_kept": 6}'
world_start
counter() { hv counters | awk -v what="$1" '$1 == what { print $2 }'; }
# running NAME SPEC [JSON]: D and PID of a device model that runs
running()
{
	def "$1" "$1" "$2" "${3:-}"
	create "$1" --running
	wait_state "$D" running
	PID=$(field "$D" pid)
}

step 'on_exit pause is the default'
running pause ''
kill -KILL "$PID"
reached "$D" exited 'the device model ended with signal SIGKILL while its domain lives'
expect "$D" '.exit == {"signal": "SIGKILL"} and .pid == null and .kind == "qemu"'
[[ $(hv list | awk -v d="$D" '$1 == d { print $3, $5 }') == 'p-- 1' ]] || fail "not paused: $(hv list)"
sequence "$D" domain-appeared device-model-starting device-model-running device-model-exited policy-applied
[[ $(xs read "/local/domain/0/xendmd/$D/state") == exited ]] || fail 'state in xenstore'
xs read "/local/domain/0/xendmd/$D/reason" >"$W/out"
has "$W/out" SIGKILL
wait_until 'the device model node' eval '! xs ls /local/domain/0/device-model/$D >/dev/null'
wait_said "ended with signal SIGKILL while its domain lives; on_exit pause"
jq -se 'map(select(.name == "pause"))[0] | .state == "exited" and .exit.signal == "SIGKILL" and .policy == "pause" and .uptime_ms >= 0 and .phase == "ready"' \
	"$W"/state/exits/*.json >"$W/out" || fail "exit record: $(cat "$W"/state/exits/*.json)"
step 'and started again by hand'
must dmctl start "$D"
expect "$D" '.state == "running" and .reason == null and .exit == null'
destroy "$D"

step 'crash, destroy, preserve, none'
running crash 'exit=7,after=1500' '{"on_exit": "crash"}'
reached "$D" exited 'exit code 7'
[[ $(hv list | awk -v d="$D" '$1 == d { print $3, $4, $6 }') == '-s- 3 1' ]] || fail "not crashed: $(hv list)"
destroy "$D"
running destroy 'signal=6,after=1500' '{"on_exit": "destroy"}'
wait_gone "$D"
hv list | grep -q "^$D " && fail 'on_exit destroy: the domain is there'
[[ $(counter destroy) == 1 ]] || fail 'destroyed more than once'
hv set destroy-again 2
running again 'exit=1,after=1500' '{"on_exit": "destroy"}'
wait_until 'a long destruction' eval '! hv list | grep -q "^$D "'
wait_gone "$D"
hv set destroy-again 20 # two seconds
for how in daemon_stop daemon_kill; do
	running cut 'exit=1,after=1500' '{"on_exit": "destroy"}'
	wait_until 'the destruction has begun' eval '[[ $(hv list | awk -v d="$D" "\$1 == d { print \$3 }") == *d* ]]'
	$how
	wait_until 'it goes on without the daemon' eval '! hv list | grep -q "^$D "'
	hv set destroy-again 20
	daemon_start
	wait_gone "$D"
done
hv set destroy-again 0
running none 'exit=9,after=1500' '{"on_exit": "none"}'
before="$(counter pause) $(counter crash) $(counter destroy)"
reached "$D" exited 'exit code 9'
[[ "$(counter pause) $(counter crash) $(counter destroy)" == "$before" ]] || fail 'none does something'
destroy "$D"
running preserve 'exit=5,after=1500,say=last words' '{"on_exit": "preserve"}'
UUID=$(field "$D" uuid)
reached "$D" exited 'exit code 5'
destroy "$D"
wait_gone "$D"
wait_until 'what is preserved' test -e "$W/run/preserved/$D-$UUID/record.json"
has "$W/log/qemu-dm-preserve.log" 'last words'
must_fail 1 dmctl check /dev/stdin <<<'{"match": {"name": "a"}, "kind": "qemu", "argv": [], "on_exit": "panic"}'

step 'what its toolstack ends is no death: the node goes first, then SIGHUP'
running libxl '' '{"on_exit": "crash"}'
before="$(counter pause) $(counter crash) $(counter destroy)"
xs rm "/local/domain/0/device-model/$D"
kill -HUP "$PID"
wait_state "$D" stopping
sequence "$D" domain-appeared device-model-starting device-model-running device-model-stopped
reached "$D" exited '^stopped by its toolstack$'
[[ "$(counter pause) $(counter crash) $(counter destroy)" == "$before" ]] || fail 'on_exit for the toolstack'
destroy "$D"
running shut '' '{"on_exit": "crash"}'
hv shutdown "$D" 0
kill -TERM "$PID"
wait_state "$D" stopping
destroy "$D"
wait_gone "$D"
sequence "$D" domain-appeared device-model-starting device-model-running device-model-stopped domain-gone
[[ "$(counter pause) $(counter crash) $(counter destroy)" == "$before" ]] || fail 'on_exit for a domain that was shut down'
nothing_left

step 'dmctl stop'
running stop ''
must_fail 1 dmctl stop "$D"
has "$W/err" 'running HVM guest.*--force'
expect "$D" ".state == \"running\" and .pid == $PID"
must dmctl stop --force "$D"
expect "$D" '.state == "exited" and .reason == "stopped by dmctl" and .pid == null'
[[ "$(counter pause) $(counter crash) $(counter destroy)" == "$before" ]] || fail 'on_exit for dmctl'
must_fail 1 dmctl stop --force "$D"
has "$W/err" exited
must dmctl start "$D"
expect "$D" '.state == "running"'
must_fail 1 dmctl restart "$D"
has "$W/err" 'device state'
destroy "$D"

step 'stop of a start under way'
def cut cut never-ready
create cut
wait_detail "$D" probing
must dmctl stop --force "$D"
expect "$D" '.state == "exited" and .reason == "stopped by dmctl"'
destroy "$D"
nothing_left

step 'the ladder: quit, SIGTERM, SIGKILL; and what the device model left behind'
running noquit ignore-quit
must dmctl stop --force "$D"
reached "$D" exited dmctl
expect "$D" '.exit == {"code": 0}' # by SIGTERM
destroy "$D"
running noterm ignore-quit,ignore-term
must dmctl stop --force "$D"
expect "$D" '.exit == {"signal": "SIGKILL"}'
destroy "$D"
running stopped ''
kill -STOP "$PID"
must dmctl stop --force "$D"
expect "$D" '.exit == {"signal": "SIGKILL"}'
destroy "$D"
running three ignore-quit,ignore-term
destroy "$D"
wait_gone "$D"
[[ ! -e /proc/$PID ]] || fail 'it outlived its domain'
running closed '' # QMP that nobody reads any more
kill -STOP "$PID"
destroy "$D"
nothing_left

step 'the newest exit records are kept'
wait_until 'old exit records go' eval '(( $(ls "$W"/state/exits | wc -l) == 6 ))'
jq -se 'map(.name) | index("closed") != null' "$W"/state/exits/*.json >/dev/null \
	|| fail "newest: $(jq -r .name "$W"/state/exits/*.json)"
world_end
