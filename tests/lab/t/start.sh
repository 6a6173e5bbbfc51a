#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: essential timeout=500
#
# A domain appears and gets its QEMU: the states on the way, what stands in xenstore and in the
# journal, and the process as the kernel sees it.
. "$(dirname "$0")/lib.sh"

WRAPPER=/run/lab/wrapped-qemu
SEEN=$PWD/seen
LONG=/$(printf 'x%.0s' {1..3000}) # an argument longer than other messages may be

# A program between dm-launch and QEMU that notes what it was given: QEMU itself changes its
# signals and opens more.
make_wrapper()
{
	mkdir "$SEEN"
	cat >"$WRAPPER" <<-END
		#!/bin/sh
		cat /proc/self/status >$SEEN/status
		ls -l /proc/\$\$/fd | awk '\$10 == "->" { print \$9, \$11 }' | grep -v '^10 ' >$SEEN/fds
		cat /proc/\$\$/environ >$SEEN/environ
		cut -d ' ' -f 6 /proc/\$\$/stat >$SEEN/session
		pwd >$SEEN/cwd
		umask >$SEEN/umask
		cat /proc/\$\$/cgroup >$SEEN/cgroup
		exec $QEMU "\$@"
	END
	chmod 755 "$WRAPPER"
}

# What status shows from now on, until the file "enough" is there.
collect_states()
{
	until [[ -e enough ]]; do
		dmctl status --json | jq -r '.domains[] | .state'
	done >states
}

start_with_late_name()
{
	collect_states &
	mkdom_create web1 --late-name=3000
	wait_state "$DOMID" running 60
	touch enough
	wait
	expect states "$(uniq states | paste -sd' ')" "waiting starting running"
	expect events "$(events "$DOMID" | paste -sd' ')" \
		"domain-appeared device-model-starting device-model-running"
	expect "the event's name" "$(dmctl events --json | jq -r --argjson id "$DOMID" \
		'select(.domid == $id and .event == "device-model-running") | .name')" web1
	PID=$(dm_field "$DOMID" pid)
	expect pid "$(qemu_pid "$DOMID")" "$PID"
}

in_status()
{
	expect kind "$(dm_field "$DOMID" kind)" qemu
	expect source "$(dm_field "$DOMID" source)" "definition:$DOMAINS_D/web1.json"
	expect log "$(dm_field "$DOMID" log)" /var/log/xen/qemu-dm-web1.log
	(( $(dm_field "$DOMID" start_ms) > 0 )) || fail "start_ms"
	expect reason "$(dm_field "$DOMID" reason)" null
	expect uuid "/vm/$(dm_field "$DOMID" uuid)" "$(xenstore-read "/local/domain/$DOMID/vm")"
	dmctl show web1 | grep -q "phase=ready" || fail "show: $(dmctl show web1)"
}

in_xenstore()
{
	local own=/local/domain/0/xendmd/$DOMID

	expect "state of QEMU" "$(xenstore-read "/local/domain/0/device-model/$DOMID/state")" running
	expect "device-model-pid" "$(xenstore-read "/local/domain/$DOMID/image/device-model-pid")" "$PID"
	expect "hvmloader/bios" "$(xenstore-read "/local/domain/$DOMID/hvmloader/bios")" seabios
	expect "xendmd/state" "$(xenstore-read "$own/state")" running
	expect "xendmd/kind" "$(xenstore-read "$own/kind")" qemu
	expect "xendmd/reason" "$(xenstore-read "$own/reason")" ""
	xenstore-ls -fp /local/domain/0/xendmd | grep -v '(n0)' && fail "others may read that"
	return 0
}

in_journal()
{
	local line

	line=$(journal "$DOMID" | grep ': starting ')
	[[ $line == *"-xen-domid $DOMID -name web1 "*"-m 32 "*"mode=control"* ]] || fail "arguments: $line"
	[[ $line == *" -L $LONG "* ]] || fail "the long argument: $line"
	[[ $line == *"fds: 0: /dev/null, 1: log, 2: log, 3: monitor (listening)"* ]] || fail "fds: $line"
	[[ $line == *"user: root; scope: xendmd-dm-$DOMID.scope"* ]] || fail "$line"
	journal "$DOMID" XEN_DOMAIN_NAME | grep -qx web1 || fail "XEN_DOMAIN_NAME"
	journal "$DOMID" XEN_DOMAIN_UUID | sort -u | grep -qx "$(dm_field "$DOMID" uuid)" \
		|| fail "XEN_DOMAIN_UUID"
}

as_process()
{
	local log field

	log=$(readlink -f /var/log/xen/qemu-dm-web1.log)
	sed -E 's/socket:.*/socket/' "$SEEN/fds" >fds
	diff - fds <<-END || fail "descriptors"
		0 /dev/null
		1 $log
		2 $log
		3 socket
	END
	ls -l "/proc/$PID/fd" | grep -E '/run/xendmd|/etc/xendmd|/var/lib/xendmd|pidfd' \
		&& fail "the daemon's descriptors"
	expect session "$(<"$SEEN/session")" "$PID"
	expect cwd "$(<"$SEEN/cwd")" /
	expect umask "$(<"$SEEN/umask")" 0022
	for field in SigIgn SigBlk; do
		expect $field "$(awk -v f="$field:" '$1 == f { print $2 }' "$SEEN/status")" \
			0000000000000000
	done
	expect Groups "$(awk '$1 == "Groups:" { print $2 }' "$SEEN/status")" ""
	tr '\0' '\n' <"$SEEN/environ" | sort >environ
	diff - environ <<-END || fail "environment"
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		XENDMD_TEST=web1 \$
		XEN_QEMU_CONSOLE_LIMIT=1048576
	END
	expect "oom_score_adj" "$(<"/proc/$PID/oom_score_adj")" "$(</proc/1/oom_score_adj)"
}

in_scope()
{
	local unit=xendmd-dm-$DOMID.scope cgroup before

	cgroup=/xendmd.slice/xendmd-dm.slice/$unit
	expect cgroup "$(cut -d: -f3 "/proc/$PID/cgroup")" "$cgroup"
	expect "cgroup before the exec" "$(cut -d: -f3 "$SEEN/cgroup")" "$cgroup"
	cgroup=/sys/fs/cgroup$cgroup
	expect pids.max "$(<"$cgroup/pids.max")" 99
	expect cpu.weight "$(<"$cgroup/cpu.weight")" 77
	if [[ -e $cgroup/memory.max ]]; then
		expect memory.max "$(<"$cgroup/memory.max")" $((700 << 20))
	fi
	expect MemoryMax "$(systemctl show -P MemoryMax "$unit")" $((700 << 20))
	before=" $(systemctl show -P Before "$unit") "
	[[ $before == *" xendomains.service "* && $before == *" libvirt-guests.service "* ]] \
		|| fail "Before=$before"
	expect CollectMode "$(systemctl show -P CollectMode "$unit")" inactive-or-failed
	[[ $(systemctl show -P Description "$unit") == *web1* ]] || fail "the scope's description"
}

unpaused_it_works()
{
	xl_state_has "$DOMID" p || fail "not paused any more"
	xl unpause "$DOMID" 2>/dev/null || fail "xl unpause"
	wait_until 180 firmware_ran "$DOMID"
	expect "state" "$(dm_field "$DOMID" state)" running
}

# The log of the first one becomes .1.
log_is_rotated()
{
	local log=/var/log/xen/qemu-dm-web1.log

	echo "line of the first" >>$log
	mkdom_destroy "$DOMID"
	wait_until 30 status_empty
	mkdom_create web1
	wait_state "$DOMID" running 60
	grep -q "line of the first" $log.1 || fail "no $log.1"
	grep -q "line of the first" $log && fail "$log is the old one"
	mkdom_destroy "$DOMID"
	wait_until 30 status_empty
}

rm -f /var/log/xen/qemu-dm-web1.log*
snapshot before
make_wrapper
define_qemu web1 '"binary": "'"$WRAPPER"'", "extra_args": [ "-L", "'"$LONG"'" ], "env": { "XENDMD_TEST": "$NAME $$" },
	"limits": { "memory_max_mib": 700, "pids_max": 99, "cpu_weight": 77 }'
start_with_late_name
in_status
in_xenstore
in_journal
as_process
in_scope
unpaused_it_works
log_is_rotated
rm "$WRAPPER"
snapshot_same before 30
