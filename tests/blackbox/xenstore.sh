#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# A xenstored that is away, hangs, or refuses: nothing is cleaned up because of it, death is still
# found, and all goes on when it is back. Transactions: EAGAIN, ENOSPC, EQUOTA; none stays open.
. "$(dirname "$0")/lib.sh"
config '{"xenstore_timeout_ms": 1000}'

step 'dead when the daemon starts'
daemon_start
must dmctl status
def web1 web1 ''
def web2 web2 ''
def web3 web3 '' '{"on_exit": "none"}'
xenstored_start
wait_said 'xenstore: connected'
create web1 && D1=$D
create web2 && D2=$D
create web3 && D3=$D
for d in $D1 $D2 $D3; do wait_state "$d" running; done
P1=$(field "$D1" pid) P2=$(field "$D2" pid) P3=$(field "$D3" pid)

step 'killed: status and death detection go on'
mark
xenstored_kill
wait_said 'xenstore: connection lost'
expect "$D1" ".state == \"running\" and .pid == $P1"
kill -KILL "$P3"
reached "$D3" exited SIGKILL
sleep 2 # longer than the deadline of a request
expect "$D1" ".state == \"running\" and .pid == $P1"
expect "$D2" ".state == \"running\" and .pid == $P2"
kill -0 "$P1" "$P2" || fail 'a device model was killed'
[[ -e $W/run/dm/$D1/record.json ]] || fail 'a record was removed'

step 'back again, and empty'
mark
xenstored_start
wait_said 'xenstore: connected'
create web1 && D4=$D
wait_state "$D4" running
expect "$D1" ".state == \"running\" and .pid == $P1"
hv gone "$D2"
wait_gone "$D2"
[[ ! -e /proc/$P2 ]] || fail 'outlived its domain'
hv gone "$D3"
hv gone "$D4"
wait_gone "$D4"
[[ $(ls "$W/run/dm") == "$D1" ]] || fail "run directories: $(ls "$W/run/dm")"
hv gone "$D1"
wait_gone "$D1"
nothing_left
xenstored_stop
xenstored_start

step 'stopped for 15 s'
def other other ''
create web1 && D1=$D
create web2 && D2=$D
create web3 && D3=$D
for d in $D1 $D2 $D3; do wait_state "$d" running; done
P1=$(field "$D1" pid) P2=$(field "$D2" pid) P3=$(field "$D3" pid)
kill -STOP "$XSPID"
STOPPED=$SECONDS
kill -KILL "$P3"
reached "$D3" exited SIGKILL
hv gone "$D2" # its nodes stay, and nobody fires a watch
kill -HUP "$DPID"
wait_until 'the device model ends' eval '[[ ! -e /proc/$P2 ]]'
while (( SECONDS < STOPPED + 15 )); do
	must timeout 10 "$BUILD/daemon/ctl/dmctl" status
	expect "$D1" ".state == \"running\" and .pid == $P1"
	sleep 1
done
[[ -e $W/run/dm/$D2/record.json ]] || fail 'the record went before the nodes'
kill -CONT "$XSPID"
wait_until 'the run directory goes' eval '[[ ! -e $W/run/dm/$D2 ]]'
[[ -z $(xs read "/local/domain/0/xendmd/$D2/state") ]] || fail 'a node is left'
wait_until 'the state is told' eval '[[ $(xs read /local/domain/0/xendmd/$D3/state) == exited ]]'
create other
wait_state "$D" running
expect "$D1" ".state == \"running\" and .pid == $P1"
step 'stopped when the daemon ends'
kill -STOP "$XSPID"
daemon_stop
kill -CONT "$XSPID"
kill -0 "$P1" || fail 'the device model ended with the daemon'
daemon_start
wait_state "$D1" running
expect "$D1" ".pid == $P1"
hv destroy all
nothing_left

step 'EAGAIN twice'
xs write /fakexs/eagain 2
create web1
wait_state "$D" running
destroy "$D"
nothing_left
step 'EAGAIN for ever'
xs write /fakexs/eagain -1
create web1
reached "$D" failed 'xenstore, before the start: Resource temporarily unavailable'
[[ $(xs read /fakexs/transactions) == 0 ]] || fail 'a transaction is open'
xs write /fakexs/eagain 0
must dmctl start "$D"
destroy "$D"
nothing_left
for case in 'ENOSPC No space left on device' 'EDQUOT Disk quota exceeded' 'EACCES Permission denied'; do
	word=${case%% *}
	[[ $word != EDQUOT ]] || word=EQUOTA
	step "$word"
	create web1 --no-introduce
	xs write /fakexs/error "$word -1"
	hv set next-domid "$((D + 1))"
	kill -HUP "$DPID"
	reached "$D" failed "xenstore, before the start: ${case#* }"
	[[ $(xs read /fakexs/transactions) == 0 ]] || fail 'a transaction is open'
	expect "$D" '.pid == null'
	xs write /fakexs/error "$word 0"
	must dmctl start "$D"
	expect "$D" '.state == "running"'
	destroy "$D"
	nothing_left
done

step 'an error while cleaning up: it is tried again'
create web1
wait_state "$D" running
mark
hv dying "$D"
wait_until 'cleaned' eval '! xs ls /local/domain/0/device-model/$D >/dev/null'
hv gone "$D"
create web1
wait_state "$D" running
xs write /fakexs/stall 1
hv gone "$D"
wait_until 'cleaning' eval '[[ -z $(processes "/libexec/") ]]'
sleep 2
[[ -e $W/run/dm/$D ]] || fail 'the record went before the nodes'
xs write /fakexs/stall 0
nothing_left
step 'connections that break'
for i in 1 2 3; do
	create web1
	xs write /fakexs/drop 1
	wait_until 'reconnected' eval '(( $(xs read /fakexs/watches) >= 3 ))'
	wait_until 'a device model' eval '[[ $(field $D state) == @(running|failed) ]]'
	[[ $(field "$D" state) == running ]] || must dmctl start "$D"
	destroy "$D"
done
world_end
