#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long releases=bookworm timeout=300
#
# dm_restrict of a domain that the daemon itself starts from a libxl configuration: libxl's rule for
# the user, an empty root, namespaces of its own and limits; and nothing of it stays.
#
# Not on trixie: its QEMU 10.0 exits with -xen-domid-restrict when there is a vkb.
. "$(dirname "$0")/lib.sh"

BASE=70000

firmware_and_disk_work()
{
	wait_until 180 firmware_ran "$1"
	qmp "/run/xendmd/dm/$1/qmp" '{"execute":"query-block"}' \
		| holds '[.return[].device] | index("ide0-hd0")' || fail "no disk"
}

cp /etc/passwd passwd.before
# shellcheck disable=SC2154
trap 'status=$?; cp passwd.before /etc/passwd; (exit $status); cleanup_test' EXIT
grep -v '^xen-qemuuser' passwd.before >/etc/passwd
truncate -s 4M a.raw
cat >guest.cfg <<END
type = "hvm"
name = "restricted1"
memory = 40
vnc = 0
dm_restrict = 1
disk = [ 'format=raw,vdev=hda,access=rw,backendtype=qdisk,target=$PWD/a.raw' ]
END
xl create -n guest.cfg >config.json || fail "xl create -n"
snapshot before
define restricted1 < <(jq '{match: {name: "restricted1"}, libxl: .}' config.json)

# Without the users libxl refuses, and so do we, with a word.
mkdom_create restricted1 --running
wait_state "$DOMID" failed 60
dm_field "$DOMID" reason | grep -q 'dm_restrict: neither xen-qemuuser-range-base nor' \
	|| fail "reason: $(dm_field "$DOMID" reason)"
mkdom_destroy "$DOMID"
wait_until 30 status_empty

echo "xen-qemuuser-range-base:x:$BASE:$BASE::/:/bin/false" >>/etc/passwd
mkdom_create restricted1 --running
wait_state "$DOMID" running 60
PID=$(dm_field "$DOMID" pid)
for field in Uid Gid; do
	expect "$field" "$(awk -v f="$field:" '$1 == f { print $2 }' "/proc/$PID/status")" \
		"$([[ $field == Uid ]] && echo $((BASE + DOMID)) || echo $BASE)"
done
expect root "$(readlink "/proc/$PID/root")" "/run/xendmd/dm/$DOMID/root"
expect "what it sees" "$(ls -A "/proc/$PID/root/")" ""
for ns in mnt ipc; do
	[[ $(readlink "/proc/$PID/ns/$ns") != $(readlink /proc/1/ns/$ns) ]] || fail "the host's $ns namespace"
done
tr -s ' ' <"/proc/$PID/limits" | grep -qF 'Max core file size 0 0' || fail "limits"
expect state "$(xenstore-read "/local/domain/0/device-model/$DOMID/state")" running
firmware_and_disk_work "$DOMID"
mkdom_destroy "$DOMID"
wait_until 30 status_empty
undefine restricted1
snapshot_same before
