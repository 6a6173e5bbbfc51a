/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/libxldiff.h"

#include <stddef.h>

static const char *const names[] = {
	[LIBXLDIFF_ESCAPING] = "escaping",
	[LIBXLDIFF_VNC_IPV6] = "vnc-ipv6",
	[LIBXLDIFF_CDROM_INDEX] = "cdrom-index",
	[LIBXLDIFF_DISK_CLASH] = "disk-clash",
	[LIBXLDIFF_RUN_AS] = "run-as",
	[LIBXLDIFF_SPICE_PASSWORD] = "spice-password",
	[LIBXLDIFF_AUDIO_BACKEND] = "audio-backend",
	[LIBXLDIFF_NO_ACPI] = "no-acpi",
	[LIBXLDIFF_MEMORY_SIZE] = "memory-size",
	[LIBXLDIFF_CIRRUS_MEMORY] = "cirrus-memory",
	[LIBXLDIFF_MMIO_HOLE] = "mmio-hole",
	[LIBXLDIFF_IDS] = "ids",
	[LIBXLDIFF_XENPV_RESTRICT] = "xenpv-restrict",
	[LIBXLDIFF_CHROOT] = "chroot",
	[LIBXLDIFF_STUBDOM_RESTRICT] = "stubdom-restrict",
	[LIBXLDIFF_STUBDOM_PATHS] = "stubdom-paths",
	[LIBXLDIFF_STUBDOM_NEWLINE] = "stubdom-newline",
	[LIBXLDIFF_QMP_START] = "qmp-start",
	[LIBXLDIFF_QMP_NUMBERS] = "qmp-numbers",
	[LIBXLDIFF_BINARY] = "binary",
	[LIBXLDIFF_NAME_SLASH] = "name-slash",
	[LIBXLDIFF_PV_STUBDOM] = "pv-stubdom",
	[LIBXLDIFF_USB_CONTROLLERS] = "usb-controllers",
	[LIBXLDIFF_VIDEO_MEMORY] = "video-memory",
	[LIBXLDIFF_VIRTIO_DISK] = "virtio-disk",
};

const char *libxldiff_name(enum libxldiff which)
{
	return (unsigned)which < _LIBXLDIFF_MAX ? names[which] : NULL;
}
