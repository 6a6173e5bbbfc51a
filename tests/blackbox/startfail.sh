#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Starts that fail: each says why in `reason`, is tried once, and leaves nothing.
. "$(dirname "$0")/lib.sh"
config '{"qmp_timeout_ms": 1000, "limits": {"log_max_mib": 1}}'

# Everything at once: each domain has a definition, a device model and a reason of its own.
NAMES=() REASONS=() DOMIDS=()
# case_of NAME SPEC REASON [JSON]
case_of()
{
	text "$1" "$2" "${4:-}" >"$W/tmp.json"
	mv "$W/tmp.json" "$W/etc/domains.d/$1.json"
	NAMES+=("$1") REASONS+=("$3")
}
printf 'no program' >"$W/libexec/notexec"
printf '\177ELFgarbage' >"$W/libexec/garbage"
chmod +x "$W/libexec/garbage"
ln -s "$W/nowhere" "$W/libexec/dangling"
mkdir "$W/libexec/directory"
SHORT='{"limits": {"start_timeout_s": 2}}'

case_of missing '' "$W/libexec/absent.*No such file" "{\"binary\": \"$W/libexec/absent\"}"
case_of bare '' 'no-such-program-anywhere' '{"binary": "no-such-program-anywhere"}'
case_of notexec '' 'notexec.*is not executable' "{\"binary\": \"$W/libexec/notexec\"}"
case_of garbage '' 'garbage.*Exec format error' "{\"binary\": \"$W/libexec/garbage\"}"
case_of dangling '' "dangling.*No such file" "{\"binary\": \"$W/libexec/dangling\"}"
case_of directory '' 'directory.*is not a regular file' "{\"binary\": \"$W/libexec/directory\"}"
case_of exit1 'exit=1,say=cannot open the moon' 'ended with exit code 1 before it was ready; its log ends: .*cannot open the moon'
case_of exit0 'exit=0' 'ended with exit code 0 before it was ready'
case_of killed 'signal=9,after=200,never-ready' 'ended with signal SIGKILL before it was ready'
case_of segv 'signal=11' 'ended with signal SIGSEGV before it was ready'
case_of never never-ready 'not ready after 2 s: QMP does not greet' "$SHORT"
case_of nostate no-state "not ready after 2 s: QMP answers, but xenstore's state is not \"running\"" "$SHORT"
case_of closes close-qmp 'closed its QMP connection before it answered'
case_of babble garbage-qmp 'not a QMP message'
case_of hugeqmp huge-qmp-line 'QMP: a message of more than 65536 bytes'
case_of silent silent-qmp 'not ready after 5 s: QMP does not greet' '{"limits": {"start_timeout_s": 5}}'
case_of statedies write-state-then-die 'ended with exit code 1 before it was ready'
case_of argnul '' 'unknown placeholder|NOSUCH' '{"argv": ["$NOSUCH"]}'
case_of flooder 'flood-stderr=8000000,exit=3' 'ended with exit code 3 before it was ready; its log ends: .*a flood that nobody asked for'
case_of late 'slow-ready=600' ''
world_start
wait_said 'NOSUCH'
for i in "${!NAMES[@]}"; do
	create "${NAMES[i]}"
	DOMIDS[i]=$D
done

for i in "${!NAMES[@]}"; do
	name=${NAMES[i]} domid=${DOMIDS[i]}
	step "$name"
	case $name in
	late) wait_state "$domid" running; continue ;;
	argnul) reached "$domid" unmanaged; continue ;; # a bad definition is none
	esac
	reached "$domid" failed "${REASONS[i]}"
	expect "$domid" '.pid == null and .kind == "qemu" and .start_ms == null'
	[[ $(xs read "/local/domain/0/xendmd/$domid/state") == failed ]] || fail 'state in xenstore'
	wait_until "$name: nodes" eval '! xs ls /local/domain/0/device-model/'"$domid"' >/dev/null'
	[[ ! -e $W/run/dm/$domid/monitor ]] || fail 'the monitor is left'
	sequence "$domid" domain-appeared device-model-starting device-model-failed
done
expect garbage '.exit == null' # it never ran
expect missing '.exit == null'
[[ $(field exit1 'exit.code') == 1 && $(field killed 'exit.signal') == SIGKILL ]] || fail 'exit'
[[ $(processes '/libexec/' | wc -l) == 1 ]] || fail "processes: $(processes /libexec/)"

step 'the journal says it too; the exit record has the log'
wait_said 'failed .*exit code 1.*cannot open the moon'
grep -l 'cannot open the moon' "$W"/state/exits/*.json >"$W/out" || fail 'no exit record'
jq -e '.state == "failed" and .exit.code == 1 and .uptime_ms >= 0 and (.log_tail | test("moon")) and .policy == null and .name == "exit1"' \
	$(cat "$W/out") >/dev/null || fail "exit record: $(cat $(cat "$W/out"))"

step 'a failed domain is tried again when it is asked, and by a better definition'
undef exit1
def exit1 exit1 ''
must dmctl start exit1
expect exit1 '.state == "running" and .reason == null and .exit == null'
must_fail 1 dmctl start killed
has "$W/err" 'SIGKILL'
reached killed failed SIGKILL
hv destroy all

step 'no log directory, and one that is full'
rm -r "$W/log"
def web1 web1 ''
create web1
reached "$D" failed "log/qemu-dm-web1.log.*No such file"
expect "$D" '.pid == null'
destroy "$D"
nothing_left
mkdir "$W/log"
create web1
wait_state "$D" running

step 'a flood on stderr stays below log_max_mib'
def flood flood 'flood-stderr=12000000'
create flood
wait_state "$D" running
wait_until 'the log is trimmed' eval '(( $(stat -c %s "$W/log/qemu-dm-flood.log") <= 1048576 ))'
must dmctl logs flood --lines 10000
has "$W/out" 'dropped|removed|cut'
has "$W/out" 'flood that nobody asked for'
world_end
