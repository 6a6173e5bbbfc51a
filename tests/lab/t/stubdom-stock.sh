#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=400
#
# The Linux stub domain that the lab brings, with stock xl and Xen's own proxy: the real peer for all
# that speaks QMP over vchan. The daemon shows it, and is in nobody's way.
. "$(dirname "$0")/lib.sh"

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

cat >guest.cfg <<-END
	type = "hvm"
	name = "sd"
	memory = 48
	vnc = 0
	device_model_version = "qemu-xen"
	device_model_stubdomain_override = 1
	stubdomain_memory = 192
END
snapshot before
start=$SECONDS
create
echo "xl create took $((SECONDS - start)) s"
DOMID=$(xl domid sd)
STUB=$(xl domid sd-dm)
PROXY=$(xenstore-read "/local/domain/$STUB/image/qmp-proxy-pid")
expect "who serves QMP" "$(basename "$(readlink "/proc/$PROXY/exe")")" vchan-socket-proxy
must xl qemu-monitor-command sd "info status"
grep -q 'VM status: running' xl.log || fail "info status: $(<xl.log)"
must xl pause sd
must xl unpause sd
must xl list -l sd
holds '.[0].config.b_info.device_model_stubdomain == "True"' xl.log || fail "xl list -l: $(<xl.log)"
wait_until 30 eval '[[ $(dm_field "$DOMID" stubdom.domid) == "$STUB" ]]'
expect kind "$(dm_field "$DOMID" kind)" foreign
must xl destroy sd
wait_until 60 domain_gone "$DOMID"
wait_until 60 domain_gone "$STUB"
expect "zombies" "$(xl list | grep -c '(null)')" 0
wait_until 10 eval '[[ ! -e /proc/$PROXY ]]'
snapshot_same before 30
