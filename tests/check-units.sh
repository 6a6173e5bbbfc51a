#!/bin/sh
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# check-units.sh UNITS-SOURCE SERVICE-FILE: what systemd says of our units, with programs that exist
# put in place of ours; and of sysusers.d and tmpfiles.d, in a root of their own.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/root/etc"
cp "$1/xendmd.socket" "$1/xendmd-dm.slice" "$dir"
sed -E 's|^(Exec[A-Za-z]+=)[^ ]+|\1/bin/true|' "$2" >"$dir/xendmd.service"
export SYSTEMD_LOG_COLOR=0
bad=0
complain() {
	printf '%s:\n%s\n' "$1" "$2"
	bad=1
}
out=$(systemd-analyze verify --man=no --recursive-errors=no "$dir"/xendmd* 2>&1) ||
	complain 'systemd-analyze verify' "$out"
# unknown keys are only warnings
out=$(printf '%s\n' "$out" | grep -E 'xendmd|Unknown' || true)
[ -z "$out" ] || complain 'systemd-analyze verify' "$out"
: >"$dir/root/etc/passwd"
out=$(systemd-sysusers --root="$dir/root" - <"$1/sysusers.conf" 2>&1) || complain sysusers "$out"
grep -q '^xendmd:' "$dir/root/etc/group" || complain sysusers 'no group xendmd'
out=$(systemd-tmpfiles --create --root="$dir/root" - <"$1/tmpfiles.conf" 2>&1) || complain tmpfiles "$out"
for path in run/xendmd/domains.d var/lib/xendmd var/log/xen; do
	[ -d "$dir/root/$path" ] || complain tmpfiles "no /$path: $out"
done
exit $bad
