#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# vchan-socket-proxy as libxl runs it: the daemon serves a guest's QMP in its place, xenstore says what
# libxl waits for and signals later, and nothing is left when guest or stub domain goes. (Here is no
# vchan: the session never comes; tests/lab/t/stubdom-proxy.sh has one.)
. "$(dirname "$0")/lib.sh"
ln -s "$BUILD/daemon/helpers/vchan-socket-proxy" "$W/libexec/"
PROXY=$W/libexec/vchan-socket-proxy
export XENDMD_XEN_PROXY=$W/original
conf()
{
	config "{\"handoff_timeout_s\": 3, \"proxy_fallback\": \"${1:-fail}\"}"
}
conf
mkdir -p "$W/xenrun"
cat >"$XENDMD_XEN_PROXY" <<'END'
#!/bin/sh
echo "original: $*"
END
chmod +x "$XENDMD_XEN_PROXY"
world_start

# guest NAME: G, and its paused stub domain S, as libxl leaves them before it starts the proxy
guest()
{
	create "$1" --as-libxl
	G=$D
	create "$1-dm" --as-libxl
	S=$D
	xs write "/local/domain/$S/target" "$G"
	xs write "/local/domain/$G/image/device-model-domid" "$S"
	NODE=/local/domain/$S/device-model/$G/qmp-vchan
	STATE=/local/domain/0/device-model/$S/qmp-proxy-state
	SOCKET=$W/xenrun/qmp-libxl-$G
}
# proxy: libxl's intermediate process (its pid in MIDDLE), as in handoff.sh; LATE: never writes the pid
LATE=0
proxy()
{
	rm -f "$W/helper.$G" "$W/status.$G" "$W/log/$G.log"
	(
		"$PROXY" "--state-path=$STATE" "$S" "$NODE" "$SOCKET" </dev/null >>"$W/log/$G.log" 2>&1 &
		echo $! >"$W/helper.$G"
		sleep "$LATE"
		xs write "/local/domain/$S/image/qmp-proxy-pid" "$!"
		wait "$!"
		echo $? >"$W/status.$G"
	) 2>/dev/null &
	MIDDLE=$!
	wait_until 'the helper' test -s "$W/helper.$G"
	HELPER=$(cat "$W/helper.$G")
}
let_go() { kill -KILL "$MIDDLE"; wait "$MIDDLE" 2>/dev/null; }
pid_node() { xs read "/local/domain/$S/image/qmp-proxy-pid" 2>/dev/null; }
names_us() { [[ $(pid_node) == "$DPID" ]]; }
told() { [[ $(xs read "$STATE" 2>/dev/null) == running ]]; }
helper_gone() { ! lives "$HELPER"; }
listens() { awk -v path="$1" '$4 == "00010000" && $8 == path { found = 1 } END { exit !found }' /proc/net/unix; }
# A connection that was accepted has the listener's path too.
has_client() { awk -v path="$1" '$4 == "00000000" && $6 == "03" && $8 == path { found = 1 } END { exit !found }' /proc/net/unix; }
no_sockets() { [[ -z $(find "$W/xenrun" "$W/run/dm" -type s) ]]; }
ended()
{
	wait_until 'the helper ends' test -s "$W/status.$G"
	[[ $(cat "$W/status.$G") == "$1" ]] || fail "the helper's status is $(cat "$W/status.$G"), not $1: $(cat "$W/log/$G.log")"
	[[ -z ${2:-} ]] || has "$W/log/$G.log" "$2"
	wait "$MIDDLE" 2>/dev/null
}
served()
{
	wait_until 'libxl is told' told
	for socket in "$SOCKET" "$W/xenrun/qmp-libxenstat-$G" "$W/run/dm/$G/qmp"; do
		listens "$socket" || fail "nobody listens at $socket"
	done
	wait_until 'our pid in place of the helpers' names_us
}
# gone: and nothing is left of it
destroyed()
{
	xs rm "/local/domain/0/device-model/$S" 2>/dev/null
	destroy "${1:-$S}"
	wait_until 'no socket is left' no_sockets
	destroy "$([[ ${1:-$S} == "$S" ]] && echo "$G" || echo "$S")"
	wait_gone "$G"
	nothing_left
}

step 'a life'
guest life
proxy
served
lives "$HELPER" || fail 'the helper left before its parent'
must_fail 1 "$PROXY" "$S" "$NODE" "$SOCKET"
has "$W/err" "domain $G: its QMP is served already"
let_go
wait_until 'the helper leaves' helper_gone
[[ ! -e $W/status.$G ]] || fail 'it left before its parent'
names_us || fail 'the pid in xenstore'
wait_until 'it is shown' is "$G" ".kind == \"foreign\" and .stubdom.domid == $S and .qmp == \"$W/run/dm/$G/qmp\""
kill -HUP "$DPID"

step 'a clean restart'
daemon_stop
[[ -z $(pid_node) ]] || fail "xenstore names a dead process: $(pid_node)"
no_sockets || fail "sockets of a daemon that is gone"
daemon_start
wait_until 'it serves again' listens "$SOCKET"
wait_until 'our pid' names_us
wait_until 'it is shown' is "$G" ".qmp == \"$W/run/dm/$G/qmp\""

step 'killed, and back'
daemon_kill
daemon_start
wait_until 'it serves again' listens "$SOCKET"
wait_until 'our pid' names_us

step 'clients that wait, and the stub domain goes'
socat -u "UNIX-CONNECT:$SOCKET" "CREATE:$W/client" &
CLIENT=$!
wait_until 'a client' has_client "$SOCKET"
destroyed
wait "$CLIENT"

step 'the guest goes first'
guest first
proxy
served
let_go
wait_until 'the helper leaves' helper_gone
destroyed "$G"

step 'the pid is never written'
guest late
LATE=60 proxy
wait_until 'libxl is told' told
[[ -z $(pid_node) ]] || fail "a pid: $(pid_node)"
let_go
wait_until 'our pid' names_us
wait_until 'the helper leaves' helper_gone
destroyed

step 'the domains die while the daemon is away'
guest away
proxy
served
let_go
wait_until 'the helper leaves' helper_gone
daemon_kill
destroy "$S"
destroy "$G"
xs rm "/local/domain/0/device-model/$S" 2>/dev/null
daemon_start
wait_until 'no socket is left' no_sockets
nothing_left

step 'the stub domain alone dies while the daemon is away'
guest alone
proxy
served
let_go
wait_until 'the helper leaves' helper_gone
daemon_kill
destroy "$S"
daemon_start
wait_until 'no socket is left' no_sockets
[[ ! -e $W/run/dm/$G/proxy.json ]] || fail 'a record is left'
destroy "$G"
wait_gone "$G"
xs rm "/local/domain/0/device-model/$S" 2>/dev/null
nothing_left

step 'a daemon that dies while the helper is there'
guest between
proxy
served
daemon_kill
daemon_start
wait_until 'it serves again' listens "$SOCKET"
wait_until 'our pid' names_us
lives "$HELPER" || fail "the helper left before its parent: $(cat "$W/log/$G.log")"
let_go
wait_until 'the helper leaves' helper_gone
names_us || fail "the pid in xenstore: $(pid_node)"
destroyed

step 'its toolstack gives up'
guest given-up
xenstored_pid=$XSPID
kill -STOP "$xenstored_pid"
(exec "$PROXY" "--state-path=$STATE" "$S" "$NODE" "$SOCKET") >"$W/log/up" 2>&1 &
HELPER=$!
mark
sleep 0.5
kill -HUP "$HELPER"
wait "$HELPER" 2>/dev/null
kill -CONT "$xenstored_pid"
wait_said 'its toolstack gave up'
no_sockets || fail 'it is served all the same'
[[ ! -e $W/run/dm/$G ]] || fail 'its directory'
destroyed

step 'what is refused'
guest refused
other=$((G + 1000))
refuse()
{
	local text=$1
	shift
	must_fail 1 "$PROXY" "$@"
	has "$W/err" "$text"
}
refuse "is not /local/domain/$S/device-model/GUEST/qmp-vchan" "$S" /local/domain/7/other "$SOCKET"
refuse "is not /local/domain/$other/device-model" "$other" "$NODE" "$SOCKET"
refuse "there is no domain $other" "$S" "/local/domain/$S/device-model/$other/qmp-vchan" "$SOCKET"
refuse "there is no domain $other" "$other" "/local/domain/$other/device-model/$G/qmp-vchan" "$SOCKET"
refuse "domain $G is not the stub domain of domain $S" "$G" "/local/domain/$G/device-model/$S/qmp-vchan" "$SOCKET"
refuse "no domain's number" x "$NODE" "$SOCKET"
refuse "no domain's number" 99999 "$NODE" "$SOCKET"
refuse "its own stub domain" "$S" "/local/domain/$S/device-model/$S/qmp-vchan" "$SOCKET"
refuse "no absolute path" "$S" "$NODE" relative
refuse "Address already in use" "$S" "$NODE" "$W/run/control"
: >"$W/file"
refuse "File exists" "$S" "$NODE" "$W/file"
[[ -e $W/file ]] || fail 'a file was removed'
refuse "the descriptor is no unix socket that listens" "$S" "$NODE" 0
xs write "/local/domain/$S/target" "$other"
refuse "domain $S is not the stub domain of domain $G" "$S" "$NODE" "$SOCKET"
xs write "/local/domain/$S/target" "$G"
must_fail 64 "$PROXY" "$S" "$NODE"
must_fail 64 "$PROXY" --mode=neither "$S" "$NODE" "$SOCKET"
no_sockets || fail 'sockets of what was refused'

step 'a listening descriptor'
proxy_fd()
{
	python3 - "$SOCKET" "$PROXY" "$S" "$NODE" <<-'END'
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen(8)
		os.set_inheritable(s.fileno(), True)
		os.execv(sys.argv[2], sys.argv[2:] + [str(s.fileno())])
	END
}
(proxy_fd) &
MIDDLE=$!
wait_until 'it is served' listens "$W/run/dm/$G/qmp"
daemon_kill
daemon_start
wait_until 'it serves again' listens "$SOCKET"
kill -KILL "$MIDDLE"
wait "$MIDDLE" 2>/dev/null
destroyed

step 'what the original does'
for arguments in '-m server 0 /local/domain/1/x /run/qmp' '1 /local/domain/1/x -' '--mode=server 0 /x 3'; do
	must "$PROXY" $arguments
	has "$W/out" "original: $arguments"
done
guest without
daemon_stop
must_fail 1 "$PROXY" "$S" "$NODE" "$SOCKET"
has "$W/err" "xendmd can't be reached: .*; nothing serves QMP .proxy_fallback in xendmd.json.$"
conf run
must "$PROXY" -s /state "$S" "$NODE" "$SOCKET"
has "$W/out" "original: -s /state $S $NODE $SOCKET"
rm "$XENDMD_XEN_PROXY"
must_fail 1 "$PROXY" "$S" "$NODE" "$SOCKET"
has "$W/err" "Xen's own vchan-socket-proxy is neither"
daemon_start
destroy "$S"
destroy "$G"
world_end
