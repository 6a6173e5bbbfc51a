#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# stock-libxl.sh BUILD run COUNT [SEED]    compares COUNT random configurations
# stock-libxl.sh BUILD record FILE         writes the cases of tests/corpus/libxl-stock
#
# Stock xl and libxl 4.17, Debian's binaries, on a machine without Xen: what they make of configurations
# against what `dmctl render --as-libxl` does. libxl is the real one, over tests/fake/fakexc (its
# hypervisor) and fakexs (its xenstored); device models are recorders (tests/lab/t/libxl). All of it in
# mount and pid namespaces of its own. xl is /usr/lib/xen-4.17/bin/xl, or comes out of Debian's package;
# without either, or without root, the test is skipped (77).
set -eu
BUILD=$(cd "$1" && pwd)
ROOT=$(cd "$(dirname "$0")/.." && pwd)
SCRIPTS=$ROOT/tests/lab/t/libxl
XEN=/usr/lib/xen-4.17
OVERLAID=(/etc /usr/lib /usr/bin /var)
SECONDS_MAX=${XENDMD_STOCK_SECONDS:-400}
shift

skip()
{
	echo "skipped: $*"
	exit 77
}

# find_xl DIR: sets XL; DIR is for what has to be unpacked.
find_xl()
{
	XL=${XENDMD_STOCK_XL:-$XEN/bin/xl}
	[[ ! -x $XL ]] || return 0
	(cd "$1" && timeout 60 apt-get -q download xen-utils-4.17 && dpkg-deb -x xen-utils-4.17_*.deb .) >"$1/log" 2>&1 \
		|| skip "no stock xl of Xen 4.17: $(tail -n 1 "$1/log")"
	XL=$1$XEN/bin/xl
}

# --- in the namespaces

make_mounts()
{
	local dir upper n

	mount --make-rprivate /
	mount -t proc proc /proc
	mount -t tmpfs overlay "$TOP/upper"
	for dir in "${OVERLAID[@]}"; do
		upper=$TOP/upper/${dir//\//_}
		mkdir -p "$upper/upper" "$upper/work"
		mount -t overlay -o "lowerdir=$dir,upperdir=$upper/upper,workdir=$upper/work" overlay "$dir" \
			|| skip 'no overlay file systems here'
	done
	mount -t tmpfs run /run
	mkdir "$TOP/upper/dev"
	for n in null zero full random urandom tty; do
		cp -a "/dev/$n" "$TOP/upper/dev/"
	done
	for n in 3 4 5; do
		mknod "$TOP/upper/dev/loop$n" b 7 $n
	done
	ln -s /proc/self/fd "$TOP/upper/dev/fd"
	ln -s /proc/self/fd/0 "$TOP/upper/dev/stdin"
	ln -s pts/ptmx "$TOP/upper/dev/ptmx"
	mkdir "$TOP/upper/dev/pts" "$TOP/upper/dev/shm"
	mount --bind "$TOP/upper/dev" /dev
	mount -t tmpfs shm /dev/shm
	mount -t devpts -o newinstance,ptmxmode=666 pts /dev/pts
}

make_host()
{
	local script

	mkdir -p /run/lock /run/xen /var/lib/xen /var/log/xen /etc/xen/scripts
	echo 1 >/run/xen/xenstored.pid
	touch /etc/xen/xl.conf
	world_make "$XEN"
	touch "$XEN/boot/hvmloader"
	mkdir -p /usr/share/seabios 2>/dev/null || true
	for script in block block-other vif-bridge vif-nat vif-route; do
		printf '#!/bin/sh\nexit 0\n' >"/etc/xen/scripts/$script"
		chmod +x "/etc/xen/scripts/$script"
	done
	cat >/usr/bin/vchan-socket-proxy <<-END
		#!/bin/sh
		"$BUILD/tests/xsctl" write "\${1#--state-path=}" running
		exec sleep 60
	END
	printf '#!/bin/sh\nLD_PRELOAD=%s exec %s "$@"\n' "$BUILD/tests/libfakexc.so" "$XL" >/usr/bin/xl
	chmod +x /usr/bin/vchan-socket-proxy /usr/bin/xl
}

make_xenstore()
{
	local pair

	"$BUILD/tests/fakexs" "$XENSTORED_PATH" >/run/fakexs.out 2>&1 &
	until grep -q ready /run/fakexs.out 2>/dev/null; do
		sleep 0.1
	done
	for pair in /local/domain/0/domid=0 /local/domain/0/name=Domain-0 /tool/xenstored/domid=0 \
		/local/pool/0/name=Pool-0; do
		"$BUILD/tests/xsctl" write "${pair%=*}" "${pair#*=}"
	done
}

inside()
{
	local mode=$1 status=0
	shift
	export XENSTORED_PATH=/run/fakexs RECORD_JOBS=24
	# shellcheck source=tests/lab/t/libxl/world.sh
	. "$SCRIPTS/world.sh"
	make_mounts
	make_host
	make_xenstore
	cd /run
	case $mode in
	run)
		python3 -B "$SCRIPTS/configs.py" random --count "$1" --seed "${2:-1}" >configs
		python3 -B "$SCRIPTS/record.py" configs cases $SECONDS_MAX
		[[ $(wc -l <cases) -ge $(($1 * 8 / 10)) ]] || { echo 'too few cases'; exit 1; }
		python3 -B "$SCRIPTS/replay.py" cases "$BUILD/daemon/ctl/dmctl" render || status=$?
		;;
	record)
		{
			python3 -B "$SCRIPTS/configs.py" doubtful
			python3 -B "$SCRIPTS/configs.py" traditional --count 60
		} >configs
		RECORD_CORPUS=1 python3 -B "$SCRIPTS/record.py" configs cases
		cat cases >&9
		;;
	esac
	return $status
}

if [[ $1 == --inside ]]; then
	TOP=$2 XL=$3
	shift 3
	inside "$@"
	exit
fi
(( EUID == 0 )) || skip 'not root'
unshare --mount --pid --fork true 2>/dev/null || skip 'no namespaces here'
TOP=$(mktemp -d /tmp/stock-libxl.XXXXXX)
trap 'rm -rf "$TOP"' EXIT
mkdir "$TOP/upper"
find_xl "$TOP"
if [[ $1 == record ]]; then
	exec 9>"$2"
fi
unshare --mount --pid --fork --kill-child bash "$0" "$BUILD" --inside "$TOP" "$XL" "$@"
