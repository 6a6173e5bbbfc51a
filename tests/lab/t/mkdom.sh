#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long
#
# mkdom makes what libxl makes, without a device model: xenstore compared with that of a guest of
# stock xl, and a QEMU started by hand serves the domain until its firmware has run.
. "$(dirname "$0")/lib.sh"

UUID=5f0c0f2e-6d1c-4c49-9d25-2f8a0e3b7c11

# store_of DOMID: its nodes, permissions and fixed values, with the number and uuid taken out.
store_of()
{
	local vm
	vm=$(xenstore-read "/local/domain/$1/vm")
	xenstore-ls -fp | grep -E "^/(local/domain|libxl|local/domain/0/backend/[a-z]+)/$1(/| )|^$vm" \
		| grep -vE '/vkbd|/image/device-model|/local/domain/[0-9]+/image ' \
		| sed -E "s,$vm,/vm/U,g; s,${vm#/vm/},U,g; s,(domain|libxl|console)/$1\b,\1/G,g" \
		| sed -E "s/([nr])$1\b/\1G/g; s/(domid|frontend-id) = \"$1\"/\1 = G/" \
		| sed -E 's/(name|tty|port|ring-ref|start_time) = "[^"]+"/\1 = …/'
}

compare_with_libxl()
{
	printf 'type="hvm"\nname="stock"\nmemory=40\nvnc=0\n' >guest.cfg
	xl create -p guest.cfg || fail "xl create"
	store_of "$(xl domid stock)" >stock.store
	xl destroy stock || fail "xl destroy"

	mkdom_create like-libxl --as-libxl
	wait_until 10 xenstore-exists "/local/domain/$DOMID/console/tty"
	wait_until 10 tty_known "$DOMID"
	store_of "$DOMID" >ours.store
	mkdom_destroy "$DOMID"
	diff stock.store ours.store || fail "xenstore differs from libxl's"
}

tty_known()
{
	[[ -n $(xenstore-read "/local/domain/$1/console/tty") ]]
}

serve_by_hand()
{
	mkdom_create by-hand --uuid "$UUID"
	expect uuid "$(xl list -l "$DOMID" 2>/dev/null | jq -r '.[0].config.c_info.uuid // empty')" ""
	expect "vm node" "$(xenstore-read "/local/domain/$DOMID/vm")" "/vm/$UUID"
	xl list -v | grep -q "$UUID" || fail "the hypervisor does not know the uuid"
	xl list | awk -v id="$DOMID" '$2 == id { print $5 }' | grep -q p || fail "not paused"

	"$QEMU" -xen-domid "$DOMID" -no-shutdown \
		-chardev socket,id=mon,path=qmp,server=on,wait=off -mon chardev=mon,mode=control \
		-nodefaults -no-user-config -name by-hand -vnc none -display none -nographic \
		-boot order=cda -net none -machine xenfv,suppress-vmdesc=on -m 32 -vga none \
		</dev/null >qemu.log 2>&1 &
	wait_until 20 xenstore-exists "/local/domain/0/device-model/$DOMID/state"
	expect state "$(xenstore-read "/local/domain/0/device-model/$DOMID/state")" running
	expect "QMP" "$(qmp qmp '{"execute":"query-status"}' | jq -r .return.status)" running
	xl unpause "$DOMID" 2>/dev/null
	wait_until 180 firmware_ran "$DOMID"
	kill %1
	wait %1
	xenstore-rm "/local/domain/0/device-model/$DOMID"
	mkdom_destroy "$DOMID"
}

late_name()
{
	mkdom create late --late-name=2000 >late.domid & job=$!
	wait_until 5 introduced
	xenstore-exists "/local/domain/$new/name" && fail "the name is there at once"
	wait $job || fail "mkdom --late-name"
	DOMID=$(<late.domid)
	expect name "$(xenstore-read "/local/domain/$DOMID/name")" late
	mkdom destroy "$DOMID" || fail "mkdom destroy"
}

introduced()
{
	new=$(xl list | awk 'NR > 1 && $2 != 0 { print $2 }')
	[[ -n $new ]] && xenstore-exists "/local/domain/$new/store/port"
}

many()
{
	for i in {1..10}; do
		mkdom_create "many-$i"
		mkdom_destroy "$DOMID"
	done
}

snapshot before
compare_with_libxl
serve_by_hand
late_name
many
mkdom destroy 999 2>/dev/null && fail "destroyed a domain that isn't there"
snapshot_same before
