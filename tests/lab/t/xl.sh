#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: essential
#
# The ground that all the others stand on: stock xl creates and destroys an HVM guest here.
. "$(dirname "$0")/lib.sh"

cat >guest.cfg <<END
type = "hvm"
name = "stock"
memory = 48
vnc = 0
END

snapshot before
xl create guest.cfg || fail "xl create"
domid=$(xl domid stock)
expect "state in xenstore" "$(xenstore-read "/local/domain/0/device-model/$domid/state")" running
pid=$(xenstore-read "/local/domain/$domid/image/device-model-pid")
expect "libxl's pid" "$pid" "$(qemu_pid "$domid")"
xl destroy stock || fail "xl destroy"
wait_until 10 domain_gone "$domid"
wait_until 10 no_qemu "$domid"
snapshot_same before
