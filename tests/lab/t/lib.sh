# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Helpers for the tests of this folder; each begins with
#     . "$(dirname "$0")/lib.sh"
# A test runs as root in dom0 with `set -u`, in an empty folder, and fails by fail() or a non-zero
# exit status. Domains and definitions made with the helpers go when it ends, however it ends.
# shellcheck shell=bash
set -u

QEMU=/usr/libexec/xen-qemu-system-i386
DOMAINS_D=/etc/xendmd/domains.d
CREATED_DOMAINS=()
CREATED_DEFINITIONS=()

fail()
{
	echo "FAIL: $*" >&2
	exit 1
}

have_xendmd()
{
	[[ -x /usr/sbin/xendmd ]]
}

# wait_until SECONDS COMMAND…: until it succeeds; fails the test at the deadline.
wait_until()
{
	local seconds=$1 deadline
	shift
	deadline=$((SECONDS + seconds))
	until "$@" >/dev/null 2>&1; do
		(( SECONDS < deadline )) || fail "not within $seconds s: $*"
		sleep 0.2
	done
}

# expect WHAT GOT WANTED
expect()
{
	[[ $2 == "$3" ]] || fail "$1 is \"$2\", not \"$3\""
}

# holds [OPTION…] FILTER [FILE…]: what jq's filter says last is neither false nor null. (jq 1.6's own -e
# says yes to nothing at all.)
holds()
{
	local said

	said=$(jq -c "$@") || return 1
	said=${said##*$'\n'}
	[[ -n $said && $said != false && $said != null ]]
}

# mkdom_create NAME [OPTION…]: DOMID is the new domain's.
mkdom_create()
{
	DOMID=$(mkdom create "$@") || fail "mkdom create $*"
	CREATED_DOMAINS+=("$DOMID")
}

mkdom_destroy()
{
	local id kept=()

	mkdom destroy "$1" || fail "mkdom destroy $1"
	for id in "${CREATED_DOMAINS[@]}"; do
		[[ $id == "$1" ]] || kept+=("$id")
	done
	CREATED_DOMAINS=("${kept[@]}")
}

# In the hypervisor's list, dying ones included; a name is not asked for.
domain_exists()
{
	xl list | awk -v id="$1" 'NR > 1 && $2 == id { found = 1 } END { exit !found }'
}

domain_gone()
{
	! domain_exists "$1"
}

# define NAME: a definition from standard input. RELOAD=no: the daemon is not told yet.
define()
{
	mkdir -p "$DOMAINS_D"
	cat >"$DOMAINS_D/.$1.new" && mv "$DOMAINS_D/.$1.new" "$DOMAINS_D/$1.json"
	CREATED_DEFINITIONS+=("$DOMAINS_D/$1.json")
	[[ ${RELOAD:-} == no ]] || dmctl reload
}

# qemu_definition NAME [MEMBERS [ARGUMENTS]]: prints a definition of real QEMU for the domain NAME.
# MEMBERS are more of the object's, each with a comma behind it, ARGUMENTS more of argv's.
qemu_definition()
{
	cat <<-END
		{
		  "match": { "name": "$1" },
		  "kind": "qemu", ${2:-}
		  "argv": [ "-xen-domid", "\$DOMID", "-name", "\$NAME", "-no-shutdown", "-nodefaults",
		            "-no-user-config", "-display", "none", "-machine", "xenfv",
		            "-m", "\$MEMORY_MIB"${3:+, $3} ]
		}
	END
}

undefine()
{
	rm -f "$DOMAINS_D/$1.json"
	dmctl reload
}

# define_qemu NAME [JSON]: a definition for the domain of that name with the smallest QEMU command
# line and a monitor at own-qmp; JSON, if given, are more members, as '"on_exit": "none"'.
define_qemu()
{
	define "$1" <<-END
		{ "match": { "name": "$1" }, "kind": "qemu",
		  "argv": [ "-xen-domid", "\$DOMID", "-name", "\$NAME", "-no-shutdown", "-nodefaults",
		            "-no-user-config", "-display", "none",
		            "-machine", "xenfv,suppress-vmdesc=on", "-m", "\$MEMORY_MIB",
		            "-qmp", "unix:\$QMP_SOCKET,server=on,wait=off" ]
		  ${2:+, $2} }
	END
}

# The pid of the QEMU that serves a domain.
qemu_pid()
{
	pgrep -f -- "-xen-domid $1( |\$)" | head -n 1
}

no_qemu()
{
	[[ -z $(qemu_pid "$1") ]]
}

# dm_field DOMID KEY: one key of `dmctl status`, as jq prints it raw; empty for an unknown domain.
dm_field()
{
	dmctl status --json | jq -r --argjson id "$1" ".domains[] | select(.domid == \$id) | .$2"
}

# dm_fields DOMID KEY…: the same for several keys, a line each. What starts jq takes its time here.
dm_fields()
{
	local id=$1
	shift
	dmctl status --json \
		| jq -r --argjson id "$id" '.domains[] | select(.domid == $id) | .[$ARGS.positional[]]' --args "$@"
}

dm_state_is()
{
	[[ $(dm_field "$1" state) == "$2" ]]
}

# wait_state DOMID STATE [SECONDS]
wait_state()
{
	local deadline=$((SECONDS + ${3:-30}))

	until dm_state_is "$1" "$2"; do
		(( SECONDS < deadline )) \
			|| fail "domain $1 is not $2 after ${3:-30} s: $(dmctl status --json)"
		sleep 0.2
	done
}

status_empty()
{
	[[ $(dmctl status --json | jq '.domains | length') == 0 ]]
}

# events DOMID: the names of a domain's events, one a line.
events()
{
	dmctl events --json | jq -r --argjson id "$1" 'select(.domid == $id and .event != "qmp-event") | .event'
}

has_event()
{
	events "$1" | grep -qxF "$2"
}

no_event()
{
	! has_event "$1" "$2" || fail "event $2 of domain $1"
}

# told DOMID EVENT… [-- EVENT…]: those before -- were told of the domain, those behind it were not.
told()
{
	local id=$1 all want=1 event
	shift
	all=" $(events "$id" | paste -sd' ') "
	for event; do
		if [[ $event == -- ]]; then
			want=0
		elif [[ $all == *" $event "* ]]; then
			(( want )) || fail "event $event of domain $id:$all"
		else
			(( ! want )) || fail "no event $event of domain $id:$all"
		fi
	done
}

# journal DOMID [FIELD]: the daemon's messages of a domain, one a line.
journal()
{
	journalctl -u xendmd -o json "XEN_DOMID=$1" | jq -r ".${2:-MESSAGE}"
}

# boot_disk FILE: with a guest in its first sector that idles; it goes off when its power button is
# pressed (xl shutdown -F), and a firmware that finds it takes no minute to give up.
boot_disk()
{
	truncate -s 8M "$1"
	# sti; 1: hlt; in PM1a_STS; bit 8? jz 1b; out PM1a_CNT, SLP_EN; jmp 1b
	printf '\xfb\xf4\xba\x00\xb0\xed\xf6\xc4\x01\x74\xf6\xba\x04\xb0\xb8\x00\x20\xef\xeb\xed' \
		| dd of="$1" conv=notrunc status=none
	printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

# disk_booted DOMID: from a disk as boot_disk makes.
disk_booted()
{
	xl dmesg | grep -q "(d$1) Booting from 0000:7c00"
}

# firmware_ran DOMID: hvmloader and SeaBIOS are through, so a device model served the domain.
firmware_ran()
{
	xl dmesg | grep -q "(d$1) No bootable device"
}

# xl_state_has DOMID LETTER: of the column State of xl list: p paused, c crashed, s shut down, d dying.
xl_state_has()
{
	xl list | awk -v id="$1" '$2 == id { print $5 }' | grep -q "$2"
}

# qmp SOCKET COMMAND-JSON: the reply to one command, on a QEMU's own socket.
qmp()
{
	printf '{"execute":"qmp_capabilities"}\n%s\n' "$2" \
		| socat -t 5 - "UNIX-CONNECT:$1" | jq -c 'select(has("return") or has("error"))' | sed -n 2p
}

# snapshot FILE: what a domain's life must leave as it was: domains, processes, listening sockets,
# xenstore, cgroups, files, grant mappings; without what stock Xen leaves itself. Two of them are compared by snapshot_same.
snapshot()
{
	{
		xl list | awk 'NR > 1 { print "domain " $2 " " $1 }'
		snapshot_processes
		awk 'NR > 1 && $8 != "" && $4 == "00010000" { print "socket " $8 }' /proc/net/unix
		xenstore-ls -fp | grep -vE '^/(libxl|vm|local/domain/0/(backend|device-model|xendmd)) ' \
			| sed 's/^/xenstore /'
		find /sys/fs/cgroup -mindepth 1 -type d -path '*xendmd*' ! -name '*.slice' | sed 's/^/cgroup /'
		find /run/xendmd /run/xen /var/lib/xen -mindepth 1 2>/dev/null \
			| grep -v domid-history | sed 's/^/file /'
		grep -l /dev/xen/gntdev /proc/[0-9]*/maps 2>/dev/null | while read -r maps; do
			echo "grant mapping of $(cat "${maps%/maps}/comm")"
		done
	} | sort -u >"$1"
}

# No kernel threads, nothing that tests and units start for a moment.
snapshot_processes()
{
	ps -eo ppid=,comm=,args= | awk '$1 != 2 && $1 != 0 \
		&& $2 !~ /^(bash|sh|ps|awk|mawk|sed|sort|cat|tail|timeout|sleep|find|grep|socat|xl|\(udev-worker\)|\(sd-.*|systemd-udevd|systemd-tmpfile|modprobe)$/ \
		{ $1 = ""; print "process" $0 }'
}

# snapshot_same BEFORE [SECONDS]: fails the test with the differences unless all is as before
# within that time.
snapshot_same()
{
	local deadline=$((SECONDS + ${2:-10}))

	while snapshot "$1.now"; ! cmp -s "$1" "$1.now"; do
		if (( SECONDS >= deadline )); then
			diff "$1" "$1.now" >&2
			fail "not everything is as before"
		fi
		sleep 0.5
	done
}

# xen_traces: what the hypervisor itself still knows of domains other than 0: grants, event
# channels of dom0 that lead to one.
xen_traces()
{
	local lsevtchn

	xl dmesg -c >/dev/null
	xl debug-keys g
	sleep 0.3
	xl dmesg -c | grep -E 'grant-table for remote d[1-9]|^\(XEN\) +\[' | sed 's/^/grants: /'
	lsevtchn=$(echo /usr/lib/xen-*/bin/lsevtchn)
	"$lsevtchn" 0 | grep -E 'Interdomain.*Remote Domain [1-9]|Connected.*domain [1-9]' | sed 's/^/dom0: /'
}

# pv_initrd FILE: an initrd for a PV guest with dom0's kernel: guest/pv-init and the modules it loads.
pv_initrd()
{
	local tree module

	tree=$(mktemp -d /tmp/pv-initrd.XXXXXX)
	mkdir -p "$tree"/{bin,dev,proc,sys,modules}
	cp /lab/busybox "$tree/bin/busybox"
	install -m 755 /lab/guest/pv-init "$tree/init"
	cp /usr/local/lib/xendmd-lab/xs-ask "$tree/bin/xs-ask"
	for module in xen-blkfront xen-netfront; do
		modprobe --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
	done | awk '!seen[$1]++' | while read -r module; do
		cp "$module" "$tree/modules/"
		basename "$module" >>"$tree/modules/order"
	done
	(cd "$tree" && find . | /lab/busybox cpio -o -H newc -R 0:0 | gzip -1) >"$1" 2>/dev/null
	rm -rf "$tree"
	[[ -s $1 ]] || fail "no initrd for a PV guest"
}

# ask_console COMMAND…: what the PV guest DOMID answers over its console (see guest/pv-init), on which
# there may be other lines without end
ask_console()
{
	local line end=$((SECONDS + 20))

	exec 8<>"$(xenstore-read "/local/domain/$DOMID/console/tty")" || return 1
	stty raw -echo <&8
	printf '%s\n' "$*" >&8
	while (( SECONDS < end )) && IFS= read -r -t 20 line <&8; do
		line=${line%$'\r'}
		[[ $line == "$1: "* ]] && break
		line=
	done
	exec 8>&-
	echo "${line#"$1: "}"
}

# others_begin DOMID FILE, others_end: what the clients of another domain wait for in between; see
# guest/others.py.
others_begin()
{
	/lab/guest/others.py "$(dm_field "$1" qmp)" >"$2" 2>others.err &
	OTHERS=$!
	wait_until 90 test -s "$2"
}

others_end()
{
	kill "$OTHERS"
	wait "$OTHERS" || fail "another domain's QMP or the daemon's list: $(<others.err)"
}

# others_summary FILE: medians, and the longest.
others_summary()
{
	local what

	for what in qmp list; do
		sed -n "s/^$what //p" "$1" | sort -n | awk -v what=$what '{ t[NR] = $1 }
			END { printf "%s %s ms (%d, at most %s) ", what, t[int((NR + 1) / 2)], NR, t[NR] }'
	done
}

cleanup_test()
{
	local status=$? item

	for item in "${CREATED_DOMAINS[@]}"; do
		mkdom destroy "$item" 2>/dev/null
	done
	if (( ${#CREATED_DEFINITIONS[@]} )); then
		rm -rf "${CREATED_DEFINITIONS[@]}"
		dmctl reload
	fi
	exit "$status"
}

if [[ ${LAB_STAGE:-} != after ]]; then
	trap cleanup_test EXIT
fi
