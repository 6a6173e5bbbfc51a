#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=500
#
# Device models that do not start: each one says why, leaves nothing, touches neither its domain nor
# others, and after a repair `dmctl start` works. The same domain goes through them all.
. "$(dirname "$0")/lib.sh"

BINARY=$PWD/device-model
LOG=/var/log/xen/qemu-dm-broken.log

# binary: the device model is the script from standard input, behind one line of shell.
binary()
{
	rm -rf "$BINARY"
	{ echo '#!/bin/bash'; cat; } >"$BINARY"
	chmod 755 "$BINARY"
}

with_timeout()
{
	define broken <<-END
		{ "match": { "name": "broken" }, "kind": "qemu", "binary": "$BINARY",
		  "limits": { "start_timeout_s": $1 }, "argv": [ "-xen-domid", "\$DOMID" ] }
	END
}

# start_fails TEXT…: an attempt; all of TEXT stands in what dmctl says and in the domain's reason.
start_fails()
{
	local text status

	dmctl start "$DOMID" >start.out 2>&1 && fail "it started; wanted: $*"
	status=$(dmctl status --json)
	[[ $status == *'"state": "failed"'* ]] || fail "not failed: $status"
	for text in "$@"; do
		[[ $status == *"${text//\"/\\\"}"* ]] || fail "no \"$text\" in the reason: $status"
		[[ $(<start.out) == *"$text"* ]] || fail "no \"$text\" from dmctl: $(<start.out)"
	done
}

# Of the domain's device model, nothing but its state is there; the domain itself is as it was.
nothing_runs()
{
	wait_until 20 no_scope
	pgrep -af "$BINARY|dm-launch|sleep 30[01]|-xen-domid $DOMID( |\$)" && fail "a process is left"
	[[ -e /run/xendmd/dm/$DOMID/monitor ]] && fail "its monitor is left"
	wait_until 20 no_node
	[[ $(xl list "$DOMID") == *' --p---'* ]] || fail "the domain is not as it was: $(xl list)"
}

no_scope()
{
	! compgen -G "/sys/fs/cgroup/*/*/xendmd-dm-$DOMID.scope"
}

no_node()
{
	! xenstore-exists "/local/domain/0/device-model/$DOMID"
}

not_executable_at_all()
{
	start_fails "$BINARY" "No such file"
	mkdir "$BINARY"
	start_fails "$BINARY" "not a regular file"
	rmdir "$BINARY"
	ln -s /nonexistent/qemu "$BINARY"
	start_fails "$BINARY" "/nonexistent/qemu"
	rm "$BINARY"
	echo 'exit 0' >"$BINARY"
	start_fails "$BINARY" "not executable"
	chmod 755 "$BINARY"
	start_fails "Exec format error"
	printf '#!/nonexistent/shell\n' >"$BINARY"
	start_fails "$BINARY" "No such file"
	nothing_runs
}

ends_at_once()
{
	binary <<<'exit 0'
	start_fails "exit code 0"
	binary <<-'END'
		echo "first words"; echo "could not open the disk"; exit 1
	END
	start_fails "exit code 1" "could not open the disk"
	holds '.exit == {"code": 1} and .state == "failed" and (.log_tail | contains("first words"))' \
		"$(last_exit)" || fail "exit record: $(<"$(last_exit)")"
	binary <<<'echo dying >&2; kill -SEGV $$'
	start_fails SIGSEGV dying
	expect exit "$(dm_field "$DOMID" exit.signal)" SIGSEGV
	binary <<<'sleep 300 & sleep 301 & exit 7'
	start_fails "exit code 7"
	nothing_runs
}

last_exit()
{
	local files=(/var/lib/xendmd/exits/*)

	echo "${files[-1]}"
}

qmp_goes()
{
	binary <<<'exec sleep 300'
	start_fails "not ready after 5 s" "QMP does not greet"
	with_timeout 60
	binary <<<'exec 3<&-; trap "" TERM; sleep 300'
	start_fails "monitor" "refused"
	# The socket does not block.
	binary <<<"exec perl -e 'open L, \"+<&=\", 3; while (1) { accept(C, L) and close C; select \$u, \$u, \$u, 0.1 }'"
	start_fails "closed its QMP connection"
	nothing_runs
}

real_qemu_errors()
{
	define broken < <(qemu_definition broken "" '"-device", "no-such-device"')
	start_fails "exit code 1" "no-such-device"
	define broken < <(qemu_definition broken "" '"-no-such-option"')
	start_fails "exit code 1" "-no-such-option: invalid option"
	nothing_runs
}

# ready_as STATUS ARGUMENT: real QEMU with one more argument becomes ready; its QMP says STATUS.
ready_as()
{
	define broken < <(qemu_definition broken "" "$2, \"-qmp\", \"unix:\$QMP_SOCKET,server=on,wait=off\"")
	dmctl start "$DOMID" || fail "QEMU with $2: $(dm_field "$DOMID" reason)"
	expect state "$(dm_field "$DOMID" state)" running
	expect "QMP status" "$(qmp "/run/xendmd/dm/$DOMID/own-qmp" '{"execute":"query-status"}' \
		| jq -r .return.status)" "$1"
	wait_until 10 xenstore-exists "/local/domain/0/device-model/$DOMID/state"
	expect "state in xenstore" "$(xenstore-read "/local/domain/0/device-model/$DOMID/state")" running
	dmctl stop --force "$DOMID" || fail "stop"
	expect state "$(dm_field "$DOMID" state)" exited
	expect reason "$(dm_field "$DOMID" reason)" "stopped by dmctl"
	nothing_runs
}

# The floods are wrapped around the real one, which has to become ready meanwhile.
floods_its_log()
{
	define broken <<-END
		{ "match": { "name": "broken" }, "kind": "qemu", "binary": "$BINARY",
		  "limits": { "log_max_mib": 1 },
		  "argv": [ "-xen-domid", "\$DOMID", "-nodefaults", "-no-user-config", "-display", "none",
		            "-machine", "xenfv", "-m", "\$MEMORY_MIB" ] }
	END
	binary <<-END
		( for ((i = 0; i < 12; i++)); do seq 1000000 1050000; sleep 0.2; done; echo the end ) >&2 &
		exec $QEMU "\$@"
	END
	dmctl start "$DOMID" || fail "flooding: $(dm_field "$DOMID" reason)"
	wait_until 60 flood_ends
	wait_until 30 log_small
	dmctl logs "$DOMID" --lines 1 | grep -q 'the end' || fail "the last line is not the end's"
	grep -q dropped "$LOG" || fail "no line tells that something was dropped: $(head -3 "$LOG")"
	dmctl stop --force "$DOMID" || fail "stop"
	nothing_runs
}

flood_ends()
{
	tail -n 1 "$LOG" | grep -q 'the end'
}

log_small()
{
	(( $(stat -c %s "$LOG") <= 1048576 + 4096 ))
}

no_log_directory()
{
	mv /var/log/xen /var/log/xen.away
	define broken < <(qemu_definition broken)
	start_fails /var/log/xen "No such file"
	mkdir /var/log/xen
	mount -t tmpfs -o size=16k,nr_inodes=4 tmpfs /var/log/xen
	touch /var/log/xen/{1,2,3}
	start_fails "$LOG" "No space"
	rm /var/log/xen/{1,2,3}
	head -c 100k /dev/zero >/var/log/xen/full 2>/dev/null
	# Room for a name, none for a byte: the log stays empty and everything works.
	dmctl start "$DOMID" || fail "with a full log directory: $(dm_field "$DOMID" reason)"
	dmctl stop --force "$DOMID" || fail "stop"
	nothing_runs
	bring_logs_back
}

bring_logs_back()
{
	mountpoint -q /var/log/xen && umount /var/log/xen
	if [[ -d /var/log/xen.away ]]; then
		rmdir /var/log/xen 2>/dev/null
		mv -T /var/log/xen.away /var/log/xen
	fi
}

trap 'status=$?; bring_logs_back; (exit $status); cleanup_test' EXIT

snapshot before
with_timeout 5
mkdom_create broken
wait_state "$DOMID" failed 60
not_executable_at_all
ends_at_once
qmp_goes
real_qemu_errors
ready_as prelaunch '"-S"'
ready_as running '"-xen-domid-restrict"'
floods_its_log
no_log_directory
define broken < <(qemu_definition broken)
dmctl start "$DOMID" || fail "after all: $(dm_field "$DOMID" reason)"
mkdom_destroy "$DOMID"
undefine broken
snapshot_same before 30
