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

# watch_until REGEX SECONDS: prints the table whenever it changes, until a line of it matches.
watch_until()
{
	local table last='' deadline=$((SECONDS + $2))

	until [[ $last =~ $1 ]]; do
		(( SECONDS < deadline )) || die "no \"$1\" within $2 s"
		table=$(dmctl status)
		if [[ $table != "$last" ]]; then
			last=$table
			echo "$table"
		fi
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
mkdom create web1 --memory 48 --late-name=4000 >/run/demo-web1 &
watch_until 'web1 .* running ' 90
wait
web1=$(</run/demo-web1)
echo
device_models
run dmctl show "$web1"

say 'A second domain loses its device model'
db1=$(mkdom create db1 --memory 48)
watch_until 'db1 .* running ' 60
pid=$(dmctl status --json | jq ".domains[] | select(.domid == $db1) | .pid")
run kill -SEGV "$pid"
watch_until 'db1 .* exited ' 30
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
