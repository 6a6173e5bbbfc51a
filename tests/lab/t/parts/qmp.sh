# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For tests of xl's commands that use QMP, each while four other clients use it too. DOMID is the
# guest's.
# shellcheck shell=bash

CLIENTS=()

# Its deadlines are for machines that are not emulated (tests/lab/slowclock.c).
xl() { LD_PRELOAD=/usr/local/lib/xendmd-lab/slowclock.so command xl "$@"; }
xl_domid() { xl domid "$1" 2>/dev/null; }
status_is() { [[ $(dm_field "$DOMID" "$1") == "$2" ]]; }
healthy() { [[ $(dmctl show --json "$DOMID" | jq -r .qmp_session.health) == ok ]]; }

must()
{
	"$@" >xl.log 2>&1 || fail "$*: $(<xl.log)"
}

# info_status NAME: by xl, to the human monitor.
info_status()
{
	must xl qemu-monitor-command "$1" "info status"
	grep -q 'VM status: ' xl.log || fail "info status: $(<xl.log)"
}

# listed NAME FILTER: what xl list -l prints, of which libxl asks QMP.
listed()
{
	must xl list -l "$1"
	holds ".[0].config | $2" xl.log || fail "xl list -l: not $2: $(<xl.log)"
}

all_answered()
{
	[[ -e answered.0 && -e answered.1 && -e answered.2 && -e answered.3 ]]
}

# Four clients that never stop asking, one for each way in; returns when each was answered.
clients_begin()
{
	local i=0 what

	rm -f answered.*
	for what in "/run/xendmd/dm/$DOMID/qmp query-status" "/run/xen/qmp-libxl-$DOMID query-version" \
		"/run/xen/qmp-libxenstat-$DOMID query-blockstats" "varlink:$DOMID query-status"; do
		# shellcheck disable=SC2086
		/lab/guest/asking.py $what "answered.$i" >"client.$i" 2>&1 &
		CLIENTS[i]=$!
		i=$((i + 1))
	done
	wait_until 120 all_answered
}

clients_live()
{
	local i

	for i in "${!CLIENTS[@]}"; do
		kill -0 "${CLIENTS[i]}" 2>/dev/null || fail "client $i ended: $(<"client.$i")"
	done
}

# Each was answered, and ended with the session alone.
clients_ended()
{
	local i

	for i in "${!CLIENTS[@]}"; do
		wait_until 120 eval "! kill -0 ${CLIENTS[i]}"
		[[ $(<"client.$i") =~ ^[1-9][0-9]*$ ]] || fail "client $i: $(<"client.$i")"
	done
	CLIENTS=()
}

# xentop waits 10 ms for an answer, which an emulated machine seldom has by then, and leaves: that it came and was
# not refused is read on the way, between it and the daemon's socket. What it would get is asked for after it.
xentop_asks()
{
	local path=/run/xen/qmp-libxenstat-$DOMID tap

	mv "$path" "$path.real"
	socat -v -t 60 "UNIX-LISTEN:$path,fork" "UNIX-CONNECT:$path.real" 2>tap.log &
	tap=$!
	wait_until 30 eval "[[ -S $path ]]"
	must xentop -b -i 1
	wait_until 90 grep -q '"QMP"' tap.log
	kill "$tap"
	wait "$tap" 2>/dev/null
	mv "$path.real" "$path"
	grep -q '"error"' tap.log && fail "xentop was refused: $(<tap.log)"
	stats_answered "$path"
}

# As libxenstat puts its questions: no id, no end of line.
stats_answered()
{
	{
		printf '{ "execute": "qmp_capabilities" }'
		printf '{ "execute": "query-block" }'
		printf '{ "execute": "query-blockstats" }'
	} | socat -t 60 - "UNIX-CONNECT:$1" >stats.log
	expect "answers to libxenstat" "$(jq -c 'has("return")' stats.log | paste -sd' ')" "false true true true"
}

# SeaBIOS and what boot_disk made reset the machine on these keys.
guest_resets()
{
	must dmctl qmp "$DOMID" send-key '{"keys": [{"type": "qcode", "data": "ctrl"},
		{"type": "qcode", "data": "alt"}, {"type": "qcode", "data": "delete"}]}'
}
