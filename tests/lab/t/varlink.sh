#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: releases=trixie essential timeout=240
#
# systemd's varlinkctl, a client of the control socket that nobody here wrote, with a strict parser
# of the interface's text.
. "$(dirname "$0")/lib.sh"

SOCKET=/run/xendmd/control
IFACE=io.xendmd.DeviceModels

# call METHOD PARAMETERS: the reply on one line.
call()
{
	varlinkctl --json=short call "$SOCKET" "$IFACE.$1" "$2"
}

# refused METHOD PARAMETERS ERROR: an error reply of that name.
refused()
{
	call "$1" "$2" >out 2>err && fail "$1 $2 was not refused: $(<out)"
	cat out err | grep -q "$3" || fail "$1 $2: $(cat out err), not $3"
}

what_it_is()
{
	local methods

	varlinkctl info "$SOCKET" >out || fail "info"
	grep -q 'Product: xendmd' out || fail "info: $(<out)"
	grep -qw "$IFACE" out && grep -qw org.varlink.service out || fail "info: $(<out)"
	varlinkctl introspect "$SOCKET" "$IFACE" >out || fail "introspect"
	methods=$(sed 's/\x1b\[[0-9;]*m//g' out | grep -c '^method ')
	(( methods >= 15 )) || fail "introspect shows $methods methods: $(<out)"
	varlinkctl introspect "$SOCKET" org.varlink.service >out || fail "introspect"
	varlinkctl --json=short call "$SOCKET" org.varlink.service.GetInterfaceDescription \
		"{\"interface\":\"$IFACE\"}" | jq -r .description >idl
	varlinkctl validate-idl idl >/dev/null || fail "validate-idl"
}

calls()
{
	expect List "$(call List '{}' | jq -c .domains)" '[]'
	refused Describe '{"domain":"9999"}' "$IFACE.NoSuchDomain"
	refused Describe '{}' org.varlink.service.InvalidParameter
	refused List '{"domains":"x"}' org.varlink.service.InvalidParameter
	refused Audit '{}' org.varlink.service.MethodNotImplemented
	refused NoSuchMethod '{}' org.varlink.service.MethodNotFound
	jq -n '{text: "{\"match\": {\"name\": 3}}", file: "x.json"}' >check
	call Check "$(<check)" | jq -r '.messages[]' | grep -q '^x.json:1: .*name' \
		|| fail "Check: $(call Check "$(<check)")"
	jq -n '{definition: "{\"match\":{\"name\":\"a\"},\"kind\":\"qemu\",\"argv\":[\"-n\",\"$DOMID\"]}",
		domid: 7}' >render
	expect Render "$(call Render "$(<render)" | jq -c .argv)" '["-n","7"]'
}

# Events stream while a domain is started and ended.
streams()
{
	local seq

	seq=$(dmctl events --json | jq -s 'last | .seq // 0')
	varlinkctl --json=short call --more --timeout=infinity "$SOCKET" "$IFACE.Events" \
		"{\"since\":$seq}" >stream 2>stream.err &
	mkdom_create varlink
	wait_state "$DOMID" running 90
	expect List "$(call List '{"domain":"varlink"}' | jq -c '.domains[] | [.domid, .state]')" \
		"[$DOMID,\"running\"]"
	expect Describe "$(call Describe "{\"domain\":\"$DOMID\"}" | jq -r .description.name)" varlink
	refused Start '{"domain":"varlink"}' "$IFACE.AlreadyRunning"
	call Logs '{"domain":"varlink","lines":5}' | holds '.lines | type == "array"' \
		|| fail "Logs"
	mkdom_destroy "$DOMID"
	wait_until 30 streamed domain-gone
	kill %1 2>/dev/null
	expect "events" "$(names_of | paste -sd' ')" "domain-appeared device-model-starting \
device-model-running device-model-stopped domain-gone"
}

names_of()
{
	tr -d '\036' <stream | jq -r --argjson id "$DOMID" \
		'.events[] | select(.domid == $id) | .event'
}

streamed()
{
	names_of | grep -qx "$1"
}

define_qemu varlink
what_it_is
calls
streams
