#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# In each phase of a start: the domain is destroyed; the daemon is killed and started again.
. "$(dirname "$0")/lib.sh"
config '{"starts_at_once": 1}'
# A dm-launch that can be held, and tells that it is.
rm "$W/libexec/dm-launch"
cat >"$W/libexec/dm-launch" <<X
#!/bin/bash
if [[ -e $W/hold ]]; then
	: >$W/held
	while [[ -e $W/hold ]]; do read -r -t 0.05 <>$W/pipe; done
fi
exec $BUILD/daemon/helpers/dm-launch "\$@"
X
chmod +x "$W/libexec/dm-launch"
mkfifo "$W/pipe"
world_start
def web1 web1 ''
def hog hog never-ready

# hold PHASE: creates a domain (D) and holds its start there; let_go lets it go on.
hold()
{
	case $1 in
	looking) create web1 --late-name 100000 >"$W/out" 2>&1 ;;
	queued)
		create hog
		HOG=$D
		wait_detail "$HOG" probing
		create web1
		;;
	preparing)
		xs write /fakexs/stall 1
		create web1
		;;
	spawned)
		: >"$W/hold"
		create web1
		wait_until 'dm-launch is held' test -e "$W/held"
		;;
	probing)
		def web1 web1 never-ready
		create web1
		;;
	esac
	wait_detail "$D" "$1"
}
let_go()
{
	case $1 in
	queued) destroy "$HOG" ;;
	preparing) xs write /fakexs/stall 0 ;;
	spawned) rm -f "$W/hold" "$W/held" ;;
	probing) def web1 web1 '' ;;
	esac
}

for phase in queued preparing spawned probing; do
	step "the domain is destroyed while $phase"
	hold $phase
	PROBING=$(field "$D" pid)
	destroy "$D"
	[[ $phase == preparing || $phase == spawned ]] || wait_gone "$D"
	let_go $phase
	wait_gone "$D"
	nothing_left
	[[ $phase != queued ]] || ! happened "$D" device-model-starting || fail 'a queued start began'
	! happened "$D" device-model-failed || fail 'a domain that went away is no failure'
	happened "$D" domain-gone || fail 'domain-gone is not told'
done

for phase in queued preparing spawned probing; do
	step "the daemon is killed while $phase"
	hold $phase
	PID=$(field "$D" pid)
	daemon_kill
	[[ $phase != preparing ]] || xs write /fakexs/stall 0
	daemon_start
	if [[ $phase == probing ]]; then
		wait_detail "$D" probing
		expect "$D" ".pid == $PID and .state == \"starting\""
		happened "$D" device-model-adopted || fail 'no device-model-adopted'
		let_go $phase
	else
		let_go $phase
		wait_state "$D" running
	fi
	[[ $(processes "/libexec/fakedm -xen-domid $D " | wc -l) == 1 ]] || fail "device models: $(processes "-xen-domid $D ")"
	destroy "$D"
	wait_gone "$D"
	[[ $phase != queued ]] || is_gone "$HOG" || destroy "$HOG"
	nothing_left
done

for phase in preparing spawned probing; do
	step "both, while $phase: destroyed while no daemon runs"
	hold $phase
	daemon_kill
	let_go_first=$phase
	[[ $phase == probing ]] || let_go $phase
	destroy "$D"
	daemon_start
	[[ $phase != probing ]] || let_go $phase
	nothing_left
done
step 'and a running one'
create web1
wait_state "$D" running
PID=$(field "$D" pid)
daemon_kill
destroy "$D"
kill -0 "$PID" || fail 'the device model should still run here'
daemon_start
nothing_left
world_end
