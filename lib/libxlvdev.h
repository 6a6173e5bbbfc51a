/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of virtual disks: docs/man/xen-vbd-interface.7. */
#include <stdbool.h>

struct libxlvdev {
	unsigned number; /* the PV device's: hda is 768 */
	bool has_index;
	unsigned index; /* 0 for hda, sda and xvda */
};

/* "xvda", "xvda1", "hda", "sda", "d0p0" or a number. -EINVAL. */
int libxlvdev_parse(const char *name, struct libxlvdev *ret);
