# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One boot of the lab: a folder of its own under the build folder, QEMU, and what comes out of it.
#   RUN_DIR/share      /lab in dom0: command, put/, get/, status, evidence/, guest/, t/ and vmlinuz
#   RUN_DIR/console    what Xen and dom0 said
# shellcheck shell=bash

# boot_begin RELEASE: the run folder with all that dom0 needs; sets RUN_DIR.
boot_begin()
{
	local release=$1

	cache_get dom0 "$release"
	BOOT_IMAGE=$CACHE_ENTRY
	mkdir -p "$LAB_BUILD"
	RUN_DIR=$(mktemp -d "$LAB_BUILD/run-$release.XXXXXX")
	RUN_DIRS+=("$RUN_DIR")
	mkdir -p "$RUN_DIR"/share/{put,get,evidence}
	cp -r "$LAB_DIR/guest" "$LAB_DIR/t" "$RUN_DIR/share/"
	cp "$SRC_DIR/tests/blackbox/qmp_clients.py" "$RUN_DIR/share/guest/"
	cp "$BOOT_IMAGE/vmlinuz" /bin/busybox "$RUN_DIR/share/" # also a PV guest's
	: >"$RUN_DIR/share/put.list"
	: >"$RUN_DIR/share/get.list"
	project_tar "$release" "$RUN_DIR/share/project.tar"
}

boot_put()
{
	local n=$1 from=${2%%:*} to=${2#*:}

	[[ $2 == *:/* ]] || die "--put wants HOST:GUEST with an absolute GUEST: $2"
	[[ -e $from ]] || die "--put: no such file: $from"
	cp -a "$from" "$RUN_DIR/share/put/$n"
	printf '%s\t%s\n' "$n" "$to" >>"$RUN_DIR/share/put.list"
}

boot_get()
{
	[[ $2 == /*:* ]] || die "--get wants GUEST:HOST with an absolute GUEST: $2"
	printf '%s\t%s\n' "${2%%:*}" "$1" >>"$RUN_DIR/share/get.list"
}

# boot_fetch N GUEST:HOST: after the run; fails with a message when it didn't come.
boot_fetch()
{
	if [[ ! -e $RUN_DIR/share/get/$1 ]]; then
		say "--get: ${2%%:*} did not arrive"
		return 1
	fi
	cp -a "$RUN_DIR/share/get/$1" "${2#*:}"
}

# boot_command STRING: what dom0 shall run.
boot_command()
{
	printf '%s\n' "$1" >"$RUN_DIR/share/command"
}

qemu_arguments()
{
	local image=$BOOT_IMAGE

	QEMU_ARGS=(
		-accel tcg,thread=multi -machine q35 -cpu 'qemu64,+svm,+npt,+lahf_lm'
		-smp 2 -m "$LAB_MEMORY" -display none -vga none -nodefaults -no-reboot -no-user-config
		-serial "file:$RUN_DIR/console" -monitor none
		-kernel "$image/xen"
		-append "dom0_mem=${LAB_DOM0_MEMORY}M com1=115200,8n1 console=com1 loglvl=warning guest_loglvl=all sched=credit $LAB_XEN_ARGS"
		-initrd "$image/vmlinuz console=hvc0 root=/dev/vda rw loglevel=4 systemd.show_status=0 $LAB_KERNEL_ARGS,$image/initrd.img"
		-drive "if=none,id=root,file=$image/dom0.img,format=raw,snapshot=on,cache=unsafe"
		-device virtio-blk-pci,drive=root
		-virtfs "local,path=$RUN_DIR/share,mount_tag=lab,security_model=none,multidevs=remap"
		-device virtio-rng-pci
		-device virtio-serial-pci
	)
}

# boot_run SECONDS: runs it, streams its output; BOOT_STATUS is the command's exit status, or 124
# when it was ended at the timeout, 125 when dom0 went without leaving a status.
boot_run()
{
	local seconds=$1 readers=() qemu_status=0 port out err

	qemu_arguments
	mkfifo "$RUN_DIR/out" "$RUN_DIR/err"
	# Held open here, so that nobody waits in open and the readers end when QEMU and we let go.
	exec {out}<>"$RUN_DIR/out" {err}<>"$RUN_DIR/err"
	cat "$RUN_DIR/out" {out}>&- {err}>&- & readers+=($!)
	cat "$RUN_DIR/err" >&2 {out}>&- {err}>&- & readers+=($!)
	for port in out err; do
		QEMU_ARGS+=(
			-chardev "file,id=$port,path=$RUN_DIR/$port"
			-device "virtserialport,chardev=$port,name=lab.$port"
		)
	done
	TMPDIR=$RUN_DIR timeout -k 5 "$seconds" qemu-system-x86_64 "${QEMU_ARGS[@]}" \
		</dev/null >"$RUN_DIR/qemu.log" 2>&1 {out}>&- {err}>&- &
	QEMU_PID=$!
	echo "$QEMU_PID" >"$RUN_DIR/pid"
	wait "$QEMU_PID" || qemu_status=$?
	QEMU_PID=
	exec {out}>&- {err}>&-
	wait "${readers[@]}" || true
	boot_status "$qemu_status" "$seconds"
}

boot_status()
{
	local qemu_status=$1 seconds=$2

	if [[ -s $RUN_DIR/share/status ]]; then
		BOOT_STATUS=$(<"$RUN_DIR/share/status")
	elif (( qemu_status == 124 || qemu_status == 137 )); then
		BOOT_STATUS=124
		say "dom0 ended after $seconds s; end of its console:"
		tail -n 40 "$RUN_DIR/console" >&2 || true
	else
		BOOT_STATUS=125
		if [[ -n ${BOOT_QUIET:-} ]]; then
			return 0
		fi
		say "dom0 went down without a status (qemu: $qemu_status); end of its console:"
		cat "$RUN_DIR/qemu.log" >&2
		tail -n 40 "$RUN_DIR/console" >&2 || true
	fi
}

# boot_shell: the same with this terminal as root's; BOOT_STATUS is the shell's exit status.
boot_shell()
{
	echo "${TERM:-linux} $(stty size 2>/dev/null || echo 24 80)" >"$RUN_DIR/share/shell"
	qemu_arguments
	say "booting; leave the shell with exit or ^D"
	TMPDIR=$RUN_DIR qemu-system-x86_64 "${QEMU_ARGS[@]}" \
		-chardev stdio,id=shell,signal=off \
		-device virtserialport,chardev=shell,name=lab.shell 2>"$RUN_DIR/qemu.log" || true
	BOOT_STATUS=125
	if [[ -s $RUN_DIR/share/status ]]; then
		BOOT_STATUS=$(<"$RUN_DIR/share/status")
	fi
}

# boot_end KEEP: removes the run folder; KEEP=1 leaves the console and says where.
boot_end()
{
	local kept

	if (( $1 )) && [[ -e $RUN_DIR/console ]]; then
		kept=$LAB_BUILD/console-$(basename "$RUN_DIR").log
		cp "$RUN_DIR/console" "$kept"
		say "console: $kept"
		find "$LAB_BUILD" -maxdepth 1 -name 'console-*.log' -mtime +2 -delete
	fi
	rm -rf "$RUN_DIR"
	RUN_DIR=
}
