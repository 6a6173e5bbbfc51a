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
libxl igd hvm ', "type.hvm": {"gfx_passthru": "True"}'
for name in stub:stubdom-linux igd:gfx_passthru; do
	create "${name%:*}"
	wait_state "$D" failed
	expect "$D" ".reason | test(\"${name#*:}\")"
	destroy "$D"
	wait_gone "$D"
done

step 'qemu-dm is looked for where programs are, and the reason says where'
old()
{
	put old <<-E
		{"match": {"name": "old"}, $1
		 "libxl": {"c_info": {"type": "hvm", "name": "old"},
		           "b_info": {"max_memkb": 65536, "device_model_version": "qemu_xen_traditional",
		                      "type.hvm": {"vnc": {"passwd": "geheim"}, "xen_platform_pci": "False"}}}}
	E
}
old ''
create old
wait_state "$D" failed
expect "$D" ".reason | test(\"device_model_version: qemu_xen_traditional: program .qemu-dm. is neither in [^ ]+ nor in\")"
must dmctl render --json "$W/etc/domains.d/old.json"
has "$W/out" '127.0.0.1:0,password'
destroy "$D"
wait_gone "$D"

step 'qemu-dm: no monitor, ready by xenstore alone, its own nodes there'
mkfifo "$W/never"
cat >"$W/libexec/qemu-dm" <<E
#!/bin/bash
# as far as it matters: -d DOMID first, "running" in xenstore, ends on SIGTERM
export XENSTORED_PATH=$W/xs
[[ \$1 == -d && \$* != *chardev* ]] || { echo "no such option: \$*" >&2; exit 1; }
$BUILD/tests/xsctl write "/local/domain/0/device-model/\$2/state" running
trap 'exit 0' TERM
exec 9<>"$W/never"
while :; do read -r -u 9 -t 60; done
E
chmod +x "$W/libexec/qemu-dm"
old "\"binary\": \"$W/libexec/qemu-dm\","
create old
wait_state "$D" running
VM=/vm/$(field "$D" uuid)
PID=$(field "$D" pid)
[[ $(xs read "/local/domain/0/device-model/$D/disable_pf") == 1 ]] || fail 'disable_pf'
[[ $(xs read "$VM/vncpasswd") == geheim ]] || fail 'vncpasswd'
[[ $(xs perms "$VM/vncpasswd") == n0 ]] || fail 'the guest can read the password'
tr '\0' '\n' <"/proc/$PID/cmdline" >"$W/cmdline"
has "$W/cmdline" '^-M$'
daemon_stop
daemon_start
wait_state "$D" running
expect "$D" ".pid == $PID"
kill -KILL "$PID"
wait_state "$D" exited
must dmctl start old
wait_state "$D" running
destroy "$D"
wait_gone "$D"
! xs read "$VM/vncpasswd" >/dev/null 2>&1 || fail 'the password stayed'
hasnt "$W/daemon.log" geheim
nothing_left
world_end
