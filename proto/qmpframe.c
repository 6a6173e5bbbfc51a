/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qmpframe.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define KEEP_BYTES 4096 /* of an empty buffer */

void qmpframe_reset(struct qmpframe *f)
{
	bytes_fini(&f->in);
	*f = (struct qmpframe){.max = f->max, .lines = f->lines};
}

void qmpframe_fini(struct qmpframe *f)
{
	qmpframe_reset(f);
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
	return bytes_append(&f->in, data, len);
}

/* The first LEN bytes are done with. */
static void take(struct qmpframe *f, size_t len)
{
	bytes_take(&f->in, len);
	f->at = 0;
}

/* Nothing whole is there. */
static int none(struct qmpframe *f)
{
	if (bytes_held(&f->in) > f->max) {
		return -EMSGSIZE;
	}
	bytes_trim(&f->in, KEEP_BYTES);
	return 0;
}

/* The message is what was looked at; END more bytes mark its end. */
static int whole(struct qmpframe *f, size_t end, const char **ret, size_t *ret_len)
{
	*ret = bytes_head(&f->in);
	*ret_len = f->at;
	take(f, f->at + end);
	return *ret_len > f->max ? -EMSGSIZE : 1;
}

static int next_line(struct qmpframe *f, const char **ret, size_t *ret_len)
{
	const char *head = bytes_head(&f->in), *end = NULL;
	size_t held = bytes_held(&f->in);

	if (f->at < held) {
		end = memchr(head + f->at, '\n', held - f->at);
	}
	if (!end) {
		f->at = held;
		return none(f);
	}
	f->at = end - head;
	return whole(f, 1, ret, ret_len);
}

static int not_an_object(struct qmpframe *f)
{
	f->depth = 0;
	f->in_string = f->escaped = false;
	f->skipping = true;
	take(f, f->at);
	return -EBADMSG;
}

/* Between objects, where nothing is looked at ahead. False: an object begins. */
static bool skip_blank(struct qmpframe *f, char c, int *ret)
{
	if (f->skipping ? c != '\n' : c && strchr(" \t\r\n", c)) {
		take(f, 1);
		return true;
	}
	if (f->skipping) {
		f->skipping = false;
		take(f, 1);
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

	while (r == 0 && f->at < bytes_held(&f->in)) {
		char c = bytes_head(&f->in)[f->at];

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
			return whole(f, 0, ret, ret_len);
		}
	}
	return r < 0 ? r : none(f);
}

int qmpframe_next(struct qmpframe *f, const char **ret, size_t *ret_len)
{
	return f->lines ? next_line(f, ret, ret_len) : next_object(f, ret, ret_len);
}
