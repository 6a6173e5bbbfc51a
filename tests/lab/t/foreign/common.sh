# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For the tests of guests that stock xl made alone; sourced after lib.sh.
# shellcheck shell=bash

# theirs FILE: all that is not ours. What the guest and QEMU write by themselves in the meantime is
# waited for first.
theirs()
{
	{
		xenstore-ls -fp | grep -v '^/local/domain/0/xendmd'
		find /run/xen /var/lib/xen /var/log/xen -type f ! -name '*.log' -exec stat -c '%n %s %Y %U %a' {} +
		find /run/xen -type s -exec stat -c '%n %i' {} +
		find /var/log/xen -name '*.log' -exec stat -c '%n %i' {} +
		pgrep -a -f -- '-xen-domid [1-9]' | cut -d' ' -f1-4
		for pid in $(pgrep -f -- '-xen-domid [1-9]'); do
			cat "/proc/$pid/cgroup" "/proc/$pid/limits"
		done
	} >"$1"
}
same_as_before()
{
	theirs now
	diff before now >&2 || fail "$1: something of theirs is not as before"
}
is_foreign() { [[ $(dm_fields "$1" kind source state | paste -sd/) == foreign/foreign/running ]]; }
nothing_of_ours()
{
	[[ -z $(ls /run/xendmd/dm) ]] || fail "run directories: $(ls /run/xendmd/dm)"
	[[ -z $(systemctl list-units --plain --no-legend 'xendmd-dm-*.scope') ]] || fail "scopes of ours"
}
# As it was a moment ago.
settled()
{
	theirs one
	cmp -s one before && return
	mv one before
	return 1
}

# guest NAME: made by xl while no daemon runs or under its eyes; its number goes to DOMID, QEMU's to PID.
# Without a disk that boots SeaBIOS gives up after a minute and the guest reboots.
guest()
{
	boot_disk "$1.img"
	cat >"$1.cfg" <<-END
		type = "hvm"
		name = "$1"
		memory = 40
		vnc = 0
		serial = "pty"
		disk = ["format=raw,vdev=hda,access=rw,backendtype=qdisk,target=$PWD/$1.img"]
	END
	xl create "$1.cfg" >xl.log 2>&1 || fail "xl create: $(<xl.log)"
	DOMID=$(xl domid "$1")
	PID=$(xenstore-read "/local/domain/$DOMID/image/device-model-pid")
}

# Once the guests do nothing any more: "before" is what there is.
note_before()
{
	theirs before
	sleep 1
	wait_until 120 settled
}
