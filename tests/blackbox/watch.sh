#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# dmctl status --watch tells each change of the list, also those that are no event.
. "$(dirname "$0")/lib.sh"
config '{"name_timeout_s": 60, "quit_timeout_s": 2}'
world_start
"$BUILD/daemon/ctl/dmctl" status --watch --json >"$W/watch" 2>"$W/watch.err" &
WATCH=$!
# The list that was told last.
last() { tail -n 1 "$W/watch" | jq -e "$1" >/dev/null 2>&1; }
wait_seen() { wait_until "the watcher sees $1" last ".domains | any($1)"; }
wait_until 'the first list' last '.domains == []'

step 'a domain that waits for its name'
hv create late --late-name 1500 >"$W/out" &
LATE=$!
wait_seen '.name == null and .state == "waiting"'
wait $LATE
D=$(cat "$W/out")
wait_seen '.name == "late" and .state == "unmanaged"'
step 'a definition that waits for a handoff'
put late <<<'{"match": {"name": "late"}, "kind": "qemu"}'
wait_seen '.name == "late" and .state == "waiting" and (.source | test("late.json"))'
undef late
wait_seen '.name == "late" and .state == "unmanaged" and .source == null'

step 'a stop that takes its time'
def slow slow 'ignore-quit'
create slow
wait_seen '.name == "slow" and .state == "running" and .pid > 1'
dmctl stop --force slow >"$W/out" 2>&1 &
STOP=$!
wait_seen '.name == "slow" and .state == "stopping"'
wait $STOP || fail "dmctl stop: $(cat "$W/out")"
wait_seen '.name == "slow" and .state == "exited" and .pid == null'

step 'and the end'
hv destroy all
wait_until 'the watcher sees none' last '.domains == []'
sleep 1
LISTS=$(wc -l <"$W/watch")
sleep 1
[[ $(wc -l <"$W/watch") == "$LISTS" ]] || fail 'told although nothing changes'
kill $WATCH
wait $WATCH 2>/dev/null
world_end
