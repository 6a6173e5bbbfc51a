/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The typed description of a machine (contract section 7, the key "qemu" of a definition): JSON
 * with a key for everything, checked against tables, becomes a machine description (lib/vmdesc).
 * Where the tables come from: Kata's govmm, its fields in snake_case; docs/typed-description.md.
 *
 * Two stages of checking. What typed_check() refuses can't be said on any command line. What
 * typed_check_whole() refuses beside that is a part of a machine that is well in itself and can't
 * be started as it stands: a bus that no device makes, a slot that no bus has. So a fragment can be
 * rendered, and only a machine can be started.
 */
#include "lib/err.h"
#include "lib/json.h"
#include "lib/strv.h"
#include "lib/subst.h"
#include "lib/vmdesc.h"

/* What is said of "-daemonize", wherever it stands. */
#define TYPED_NO_DAEMON                                                                            \
	"the process would leave its supervision; xendmd runs it in the background anyway"

/* QEMU is the object. Placeholders are taken for any text. "FILE:LINE: KEY: message". */
int typed_check(const struct json_node *qemu, struct err *err);
int typed_check_whole(const struct json_node *qemu, struct err *err);

struct typed_context {
	const struct subst_values *values; /* NULL: a text with a placeholder stands as it is */
	struct json_object *files;	   /* the definition's; NULL: each name is one descriptor */
	int incoming_fd;		   /* device state to begin with; negative: none */
	unsigned qemu_version; /* MAJOR * 100 + MINOR; what it does not know is refused; 0: unknown
				*/
	/* Check it as typed_check_whole(), as it will be started: VALUES must be given, and a Xen
	 * machine is told its domain. */
	bool whole;
};

/* QEMU (borrowed) has passed typed_check(). Appends its options to RET; NAMES gets those
 * behind "@" as defparts_number_file() does. What a
 * placeholder's value makes wrong is refused here. */
int typed_build(struct json_object *qemu, const struct typed_context *context, struct vmdesc *ret,
	struct strv *names, struct err *err);
