#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Files that come with a start: who gets them, what is refused, and that the daemon keeps none.
. "$(dirname "$0")/lib.sh"

config '{"name_timeout_s": 2, "starts_at_once": 1, "limits": {"start_timeout_s": 30}}'
echo one >"$W/one"
echo two >"$W/two"
world_start
FDS=$(fds)
closed() { (( $(fds) <= FDS + ${1:-0} )); }

# definition NAME SPEC: two files that are received and one that is opened, named out of order
definition()
{
	put "$1" <<-END
		{ "match": { "name": "$1" }, "kind": "qemu", "binary": "$FAKEDM",
		  "files": { "one": { "received": true }, "two": { "received": true }, "own": { "path": "$W/own", "mode": "a" } },
		  "argv": [ "-xen-domid", "\$DOMID", "-fakedm", "xenstored=$W/xs${2:+,$2}", "-add", "fd=@two", "-add", "fd=@own",
		  "-add", "fd=@one" ] }
	END
}

step 'it waits, and says for what'
definition both
create both
reached "$D" waiting 'files\.one comes with the start: dmctl start '
must dmctl status
has "$W/out" 'both .*waiting .*files\.one'

step 'what does not fit is refused by name'
must_fail 1 dmctl start "$D"
has "$W/err" 'files\.one is to come with the start'
must_fail 1 dmctl start "$D" --fd one="$W/one"
has "$W/err" 'files\.two is to come with the start'
must_fail 1 dmctl start "$D" --fd one="$W/one" --fd two="$W/two" --fd three="$W/one"
has "$W/err" '"three" came with the call, which is not in'
must_fail 1 dmctl start "$D" --fd one="$W/one" --fd two="$W/two" --fd own="$W/one"
has "$W/err" '"own" came with the call, which is not .*received'
must_fail 1 dmctl start "$D" --fd one="$W/one" --fd one="$W/two"
has "$W/err" '"one" comes twice'
must_fail 1 dmctl start "$D" --fd one="$W/nothing" --fd two="$W/two"
has "$W/err" '/nothing": No such file'
must_fail 1 dmctl start "$D" --fd one=99 --fd two="$W/two"
has "$W/err" 'descriptor 99: Bad file descriptor'
must_fail 2 dmctl start "$D" --fd one
many=()
for ((i = 0; i < 65; i++)); do many+=(--fd "f$i=$W/one"); done
must_fail 2 dmctl start "$D" "${many[@]}"
state_is "$D" waiting || fail 'not waiting any more'
wait_until 'no descriptor stays' closed

step 'by path and by number, in the numbers that the command line has'
must dmctl start "$D" --fd one="$W/one" --fd two=7 7<"$W/two"
wait_state "$D" running
PID=$(field "$D" pid)
tr '\0' ' ' <"/proc/$PID/cmdline" | grep -q -- '-add fd=3 -add fd=4 -add fd=5 .*xendmd-monitor,fd=6,' || fail 'its arguments'
[[ $(readlink "/proc/$PID/fd/3") == "$W/two" && $(readlink "/proc/$PID/fd/4") == "$W/own" &&
	$(readlink "/proc/$PID/fd/5") == "$W/one" ]] || fail "descriptors: $(ls -l "/proc/$PID/fd")"
ls -l "/proc/$DPID/fd" | grep -E "$W/(one|two)" && fail 'the daemon still has them'
must_fail 1 dmctl start "$D" --fd one="$W/one" --fd two="$W/two"
has "$W/err" 'its device model is running'

step 'after its end they are needed again'
must dmctl stop --force "$D"
wait_state "$D" exited
must_fail 1 dmctl start "$D"
has "$W/err" 'files\.one is to come'
must dmctl start "$D" --fd one="$W/one" --fd two="$W/two"
wait_state "$D" running
destroy "$D"
wait_gone "$D"

step 'a start that fails keeps none'
definition ends 'exit=3'
create ends
wait_state "$D" waiting
must_fail 1 dmctl start "$D" --fd one="$W/one" --fd two="$W/two"
has "$W/err" 'exit code 3'
wait_state "$D" failed
destroy "$D"
wait_gone "$D"

step 'nor one that is cancelled while it queues'
def slow slow slow-ready=30000
create slow
SLOW=$D
wait_state "$SLOW" starting
definition later
create later
wait_state "$D" waiting
dmctl start "$D" --fd one="$W/one" --fd two="$W/two" 2>"$W/err" &
STARTING=$!
wait_detail "$D" queued
must dmctl stop "$D"
wait "$STARTING" && fail 'started all the same'
ls -l "/proc/$DPID/fd" | grep -E "$W/(one|two)" && fail 'the daemon still has them'
destroy "$D"
destroy "$SLOW"
wait_gone "$SLOW"

step 'nor one whose domain goes'
definition going slow-ready=30000
create going
wait_state "$D" waiting
dmctl start "$D" --fd one="$W/one" --fd two="$W/two" 2>"$W/err" &
STARTING=$!
wait_state "$D" starting
destroy "$D"
wait "$STARTING" && fail 'started all the same'
wait_gone "$D"
wait_until 'all descriptors are closed' closed
world_end
