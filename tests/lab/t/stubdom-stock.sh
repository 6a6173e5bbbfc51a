#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long releases=bookworm timeout=400
#
# The Linux stub domain that the lab brings, with stock xl and Xen's own proxy: the real peer for all
# that speaks QMP over vchan. The daemon shows it, and is in nobody's way.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/parts/qmp.sh"
. "$(dirname "$0")/parts/stubdom.sh"

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
starts create guest.cfg
echo "xl create took $((SECONDS - start)) s"
found || fail "no guest"
PROXY=$(xenstore-read "/local/domain/$STUB/image/qmp-proxy-pid")
expect "who serves QMP" "$(basename "$(readlink "/proc/$PROXY/exe")")" vchan-socket-proxy
info_status sd
must xl pause sd
must xl unpause sd
listed sd '.b_info.device_model_stubdomain == "True"'
wait_until 30 eval '[[ $(dm_field "$DOMID" stubdom.domid) == "$STUB" ]]'
expect kind "$(dm_field "$DOMID" kind)" foreign
destroy_guest
wait_until 10 eval '[[ ! -e /proc/$PROXY ]]'
snapshot_same before 30
