# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For tests with a real QEMU (no Xen: TCG). Sourced behind lib.sh.
QEMU=$(command -v qemu-system-x86_64) || fail 'no qemu-system-x86_64'
PATIENCE=${XENDMD_TEST_PATIENCE:-240}
config '{"name_timeout_s": 2, "limits": {"start_timeout_s": 240}, "qmp_timeout_ms": 60000}'

# machine NAME MEMBERS-OF-QEMU [MEMBERS-BESIDE-IT]: a machine of QEMU's own
machine()
{
	jq -n --arg name "$1" --arg binary "$QEMU" --argjson qemu "$2" --argjson over "${3:-{\}}" '{match: {name: $name},
		kind: "qemu", binary: $binary, qemu: ({machine: {type: "q35", acceleration: "tcg"}, memory: {size: "32M"},
		knobs: {no_graphic: true, no_defaults: true, no_user_config: true}, vga: "none"} * $qemu)} + $over' | put "$1"
}
run_state() { dmctl query "$1" status | jq -r .status; }
run_state_is() { [[ $(run_state "$1") == "$2" ]]; }
wait_run_state() { wait_until "QEMU of $1 is $2" run_state_is "$1" "$2"; }
# word DOMAIN ADDRESS: 32 bits of the guest's memory
word() { dmctl qmp "$1" human-monitor-command "{\"command-line\": \"xp /1wx $2\"}" | grep -o '0x[0-9a-f]*' | tail -n 1; }
