#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Devices of a running machine: every step of an addition fails in turn, by a refusal and by an answer that
# is lost, and what was done is undone. (device-qemu.sh does it with real QEMU.)
. "$(dirname "$0")/device-lib.sh"
# undone LAST: what undoes the steps below number LAST, the last first
undone() { local i; for (( i = $1 - 1; i >= 0; i-- )); do [[ ${UNDO[i]} == - ]] || printf ' %s' "${UNDO[i]}"; done; }

for (( k = 0; k < ${#KINDS[@]}; k += 3 )); do
	DEVICE=${KINDS[k]} STEPS=(${KINDS[k + 1]}) UNDO=(${KINDS[k + 2]})
	step "each step of ${STEPS[*]}"
	# Another one for each: the daemon is the slower to connect again the more often it was cut off.
	destroy "$D"
	wait_gone "$D"
	machine
	for (( i = 0; i < ${#STEPS[@]}; i++ )); do
		kept=$(cat "$A/${STEPS[i]}")
		refuses "${STEPS[i]}"
		sent_from
		must_fail 1 add "$DEVICE" $(with_fd "$DEVICE")
		has "$W/err" "step $((i + 1)) of ${#STEPS[@]} .${STEPS[i]}.*: QMP: no ${STEPS[i]} today; all is as before"
		sent_is "${STEPS[*]::i + 1}$(undone "$i")" || fail "sent: $(sent)"
		nothing_listed || fail "listed: $(dmctl device list "$D")"
		# An answer that is lost: it may have been done.
		loses "${STEPS[i]}"
		sent_from
		must_fail 1 add "$DEVICE" $(with_fd "$DEVICE")
		has "$W/err" "step $((i + 1)) of .*; all is as before"
		sent_is "${STEPS[*]::i + 1}$(undone $((i + 1)))" || fail "sent: $(sent)"
		nothing_listed || fail "listed: $(dmctl device list "$D")"
		echo "$kept" >"$A/${STEPS[i]}"
	done
	sent_from
	must add "$DEVICE" $(with_fd "$DEVICE")
	sent_is "${STEPS[*]}" || fail "sent: $(sent)"
	in_state x present || fail "state $(state_of x)"
	must_fail 1 add "$DEVICE" $(with_fd "$DEVICE")
	has "$W/err" 'already'
	lets_go
	[[ ${STEPS[*]} != *device_add* ]] || DEL=device_del
	sent_from
	must dmctl device remove "$D" x
	sent_is "$(echo ${DEL:-}$(undone ${#STEPS[@]} | sed 's/ closefd//'))" || [[ $DEVICE == *fds* ]] || fail "sent: $(sent)"
	nothing_listed || fail "listed: $(dmctl device list "$D")"
	DEL=
done
rm "$A/add-fd" # the fake's own answer
must add "${KINDS[3]}" "--fd=f=$W/disk"
grep -qx "fd $W/disk" "$W/commands" || fail 'no descriptor came'
world_end

