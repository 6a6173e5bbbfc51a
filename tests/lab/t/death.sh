#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: essential timeout=500
#
# QEMU ends while its domain lives: told at once and in full, and on_exit is applied.
. "$(dirname "$0")/lib.sh"

POLICIES="pause crash destroy preserve none"
declare -A ID PID

start_them()
{
	local policy

	for policy in $POLICIES; do
		RELOAD=no define_qemu "$policy" "\"on_exit\": \"$policy\""
	done
	dmctl reload
	for policy in $POLICIES; do
		mkdom_create "$policy" --memory 24
		ID[$policy]=$DOMID
	done
	for policy in $POLICIES; do
		wait_state "${ID[$policy]}" running 90
		PID[$policy]=$(dm_field "${ID[$policy]}" pid)
		xl unpause "${ID[$policy]}" 2>/dev/null
	done
}

# Three kinds of end: a signal that cores, the one nothing can catch, and an exit of its own accord.
# Each when its guest is idle, which SeaBIOS is for a minute before it starts anew: a QEMU that ends amid
# the guest's I/O powers the domain off.
end_them()
{
	local policy

	for policy in $POLICIES; do
		wait_until 180 firmware_ran "${ID[$policy]}"
		case $policy in
		pause) kill -SEGV "${PID[$policy]}" ;;
		none) qmp "/run/xendmd/dm/${ID[none]}/own-qmp" '{"execute":"quit"}' >/dev/null ;;
		*) kill -KILL "${PID[$policy]}" ;;
		esac
	done
}

# exited POLICY EXIT-JSON WORDS: state, reason, event, exit record, xenstore.
exited()
{
	local id=${ID[$1]} file

	wait_state "$id" exited 30
	dmctl status --json >status
	dmctl events --json >events
	expect "status of $1" "$(jq -c --argjson id "$id" \
		'.domains[] | select(.domid == $id) | [.exit, .pid, .qmp]' status)" "[$2,null,null]"
	jq -r --argjson id "$id" '.domains[] | select(.domid == $id) | .reason' status \
		| grep -qF "$3" || fail "reason of $1: $(dm_field "$id" reason)"
	expect "events of $1" "$(jq -c --argjson id "$id" 'select(.domid == $id)
		| select(.event == "device-model-exited") | [.exit, .pid]' events)" "[$2,${PID[$1]}]"
	expect "policy of $1" "$(jq -c --argjson id "$id" 'select(.domid == $id)
		| select(.event == "policy-applied") | [.policy, .error]' events)" "[\"$1\",null]"
	file=$(ls /var/lib/xendmd/exits/*Z-"$id"-*.json) || fail "no exit record of $1"
	expect "exit record of $1" \
		"$(jq -c '[.state, .exit, .policy, .phase, .domid, .uptime_ms > 0]' "$file")" \
		"[\"exited\",$2,\"$1\",\"ready\",$id,true]"
	holds '.log_tail | type == "string"' "$file" || fail "exit record: $(<"$file")"
	expect "xenstore of $1" "$(xenstore-read "/local/domain/0/xendmd/$id/state")" exited
	xenstore-exists "/local/domain/0/device-model/$id" && fail "device-model of $1"
	no_qemu "$id" || fail "a second device model of $1"
}

policies()
{
	exited pause '{"signal":"SIGSEGV"}' 'ended with signal SIGSEGV while its domain lives'
	xl_state_has "${ID[pause]}" p || fail "pause: not paused"
	exited none '{"code":0}' 'ended with exit code 0 while its domain lives'
	xl_state_has "${ID[none]}" p && fail "none: paused"
	exited preserve '{"signal":"SIGKILL"}' 'ended with signal SIGKILL'
	xl_state_has "${ID[preserve]}" p || fail "preserve: not paused"
	exited crash '{"signal":"SIGKILL"}' 'ended with signal SIGKILL'
	xl_state_has "${ID[crash]}" s || fail "crash: not shut down"
	xl_state_has "${ID[crash]}" c || fail "crash: shutdown reason is not crash"
	wait_until 60 domain_gone "${ID[destroy]}"
	wait_until 30 unlisted "${ID[destroy]}"
	has_event "${ID[destroy]}" policy-applied || fail "destroy: no policy-applied"
}

unlisted()
{
	[[ -z $(dm_field "$1" state) ]]
}

end_domains()
{
	local policy vm node

	for policy in pause crash preserve none; do
		mkdom_destroy "${ID[$policy]}"
	done
	# What its toolstack wrote is its toolstack's to remove (oxenstored of 4.17 does it by itself).
	vm=$(xenstore-read "/local/domain/${ID[destroy]}/vm" 2>/dev/null) && xenstore-rm "$vm"
	for node in "/local/domain/${ID[destroy]}" "/local/domain/0/backend/console/${ID[destroy]}"; do
		xenstore-rm "$node" 2>/dev/null
	done
	node=/local/domain/0/backend/console
	[[ -n $(xenstore-list $node 2>/dev/null) ]] || xenstore-rm $node 2>/dev/null
	wait_until 30 status_empty
}

preserved()
{
	local dir

	dir=$(echo /run/xendmd/preserved/"${ID[preserve]}"-*)
	expect "its record" "$(jq -r '.uuid' "$dir/record.json")" "${dir#*/"${ID[preserve]}-"}"
	rm -r /run/xendmd/preserved
}

snapshot before
start_them
end_them
policies
end_domains
preserved
snapshot_same before 30
