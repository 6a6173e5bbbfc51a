# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A guest of stock xl, "sd", with the lab's Linux stub domain; parts/qmp.sh comes first.
# shellcheck shell=bash

OURS=/usr/libexec/xendmd/vchan-socket-proxy
PLACE=/usr/bin/vchan-socket-proxy

no_zombies() { ! xl list | grep -q '(null)'; }
pid_node() { xenstore-read "/local/domain/$STUB/image/qmp-proxy-pid" 2>/dev/null; }
names_us() { [[ $(pid_node) == "$(systemctl show -P MainPID xendmd)" ]]; }
no_process() { ! pgrep -f "^($PLACE|$OURS|/usr/lib/xen[^ ]*/vchan-socket-proxy) "; }
listens() { ss -xlH | grep -qE " (/var)?$1 "; }
stub_log() { tail -n 5 /var/log/xen/qemu-dm-sd.log; }

# stub_config: guest.cfg. stub_disks: with disks, from one of which it boots and idles; their hotplug
# scripts take their time.
stub_config()
{
	cat >guest.cfg <<-END
		type = "hvm"
		name = "sd"
		memory = 48
		vnc = 0
		vcpus = 1
		maxvcpus = 2
		on_reboot = "restart"
		on_crash = "destroy"
		device_model_version = "qemu-xen"
		device_model_stubdomain_override = 1
		stubdomain_memory = 192
		stubdomain_cmdline = "console=hvc0 loglevel=1"
	END
}

stub_disks()
{
	boot_disk disk.img
	truncate -s 8M one.iso two.iso
	echo "disk = [ '$PWD/disk.img,raw,hda,rw,backendtype=qdisk', '$PWD/one.iso,raw,hdc,ro,devtype=cdrom' ]" \
		>>guest.cfg
}

# use_our_proxy: until the test ends.
use_our_proxy()
{
	xendmd-setup proxy enable || fail "proxy enable"
	trap 'status=$?; xendmd-setup proxy disable; (exit "$status"); cleanup_test' EXIT
	expect "the proxy" "$(readlink -f "$PLACE")" "$OURS"
}

# starts XL-COMMAND…: one that starts the stub domain.
starts()
{
	xl "$@" >xl.log 2>&1 || fail "xl $*: $(<xl.log); stub: $(stub_log)"
}

# found: DOMID and STUB are those of xl's guest and its stub domain.
found()
{
	DOMID=$(xl_domid sd) && STUB=$(xl_domid sd-dm)
}

# served: xl's guest has its QMP from the daemon, without a process.
served()
{
	wait_until 120 found
	found
	wait_until 120 status_is qmp "/run/xendmd/dm/$DOMID/qmp"
	wait_until 60 status_is stubdom.domid "$STUB"
	expect kind "$(dm_field "$DOMID" kind)" foreign
	wait_until 120 names_us
	wait_until 60 no_process
	for socket in "/run/xen/qmp-libxl-$DOMID" "/run/xen/qmp-libxenstat-$DOMID" "/run/xendmd/dm/$DOMID/qmp"; do
		listens "$socket" || fail "nobody listens at $socket"
	done
	wait_until 120 healthy
}

# ended GUEST STUB: both are gone and nothing of them is left.
ended()
{
	wait_until 120 domain_gone "$1"
	wait_until 120 domain_gone "$2"
	no_zombies || fail "zombies: $(xl list)"
	wait_until 30 nothing_of "$1"
}

nothing_of()
{
	[[ -z $(find /run/xendmd/dm /run/xen \( -name "*-$1" -o -path "*/dm/$1" -o -path "*/dm/$1/*" \) ! -name '*lock*') ]]
}

# begin_guest [disks]: the configuration, our proxy, a snapshot "before", and the guest.
begin_guest()
{
	stub_config
	[[ ${1:-} != disks ]] || stub_disks
	use_our_proxy
	snapshot before
	starts create guest.cfg
	served
}

# The guest runs on while libxl takes its stub domain away, and xl could make it anew for that.
destroy_guest()
{
	must xl pause sd
	must xl destroy sd
	ended "$DOMID" "$STUB"
}
