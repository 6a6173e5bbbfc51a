#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: releases=bookworm timeout=400
#
# A guest with a Linux stub domain, created by stock xl through our vchan-socket-proxy: its QMP is the
# daemon's, answers four clients at once, and nothing stays of it. stubdom-proxy.sh and those beside it
# have the rest of its life.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/parts/qmp.sh"
. "$(dirname "$0")/parts/stubdom.sh"

stock=$(readlink -f "$PLACE")
begin_guest
clients_begin
info_status sd
expect "query-status" "$(dmctl qmp "$DOMID" query-status | jq -r .running)" true
clients_live
destroy_guest
clients_ended
snapshot_same before 30
xendmd-setup proxy disable || fail "proxy disable"
expect "the proxy" "$(readlink -f "$PLACE")" "$stock"
