#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# In dom0: a guest with a Linux stub domain, created by stock xl, its QMP served by Xen's
# vchan-socket-proxy, and then the like (GUESTS of them) with xendmd. For each: round trips of
# query-status, query-qmp-schema (207 kB), from connect() to the first answer, 8 clients at once,
# processor time for 1000 commands, PSS in dom0 for a guest. The last table has the ratios, ours to stock. Its last
# column is a program at the ring itself, which does nothing else (vchan-direct.c): no proxy is faster.
#
# PSS of ours is what the daemon grows by for a guest whose QMP is in use; all of it the guest adds
# (its state, its log's place, its socket) counts.
set -euo pipefail

GUESTS=${GUESTS:-2}
CLIENT=/root/qmp-client.py
DIRECT=/usr/local/lib/xendmd-lab/vchan-direct
TICK=$(getconf CLK_TCK)
cd "$(mktemp -d)"

# libxl gives a stub domain 30 s, which the emulation may need on a busy machine.
create() { xl create -p -q "$1"; }

# The lab's stub domain; PEER=1: its well-behaved stand-in, whose guest stays paused.
guest()
{
	cat >"b$1.cfg" <<-END
		type = "hvm"
		name = "b$1"
		memory = 48
		vnc = 0
		device_model_version = "qemu-xen"
		device_model_stubdomain_override = 1
		stubdomain_memory = 192
	END
	[[ -z ${PEER:-} ]] || cat >>"b$1.cfg" <<-END
		stubdomain_kernel = "/lab/vmlinuz"
		stubdomain_ramdisk = "$PWD/peer.cpio"
		stubdomain_cmdline = "console=hvc0"
	END
	create "b$1.cfg" || create "b$1.cfg" || create "b$1.cfg"
	DOMID=$(xl domid "b$1")
	STUB=$(xl domid "b$1-dm")
}

gone() { ! xl list | awk -v id="$1" '$2 == id { found = 1 } END { exit !found }'; }
# end_guests COUNT
end_guests()
{
	local n domid

	for (( n = 0; n < $1; n++ )); do
		domid=$(xl domid "b$n")
		xl destroy "b$n"
		until gone "$domid"; do sleep 0.2; done
	done
}

# ticks PID: processor time, of user and system.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
pss() { awk '$1 == "Pss:" { print $2 }' "/proc/$1/smaps_rollup"; }

# A client at the ring, while no proxy has it.
ring()
{
	local node=/local/domain/$STUB/device-model/$DOMID/qmp-vchan

	timeout 600 "$DIRECT" "$STUB" "$node" query-status 300 >ring.status
	timeout 600 "$DIRECT" "$STUB" "$node" query-qmp-schema 5 >ring.schema
	echo "{\"median\": $(jq .cpu ring.status)}" >ring.cpu
	echo "at the ring: $(jq .wakes ring.status) wakes for query-status, $(jq .wakes ring.schema) for the schema"
}

# measure WHO PID SOCKET SCHEMA-SOCKET: everything but PSS, into WHO.KEY.
measure()
{
	local who=$1 pid=$2 socket=$3 schema=$4 before

	python3 "$CLIENT" "$socket" first 15 >"$who.first"
	before=$(ticks "$pid")
	python3 "$CLIENT" "$socket" status 500 >"$who.status"
	echo "{\"median\": $(( ($(ticks "$pid") - before) * 2000 / TICK ))}" >"$who.cpu"
	python3 "$CLIENT" "$schema" schema 5 >"$who.schema"
	python3 "$CLIENT" "$socket" eight 400 >"$who.eight"
	echo "$who, after $SECONDS s: $(jq -c . "$who".{first,status,cpu,schema,eight} | paste -sd' ')"
}

proxy_pid() { xenstore-read "/local/domain/$1/image/qmp-proxy-pid"; }

stock()
{
	guest 0
	python3 "$CLIENT" "/var/run/xen/qmp-libxl-$DOMID" status 50 >/dev/null
	echo "{\"median\": $(pss "$(proxy_pid "$STUB")")}" >stock.pss
	# Eight clients at once, the last of it, may be its end.
	measure stock "$(proxy_pid "$STUB")" "/var/run/xen/qmp-libxl-$DOMID" "/var/run/xen/qmp-libxl-$DOMID"
	ring
	end_guests 1
}

ours()
{
	local n pid before

	pid=$(systemctl show -P MainPID xendmd)
	guest 0
	python3 "$CLIENT" "/var/run/xen/qmp-libxl-$DOMID" status 50 >/dev/null
	before=$(pss "$pid")
	for (( n = 1; n < GUESTS; n++ )); do
		guest "$n"
		python3 "$CLIENT" "/var/run/xen/qmp-libxl-$DOMID" status 50 >/dev/null
	done
	echo "{\"median\": $(( ($(pss "$pid") - before) / (GUESTS - 1) ))}" >ours.pss
	measure ours "$pid" "/var/run/xen/qmp-libxl-$DOMID" "/run/xendmd/dm/$DOMID/qmp"
	end_guests "$GUESTS"
}

table()
{
	local key stock ours ring

	printf '%-34s %12s %12s %8s %12s\n' '' stock xendmd ratio 'at the ring'
	while read -r key field what; do
		stock=$(jq "$field" "stock.$key")
		ours=$(jq "$field" "ours.$key")
		ring=$([[ ! -e ring.$key ]] || jq "$field" "ring.$key")
		awk -v what="$what" -v a="$stock" -v b="$ours" -v c="$ring" \
			'BEGIN { printf "%-34s %12.2f %12.2f %8s %12s\n", what, a, b, (a > 0 ? sprintf("%.2f", b / a) : "-"), c }'
	done <<-END
		status .median query-status, median ms
		status .p99 query-status, p99 ms
		schema .median query-qmp-schema, median ms
		schema .bytes query-qmp-schema, bytes
		first .median first answer after connect, ms
		cpu .median processor ms, 1000 commands
		pss .median PSS of a guest, KiB
		eight .n 8 clients: answered of 400
		eight .median 8 clients: median ms
	END
}

[[ -z ${PEER:-} ]] || bash /lab/guest/peer-ramdisk /usr/local/lib/xendmd-lab/peer peer.cpio
xendmd-setup proxy disable 2>/dev/null || true
stock
xendmd-setup proxy enable
ours
xendmd-setup proxy disable
table
