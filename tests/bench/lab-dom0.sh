#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lab-dom0.sh RUNS: by turns, a domain of stock `xl create -p` and one of `mkdom create` that xendmd
# serves, both paused, with the same memory and the same QEMU arguments: ours are those of xl's QEMU,
# less the monitor that libxl passes as a descriptor.
#
# One clock for all, the kernel's trace (ftrace, clock mono): `begin` and `end` of the command are
# written into it by this script, executions are the kernel's own sched_process_exec, and what
# happens in xenstore is written into it by `measure mark` as its watches fire:
#
#   introduced   @introduceDomain
#   execve       of xen-qemu-system-i386
#   running      /local/domain/0/device-model/G/state, written by QEMU
#   ready        ours: /local/domain/0/xendmd/G/state, written by the daemon once QMP too has answered;
#                xl's: the end of the command
#
# Printed: milliseconds, median and 90th percentile, and the ratio of the medians (ours to xl's).
set -euo pipefail

RUNS=$1
TRACE=/sys/kernel/tracing
QEMU=xen-qemu-system-i386
MEMORY=40
cd "$(mktemp -d)"

start_trace()
{
	mountpoint -q "$TRACE" || mount -t tracefs tracefs "$TRACE"
	echo mono >"$TRACE/trace_clock"
	echo 2048 >"$TRACE/buffer_size_kb"
	echo 1 >"$TRACE/events/sched/sched_process_exec/enable"
	/root/measure mark "$TRACE/trace_marker" @introduceDomain /local/domain/0/device-model \
		/local/domain/0/xendmd &
	MARK_PID=$!
	trap 'kill "$MARK_PID"; rm -f /etc/xendmd/domains.d/bench.json' EXIT
	sleep 1
}

mark()
{
	echo "$1" >"$TRACE/trace_marker"
}

# times_of LAST: milliseconds from introduction to execve, from execve to running, from execve to the
# line that ends with LAST, from the command's begin to that, and from dm-launch's execve to QEMU's; of
# the one run in the trace.
times_of()
{
	awk -v qemu="filename=.*$QEMU" -v last="$1" '
		{ for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+\.[0-9]+:$/) { t = $i * 1000; break } }
		/ begin$/ { begin = t }
		!begin { next }
		/@introduceDomain/ && !intro { intro = t }
		$0 ~ qemu && !exec { exec = t }
		/device-model\/[0-9]+\/state running$/ && !running { running = t }
		/filename=.*dm-launch/ && !launch { launch = t }
		$0 ~ last "$" && !end { end = t }
		END { if (!intro || !exec || !running || !end) exit 1
		      printf "%.1f %.1f %.1f %.1f %.1f\n", exec - intro, running - exec, end - exec,
				end - begin, launch ? exec - launch : 0 }
	' "$TRACE/trace" || { cat "$TRACE/trace" >&2; return 1; }
}

# The one run in the trace, in milliseconds from the introduction on.
timeline()
{
	awk '
		{ t = ""; for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+\.[0-9]+:$/) { t = $i * 1000; at = i; break } }
		t == "" { next }
		/@introduceDomain/ && !intro { intro = t }
		{ line = ""; for (i = at + 1; i <= NF; i++) line = line " " $i
		  n++; time[n] = t; text[n] = line }
		END { for (i = 1; i <= n; i++) printf "%9.1f %s\n", time[i] - intro, text[i] }
	' "$TRACE/trace" | sed -E 's/(sched_process_exec|tracing_mark_write): //; s/ old_pid=.*//'
}

wait_gone()
{
	while xl list | awk -v id="$1" 'NR > 1 && $2 == id { found = 1 } END { exit !found }' \
		|| pgrep -f -- "-xen-domid $1( |\$)" >/dev/null \
		|| dmctl status "$1" >/dev/null 2>&1; do
		sleep 0.2
	done
	sleep 1
}

run_xl()
{
	local domid

	echo >"$TRACE/trace"
	mark begin
	xl create -p -q guest.cfg
	mark end
	sleep 1
	times_of ' end' >>xl
	timeline >xl.timeline
	domid=$(xl domid stock)
	pid=$(pgrep -f -- "-xen-domid $domid( |\$)")
	[[ -s argv ]] || tr '\0' '\n' <"/proc/$pid/cmdline" >argv
	xl destroy stock
	wait_gone "$domid"
}

run_ours()
{
	local domid

	echo >"$TRACE/trace"
	mark begin
	domid=$(mkdom create ours --memory "$MEMORY")
	mark end
	# Polling would slow down what is measured, and so does any program started meanwhile.
	read -rt 5 <>pause || true
	/root/measure wait running "$domid"
	sleep 1
	times_of "xendmd/$domid/state running" >>ours
	timeline >ours.timeline
	dmctl status "$domid" --json | jq '.domains[0].start_ms' >>start_ms
	dmctl show "$domid" --json | jq -c '[.. | .phases? // empty | .[] | {(.phase): .after_ms}] | add' \
		>>phases
	mkdom destroy "$domid"
	wait_gone "$domid"
}

# xl's own arguments as a definition.
define_ours()
{
	local domid

	domid=$(awk 'p == "-xen-domid" { print } { p = $0 }' argv)
	jq -Rn --arg id "$domid" '
		[inputs] | .[1:]
		| . as $a | [range(length) as $i
			| select(($a[$i] | test("libxl-cmd")) or ($a[$i + 1] // "" | test("libxl-cmd")) | not)
			| $a[$i]]
		| [.[] | if . == $id then "$DOMID" elif . == "stock" then "$NAME"
			else gsub("qmp-libxenstat-" + $id; "qmp-libxenstat-$DOMID") end]
		| { match: { name: "ours" }, kind: "qemu", argv: . }' argv >/etc/xendmd/domains.d/bench.json
	dmctl check /etc/xendmd/domains.d/bench.json
	dmctl reload
	jq -c .argv /etc/xendmd/domains.d/bench.json
}

# quantile FILE COLUMN PERCENT
quantile()
{
	awk -v c="$2" '{ print $c }' "$1" | sort -n \
		| awk -v p="$3" '{ v[NR] = $1 } END { i = int((NR - 1) * p / 100 + 1.5); print v[i] }'
}

row()
{
	local what=$1 column=$2 o x

	o=$(quantile ours "$column" 50)
	x=$(quantile xl "$column" 50)
	printf '%-38s %9.1f %9.1f %9.1f %9.1f %8.2f\n' "$what" "$o" "$(quantile ours "$column" 90)" \
		"$x" "$(quantile xl "$column" 90)" "$(awk -v o="$o" -v x="$x" 'BEGIN { print o / x }')"
}

cat >guest.cfg <<END
type = "hvm"
name = "stock"
memory = $MEMORY
vnc = 0
END

mkfifo pause
start_trace
run_xl # warms the caches and says what xl runs
rm xl
define_ours
run_ours
rm ours start_ms phases
echo 'each run: introduced->execve, execve->running, execve->ready, begin->ready, dm-launch->execve'
for ((i = 0; i < RUNS; i++)); do
	run_xl
	run_ours
	echo "xl $(tail -n 1 xl)	xendmd $(tail -n 1 ours)"
done

printf '\n%d runs each, ms\n' "$RUNS"
printf '%-38s %9s %9s %9s %9s %8s\n' '' 'xendmd' p90 'xl' p90 ratio
row 'domain introduced -> execve' 1
row 'execve -> state running in xenstore' 2
row 'execve -> ready / xl create returns' 3
row 'command begins -> ready / returns' 4
printf '%-38s %9.1f %9.1f\n' "execve of dm-launch -> QEMU's" "$(quantile ours 5 50)" "$(quantile ours 5 90)"
printf '\nxendmd, start_ms: median %s, p90 %s\n' "$(quantile start_ms 1 50)" "$(quantile start_ms 1 90)"
printf 'its phases in the last run: %s\n' "$(tail -n 1 phases)"
printf '\nlast run under xendmd, ms from the introduction on\n'
cat ours.timeline
printf '\nlast run under xl\n'
cat xl.timeline
