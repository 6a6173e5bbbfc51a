/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/dmask.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/qemuopt.h"

struct answer {
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	enum dmask_answer vnc_password;
	char why[160];
	unsigned version; /* 0: not asked yet */
};

struct dmask {
	struct answer answers[LIMIT_DMASK_KEPT];
	size_t len, next;
};

struct dmask *dmask_new(void)
{
	return calloc(1, sizeof(struct dmask));
}

struct dmask *dmask_free(struct dmask *a)
{
	free(a);
	return NULL;
}

static bool is_of(const struct answer *answer, const struct stat *st)
{
	return answer->dev == st->st_dev && answer->ino == st->st_ino &&
	       answer->mtime.tv_sec == st->st_mtim.tv_sec &&
	       answer->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

static const struct answer *find(const struct dmask *a, const struct stat *st)
{
	for (size_t i = 0; i < a->len; i++) {
		if (is_of(&a->answers[i], st)) {
			return &a->answers[i];
		}
	}
	return NULL;
}

static struct answer *find_or_add(struct dmask *a, const struct stat *st)
{
	const struct answer *found = find(a, st);
	struct answer *answer = &a->answers[a->next];

	if (found) {
		return &a->answers[found - a->answers];
	}
	*answer = (struct answer){.dev = st->st_dev, .ino = st->st_ino, .mtime = st->st_mtim};
	a->next = (a->next + 1) % LIMIT_DMASK_KEPT;
	a->len = a->len < LIMIT_DMASK_KEPT ? a->len + 1 : a->len;
	return answer;
}

enum dmask_answer dmask_vnc_password(
	const struct dmask *a, const struct stat *st, const char **ret_why)
{
	const struct answer *answer = find(a, st);

	if (!answer) {
		return DMASK_UNKNOWN;
	}
	*ret_why = answer->why;
	return answer->vnc_password;
}

void dmask_note_vnc_password(struct dmask *a, const struct stat *st, const char *why)
{
	struct answer *answer = find_or_add(a, st);

	answer->vnc_password = why ? DMASK_CANNOT : DMASK_CAN;
	snprintf(answer->why, sizeof(answer->why), "%s", why ? why : "");
}

unsigned dmask_version(const struct dmask *a, const struct stat *st)
{
	const struct answer *answer = find(a, st);

	return answer ? answer->version : 0;
}

unsigned dmask_note_version(struct dmask *a, const struct stat *st, const char *text)
{
	return find_or_add(a, st)->version = qemuopt_version(text);
}
