#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=300
#
# Clients of the control socket that mean no good: the daemon goes on for the others, in bounds.
. "$(dirname "$0")/lib.sh"

SOCKET=/run/xendmd/control
CALL=io.xendmd.DeviceModels
PEAK_KIB=$((48 * 1024))		# what all of them together may add for a moment
KEPT_KIB=$((16 * 1024))		# what may stay: the allocator's

GROUP=$(getent group xendmd | cut -d: -f3)
PID=$(systemctl show -P MainPID xendmd)

# As somebody who may look and not touch.
reader()
{
	setpriv --reuid=65534 --regid=65534 --groups="$GROUP" "$@"
}

memory()
{
	awk -v key="$1:" '$1 == key { print $2 }' "/proc/$PID/status"
}

descriptors()
{
	local fds=("/proc/$PID/fd"/*)

	echo "${#fds[@]}"
}

others_work()
{
	timeout 30 dmctl status --json | holds '.domains | length == 0' \
		|| fail "dmctl status does not work${1:+ beside $1}"
}

# say: standard input to the daemon; its answer, as text.
say()
{
	reader timeout 30 socat -t 5 - "UNIX-CONNECT:$SOCKET" 2>/dev/null | tr '\0' '\n'
}

# answered ERROR WHAT: WHAT (as of printf) gets ERROR.
answered()
{
	# shellcheck disable=SC2059
	printf "$2" | say | jq -r .error | grep -qx "$1" || fail "no $1 for $2"
}

garbage()
{
	answered "$CALL.Failed" 'hello\0'
	answered "$CALL.Failed" '[1,2]\0'
	answered "$CALL.Failed" '{}\0'
	answered "$CALL.Failed" '{"method":5}\0'
	answered "$CALL.Failed" '\0\0\0'
	answered "$CALL.Failed" '{"method":"'$CALL'.List\xff\xfe"}\0'
	answered org.varlink.service.MethodNotFound '{"method":"'$CALL'.Nope"}\0'
	answered org.varlink.service.InterfaceNotFound '{"method":"com.example.Nope"}\0'
	answered org.varlink.service.InvalidParameter '{"method":"'$CALL'.Describe","parameters":{"domain":7}}\0'
	answered "$CALL.Denied" '{"method":"'$CALL'.Stop","parameters":{"domain":"1"}}\0'
	answered "$CALL.Denied" '{"method":"'$CALL'.Reload"}\0'
	head -c 200000 /dev/zero | tr '\0' '[' | { cat; printf '\0'; } | say | grep -q "$CALL.Failed" \
		|| fail "no answer to deep nesting"
	head -c 1M /dev/urandom | say >/dev/null
	others_work garbage
}

# Ends only when the daemon hangs up.
half_a_message()
{
	{ printf '{"method":"io'; sleep 100; } | reader socat -t 0 - "UNIX-CONNECT:$SOCKET" >/dev/null 2>&1 &
	HALF=$!
}

half_is_ended()
{
	! kill -0 "$HALF" 2>/dev/null
}

much()
{
	head -c 100M /dev/zero | tr '\0' a | reader timeout 120 socat -u - "UNIX-CONNECT:$SOCKET" 2>/dev/null
	(( PIPESTATUS[2] != 0 )) || fail "it took a message of 100 MB"
	others_work "a message of 100 MB"
}

# 100 MB of calls whose answers nobody reads.
never_reads()
{
	yes '{"method":"io.xendmd.DeviceModels.List"}' | tr '\n' '\0' | head -c 100M \
		| reader timeout 120 socat -u - "UNIX-CONNECT:$SOCKET" 2>/dev/null &
	sleep 2
	others_work "one that never reads"
	wait $!
	(( $? != 0 )) || fail "it took 100 MB of calls"
}

# hold_open COUNT: prints "open" when all have connected and holds them until its input ends.
hold_open()
{
	perl -MIO::Socket::UNIX -e '
		$| = 1;
		my @held = map { IO::Socket::UNIX->new($ARGV[0]) || die "connect $_: $!" } 1..$ARGV[1];
		print "open\n"; <STDIN>;' "$SOCKET" "$1"
}

many()
{
	local out in

	coproc READER { reader bash -c "$(declare -f hold_open); SOCKET=$SOCKET; hold_open 100"; }
	read -r -t 30 _ <&"${READER[0]}" || fail "100 connections"
	out=${READER[1]}
	others_work "100 connections"
	reader timeout 30 dmctl status >refused 2>&1 && fail "the 101st reader got a place"
	grep -q "too many" refused || fail "the refusal is not clear: $(<refused)"
	exec {out}>&-
	wait "$READER_PID"
	wait_until 30 reader dmctl status

	coproc ROOT { hold_open 100; }
	read -r -t 30 _ <&"${ROOT[0]}" || fail "100 connections of root"
	in=${ROOT[1]}
	timeout 30 dmctl status >refused 2>&1 && fail "root's 101st got a place"
	grep -q "too many" refused || fail "the refusal is not clear: $(<refused)"
	exec {in}>&-
	wait "$ROOT_PID"
	wait_until 30 dmctl status
}

# 100 messages with 20 descriptors each, by sendmsg (x86-64's number 46).
descriptors_passed()
{
	reader perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new($ARGV[0]) or die "connect: $!";
		my $text = qq({"method":"io.xendmd.DeviceModels.List"}\0);
		for (1..100) {
			my $iov = pack("PQ", $text, length $text);
			my $fds = pack("i*", (0) x 20);
			my $control = pack("Qii", 16 + length $fds, 1, 1) . $fds;
			my $msg = pack("QLx4PQPQix4", 0, 0, $iov, 1, $control, length $control, 0);
			syscall(46, fileno $s, $msg, 0) > 0 or die "sendmsg: $!";
			local $/ = "\0";
			<$s> =~ /domains/ or die "no answer";
		}' "$SOCKET" || fail "passing descriptors"
}

back_to_normal()
{
	[[ $(descriptors) == "$FDS" ]]
}

others_work
for _ in 1 2 3; do others_work; done
FDS=$(descriptors)
RSS=$(memory VmRSS)
echo 5 >"/proc/$PID/clear_refs"	# the peak begins here
snapshot before

half_a_message
garbage
much
never_reads
many
descriptors_passed
wait_until 60 half_is_ended
others_work
expect "pid of the daemon" "$(systemctl show -P MainPID xendmd)" "$PID"
wait_until 30 back_to_normal
echo "memory: $RSS KiB before, peak $(memory VmHWM), now $(memory VmRSS)"
(( $(memory VmHWM) < RSS + PEAK_KIB )) || fail "peak of $(memory VmHWM) KiB, $RSS before"
(( $(memory VmRSS) < RSS + KEPT_KIB )) || fail "$(memory VmRSS) KiB stay, $RSS before"
snapshot_same before 30
