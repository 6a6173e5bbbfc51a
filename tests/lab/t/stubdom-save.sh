#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long releases=bookworm timeout=600
#
# xl save and restore of a guest with a stub domain, whose QMP the daemon serves.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/parts/qmp.sh"
. "$(dirname "$0")/parts/stubdom.sh"

begin_guest disks
clients_begin
wait_until 240 disk_booted "$DOMID"
must xl save sd state
clients_ended
ended "$DOMID" "$STUB"
starts restore state
rm state
served
clients_begin
info_status sd
grep -q 'VM status: running' xl.log || fail "info status: $(<xl.log)"
clients_live
destroy_guest
clients_ended
snapshot_same before 30
