#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# The sockets at which libxl, libxenstat and xenopsd look for QEMU: what they need byte for byte, and
# who owns them when the daemon is there, is stopped, is killed, and comes back.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/toolstack.sh"
CLIENT=$(dirname "$0")/qmp-client.py
config "{\"default_binary\": \"$FAKEDM\", \"name_timeout_s\": 2, \"limits\": {\"start_timeout_s\": 20}}"
mkdir -p "$W/xenrun" "$W/answers"
world_start
FDS=$(fds)
GREETING='{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "xendmd"}, "capabilities": []}}'
QEMUS='{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "fakedm"}, "capabilities": ["oob"]}}'

LIBXL() { echo "$W/xenrun/qmp-libxl-$D"; }
STAT() { echo "$W/xenrun/qmp-libxenstat-$D"; }
listening() { grep -q "^[^ ]* [^ ]* [^ ]* 00010000 .* $1\$" /proc/net/unix; }
# says SOCKET <SCRIPT: all of it comes about
says() { must timeout 60 "$CLIENT" "$1"; }
# a_client SOCKET GREETING: one who asks for the status
a_client()
{
	says "$1" <<-END
		want $2
		send {"execute":"qmp_capabilities","id":2020372736}\r\n
		want {"return": {}, "id": 2020372736}
		send {"execute":"query-status","id":2020372737}\r\n
		like {"return": {"status": "(running|prelaunch)".*"id": 2020372737}
	END
}
ours()
{
	a_client "$(LIBXL)" "$GREETING"
	[[ ! -S $(STAT) ]] || says "$(STAT)" <<<"want $GREETING"
}
# of the real owner, which writes its JSON without blanks
qemus()
{
	local socket
	for socket in "$(LIBXL)" "$(STAT)"; do
		[[ -S $socket ]] || continue
		says "$socket" <<-END
			want $QEMUS
			send {"execute":"qmp_capabilities","id":1}\n
			want {"return":{},"id":1}
		END
	done
}
refused()
{
	must_fail 1 "$CLIENT" "$(LIBXL)" </dev/null
	has "$W/err" 'Connection refused'
}
# A command line as libxl's; the spec of the fake.
as_libxl()
{
	hand "answers=$W/answers,commands=$W/commands${1:+,$1}" \
		-chardev "socket,id=libxl-cmd,path=$(LIBXL),server=on,wait=off" -no-shutdown -mon chardev=libxl-cmd,mode=control \
		-chardev "socket,id=libxenstat-cmd,path=$(STAT),server=on,wait=off" -mon chardev=libxenstat-cmd,mode=control
}
runs()
{
	wait_state "$D" running
	wait_until "QEMU's pid" pid_is_qemus
	let_go
	wait_until 'the helper leaves' helper_gone
	PID=$(field "$D" pid)
}
argument() { tr '\0' '\n' <"/proc/$PID/cmdline" | grep -qxF -- "$1" || fail "no argument \"$1\": $(tr '\0' ' ' <"/proc/$PID/cmdline")"; }

step 'a client that comes before QEMU waits for its greeting'
guest one
as_libxl slow-ready=2000
wait_until "libxl's socket" listening "$(LIBXL)"
expect "$D" '.state != "running"'
a_client "$(LIBXL)" "$GREETING"
runs
argument "socket,id=libxl-cmd,path=$W/run/dm/$D/libxl,server=on,wait=off"
argument "socket,id=libxenstat-cmd,path=$W/run/dm/$D/libxenstat,server=on,wait=off"
[[ $(stat -c %a "$(LIBXL)" "$(STAT)") == $'600\n600' ]] || fail "modes: $(stat -c '%n %a' "$W/xenrun/"*)"
must dmctl show --json "$D"
jq -e --arg libxl "$(LIBXL)" --arg stat "$(STAT)" '.qmp_session.sockets == {libxl: $libxl, stats: $stat, admin: .qmp}' "$W/out" >/dev/null || fail "$(jq -c .qmp_session "$W/out")"

step 'what libxl says and hears'
echo '{"return": [{"bus": 0, "devices": [{"bus": 0, "qdev_id": "pci-pt-00_04.0", "slot": 4, "function": 0, "class_info": {"desc": "x"}}]}]}' >"$W/answers/query-pci"
echo '{"return": "VNC\u001b[31m\r\nline"}' >"$W/answers/human-monitor-command"
says "$(LIBXL)" <<END
	want $GREETING
	send {"execute":"query-status","id":1}\r\n
	want {"id": 1, "error": {"class": "CommandNotFound", "desc": "xendmd: the first command has to be qmp_capabilities"}}
	send {"execute":"qmp_capabilities","id":2020372736}\r\n
	want {"return": {}, "id": 2020372736}
	send {"execute":"qmp_capabilities","id":2020372737}\r\n
	want {"id": 2020372737, "error": {"class": "CommandNotFound", "desc": "xendmd: capabilities were negotiated before; nothing was done"}}
	send {"execute":"query-status","id":2020372738}\r\n
	want {"return": {"status": "running", "singlestep": false, "running": true}, "id": 2020372738}
	send {"execute":"query-pci","id":2020372739}\r\n
	want {"return": [{"bus": 0, "devices": [{"bus": 0, "qdev_id": "pci-pt-00_04.0", "slot": 4, "function": 0}]}], "id": 2020372739}
	send {"execute":"query-cpus-fast","id":2020372740}\r\n
	want {"id": 2020372740, "error": {"class": "CommandNotFound", "desc": "The command query-cpus-fast has not been found"}}
	send {"execute":"human-monitor-command","arguments":{"command-line":"info vnc"},"id":2020372741}\r\n
	like {"return": "VNC.*line", "id": 2020372741}
	send {"execute":"query-block","id":2020372742}\r\n
	want {"id": 2020372742, "error": {"class": "GenericError", "desc": "xendmd: query-block is not allowed to clients of class libxl"}}
	send {"execute":"device_add","arguments":{"driver":"e1000","id":"cpu-1"},"id":2020372743}\r\n
	like {"id": 2020372743, "error": {"class": "GenericError", "desc": "xendmd: argument \\\\\\\\"driver\\\\\\\\" of device_add is not of a form that is passed on"}}
	send {"execute":"stop","id":2020372744}\r\n
	want {"return": {}, "id": 2020372744}
	send {"execute":"cont","id":2020372745}\r\n
	want {"return": {}, "id": 2020372745}
	quiet 300
	send {"execute":"query-status","id":2020372746}
	shut
	want {"return": {"status": "running", "singlestep": false, "running": true}, "id": 2020372746}
	eof
END
rm "$W/answers/human-monitor-command"

says "$(LIBXL)" <<END
	shut
	want $GREETING
	eof
END

step 'a descriptor reaches QEMU, from libxl and as xenopsd sends it'
says "$(LIBXL)" <<END
	want $GREETING
	send {"execute":"qmp_capabilities","id":"qmp-000001-7"}\n
	want {"return": {}, "id": "qmp-000001-7"}
	send {"execute":"add-fd","arguments":{"opaque":"stub-devid:1"},"id":"qmp-000002-7"}\n
	want {"id": "qmp-000002-7", "error": {"class": "GenericError", "desc": "xendmd: no descriptor came with add-fd"}}
	fd $W/etc/xendmd.json
	send {"execute":"add-fd","arguments":{"opaque":"stub-devid:1"},"id":"qmp-000003-7"}\n
	like {"return": {"fdset-id": 7, "fd": [0-9]+}, "id": "qmp-000003-7"}
	send {"execute":"add-fd","id":"qmp-000004-7"}\n
	like {"id": "qmp-000004-7", "error": .*
END
has "$W/commands" "^fd $W/etc/xendmd.json\$"
[[ $(ls -l "/proc/$PID/fd" | grep -c "$W/etc/xendmd.json") == 2 ]] || fail "descriptors: $(ls -l "/proc/$PID/fd")" # and the handed over one

step 'xentop: no newline, no id'
echo '{"return": [{"device": "ide0-hd0", "qdev": "/x", "inserted": {"file": "a", "drv": "raw"}, "type": "unknown"}]}' >"$W/answers/query-block"
echo '{"return": [{"device": "ide0-hd0", "stats": {"rd_bytes": 7, "wr_bytes": 8, "zone_append_bytes": 0}, "node-name": "#block1"}]}' >"$W/answers/query-blockstats"
says "$(STAT)" <<END
	want $GREETING
	send { "execute": "qmp_capabilities" }
	want {"return": {}}
	send { "execute": "query-block" }
	want {"return": [{"device": "ide0-hd0", "qdev": "/x", "inserted": {"file": "a", "drv": "raw"}, "type": "unknown"}]}
	send { "execute": "query-blockstats" }
	want {"return": [{"device": "ide0-hd0", "stats": {"rd_bytes": 7, "wr_bytes": 8}, "node-name": "#block1"}]}
	send { "execute": "stop" }
	want {"error": {"class": "GenericError", "desc": "xendmd: stop is not allowed to clients of class stats"}}
END

step 'stopped cleanly: QEMU itself answers; back: the daemon'
"$CLIENT" "$(LIBXL)" >"$W/connected" 2>&1 <<END &
	want $GREETING
	file $W/is-connected
	eof
END
CONNECTED=$!
wait_until 'a client' test -e "$W/is-connected"
daemon_stop
wait "$CONNECTED" || fail "a client of the daemon that stops: $(cat "$W/connected")"
[[ ! -e $W/run/dm/$D/libxl ]] || fail "QEMU's socket is still in dm/$D"
qemus
qemus # one after the other
for end in daemon_stop daemon_kill daemon_stop; do
	daemon_start
	wait_state "$D" running
	expect "$D" ".pid == $PID"
	ours
	$end
	[[ $end == daemon_kill ]] && { refused; [[ -S $W/run/dm/$D/libxl ]] || fail "QEMU's socket has gone"; } || qemus
done

step 'gone while the daemon was away, and the next of that number'
touch "$W/xenrun/qmp-libxl-4711"
kill -KILL "$PID"
destroy "$D"
[[ -S $(LIBXL) ]] || fail 'the socket of a QEMU that was killed'
daemon_start
wait_gone "$D"
nothing_left
[[ $(ls "$W/xenrun") == qmp-libxl-4711 ]] || fail "files: $(ls "$W/xenrun")"

step 'libxl destroys, and removes the paths itself'
guest two
as_libxl
runs
ours
rm "$(LIBXL)" "$(STAT)"
libxl_destroy
wait_gone "$D"
[[ $(ls "$W/xenrun") == qmp-libxl-4711 ]] || fail "files: $(ls "$W/xenrun")"
nothing_left

step 'what stands there and is of the next domain of that number stays'
for away in '' yes; do
	guest before
	as_libxl
	runs
	[[ -z $away ]] || daemon_stop
	kill -KILL "$PID"
	destroy "$D"
	rm -f "$(LIBXL)"
	create after --domid "$D" --as-libxl
	touch "$(LIBXL)"
	[[ -z $away ]] || daemon_start
	wait_until 'the new one is seen' is "$D" '.state == "unmanaged"'
	wait_until 'the old one is cleaned' eval '[[ ! -e $W/run/dm/$D/record.json ]]'
	[[ -f $(LIBXL) ]] || fail "the next domain's file has gone"
	destroy "$D"
	wait_gone "$D"
	rm -f "$(LIBXL)" "$(STAT)" # as its libxl would
	xs rm "/local/domain/0/device-model/$D"
	[[ $(ls "$W/xenrun") == qmp-libxl-4711 ]] || fail "files: $(ls "$W/xenrun")"
done

step 'QEMU dies: nobody is there any more'
guest three
as_libxl
runs
kill -KILL "$PID"
reached "$D" exited SIGKILL
[[ $(ls "$W/xenrun") == qmp-libxl-4711 ]] || fail "files: $(ls "$W/xenrun")"
libxl_destroy
wait_gone "$D"

step 'the start fails'
guest four
as_libxl exit=3,after=300,never-ready
ended 3 'ended with exit code 3'
reached "$D" failed 'exit code 3'
[[ $(ls "$W/xenrun") == qmp-libxl-4711 ]] || fail "files: $(ls "$W/xenrun")"
destroy "$D"
wait_gone "$D"

step 'dm_restrict: libxl has bound the socket itself, and asks there when QEMU is ready'
guest restricted
RUN="$CLIENT $(LIBXL) listen 7" hand slow-ready=1000 -xen-domid-restrict -S \
	-chardev 'socket,id=libxl-cmd,fd=7,server=on,wait=off' -mon chardev=libxl-cmd,mode=control
wait_until "libxl's socket" listening "$(LIBXL)"
a_client "$(LIBXL)" "$GREETING"
runs
argument 'socket,id=libxl-cmd,fd=7,server=on,wait=off'
INODE=$(readlink "/proc/$PID/fd/7")
grep -q "${INODE//[^0-9]/} $W/run/dm/$D/libxl\$" /proc/net/unix || fail "descriptor 7 is $INODE"
for end in daemon_stop daemon_kill daemon_stop; do
	ours
	$end
	[[ $end == daemon_kill ]] && refused || qemus
	daemon_start
	wait_state "$D" running
	expect "$D" ".pid == $PID"
done
ours
libxl_destroy
wait_gone "$D"
[[ $(ls "$W/xenrun") == qmp-libxl-4711 ]] || fail "files: $(ls "$W/xenrun")"

step 'the daemon stops before QEMU runs: libxl'"'"'s socket is there for the next one'
guest again
mv "$W/libexec/dm-launch" "$W/dm-launch"
printf '#!/bin/sh\nexec sleep 100\n' >"$W/libexec/dm-launch"
chmod +x "$W/libexec/dm-launch"
RUN="$CLIENT $(LIBXL) listen 7" hand '' -xen-domid-restrict -S \
	-chardev 'socket,id=libxl-cmd,fd=7,server=on,wait=off' -mon chardev=libxl-cmd,mode=control
wait_detail "$D" spawned
PID=$(dmctl show --json "$D" | jq .pid)
daemon_stop
kill "$PID" 2>/dev/null
mv "$W/dm-launch" "$W/libexec/dm-launch"
daemon_start
runs
ours
libxl_destroy
wait_gone "$D"

step 'not where libxl would put it: it stays with the device model'
guest elsewhere
hand '' -chardev "socket,id=libxl-cmd,path=$W/elsewhere,server=on,wait=off" -mon chardev=libxl-cmd,mode=control
runs
argument "socket,id=libxl-cmd,path=$W/elsewhere,server=on,wait=off"
said "\"$W/elsewhere\" is not libxl's path" || fail 'no word about it'
libxl_destroy
wait_gone "$D"
rm "$W/elsewhere"
guest descriptor
hand '' -chardev 'socket,id=libxl-cmd,fd=12,server=on,wait=off'
wait_said "descriptor 12 does not listen at libxl's path"
libxl_destroy
wait_gone "$D"

step 'a definition with a libxl configuration'
put libxl <<<"{\"match\": {\"name\": \"defined\"}, \"binary\": \"$FAKEDM\", \"extra_args\": [\"-fakedm\", \"xenstored=$W/xs\"],
	\"libxl\": {\"c_info\": {\"type\": \"hvm\", \"name\": \"defined\"}, \"b_info\": {\"device_model_version\": \"qemu_xen\", \"type.hvm\": {}}}}"
create defined
wait_state "$D" running
PID=$(field "$D" pid)
argument "socket,id=libxl-cmd,path=$W/run/dm/$D/libxl,server=on,wait=off"
ours
daemon_stop
qemus
daemon_start
ours
kill -KILL "$PID"
wait_state "$D" exited
[[ $(ls "$W/xenrun") == qmp-libxl-4711 ]] || fail "files: $(ls "$W/xenrun")"
rm "$W/xenrun/qmp-libxl-4711"
destroy "$D"
wait_gone "$D"
wait_until 'all descriptors are closed' eval '(( $(fds) <= FDS ))'
world_end
