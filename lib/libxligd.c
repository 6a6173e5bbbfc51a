/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of a guest's PCI devices are Intel's graphics: /sys/bus/pci/devices, as libxl looks. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/libxlplan_impl.h"
#include "lib/readfile.h"

#define INTEL 0x8086
#define VGA_CLASS 0x030000
#define DISPLAY_CLASS 0x038000

/* -1 when it is not there. */
static long read_attribute(const struct libxl_pci *dev, const char *name)
{
	_cleanup_free_ char *text = NULL;
	char path[128];
	size_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%04x:%02x:%02x.%x/%s",
		(unsigned)dev->domain, (unsigned)dev->bus, (unsigned)dev->dev, (unsigned)dev->func,
		name);
	if (readfile(AT_FDCWD, path, 4096, &text, &len, NULL) < 0) {
		return -1;
	}
	return strtol(text, NULL, 16);
}

bool libxligd_among(const struct libxlconf *c)
{
	for (size_t i = 0; i < c->pcidevs_len; i++) {
		long class = read_attribute(&c->pcidevs[i], "class");

		if (read_attribute(&c->pcidevs[i], "vendor") == INTEL &&
			(class == VGA_CLASS || class == DISPLAY_CLASS)) {
			return true;
		}
	}
	return false;
}
