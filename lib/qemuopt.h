/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The one place that writes QEMU's options: a machine description becomes arguments.
 *
 * QEMU's rule (util/qemu-option.c, util/keyval.c): properties are separated by commas; a comma in
 * a value is written twice; a first word without "=" is the value of the option's implied key, so
 * a first value that has "=" before its first comma needs its key. Nothing else is special.
 */
#include <stdbool.h>

#include "lib/err.h"
#include "lib/strv.h"
#include "lib/vmdesc.h"

struct qemuopt_style {
	/* libxl escapes nothing: a comma in a value begins a property of its own. */
	bool unescaped;
	/* MAJOR * 100 + MINOR; 0: the oldest that is supported, 7.2. Options that newer versions
	 * spell otherwise (-chroot, -runas) are written as the version wants them. */
	unsigned qemu_version;
};
#define QEMUOPT_OLDEST 702
#define QEMUOPT_NEWEST 1000 /* nothing is written otherwise above it */

/* "MAJOR.MINOR" as MAJOR * 100 + MINOR; 0: TEXT is no version. */
unsigned qemuopt_version(const char *text);

/* The option by which a description says "-incoming" from a file that is open for reading; its text
 * is the descriptor's number. QEMU took it as "fd:" once. */
#define QEMUOPT_INCOMING_FILE "-incoming-file"

/* Appends the arguments to RET. -ENOMEM. */
int qemuopt_print(const struct vmdesc *d, const struct qemuopt_style *style, struct strv *ret,
	struct err *err);

/* Has it the form that QEMU takes for an id: a letter, then letters, digits and "-._"? */
bool qemuopt_is_id(const char *id);

/* Does every "id" stand once among the options of its name, and has the form that QEMU takes?
 * -EINVAL with a sentence that names it. */
int qemuopt_check_ids(const struct vmdesc *d, struct err *err);
