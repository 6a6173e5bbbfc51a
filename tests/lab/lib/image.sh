# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The cache and what is in it. Each entry is a directory KIND-RELEASE-KEY, KEY being a hash of the
# recipe, so a changed recipe is a new entry and an old clone goes on with the old one.
#   base   a debootstrap with this machine's mirror set up
#   dom0   dom0.img, xen, vmlinuz, initrd.img
#   build  root/: where the project is compiled for that release
# Entries are made under a temporary name and renamed; a lock keeps parallel runs from making one
# twice. What nobody used for two weeks goes. All of it may be deleted when no lab runs.
# shellcheck shell=bash

# shellcheck source-path=SCRIPTDIR
. "$LAB_DIR/lib/stubdom.sh"

declare -A XEN_VERSION=([bookworm]=4.17 [trixie]=4.20)
declare -A LIBEVENT=([bookworm]=libevent-core-2.1-7 [trixie]=libevent-core-2.1-7t64)
declare -A LIBVIRT=([bookworm]="libvirt-daemon libvirt-daemon-driver-xen libvirt-clients" [trixie]="")

DOM0_PACKAGES=(
	systemd-sysv udev dbus kmod iproute2 procps psmisc bash jq socat strace python3
	xenstore-utils qemu-system-xen seabios libjson-c5 libsystemd0
)
DOM0_MODULES=(
	xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-blkback xen-netback xen-pciback
	bridge tun tap macvtap veth dummy loop vhost-net vhost-vsock unix_diag
	xen-blkfront xen-netfront # a PV guest's, see pv_initrd in t/lib.sh
	virtio_pci virtio_blk virtio_console 9p 9pnet_virtio ext4
)
INITRD_MODULES=(virtio_pci virtio_blk virtio_console 9pnet_virtio 9p ext4)

# Units that a dom0 which lives for a minute doesn't need.
DOM0_MASKED=(
	getty.target console-getty.service serial-getty@.service getty@.service
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
	e2scrub_reap.service fstrim.timer logrotate.timer systemd-networkd.service
	systemd-resolved.service systemd-timesyncd.service systemd-update-utmp.service
	systemd-update-utmp-runlevel.service systemd-random-seed.service systemd-hwdb-update.service
	ldconfig.service systemd-journal-catalog-update.service systemd-journal-flush.service
	systemd-machine-id-commit.service systemd-firstboot.service systemd-binfmt.service
	systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-pstore.service
	systemd-fsck-root.service systemd-remount-fs.service keyboard-setup.service
	console-setup.service networking.service systemd-rfkill.service
	modprobe@.service systemd-logind.service systemd-sysusers.service systemd-sysctl.service
	systemd-update-done.service systemd-udev-load-credentials.service systemd-hostnamed.socket
	systemd-sysext.socket systemd-user-sessions.service systemd-boot-random-seed.service
	systemd-tmpfiles-clean.timer systemd-pcrlock.socket systemd-creds.socket
	systemd-ask-password-console.path systemd-ask-password-wall.path
	sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount
	sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount
)

# cache_get KIND RELEASE: makes the entry if it isn't there; CACHE_ENTRY is its directory.
# Plain statements only: inside a condition bash would ignore a recipe's failing commands.
cache_get()
{
	local kind=$1 release=$2 entry

	entry=$LAB_CACHE/$kind-$release-$(recipe_key "$kind" "$release")
	mkdir -p "$LAB_CACHE"
	(
		flock 9
		if [[ -d $entry ]]; then
			touch "$entry"
			exit 0
		fi
		find "$LAB_CACHE" -maxdepth 1 -name "$kind-$release-*" -mtime +14 -exec rm -rf {} +
		rm -rf "$entry".tmp.*
		trap 'rm -rf "$entry.tmp.$BASHPID"' EXIT
		mkdir "$entry.tmp.$BASHPID"
		start=$SECONDS
		say "making $kind root of $release in $LAB_CACHE (once; a minute or two)"
		"recipe_$kind" "$release" "$entry.tmp.$BASHPID" >"$entry.log" 2>&1 || {
			tail -n 30 "$entry.log" >&2
			die "$kind root of $release failed, see $entry.log"
		}
		mv -T "$entry.tmp.$BASHPID" "$entry"
		rm -f "$entry.log"
		say "$kind root of $release made in $((SECONDS - start)) s"
	) 9>"$LAB_CACHE/.lock-$kind-$release"
	[[ -d $entry ]] || exit "$LAB_ERROR"
	CACHE_ENTRY=$entry
}

recipe_key()
{
	local kind=$1 release=$2 common

	common=$(declare -f mirrors run_recipe base_recipe in_root; cat "$LAB_DIR/guest/initrd-init")
	{
		printf '%s\n' "$release" "$common"
		case $kind in
		build) declare -f build_recipe; printf '%s\n' "${BUILD_PACKAGES[@]}" ;;
		dom0)
			declare -f dom0_recipe dom0_configure dom0_kernel dom0_initrd
			stubdom_key
			printf '%s\n' "${DOM0_PACKAGES[@]}" "${DOM0_MODULES[@]}" \
				"${INITRD_MODULES[@]}" "${DOM0_MASKED[@]}" "${LIBEVENT[$release]}" \
				"${LIBVIRT[$release]}"
			;;
		esac
	} | sha256sum | cut -c1-16
}

# A recipe runs in a bash of its own: cache_get looks at its status, and that would otherwise turn
# off "stop at the first error" in it.
run_recipe()
{
	# shellcheck disable=SC1090,SC2016
	LAB_DIR=$LAB_DIR LAB_CACHE=$LAB_CACHE LAB_ERROR=$LAB_ERROR bash -euc '
		set -o pipefail
		. "$LAB_DIR/lib/common.sh"; . "$LAB_DIR/lib/image.sh"
		"$@"
	' recipe "$@"
}

recipe_base()
{
	run_recipe base_recipe "$@"
}

recipe_build()
{
	cache_get base "$1"
	run_recipe build_recipe "$1" "$2" "$CACHE_ENTRY"
}

recipe_dom0()
{
	local base

	cache_get base "$1"
	base=$CACHE_ENTRY
	cache_get build "$1"
	run_recipe dom0_recipe "$1" "$2" "$base" "$CACHE_ENTRY/root"
}

# mirrors: sets MIRROR and SECURITY from this machine's own apt sources.
mirrors()
{
	local codename targets

	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	targets=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Identifier: Packages' || true)
	MIRROR=$(awk -v r="$codename" '$1 == r { print $2; exit }' <<<"$targets")
	SECURITY=$(awk -v r="$codename-security" '$1 == r { print $2; exit }' <<<"$targets")
	case $MIRROR in
	*/debian/|*/debian) ;;
	*) MIRROR=http://deb.debian.org/debian/ SECURITY='' ;;
	esac
	: "${SECURITY:=http://deb.debian.org/debian-security/}"
}

base_recipe()
{
	local release=$1 dir=$2/root

	mirrors
	timeout 900 debootstrap --variant=minbase "$release" "$dir" "$MIRROR"
	cat >"$dir/etc/apt/sources.list" <<-END
		deb $MIRROR $release main
		deb $MIRROR $release-updates main
		deb $SECURITY $release-security main
	END
	apt-config dump | grep -i '^Acquire::[a-z:]*proxy' >"$dir/etc/apt/apt.conf.d/90proxy" || true
	cat >"$dir/etc/dpkg/dpkg.cfg.d/lab" <<-END
		force-unsafe-io
		path-exclude=/usr/share/doc/*
		path-exclude=/usr/share/man/*
		path-exclude=/usr/share/locale/*
		path-exclude=/usr/share/info/*
	END
	printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
	chmod 755 "$dir/usr/sbin/policy-rc.d"
	cp -L /etc/resolv.conf "$dir/etc/resolv.conf" || true
	in_root "$dir" timeout 300 apt-get -q update
	in_root "$dir" timeout 900 apt-get -q -y upgrade
	in_root "$dir" apt-get clean
}

build_recipe()
{
	local dir=$2/root

	cp -a "$3/root" "$dir"
	in_root "$dir" timeout 900 apt-get -q -y install --no-install-recommends "${BUILD_PACKAGES[@]}"
	in_root "$dir" apt-get clean
	mkdir -p "$dir/src" "$dir/build"
}

dom0_recipe()
{
	local release=$1 out=$2 dir=$2/root version=${XEN_VERSION[$1]}

	cp -a "$3/root" "$dir"
	in_root "$dir" timeout 900 apt-get -q -y install --no-install-recommends \
		"${DOM0_PACKAGES[@]}" "xen-utils-$version" "${LIBEVENT[$release]}" ${LIBVIRT[$release]}
	dom0_kernel "$dir" "$out" "$version"
	dom0_configure "$dir"
	dom0_initrd "$dir" "$out"
	dom0_stubdom "$dir" "$out" "$version" "$4"
	rm -rf "$dir"/var/cache/apt/* "$dir"/var/lib/apt/lists/* "$dir"/usr/share/{doc,man,locale,info}
	# Everything in it is thrown away at power-off: no journal, no reserve.
	mke2fs -q -t ext4 -O ^has_journal -m 0 -E lazy_itable_init=1,root_owner=0:0 \
		-d "$dir" "$out/dom0.img" 3G
	rm -rf "$dir" "$out/kernel"
}

# Xen and the kernel are unpacked, not installed: no boot loader, no initramfs tools.
dom0_kernel()
{
	local dir=$1 out=$2 version=$3 kernel release module file

	kernel=$(in_root "$dir" apt-cache depends linux-image-amd64 \
		| awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }')
	in_root "$dir" sh -ec "cd /var/tmp
		timeout 600 apt-get -q download $kernel xen-hypervisor-$version-amd64"
	mkdir "$out/kernel"
	for file in "$dir"/var/tmp/*.deb; do
		dpkg-deb -x "$file" "$out/kernel"
	done
	rm "$dir"/var/tmp/*.deb
	zcat "$out/kernel/boot/xen-$version-amd64.gz" >"$out/xen"
	cp "$out"/kernel/boot/vmlinuz-* "$out/vmlinuz"

	# Debian 13 has /usr/lib/modules in the package, 12 /lib/modules.
	if [[ ! -d $out/kernel/lib/modules ]]; then
		mkdir -p "$out/kernel/lib"
		mv "$out/kernel/usr/lib/modules" "$out/kernel/lib/modules"
	fi
	release=$(ls "$out/kernel/lib/modules")
	find "$out/kernel/lib/modules" -name '*.ko.xz' -exec xz -d {} +
	depmod -b "$out/kernel" "$release"
	mkdir -p "$dir/lib/modules/$release"
	for module in "${DOM0_MODULES[@]}"; do
		modprobe -d "$out/kernel" -S "$release" --show-depends "$module" \
			| awk '$1 == "insmod" { print $2 }'
	done | sort -u | sed "s,^$out/kernel/lib/modules/$release/,," \
		| tar -C "$out/kernel/lib/modules/$release" -cf - -T - \
		| tar -C "$dir/lib/modules/$release" -xf -
	cp "$out/kernel/lib/modules/$release"/modules.{builtin,order}* "$dir/lib/modules/$release/"
	depmod -b "$dir" "$release"
}

dom0_configure()
{
	local dir=$1 unit

	rm -f "$dir/usr/sbin/policy-rc.d"
	echo lab >"$dir/etc/hostname"
	echo 127.0.0.1 localhost lab >"$dir/etc/hosts"
	echo b08dfa6083e7567a1921a715000001fb >"$dir/etc/machine-id"
	: >"$dir/etc/fstab"
	sed -i 's,^root:[^:]*:,root::,' "$dir/etc/shadow"
	mkdir -p "$dir/lab"
	for unit in "${DOM0_MASKED[@]}"; do
		ln -sf /dev/null "$dir/etc/systemd/system/$unit"
	done
	ln -sf /lib/systemd/system/multi-user.target "$dir/etc/systemd/system/default.target"
	# All devices come through udev later on; at boot only those that dom0 works with.
	mkdir -p "$dir/etc/systemd/system/systemd-udev-trigger.service.d"
	cat >"$dir/etc/systemd/system/systemd-udev-trigger.service.d/lab.conf" <<-END
		[Service]
		ExecStart=
		ExecStart=udevadm trigger --type=devices --action=add -s block -s virtio-ports -s net -s misc -s xen -s xen-backend
	END
	cat >"$dir/etc/systemd/system/lab-agent.service" <<-END
		[Unit]
		Description=Runs the command of lab run
		After=multi-user.target xen.service xendmd.service
		[Service]
		Type=simple
		ExecStart=/bin/bash /lab/guest/agent
		StandardInput=null
		StandardOutput=journal+console
		StandardError=journal+console
		TimeoutStopSec=5
		[Install]
		WantedBy=default.target
	END
	in_root "$dir" systemctl enable lab-agent.service
}

dom0_initrd()
{
	local dir=$1 out=$2 tmp=$2/initrd release module file

	release=$(ls "$out/kernel/lib/modules")
	mkdir -p "$tmp"/{bin,dev,proc,sys,root,modules}
	cp /bin/busybox "$tmp/bin/busybox"
	install -m 755 "$LAB_DIR/guest/initrd-init" "$tmp/init"
	for module in "${INITRD_MODULES[@]}"; do
		modprobe -d "$out/kernel" -S "$release" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
		cp "$file" "$tmp/modules/"
		basename "$file" >>"$tmp/modules/order"
	done
	(cd "$tmp" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -1) >"$out/initrd.img"
	rm -rf "$tmp"
}
