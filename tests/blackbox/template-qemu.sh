#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# VM templating with a real QEMU: a machine with shared file-backed memory is started stopped, its state
# without the memory is saved (x-ignore-shared), and clones begin with that state on the same memory file,
# each with a copy of its own of what it changes.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/qemu.sh"
MARK_AT=0x1000000 MARK=0x6b72616d
MARKER="{\"kind\": \"raw\", \"args\": [\"-device\", {\"driver\": \"loader\", \"addr\": $((MARK_AT)), \"data\": $((MARK)), \"data-len\": 4}]}"
MEMORY="\"memory\": {\"size\": \"32M\", \"path\": \"$W/memory\"}"
world_start

step 'the template is started stopped'
machine template "{$MEMORY, \"knobs\": {\"file_backed_mem\": true, \"mem_shared\": true, \"stopped\": true}, \"devices\": [$MARKER]}"
create template
TEMPLATE=$D
wait_state "$TEMPLATE" running
run_state_is "$TEMPLATE" prelaunch || fail "it is $(run_state "$TEMPLATE")"

step 'it comes so far as its clones shall begin'
must dmctl qmp "$TEMPLATE" cont
wait_run_state "$TEMPLATE" running
must dmctl qmp "$TEMPLATE" stop
wait_run_state "$TEMPLATE" paused
[[ $(word "$TEMPLATE" "$MARK_AT") == "$MARK" ]] || fail "no mark: $(word "$TEMPLATE" "$MARK_AT")"

step 'its state without its memory'
must dmctl migrate "$TEMPLATE" "file:$W/state-of-template" --capability x-ignore-shared=on
has "$W/out" '^completed'
(( $(stat -c %s "$W/state-of-template") < 8 << 20 )) || fail "$(stat -c %s "$W/state-of-template") bytes"
expect "$TEMPLATE" '.migration == "completed"'
destroy "$TEMPLATE"
wait_gone "$TEMPLATE"
sha256sum "$W/memory" >"$W/sum"

step 'two clones'
CLONES=()
for name in clone1 clone2; do
	machine $name "{$MEMORY, \"knobs\": {\"file_backed_mem\": true}, \"incoming\": {\"migration_type\": \"defer\"}}"
	create $name
	CLONES+=("$D")
done
for clone in "${CLONES[@]}"; do
	wait_state "$clone" running
	run_state_is "$clone" inmigrate || fail "$clone is $(run_state "$clone")"
	must dmctl migrate --incoming "$clone" "file:$W/state-of-template" --capability x-ignore-shared=on
	has "$W/out" '^completed'
done
for clone in "${CLONES[@]}"; do
	must dmctl qmp "$clone" cont
	wait_run_state "$clone" running
	[[ $(word "$clone" "$MARK_AT") == "$MARK" ]] || fail "$clone has not the memory: $(word "$clone" "$MARK_AT")"
	dmctl query "$clone" migrate-capabilities | jq -e '.[] | select(.capability == "x-ignore-shared").state | not' >/dev/null \
		|| fail 'the capability stays'
done
sha256sum -c --status "$W/sum" || fail 'a clone changed the memory that all of them begin with'
world_end
