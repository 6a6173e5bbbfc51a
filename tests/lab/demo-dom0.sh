#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# What tests/demo shows, run in the lab's dom0.
set -eu

say()
{
	printf '\n\033[1m== %s\033[0m\n' "$*"
}

die()
{
	echo "demo: $*" >&2
	exit 1
}

run()
{
	printf '\n# %s\n' "$*"
	"$@"
}

# The only domain of that name or, while it has none, the newest.
domid_of()
{
	dmctl status --json | jq -r '.domains | last | .domid // empty'
}

state_of()
{
	dmctl status --json | jq -r --argjson id "$1" '.domains[] | select(.domid == $id) | .state'
}

# wait_for DOMID STATE SECONDS: shows each state on the way.
wait_for()
{
	local seen='' now deadline=$((SECONDS + $3))

	while :; do
		now=$(state_of "$1")
		if [[ -n $now && $now != "$seen" ]]; then
			seen=$now
			dmctl status "$1"
		fi
		[[ $now == "$2" ]] && return 0
		(( SECONDS < deadline )) || die "domain $1 is ${now:-unknown}, not $2, after $3 s"
	done
}

device_models()
{
	ps -eo pid,args | grep '[-]xen-domid [1-9]' || true
}

say 'Xen and the daemon'
run xl info | grep -E 'xen_version|xen_caps'
run systemctl is-active xendmd
run dmctl version

say 'Two definitions, matched by the names of domains'
mkdir -p /etc/xendmd/domains.d
for name in web1 db1; do
	cat >/etc/xendmd/domains.d/$name.json <<-END
		{
		  "match": { "name": "$name" },
		  "kind": "qemu",
		  "argv": [ "-xen-domid", "\$DOMID", "-name", "\$NAME", "-no-shutdown", "-nodefaults",
		            "-no-user-config", "-display", "none", "-machine", "xenfv",
		            "-m", "\$MEMORY_MIB" ]
		}
	END
done
run cat /etc/xendmd/domains.d/web1.json
run dmctl check /etc/xendmd/domains.d/web1.json /etc/xendmd/domains.d/db1.json
run dmctl reload

say 'A toolstack creates a domain; xendmd sees it by itself'
echo '# mkdom create web1 --memory 48 --late-name=4000'
# The name comes 4 s after the domain: until then no definition can match it.
mkdom create web1 --memory 48 --late-name=4000 >/dev/null &
until web1=$(domid_of) && [[ -n $web1 ]]; do
	sleep 0.05
done
wait_for "$web1" running 60
wait
echo
device_models
run dmctl show "$web1"

say 'A second domain loses its device model'
db1=$(mkdom create db1 --memory 48)
wait_for "$db1" running 60
pid=$(dmctl status --json | jq ".domains[] | select(.domid == $db1) | .pid")
run kill -SEGV "$pid"
wait_for "$db1" exited 30
dmctl status --json | jq ".domains[] | select(.domid == $db1) | {state, reason, exit}"

say 'Both are destroyed'
run mkdom destroy "$web1"
run mkdom destroy "$db1"
rm /etc/xendmd/domains.d/web1.json /etc/xendmd/domains.d/db1.json
deadline=$((SECONDS + 30))
until [[ $(dmctl status --json | jq '.domains | length') == 0 ]]; do
	(( SECONDS < deadline )) || die "not gone after 30 s: $(dmctl status)"
done
run dmctl events

say 'Nothing is left'
run xl list
left=$(device_models; find /run/xendmd/dm -mindepth 1;
	find /sys/fs/cgroup -name 'xendmd-dm-*.scope';
	xenstore-ls -f | grep -E '^/local/domain/0/(device-model|xendmd)/[1-9]' || true)
[[ -z $left ]] || die "left behind: $left"
echo 'no device model, no run directory, no scope, no xenstore node'
say 'Done'
