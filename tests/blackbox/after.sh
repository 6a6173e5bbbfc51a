#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# What follows a start: serial ports and VNC in xenstore, QMP commands in their order. Whatever the
# device model answers, or not, it goes on serving its guest, and what was written goes with it.
. "$(dirname "$0")/lib.sh"
config '{"qmp_timeout_ms": 4000, "quit_timeout_s": 2}'
world_start
A=$W/answers C=$W/commands

node() { xs read "/local/domain/$D/$1"; }
node_is() { [[ $(node "$1") == "$2" ]]; }
wait_node() { wait_until "$1 is $2" node_is "$1" "$2"; }
no_node() { [[ -z $(node "$1") ]] || fail "there is $1: $(node "$1")"; }
show() { dmctl show --json "$D" | jq -r "$1"; }
followed() { [[ $(dmctl show --json "$D" 2>/dev/null | jq -r .following) == false ]]; }
wait_followed() { wait_until 'all that follows the start is done' followed; }
# warned REGEX: in `show` and as an event; no_warning: in neither
warned()
{
	show '.warnings[]' | grep -qE -- "$1" || fail "no warning \"$1\": $(show '.warnings[]')"
	events | jq -r "select(.domid == $D and .event == \"device-model-warning\").warning" \
		| grep -qE -- "$1" || fail "no event \"$1\""
	said "$1" || fail "not in the log: $1"
}
no_warning()
{
	[[ $(show '.warnings | length') == 0 ]] || fail "warnings: $(show '.warnings[]')"
	! happened "$D" device-model-warning || fail 'an event of a warning'
}
# commands FILTER: what the device model was sent, in order
commands() { jq -r "$1" "$C" | paste -sd' '; }
serves()
{
	expect "$D" ".state == \"running\" and .pid == $(field "$D" pid)"
	lives "$(field "$D" pid)" || fail 'the device model does not live'
}
# answer COMMAND TEXT: what the next one started says; with_answers: in a world without others
answer() { printf '%s' "$2" >"$A/$1"; }
fresh() { rm -rf "$A" "$C"; mkdir "$A"; : >"$C"; }
ARGV='["-xen-domid", "$DOMID", "-name", "$NAME", "-serial", "pty", "-serial", "null",
	"-serial", "pty", "-vnc", "127.0.0.1:7", "-fakedm", $spec]'
SPEC=answers=$A,commands=$C
argv() { jq -n --arg spec "xenstored=$W/xs,$SPEC" "{argv: $ARGV}"; }

step 'a definition of its own: serial ports and VNC'
fresh
def web1 web1 '' "$(argv)"
create web1
wait_state "$D" running
wait_followed
PTY0=$(node serial/0/tty) PTY1=$(node serial/2/tty)
[[ $PTY0 == /dev/pts/* && $PTY1 == /dev/pts/* && $PTY0 != "$PTY1" ]] || fail "ptys: $PTY0 $PTY1"
node_is console/vnc-listen 127.0.0.1 && node_is console/vnc-port 5907 || fail 'VNC'
no_node serial/1/tty
for key in serial/0/tty serial/2/tty console/vnc-listen console/vnc-port; do
	perms=$(xs perms "/local/domain/$D/$key")
	[[ $perms == "n0,r$D" ]] || fail "$key: $perms"
	[[ $(show ".nodes[\"$key\"]") == "$(node $key)" ]] || fail "show: $(show .nodes)"
done
no_warning
[[ $(commands .execute) == 'qmp_capabilities query-status query-chardev query-vnc' ]] \
	|| fail "commands: $(commands .execute)"
PID=$(field "$D" pid)

step 'a restart of the daemon does nothing again'
: >"$C"
daemon_kill
daemon_start
wait_state "$D" running
wait_said 'taken up again'
wait_followed
[[ $(field "$D" pid) == "$PID" ]] || fail 'another device model'
! grep -q query "$C" || fail "asked again: $(cat "$C")"
[[ $(show '.nodes["serial/0/tty"]') == "$PTY0" ]] || fail "show: $(show .nodes)"

step 'what was written goes with the device model, what somebody else wrote stays'
xs write "/local/domain/$D/serial/2/tty" /dev/pts/other
xs write "/local/domain/$D/console/tty" /dev/pts/console
must dmctl stop --force "$D"
wait_until 'the nodes go' eval '[[ -z $(node serial/0/tty) ]]'
no_node console/vnc-port
no_node console/vnc-listen
node_is serial/2/tty /dev/pts/other || fail 'a node of somebody else was removed'
node_is console/tty /dev/pts/console || fail 'a node of somebody else was removed'
must dmctl start "$D"
wait_followed
[[ $(node serial/2/tty) == /dev/pts/[0-9]* ]] || fail 'not there again'
kill -KILL "$(field "$D" pid)"
wait_state "$D" exited
wait_until 'the nodes go' eval '[[ -z $(node serial/0/tty) ]]'
destroy "$D"

step 'no VNC, no serial ports; commands that it does not know'
fresh
def web1 web1 "$SPEC"
create web1
wait_state "$D" running
wait_followed
no_node console/vnc-port
no_warning
destroy "$D"
fresh
answer query-vnc '{"error": {"class": "CommandNotFound", "desc": "The command query-vnc has not been found"}}'
create web1
wait_state "$D" running
wait_followed
no_warning
destroy "$D"

step 'errors, and answers that are none'
def web1 web1 '' "$(argv)"
while read -r command reply sentence; do
	fresh
	answer "$command" "$reply"
	mark
	create web1
	wait_state "$D" running
	wait_followed
	serves
	warned "after the start: $command: $sentence"
	case $command in
		query-chardev) no_node serial/0/tty; node_is console/vnc-port 5907 || fail 'no VNC' ;;
		query-vnc) no_node console/vnc-port; [[ -n $(node serial/0/tty) ]] || fail 'no serial' ;;
	esac
	destroy "$D"
	wait_gone "$D"
done <<'END'
query-chardev {"error":{"class":"GenericError","desc":"no\u00e4"}} QMP: noä$
query-chardev {"return":{}} not a list
query-chardev {"return":[{"label":"serial0","filename":"pty:/dev/tty1"}]} serial0: "/dev/tty1" is no pseudo-terminal
query-chardev {"return":[{"label":"serial0","filename":"pty:/dev/pts/999999"}]} serial0: /dev/pts/999999 is not the device model's
query-chardev {"return":[{"label":"serial4711","filename":"pty:/dev/pts/1"}]} serial4711: more than 64 serial ports
query-vnc {"error":{"class":"GenericError","desc":"no"}} QMP: no
query-vnc {"return":[]} does not say
query-vnc {"return":{"enabled":true,"host":"-listen","service":"5900"}} "-listen" is no host
query-vnc {"return":{"enabled":true,"host":"::1","service":"70000"}} "70000" is no port
END

step 'silence: the other things are done'
fresh
answer query-chardev ''
mark
create web1
wait_state "$D" running
wait_node console/vnc-port 5907
wait_followed
warned 'query-chardev: QMP: no answer within 4000 ms'
serves
destroy "$D"
wait_gone "$D"

step 'it hangs up, once and again and again'
fresh
answer query-chardev '"close"'
mark
create web1
wait_node console/vnc-port 5907
wait_followed
warned 'query-chardev: the device model closed its QMP connection'
serves
destroy "$D"
wait_gone "$D"
def web1 web1 '' "$(argv | jq '.limits = {start_timeout_s: 60}')"
fresh
answer query-chardev '{"return": 5, "QMP": 5}' # breaks the rules: given up
mark
create web1
wait_state "$D" running
wait_followed
warned 'query-vnc: not sent, and 0 more: there is no QMP connection'
serves
destroy "$D"
wait_gone "$D"

step 'xenstore refuses'
fresh
answer query-vnc ''
mark
create web1
wait_until 'asked' grep -q query-vnc "$C"
wait_until 'told' eval '[[ $(xs read /local/domain/0/xendmd/$D/state) == running ]]'
xs write /fakexs/error 'ENOSPC 1'
wait_followed
warned 'after the start: xenstore: No space left on device'
no_node serial/0/tty
[[ $(xs read /fakexs/transactions) == 0 ]] || fail 'a transaction is open'
serves
destroy "$D"
wait_gone "$D"

step 'the domain goes, and the device model is stopped, in the middle'
fresh
answer query-vnc ''
config '{"qmp_timeout_ms": 60000, "quit_timeout_s": 60}'
dmctl reload >/dev/null
create web1
wait_until 'asked' grep -q query-vnc "$C"
expect "$D" '.state == "running"'
START=$SECONDS
destroy "$D" # quit is sent behind the command that is not answered
wait_gone "$D"
(( SECONDS - START < 30 )) || fail 'waited for an answer'
nothing_left
: >"$C"
create web1
wait_until 'asked' grep -q query-vnc "$C"
must dmctl stop --force "$D"
expect "$D" '.state == "exited"'
no_node serial/0/tty
rm "$A/query-vnc"
must dmctl start "$D"
wait_followed
[[ -n $(node serial/0/tty) ]] || fail 'no serial port after a new start'
destroy "$D"
wait_gone "$D"

step 'the daemon is killed in the middle: the next one goes on'
fresh
answer query-vnc ''
create web1
wait_until 'asked' grep -q query-vnc "$C"
PID=$(field "$D" pid)
daemon_kill
rm "$A/query-vnc"
daemon_start
wait_state "$D" running
wait_followed
wait_node console/vnc-port 5907
[[ -n $(node serial/0/tty) ]] || fail 'no serial port'
expect "$D" ".state == \"running\" and .pid == $PID"
no_warning
destroy "$D"
wait_gone "$D"

# --- steps of a libxl configuration

# libxl NAME HVM-JSON TOP-JSON: a definition
libxl()
{
	jq -n --arg name "$1" --argjson hvm "$2" --argjson top "$3" --arg binary "$FAKEDM" \
		--arg spec "xenstored=$W/xs,$SPEC" '{match: {name: $name}, binary: $binary,
		env: {XENDMD_FAKEDM: $spec}, libxl: ({c_info: {type: "hvm", name: $name,
		uuid: "11111111-2222-3333-4444-000000000001"}, b_info: {max_memkb: 49152,
		target_memkb: 49152, device_model_version: "qemu_xen", "type.hvm": $hvm}} + $top)}'
}
STEPS='{"usbctrls": [{"type": "devicemodel", "devid": 0, "version": 3, "ports": 8}],
	"usbdevs": [{"ctrl": 0, "port": 1, "type": "hostdev", "u": {}, "type.hostdev": {"hostbus": 1, "hostaddr": 2}}],
	"pcidevs": [{"bus": 3, "dev": 0, "func": 0}]}'
SPICE='{"serial": "pty", "vnc": {"enable": "False"}, "spice": {"enable": "True", "port": 6000, "passwd": "geheim-5"}}'

step 'QMP steps, in their order, and no password anywhere'
fresh
def_libxl()
{
	libxl "$1" "$2" "$3" | put "$1"
	[[ ! -s $W/err ]] || fail "$(cat "$W/err")"
}
def_libxl web2 "$SPICE" "$STEPS"
mark
create web2
wait_state "$D" running
wait_followed
no_warning
[[ $(node serial/0/tty) == /dev/pts/* ]] || fail 'no serial port'
got=$(commands 'select(.execute | test("query|qmp") | not) | .execute + ":" + (.arguments | .id // .protocol)')
[[ $got == 'set_password:spice device_add:xenusb-0 device_add:xenusb-1-2 device_add:pci-pt-03_00.0' ]] \
	|| fail "steps: $got"
[[ $(commands 'select(.execute == "set_password").arguments.password') == geheim-5 ]] || fail 'password'
! said geheim || fail 'the log has a password'
! { dmctl show --json "$D"; events; } | grep geheim || fail 'a password is shown'
! grep -q geheim "$W/run/dm/$D/record.json" || fail 'the record keeps a password'
! tr '\0' '\n' <"/proc/$(field "$D" pid)/cmdline" | grep geheim || fail 'on the command line'
destroy "$D"
wait_gone "$D"

step 'a VNC password: for clients, not for the guest'
fresh
def_libxl web3 '{"vnc": {"enable": "True", "listen": "127.0.0.1", "passwd": "geheim-7"}}' \
	'{"usbctrls": [{"type": "devicemodel", "devid": 0, "version": 3}]}'
mark
create web3
wait_state "$D" running
wait_followed
no_warning
got=$(commands .execute)
[[ $got == 'qmp_capabilities query-status query-chardev query-vnc change-vnc-password device_add' ]] \
	|| fail "commands: $got"
[[ $(commands 'select(.arguments.password).arguments.password') == geheim-7 ]] || fail 'password'
node_is console/vnc-pass geheim-7 || fail 'no password for clients'
[[ $(xs perms "/local/domain/$D/console/vnc-pass") == n0 ]] || fail 'the guest can read the password'
[[ $(xs perms "/local/domain/$D/console/vnc-port") == "n0,r$D" ]] || fail 'vnc-port'
! said geheim || fail 'the log has a password'
! { dmctl show --json "$D"; events; } | grep geheim || fail 'a password is shown'
! grep -q geheim "$W/run/dm/$D/record.json" || fail 'the record keeps a password'
must dmctl stop --force "$D"
wait_until 'the password goes' eval '[[ -z $(node console/vnc-pass) ]]'
destroy "$D"
wait_gone "$D"

step 'a password that is refused is not told; a QEMU that has none is asked once'
fresh
answer change-vnc-password '{"error": {"class": "GenericError", "desc": "Could not set password"}}'
mark
create web3
wait_state "$D" running
wait_followed
warned 'change-vnc-password: QMP: Could not set password$'
no_node console/vnc-pass
serves
destroy "$D"
wait_gone "$D"
[[ $(wc -l <"$FAKEDM.asked") == 1 ]] || fail 'asked more than once'
cp "$FAKEDM" "$W/new"
mv "$W/new" "$FAKEDM" # another inode: asked again
touch "$FAKEDM.no-des"
for i in 1 2; do
	create web3
	reached "$D" failed 'asks for a VNC password, which .*/fakedm can.t do \(.*DES algorithm\); leave'
	expect "$D" '.pid == null'
	destroy "$D"
	wait_gone "$D"
done
[[ $(wc -l <"$FAKEDM.asked") == 2 ]] || fail "asked $(wc -l <"$FAKEDM.asked") times"
must dmctl check "$W/etc/domains.d/web3.json" "$W/etc/domains.d/web3.json"
[[ $(grep -c 'web3.json: warning: .*asks for a VNC password, which .*/fakedm can.t do (.*DES algorithm); leave' "$W/out") == 2 ]] \
	|| fail "check: $(cat "$W/out")"
must dmctl check --json "$W/etc/domains.d/web3.json"
[[ $(jq -r '.[].warning // empty' "$W/out" | wc -l) == 1 ]] || fail "check --json: $(cat "$W/out")"
[[ $(wc -l <"$FAKEDM.asked") == 4 ]] || fail "check: asked $(wc -l <"$FAKEDM.asked") times"
rm "$FAKEDM.no-des"
must dmctl check "$W/etc/domains.d/web3.json"
hasnt "$W/out" warning
touch "$FAKEDM" # another time of change: asked again
create web3
wait_state "$D" running
destroy "$D"
wait_gone "$D"
undef web3

step 'a step that fails, and the next ones'
fresh
answer device_add '{"error": {"class": "GenericError", "desc": "no such device"}}'
mark
create web2
wait_state "$D" running
wait_followed
warned 'device_add xenusb-0: QMP: no such device$'
warned 'device_add xenusb-1-2: QMP: no such device; the device has to be there'
warned 'device_add pci-pt-03_00.0: QMP: no such device; .*pciback'
serves
destroy "$D"
wait_gone "$D"

step 'killed in the middle of the steps: each is done, the first unanswered one again'
fresh
answer device_add ''
create web2
wait_until 'asked' grep -q device_add "$C"
grep -q device_add "$W/run/dm/$D/record.json" || fail 'not in the record'
! grep -q geheim "$W/run/dm/$D/record.json" || fail 'the record keeps a password that was set'
daemon_kill
rm "$A/device_add"
: >"$C"
daemon_start
wait_state "$D" running
wait_followed
no_warning
got=$(commands 'select(.execute | test("query|qmp") | not) | .execute + ":" + (.arguments | .id // .protocol)')
[[ $got == 'device_add:xenusb-0 device_add:xenusb-1-2 device_add:pci-pt-03_00.0' ]] || fail "steps: $got"
destroy "$D"
wait_gone "$D"
world_end
