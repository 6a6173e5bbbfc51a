#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# The main job, and each way in which a domain's device model becomes ready or is not wanted.
. "$(dirname "$0")/lib.sh"
config '{"name_timeout_s": 2}'
world_start
BEFORE=$(fds)
UUID=11111111-2222-3333-4444-555555555555

step 'a domain appears and its device model runs'
def web1 web1 'say=hello from fakedm'
create web1 --uuid $UUID --memory 96
wait_state "$D" running
expect "$D" ".domid == $D and .uuid == \"$UUID\" and .name == \"web1\" and .kind == \"qemu\""
expect "$D" ".source == \"definition:$W/etc/domains.d/web1.json\" and .log == \"$W/log/qemu-dm-web1.log\""
expect "$D" '.pid > 1 and .stubdom == null and .start_ms >= 0 and .reason == null and .exit == null'
expect "$D" '.since | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z$")'
expect "$D" '[keys[]] | sort == (["domid","uuid","name","kind","state","pid","stubdom","source","since","start_ms","qmp","log","reason","exit"] | sort)'
PID=$(field "$D" pid)
tr '\0' ' ' <"/proc/$PID/cmdline" >"$W/cmdline"
has "$W/cmdline" "-xen-domid $D -name web1"
[[ $(readlink "/proc/$PID/fd/0") == /dev/null ]] || fail 'stdin is not /dev/null'
[[ $(readlink "/proc/$PID/fd/2") == "$W/log/qemu-dm-web1.log" ]] || fail 'stderr is not the log'
[[ $(ls "/proc/$PID/fd" | tr '\n' ' ') =~ ^'0 1 2 3 ' ]] || fail "its fds: $(ls -l "/proc/$PID/fd")"
[[ $(stat -c %a "$W/run/dm/$D") == 700 ]] || fail 'mode of the run directory'
must jq -e ".domid == $D and .uuid == \"$UUID\"" "$W/run/dm/$D/record.json"
for name in $D web1 $UUID; do
	must dmctl show "$name"
	has "$W/out" 'state: running'
done
must dmctl show --json "$D"
jq -e '.argv | index("-xen-domid")' "$W/out" >/dev/null || fail 'no argv in show'
[[ $(jq -r '[.phases[].phase] | join(" ")' "$W/out") == 'queued spawned qmp ready' ]] || fail "phases: $(jq -c .phases "$W/out")"
must dmctl logs "$D"
has "$W/out" 'hello from fakedm'
[[ $(xs read "/local/domain/0/xendmd/$D/state") == running ]] || fail 'state in xenstore'
[[ $(xs read "/local/domain/0/xendmd/$D/kind") == qemu ]] || fail 'kind in xenstore'
[[ $(xs read "/local/domain/0/device-model/$D/state") == running ]] || fail "libxl's state"
wait_until 'the pid in xenstore' eval "[[ \$(xs read /local/domain/$D/image/device-model-pid) == $PID ]]"
sequence "$D" domain-appeared device-model-starting device-model-running
has "$W/daemon.log" "starting $FAKEDM; arguments: .*-xen-domid $D.*; fds: 0: /dev/null, 1: log.*; user: root; scope: none"
must_fail 3 dmctl status nobody
must_fail 3 dmctl logs 4711
must_fail 1 dmctl start "$D"
destroy "$D"
wait_gone "$D"
sequence "$D" domain-appeared device-model-starting device-model-running device-model-stopped domain-gone
[[ ! -e /proc/$PID ]] || fail 'the device model lives on'
nothing_left

step 'its name comes late'
create web1 --late-name 700
wait_state "$D" running
expect "$D" '.name == "web1"'
destroy "$D"
step 'no name comes: the uuid names it'
def byuuid - '' "{\"match\": {\"uuid\": \"$UUID\"}}"
"$BUILD/tests/fakehv" create ignored --uuid $UUID --late-name 100000 >"$W/out" 2>&1 &
LATE=$!
wait_until 'a device model without a name' eval '[[ $(field '$UUID' state) == running ]]'
expect $UUID ".name == null and .log == \"$W/log/qemu-dm-$UUID.log\""
kill $LATE
wait $LATE 2>/dev/null
destroy "$(field $UUID domid)"
undef byuuid

step 'none wanted, none defined, one handed over later'
put none <<<'{"match": {"name": "none"}, "kind": "none"}'
put handoff <<<'{"match": {"name": "handoff"}, "kind": "qemu", "on_exit": "crash"}'
create none && NONE=$D
create handoff && HANDOFF=$D
create stranger && STRANGER=$D
wait_state "$HANDOFF" waiting
expect "$HANDOFF" '.source | test("handoff.json")'
wait_state "$NONE" unmanaged
wait_state "$STRANGER" unmanaged
expect "$STRANGER" '.kind == null and .source == null and .since == null and .pid == null and .log == null'
must_fail 1 dmctl start "$HANDOFF"
has "$W/err" 'nothing to start'
must_fail 1 dmctl start "$STRANGER"
has "$W/err" 'no definition matches'
text stranger '' >"$W/given.json"
must dmctl start "$STRANGER" --definition "$W/given.json"
expect "$STRANGER" '.state == "running"'

step 'libxl made it: its own device model is foreign, a definition starts nothing'
def xl1 xl1 ''
create xl1 --as-libxl
wait_state "$D" unmanaged
must dmctl show "$D"
has "$W/out" 'libxl made this domain'
must_fail 1 dmctl start "$D"
has "$W/err" 'made by libxl'
cp "$FAKEDM" "$W/theirs"
"$W/theirs" -xen-domid "$D" -name xl1 -fakedm "never-ready" &
THEIRS=$!
xs write "/local/domain/0/device-model/$D/state" running
xs write "/local/domain/$D/image/device-model-pid" $THEIRS
wait_state "$D" running
expect "$D" ".kind == \"foreign\" and .source == \"foreign\" and .pid == $THEIRS"
must_fail 1 dmctl stop --force "$D"
has "$W/err" 'not ours'
destroy "$D"
wait_gone "$D"
kill -0 $THEIRS || fail "a foreign device model was touched"
kill $THEIRS
wait $THEIRS 2>/dev/null
xs rm "/local/domain/0/device-model/$D" # its toolstack's to remove
sequence "$D" domain-appeared device-model-running device-model-stopped domain-gone

step 'QEMU that writes no state: the daemon does'
def paused paused '' '{"argv": ["-S", "-xen-domid", "$DOMID", "-fakedm", "xenstored='"$W"'/xs"]}'
def restrict restrict '' '{"argv": ["-xen-domid-restrict", "-xen-domid", "$DOMID", "-fakedm", "no-state"]}'
for name in paused restrict; do
	create $name
	wait_state "$D" running
	wait_until 'state of the daemon' eval '[[ $(xs read /local/domain/0/device-model/$D/state) == running ]]'
done

step 'what query-status must say'
CASES=('plain=inmigrate -' 'plain=prelaunch -' 'plain=paused -' 'plain=running +' '-S=prelaunch +'
	'-S=paused -' '-incoming defer=inmigrate +' '-incoming tcp:x=inmigrate +'
	'-S -incoming tcp:x=paused +' '-S -incoming tcp:x=inmigrate +')
DOMIDS=()
for i in "${!CASES[@]}"; do
	options=${CASES[i]%%=*} word=${CASES[i]#*=}
	args=()
	[[ $options == plain ]] || read -ra args <<<"$options"
	text mode$i '' "$(jq -nc --arg spec "xenstored=$W/xs,status=${word% *}" \
		'{argv: ($ARGS.positional + ["-xen-domid", "$DOMID", "-fakedm", $spec]),
		limits: {start_timeout_s: 5}}' --args -- "${args[@]}")" >"$W/etc/domains.d/mode$i.json"
done
dmctl reload >/dev/null
for i in "${!CASES[@]}"; do
	create mode$i
	DOMIDS[i]=$D
done
for i in "${!CASES[@]}"; do
	word=${CASES[i]#*=}
	if [[ $word == *+ ]]; then
		wait_state "${DOMIDS[i]}" running
	else
		reached "${DOMIDS[i]}" failed "not ready after 5 s: query-status says \"${word% *}\""
	fi
done

hv destroy all
nothing_left
(( $(fds) <= BEFORE )) || fail "descriptors: $BEFORE before, $(fds) after: $(ls -l "/proc/$DPID/fd")"
world_end
