#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=300 releases=bookworm
#
# The life that Debian's libvirt gives a guest whose <emulator> is dm-handoff: each of its device
# models is ours, and what happens to one is told to libvirt as the definition says.
. "$(dirname "$0")/lib.sh"

HANDOFF=/usr/libexec/xendmd/dm-handoff
CPU_MAP=/usr/share/libvirt/cpu_map/x86_486.xml
LIBVIRTD=
export LIBVIRT_DEFAULT_URI=xen:///system

domid_now() { xl domid lv 2>/dev/null; }
other_domid() { [[ $(domid_now) && $(domid_now) != "$1" ]]; }
pid_in_xenstore() { xenstore-read "/local/domain/$DOMID/image/device-model-pid" 2>/dev/null; }
no_helper() { [[ -z $(pgrep -f -- "^$HANDOFF .*-xen-domid $1( |\$)") ]]; }
unlisted() { [[ -z $(dm_field "$1" state) ]]; }
unknown_to_libvirt() { ! virsh list --all --name | grep -qxF lv; }

# libvirtd serves no host whose processor none of its models describes: each wants either "sep", which
# Xen takes from an AMD processor, or "vme", which QEMU's emulated one doesn't have.
know_processor()
{
	cp "$CPU_MAP" cpu_map
	sed -i "/name='vme'/d" "$CPU_MAP"
}

# With the Xen driver alone: Debian's libvirtd brings QEMU's, which wants users that dom0 doesn't have.
start_libvirtd()
{
	LIBVIRT_DRIVER_DIR=$PWD/drivers /usr/sbin/libvirtd >>libvirtd.log 2>&1 &
	LIBVIRTD=$!
	wait_until 60 libvirtd_settled
	kill -0 "$LIBVIRTD" || fail "libvirtd: $(<libvirtd.log)"
}

libvirtd_settled()
{
	! kill -0 "$LIBVIRTD" || timeout 10 virsh version
}

stop_libvirtd()
{
	[[ -z $LIBVIRTD ]] || { kill "$LIBVIRTD" && wait "$LIBVIRTD"; }
	LIBVIRTD=
}

cleanup_libvirt()
{
	virsh destroy lv >/dev/null 2>&1
	virsh undefine lv >/dev/null 2>&1
	stop_libvirtd
	cp cpu_map "$CPU_MAP"
}

must()
{
	"$@" >virsh.log 2>&1 || fail "$*: $(<virsh.log) $(tail -n 5 libvirtd.log)"
}

domain_xml()
{
	cat <<-END
		<domain type='xen'>
		  <name>lv</name>
		  <memory unit='MiB'>48</memory>
		  <os><type>hvm</type></os>
		  <on_crash>restart</on_crash>
		  <devices>
		    <emulator>$HANDOFF</emulator>
		    <disk type='file'>
		      <driver name='qemu' type='raw'/>
		      <source file='$PWD/disk.img'/>
		      <target dev='hda' bus='ide'/>
		    </disk>
		  </devices>
		</domain>
	END
}

# DOMID and PID are those of libvirt's guest; its device model is ours.
served()
{
	wait_until 60 domid_now
	DOMID=$(domid_now)
	wait_state "$DOMID" running 60
	PID=$(dm_field "$DOMID" pid)
	expect source "$(dm_field "$DOMID" source)" handoff
	expect kind "$(dm_field "$DOMID" kind)" qemu
	expect "device-model-pid" "$(pid_in_xenstore)" "$PID"
	expect program "$(readlink "/proc/$PID/exe")" "$(readlink -f $QEMU)"
	grep -q "/xendmd-dm-$DOMID.scope\$" "/proc/$PID/cgroup" || fail "scope: $(cat "/proc/$PID/cgroup")"
	wait_until 10 no_helper "$DOMID"
	wait_until 60 eval '[[ $(virsh domstate lv) == running ]]'
	expect "libvirt's domid" "$(virsh domid lv)" "$DOMID"
}

# ended DOMID: by libvirt's own doing, which is no death.
ended()
{
	wait_until 60 domain_gone "$1"
	wait_until 30 unlisted "$1"
	no_event "$1" device-model-exited
	no_event "$1" device-model-failed
	has_event "$1" device-model-stopped || fail "events of $1: $(events "$1" | paste -sd' ')"
}

destroyed()
{
	must virsh destroy lv
	ended "$DOMID"
}

created()
{
	must virsh create guest.xml
	served
}

suspended()
{
	must virsh suspend lv
	xl_state_has "$DOMID" p || fail "not paused"
	expect "state of the device model" "$(dm_field "$DOMID" state)" running
	must virsh resume lv
	xl_state_has "$DOMID" p && fail "still paused"
	expect "QEMU's status" "$(dmctl qmp lv query-status | jq .running)" true
}

libvirtd_restarted()
{
	stop_libvirtd
	kill -0 "$PID" || fail "the device model went with libvirtd"
	start_libvirtd
	served
}

# Without a definition the guest is paused. libvirt can't know: libxl has no event for it.
death_told()
{
	kill -KILL "$PID"
	wait_state "$DOMID" exited 30
	expect exit "$(dm_field "$DOMID" exit | jq -c .)" '{"signal":"SIGKILL"}'
	has_event "$DOMID" device-model-exited || fail "not told"
	wait_until 10 xl_state_has "$DOMID" p
	[[ -z $(pid_in_xenstore) ]] || fail "xenstore names a dead device model"
	must virsh destroy lv
	wait_until 30 unlisted "$DOMID"
}

# With "crash" libvirt is told, and its own on_crash makes the guest again; a persistent one.
death_acted_on()
{
	local first

	define lv <<<'{ "match": { "name": "lv" }, "kind": "qemu", "on_exit": "crash" }'
	must virsh define guest.xml
	must virsh start lv
	served
	first=$DOMID
	kill -KILL "$PID"
	wait_until 60 other_domid "$first"
	has_event "$first" device-model-exited || fail "not told"
	served
	destroyed
	must virsh undefine lv
	undefine lv
}

# refused WORDS: virsh create fails, says why where libxl says it, and nothing is left.
refused()
{
	virsh create guest.xml >virsh.log 2>&1 && fail "virsh create succeeded"
	[[ -s virsh.log ]] || fail "virsh says nothing"
	grep -q "$1" /var/log/xen/qemu-dm-lv.log || fail "the log: $(cat /var/log/xen/qemu-dm-lv.log)"
	wait_until 60 eval '[[ -z $(domid_now) ]]'
	wait_until 30 status_empty
	wait_until 10 unknown_to_libvirt
}

device_model_fails()
{
	cat >dies <<-'END'
		#!/bin/sh
		echo "this QEMU dies at once" >&2
		exit 3
	END
	chmod +x dies
	define lv <<<"{ \"match\": { \"name\": \"lv\" }, \"kind\": \"qemu\", \"binary\": \"$PWD/dies\" }"
	refused "this QEMU dies at once"
	undefine lv
}

[[ -x /usr/sbin/libvirtd ]] || fail "no libvirtd in dom0"
mkdir drivers
ln -s /usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_libxl.so drivers/
truncate -s 8M disk.img
domain_xml >guest.xml
know_processor
trap 'status=$?; cleanup_libvirt; (exit "$status"); cleanup_test' EXIT
snapshot before
start_libvirtd
for part in created suspended libvirtd_restarted death_told death_acted_on device_model_fails; do
	echo "$SECONDS s: $part"
	$part
done
stop_libvirtd
snapshot_same before 30
