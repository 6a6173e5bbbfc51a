/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/dmask.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/limits.h"

struct answer {
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	bool can;
	char why[160];
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

enum dmask_answer dmask_vnc_password(
	const struct dmask *a, const struct stat *st, const char **ret_why)
{
	for (size_t i = 0; i < a->len; i++) {
		if (is_of(&a->answers[i], st)) {
			*ret_why = a->answers[i].why;
			return a->answers[i].can ? DMASK_CAN : DMASK_CANNOT;
		}
	}
	return DMASK_UNKNOWN;
}

void dmask_note(struct dmask *a, const struct stat *st, const char *why)
{
	struct answer *answer = &a->answers[a->next];

	*answer = (struct answer){
		.dev = st->st_dev, .ino = st->st_ino, .mtime = st->st_mtim, .can = !why};
	snprintf(answer->why, sizeof(answer->why), "%s", why ? why : "");
	a->next = (a->next + 1) % LIMIT_DMASK_KEPT;
	a->len = a->len < LIMIT_DMASK_KEPT ? a->len + 1 : a->len;
}
