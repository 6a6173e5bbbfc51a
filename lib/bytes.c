/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 512

void bytes_fini(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

static void compact(struct bytes *b)
{
	if (b->start > 0) {
		memmove(b->data, bytes_head(b), bytes_held(b));
		b->end -= b->start;
		b->start = 0;
	}
}

static int reserve(struct bytes *b, size_t len)
{
	size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;
	char *data;

	while (capacity - b->end < len) {
		capacity *= 2;
	}
	if (capacity == b->capacity) {
		return 0;
	}
	data = realloc(b->data, capacity);
	if (!data) {
		return -ENOMEM;
	}
	b->data = data;
	b->capacity = capacity;
	return 0;
}

int bytes_append(struct bytes *b, const char *data, size_t len)
{
	int r;

	if (len == 0) {
		return 0;
	}
	compact(b);
	r = reserve(b, len);
	if (r == 0) {
		memcpy(b->data + b->end, data, len);
		b->end += len;
	}
	return r;
}

void bytes_trim(struct bytes *b, size_t keep)
{
	if (bytes_held(b) == 0 && b->capacity > keep) {
		bytes_fini(b);
	}
}
