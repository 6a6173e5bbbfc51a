#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# dm-handoff as libxl runs it: a device model that is handed over runs like any other, its toolstack
# sees what it would see of QEMU, and whoever goes away in between leaves nothing behind.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/toolstack.sh"
conf()
{
	config "{\"default_binary\": \"$FAKEDM\", \"handoff_timeout_s\": 3, \"handoff_fallback\": \"${1:-fail}\",
		\"toolstack_stop_timeout_s\": 3, \"limits\": {\"start_timeout_s\": 20}}"
}
conf
world_start
BEFORE=$(fds)

step 'a life'
guest life
hand 'say=hello'
wait_state "$D" running
wait_until "QEMU's pid in place of the helper's" pid_is_qemus
PID=$(field "$D" pid)
lives "$HELPER" || fail 'the helper left before its parent'
expect "$D" ".source == \"handoff\" and .kind == \"qemu\" and .log == \"$W/log/$D.log\" and .name == \"life\""
[[ $(xs read "/local/domain/0/device-model/$D/physmap") == 'of a restored guest' ]] || fail "libxl's nodes are gone"
must_fail 1 "$HANDOFF" -xen-domid "$D" </dev/null
has "$W/err" "domain $D: its device model is being handed over already"
let_go
wait_until 'the helper leaves' helper_gone
[[ ! -e $W/status.$D ]] || fail 'it left before its parent'
pid_is_qemus || fail 'the pid in xenstore'
must_fail 1 "$HANDOFF" -xen-domid "$D" </dev/null
has "$W/err" "domain $D: its device model is running"
step 'what it got'
for line in 'hello' 'fd/0 /dev/null' "fd/1 $W/log/$D.log" "fd/2 $W/log/$D.log" 'fd/7 /dev/zero' \
	"fd/12 $W/etc/xendmd.json" "cwd $W/etc" 'env yes' 'xfsz default'; do
	has "$W/log/$D.log" "^$line\$"
done
tr '\0' ' ' <"/proc/$PID/cmdline" >"$W/cmdline"
has "$W/cmdline" "^$FAKEDM -xen-domid $D -name guest -fakedm [^ ]* -chardev socket,id=xendmd-monitor,fd=[0-9]*,.* -mon chardev=xendmd-monitor,mode=control $"
# bash may have descriptors of its own for the helper to inherit; ours is the one above all of them
OURS=$(sed 's/.*xendmd-monitor,fd=\([0-9]*\).*/\1/' "$W/cmdline")
[[ $(readlink "/proc/$PID/fd/$OURS") == socket:* && $OURS -ge 13 ]] || fail "the monitor's number: $OURS"
must dmctl show --json "$D"
jq -e '.on_exit == "pause" and .limits.pids_max == 256 and (.argv | index("-xen-domid"))' "$W/out" >/dev/null || fail "show: $(cat "$W/out")"
[[ -z $(ls "$W/log" | grep -v "^$D.log") ]] || fail "a log of our own: $(ls "$W/log")"

step 'rename'
xs write "/local/domain/$D/name" renamed
wait_until 'the new name' is renamed '.state == "running"'

step 'the daemon dies and comes back'
daemon_kill
daemon_start
wait_state "$D" running
expect "$D" ".source == \"handoff\" and .pid == $PID"
happened "$D" device-model-adopted || fail "not adopted: $(events)"

step 'xl destroy: its end is no death'
libxl_destroy 0.5
wait_gone "$D"
! happened "$D" device-model-exited || fail "events: $(events)"
happened "$D" device-model-stopped || fail "events: $(events)"
nothing_left

step 'its pid comes late'
guest late
LATE=2 hand ''
wait_state "$D" running
wait_until "QEMU's pid" pid_is_qemus
lives "$HELPER" || fail 'the helper has gone'
let_go
wait_until 'the helper leaves' helper_gone
libxl_destroy
wait_gone "$D"

step 'a definition applies, also one with a command line of its own'
put limits <<<"{\"match\": {\"name\": \"limited\"}, \"kind\": \"qemu\", \"on_exit\": \"crash\", \"limits\": {\"pids_max\": 77},
	\"extra_args\": [\"-extra\", \"\$NAME\"], \"env\": {\"HANDED\": \"\$DOMID\"}}"
def other other ''
guest limited
wait_state "$D" waiting
hand ''
wait_state "$D" running
must dmctl show --json "$D"
jq -e '.on_exit == "crash" and .limits.pids_max == 77 and .source == "handoff"' "$W/out" >/dev/null || fail "show: $(cat "$W/out")"
jq -e '.argv | index("-extra") as $i | .[$i + 1] == "limited"' "$W/out" >/dev/null || fail "extra_args: $(jq -c .argv "$W/out")"
has "$W/log/$D.log" "^env $D\$"
wait_until "QEMU's pid" pid_is_qemus
let_go
wait_until 'the helper leaves' helper_gone
mkdir -p "$W/xenrun" && touch "$W/xenrun/qmp-libxl-$D" "$W/xenrun/qmp-libxenstat-$D" "$W/xenrun/qmp-libxl-4711"
kill -KILL "$(field "$D" pid)"
reached "$D" exited 'SIGKILL while its domain lives'
[[ $(hv list | awk -v d="$D" '$1 == d { print $6 }') == 1 ]] || fail "no crash: $(hv list)"
[[ -z $(pid_node) ]] || fail 'xenstore names a dead device model'
[[ $(ls "$W/xenrun") == qmp-libxl-4711 ]] || fail "libxl's sockets: $(ls "$W/xenrun")"
rm "$W/xenrun/qmp-libxl-4711"
must_fail 1 dmctl start "$D"
destroy "$D"
wait_gone "$D"
guest other
hand ''
wait_state "$D" running
must dmctl show "$D"
has "$W/out" 'is not used'
let_go
libxl_destroy
wait_gone "$D"

step 'so does one with a libxl configuration, of which nothing is done again'
put twin <<-E
	{"match": {"name": "twin"}, "on_exit": "preserve", "limits": {"pids_max": 78},
	 "libxl": {"c_info": {"type": "hvm", "name": "twin"},
	           "b_info": {"max_memkb": 65536, "type.hvm": {"serial": "pty"}},
	           "disks": [{"pdev_path": "/srv/missing", "vdev": "hda", "format": "raw", "readwrite": 1}],
	           "pcidevs": [{"dev": 1, "bus": 99}]}}
E
guest twin
hand ''
wait_state "$D" running
must dmctl show --json "$D"
jq -e '.on_exit == "preserve" and .limits.pids_max == 78 and .source == "handoff" and .kind == "qemu"
	and (.argv | index("-fakedm")) and (.argv | index("-serial") | not)' "$W/out" >/dev/null || fail "show: $(cat "$W/out")"
must dmctl show "$D"
has "$W/out" 'the command line of .*/twin.json is not used'
wait_until "QEMU's pid" pid_is_qemus
let_go
wait_until 'the helper leaves' helper_gone
! happened "$D" device-model-warning || fail "its steps were taken: $(events)"
libxl_destroy
wait_gone "$D"
undef twin

step 'a script that executes dm-handoff, and is named before it does: no device model of libxl'
for run in exec ''; do
	printf '#!/bin/bash\nuntil [[ -e "%s" ]]; do sleep 0.05; done\n%s "$@"\n' "$W/go" "$run" >"$W/script${run:-s}"
	chmod +x "$W/script${run:-s}"
done
guest scripted
EARLY=1 RUN="$W/scriptexec" hand ''
wait_until 'it is taken for one' is "$D" ".kind == \"foreign\" and .pid == $HELPER"
touch "$W/go"
wait_until 'it hands over' is "$D" '.source == "handoff" and .kind == "qemu" and .state == "running"'
wait_until "QEMU's pid" pid_is_qemus
lives "$HELPER" || fail 'the helper left before its parent'
let_go
wait_until 'the helper leaves' helper_gone
pid_is_qemus || fail 'the pid in xenstore'
libxl_destroy
wait_gone "$D"
sequence "$D" domain-appeared device-model-running device-model-starting device-model-running \
	device-model-stopped domain-gone
rm "$W/go"
step 'one that stays is what libxl has named'
guest staying
EARLY=1 RUN="$W/scripts" hand ''
wait_until 'it is taken for one' is "$D" ".kind == \"foreign\" and .pid == $HELPER"
touch "$W/go"
ended 1 "domain $D has a device model, process $HELPER .*has to exec it"
wait_state "$D" exited
xs rm "/local/domain/0/device-model/$D"
destroy "$D"
wait_gone "$D"

step 'dm_restrict'
guest restricted
RUN='unshare -m -i prlimit --fsize=262144' hand '' -xen-domid-restrict -S \
	-chardev 'socket,id=libxl-cmd,fd=7,server=on,wait=off'
wait_state "$D" running
wait_until "QEMU's pid" pid_is_qemus
[[ -z $(xs read "/local/domain/0/device-model/$D/state") ]] || fail 'state before libxl has let go'
let_go
wait_until 'state' eval '[[ $(xs read /local/domain/0/device-model/$D/state) == running ]]'
for line in 'core 0/0' 'msgqueue 0/0' 'locks 0/0' 'memlock 0/0' 'fsize -1/-1' 'xfsz ignored'; do
	has "$W/log/$D.log" "^$line\$"
done
for ns in mnt ipc; do
	! grep -qF "ns/$ns $(readlink "/proc/$DPID/ns/$ns")" "$W/log/$D.log" || fail "the daemon's $ns namespace"
done
libxl_destroy
wait_gone "$D"

step 'passwords that libxl lays open: closed before it starts, and at an adoption'
VFB=/local/domain/0/backend/vfb
readable() { # for the guest: what libxl makes of it
	xs write "$1" "$2" && xs allow "$1" "$D"
}
private() { [[ $(xs perms "$1") == n0 ]]; }
guest secret
readable "/local/domain/$D/console" ''
for i in 0 1; do readable "$VFB/$D/$i/vncpasswd" "geheim-$i"; done
readable "$VFB/$D/0/vnc" 1
VM=/vm/$(field "$D" uuid)
readable "$VM/vncpasswd" geheim
hand '' -vnc 127.0.0.1:0,password=on -machine xenpv
wait_state "$D" running
private "/local/domain/$D/console/vnc-pass" || fail 'the guest could read what libxl writes now'
[[ -z $(xs read "/local/domain/$D/console/vnc-pass") ]] || fail 'a password from nowhere'
for i in 0 1; do
	private "$VFB/$D/$i/vncpasswd" || fail "the guest can read the password of vfb $i"
	[[ $(xs read "$VFB/$D/$i/vncpasswd") == "geheim-$i" ]] || fail "the password of vfb $i has changed"
done
private "$VM/vncpasswd" || fail 'the guest can read the password of /vm'
[[ $(xs perms "$VFB/$D/0/vnc") == "n0,r$D" ]] || fail 'what is no secret is closed'
xs write "/local/domain/$D/console/vnc-pass" geheim # by libxl
private "/local/domain/$D/console/vnc-pass" || fail 'the guest can read the password'
daemon_kill
xs allow "/local/domain/$D/console/vnc-pass" "$D"
xs allow "$VFB/$D/1/vncpasswd" "$D"
daemon_start
wait_state "$D" running
wait_until 'both are closed again' eval \
	'private "/local/domain/$D/console/vnc-pass" && private "$VFB/$D/1/vncpasswd"'
[[ $(xs read "/local/domain/$D/console/vnc-pass") == geheim ]] || fail 'the password is gone'
let_go
wait_until 'the helper leaves' helper_gone
libxl_destroy
wait_gone "$D"
xs rm "$VFB/$D"
step 'what nobody asked a password for has none, and none is left of a start that fails'
guest open
hand '' -vnc 127.0.0.1:0 -machine xenpv
wait_state "$D" running
! xs perms "/local/domain/$D/console/vnc-pass" >/dev/null || fail 'a node for nothing'
let_go
libxl_destroy
wait_gone "$D"
guest unlucky
hand 'exit=3,after=200,never-ready' -vnc 127.0.0.1:0,password=on
reached "$D" failed 'exit code 3'
wait_until 'its node goes' eval '! xs perms "/local/domain/$D/console/vnc-pass" >/dev/null'
destroy "$D"
wait_gone "$D"
wait "$MIDDLE" 2>/dev/null

step 'it ends before it is ready, and before libxl has let go'
guest early
hand 'exit=3,after=200,never-ready'
ended 3 'ended with exit code 3'
reached "$D" failed 'exit code 3 before it was ready'
hand 'signal=9,after=200,never-ready' # and once more for the same domain
ended 137 'ended by SIGKILL'
wait_state "$D" failed
hand 'exit=0,after=1500' # too short to be seen running on a busy machine
wait_event "$D" device-model-running
ended 0 'ended with exit code 0'
reached "$D" exited 'exit code 0 while its domain lives'
destroy "$D"
wait_gone "$D"

step 'what libxl gives up'
for how in 'kill -HUP $HELPER' 'kill -KILL $HELPER' 'libxl_destroy 1'; do
	guest givenup
	hand never-ready
	wait_detail "$D" probing
	wait_until 'it is named' pid_is_qemus
	PID=$(field "$D" pid)
	eval "$how"
	wait_until 'the device model is stopped' eval '! lives $PID'
	! happened "$D" device-model-exited || fail "events: $(events)"
	if [[ $how == kill* ]]; then
		reached "$D" exited 'gave the start up'
		[[ -z $(pid_node) ]] || fail 'xenstore names a dead device model'
		destroy "$D"
	fi
	wait_gone "$D"
	wait "$MIDDLE" 2>/dev/null
done

step 'bad input'
must_fail 1 "$HANDOFF" -xen-domid 30000 </dev/null
has "$W/err" 'there is no domain 30000'
for domid in 0 -1 x 40000 '' 00; do
	must_fail 1 "$HANDOFF" -xen-domid "$domid" </dev/null
	has "$W/err" "is no guest's number"
done
guest bad
must_fail 1 "$HANDOFF" -xen-domid "$D" -xen-domid 4711 </dev/null
has "$W/err" 'given twice'
must_fail 1 "$HANDOFF" -name x -xen-domid </dev/null
has "$W/err" 'no number behind it'
must_fail 1 "$HANDOFF" -xen-domid "$D" --daemonize </dev/null
has "$W/err" "can't be supervised"
must_fail 1 "$HANDOFF" -xen-domid "$D" -name $'caf\xe9' </dev/null
has "$W/err" 'argument 4 is not valid UTF-8'
must_fail 1 "$HANDOFF" -xen-domid "$D" $(seq 3000) </dev/null
has "$W/err" '3003 arguments; the limit is 2048'
must_fail 1 "$HANDOFF" -xen-domid "$D" $(printf '%0100000d ' 1 2 3 4 5 6) </dev/null
has "$W/err" 'arguments and environment have [0-9]* bytes; the limit is'
MANY=''
for (( fd = 20; fd < 300; fd++ )); do MANY+=" $fd</dev/null"; done
must_fail 1 eval "\"$HANDOFF\" -xen-domid $D $MANY"
has "$W/err" 'more than 252 open descriptors'
must_fail 1 eval "\"$HANDOFF\" -xen-domid $D 4090</dev/null"
has "$W/err" 'the highest number taken'
put none <<<'{"match": {"name": "bad"}, "kind": "none"}'
must_fail 1 "$HANDOFF" -xen-domid "$D" </dev/null
has "$W/err" 'its kind is "none"'
undef none
put none <<<"{\"match\": {\"name\": \"bad\"}, \"kind\": \"qemu\", \"binary\": \"$W/missing\"}"
must_fail 1 "$HANDOFF" -xen-domid "$D" </dev/null
has "$W/err" 'missing'
happened "$D" device-model-failed || fail "events: $(events)"
undef none
step 'a thousand arguments are none too many'
hand '' $(seq 1000)
wait_state "$D" running
[[ $(tr '\0' '\n' <"/proc/$(field "$D" pid)/cmdline" | grep -c '^[0-9]*$') -ge 1000 ]] || fail 'arguments are missing'
let_go
wait_until 'the helper leaves' helper_gone
step 'not root: neither by the file'\''s mode nor by the protocol'
chmod 711 "$W" "$W/libexec"
must_fail 1 setpriv --reuid 65534 --regid 65534 --clear-groups "$HANDOFF" -xen-domid "$D" </dev/null
has "$W/err" 'Permission denied'
chmod 666 "$W/run/control"
must_fail 1 setpriv --reuid 65534 --regid 65534 --clear-groups "$HANDOFF" -xen-domid "$D" </dev/null
has "$W/err" 'only root may do that'
chmod 660 "$W/run/control"
libxl_destroy
wait_gone "$D"
nothing_left

step 'the question for the options is for QEMU itself'
"$HANDOFF" -S -no-user-config -machine none,accel=xen -fakedm exit=5,say=asked >"$W/out" 2>&1
[[ $? == 5 ]] || fail "status $?: $(cat "$W/out")"
has "$W/out" '^asked$'
printf '#!/bin/sh\nrm -f "%s"\nexit 6\n' "$W/xenrun/qmp-libxl-7" >"$W/unlinks"
chmod 755 "$W/unlinks"
config "{\"default_binary\": \"$W/unlinks\"}"
step 'nor does it take away the socket of the one that comes after it'
mkdir -p "$W/xenrun" && touch "$W/xenrun/qmp-libxl-7"
"$HANDOFF" -machine none 2>"$W/err"
[[ $? == 6 && ! -s $W/err ]] || fail "the question: $(cat "$W/err")"
[[ -e $W/xenrun/qmp-libxl-7 ]] || fail 'its unlink met another one'
chmod 644 "$W/etc/xendmd.json"
chmod 755 "$W/etc"
setpriv --reuid 65534 --regid 65534 --clear-groups "$HANDOFF" -machine none >/dev/null 2>"$W/err"
[[ $? == 6 ]] || fail "unprivileged: status $?, $(cat "$W/err")"
has "$W/err" "can't be kept from the QEMU"
rm "$W/xenrun/qmp-libxl-7"
config "{\"default_binary\": \"$HANDOFF\"}"
must_fail 1 "$HANDOFF" -machine none
has "$W/err" 'is dm-handoff itself'
conf

step 'the daemon comes back while a device model starts, or waits for libxl'
for spec in 'slow-ready=3000' ''; do
	guest back
	hand "$spec"
	wait_until 'it is named' pid_is_qemus
	[[ -n $spec ]] || wait_state "$D" running
	PID=$(field "$D" pid)
	if [[ -n $spec ]]; then daemon_kill; else daemon_stop; fi
	wait_until 'the helper knows' grep -q 'xendmd went away' "$W/log/$D.log"
	daemon_start
	wait_state "$D" running
	expect "$D" ".pid == $PID and .source == \"handoff\""
	lives "$HELPER" || fail 'the helper left'
	mark
	let_go
	wait_until 'the helper leaves' helper_gone
	pid_is_qemus || fail 'the pid in xenstore'
	libxl_destroy
	wait_gone "$D"
done
step 'the daemon goes before anything runs: the next one starts it'
guest again
mv "$W/libexec/dm-launch" "$W/dm-launch"
printf '#!/bin/sh\nexec sleep 100\n' >"$W/libexec/dm-launch"
chmod +x "$W/libexec/dm-launch"
hand ''
wait_detail "$D" spawned
PID=$(dmctl show --json "$D" | jq .pid)
daemon_kill
kill "$PID" # which is no dm-launch that would leave by itself
mv "$W/dm-launch" "$W/libexec/dm-launch"
daemon_start
wait_state "$D" running
wait_until "QEMU's pid" pid_is_qemus
let_go
wait_until 'the helper leaves' helper_gone
libxl_destroy
wait_gone "$D"
nothing_left

step 'the daemon is slow: fail, or run without it'
guest slow
kill -STOP "$DPID"
hand ''
ended 1 'did not accept the device model within 3 s; the device model is not started'
conf run
hand 'say=without the daemon'
wait_until 'QEMU itself' grep -q 'without the daemon' "$W/log/$D.log"
has "$W/log/$D.log" 'dm-handoff: .*within 3 s; running'
kill -CONT "$DPID"
wait_state "$D" running
expect "$D" ".kind == \"foreign\" and .pid == $HELPER"
[[ $(processes "libexec/(fakedm|dm-handoff)" | wc -l) == 1 ]] || fail "processes: $(processes libexec)"
kill -HUP "$HELPER"
xs rm "/local/domain/0/device-model/$D"
destroy "$D"
wait_gone "$D"
wait "$MIDDLE" 2>/dev/null

step 'the daemon is away: fail, or run without it'
guest away
daemon_stop
conf fail
hand ''
ended 1 "xendmd can't be reached: .*; the device model is not started"
conf run
hand 'say=all alone'
wait_until 'QEMU itself' grep -q 'all alone' "$W/log/$D.log"
has "$W/log/$D.log" "dm-handoff: xendmd can't be reached.*; running"
daemon_start
wait_state "$D" running
expect "$D" ".kind == \"foreign\" and .pid == $HELPER"
kill -HUP "$HELPER"
wait "$MIDDLE" 2>/dev/null
xs rm "/local/domain/0/device-model/$D"
destroy "$D"
wait_gone "$D"
conf

step 'the QEMU of a stub domain'
guest stubbed
GUEST=$D
guest stubbed-dm
STUB=$D
xs write "/local/domain/$STUB/target" "$GUEST"
hand ''
wait_until "the stub's backend" is "$GUEST" ".stubdom.domid == $STUB and .stubdom.backend.state == \"running\""
wait_until 'it is named' eval '[[ $(pid_node) == $(field "$GUEST" stubdom.backend.pid) ]]'
must_fail 3 dmctl status "$STUB"
let_go
wait_until 'the helper leaves' helper_gone
PID=$(pid_node)
libxl_destroy
wait_until 'it ends' eval '! lives $PID'
D=$GUEST
xs rm "/local/domain/0/device-model/$D"
destroy "$D"
wait_gone "$D"
nothing_left

step 'soft reset: another one for the same domain'
guest reset
hand ''
wait_state "$D" running
wait_until "QEMU's pid" pid_is_qemus
let_go
wait_until 'the helper leaves' helper_gone
PID=$(field "$D" pid)
xs rm "/local/domain/0/device-model/$D"
kill -HUP "$PID"
wait_detail "$D" ended
hand ''
wait_until 'another one' is "$D" ".state == \"running\" and .pid != $PID"
wait_until "QEMU's pid" pid_is_qemus
let_go
libxl_destroy
wait_gone "$D"

step 'several at once'
NAMES=() MIDDLES=()
for i in 1 2 3 4 5 6; do
	guest many$i
	NAMES+=("$D")
	hand ''
	MIDDLES+=("$MIDDLE")
done
for D in "${NAMES[@]}"; do
	wait_state "$D" running
	wait_until "QEMU's pid" pid_is_qemus
done
kill -KILL "${MIDDLES[@]}"
hv destroy all
nothing_left
(( $(fds) <= BEFORE )) || fail "descriptors: $BEFORE before, $(fds) after: $(ls -l "/proc/$DPID/fd")"
world_end
