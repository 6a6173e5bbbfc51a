# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The real daemon (xendmd-fake: its own main.c and libraries over a hypervisor in a file) in a world
# of its own below /tmp: fakexs is its xenstored, fakehv its toolstack, fakedm its QEMU, dmctl its
# client. Sourced by tests/blackbox/*.sh. Each test ends with `world_end`, which stops the daemon,
# demands that it frees everything (its exit status, the sanitizers' word) and that nothing is left.
set -u
BUILD=${XENDMD_TEST_BUILD:?the build directory}
W=$(mktemp -d /tmp/xb.XXXXXX)
PATIENCE=${XENDMD_TEST_PATIENCE:-90} # seconds for what should happen; the machine may be busy
DPID='' XSPID='' ENDED='' D=''
DAEMON=$BUILD/tests/xendmd-fake FAKEDM=$W/libexec/fakedm
export XENDMD_RUNDIR=$W/run XENDMD_CONFDIR=$W/etc XENDMD_STATEDIR=$W/state XENDMD_LOGDIR=$W/log
export XENDMD_XENRUNDIR=$W/xenrun XENDMD_LIBEXECDIR=$W/libexec XENDMD_SYSTEMD=none
export XENSTORED_PATH=$W/xs XENDMD_FAKE_HV=$W/hv
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
unset NOTIFY_SOCKET LISTEN_FDS LISTEN_PID WATCHDOG_USEC XENDMD_FAKEDM
mkdir -p "$W/etc/domains.d" "$W/log" "$W/libexec" "$W/state"
ln -s "$BUILD/daemon/helpers/dm-launch" "$BUILD/daemon/helpers/log-trim" "$BUILD/daemon/helpers/dm-handoff" "$BUILD/daemon/helpers/dm-ask" "$W/libexec/"
ln -s "$BUILD/tests/dom-destroy-fake" "$W/libexec/dom-destroy"
# A copy: tests replace it and count its processes by its path.
cp "$BUILD/tests/fakedm" "$FAKEDM"
: >"$W/daemon.log"

dmctl() { "$BUILD/daemon/ctl/dmctl" "$@"; }
xs() { "$BUILD/tests/xsctl" "$@"; }
hv() { "$BUILD/tests/fakehv" "$@"; }
# Processes of this world by a part of their command lines; nothing else has our directory in it.
processes() { pgrep -f -- "$W.*${1:-}" | grep -vx "$$"; }

fail()
{
	trap - EXIT
	printf 'FAILED (line %s): %s\n' "${BASH_LINENO[*]::${#BASH_LINENO[@]}-1}" "$*"
	echo '--- status'
	[[ -z $DPID ]] || timeout 10 "$BUILD/daemon/ctl/dmctl" status --json 2>&1 | head -c 4000
	echo '--- the daemon said'
	tail -n 60 "$W/daemon.log" | cut -c 1-600
	echo '--- xenstored said'
	[[ ! -s $W/xs.log ]] || tail -n 40 "$W/xs.log"
	clean_up
	exit 1
}

clean_up()
{
	local pids

	pids=$(processes)
	[[ -z $pids ]] || kill -CONT $pids 2>/dev/null
	[[ -z $pids ]] || kill -KILL $pids 2>/dev/null
	[[ -z $DPID ]] || kill -KILL "$DPID" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$W"
}

on_exit()
{
	[[ -n $ENDED ]] || fail 'the test ended without world_end'
	clean_up
}
trap on_exit EXIT

step() { printf '%3d s  %s\n' "$SECONDS" "$*"; }

# Looking costs more processor time than waiting (dmctl and jq each time): seldom, if it takes long.
NAPS=(0.02 0.05 0.1 0.2)

# wait_until WHAT COMMAND…: within PATIENCE.
wait_until()
{
	local what=$1 end=$((SECONDS + PATIENCE)) n=0
	shift
	until "$@"; do
		(( SECONDS < end )) || fail "never came: $what"
		sleep "${NAPS[n]}"
		(( n == ${#NAPS[@]} - 1 )) || n=$((n + 1))
	done
}

# must COMMAND…, must_fail STATUS COMMAND…: what it printed is in $W/out and $W/err.
must()
{
	"$@" >"$W/out" 2>"$W/err" || fail "$* exits $?: $(cat "$W/err")"
}
must_fail()
{
	local want=$1 status
	shift
	"$@" >"$W/out" 2>"$W/err"
	status=$?
	[[ $status == "$want" ]] || fail "$* exits $status, not $want: $(cat "$W/out" "$W/err")"
	[[ -s $W/err || -s $W/out || $want == 0 ]] || fail "$* fails without a word"
}
# has FILE REGEX (extended)
has() { grep -qE -- "$2" "$1" || fail "no \"$2\" in: $(tail -c 2000 "$1")"; }
hasnt() { ! grep -qE -- "$2" "$1" || fail "\"$2\" in: $(grep -E -- "$2" "$1" | head -n 3)"; }

# --- xenstored, configuration, definitions

xenstored_start()
{
	: >"$W/xs.out"
	"$BUILD/tests/fakexs" "$W/xs" >"$W/xs.out" 2>>"$W/xs.log" &
	XSPID=$!
	wait_until 'fakexs' grep -q ready "$W/xs.out"
}
xenstored_stop() { kill "$XSPID"; wait "$XSPID" 2>/dev/null; }
xenstored_kill() { kill -KILL "$XSPID"; wait "$XSPID" 2>/dev/null; }

config() { printf '%s' "$1" | jq . >"$W/etc/xendmd.json" || fail "config: $1"; }

# text NAME SPEC [JSON]: a definition for the domain NAME whose device model behaves like SPEC; the
# JSON is laid over it.
text()
{
	jq -n --arg name "$1" --arg spec "xenstored=$W/xs${2:+,$2}" --arg binary "$FAKEDM" \
		--argjson over "${3:-{\}}" '{match: {name: $name}, kind: "qemu", binary: $binary,
		argv: ["-xen-domid", "$DOMID", "-name", "$NAME", "-fakedm", $spec]} + $over'
}
# put FILE: stdin as a definition, known at once.
put()
{
	cat >"$W/tmp.json"
	mv "$W/tmp.json" "$W/etc/domains.d/$1.json"
	[[ -z $DPID ]] || dmctl reload >"$W/out" 2>"$W/err"
}
# def FILE NAME SPEC [JSON]: the same with text.
def() { text "$2" "$3" "${4:-}" | put "$1"; }
undef() { rm "$W/etc/domains.d/$1.json"; dmctl reload >"$W/out" 2>"$W/err"; }

# --- the daemon

answers() { dmctl version >/dev/null 2>&1; }
daemon_launch()
{
	"$DAEMON" --log-level debug "$@" >>"$W/daemon.log" 2>&1 &
	DPID=$!
}
daemon_start()
{
	daemon_launch "$@"
	wait_until 'the daemon answers' answers
}
# lives PID: and is not only waiting to be reaped (an adopted one's parent is init)
lives() { [[ $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) == [!Z]* ]]; }
sane() { ! grep -qE 'Sanitizer|runtime error:|Assertion|libevent.*\[err\]' "$W/daemon.log"; }
daemon_stop()
{
	local status

	kill -TERM "$DPID" || fail 'the daemon is not there any more'
	wait "$DPID"
	status=$?
	DPID=''
	sane || fail 'the daemon leaks or worse'
	[[ $status == 0 ]] || fail "the daemon ended with status $status"
}
daemon_kill() { kill -KILL "$DPID" && wait "$DPID" 2>/dev/null; DPID=''; }
alive() { kill -0 "$DPID" 2>/dev/null; }
# said REGEX: the daemon logged it after the last `mark`.
mark() { MARK=$(wc -c <"$W/daemon.log"); }
MARK=0
said() { tail -c +"$((MARK + 1))" "$W/daemon.log" | grep -qE -- "$1"; }
wait_said() { wait_until "the daemon says \"$1\"" said "$1"; }

world_start()
{
	xenstored_start
	daemon_start "$@"
}

# --- domains

# create NAME [OPTION…]: its number in D
create() { D=$(hv create "$@") || fail "fakehv create $*"; }
destroy() { hv destroy "$@" || fail "fakehv destroy $*"; }
status_of() { dmctl status --json "$1" 2>/dev/null | jq -c '.domains[0]'; }
field() { status_of "$1" | jq -r ".$2"; }
# is DOMAIN JQ-CONDITION
# A domain that is not listed is nothing (jq 1.6 says yes to an empty input).
is()
{
	local status
	status=$(status_of "$1") && [[ -n $status ]] && jq -e "$2" <<<"$status" >/dev/null 2>&1
}
expect() { is "$1" "$2" || fail "not $2: $(status_of "$1")"; }
state_is() { is "$1" ".state == \"$2\""; }
wait_state() { wait_until "$1 is $2" state_is "$1" "$2"; }
# reached DOMAIN STATE [REGEX of its reason]
reached()
{
	wait_state "$1" "$2"
	[[ -z ${3:-} ]] || field "$1" reason | grep -qE -- "$3" \
		|| fail "the reason is not \"$3\": $(field "$1" reason)"
}
detail_is() { [[ $(dmctl show --json "$1" 2>/dev/null | jq -r .state_detail) == "$2" ]]; }
wait_detail() { wait_until "$1 is $2" detail_is "$1" "$2"; }
is_gone() { ! dmctl status "$1" >/dev/null 2>&1; }
wait_gone() { wait_until "$1 is not listed any more" is_gone "$1"; }
events() { dmctl events --json "$@"; }
happened() { [[ $(events | jq -r "select(.domid == $1).event") == *"$2"* ]]; }
wait_event() { wait_until "$2 of $1" happened "$1" "$2"; }
# sequence DOMAIN EVENT…: exactly these, in this order, but for what QEMU itself told
sequence()
{
	local domid=$1 got
	shift
	got=$(events | jq -r "select(.domid == $domid and .event != \"qmp-event\").event" | tr '\n' ' ')
	[[ $got == "$* " ]] || fail "events of $domid: $got"
}

# --- nothing is left

names_left() { { xs ls /local/domain/0/device-model; xs ls /local/domain/0/xendmd; } 2>/dev/null; }
quiet()
{
	[[ -z $(processes '/libexec/') && -z $(ls "$W/run/dm") && -z $(names_left) &&
		$(xs read /fakexs/transactions) == 0 &&
		$(find "$W/run" "$W/xenrun" -type s 2>/dev/null) == "$W/run/control" ]]
}
nothing_left()
{
	local end=$((SECONDS + PATIENCE))

	until quiet; do
		(( SECONDS < end )) || fail "left: processes $(processes /libexec/ | tr '\n' ' '
			), directories $(ls "$W/run/dm" | tr '\n' ' '), nodes $(names_left | tr '\n' ' '
			), transactions $(xs read /fakexs/transactions
			), sockets $(find "$W/run" "$W/xenrun" -type s 2>/dev/null | tr '\n' ' ')"
		sleep 0.05
	done
}
fds() { ls "/proc/$DPID/fd" | wc -l; }

# All domains are destroyed, nothing is left, the daemon ends and has freed everything.
world_end()
{
	hv destroy all || fail 'fakehv destroy all'
	wait_until 'no domain is listed' \
		eval '[[ $(dmctl status --json | jq ".domains | length") == 0 ]]'
	nothing_left
	daemon_stop
	[[ -z $(find "$W/run" -type s) ]] || fail "sockets are left: $(find "$W/run" -type s)"
	xenstored_stop
	! grep -q Sanitizer "$W/xs.log" || fail "fakexs: $(cat "$W/xs.log")"
	ENDED=1
	step 'done'
}
