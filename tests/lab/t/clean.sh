#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: essential timeout=500
#
# A device model's end leaves nothing, in dom0 and in the hypervisor: after a normal life, and after
# starts that failed half-way.
. "$(dirname "$0")/lib.sh"

declare -A ID

# The three at once: one lives, one ends after it has mapped the guest's memory, one never answers.
start_them()
{
	printf '#!/bin/sh\nkill -STOP $$\nexec %s "$@"\n' "$QEMU" >/run/lab/silent
	chmod 755 /run/lab/silent
	define_qemu good
	define_qemu refused '"extra_args": [ "-device", "no-such-device" ]'
	define_qemu silent '"binary": "/run/lab/silent", "limits": { "start_timeout_s": 15 }'
	for name in silent refused good; do
		mkdom_create $name
		ID[$name]=$DOMID
	done
}

they_are_as_wanted()
{
	wait_state "${ID[good]}" running 60
	wait_state "${ID[refused]}" failed 60
	[[ $(dm_field "${ID[refused]}" reason) == *no-such-device* ]] \
		|| fail "reason: $(dm_field "${ID[refused]}" reason)"
	xl unpause "${ID[good]}" 2>/dev/null
	wait_until 180 firmware_ran "${ID[good]}"
	wait_state "${ID[silent]}" failed 60
	[[ $(dm_field "${ID[silent]}" reason) == *15\ s* ]] \
		|| fail "reason: $(dm_field "${ID[silent]}" reason)"
}

# What failed is gone before its domain is, but for what tells of it.
nothing_of_the_failed()
{
	local name id

	for name in silent refused; do
		id=${ID[$name]}
		no_qemu "$id" || fail "$name: process $(qemu_pid "$id")"
		[[ ! -e /sys/fs/cgroup/xendmd.slice/xendmd-dm.slice/xendmd-dm-$id.scope ]] \
			|| fail "$name: scope"
		xenstore-exists "/local/domain/0/device-model/$id" && fail "$name: device-model"
		xenstore-exists "/local/domain/$id/image/device-model-pid" && fail "$name: pid"
		expect "$name's files" "$(ls "/run/xendmd/dm/$id" | grep -vx own-qmp)" record.json
		expect "$name's state" "$(xenstore-read "/local/domain/0/xendmd/$id/state")" failed
	done
}

end_them()
{
	local name

	for name in good refused silent; do
		mkdom_destroy "${ID[$name]}"
	done
	wait_until 30 status_empty
	rm /run/lab/silent
	no_event "${ID[good]}" device-model-exited
	has_event "${ID[good]}" device-model-stopped || fail "no device-model-stopped"
	has_event "${ID[good]}" domain-gone || fail "no domain-gone"
	has_event "${ID[refused]}" device-model-failed || fail "no device-model-failed"
}

# Given back before the domain itself: QEMU is told to quit while its domain still dies.
exit_records()
{
	local file

	file=$(ls /var/lib/xendmd/exits/*Z-"${ID[good]}"-*.json)
	expect "exit record" "$(jq -c '[.state, .exit.code, .policy]' "$file")" '["stopping",0,null]'
	file=$(ls /var/lib/xendmd/exits/*Z-"${ID[refused]}"-*.json)
	expect "exit record" "$(jq -c '[.state, .exit.code, .phase]' "$file")" '["failed",1,"spawned"]'
	file=$(ls /var/lib/xendmd/exits/*Z-"${ID[silent]}"-*.json)
	expect "exit record" "$(jq -c '[.state, .exit.signal]' "$file")" '["failed","SIGKILL"]'
}

snapshot before
xen_traces >traces.before
start_them
they_are_as_wanted
nothing_of_the_failed
end_them
exit_records
snapshot_same before 30
xen_traces >traces.after
diff traces.before traces.after || fail "traces in the hypervisor"
