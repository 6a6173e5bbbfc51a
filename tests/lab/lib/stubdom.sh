# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Linux stub domain of dom0's image, under libxl's default names: Debian's kernel, unpacked because
# xl would do that for each guest under emulation, and a ramdisk of busybox, stub/init,
# stub/agent.c and stub/notrunc.c, dom0's own QEMU and xenstore tools with their libraries, and
# Xen's vchan-socket-proxy as server.
# shellcheck shell=bash

STUBDOM_MODULES=(xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xen-blkfront)
STUBDOM_ROMS=(seabios/vgabios-{stdvga,cirrus}.bin qemu/kvmvapic.bin qemu/linuxboot_dma.bin)

stubdom_key()
{
	declare -f dom0_stubdom stubdom_kernel stubdom_modules stubdom_program stubdom_agent
	printf '%s\n' "${STUBDOM_MODULES[@]}" "${STUBDOM_ROMS[@]}"
	cat "$LAB_DIR"/stub/*
}

# dom0_stubdom ROOT OUT VERSION BUILD_ROOT
dom0_stubdom()
{
	local dir=$1 out=$2 version=$3 build=$4 tmp=$2/stubdom boot rom

	boot=$dir/usr/lib/xen-$version/boot
	mkdir -p "$tmp"/{bin,dev,modules,usr/bin}
	cp /bin/busybox "$tmp/bin/"
	install -m 755 "$LAB_DIR/stub/init" "$tmp/init"
	stubdom_agent "$build" "$tmp"
	stubdom_program "$dir" "$tmp" /usr/libexec/xen-qemu-system-i386 /usr/bin/qemu
	stubdom_program "$dir" "$tmp" "/usr/lib/xen-$version/bin/vchan-socket-proxy" \
		/bin/vchan-socket-proxy
	stubdom_program "$dir" "$tmp" /usr/bin/xenstore-read /bin/xenstore-read
	stubdom_program "$dir" "$tmp" /usr/bin/xenstore-list /bin/xenstore-list
	for rom in "${STUBDOM_ROMS[@]}"; do
		install -D -m 644 "$dir/usr/share/$rom" "$tmp/usr/share/$rom"
	done
	stubdom_modules "$out" "$tmp"
	mkdir -p "$boot"
	(cd "$tmp" && find . | cpio -o -H newc --quiet -R 0:0 | lz4 -q -l -9 -c) \
		>"$boot/qemu-stubdom-linux-rootfs"
	stubdom_kernel "$out/vmlinuz" "$boot/qemu-stubdom-linux-kernel"
	rm -rf "$tmp"
}

# stubdom_kernel BZIMAGE ELF: the kernel inside; the 4 bytes behind it are its length.
stubdom_kernel()
{
	local image=$1 out=$2 sectors offset length

	sectors=$(od -An -tu1 -j497 -N1 "$image")
	read -r offset length < <(od -An -tu4 -j584 -N8 "$image")
	dd if="$image" of="$out.packed" bs=1M iflag=skip_bytes,count_bytes status=none \
		skip=$(((sectors + 1) * 512 + offset)) count=$((length - 4))
	case $(head -c 4 "$out.packed" | od -An -tx1 | tr -d ' ') in
	fd377a58) xz -dc "$out.packed" ;;
	28b52ffd) zstd -dcq "$out.packed" ;;
	*) die "$image: packed in a way this does not know" ;;
	esac >"$out"
	rm "$out.packed"
}

# stubdom_program ROOT TO PROGRAM PATH: a program of ROOT as TO/PATH, and the libraries it asks for.
stubdom_program()
{
	local dir=$1 to=$2 program=$3 path=$4 library

	install -D -m 755 "$dir/$program" "$to/$path"
	in_root "$dir" ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
		[[ -e $to/$library ]] || install -D -m 755 "$dir/$library" "$to/$library"
	done
}

stubdom_modules()
{
	local out=$1 to=$2 release module file

	release=$(ls "$out/kernel/lib/modules")
	for module in "${STUBDOM_MODULES[@]}"; do
		modprobe -d "$out/kernel" -S "$release" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
		cp "$file" "$to/modules/"
		basename "$file" >>"$to/modules/order"
	done
}

# Static: the build root is another system than the one whose libraries are in the ramdisk. (What QEMU loads
# asks its C library for two functions that every release has.)
stubdom_agent()
{
	cp "$LAB_DIR"/stub/*.[ch] "$2/"
	LAB_BINDS="$2:/mnt" in_root "$1" gcc -O2 -static -s -o /mnt/bin/agent /mnt/agent.c /mnt/console.c
	LAB_BINDS="$2:/mnt" in_root "$1" gcc -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -O2 -fPIC -shared -s \
		-o /mnt/bin/notrunc.so /mnt/notrunc.c
	rm "$2"/*.[ch]
}
