#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Definitions whose command line is a libxl configuration.
. "$(dirname "$0")/lib.sh"
world_start

# libxl NAME TYPE B_INFO [REST]: a definition with a configuration, and nothing else.
libxl()
{
	put "$1" <<-E
		{"match": {"name": "$1"},
		 "libxl": {"c_info": {"type": "$2", "name": "$1"},
		           "b_info": {"device_model": "$FAKEDM", "max_memkb": 65536,
		                      "extra": ["-fakedm", "xenstored=$W/xs"] $3} ${4:-}}}
	E
}

step 'an HVM guest'
libxl 'web1' hvm ', "max_vcpus": 2, "type.hvm": {"serial": "pty", "bios": "ovmf"}' \
	', "disks": [{"pdev_path": "/srv/a,b.raw", "vdev": "hda", "format": "raw", "readwrite": 1}]'
create web1
wait_state "$D" running
expect "$D" '.kind == "qemu" and (.source | test("web1.json"))'
PID=$(field "$D" pid)
tr '\0' '\n' <"/proc/$PID/cmdline" >"$W/cmdline"
has "$W/cmdline" "^$D$"
has "$W/cmdline" '^file=/srv/a,,b.raw,if=ide,index=0,media=disk,format=raw,cache=writeback$'
has "$W/cmdline" '^1,maxcpus=2$'
has "$W/cmdline" "path=$W/run/dm/$D/libxl,"
must dmctl render --json --domid "$D" "$W/etc/domains.d/web1.json"
# libxl's sockets are the daemon's
tail -n +2 "$W/cmdline" | head -n "$(jq '.argv | length' "$W/out")" \
	| sed "s#path=$W/run/dm/$D/\(libxl\|libxenstat\),#path=$XENDMD_XENRUNDIR/qmp-\1-$D,#" >"$W/ours"
jq -r '.argv[]' "$W/out" | cmp - "$W/ours" || fail 'render shows something else'
tr '\0' '\n' <"/proc/$PID/environ" | sort >"$W/environ"
[[ $(grep -c '^XEN_QEMU_CONSOLE_LIMIT=1048576$' "$W/environ") == 1 ]] || fail 'console limit'
has "$W/environ" "^XEN_DOMAIN_ID=$D$"
[[ $(xs read "/local/domain/$D/hvmloader/bios") == ovmf ]] || fail "bios: $(xs read "/local/domain/$D/hvmloader/bios")"
destroy "$D"
wait_gone "$D"

step 'a PV guest with and without need of QEMU'
libxl pv1 pv '' ', "vfbs": [{}]'
libxl pv2 pv ''
create pv1 && PV1=$D
create pv2
wait_state "$PV1" running
tr '\0' '\n' <"/proc/$(field "$PV1" pid)/cmdline" >"$W/cmdline"
has "$W/cmdline" '^-xen-attach$'
has "$W/cmdline" '^xenpv$'
wait_state "$D" unmanaged
destroy "$PV1"
destroy "$D"

step 'what this version can not start says so, with its key, and shows no password'
libxl stub hvm ', "device_model_stubdomain": "True", "device_model_version": "qemu_xen"'
libxl secret hvm ', "device_model_version": "qemu_xen_traditional", "type.hvm": {"vnc": {"passwd": "geheim"}}'
libxl igd hvm ', "type.hvm": {"gfx_passthru": "True"}'
for name in stub:stubdom-linux secret:device_model_version igd:gfx_passthru; do
	create "${name%:*}"
	wait_state "$D" failed
	expect "$D" ".reason | test(\"${name#*:}\")"
	destroy "$D"
	wait_gone "$D"
done
must_fail 1 dmctl check "$W/etc/domains.d/secret.json"
must dmctl render --json "$W/etc/domains.d/secret.json"
hasnt "$W/out" geheim
hasnt "$W/daemon.log" geheim
nothing_left
world_end
