#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: releases=bookworm timeout=900
#
# Stub domains that a guest has taken over (tests/lab/peer), real domains behind a real vchan: what
# they say in QMP, what they do to rings, event channel and xenstore, how they end. Who asked gets an
# answer or an error in time, what happened is an event, another domain's QMP and the daemon's list go
# on, the daemon's memory and descriptors return, no domain stays as "(null)". Several at once.
# ALL=whole (vchan-hostile-all): every attack there is, each for its whole time.
. "$(dirname "$0")/lib.sh"

ALL=${ALL:-}
# Each family of them.
CHOSEN=(id-wrong ring-indices events-endless second-greeting line-endless ring-orders-20 key-twice reply-2mb
	event-storm nesting-1000-whole silence ring-ref-rewritten trickle id-missing key-odd-case id-early
	id-repeated live-flaps nul reconnects esc utf8-invalid restart surrogate-lone)
VICTIMS=2
PEER=/usr/local/lib/xendmd-lab/peer
PEAK_KIB=$((24 * 1024))
KEPT_KIB=$((8 * 1024))
PSS_KIB=64		# of one stub domain's session

memory() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$PID/status"; }
memory_back() { (( $(memory VmRSS) < RSS + KEPT_KIB )); }
pss() { awk '$1 == "Pss:" { print $2 }' "/proc/$PID/smaps_rollup"; }
descriptors() { find "/proc/$PID/fd" -type l | wc -l; }
descriptors_back() { (( $(descriptors) <= FDS )); }
asks() { timeout 120 dmctl qmp "$1" "$2"; }
works() { asks "$1" query-status | holds .status; }
# victim N: a guest whose stub domain is the peer. libxl gives a stub domain 30 s, which it may miss on a
# machine that is busy with other things.
victim()
{
	local try

	cat >"victim$1.cfg" <<-END
		type = "hvm"
		name = "victim$1"
		memory = 32
		vnc = 0
		device_model_version = "qemu-xen"
		device_model_stubdomain_override = 1
		stubdomain_kernel = "/lab/vmlinuz"
		stubdomain_ramdisk = "$PWD/peer.cpio"
		stubdomain_cmdline = "console=hvc0 loglevel=1"
		stubdomain_memory = 176
	END
	for try in 1 2 3; do
		xl create -p "victim$1.cfg" >"victim$1.log" 2>&1 && return
		echo "victim$1, try $try: $(tail -n 3 "victim$1.log"); $(tail -n 3 "/var/log/xen/qemu-dm-victim$1.log")"
		xl destroy "victim$1" 2>/dev/null
	done
	fail "no victim$1"
}

# A peer that is destroyed while somebody waits for it.
destroyed()
{
	local guest=$1 stub=$2 waiting

	xenstore-write "/local/domain/$stub/data/attack" says-nothing
	wait_until 120 eval '[[ $(xenstore-read "/local/domain/'$stub'/data/did") == says-nothing ]]'
	asks "$guest" query-name >"said.$guest" 2>&1 &
	waiting=$!
	sleep 1
	xl destroy "$stub"
	wait "$waiting"
	expect "status of a client whose peer was destroyed" $? 1
	[[ -s said.$guest ]] || fail "no word of a destroyed peer"
	echo "destroyed: $(<"said.$guest")"
	wait_until 120 domain_gone "$stub"
}

end_test()
{
	local status=$? n

	(( status == 0 )) || tail -n 30 session.* victim*.log /var/log/xen/qemu-dm-victim*.log
	for (( n = 0; n < VICTIMS; n++ )); do xl destroy victim$n 2>/dev/null; done
	xendmd-setup proxy disable
	(exit "$status")
	cleanup_test
}
trap end_test EXIT
xendmd-setup proxy enable || fail "xendmd-setup proxy enable"

snapshot before
bash /lab/guest/peer-ramdisk "$PEER" peer.cpio || fail "no ramdisk"
"$PEER" >all
define_qemu good
mkdom_create good
wait_state "$DOMID" running 120
wait_until 60 works "$DOMID"
PID=$(systemctl show -P MainPID xendmd)
PSS=$(pss)
for (( n = 0; n < VICTIMS; n++ )); do
	victim $n
	GUESTS[n]=$(xl domid victim$n)
	STUBS[n]=$(xl domid victim$n-dm)
	wait_until 120 works "${GUESTS[n]}"
done
echo "after $SECONDS s: memory of one stub domain's session: $(( ($(pss) - PSS) / VICTIMS )) KiB (PSS)"
(( ($(pss) - PSS) / VICTIMS < PSS_KIB )) || fail "$PSS KiB PSS before $VICTIMS stub domains, $(pss) with them"
others_begin "$DOMID" usual
sleep 5
others_end
FDS=$(descriptors)
RSS=$(memory VmRSS)
echo 5 >"/proc/$PID/clear_refs"

if [[ $ALL ]]; then
	cp all chosen
else
	for name in "${CHOSEN[@]}"; do grep "^$name " all || fail "no attack $name"; done >chosen
fi
# The last victim has fewer, because it is paused for a minute.
awk -v n=$VICTIMS '{ turn = (NR - 1) % (3 * n - 1); print >"part." (turn < 3 * n - 3 ? turn % (n - 1) : n - 1) }' chosen
echo "paused xl error ends 0" >>"part.$((VICTIMS - 1))"
others_begin "$DOMID" meanwhile
for (( n = 0; n < VICTIMS; n++ )); do
	/lab/guest/attacks.py "${GUESTS[n]}" "${STUBS[n]}" "${ALL:-short}" <part.$n >session.$n 2>&1 &
	JOBS[n]=$!
done
for (( n = 0; n < VICTIMS; n++ )); do
	wait "${JOBS[n]}" || fail "victim $n"
	cat "session.$n"
done
others_end
wait_until 120 descriptors_back
wait_until 120 memory_back
echo "after $SECONDS s: $(wc -l <chosen) attacks"
echo "others usually: $(others_summary usual)"
echo "meanwhile: $(others_summary meanwhile)"
echo "memory: $RSS KiB before, peak $(memory VmHWM), now $(memory VmRSS); descriptors $FDS, now $(descriptors)"
(( $(memory VmHWM) < RSS + PEAK_KIB )) || fail "peak of $(memory VmHWM) KiB, $RSS before"

destroyed "${GUESTS[0]}" "${STUBS[0]}"
xl destroy "${STUBS[1]}"
wait_until 120 domain_gone "${STUBS[1]}"
for (( n = 0; n < VICTIMS; n++ )); do xl destroy victim$n; done
for (( n = 0; n < VICTIMS; n++ )); do
	wait_until 120 domain_gone "${GUESTS[n]}"
	wait_until 120 domain_gone "${STUBS[n]}"
done
expect "zombies" "$(xl list | grep -c '(null)')" 0
expect "pid of the daemon" "$(systemctl show -P MainPID xendmd)" "$PID"
mkdom_destroy "$DOMID"
wait_until 60 status_empty
undefine good
snapshot_same before 60
