#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=900
#
# The life that stock xl gives a guest with a stub domain whose QMP the daemon serves in the place of
# Xen's proxy; with others at the socket, with the daemon restarted and killed, with the stub domain
# killed. Each time nothing is left, least of all the stub domain itself.
. "$(dirname "$0")/lib.sh"

OURS=/usr/libexec/xendmd/vchan-socket-proxy
PLACE=/usr/bin/vchan-socket-proxy
CLIENTS=()

xl_domid() { xl domid "$1" 2>/dev/null; }
status_is() { [[ $(dm_field "$DOMID" "$1") == "$2" ]]; }
no_zombies() { ! xl list | grep -q '(null)'; }
pid_node() { xenstore-read "/local/domain/$STUB/image/qmp-proxy-pid" 2>/dev/null; }
names_us() { [[ $(pid_node) == "$(systemctl show -P MainPID xendmd)" ]]; }
no_process() { ! pgrep -f "^($PLACE|$OURS|/usr/lib/xen[^ ]*/vchan-socket-proxy) "; }
listens() { ss -xlH | grep -qE " (/var)?$1 "; }

no_guest() { ! xl domid sd && ! xl domid sd-dm; }
# libxl gives a stub domain 30 s, which the emulation may need on a busy machine: then once more.
create()
{
	local tries

	for tries in 1 2 3; do
		xl create guest.cfg >xl.log 2>&1 && return
		grep -q 'startup timed out' xl.log || break
		echo "try $tries: the stub domain did not come up in libxl's 30 s"
		wait_until 60 no_guest
	done
	fail "xl create: $(<xl.log); stub: $(tail -n 5 /var/log/xen/qemu-dm-sd.log)"
}

must()
{
	"$@" >xl.log 2>&1 || fail "$*: $(<xl.log); stub: $(tail -n 5 /var/log/xen/qemu-dm-sd.log)"
}

info_status()
{
	must xl qemu-monitor-command sd "info status"
	grep -q 'VM status: ' xl.log || fail "info status: $(<xl.log)"
}

# served: DOMID and STUB are xl's guest and its stub domain, whose QMP is ours, without a process.
served()
{
	wait_until 120 xl_domid sd
	wait_until 120 xl_domid sd-dm
	DOMID=$(xl_domid sd)
	STUB=$(xl_domid sd-dm)
	wait_until 60 status_is qmp "/run/xendmd/dm/$DOMID/qmp"
	wait_until 60 status_is stubdom.domid "$STUB"
	expect kind "$(dm_field "$DOMID" kind)" foreign
	wait_until 60 names_us
	wait_until 60 no_process
	for socket in "/run/xen/qmp-libxl-$DOMID" "/run/xen/qmp-libxenstat-$DOMID" "/run/xendmd/dm/$DOMID/qmp"; do
		listens "$socket" || fail "nobody listens at $socket"
	done
}

healthy()
{
	[[ $(dmctl show --json "$DOMID" | jq -r .qmp_session.health) == ok ]]
}

# Both domains are gone and nothing of them is left.
ended()
{
	wait_until 120 domain_gone "$1"
	wait_until 120 domain_gone "$2"
	no_zombies || fail "zombies: $(xl list)"
	[[ -z $(find /run/xendmd/dm /run/xen -name "*-$1" -o -path "*/dm/$1" -o -path "*/dm/$1/*" | grep -v lock) ]] \
		|| fail "left: $(find /run/xendmd/dm /run/xen)"
}

# clients: four at a time that never stop asking; clients_end wants each to have been answered, and to
# have ended only with the connection.
cat >client.py <<'END'
import json, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect(sys.argv[1])
f = s.makefile("rw", newline="\n")
answers = 0
def ask(command):
    f.write(json.dumps({"execute": command, "id": "me"}) + "\n")
    f.flush()
    while True:
        line = f.readline()
        if not line:
            raise EOFError
        answer = json.loads(line)
        if "event" in answer:
            continue
        assert answer["id"] == "me" and "return" in answer, answer
        return
try:
    assert "QMP" in json.loads(f.readline())
    ask("qmp_capabilities")
    while True:
        ask(sys.argv[2])
        answers += 1
        if answers == 1:
            open(sys.argv[3], "w").close()
        time.sleep(0.2)
except (EOFError, ConnectionResetError, BrokenPipeError, json.JSONDecodeError):
    pass
print(answers)
END
all_answered()
{
	[[ -e answered.0 && -e answered.1 && -e answered.2 && -e answered.3 ]]
}

clients()
{
	local i=0 what

	CLIENTS=()
	rm -f answered.*
	for what in "/run/xendmd/dm/$DOMID/qmp query-status" "/run/xendmd/dm/$DOMID/qmp query-version" \
		"/run/xen/qmp-libxl-$DOMID query-version" "/run/xen/qmp-libxenstat-$DOMID query-blockstats"; do
		python3 client.py $what "answered.$i" >"client.$i" 2>&1 &
		CLIENTS+=($!)
		i=$((i + 1))
	done
	wait_until 60 all_answered
}
clients_end()
{
	local i

	for i in 0 1 2 3; do
		wait_until 30 eval "! kill -0 ${CLIENTS[i]}"
		[[ $(<"client.$i") =~ ^[1-9][0-9]*$ ]] || fail "client $i: $(<"client.$i")"
	done
	CLIENTS=()
}

# libxl 4.17 can't do it in a stub domain and says so; later ones do it through QMP.
change_disc()
{
	if [[ $LAB_RELEASE == bookworm ]]; then
		! xl cd-insert sd hdc "$PWD/two.iso" >xl.log 2>&1 || fail "libxl 4.17 has changed a disc"
		grep -q "doesn't work for stub domains" xl.log || fail "cd-insert: $(<xl.log)"
		return
	fi
	must xl cd-insert sd hdc "$PWD/two.iso"
	must xl cd-eject sd hdc
}

a_life()
{
	create
	served
	info_status
	wait_until 30 healthy
	clients
	must xl pause sd
	must xl unpause sd
	info_status
	change_disc
	must xl vcpu-set sd 2
	must xl list -l sd
	holds '.[0].config.b_info.device_model_stubdomain == "True"' xl.log \
		|| fail "xl list -l: $(<xl.log)"
	must xentop -b -i 1
	must dmctl qmp "$DOMID" query-status
	for client in "${CLIENTS[@]}"; do
		kill -0 "$client" || fail "a client ended: $(tail -n 2 client.?)"
	done
}

daemon_restarts()
{
	systemctl restart xendmd || fail "restart"
	clients_end
	served
	info_status
	clients
	systemctl kill -s KILL xendmd
	clients_end
	wait_until 30 dmctl version
	served
	info_status
}

reboot_guest()
{
	local guest=$DOMID stub=$STUB

	must xl qemu-monitor-command sd system_reset
	wait_until 180 eval '[[ $(xl_domid sd) && $(xl_domid sd) != '"$guest"' ]]'
	ended "$guest" "$stub"
	served
	wait_until 120 eval '! xl_state_has "$DOMID" p'
	info_status
}

save_and_restore()
{
	local guest=$DOMID stub=$STUB

	must xl save sd state
	ended "$guest" "$stub"
	must xl restore state
	rm state
	served
	info_status
}

destroyed_with_clients()
{
	clients
	must xl destroy sd
	clients_end
	ended "$DOMID" "$STUB"
}

# The stub domain is killed: an exit of the device model, and its guest goes by its toolstack later.
stub_killed()
{
	create
	served
	clients
	must xl destroy "$STUB"
	clients_end
	wait_until 60 domain_gone "$STUB"
	no_zombies || fail "zombies: $(xl list)"
	[[ ! -e /run/xen/qmp-libxl-$DOMID && ! -e /run/xendmd/dm/$DOMID ]] || fail "left: $(ls /run/xen /run/xendmd/dm)"
	must xl destroy sd
	ended "$DOMID" "$STUB"
}

# Without the daemon the domains die; the next one leaves nothing of them.
dead_while_away()
{
	create
	served
	systemctl stop xendmd.socket
	systemctl kill -s KILL xendmd
	systemctl stop xendmd
	must xl destroy sd
	systemctl start xendmd.socket xendmd
	wait_until 30 dmctl version
	ended "$DOMID" "$STUB"
}

truncate -s 8M one.iso two.iso
cat >guest.cfg <<-END
	type = "hvm"
	name = "sd"
	memory = 48
	vnc = 0
	vcpus = 1
	maxvcpus = 2
	on_reboot = "restart"
	device_model_version = "qemu-xen"
	device_model_stubdomain_override = 1
	stubdomain_memory = 192
	stubdomain_cmdline = "console=hvc0 loglevel=1"
	disk = [ '$PWD/one.iso,raw,hdc,ro,devtype=cdrom' ]
END
stock=$(readlink -f "$PLACE")
xendmd-setup proxy enable || fail "proxy enable"
trap 'status=$?; xendmd-setup proxy disable; (exit "$status"); cleanup_test' EXIT
expect "the proxy" "$(readlink -f "$PLACE")" "$OURS"
snapshot before
for part in a_life daemon_restarts reboot_guest save_and_restore destroyed_with_clients stub_killed \
	dead_while_away; do
	echo "$SECONDS s: $part"
	$part
done
snapshot_same before 30
xendmd-setup proxy disable || fail "proxy disable"
expect "the proxy" "$(readlink -f "$PLACE")" "$stock"
