#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=600
#
# A PV guest (Debian's own kernel) whose QEMU, for a vfb, a qdisk disk and a channel, is handed over:
# VNC answers, the channel carries bytes, the guest reads and writes its disk. Killed, on_exit restart
# brings it back, also when xendmd was away. And a PV guest that had no need of a QEMU gets one from
# dmctl start, so that a qdisk disk can be attached.
. "$(dirname "$0")/lib.sh"

xl_domid() { xl domid "$1" 2>/dev/null; }
unlisted() { [[ -z $(dm_field "$1" state) ]]; }
backend() { xenstore-read "/local/domain/0/backend/$1/$DOMID/$2/state" 2>/dev/null; }
pid_in_xenstore() { xenstore-read "/local/domain/$DOMID/image/device-model-pid" 2>/dev/null; }
no_pid_in_xenstore() { ! xenstore-exists "/local/domain/$DOMID/image/device-model-pid"; }
sum_of() { sha256sum <"$1" | cut -d ' ' -f 1; }
reads() { [[ $(ask read "$1") == "$(sum_of "$2")" ]]; }
answers() { [[ $(ask ping "$1") == "$1" ]]; }

# With a channel, stock xl does not start this guest on trixie: its QEMU (10.0.13) does not go on behind the
# first console of its own. There the guest is asked over its console.
CHANNELS=
[[ $LAB_RELEASE != bookworm ]] \
	|| CHANNELS="channel = [ 'name=org.xendmd.none,connection=pty', 'name=org.xendmd.test,connection=socket,path=$PWD/channel' ]"

# ask COMMAND…: what the guest answers (see guest/pv-init); over its channel an answer to what was
# asked before may come first.
ask()
{
	if [[ ! $CHANNELS ]]; then
		ask_console "$@"
		return
	fi
	python3 - "$PWD/channel" "$*" <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.settimeout(20)
		s.connect(sys.argv[1])
		s.sendall(sys.argv[2].encode() + b"\n")
		name = sys.argv[2].split()[0] + ": "
		print(next(line[len(name):].strip() for line in s.makefile() if line.startswith(name)))
	END
}

console_answers() { [[ $(ask_console ping "$1") == "$1" ]]; }

vnc_answers()
{
	local port greeting

	port=$(xenstore-read "/local/domain/$DOMID/console/vnc-port") || fail "no VNC port in xenstore"
	exec 9<>"/dev/tcp/127.0.0.1/$port" || fail "VNC does not answer at $port"
	read -r -t 20 -n 3 -u 9 greeting
	expect "VNC's greeting" "$greeting" RFB
	exec 9>&-
}

# served_by_another: it runs again; PID is the new one
another_runs() { dm_state_is "$DOMID" running && [[ $(dm_field "$DOMID" pid) != "$PID" ]]; }
named() { [[ $(pid_in_xenstore) == "$(dm_field "$DOMID" pid)" ]]; }
served_by_another()
{
	wait_until 60 another_runs
	PID=$(dm_field "$DOMID" pid)
	wait_until 10 named
	expect source "$(dm_field "$DOMID" source)" handoff
	expect "state in xenstore" "$(xenstore-read "/local/domain/0/device-model/$DOMID/state")" running
	wait_until 20 xenstore-exists "/local/domain/$DOMID/console/vnc-port"
	vnc_answers
	wait_until 60 answers "after-$PID"
}

gone()
{
	wait_until 90 domain_gone "$DOMID"
	wait_until 30 unlisted "$DOMID"
}

# xl numbers channels from 0, which is the console's number: the first of them comes to nothing
# ("Primary console has invalid configuration").
guest()
{
	cat <<-END
		type = "pv"
		name = "$1"
		kernel = "/lab/vmlinuz"
		ramdisk = "$PWD/initrd.img"
		extra = "console=hvc0 loglevel=4"
		memory = 192
		on_crash = "preserve"
	END
}

pv_initrd initrd.img
head -c 4M /dev/urandom >disk.img
head -c 1M /dev/urandom >later.img
{
	guest pv
	cat <<-END
		disk = [ '$PWD/disk.img,raw,xvda,rw,backendtype=qdisk' ]
		vfb = [ 'type=vnc,vnclisten=127.0.0.1,vncunused=1' ]
		$CHANNELS
		device_model_override = "/usr/libexec/xendmd/dm-handoff"
	END
} >guest.cfg
guest bare >bare.cfg
define pv <<<'{"match": {"name": "pv"}, "kind": "qemu", "on_exit": "restart"}'

snapshot before
xl create guest.cfg >xl.log 2>&1 || fail "xl create: $(<xl.log) $(cat /var/log/xen/qemu-dm-pv.log)"
DOMID=$(xl_domid pv)
wait_state "$DOMID" running 60
PID=$(dm_field "$DOMID" pid)
expect source "$(dm_field "$DOMID" source)" handoff
expect "device-model-pid" "$(pid_in_xenstore)" "$PID"
tr '\0' ' ' <"/proc/$PID/cmdline" | grep -q -- '-machine xenpv ' || fail "no xenpv: $(tr '\0' ' ' <"/proc/$PID/cmdline")"
vnc_answers
wait_until 90 answers hello
expect "the disk as the guest reads it" "$(ask read xvda)" "$(sum_of disk.img)"
ask write xvda written-by-the-guest >/dev/null
expect "what the guest wrote" "$(head -c 20 disk.img)" written-by-the-guest

# Killed: another one serves it. What it was serving goes on but for the connected disk, whose ring
# QEMU can't take up (docs/using-with-xl.md). Another one can be attached.
kill -KILL "$PID"
served_by_another
has_event "$DOMID" policy-applied || fail "no policy: $(events "$DOMID")"
has_event "$DOMID" device-model-warning || fail "no warning of the disk: $(events "$DOMID")"
xl block-attach pv "$PWD/later.img,raw,xvdb,rw,backendtype=qdisk" || fail "block-attach after the restart"
wait_until 90 reads xvdb later.img
xl block-detach pv xvdb || fail "block-detach after the restart"

# The same with xendmd away: xenstore names a dead one no longer than that.
systemctl kill -s KILL xendmd.service
kill -KILL "$PID"
systemctl start xendmd.service
served_by_another

xl destroy pv || fail "xl destroy"
gone
rm -f channel
snapshot_same before 30

# A guest that needs no QEMU, and then does.
xl create bare.cfg >xl.log 2>&1 || fail "xl create: $(<xl.log)"
DOMID=$(xl_domid bare)
wait_state "$DOMID" unmanaged 30
no_pid_in_xenstore || fail "a device model for a guest without need"
xl block-attach bare "$PWD/later.img,raw,xvdb,rw,backendtype=qdisk" 2>xl.log && fail "libxl attaches without a device model"
wait_until 90 console_answers hello
dmctl start bare || fail "dmctl start of a guest without a device model"
expect state "$(dm_field "$DOMID" state)" running
expect source "$(dm_field "$DOMID" source)" start
PID=$(dm_field "$DOMID" pid)
wait_until 10 named
xl block-attach bare "$PWD/later.img,raw,xvdb,rw,backendtype=qdisk" || fail "block-attach"
wait_until 20 eval '[[ $(backend qdisk 51728) == 4 ]]'
expect "the disk as the guest reads it" "$(ask_console read xvdb)" "$(sum_of later.img)"
xl block-detach bare xvdb || fail "block-detach"
xl destroy bare || fail "xl destroy"
gone
no_event "$DOMID" device-model-exited
snapshot_same before 30
