#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: after-poweroff timeout=600
#
# dom0 is powered off while a guest runs whose shutdown takes 20 s: its device model and the daemon
# outlive it. The unit "guests" stands for xendomains.service, by which device models are ordered.
. "$(dirname "$0")/lib.sh"

EVIDENCE=/lab/evidence

# What is noted every 2 s from inside the unit's stop.
write_guests_stop()
{
	cat >/run/lab/guests-stop <<-END
		#!/bin/bash
		. /lab/t/lib.sh
		trap - EXIT
		note()
		{
			echo "\$(date +%s.%N) \$(dm_field $DOMID state) \$(kill -0 $PID && echo alive) \\
		\$(qmp $(printf %q "/run/xendmd/dm/$DOMID/own-qmp") '{"execute":"query-status"}' \\
		| jq -r .return.status) \$(systemctl is-active xendmd-dm-$DOMID.scope)"
		}
		for (( i = 0; i < 10; i++ )); do
			note
			sleep 2
		done >$EVIDENCE/notes 2>&1
		note >>$EVIDENCE/notes 2>&1
		mkdom destroy $DOMID >>$EVIDENCE/destroyed 2>&1
		sleep 3
		dmctl status --json >$EVIDENCE/status 2>&1
		dmctl events >$EVIDENCE/events 2>&1
		[[ -e /proc/$PID ]] && echo "QEMU lives after its domain" >$EVIDENCE/left
		sync -f $EVIDENCE
	END
	chmod 755 /run/lab/guests-stop
}

# xendomains.service itself, as the device models' scopes know no other name.
make_guests_unit()
{
	systemctl stop xendomains.service 2>/dev/null
	cat >/etc/systemd/system/xendomains.service <<-END
		[Unit]
		Description=Guests that take 20 s to shut down
		After=xen.service
		RequiresMountsFor=/lab/evidence
		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=/bin/true
		ExecStop=/run/lab/guests-stop
		TimeoutStopSec=400
	END
	systemctl daemon-reload
	systemctl start xendomains.service || fail "start of the unit"
}

if [[ ${LAB_STAGE:-} == after ]]; then
	cat "$LAB_EVIDENCE"/{notes,events,status} 2>/dev/null
	[[ $(wc -l <"$LAB_EVIDENCE/notes") == 11 ]] || fail "the guest's shutdown was cut short"
	awk '$2 != "running" || $3 != "alive" || $4 != "running" || $5 != "active"' \
		"$LAB_EVIDENCE/notes" | grep . && fail "not healthy all the time"
	awk 'NR == 1 { first = $1 } END { exit $1 - first < 18 }' "$LAB_EVIDENCE/notes" \
		|| fail "less than 20 s"
	grep -q device-model-stopped "$LAB_EVIDENCE/events" || fail "not stopped in order"
	grep -q device-model-exited "$LAB_EVIDENCE/events" && fail "device-model-exited"
	[[ $(jq -c .domains "$LAB_EVIDENCE/status") == '[]' ]] || fail "the daemon did not clean up"
	[[ ! -e $LAB_EVIDENCE/left ]] || fail "QEMU lives after its domain"
	grep -q "reboot: Power down" "$LAB_CONSOLE" || fail "dom0 did not power off"
	exit 0
fi

make_guests_unit
define_qemu slow
mkdom_create slow
wait_state "$DOMID" running 90
PID=$(dm_field "$DOMID" pid)
xl unpause "$DOMID" 2>/dev/null
write_guests_stop
trap - EXIT
systemctl poweroff
sleep 550
