#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# dmctl save, and a device model that begins with what was saved; files that a definition opens.
. "$(dirname "$0")/lib.sh"

config '{"name_timeout_s": 2, "limits": {"start_timeout_s": 20}}'
mkdir "$W/answers"
world_start
FDS=$(fds)

# definition NAME MEMBERS [ARGUMENTS]
definition()
{
	put "$1" <<-END
		{ "match": { "name": "$1" }, "kind": "qemu", "binary": "$FAKEDM", $2
		  "argv": [ "-xen-domid", "\$DOMID", "-fakedm", "xenstored=$W/xs,commands=$W/commands,answers=$W/answers"${3:+, $3} ] }
	END
}

step 'a state is saved, and the machine goes on'
definition saved ''
create saved
wait_state "$D" running
PID=$(field "$D" pid)
: >"$W/commands"
dmctl save "$D" "$W/vm.state" || fail 'dmctl save'
has "$W/vm.state" "state of $PID, paused"
[[ $(stat -c %a "$W/vm.state") == 600 ]] || fail "its mode is $(stat -c %a "$W/vm.state")"
expected='query-status stop add-fd xen-save-devices-state cont remove-fd'
[[ $(jq -rR 'fromjson? | .execute' "$W/commands" | paste -sd' ') == "$expected" ]] \
	|| fail "commands: $(cat "$W/commands")"
dmctl qmp "$D" query-status | jq -e '.running' >/dev/null || fail 'it does not run on'

step 'what fails is told, and nothing stays behind'
echo '{"error": {"class": "GenericError", "desc": "no space left"}}' >"$W/answers/xen-save-devices-state"
dmctl save "$D" "$W/other" 2>"$W/err" && fail 'saved all the same'
has "$W/err" 'xen-save-devices-state: .*no space left'
[[ ! -e $W/other ]] || fail 'a file without a state stays'
dmctl qmp "$D" query-status | jq -e '.running' >/dev/null || fail 'it stays stopped'
rm "$W/answers/xen-save-devices-state"
dmctl save "$D" /nowhere/state 2>"$W/err" && fail 'saved to nowhere'
has "$W/err" '"/nowhere/state": No such file'
dmctl save nobody "$W/other" 2>/dev/null
(( $? == 3 )) || fail 'nobody: not status 3'

step 'it ends in the middle'
: >"$W/commands"
mkfifo "$W/answers/xen-save-devices-state" # it waits for an answer there
dmctl save "$D" "$W/other" 2>"$W/err" &
SAVING=$!
wait_until 'the save is under way' grep -q xen-save-devices-state "$W/commands"
dmctl save "$D" "$W/third" 2>"$W/err2" && fail 'two at once'
has "$W/err2" 'being saved already'
kill -KILL "$PID"
wait "$SAVING" && fail 'saved by a dead one'
has "$W/err" 'its device model ends'
rm "$W/answers/xen-save-devices-state"
wait_state "$D" exited
destroy "$D"
wait_gone "$D"

step 'a device model begins with a saved state'
definition restored "\"restore_from\": \"$W/vm.state\"," '"-incoming", "$STUBDOM_RESTORE_INCOMING_ARG"'
create restored
wait_state "$D" running
PID=$(field "$D" pid)
[[ $(readlink "/proc/$PID/fd/3") == "$W/vm.state" ]] || fail "descriptor 3: $(ls -l "/proc/$PID/fd")"
tr '\0' ' ' <"/proc/$PID/cmdline" | grep -q -- '-incoming fd:3 .*xendmd-monitor,fd=4,' || fail 'its arguments'
destroy "$D"
wait_gone "$D"

step 'a QEMU that wants it otherwise is asked for its version, once; one where it makes no difference is not'
cp "$FAKEDM" "$W/newdm"
echo '10.0.2 (Debian)' >"$W/newdm.version"
# typed NAME MEMBERS
typed()
{
	put "$1" <<-END
		{ "match": { "name": "$1" }, "kind": "qemu", "binary": "$W/newdm", $2
		  "qemu": { "machine": { "type": "xenfv" } }, "extra_args": [ "-fakedm", "xenstored=$W/xs" ] }
	END
}
typed plain ''
typed from-state "\"restore_from\": \"$W/vm.state\","
for name in plain from-state from-state; do
	create "$name"
	wait_state "$D" running
	tr '\0' ' ' <"/proc/$(field "$D" pid)/cmdline" >"$W/cmdline"
	if [[ $name == plain ]]; then
		[[ ! -e $W/newdm.asked-version ]] || fail 'asked for nothing'
	else
		has "$W/cmdline" ' -add-fd fd=3,set=3 -incoming file:/dev/fdset/3 '
		[[ $(wc -l <"$W/newdm.asked-version") == 1 ]] || fail "asked: $(cat "$W/newdm.asked-version")"
	fi
	destroy "$D"
	wait_gone "$D"
done
must dmctl render "$W/etc/domains.d/from-state.json"
has "$W/out" '^file:/dev/fdset/3$'
must dmctl render --qemu-version 7.2 "$W/etc/domains.d/from-state.json"
has "$W/out" '^fd:3$'
echo 'of another kind' >"$W/newdm.version"
touch "$W/newdm"
mark
create from-state
wait_state "$D" running
warned 'version is not known: .*names no version'
has_old=$(tr '\0' ' ' <"/proc/$(field "$D" pid)/cmdline")
[[ $has_old == *' -incoming fd:3 '* ]] || fail "its arguments: $has_old"
destroy "$D"
wait_gone "$D"

step 'files: opened in the order of their names on the command line'
definition files "\"files\": { \"b\": { \"path\": \"$W/b\", \"mode\": \"a\" }, \"s\": { \"listen\": \"unix:$W/s\" } }," \
	'"-add", "fd=@s", "-add", "fd=@b"'
create files
wait_state "$D" running
PID=$(field "$D" pid)
tr '\0' ' ' <"/proc/$PID/cmdline" | grep -q -- '-add fd=3 -add fd=4 ' || fail 'its arguments'
[[ $(readlink "/proc/$PID/fd/4") == "$W/b" && $(readlink "/proc/$PID/fd/3") == socket:* ]] \
	|| fail "descriptors: $(ls -l "/proc/$PID/fd")"
destroy "$D"
wait_gone "$D"

step 'what can not be opened fails the start, with its name'
definition missing "\"restore_from\": \"$W/no-state\"," '"-incoming", "$STUBDOM_RESTORE_INCOMING_ARG"'
create missing
wait_state "$D" failed
expect "$D" '.reason | contains("open \"'"$W"'/no-state\": No such file or directory")'
destroy "$D"
wait_gone "$D"
wait_until 'all descriptors are closed' eval '(( $(fds) <= FDS ))'
world_end
