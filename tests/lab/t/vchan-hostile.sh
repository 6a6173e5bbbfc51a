#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long releases=bookworm timeout=580
#
# Stub domains that a guest has taken over (tests/lab/peer), real domains behind a real vchan: what
# they say in QMP, what they do to rings, event channel and xenstore, how they end. Who asked gets an
# answer or an error in time, what happened is an event, another domain's QMP and dmctl status go on,
# the daemon's memory and descriptors return, no domain stays as "(null)". Several at once.
# ALL=1: every attack there is.
. "$(dirname "$0")/lib.sh"

CHOSEN=(events-endless line-endless reply-2mb nesting-1000-whole key-twice key-odd-case id-wrong id-missing
	id-early id-repeated second-greeting silence trickle nul esc utf8-invalid surrogate-lone)
PEAK_KIB=$((48 * 1024))
KEPT_KIB=$((16 * 1024))
VICTIMS=3
PEER=/usr/local/lib/xendmd-lab/peer

memory() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$PID/status"; }
descriptors() { find "/proc/$PID/fd" -type l | wc -l; }
descriptors_back() { (( $(descriptors) <= FDS )); }
ms() { echo $(($(date +%s%N) / 1000000)); }
asks() { timeout 60 dmctl qmp "$1" "$2"; }
works() { asks "$1" query-status | holds .status; }
quarantines() { dmctl events --json | jq -c "select(.domid == $1 and .event == \"qmp-quarantined\")"; }
quarantined_since() { (( $(quarantines "$1" | wc -l) > $2 )); }

others()
{
	local began

	began=$(ms)
	timeout 60 dmctl qmp "$GOOD" query-status | holds .status || fail "the other domain's QMP"
	timeout 60 dmctl status --json | holds '.domains | length > 0' || fail "dmctl status"
	echo $(($(ms) - began)) >>"$1"
}

# TIMES: median and largest.
summary() { sort -n "$1" | awk '{ t[NR] = $1 } END { print t[int((NR + 1) / 2)] " ms, at most " t[NR] " ms" }'; }

# victim N: a guest whose stub domain is the peer.
victim()
{
	cat >"victim$1.cfg" <<-END
		type = "hvm"
		name = "victim$1"
		memory = 32
		vnc = 0
		device_model_version = "qemu-xen"
		device_model_stubdomain_override = 1
		stubdomain_kernel = "/lab/vmlinuz"
		stubdomain_ramdisk = "$PWD/peer.cpio"
		stubdomain_cmdline = "console=hvc0"
		stubdomain_memory = 176
	END
	xl create -p "victim$1.cfg" >"victim$1.log" 2>&1 \
		|| fail "xl create: $(tail -n 5 "victim$1.log") $(tail -n 5 "/var/log/xen/qemu-dm-victim$1.log")"
}

taken() { [[ $(xenstore-read "/local/domain/$1/data/did") == "$2" ]]; }
# does STUB WORD
does()
{
	xenstore-write "/local/domain/$1/data/attack" "$2"
	wait_until 60 taken "$1" "$2"
}

# What a client gets: fine, error, late.
check_answer()
{
	local name=$1 client=$2 text=$3 status=$4 took=$5 said=$6

	(( took < 40000 )) || fail "$name: the client waited for $took ms"
	if [[ $client == fine ]]; then
		[[ $status == 0 ]] || fail "$name: status $status: $(<"$said")"
		return 0
	fi
	[[ $status == 1 && -s $said ]] || fail "$name: status $status, not 1: $(<"$said")"
	! grep -q '[^ -~]' "$said" || fail "$name: bytes for a terminal: $(cat -v "$said")"
	# Of several errors the first one: a deadline may be before the end of a slow attack.
	[[ $client == late || -z $text ]] || grep -qE "$text|no answer within|half a message" "$said" \
		|| fail "$name: no \"$text\" in $(<"$said")"
}

# play GUEST STUB NAME CLIENT LINK TEXT
play()
{
	local guest=$1 stub=$2 name=$3 client=$4 link=$5 text=$6 before began status=0 took

	before=$(quarantines "$guest" | wc -l)
	does "$stub" "$name"
	began=$(ms)
	if [[ $client == ring ]]; then
		asks "$guest" query-status >"said.$guest" 2>&1 || status=$?
		took=$(($(ms) - began))
		(( took < 40000 )) || fail "$name: the client waited for $took ms"
		(( status == 0 || status == 1 )) || fail "$name: status $status: $(<"said.$guest")"
		sleep $(((link + 999) / 1000))
	else
		asks "$guest" query-mice >"said.$guest" 2>&1 || status=$?
		took=$(($(ms) - began))
		check_answer "$name" "$client" "$text" "$status" "$took" "said.$guest"
	fi
	[[ $link != ends && $name != ring-indices && $name != ring-orders-20 ]] || wait_until 60 quarantined_since "$guest" "$before"
	does "$stub" none
	wait_until 120 works "$guest"
	echo "$name: status $status after $took ms; $(quarantines "$guest" | tail -n +$((before + 1)) | jq -r .reason | head -n 1)"
}

# session N FILE: the attacks of FILE, one after the other, on victim N.
session()
{
	local guest=$((GUESTS[$1])) stub=$((STUBS[$1])) name client link text

	while read -r name client link text; do
		play "$guest" "$stub" "$name" "$client" "$link" "$text"
		# A session that held for 10 s begins with small pauses again.
		[[ $link != ends ]] || sleep 11
	done <"$2" >"session.$1" 2>&1
}

destroyed()
{
	local guest=$1 stub=$2 waiting

	does "$stub" says-nothing
	asks "$guest" query-name >"said.$guest" 2>&1 &
	waiting=$!
	sleep 1
	xl destroy "$stub"
	wait "$waiting"
	expect "status of a client whose peer was destroyed" $? 1
	[[ -s said.$guest ]] || fail "no word of a destroyed peer"
	echo "destroyed: $(<"said.$guest")"
	wait_until 60 domain_gone "$stub"
}

end_test()
{
	local status=$?

	(( status == 0 )) || tail -n 3 session.*
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
GOOD=$DOMID
wait_state "$GOOD" running 90
for (( n = 0; n < VICTIMS; n++ )); do
	victim $n
	GUESTS[n]=$(xl domid victim$n)
	STUBS[n]=$(xl domid victim$n-dm)
	wait_until 60 works "${GUESTS[n]}"
done
PID=$(systemctl show -P MainPID xendmd)
for _ in 1 2 3 4 5 6 7; do others usual; done
FDS=$(descriptors)
RSS=$(memory VmRSS)
echo 5 >"/proc/$PID/clear_refs"

if [[ -n ${ALL:-} ]]; then
	cp all chosen
else
	for name in "${CHOSEN[@]}"; do grep "^$name " all; done >chosen
	grep ' ring ' all >>chosen
fi
rm -f part.* jobs
for (( n = 0; n < VICTIMS; n++ )); do
	awk -v n=$n -v all=$VICTIMS 'NR % all == n' chosen >part.$n
	session $n part.$n &
	JOBS[n]=$!
done
while kill -0 "${JOBS[@]}" 2>/dev/null; do others meanwhile; done
for (( n = 0; n < VICTIMS; n++ )); do
	wait "${JOBS[n]}" || { cat "session.$n"; fail "victim $n"; }
	cat "session.$n"
done
echo "others: usually $(summary usual), meanwhile $(summary meanwhile)"

xl pause "${STUBS[1]}"
wait_until 30 eval '! asks "${GUESTS[1]}" query-name'
others paused
sleep 45
others paused
xl unpause "${STUBS[1]}"
wait_until 120 works "${GUESTS[1]}"
wait_until 60 descriptors_back
echo "memory: $RSS KiB before, peak $(memory VmHWM), now $(memory VmRSS); descriptors $FDS, now $(descriptors)"
(( $(memory VmHWM) < RSS + PEAK_KIB )) || fail "peak of $(memory VmHWM) KiB, $RSS before"
(( $(memory VmRSS) < RSS + KEPT_KIB )) || fail "$(memory VmRSS) KiB stay, $RSS before"

destroyed "${GUESTS[0]}" "${STUBS[0]}"
xl destroy "${STUBS[1]}"
wait_until 60 domain_gone "${STUBS[1]}"
xl destroy victim0
xl destroy victim1
xl destroy victim2
for (( n = 0; n < VICTIMS; n++ )); do
	wait_until 60 domain_gone "${GUESTS[n]}"
	wait_until 60 domain_gone "${STUBS[n]}"
done
expect "zombies" "$(xl list | grep -c '(null)')" 0
expect "pid of the daemon" "$(systemctl show -P MainPID xendmd)" "$PID"
mkdom_destroy "$GOOD"
wait_until 30 status_empty
undefine good
snapshot_same before 30
