#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# The QEMU that serves a PV guest's backends: on_exit restart, and its start when libxl saw no need.
. "$(dirname "$0")/lib.sh"
HANDOFF=$W/libexec/dm-handoff
conf() # [RESTARTS_MAX [DELAY_MS]]
{
	config "{\"default_binary\": \"$FAKEDM\", \"restarts_max\": ${1:-2}, \"restart_delay_ms\": ${2:-100},
		\"toolstack_stop_timeout_s\": 3, \"handoff_fallback\": \"fail\"}"
	[[ -z $DPID ]] || must dmctl reload
}
conf
echo "xenstored=$W/xs" >"$FAKEDM.spec"
world_start
paused() { [[ $(hv list | awk -v d="$1" '$1 == d { print $3 }') == p* ]]; }
pid_node() { xs read "/local/domain/$D/image/device-model-pid" 2>/dev/null; }
no_pid_node() { [[ -z $(pid_node) ]]; }
# runs_anew: another one than PID, and xenstore is right again; it is PID then.
is_another() { is "$D" ".state == \"running\" and .pid != $PID and .exit == null and .reason == null"; }
pid_is_named() { [[ $(pid_node) == "$(field "$D" pid)" ]]; }
runs_anew()
{
	wait_until 'another one runs' is_another
	PID=$(field "$D" pid)
	wait_until 'it is named' pid_is_named
	[[ $(xs read "/local/domain/0/device-model/$D/state") == running ]] || fail 'state in xenstore'
	[[ $(xs read "/local/domain/0/xendmd/$D/state") == running ]] || fail 'our state in xenstore'
	[[ -S $W/run/dm/$D/qmp ]] || fail 'no socket for clients'
}
# xenpv NAME SPEC [JSON]: a definition of a backend QEMU that is started again
xenpv()
{
	text "$1" "$2" "$(jq -n --arg spec "xenstored=$W/xs${2:+,$2}" --argjson over "${3:-{\}}" '{on_exit: "restart",
		argv: ["-xen-domid", "$DOMID", "-machine", "xenpv", "-fakedm", $spec], env: {HANDED: "kept $NAME"}} + $over')" | put "$1"
}
# last_policy JQ-CONDITION
last_policy()
{
	events | jq -se --argjson id "$D" "map(select(.domid == \$id and .event == \"policy-applied\")) | last | $1" >/dev/null \
		|| fail "not $1: $(events | jq -c "select(.event == \"policy-applied\")")"
}
cmdline() { tr '\0' ' ' <"/proc/$PID/cmdline"; }

step 'a killed one comes back as it was'
xenpv back show-self
create back --type pv --running
wait_state "$D" running
PID=$(field "$D" pid) BEFORE=$(cmdline)
kill -KILL "$PID"
runs_anew
[[ $(cmdline) == "$BEFORE" ]] || fail "another command line: $(cmdline), before: $BEFORE"
has "$W/log/qemu-dm-back.log" '^env kept back$'
has "$W/log/qemu-dm-back.log" '^fd/0 /dev/null$'
sequence "$D" domain-appeared device-model-starting device-model-running device-model-exited policy-applied device-model-starting device-model-running
last_policy '.policy == "restart" and .restart == 1 and .delay_ms == 100 and .error == null and .instead_of == null'
paused "$D" && fail 'the domain is paused'
jq -se 'map(select(.name == "back"))[0] | .exit.signal == "SIGKILL" and .policy == "restart" and .state == "exited"' "$W"/state/exits/*.json >/dev/null \
	|| fail "exit record: $(cat "$W"/state/exits/*.json)"
step 'its backends: what can go on is offered to it again, a connected disk is left and told of'
destroy "$D"
wait_gone "$D"
create back --type pv --running
wait_state "$D" running
PID=$(field "$D" pid)
each_backend() # COMMAND TYPE/DEVICE=STATE…
{
	local command=$1 at rest
	shift
	for at; do
		rest=${at#*/}
		$command "/local/domain/0/backend/${at%%/*}/$D/${rest%=*}/state" "${rest#*=}"
	done
}
is_value() { [[ $(xs read "$1") == "$2" ]] || fail "$1 is $(xs read "$1"), not $2"; }
each_backend 'xs write' console/1=4 console/0=1 vfb/0=4 vkbd/0=3 qdisk/51712=4 qdisk/51728=2 qdisk/51744=5 9pfs/0=4 vif/0=4 qdisk/1=x
xs write /local/domain/0/backend/vfb/4711/0/state 4
kill -KILL "$PID"
runs_anew
each_backend is_value console/1=1 console/0=1 vfb/0=1 vkbd/0=1 qdisk/51712=4 qdisk/51728=1 qdisk/51744=5 9pfs/0=4 vif/0=4 qdisk/1=x
is_value /local/domain/0/backend/vfb/4711/0/state 4
must dmctl show --json "$D"
jq -e ".warnings | length == 2 and any(contains(\"qdisk/$D/51712 was connected\")) and any(contains(\"9pfs/$D/0\"))" "$W/out" >/dev/null \
	|| fail "warnings: $(jq -c .warnings "$W/out")"
happened "$D" device-model-warning || fail "events: $(events)"
xs rm /local/domain/0/backend
step 'once more, the last one; then it is paused'
kill -KILL "$PID"
runs_anew
last_policy '.restart == 2 and .delay_ms == 200'
kill -KILL "$PID"
reached "$D" exited 'SIGKILL while its domain lives; not started again: 2 restarts in a row, none of which ran for 600 s'
last_policy '.policy == "pause" and .instead_of == "restart" and (.reason | contains("2 restarts"))'
paused "$D" || fail 'the domain is not paused'
wait_until 'its number goes from xenstore' no_pid_node
step 'a start by hand begins a new row'
must dmctl start "$D"
PID=0
runs_anew
kill -KILL "$PID"
runs_anew
last_policy '.restart == 1'
destroy "$D"
wait_gone "$D"

step 'one that ran for a while begins a new row'
config "{\"restarts_max\": 1, \"restart_delay_ms\": 100, \"restart_window_s\": 1}"
must dmctl reload
xenpv row ''
create row --type pv
wait_state "$D" running
for i in 1 2 3; do
	PID=$(field "$D" pid)
	wait_until 'a second has passed' eval '(( $(ps -o etimes= -p $PID) >= 2 ))'
	kill -KILL "$PID"
	runs_anew
	last_policy '.restart == 1'
done
destroy "$D"
conf

step 'one that does not come up again'
xenpv loop ''
create loop --type pv --running
wait_state "$D" running
PID=$(field "$D" pid)
mv "$FAKEDM" "$FAKEDM.away"
printf '#!/bin/sh\necho no longer >&2\nexit 3\n' >"$FAKEDM"
chmod +x "$FAKEDM"
kill -KILL "$PID"
reached "$D" exited 'not started again: 2 restarts in a row'
last_policy '.policy == "pause" and .instead_of == "restart"'
paused "$D" || fail 'the domain is not paused'
sequence "$D" domain-appeared device-model-starting device-model-running device-model-exited policy-applied \
	device-model-starting device-model-failed policy-applied device-model-starting device-model-exited policy-applied
wait_until 'its number goes from xenstore' no_pid_node
mv "$FAKEDM.away" "$FAKEDM"
must dmctl start "$D"
expect "$D" '.state == "running"'
destroy "$D"

step 'a stop, a start by hand, the end of the domain before it is started again'
conf 2 60000
xenpv wait ''
create wait --type pv --running
wait_state "$D" running
kill -KILL "$(field "$D" pid)"
wait_detail "$D" backing-off
expect "$D" '.state == "waiting"'
wait_until 'its number goes from xenstore' no_pid_node
must dmctl stop "$D"
reached "$D" exited '^stopped by dmctl$'
must dmctl start "$D"
kill -KILL "$(field "$D" pid)"
wait_detail "$D" backing-off
must dmctl start "$D"
expect "$D" '.state == "running"'
kill -KILL "$(field "$D" pid)"
wait_detail "$D" backing-off
destroy "$D"
wait_gone "$D"
nothing_left

step 'its toolstack ends it: no restart'
create wait --type pv --running
wait_state "$D" running
PID=$(field "$D" pid)
xs rm "/local/domain/0/device-model/$D"
kill -HUP "$PID"
wait_state "$D" stopping
! happened "$D" policy-applied || fail "events: $(events)"
destroy "$D"
wait_gone "$D"

step 'the daemon goes in the pause, in the start, and while it is away it ends'
create wait --type pv --running
wait_state "$D" running
kill -KILL "$(field "$D" pid)"
wait_detail "$D" backing-off
daemon_kill
conf 5 100
daemon_start
PID=0
runs_anew
daemon_kill
kill -KILL "$PID"
wait_until 'its end' eval '! lives $PID'
[[ -n $(pid_node) ]] || fail 'who took the number away?'
daemon_start
runs_anew
last_policy '.restart == 2'
destroy "$D"
xenpv slow slow-ready=1500
create slow --type pv --running
wait_state "$D" running
kill -KILL "$(field "$D" pid)"
wait_detail "$D" probing
daemon_kill
daemon_start
PID=0
runs_anew
kill -KILL "$PID"
runs_anew
last_policy '.restart == 2'
destroy "$D"
nothing_left

step 'not for a device model that holds state: paused instead'
must_fail 1 dmctl check /dev/stdin <<<'{"match": {"name": "a"}, "kind": "qemu", "argv": ["-machine", "xenfv"], "on_exit": "restart"}'
has "$W/out" 'on_exit: "restart" is only for device models of "-machine xenpv"'
put hvm <<<'{"match": {"name": "hvm"}, "kind": "qemu", "on_exit": "restart"}'

# handed NAME [ARGUMENT…]: a guest of libxl's whose device model is handed over and let go of
handed()
{
	local name=$1 type=$2
	shift 2
	create "$name" --as-libxl --type "$type" --running
	rm -f "$W/helper.$D"
	(
		cd "$W/etc" || exit
		HANDED=yes "$HANDOFF" -xen-domid "$D" -name "$name" "$@" -fakedm "xenstored=$W/xs,show-self" \
			</dev/null >>"$W/log/$D.log" 2>&1 7</dev/zero &
		echo $! >"$W/helper.$D"
		while [[ -e /proc/$! && $(readlink "/proc/$!/exe") != */dm-handoff ]]; do sleep 0.02; done
		xs write "/local/domain/$D/image/device-model-pid" "$(cat "$W/helper.$D")"
		wait "$!"
	) 2>/dev/null &
	MIDDLE=$!
	wait_state "$D" running
	wait_until 'it is named' pid_is_named
	PID=$(field "$D" pid)
	kill -KILL "$MIDDLE"
	wait "$MIDDLE" 2>/dev/null
	wait_until 'the helper leaves' eval '! lives "$(cat "$W/helper.$D")"'
}
handed hvm hvm
kill -KILL "$PID"
reached "$D" exited 'not started again: only a device model of machine xenpv'
last_policy '.policy == "pause" and .instead_of == "restart" and (.reason | contains("xenpv"))'
paused "$D" || fail 'the domain is not paused'
wait_until 'its number goes from xenstore' no_pid_node
must_fail 1 dmctl start "$D"
has "$W/err" 'made by libxl, which starts its device model itself'
destroy "$D"
undef hvm

step 'handed over: program, arguments, environment and directory again, its log, no other descriptor'
put pv <<<'{"match": {"name": "pv*"}, "kind": "qemu", "on_exit": "restart", "limits": {"pids_max": 77}}'
handed pv pv -machine xenpv
BEFORE=$(cmdline)
kill -KILL "$PID"
runs_anew
[[ $(cmdline | sed 's/fd=[0-9]*/fd=N/') == "${BEFORE/fd=[0-9]*,server/fd=N,server}" ]] || fail "another command line: $(cmdline), before: $BEFORE"
expect "$D" ".source == \"handoff\" and .log == \"$W/log/$D.log\""
must dmctl show --json "$D"
jq -e '.limits.pids_max == 77 and .on_exit == "restart"' "$W/out" >/dev/null || fail "show: $(cat "$W/out")"
for line in 'env yes' "cwd $W/etc" 'fd/0 /dev/null' "fd/1 $W/log/$D.log" "fd/2 $W/log/$D.log"; do
	has "$W/log/$D.log" "^$line\$"
done
hasnt "$W/log/$D.log" '/dev/zero'
daemon_kill
kill -KILL "$PID"
daemon_start
runs_anew
expect "$D" '.source == "handoff"'
step 'and by hand, after a stop, also by the next daemon'
must dmctl stop "$D"
expect "$D" '.state == "exited"'
wait_until 'its number goes from xenstore' no_pid_node
daemon_stop
daemon_start
must dmctl start "$D"
runs_anew
[[ $(cmdline) == *' -machine xenpv '* && $(cmdline) == *' -name pv '* ]] || fail "command line: $(cmdline)"
xs rm "/local/domain/0/device-model/$D"
kill -HUP "$PID"
destroy "$D"
wait_gone "$D"
step 'a descriptor that it inherited'
handed pv2 pv -machine xenpv -add-fd fd=7,set=1
kill -KILL "$PID"
reached "$D" exited 'names a descriptor that can.t be had again'
last_policy '.policy == "pause" and .instead_of == "restart"'
destroy "$D"
undef pv
nothing_left

step 'it dies while the daemon is away: the number in xenstore goes with it'
handed away pv -machine xenpv
daemon_kill
kill -KILL "$PID"
daemon_start
reached "$D" exited
wait_until 'its number goes from xenstore' no_pid_node
destroy "$D"
wait_gone "$D"
nothing_left

step 'a PV guest of libxl'\''s that needs a QEMU later'
for type in pv pvh; do
	create later --as-libxl --type $type --memory 100
	wait_state "$D" unmanaged
	must dmctl start "$D"
	PID=0
	runs_anew
	expect "$D" '.source == "start" and .kind == "qemu"'
	WANTED="$FAKEDM -xen-domid $D -no-shutdown -chardev socket,id=libxl-cmd,path=$W/run/dm/$D/libxl,server=on,wait=off -mon chardev=libxl-cmd,mode=control"
	WANTED+=" -chardev socket,id=libxenstat-cmd,path=$W/run/dm/$D/libxenstat,server=on,wait=off -mon chardev=libxenstat-cmd,mode=control"
	WANTED+=" -nodefaults -no-user-config -xen-attach -name later -vnc none -display none -nographic -machine xenpv -m 100 -chardev "
	[[ $(cmdline) == "$WANTED"* ]] || fail "command line: $(cmdline)"
	[[ -S $W/xenrun/qmp-libxl-$D && -S $W/xenrun/qmp-libxenstat-$D ]] || fail "libxl's sockets: $(ls "$W/xenrun")"
	xs ls "/local/domain/$D/hvmloader" >/dev/null 2>&1 && fail 'hvmloader for a PV guest'
	must_fail 1 dmctl start "$D"
	has "$W/err" 'its device model is running'
	daemon_kill
	daemon_start
	wait_state "$D" running
	expect "$D" ".pid == $PID and .source == \"start\""
	must dmctl stop "$D"
	wait_until 'its number goes from xenstore' no_pid_node
	must dmctl start "$D"
	runs_anew
	xs rm "/local/domain/0/device-model/$D"
	kill -HUP "$PID"
	destroy "$D"
	wait_gone "$D"
	! happened "$D" device-model-exited || fail "events: $(events)"
done
step 'with a definition that waits for a handoff, or has a command line of its own'
put later <<<'{"match": {"name": "later"}, "kind": "qemu", "on_exit": "restart", "limits": {"pids_max": 55}, "extra_args": ["-extra", "$NAME"]}'
create later --as-libxl --type pv
wait_state "$D" waiting
must dmctl start "$D"
PID=0
runs_anew
[[ $(cmdline) == *' -machine xenpv -m 64 -extra later '* ]] || fail "command line: $(cmdline)"
expect "$D" '.source == "start"'
kill -KILL "$PID"
runs_anew
[[ $(cmdline) == *' -machine xenpv -m 64 -extra later '* ]] || fail "command line: $(cmdline)"
destroy "$D"
xenpv later ''
create later --as-libxl --type pv
wait_state "$D" unmanaged
must dmctl start "$D"
must dmctl show "$D"
has "$W/out" 'is not used: libxl made this domain'
destroy "$D"
put later <<<'{"match": {"name": "later"}, "kind": "none"}'
create later --as-libxl --type pv
wait_state "$D" unmanaged
must_fail 1 dmctl start "$D"
has "$W/err" 'its kind is "none"'
destroy "$D"
undef later
step 'not for an HVM guest of libxl'\''s, and not without a definition for one that is nobody'\''s'
create later --as-libxl
wait_state "$D" unmanaged
must_fail 1 dmctl start "$D"
has "$W/err" 'made by libxl, which starts its device model itself; only a PV guest'
destroy "$D"
create later --type pv
wait_state "$D" unmanaged
must_fail 1 dmctl start "$D"
has "$W/err" "no definition matches domain $D"
destroy "$D"

step 'another toolstack'\''s backend QEMU that died is started as it was, and is ours'
create foreign --as-libxl --type pv
xs mkdir "/local/domain/0/device-model/$D" 2>/dev/null || xs write "/local/domain/0/device-model/$D/x" ''
"$FAKEDM" -xen-domid "$D" -machine xenpv -name theirs -fakedm "xenstored=$W/xs" 2>/dev/null &
PID=$!
xs write "/local/domain/$D/image/device-model-pid" "$PID"
wait_until 'it is found' is "$D" '.kind == "foreign" and .state == "running"'
must_fail 1 dmctl start "$D"
kill -KILL "$PID"
wait "$PID" 2>/dev/null
wait_state "$D" exited
must dmctl start "$D"
runs_anew
[[ $(cmdline) == "$FAKEDM -xen-domid $D -machine xenpv -name theirs "* ]] || fail "command line: $(cmdline)"
expect "$D" '.kind == "qemu" and .source == "start"'
destroy "$D"
nothing_left
world_end
