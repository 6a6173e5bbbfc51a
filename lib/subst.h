/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Placeholders of definitions: $NAME, ${NAME}, and $$ for a dollar. One pass: what a value brings
 * in is never looked at again. A name is the longest run of letters, digits and underscores.
 */
#include <stddef.h>

#include "lib/err.h"

enum subst_var {
	SUBST_DOMID,
	SUBST_STUBDOM_ID,
	SUBST_NAME,
	SUBST_UUID,
	SUBST_QMP_SOCKET,
	SUBST_RUN_DIR,
	SUBST_LOG_FILE,
	SUBST_MEMORY_MIB,
	SUBST_VCPUS,
	SUBST_STUBDOM_RESTORE_INCOMING_ARG,
	_SUBST_MAX
};

/* NULL: has no value here. Borrowed. */
struct subst_values {
	const char *values[_SUBST_MAX];
};

/* Are all placeholders known, whatever their values? -EINVAL with ERR (no place in it) and the
 * offset of the wrong one's dollar. */
int subst_check(const char *text, size_t *ret_offset, struct err *err);

/* Replaces them. -EINVAL for an unknown one or one without a value (ERR has "at column N", the
 * column counting characters of TEXT from 1), -E2BIG when the result is over MAX bytes, -ENOMEM.
 */
int subst_expand(const char *text, const struct subst_values *values, size_t max, char **ret,
	struct err *err);

/* "DOMID" */
const char *subst_name(enum subst_var var);
