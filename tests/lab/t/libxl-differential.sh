#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long own-boot releases=bookworm timeout=900
#
# What stock libxl on real Xen makes of random configurations against `dmctl render --as-libxl`; as
# many as there is time for. The same without Xen, and so many more: tests/stock-libxl.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/libxl/world.sh"

SECONDS_MAX=${LIBXL_SECONDS:-600}
systemctl stop xendmd.socket xendmd.service # these domains are stock libxl's
world_make /usr/lib/xen-4.17
for n in 3 4 5; do
	losetup "/dev/loop$n" "$WORLD/a.raw" || fail "losetup"
done
python3 -B "$LIBXL/configs.py" random --count 60 --seed "${LIBXL_SEED:-7}" >configs
python3 -B "$LIBXL/record.py" configs cases "$SECONDS_MAX"
[[ $(wc -l <cases) -ge 5 ]] || fail "too few cases"
python3 -B "$LIBXL/replay.py" cases dmctl render || fail "render says something else"
losetup -D
systemctl start xendmd.socket xendmd.service
