/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where libxl is wrong and we are not: each place in the planner that does something else than
 * libxl 4.17 names one of these, and docs/libxl-differences.md explains each (tests/test_libxldiff
 * keeps the two in step).
 */
#include <stdbool.h>

enum libxldiff {
	LIBXLDIFF_ESCAPING,
	LIBXLDIFF_VNC_IPV6,
	LIBXLDIFF_CDROM_INDEX,
	LIBXLDIFF_DISK_CLASH,
	LIBXLDIFF_RUN_AS,
	LIBXLDIFF_SPICE_PASSWORD,
	LIBXLDIFF_AUDIO_BACKEND,
	LIBXLDIFF_NO_ACPI,
	LIBXLDIFF_MEMORY_SIZE,
	LIBXLDIFF_CIRRUS_MEMORY,
	LIBXLDIFF_MMIO_HOLE,
	LIBXLDIFF_IDS,
	LIBXLDIFF_XENPV_RESTRICT,
	LIBXLDIFF_CHROOT,
	LIBXLDIFF_STUBDOM_RESTRICT,
	LIBXLDIFF_STUBDOM_PATHS,
	LIBXLDIFF_STUBDOM_NEWLINE,
	LIBXLDIFF_QMP_START,
	LIBXLDIFF_QMP_NUMBERS,
	LIBXLDIFF_BINARY,
	LIBXLDIFF_NAME_SLASH,
	LIBXLDIFF_PV_STUBDOM,
	LIBXLDIFF_USB_CONTROLLERS,
	LIBXLDIFF_VIDEO_MEMORY,
	LIBXLDIFF_VIRTIO_DISK,
	_LIBXLDIFF_MAX
};

/* "escaping": the anchor of its section in the document. */
const char *libxldiff_name(enum libxldiff which);
/* Do it our way? WHICH is for the reader. */
static inline bool libxldiff_ours(bool as_libxl, enum libxldiff which)
{
	(void)which;
	return !as_libxl;
}
