#!/bin/sh
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# dmctl against the real control module over canned data (tests/fake/fakecontrol.c): what it prints
# and its exit status. test_dmctl.sh DMCTL FAKECONTROL
set -u
dmctl=$1 fakecontrol=$2
dir=$(mktemp -d /tmp/test_dmctl.XXXXXX)
server='' follower=''
cleanup() {
	for pid in $server $follower; do
		kill "$pid" 2>/dev/null
	done
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
failed=0
socket=$dir/control
unset XENDMD_RUNDIR NO_COLOR
export XENDMD_CONFDIR="$dir/etc"
mkdir "$dir/etc"

bad() {
	printf 'FAILED: %s\n' "$1"
	sed 's/^/  out: /' "$dir/out"
	sed 's/^/  err: /' "$dir/err"
	failed=1
}
# expect STATUS VERB...: runs dmctl, keeps its output in $dir/out and $dir/err
expect() {
	want=$1
	shift
	"$dmctl" --socket "$socket" "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	[ "$status" = "$want" ] || bad "dmctl $* exits $status, not $want"
	if [ "$want" = 0 ]; then
		[ ! -s "$dir/err" ] || bad "dmctl $* complains"
	else
		[ -s "$dir/err" ] || [ -s "$dir/out" ] || bad "dmctl $* says nothing"
	fi
}
# has WHERE TEXT: a line of the output contains TEXT
has() {
	grep -qF -- "$2" "$dir/$1" || bad "no \"$2\" in $1"
}
hasnt() {
	! grep -qF -- "$2" "$dir/$1" || bad "\"$2\" in $1"
}
# until_has FILE TEXT: within 20 s
until_has() {
	i=0
	while ! grep -qF -- "$2" "$1"; do
		i=$((i + 1))
		[ $i -lt 200 ] || {
			printf 'FAILED: "%s" never came in:\n' "$2"
			cat "$1"
			failed=1
			return
		}
		sleep 0.1
	done
}

# Without a daemon.
expect 4 status
has err "$socket"
expect 4 version
has out 'dmctl 0'
expect 2
expect 2 frobnicate
expect 2 status a b
expect 2 status --follow
expect 2 show
expect 2 logs 3 --lines x
expect 2 logs 3 --lines -1
expect 2 logs 3 --lines
expect 2 events --since 1x
expect 2 render --domid 40000 x
expect 2 check
expect 2 qmp 3
expect 2 qmp 3 query-status "[]"
expect 2 verify 3
expect 2 metrics
expect 0 --help
has out 'status [DOMAIN]'
expect 0 stop --help
has out '[--force]'
: >"$dir/notasocket"
"$dmctl" --socket "$dir/notasocket" status 2>/dev/null
[ $? = 4 ] || bad 'a file is not a daemon'

i=0
while [ $i -lt 2000 ]; do
	i=$((i + 1))
	echo "log line $i"
done >"$dir/log"
: >"$dir/server"
"$fakecontrol" "$socket" "$dir" "$dir/log" 2 >"$dir/server" 2>&1 &
server=$!
until_has "$dir/server" ready

expect 0 status
has out 'DOMID  NAME'
has out '3      web1'
has out 'running'
has out 'signal SIGKILL'
has out 'dätenbank\x1b[31m'
hasnt out "$(printf '\033')"
# Columns line up by characters, not by bytes.
has out '3      web1               qemu  running'
has out '4      dätenbank\x1b[31m  qemu  exited'
expect 0 status web1
has out web1
hasnt out SIGKILL
expect 0 status --json
has out '"domid": 3'
expect 3 status nobody
has err 'no domain "nobody"'
expect 3 show nobody
expect 3 logs nobody
expect 3 start nobody
expect 3 stop nobody
expect 0 show 3
has out 'state: running'
has out '  -xen-domid'
has out '  last line'
expect 0 show 3 --json
has out '"argv"'
expect 0 events
has out '1 2'
has out 'domain-appeared d3 web1'
has out 'device-model-starting'
expect 0 events --since 1 --json
[ "$(wc -l <"$dir/out")" = 1 ] || bad 'one event a line'
has out '"seq":2'
expect 0 logs 3
[ "$(wc -l <"$dir/out")" = 1000 ] || bad '1000 lines by default'
expect 0 logs 3 --lines 2
printf 'log line 1999\nlog line 2000\n' | cmp -s - "$dir/out" || bad 'the last two lines'
expect 1 logs 4
has err 'no log'
expect 1 start 3
has err 'has a device model'
expect 0 start 4
printf '{"argv": []}' >"$dir/definition"
expect 0 start 4 --definition "$dir/definition"
printf '{}' >"$dir/definition"
expect 1 start 4 --definition "$dir/definition"
expect 1 start 4 --definition "$dir/none"
has err "$dir/none"
expect 1 stop 3
expect 0 stop 3 --force
expect 1 stop 4
expect 1 restart 3
expect 0 qmp 3 query-status '{"a": 1}'
has out '"a": 1'
expect 1 qmp 3 nothing
has err 'QMP: no nothing'
"$dmctl" --socket "$socket" reload >"$dir/out" 2>"$dir/err" || bad reload
has out '2 definitions'
has err '/x:1: unknown key'
expect 0 version
has out 'xendmd 0'
expect 0 version --json
has out '"xendmd"'

# Streams.
: >"$dir/follow" # now: the shell in the background may be late
"$dmctl" --socket "$socket" events --follow --json >"$dir/follow" 2>&1 &
follower=$!
until_has "$dir/follow" device-model-starting
kill -USR1 $server
until_has "$dir/follow" device-model-running
kill $follower
: >"$dir/follow" # now: the shell in the background may be late
"$dmctl" --socket "$socket" status --watch >"$dir/follow" 2>&1 &
follower=$!
until_has "$dir/follow" web1
kill -USR1 $server
i=0
while [ "$(grep -c DOMID "$dir/follow")" -lt 2 ] && [ $i -lt 200 ]; do
	i=$((i + 1))
	sleep 0.1
done
[ "$(grep -c DOMID "$dir/follow")" = 2 ] || {
	bad 'status --watch tells a change'
	cat "$dir/follow" "$dir/server"
}
kill $follower
: >"$dir/follow" # now: the shell in the background may be late
"$dmctl" --socket "$socket" logs 3 --follow --lines 1 >"$dir/follow" 2>&1 &
follower=$!
until_has "$dir/follow" 'log line 2000'
echo 'a new line' >>"$dir/log"
until_has "$dir/follow" 'a new line'
# Two clients is the server's limit here: the third hears why it is refused.
: >"$dir/second" # now: the shell in the background may be late
"$dmctl" --socket "$socket" events --follow >"$dir/second" 2>&1 &
second=$!
until_has "$dir/second" device-model-running
expect 1 status
has err 'too many clients'
kill $second $follower
wait $second $follower 2>/dev/null
follower=''

# A daemon that stops while it is asked.
kill $server
wait $server
[ ! -e "$socket" ] || bad 'the socket is left'
server=''
expect 4 status

# render and check know no daemon.
cat >"$dir/ok.json" <<'JSON'
{
  "match": { "name": "web1" },
  "kind": "qemu",
  "binary": "/nonexistent/qemu",
  "argv": [ "-xen-domid", "$DOMID", "-name", "$NAME", "-uuid", "$UUID", "two words" ],
  "env": { "HOME": "/x/$DOMID" }
}
JSON
expect 0 render --domid 7 "$dir/ok.json"
printf '/nonexistent/qemu\n-xen-domid\n7\n-name\nweb1\n-uuid\n%s\ntwo words\n' \
	00000000-0000-0000-0000-000000000000 | cmp -s - "$dir/out" || bad 'render'
expect 0 render --json "$dir/ok.json"
has out '"argv0": "/nonexistent/qemu"'
has out '"HOME": "/x/1"'
printf '{"match":{"name":"a"},"kind":"none"}' >"$dir/none.json"
expect 0 render --json "$dir/none.json"
has out '"argv": null'
expect 1 render --as-libxl "$dir/ok.json"
has err 'libxl: is missing'
printf '{"libxl":{}}' >"$dir/libxl.json"
expect 1 render "$dir/libxl.json"
has err 'libxl.c_info: is missing'
printf '{"c_info":{"type":"hvm","name":"a,b"},"b_info":{"device_model":"/nonexistent/q"}}' >"$dir/bare.json"
expect 0 render --as-libxl --domid 9 "$dir/bare.json"
head -n 3 "$dir/out" | tr '\n' ' ' | grep -q '^/nonexistent/q -xen-domid 9 $' || bad 'render as libxl'
has out 'a,b'
expect 0 render "$dir/bare.json"
has out 'a,,b'
printf '{"libxl":' | cat - "$dir/bare.json" >"$dir/libxl.json" && echo '}' >>"$dir/libxl.json"
expect 0 render --as-libxl "$dir/libxl.json"
has out 'a,b'
printf '{"config":{"c_info":{"type":"pv"},"b_info":{}},"domid":4}' >"$dir/pv.json"
expect 0 render --json "$dir/pv.json"
has out '"argv": null'
printf '{"c_info":{"type":"hvm"},"b_info":{"device_model_stubdomain":"True","device_model_version":"qemu_xen"}}' \
	>"$dir/stub.json"
expect 0 render --json --domid 3 --stubdom-id 4 "$dir/stub.json"
has out '"argv": null'
has out '"dm_argv"'
expect 0 render "$dir/stub.json"
has out '-xen-domid'
printf '{"libxl":%s,"extra_args":["-x","$STUBDOM_ID","$STUBDOM_RESTORE_INCOMING_ARG"],"restore_from":"/s"}' \
	"$(cat "$dir/stub.json")" >"$dir/stubdef.json"
expect 0 render --domid 3 --stubdom-id 4711 "$dir/stubdef.json"
tail -n 3 "$dir/out" | tr '\n' ' ' | grep -qxF -e '-x 4711 $STUBDOM_RESTORE_INCOMING_ARG ' || bad 'placeholders of a stub domain'
[ "$(grep -A1 -xF -e '-incoming' "$dir/out" | tail -n 1)" = '$STUBDOM_RESTORE_INCOMING_ARG' ] || bad 'incoming of a stub domain'
printf '{"c_info":{"type":"hvm"},"b_info":{"type.hvm":{"vnc":{"passwd":"geheim"}}}}' >"$dir/secret.json"
expect 0 render --json "$dir/secret.json"
has out 'change-vnc-password'
hasnt out 'geheim'
printf '{"c_info":{"type":"hvm"' >"$dir/cut.json"
expect 1 render "$dir/cut.json"
printf '{"apiVersion":"v1","kind":"Pod"}' >"$dir/other.json"
expect 1 render "$dir/other.json"
head -c 10485760 /dev/zero | tr '\0' ' ' >"$dir/big.json"
expect 1 render "$dir/big.json"
head -c 100000 /dev/zero | tr '\0' '[' >"$dir/deep.json"
expect 1 render "$dir/deep.json"
expect 1 render "$dir/nothing.json"
expect 0 check "$dir/ok.json"
has out 'note:'
expect 0 check "$dir/none.json"
printf '{\n  "match": { "name": "a" },\n  "kind": "qemu",\n  "argv": [],\n  "kindd": 1\n}\n' >"$dir/bad.json"
expect 1 check "$dir/ok.json" "$dir/bad.json" "$dir/none.json"
has out "$dir/bad.json:5: kindd:"
printf '{\n  "starts_at_once": "x"\n}\n' >"$dir/conf.json"
expect 1 check "$dir/conf.json"
has out "$dir/conf.json:2: starts_at_once:"
printf '{}' >"$dir/xendmd.json"
expect 0 check "$dir/xendmd.json"
expect 0 check --json "$dir/ok.json"
has out '"note"'
printf '{"match":{"name":"a"},"match":{"name":"b"}}' >"$dir/twice.json"
expect 1 check "$dir/twice.json"
printf '\377' >"$dir/utf8.json"
expect 1 check "$dir/utf8.json"
expect 1 check "$dir"
head -c 1100000 /dev/zero >"$dir/huge.json"
expect 1 check "$dir/huge.json"
"$dmctl" --socket "$socket" render "$dir/ok.json" >/dev/full 2>"$dir/err"
[ $? = 1 ] || bad 'a full disk is an error'

exit $failed
