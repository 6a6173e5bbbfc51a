#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=500
#
# What follows a start, with real QEMU and stock clients: `xl console -t serial`, `xl vncviewer`, and
# devices that no argument can give. All of it goes with the device model.
. "$(dirname "$0")/lib.sh"

node() { xenstore-read "/local/domain/$DOMID/$1" 2>/dev/null; }
show() { dmctl show --json "$DOMID" | jq -r "$1"; }
followed() { [[ $(show .following) == false ]]; }
perms() { xenstore-ls -fp "/local/domain/$DOMID" | grep "^/local/domain/$DOMID/$1 = " | sed 's/.*(\(.*\))$/\1/'; }

# Bytes from the guest's side: QEMU writes to the port as the guest's CPU would.
serial_says()
{
	qmp "/run/xendmd/dm/$DOMID/own-qmp" '{"execute": "human-monitor-command",
		"arguments": {"command-line": "o /b 0x3f8 0x58"}}' >/dev/null
	grep -q X console
}

serial_and_vnc()
{
	define serial < <(qemu_definition serial '' \
		'"-serial", "pty", "-vnc", "127.0.0.1:3", "-qmp", "unix:$QMP_SOCKET,server=on,wait=off"')
	mkdom_create serial
	wait_state "$DOMID" running 60
	wait_until 30 followed
	[[ $(node serial/0/tty) == /dev/pts/* ]] || fail "serial: $(show .)"
	expect vnc-listen "$(node console/vnc-listen)" 127.0.0.1
	expect vnc-port "$(node console/vnc-port)" 5903
	for key in serial/0/tty console/vnc-listen console/vnc-port; do
		expect "who may read $key" "$(perms $key)" "n0,r$DOMID"
	done
	expect warnings "$(show '.warnings | length')" 0
	no_event "$DOMID" device-model-warning
}

clients_find_them()
{
	local greeting

	# its end of input would end it
	sleep 100 | timeout 60 xl console -t serial "$DOMID" >console 2>console.err &
	wait_until 30 serial_says
	kill %1
	wait
	exec 3<>/dev/tcp/127.0.0.1/5903
	read -r -N 12 -t 20 greeting <&3
	exec 3>&-
	[[ $greeting == "RFB 003."* ]] || fail "no VNC server: $greeting"
	mkdir bin
	printf '#!/bin/sh\necho "$@" >%s/viewer\n' "$PWD" >bin/vncviewer
	chmod 755 bin/vncviewer
	PATH=$PWD/bin:$PATH xl vncviewer "$DOMID" || fail "xl vncviewer"
	expect "xl vncviewer's arguments" "$(<viewer)" 127.0.0.1:3
}

a_restart_does_nothing()
{
	local tty pid
	tty=$(node serial/0/tty) pid=$(qemu_pid "$DOMID")

	systemctl restart xendmd
	wait_state "$DOMID" running
	expect "the tty" "$(node serial/0/tty)" "$tty"
	expect "the pid" "$(dm_field "$DOMID" pid)" "$pid"
	expect "show" "$(show '.nodes["serial/0/tty"]')" "$tty"
	no_event "$DOMID" device-model-warning
}

they_go_with_it()
{
	dmctl stop --force "$DOMID" || fail "dmctl stop"
	wait_until 10 eval '[[ -z $(node serial/0/tty) ]]'
	[[ -z $(node console/vnc-port)$(node console/vnc-listen) ]] || fail "VNC is still announced"
	dmctl start "$DOMID" || fail "dmctl start"
	wait_until 30 eval '[[ -n $(node serial/0/tty) && -n $(node console/vnc-port) ]]'
	mkdom_destroy "$DOMID"
	wait_until 30 status_empty
}

# device_add is real, a PCI device is not there: told, and the guest goes on.
steps_of_a_libxl_configuration()
{
	define steps <<-END
		{ "match": { "name": "steps" }, "libxl": {
		  "c_info": { "type": "hvm", "name": "steps", "uuid": "11111111-2222-3333-4444-000000000009" },
		  "b_info": { "max_memkb": 40960, "target_memkb": 40960, "device_model_version": "qemu_xen",
		              "type.hvm": { "serial": "pty", "vnc": { "enable": "True", "listen": "127.0.0.1" } } },
		  "usbctrls": [ { "type": "devicemodel", "devid": 0, "version": 3, "ports": 4 } ],
		  "pcidevs": [ { "bus": 99, "dev": 1, "func": 0 } ] } }
	END
	mkdom_create steps
	wait_state "$DOMID" running 60
	wait_until 30 followed
	qmp "/var/run/xen/qmp-libxl-$DOMID" '{"execute": "qom-list", "arguments":
		{"path": "/machine/peripheral"}}' >peripheral
	grep -q '"xenusb-0"' peripheral || fail "no USB controller: $(<peripheral) $(show '.warnings[]')"
	[[ $(node console/vnc-port) == 59* ]] || fail "VNC: $(show .nodes)"
	show '.warnings[]' >warnings
	expect "number of warnings" "$(wc -l <warnings)" 1
	grep -qE 'device_add pci-pt-63_01.0: QMP: .*pciback' warnings || fail "$(<warnings)"
	has_event "$DOMID" device-model-warning || fail "no event"
	xl unpause "$DOMID" 2>/dev/null || fail "xl unpause"
	wait_until 180 firmware_ran "$DOMID"
	expect state "$(dm_field "$DOMID" state)" running
	mkdom_destroy "$DOMID"
	wait_until 30 status_empty
}

# Debian 12's QEMU for Xen has no DES and would die a second after its start; a later one can.
a_password()
{
	define password <<-END
		{ "match": { "name": "password" }, "libxl": {
		  "c_info": { "type": "hvm", "name": "password" },
		  "b_info": { "max_memkb": 40960, "target_memkb": 40960,
		              "type.hvm": { "vnc": { "enable": "True", "passwd": "geheim" } } } } }
	END
	mkdom_create password
	wait_until 120 eval '[[ $(dm_field "$DOMID" state) == @(failed|running) ]]'
	if [[ $(. /etc/os-release && echo "$VERSION_CODENAME") == bookworm ]]; then
		expect state "$(dm_field "$DOMID" state)" failed
	fi
	if dm_state_is "$DOMID" failed; then
		dm_field "$DOMID" reason | grep -q 'VNC password.*DES algorithm' \
			|| fail "reason: $(dm_field "$DOMID" reason)"
		no_event "$DOMID" device-model-running
	else
		wait_until 30 followed
		expect vnc-pass "$(node console/vnc-pass)" geheim
		expect "who may read vnc-pass" "$(perms console/vnc-pass)" n0
	fi
	journal "$DOMID" | grep geheim && fail "the journal has a password"
	mkdom_destroy "$DOMID"
	wait_until 30 status_empty
}

snapshot before
serial_and_vnc
clients_find_them
a_restart_does_nothing
they_go_with_it
steps_of_a_libxl_configuration
a_password
snapshot_same before 30
