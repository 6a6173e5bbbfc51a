/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Descriptors that come with a start, for the files of a definition that are {"received": true}
 * (contract section 3). Pure but for closing.
 */
#include <json-c/json.h>

#include "lib/err.h"
#include "lib/limits.h"
#include "lib/strv.h"

struct received {
	struct strv names; /* in the order of the descriptors */
	int fds[LIMIT_RECEIVED_FILES];
	unsigned len; /* of them that are still ours */
};

/* NAMES is a list of texts, FDS_LEN descriptors came; they are taken over when 0 is returned.
 * -EBADF where the numbers differ, -EINVAL for a list that is none or names one twice, -E2BIG. */
int received_new(struct received **ret, struct json_object *names, const int *fds, unsigned fds_len,
	struct err *err);
/* Closes what is left. NULL allowed; returns NULL. */
struct received *received_free(struct received *r);
static inline void received_free_p(struct received **r)
{
	received_free(*r);
}
#define _cleanup_received_ __attribute__((cleanup(received_free_p)))

/* The first file of FILES (a definition's, may be NULL) that is received; NULL: none. Borrowed. */
const char *received_first(struct json_object *files);
/* Is each of R (may be NULL: none) one of FILES that is received, and each of those there? -EINVAL
 * with a sentence that names the one. */
int received_check(const struct received *r, struct json_object *files, struct err *err);
/* Borrowed; -1: there is none of that name. */
int received_fd(const struct received *r, const char *name);
