/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qmpframe.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES 4096 /* of an empty buffer */

void qmpframe_reset(struct qmpframe *f)
{
	free(f->buf);
	*f = (struct qmpframe){.max = f->max, .lines = f->lines};
}

void qmpframe_fini(struct qmpframe *f)
{
	qmpframe_reset(f);
}

static void compact(struct qmpframe *f)
{
	if (f->start > 0) {
		memmove(f->buf, f->buf + f->start, f->len - f->start);
		f->len -= f->start;
		f->at -= f->start;
		f->start = 0;
	}
}

static int reserve(struct qmpframe *f, size_t len)
{
	size_t capacity = f->capacity ? f->capacity : 512;
	char *buf;

	while (capacity < f->len + len) {
		capacity *= 2;
	}
	if (capacity == f->capacity) {
		return 0;
	}
	buf = realloc(f->buf, capacity);
	if (!buf) {
		return -ENOMEM;
	}
	f->buf = buf;
	f->capacity = capacity;
	return 0;
}

static bool is_line_byte(unsigned char c)
{
	return (c >= 0x20 && c <= 0x7e) || c == '\r' || c == '\n';
}

/* Eight bytes at once, all from 0x20 to 0x7e? Carries may only make it say no. */
static bool are_printable(const char *data)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t w;

	memcpy(&w, data, sizeof(w));
	return !((w | (w + ones) | (w - ones * 0x20)) & ones * 0x80);
}

/* F4. */
static bool are_line_bytes(const char *data, size_t len)
{
	size_t i = 0;

	while (i < len) {
		if (len - i >= sizeof(uint64_t) && are_printable(data + i)) {
			i += sizeof(uint64_t);
		} else if (is_line_byte(data[i])) {
			i++;
		} else {
			return false;
		}
	}
	return true;
}

int qmpframe_feed(struct qmpframe *f, const char *data, size_t len)
{
	if (f->lines && !are_line_bytes(data, len)) {
		return -EBADMSG;
	}
	compact(f);
	if (reserve(f, len) < 0) {
		return -ENOMEM;
	}
	if (len > 0) {
		memcpy(f->buf + f->len, data, len);
	}
	f->len += len;
	return 0;
}

/* Nothing whole is there. */
static int none(struct qmpframe *f)
{
	if (f->len - f->start > f->max) {
		return -EMSGSIZE;
	}
	if (f->start == f->len && f->capacity > KEEP_BYTES) {
		free(f->buf);
		f->buf = NULL;
		f->start = f->at = f->len = f->capacity = 0;
	}
	return 0;
}

/* The message goes from START up to AT. */
static int whole(struct qmpframe *f, const char **ret, size_t *ret_len)
{
	if (f->at - f->start > f->max) {
		return -EMSGSIZE;
	}
	*ret = f->buf + f->start;
	*ret_len = f->at - f->start;
	f->start = f->at;
	return 1;
}

static int next_line(struct qmpframe *f, const char **ret, size_t *ret_len)
{
	char *end = f->at < f->len ? memchr(f->buf + f->at, '\n', f->len - f->at) : NULL;
	int r;

	if (!end) {
		f->at = f->len;
		return none(f);
	}
	f->at = end - f->buf;
	r = whole(f, ret, ret_len);
	f->at++;
	f->start = f->at;
	return r;
}

static int not_an_object(struct qmpframe *f)
{
	f->depth = 0;
	f->in_string = f->escaped = false;
	f->skipping = true;
	f->start = f->at;
	return -EBADMSG;
}

/* Between objects. False: an object begins. */
static bool skip_blank(struct qmpframe *f, char c, int *ret)
{
	if (f->skipping ? c != '\n' : c && strchr(" \t\r\n", c)) {
		f->start = ++f->at;
		return true;
	}
	if (f->skipping) {
		f->skipping = false;
		f->start = ++f->at;
		return true;
	}
	if (c != '{') {
		*ret = not_an_object(f);
		return true;
	}
	return false;
}

static void count_nesting(struct qmpframe *f, char c)
{
	if (f->escaped) {
		f->escaped = false;
	} else if (c == '"') {
		f->in_string = !f->in_string;
	} else if (f->in_string) {
		f->escaped = c == '\\';
	} else if (c == '{' || c == '[') {
		f->depth++;
	} else if (c == '}' || c == ']') {
		f->depth--;
	}
}

static int next_object(struct qmpframe *f, const char **ret, size_t *ret_len)
{
	int r = 0;

	while (r == 0 && f->at < f->len) {
		char c = f->buf[f->at];

		if (f->depth == 0 && skip_blank(f, c, &r)) {
			continue;
		}
		if (f->in_string && c == '\n') {
			return not_an_object(
				f); /* no string has a newline: its end was forgotten */
		}
		count_nesting(f, c);
		f->at++;
		if (f->depth == 0) {
			return whole(f, ret, ret_len);
		}
	}
	return r < 0 ? r : none(f);
}

int qmpframe_next(struct qmpframe *f, const char **ret, size_t *ret_len)
{
	return f->lines ? next_line(f, ret, ret_len) : next_object(f, ret, ret_len);
}
