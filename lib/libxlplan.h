/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From a libxl configuration to a machine description: what libxl 4.17 tells the device model, in
 * its order (reference/libxl.md sections 2, 3.1 and 5), or the same without libxl's mistakes
 * (lib/libxldiff.h). Reads the users' file and, for a passed-through card, sysfs; nothing else.
 */
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/libxlconf.h"
#include "lib/strv.h"
#include "lib/vmdesc.h"

#define LIBXLPLAN_RUN_DIR "/var/run/xen" /* libxl's XEN_RUN_DIR */
#define LIBXLPLAN_CHROOT "root"		 /* below the domain's run directory: an empty directory */

struct libxlplan_context {
	uint32_t domid;
	bool as_libxl;
	const char *name;	   /* of the domain where the configuration has none; may be NULL */
	const char *xen_run_dir;   /* NULL: LIBXLPLAN_RUN_DIR */
	const char *run_dir;	   /* the daemon's for this domain; not used with as_libxl */
	int incoming_fd;	   /* device state to begin with; negative: none */
	const char *incoming_file; /* the same for qemu-dm, which opens it; NULL: none */
};

/* The device model's options without its program, its environment and the QMP commands that follow
 * its start; for a stub domain what it is told. The configuration must want a device model
 * (libxlconf_kind()). RET is empty on entry. -EINVAL with a sentence that names the key, -ENOMEM.
 */
int libxlplan_build(const struct libxlconf *c, const struct libxlplan_context *context,
	struct vmdesc *ret, struct err *err);

/* The program: what the configuration names, a bare name, or NULL for the host's default. */
const char *libxlplan_program(const struct libxlconf *c, bool as_libxl);

/* What MiniOS's device model does not get to see of its arguments is taken out. */
void libxlplan_minios_args(const struct strv *argv, struct strv *ret);
