#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# /etc/xendmd/qmp-policy.json: read at the start and by dmctl reload, in force at once and also for
# those who are connected; a wrong one changes nothing.
. "$(dirname "$0")/lib.sh"
CLIENT=$(dirname "$0")/qmp-client.py
POLICY=$W/etc/qmp-policy.json
config '{"name_timeout_s": 2}'
mkdir -p "$W/xenrun"
world_start
libxl() { echo "$W/xenrun/qmp-$1-$D"; }
put web <<<"{\"match\": {\"name\": \"web\"}, \"binary\": \"$FAKEDM\", \"extra_args\": [\"-fakedm\", \"xenstored=$W/xs,commands=$W/commands\"],
	\"libxl\": {\"c_info\": {\"type\": \"hvm\", \"name\": \"web\"}, \"b_info\": {\"device_model_version\": \"qemu_xen\", \"type.hvm\": {}}}}"
create web
wait_state "$D" running
wait_until 'its QMP' is "$D" '.qmp != null'

step 'without the file'
must dmctl qmp "$D" stop
must dmctl qmp "$D" cont
"$CLIENT" "$(libxl libxenstat)" >"$W/stats" 2>&1 <<END &
	like .*
	send {"execute":"qmp_capabilities"}
	want {"return": {}}
	send {"execute":"query-status","id":1}
	want {"id": 1, "error": {"class": "GenericError", "desc": "xendmd: query-status is not allowed to clients of class stats"}}
	file $W/refused
	until $W/reloaded
	send {"execute":"query-status","id":2}
	want {"return": {"status": "running", "singlestep": false, "running": true}, "id": 2}
	send {"execute":"query-block","id":3}
	want {"id": 3, "error": {"class": "GenericError", "desc": "xendmd: query-block is not allowed to clients of class stats"}}
END
STATS=$!
wait_until 'it is refused' test -e "$W/refused"

step 'with it'
cat >"$POLICY" <<-'END'
	{
	  "stats": { "add": [ "query-status" ], "remove": [ "query-block" ] },
	  "admin": { "remove": [ "stop", "quit" ] }
	}
END
must dmctl check "$POLICY"
must dmctl reload
touch "$W/reloaded"
wait "$STATS" || fail "a client of class stats: $(cat "$W/stats")"
must_fail 1 dmctl qmp "$D" stop
has "$W/err" 'xendmd: stop is not allowed to clients of class admin'
must dmctl qmp "$D" cont

step 'a wrong one is told, with line and key, and the old one holds'
printf '{\n "admin": {\n  "remove": [ "stop", 7 ] } }' >"$POLICY"
must_fail 1 dmctl check "$POLICY"
has "$W/out" 'qmp-policy.json:3: admin.remove\[1\]: '
cp "$POLICY" "$W/other.json"
must_fail 1 dmctl check "$W/other.json"
has "$W/out" 'other.json:3: admin.remove\[1\]: '
echo '{"monitor": {"add": ["human-monitor-command"]}}' >"$W/other.json"
must_fail 1 dmctl check "$W/other.json"
has "$W/out" 'monitor.add\[0\]: is every command at once'
must dmctl reload
has "$W/err" 'qmp-policy.json:3: admin.remove\[1\]: '
must_fail 1 dmctl qmp "$D" stop
must_fail 1 "$DAEMON" --check-config
has "$W/err" 'qmp-policy.json:3: admin.remove\[1\]: '
daemon_stop
must_fail 1 timeout 20 "$DAEMON"
has "$W/err" 'qmp-policy.json:3: admin.remove\[1\]: '

step 'in force from the start; the daemon itself is not bound by it'
echo '{"admin": {"remove": ["quit", "query-status", "query-chardev"]}}' >"$POLICY"
must "$DAEMON" --check-config
daemon_start
wait_state "$D" running
wait_until 'its session' eval 'dmctl qmp "$D" cont >/dev/null 2>&1'
must_fail 1 dmctl qmp "$D" quit
has "$W/err" 'not allowed to clients of class admin'
must dmctl stop --force "$D"
has "$W/commands" '"quit"'
wait_state "$D" exited
must dmctl start "$D" # asks query-status until it fits
wait_state "$D" running

step 'and without it again'
rm "$POLICY"
must dmctl reload
must dmctl qmp "$D" query-status
world_end
