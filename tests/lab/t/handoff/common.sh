# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For the tests of guests whose device_model_override is dm-handoff; sourced after lib.sh.
# shellcheck shell=bash
HANDOFF=/usr/libexec/xendmd/dm-handoff

xl_domid() { xl domid "$1" 2>/dev/null; }
pid_in_xenstore() { xenstore-read "/local/domain/$DOMID/image/device-model-pid" 2>/dev/null; }
no_helper() { ! pgrep -f -- "^$HANDOFF .*-xen-domid $1( |\$)"; }
unpaused() { ! xl_state_has "$1" p; }
unlisted() { ! dmctl status "$1"; }

# guest NAME: the smallest xl.cfg; GUEST_HELPER in place of dm-handoff.
guest()
{
	cat <<-END
		type = "hvm"
		name = "$1"
		memory = 48
		vnc = 0
		vcpus = 1
		maxvcpus = 2
		device_model_override = "${GUEST_HELPER:-$HANDOFF}"
	END
}

# served [NAME]: DOMID and PID are those of xl's guest; its device model is ours, and nothing but it is
# left of its making.
served()
{
	local name=${1:-ho} is

	wait_until 60 xl_domid "$name"
	DOMID=$(xl_domid "$name")
	wait_until 60 eval 'mapfile -t is < <(dm_fields "$DOMID" state source kind name log pid); [[ ${is[0]:-} == running ]]'
	PID=${is[5]}
	expect "what is told" "${is[*]:1:4}" "handoff qemu $name /var/log/xen/qemu-dm-$name.log"
	expect "device-model-pid" "$(pid_in_xenstore)" "$PID"
	expect "QEMU's pid" "$(qemu_pid "$DOMID")" "$PID"
	expect program "$(readlink "/proc/$PID/exe")" "$(readlink -f $QEMU)"
	grep -q "/xendmd-dm-$DOMID.scope\$" "/proc/$PID/cgroup" || fail "scope: $(cat "/proc/$PID/cgroup")"
	wait_until 10 no_helper "$DOMID"
	expect "state in xenstore" "$(xenstore-read "/local/domain/0/device-model/$DOMID/state")" running
	wait_until 60 unpaused "$DOMID" # the xl that reboots it in the background is done
}

# ended DOMID: by xl's own doing, which is no death.
ended()
{
	wait_until 90 domain_gone "$1"
	wait_until 30 unlisted "$1"
	told "$1" device-model-stopped domain-gone -- device-model-exited device-model-failed
}

must()
{
	"$@" >xl.log 2>&1 || fail "$*: $(<xl.log)"
}

answers_qmp()
{
	local answer

	answer=$(xl qemu-monitor-command "${1:-ho}" "info status" 2>&1)
	[[ $answer == *status:\ * ]] || fail "xl qemu-monitor-command: $answer"
}

# restore NAME FILE CHECK…: xl restore, after which CHECK succeeds. QEMU 7.2 sometimes aborts in its own
# map cache when a slow machine has restored a guest; exactly then it is made once more.
restore()
{
	local name=$1 file=$2 log=/var/log/xen/qemu-dm-$1.log again
	shift 2

	for again in once no; do
		if xl restore "$file" >xl.log 2>&1 && ( "$@" ) 2>restore.err; then
			return
		fi
		if [[ $again == no ]] || ! grep -q 'xen_add_to_physmap: Assertion' "$log"; then
			fail "restore of $name: $(cat xl.log restore.err 2>/dev/null) $(tail -n 5 "$log")"
		fi
		echo "QEMU's own bug, so once more: $(grep 'xen_add_to_physmap: Assertion' "$log")"
		xl destroy "$name" 2>/dev/null
		wait_until 90 status_empty
	done
}
