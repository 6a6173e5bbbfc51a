#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# qemu-new.sh: QEMU 10, for tests that want to know what a newer QEMU says. Prints the path of a
# program that takes QEMU's arguments.
#
# It comes from Debian 12's backports, with all the libraries that it needs, is unpacked into a
# directory of the cache (XENDMD_LAB_CACHE) and installed nowhere: neither this machine's packages
# nor its sources of packages are touched. Made once; a lock keeps parallel runs from making it twice.
set -euo pipefail

RELEASE=bookworm
PACKAGE=qemu-system-x86
CACHE=${XENDMD_LAB_CACHE:-/var/cache/xendmd-lab}
MAKING=$CACHE/qemu-new.tmp LOG=$CACHE/qemu-new.log
# Where it is in the end. What makes it is a part of the name, so that a changed recipe is made anew.
ROOT=$CACHE/qemu-new-$(sha256sum "$0" | cut -c1-16)
TRIES=3

die()
{
	echo "qemu-new.sh: $*" >&2
	[[ ! -s $LOG ]] || tail -n 20 "$LOG" >&2
	exit 1
}

# The mirror that this machine itself goes to.
mirror()
{
	local uri

	uri=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Identifier: Packages' 2>/dev/null \
		| awk -v r="$RELEASE" '$1 == r { print $2; exit }' || true)
	case $uri in
	*/debian/|*/debian) echo "$uri" ;;
	*) echo http://deb.debian.org/debian/ ;;
	esac
}

# apt with lists, archives and sources of its own, for a machine on which nothing is installed.
apt_apart()
{
	apt-get -q -y -o Dir::State="$MAKING/apt" -o Dir::State::status="$MAKING/apt/status" \
		-o Dir::Cache="$MAKING/apt" -o Dir::Etc::sourcelist="$MAKING/apt/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null -o APT::Sandbox::User=root \
		-o Acquire::Retries=3 -o APT::Install-Recommends=false "$@"
}

fetch()
{
	mkdir -p "$MAKING"/apt/{lists/partial,archives/partial}
	: >"$MAKING/apt/status"
	printf 'deb [arch=amd64] %s %s main\n' "$1" "$RELEASE" "$1" "$RELEASE-backports" \
		>"$MAKING/apt/sources.list"
	apt_apart update
	apt_apart -t "$RELEASE-backports" --download-only install "$PACKAGE"
}

# The program is run by its own dynamic loader; QEMU looks for its files next to what is executed,
# which the loader is then, so it is told where they are.
unpack()
{
	local package

	mkdir "$MAKING/root"
	for package in "$MAKING"/apt/archives/*.deb; do
		dpkg-deb -x "$package" "$MAKING/root" || return 1
	done
	rm -rf "$MAKING/apt" "$MAKING"/root/usr/share/{doc,man,locale,info}
	cat >"$MAKING/qemu" <<-'END'
		#!/bin/sh
		root=$(dirname "$(readlink -f "$0")")/root
		libs=
		for dir in "$root"/usr/lib/x86_64-linux-gnu "$root"/lib/x86_64-linux-gnu \
			"$root"/usr/lib/x86_64-linux-gnu/pulseaudio; do
			libs=$libs${libs:+:}$dir
		done
		loader=$(echo "$root"/lib*/x86_64-linux-gnu/ld-linux-x86-64.so.2 | cut -d' ' -f1)
		export QEMU_MODULE_DIR="$root/usr/lib/x86_64-linux-gnu/qemu"
		exec "$loader" --library-path "$libs" "$root/usr/bin/qemu-system-x86_64" \
			-L "$root/usr/share/qemu" -L "$root/usr/share/seabios" "$@"
	END
	chmod +x "$MAKING/qemu"
	"$MAKING/qemu" --version
}

make()
{
	local try uri

	uri=$(mirror)
	for (( try = 1; ; try++ )); do
		rm -rf "$MAKING"
		! timeout 900 bash -c "$(declare -f fetch apt_apart)"'; set -euo pipefail
			MAKING=$1 RELEASE=$2 PACKAGE=$3; fetch "$4"' \
			bash "$MAKING" "$RELEASE" "$PACKAGE" "$uri" || break
		(( try < TRIES )) || return 1
		sleep 10
	done
	unpack
}

mkdir -p "$CACHE"
if [[ ! -x $ROOT/qemu ]]; then
	(
		flock 9
		[[ ! -x $ROOT/qemu ]] || exit 0
		make >"$LOG" 2>&1 9>&- || die "no QEMU 10 from Debian's $RELEASE-backports; the end of $LOG:"
		mv -T "$MAKING" "$ROOT"
		rm -f "$LOG"
		find "$CACHE" -maxdepth 1 -name 'qemu-new-*' ! -path "$ROOT" -mtime +14 -exec rm -rf {} +
	) 9>"$CACHE/.lock-qemu-new" || exit 1
fi
touch "$ROOT"
echo "$ROOT/qemu"
