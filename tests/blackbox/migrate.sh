#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# dmctl migrate, balloon and query: a migration as a transaction, with every step failing.
. "$(dirname "$0")/lib.sh"

config '{"name_timeout_s": 2, "limits": {"start_timeout_s": 30}, "qmp_timeout_ms": 20000}'
mkdir "$W/answers"
world_start
FDS=$(fds)
OPTIONS=(--capability x-ignore-shared=on --capability auto-converge=off --parameter max-bandwidth=64M --parameter multifd-channels=4)

# definition NAME [ARGUMENTS]: a machine of QEMU's own
definition()
{
	put "$1" <<-END
		{ "match": { "name": "$1" }, "kind": "qemu", "binary": "$FAKEDM", "argv": [ "-name", "\$NAME", "-fakedm",
		  "xenstored=$W/xs,commands=$W/commands,answers=$W/answers,migration=$W/outcome"${2:+, $2} ] }
	END
}
outcome() { echo "$1" >"$W/outcome.new"; mv "$W/outcome.new" "$W/outcome"; }
refuse() { echo '{"error": {"class": "GenericError", "desc": "refused by the test"}}' >"$W/answers/$1"; }
commands() { jq -rR 'fromjson? | .execute' "$W/commands" | grep -v query-migrate$ | paste -sd' '; }
runs() { dmctl query "$1" status | jq -e .running >/dev/null; }
# as_before DOMAIN: capabilities and parameters, and no descriptor stays
as_before()
{
	dmctl query "$1" migrate-capabilities >"$W/caps"
	[[ $(jq -c 'map({(.capability): .state}) | add' "$W/caps") == '{"x-ignore-shared":false,"multifd":false,"auto-converge":true}' ]] \
		|| fail "capabilities: $(cat "$W/caps")"
	dmctl query "$1" migrate-parameters >"$W/params"
	jq -e '."max-bandwidth" == 134217728 and ."multifd-channels" == 2' "$W/params" >/dev/null || fail "parameters: $(cat "$W/params")"
	wait_until 'no descriptor stays' eval '(( $(fds) <= FDS + 8 ))'
	[[ -z $(ls -l "/proc/$DPID/fd" | grep "$W/vm") ]] || fail 'the daemon still has the target'
}
under_way() { is "$1" '.migration == "active"'; }
not_under_way() { is "$1" '.migration != "active"'; }

step 'queries and the balloon'
definition plain
create plain
wait_state "$D" running
PID=$(field "$D" pid)
BASE=$(fds)
FDS=$BASE
must dmctl query "$D" status
has "$W/out" '"running": *true'
must_fail 1 dmctl query "$D" quit
has "$W/err" 'no query "quit"; there are: balloon block .*version vnc'
must_fail 1 dmctl query "$D" block
has "$W/err" 'query-block has not been found'
must dmctl balloon "$D" 256
has "$W/out" 'the guest has 256 MiB'
must dmctl balloon --json "$D" 128
jq -e '.return.actual == 134217728' "$W/out" >/dev/null || fail "balloon: $(cat "$W/out")"
must_fail 2 dmctl balloon "$D" 0
echo '{"error": {"class": "DeviceNotActive", "desc": "No balloon device has been activated"}}' >"$W/answers/balloon"
must_fail 1 dmctl balloon "$D" 256
has "$W/err" 'No balloon device has been activated'
rm "$W/answers/balloon"

step 'usage'
for arguments in "$D" "--cancel $D fd:3" "--cancel --status $D" "$D tcp:x:1" "$D fd" "$D fd:3 --capability x" "$D fd:3 --parameter max-bandwidth=fast"; do
	# shellcheck disable=SC2086 # words
	must_fail 2 dmctl migrate $arguments
done
must_fail 1 dmctl migrate --cancel "$D"
has "$W/err" 'no migration is under way'
must_fail 1 dmctl migrate "$D" unix:/nowhere/s
has "$W/err" '/nowhere/s'
must_fail 3 dmctl migrate nobody "file:$W/vm"
rm -f "$W/vm"
must dmctl migrate --status "$D"
has "$W/out" '^none$'

step 'each step fails: the machine goes on, and all is as it was'
for command in query-status query-migrate query-migrate-capabilities query-migrate-parameters migrate-set-capabilities \
	migrate-set-parameters getfd migrate; do
	refuse "$command"
	must_fail 1 dmctl migrate "$D" "file:$W/vm" "${OPTIONS[@]}"
	has "$W/err" "domain $D: the migration: $command: .*refused by the test"
	rm "$W/answers/$command"
	[[ ! -e $W/vm ]] || fail "$command: a file without a state stays"
	runs "$D" || fail "$command: it does not run"
	as_before "$D"
done
step 'what QEMU does not know'
must_fail 1 dmctl migrate "$D" "file:$W/vm" --capability no-such=on
has "$W/err" 'no migration capability "no-such"'
must_fail 1 dmctl migrate "$D" "file:$W/vm" --parameter direct-io=on
has "$W/err" 'no migration parameter "direct-io"'
echo '{"return": [7]}' >"$W/answers/query-migrate-parameters"
must_fail 1 dmctl migrate "$D" "file:$W/vm" --parameter max-bandwidth=1
has "$W/err" 'query-migrate-parameters: the answer is no object'
rm "$W/answers/query-migrate-parameters"
as_before "$D"

step 'it fails half-way'
outcome active
: >"$W/commands"
dmctl migrate "$D" "file:$W/vm" "${OPTIONS[@]}" >"$W/mout" 2>"$W/merr" &
MIGRATING=$!
wait_until 'it is under way' under_way "$D"
wait_until 'its progress is told' grep -q '^active, .* KiB sent, 8 KiB left of 1024 KiB' "$W/mout"
must dmctl migrate --status "$D"
has "$W/out" '^active, '
must_fail 1 dmctl migrate "$D" "file:$W/vm2"
has "$W/err" 'a migration is under way already'
must_fail 1 dmctl save "$D" "$W/vm3"
has "$W/err" 'a migration is under way already'
dmctl query "$D" migrate-capabilities | jq -e '.[] | select(.capability == "x-ignore-shared").state' >/dev/null || fail 'the capability is not set'
outcome failed
wait "$MIGRATING" && fail 'a failed one succeeds'
has "$W/merr" 'the migration: QEMU says "failed": Unable to write: no space'
runs "$D" || fail 'it does not run'
as_before "$D"
[[ ! -e $W/vm ]] || fail 'its file stays'
dmctl show --json "$D" | jq -e '.migration.state == "failed" and (.migration.reason | contains("no space"))' >/dev/null || fail 'show'
happened "$D" device-model-migration || fail 'no event'

step 'a QEMU that leaves it stopped is told to go on'
outcome active
dmctl migrate "$D" "file:$W/vm" >"$W/mout" 2>"$W/merr" &
MIGRATING=$!
wait_until 'it is under way' under_way "$D"
outcome stuck
wait "$MIGRATING" && fail 'a failed one succeeds'
runs "$D" || fail 'it does not run'

step 'it is cancelled'
outcome active
dmctl migrate "$D" "file:$W/vm" "${OPTIONS[@]}" --json >"$W/mout" 2>"$W/merr" &
MIGRATING=$!
wait_until 'it is under way' under_way "$D"
must dmctl migrate --cancel "$D"
wait "$MIGRATING" && fail 'a cancelled one succeeds'
has "$W/merr" 'the migration: cancelled'
runs "$D" || fail 'it does not run'
as_before "$D"
jq -se '.[0].migration.status == "active"' "$W/mout" >/dev/null || fail "progress: $(cat "$W/mout")"

step 'its caller goes: it goes on, and is followed'
outcome active
"$BUILD/daemon/ctl/dmctl" migrate "$D" "file:$W/vm" "${OPTIONS[@]}" >"$W/mout" 2>"$W/merr" &
MIGRATING=$!
wait_until 'it is under way' under_way "$D"
mark
kill -KILL "$MIGRATING"
wait "$MIGRATING" 2>/dev/null
wait_said 'who asked for the migration has gone'
under_way "$D" || fail 'it is given up'
outcome failed
wait_until 'its end is noticed' not_under_way "$D"
as_before "$D"

step 'the daemon ends in the middle: the next one follows it and undoes'
outcome active
must dmctl migrate --detach "$D" "file:$W/vm" "${OPTIONS[@]}"
has "$W/out" '^setup$'
under_way "$D" || fail 'not under way'
daemon_kill
daemon_start
wait_state "$D" running
wait_said 'a migration was under way; it is followed again'
under_way "$D" || fail 'it is forgotten'
must_fail 1 dmctl migrate "$D" "file:$W/vm2"
has "$W/err" 'a migration is under way already'
outcome failed
wait_until 'its end is noticed' not_under_way "$D"
FDS=$(fds)
as_before "$D"
runs "$D" || fail 'it does not run'
[[ $(field "$D" pid) == "$PID" ]] || fail 'another process'

step 'the same with a clean stop, and a cancel by the next one'
outcome active
dmctl migrate "$D" "file:$W/vm" "${OPTIONS[@]}" >"$W/mout" 2>"$W/merr" &
MIGRATING=$!
wait_until 'it is under way' under_way "$D"
daemon_stop
wait "$MIGRATING" && fail 'it can not have succeeded'
daemon_start
wait_state "$D" running
wait_until 'it is under way' under_way "$D"
must dmctl migrate --cancel "$D"
FDS=$(fds)
as_before "$D"

step 'begun by somebody else over QMP'
outcome active
must dmctl qmp "$D" migrate '{"uri": "exec:true"}'
must_fail 1 dmctl migrate "$D" "file:$W/vm"
has "$W/err" 'another one is under way .*begun over QMP'
must dmctl qmp "$D" migrate_cancel

step 'it completes: the source is paused, and that is no failure'
outcome completed
rm -f "$W/vm"
must dmctl migrate "$D" "file:$W/vm" "${OPTIONS[@]}"
has "$W/out" '^completed, .* down for 7 ms$'
has "$W/vm" "memory of $PID"
[[ $(stat -c %a "$W/vm") == 600 ]] || fail "its mode is $(stat -c %a "$W/vm")"
as_before "$D"
expect "$D" '.state == "running" and .migration == "completed" and .reason == null'
must dmctl status
has "$W/out" 'migrated: paused \(postmigrate\)'
dmctl show --json "$D" | jq -e '.migration | .state == "completed" and .paused and .downtime_ms == 7 and .direction == "out"' >/dev/null || fail 'show'
must_fail 1 dmctl migrate --cancel "$D"
daemon_kill
daemon_start
wait_state "$D" running
expect "$D" '.migration == "completed"'
must dmctl qmp "$D" cont
wait_until 'it is no migrated one any more' is "$D" '.migration == null'
destroy "$D"
wait_gone "$D"

step 'by a pipe, a socket and a command'
create plain
wait_state "$D" running
outcome completed
must dmctl migrate "$D" fd:9 9>"$W/pipe"
has "$W/pipe" 'memory of'
socat -u "UNIX-LISTEN:$W/sock" "OPEN:$W/from-socket,creat" &
SOCAT=$!
wait_until 'socat listens' test -S "$W/sock"
must dmctl migrate "$D" "unix:$W/sock"
wait "$SOCAT"
has "$W/from-socket" 'memory of'
: >"$W/commands"
must dmctl migrate "$D" "exec:cat >$W/x"
grep -q "\"uri\": \?\"exec:cat >" "$W/commands" || fail 'the command is not told'

step 'QEMU dies in the middle'
outcome active
dmctl migrate "$D" "file:$W/vm" "${OPTIONS[@]}" >"$W/mout" 2>"$W/merr" &
MIGRATING=$!
wait_until 'it is under way' under_way "$D"
kill -KILL "$(field "$D" pid)"
wait "$MIGRATING" && fail 'by a dead one'
has "$W/merr" 'its device model ends, and the migration with it'
wait_state "$D" exited
must_fail 1 dmctl migrate "$D" "file:$W/vm"
has "$W/err" 'its device model is exited'
destroy "$D"
wait_gone "$D"

step 'its domain goes in the middle'
create plain
wait_state "$D" running
dmctl migrate "$D" "file:$W/vm" >"$W/mout" 2>"$W/merr" &
MIGRATING=$!
wait_until 'it is under way' under_way "$D"
destroy "$D"
wait "$MIGRATING" && fail 'of a domain that has gone'
wait_gone "$D"

step 'the connection breaks while it begins: what became of it is asked'
create plain
wait_state "$D" running
outcome completed
echo '"end"' >"$W/answers/migrate"
must_fail 1 dmctl migrate "$D" "file:$W/vm" "${OPTIONS[@]}"
has "$W/err" 'it was never begun'
rm "$W/answers/migrate"
wait_until 'it is connected again' runs "$D"
as_before "$D"
destroy "$D"
wait_gone "$D"

step 'incoming'
definition later '"-S", "-incoming", "defer"'
create later
wait_state "$D" running
dmctl query "$D" status | jq -e '.status == "inmigrate"' >/dev/null || fail 'not inmigrate'
echo state >"$W/image"
must_fail 1 dmctl migrate "$D" "file:$W/vm"
has "$W/err" 'it waits for an incoming one'
must_fail 1 dmctl migrate --incoming "$D" "file:$W/nothing"
refuse migrate-incoming
must_fail 1 dmctl migrate --incoming "$D" "file:$W/image" "${OPTIONS[@]}"
has "$W/err" 'the incoming migration: migrate-incoming: .*refused by the test'
rm "$W/answers/migrate-incoming"
as_before "$D"
outcome active
dmctl migrate --incoming "$D" "file:$W/image" "${OPTIONS[@]}" >"$W/mout" 2>"$W/merr" &
MIGRATING=$!
wait_until 'it comes' is "$D" '.migration == "incoming"'
must_fail 1 dmctl migrate --cancel "$D"
has "$W/err" 'QEMU can.t give up an incoming migration'
outcome completed
wait "$MIGRATING" || fail "$(cat "$W/merr")"
expect "$D" '.migration == null'
dmctl query "$D" status | jq -e '.status == "paused"' >/dev/null || fail 'not paused'
as_before "$D"
must_fail 1 dmctl migrate --incoming "$D" "file:$W/image"
has "$W/err" 'it does not wait for one'
destroy "$D"
wait_gone "$D"

step 'who has none of it'
def xen xen ''
create xen
wait_state "$D" running
must_fail 1 dmctl migrate "$D" "file:$W/vm"
has "$W/err" "the memory of a Xen machine is the hypervisor's"
destroy "$D"
wait_gone "$D"
create nobody
wait_state "$D" unmanaged
must_fail 1 dmctl migrate "$D" "file:$W/vm"
has "$W/err" 'its device model is unmanaged'
must_fail 1 dmctl balloon "$D" 5
must_fail 1 dmctl query "$D" status
destroy "$D"
world_end
