/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A queue of bytes in one piece of memory: appended at its end, taken from its front. {0} is empty.
 * How much it may hold is its user's to say.
 */
#include <stddef.h>

struct bytes {
	char *data;
	size_t start, end, capacity; /* held: from start to end */
};
void bytes_fini(struct bytes *b);

/* -ENOMEM: nothing was appended. Moves what is held. */
int bytes_append(struct bytes *b, const char *data, size_t len);

/* What is held, until the next append, trim or fini; not NUL-terminated; NULL before the first. */
static inline char *bytes_head(const struct bytes *b)
{
	return b->data ? b->data + b->start : NULL;
}

static inline size_t bytes_held(const struct bytes *b)
{
	return b->end - b->start;
}

/* LEN of what is held; where it lies it stays until the next append. */
static inline void bytes_take(struct bytes *b, size_t len)
{
	b->start += len;
}

/* An empty one that has more than KEEP bytes of memory gives it back. */
void bytes_trim(struct bytes *b, size_t keep);
