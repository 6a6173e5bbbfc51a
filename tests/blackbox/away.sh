#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# What happens to domains while no daemon runs, or the hypervisor does not answer one that starts; a
# second daemon.
. "$(dirname "$0")/lib.sh"
world_start
def web1 web1 ''

runs() { create "$@"; wait_state "$D" running; PID=$(field "$D" pid); }
ended() { [[ ! -e /proc/$1 ]]; }

step 'a second daemon touches nothing of the first'
runs web1
must_fail 1 "$DAEMON"
has "$W/err" 'another daemon serves'
expect "$D" ".state == \"running\" and .pid == $PID"
[[ -e $W/run/dm/$D/record.json && -S $W/run/control ]] || fail 'the second daemon cleaned up'

step 'a domain that began to die meanwhile: its device model lets go of it'
daemon_kill
hv dying "$D"
daemon_start
wait_until 'the device model ends' ended "$PID"
sequence "$D" domain-appeared device-model-adopted device-model-stopped
hv gone "$D"
wait_gone "$D"
nothing_left

step 'a hypervisor that does not answer calls no domain gone'
runs web1
daemon_kill
hv set list-error 12
mark
daemon_start
wait_said "can't read the hypervisor's domain list"
hv set list-error 0
wait_state "$D" running
expect "$D" ".pid == $PID"

step 'a domain that goes before the daemon ever saw it'
daemon_kill
hv set list-error 12
mark
daemon_start
wait_said "can't read the hypervisor's domain list"
destroy "$D"
hv set list-error 0
nothing_left

step 'a domain that migrated in gets its name'
runs web1--incoming
xs write "/local/domain/$D/name" web1
wait_until 'the new name' is "$D" '.name == "web1"'
daemon_kill
daemon_start
wait_state "$D" running
expect web1 ".pid == $PID"

step 'a status that is no word is no answer, and no end of the daemon'
def rogue rogue status=null '{"limits": {"start_timeout_s": 2}}'
create rogue
reached "$D" failed 'query-status has no status'
world_end
