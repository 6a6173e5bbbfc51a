#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: essential timeout=500
#
# Many clients of one real QEMU's QMP at once, through the daemon: each gets its own answers, also when
# the daemon is restarted under them; a silent one gets its greeting; nothing of it is left.
. "$(dirname "$0")/lib.sh"

CLIENTS=8
COMMANDS=10

# client N: COMMANDS commands with ids of its own; its file has what came back.
client()
{
	local i

	{
		echo '{"execute": "qmp_capabilities"}'
		for (( i = 0; i < COMMANDS; i++ )); do
			echo "{\"execute\": \"query-version\", \"id\": \"client $1, command $i\"}"
		done
		sleep 5
	} | socat -t 30 - "UNIX-CONNECT:$SOCKET" >"client.$1"
}

answered()
{
	local i expected

	expected=$(for (( i = 0; i < COMMANDS; i++ )); do echo "client $1, command $i"; done)
	expect "ids of client $1" "$(jq -r 'select(.id != null and .return.qemu.major > 0) | .id' "client.$1")" \
		"$expected"
	expect "greeting of client $1" "$(jq -sr '.[0] | has("QMP")' "client.$1")" true
}

all_clients()
{
	local n jobs=()

	for (( n = 0; n < CLIENTS; n++ )); do
		client $n &
		jobs+=($!)
	done
	expect "query-status meanwhile" "$(dmctl qmp "$DOMID" query-status | jq -r .status)" running
	wait "${jobs[@]}"
	for (( n = 0; n < CLIENTS; n++ )); do
		answered $n
	done
}

snapshot before
define_qemu many
mkdom_create many
wait_state "$DOMID" running 60
PID=$(dm_field "$DOMID" pid)
SOCKET=/run/xendmd/dm/$DOMID/qmp
expect qmp "$(dm_field "$DOMID" qmp)" "$SOCKET"

all_clients
timeout 20 socat -u "UNIX-CONNECT:$SOCKET" - >silent &
wait_until 15 holds .QMP silent
dmctl qmp "$DOMID" no-such-command 2>qmp.err && fail "an unknown command succeeds"
[[ -s qmp.err ]] || fail "an unknown command fails without a word"
expect "a command with arguments" \
	"$(dmctl qmp "$DOMID" qom-get '{"path": "/machine", "property": "type"}' | jq -r '.[0:6]')" xenfv-
qmp "/run/xendmd/dm/$DOMID/own-qmp" '{"execute": "query-status"}' | holds .return \
	|| fail "the definition's own monitor does not answer"

systemctl kill --signal=KILL xendmd
wait_state "$DOMID" running 60
expect "pid" "$(dm_field "$DOMID" pid)" "$PID"
all_clients

mkdom_destroy "$DOMID"
wait_until 30 status_empty
undefine many
wait # for the silent one
snapshot_same before 30
