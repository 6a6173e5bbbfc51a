# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# For tests of dm-handoff: what libxl does around a device model.
HANDOFF=$W/libexec/dm-handoff

# guest NAME: a domain as libxl leaves it before it starts a device model
guest()
{
	create "$1" --as-libxl
	xs write "/local/domain/0/device-model/$D/physmap" 'of a restored guest'
}

# hand SPEC [ARGUMENT…]: libxl's intermediate process for the domain D (its pid in MIDDLE): runs the
# helper, notes its number in xenstore (LATE: after so long; EARLY: at once), waits for it. RUN: what runs
# the helper.
RUN='' LATE=0 EARLY=''
hand()
{
	local spec=$1
	shift
	rm -f "$W/helper.$D" "$W/status.$D" "$W/log/$D.log"
	(
		cd "$W/etc" || exit
		HANDED=yes $RUN "$HANDOFF" -xen-domid "$D" -name guest "$@" -fakedm "xenstored=$W/xs,show-self${spec:+,$spec}" \
			</dev/null >>"$W/log/$D.log" 2>&1 7</dev/zero 12<"$W/etc/xendmd.json" &
		echo $! >"$W/helper.$D"
		# libxl's child has xl's command line until it executes the helper
		while [[ -z $EARLY && -e /proc/$! && $(readlink "/proc/$!/exe") != */@(dm-handoff|fakedm) ]]; do sleep 0.02; done
		sleep "$LATE"
		xs write "/local/domain/$D/image/device-model-pid" "$(cat "$W/helper.$D")"
		wait "$!"
		echo $? >"$W/status.$D"
	) 2>/dev/null &
	MIDDLE=$!
	wait_until 'the helper' test -s "$W/helper.$D"
	HELPER=$(cat "$W/helper.$D")
}
# What libxl does when it sees the device model run.
let_go() { kill -KILL "$MIDDLE"; wait "$MIDDLE" 2>/dev/null; }
pid_node() { xs read "/local/domain/$D/image/device-model-pid"; }
pid_is_qemus() { [[ $(pid_node) == "$(field "$D" pid)" ]]; }
helper_gone() { ! lives "$HELPER"; }
# ended STATUS [REGEX of what it said]
ended()
{
	wait_until 'the helper ends' test -s "$W/status.$D"
	[[ $(cat "$W/status.$D") == "$1" ]] || fail "the helper's status is $(cat "$W/status.$D"), not $1: $(tail -n 3 "$W/log/$D.log")"
	[[ -z ${2:-} ]] || has "$W/log/$D.log" "dm-handoff: .*$2"
	wait "$MIDDLE" 2>/dev/null
}
# xl destroy: the node, SIGHUP to the recorded process, the domain.
libxl_destroy()
{
	local pid
	pid=$(pid_node)
	xs rm "/local/domain/0/device-model/$D"
	[[ -z $pid ]] || kill -HUP "$pid" 2>/dev/null
	sleep "${1:-0}"
	destroy "$D"
}
