#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# handoff-dom0.sh PAIRS [GUEST…]: by turns (and each pair in the other order than the last), `xl create -p`
# of the same guest without and with device_model_override = dm-handoff; from the command's begin to its
# end. GUEST is "real" (disk, nic on a bridge, VNC, serial console), which the acceptance means, or
# "bare" (none of these). Printed: milliseconds, median and 90th percentile, and the ratio of the medians.
set -euo pipefail

PAIRS=$1
shift
(( $# )) || set -- real
MOST=1.05
BRIDGE=benchbr
HANDOFF=/usr/libexec/xendmd/dm-handoff
cd "$(mktemp -d)"

wait_gone()
{
	while xl list | awk -v id="$1" 'NR > 1 && $2 == id { found = 1 } END { exit !found }' \
		|| pgrep -f -- "-xen-domid $1( |\$)" >/dev/null \
		|| dmctl status "$1" >/dev/null 2>&1; do
		sleep 0.2
	done
	sleep 1
}

# one KIND: its time in microseconds goes to the file KIND.
one()
{
	local begin domid source

	begin=${EPOCHREALTIME/./}
	xl create -p -q "$1.cfg"
	echo $((${EPOCHREALTIME/./} - begin)) >>"$1"
	domid=$(xl domid "$1")
	source=foreign
	[[ $1 == stock ]] || source=handoff
	for (( i = 0; i < 100; i++ )); do
		[[ $(dmctl status "$domid" --json | jq -r '.domains[0].source') != "$source" ]] || break
		sleep 0.1
	done
	(( i < 100 )) || { echo "not $source: $(dmctl status "$domid")" >&2; exit 1; }
	xl destroy "$1"
	wait_gone "$domid"
}

# percentile FILE P, in milliseconds
percentile()
{
	sort -n "$1" | awk -v p="$2" '{ v[NR] = $1 }
		END { i = int(NR * p / 100 + 0.999999); if (i < 1) i = 1; printf "%.1f", v[i] / 1000 }'
}
median()
{
	sort -n "$1" | awk '{ v[NR] = $1 }
		END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf "%.1f", m / 1000 }'
}

# configure GUEST
configure()
{
	local kind

	for kind in stock handoff; do
		printf 'type="hvm"\nname="%s"\nmemory=48\n' "$kind"
		if [[ $1 == real ]]; then
			cat <<-END
				vnc = 1
				serial = "pty"
				disk = [ '$PWD/$kind.img,raw,hda,rw,backendtype=qdisk' ]
				vif = [ 'bridge=$BRIDGE,model=e1000' ]
			END
		else
			echo 'vnc=0'
		fi
		[[ $kind == stock ]] || echo "device_model_override=\"$HANDOFF\""
	done | awk '/^type/ { file = ++n == 1 ? "stock.cfg" : "handoff.cfg" } { print >file }'
}

# measure GUEST: False: the ratio is too high.
measure()
{
	local pair kind

	configure "$1"
	one stock
	one handoff
	rm stock handoff # the first of each has cold caches
	for (( pair = 0; pair < PAIRS; pair++ )); do
		if (( pair % 2 )); then
			one handoff
			one stock
		else
			one stock
			one handoff
		fi
	done
	echo "a $1 guest:"
	for kind in stock handoff; do
		printf '%-8s %3d runs, median %8s ms, p90 %8s ms\n' "$kind" "$(wc -l <$kind)" \
			"$(median $kind)" "$(percentile $kind 90)"
	done
	awk -v a="$(median handoff)" -v b="$(median stock)" -v most="$MOST" \
		'BEGIN { printf "ratio of the medians %.3f (at most %s)\n", a / b, most; exit !(a / b <= most) }'
}

ip link add "$BRIDGE" type bridge
ip link set "$BRIDGE" up
truncate -s 8M stock.img handoff.img
status=0
for guest; do
	measure "$guest" || [[ $guest != real ]] || status=1
done
exit "$status"
