# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What all parts of the lab share: messages, host packages, chroots.
# shellcheck shell=bash

# shellcheck source-path=SCRIPTDIR
. "$LAB_DIR/../packages.sh"

say()
{
	printf 'lab: %s\n' "$*" >&2
}

die()
{
	say "$*"
	exit "$LAB_ERROR"
}

# The packages that the lab itself needs on the machine it runs on.
HOST_PACKAGES=(
	qemu-system-x86 debootstrap debian-archive-keyring busybox-static cpio kmod
	e2fsprogs util-linux xz-utils zstd lz4
)

host_prepare()
{
	(( EUID == 0 )) || die "needs root (chroot, debootstrap)"
	install_packages "${HOST_PACKAGES[@]}" >&2 || die "packages are missing on this machine"
}

# in_root ROOT COMMAND…: run a command in a chroot with a /proc and a /dev of its own, in a mount and
# pid namespace: nothing stays mounted or running, and this machine's devices are out of reach. LAB_BINDS, if set,
# lists more mounts as HOSTPATH:PATH[:ro].
in_root()
{
	local root=$1
	shift
	# shellcheck disable=SC2016
	LAB_BINDS="${LAB_BINDS:-}" unshare --mount --pid --fork --kill-child \
		--propagation private bash -ec '
		root=$1; shift
		mount -t proc proc "$root/proc"
		mount -t tmpfs -o mode=755 dev "$root/dev"
		while read -r name major minor; do
			mknod -m 666 "$root/dev/$name" c "$major" "$minor"
		done <<-END
			null 1 3
			zero 1 5
			full 1 7
			random 1 8
			urandom 1 9
			tty 5 0
		END
		ln -s /proc/self/fd "$root/dev/fd"
		for n in 0:stdin 1:stdout 2:stderr; do
			ln -s "/proc/self/fd/${n%:*}" "$root/dev/${n#*:}"
		done
		mkdir "$root/dev/shm" "$root/dev/pts"
		mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
		mount -t devpts -o newinstance,ptmxmode=666 pts "$root/dev/pts"
		ln -s pts/ptmx "$root/dev/ptmx"
		for b in $LAB_BINDS; do
			IFS=: read -r from to mode <<<"$b"
			mkdir -p "$root/$to"
			mount --bind "$from" "$root/$to"
			if [[ $mode == ro ]]; then mount -o remount,bind,ro "$root/$to"; fi
		done
		exec chroot "$root" env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			${http_proxy:+http_proxy="$http_proxy"} "$@"
	' in_root "$root" "$@"
}
