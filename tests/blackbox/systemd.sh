#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# What systemd sees: notifications, the watchdog, signals, a socket handed over and a socket of our
# own; and a log directory without room, in a mount namespace.
if [[ -z ${XENDMD_TEST_INSIDE:-} ]]; then
	XENDMD_TEST_INSIDE=1 exec unshare -m --propagation private bash "$0"
fi
. "$(dirname "$0")/lib.sh"
told() { grep -qaE -- "$1" "$W/notify"; }
wait_told() { wait_until "systemd is told $1" told "$1"; }
: >"$W/notify"
socat -u "UNIX-RECV:$W/notify.sock" "OPEN:$W/notify,append" & # one message behind the other
LISTENER=$!
wait_until 'the listener' test -S "$W/notify.sock"
xenstored_start

step 'READY, STATUS, WATCHDOG'
export NOTIFY_SOCKET=$W/notify.sock WATCHDOG_USEC=600000
daemon_start
unset NOTIFY_SOCKET WATCHDOG_USEC
wait_told 'READY=1'
wait_told 'STATUS=0 domains, 0 device models of ours running'
def web1 web1 ''
create web1
wait_state "$D" running
PID=$(field "$D" pid)
wait_told 'STATUS=1 domain, 1 device model of ours running'
wait_until 'the watchdog is fed' eval '(( $(grep -ao WATCHDOG=1 "$W/notify" | wc -l) >= 4 ))'
[[ $(tr '\0' '\n' <"/proc/$PID/environ" | grep -c 'NOTIFY_SOCKET\|WATCHDOG') == 0 ]] || fail 'the device model inherits'

step 'RELOADING'
: >"$W/notify"
must dmctl reload
wait_told 'RELOADING=1'
wait_told 'MONOTONIC_USEC=[0-9]+'
wait_told 'READY=1'
wait_event null configuration-reloaded

step 'SIGHUP: look at the domains again, nothing else'
kill -STOP "$XSPID" # no watch event will tell
hv gone "$D"
kill -HUP "$DPID"
wait_until 'it is seen' eval '! lives $PID'
kill -CONT "$XSPID"
nothing_left
alive || fail 'SIGHUP ended the daemon'

step 'STOPPING; SIGINT ends it too'
create web1
wait_state "$D" running
PID=$(field "$D" pid)
: >"$W/notify"
kill -INT "$DPID"
wait "$DPID" || fail 'SIGINT is no orderly end'
DPID=''
sane || fail 'the daemon leaks'
wait_told 'STOPPING=1'
[[ ! -e $W/run/control ]] || fail 'its own socket is left'
lives "$PID" || fail 'the device model ended with the daemon'
kill $LISTENER
wait $LISTENER 2>/dev/null

step 'socket activation'
systemd-socket-activate -l "$W/run/control" -E XENDMD_RUNDIR -E XENDMD_CONFDIR -E XENDMD_STATEDIR \
	-E XENDMD_LOGDIR -E XENDMD_XENRUNDIR -E XENDMD_LIBEXECDIR -E XENDMD_SYSTEMD \
	-E XENSTORED_PATH -E XENDMD_FAKE_HV -E ASAN_OPTIONS -E UBSAN_OPTIONS \
	"$DAEMON" --log-level debug >>"$W/daemon.log" 2>&1 &
DPID=$!
wait_until 'it listens' test -S "$W/run/control"
must dmctl status # starts it; execve keeps the pid
wait_state "$D" running
expect "$D" ".pid == $PID"
INODE=$(stat -c %i "$W/run/control")
daemon_stop
[[ $(stat -c %i "$W/run/control") == "$INODE" ]] || fail "systemd's socket was removed"

step 'a stale socket of our own is replaced; a second daemon is refused'
daemon_start
wait_state "$D" running
"$DAEMON" >"$W/second" 2>&1 && fail 'two daemons'
has "$W/second" 'another daemon serves'
expect "$D" ".pid == $PID and .state == \"running\""
lives "$PID" || fail 'the second daemon touched the device model'
hv destroy all
nothing_left

step 'no room for logs'
mount -t tmpfs -o size=64k none "$W/log" || fail 'mount'
head -c 1000000 /dev/zero >"$W/log/fill" 2>/dev/null
def chatty chatty 'say=hello'
create chatty
wait_state "$D" running # it starts all the same
must dmctl show "$D"
must_fail 0 dmctl logs "$D"
hv destroy "$D"
nothing_left
rm "$W/log/fill"
def flood flood flood-stderr=300000
create flood
wait_state "$D" running
destroy "$D"
nothing_left
umount "$W/log"
rm "$W"/notify*
world_end
