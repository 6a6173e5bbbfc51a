/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/jsonscan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "lib/jsonstr.h"
#include "lib/limits.h"

enum expect { EXPECT_VALUE, EXPECT_ELEMENT, EXPECT_FIRST, EXPECT_KEY, EXPECT_NEXT, EXPECT_END };

struct key {
	const char *raw; /* without its quotes */
	size_t len;
	bool plain; /* printable ASCII without escapes, as nearly all are */
};

struct frame {
	bool object;
	struct key key;	  /* of the member that is being read */
	size_t index;	  /* of the element that is being read */
	size_t first_key; /* in scan::keys */
};

struct scan {
	const char *text;
	size_t len, at;
	enum expect expect;
	struct frame frames[LIMIT_JSON_DEPTH];
	unsigned depth, values;
	struct key *keys; /* of all open objects, innermost last */
	size_t keys_len, keys_size;
	struct jsonscan_error *error;
	const struct jsonscan_step *steps; /* what is looked for, if anything */
	size_t steps_len;
	struct jsonscan_value *found;
	bool checks; /* the whole; else it ends with what is looked for */
	bool started, done;
	const struct jsonscan_bounds *bounds;
};

/* What no caller may exceed. */
static const struct jsonscan_bounds widest = {
	.depth = LIMIT_JSON_DEPTH,
	.members = LIMIT_JSON_VALUES,
	.key_bytes = SIZE_MAX,
	.string_bytes = SIZE_MAX,
	.number_bytes = SIZE_MAX,
};

void jsonscan_path_add_key(char *path, size_t size, const char *key, size_t len)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t at = strlen(path), shown = len > 48 ? 48 : len;
	bool is_plain = len > 0 && len == shown;
	char copy[49];

	while (shown < len && shown && ((unsigned char)key[shown] & 0xc0) == 0x80) {
		shown--;
	}
	for (size_t i = 0; i < shown; i++) {
		unsigned char c = key[i];

		is_plain = is_plain && memchr(plain, c, sizeof(plain) - 1);
		copy[i] = c < 0x20 || c == 0x7f || c == '"' || c == '\\' ? '?' : (char)c;
	}
	copy[shown] = '\0';
	if (is_plain) {
		snprintf(path + at, size - at, "%s%s", at ? "." : "", copy);
	} else {
		snprintf(path + at, size - at, "[\"%s%s\"]", copy, shown < len ? "..." : "");
	}
}

void jsonscan_path_add_index(char *path, size_t size, size_t index)
{
	size_t at = strlen(path);

	snprintf(path + at, size - at, "[%zu]", index);
}

struct jsonscan_place jsonscan_place_at(const char *text, size_t offset)
{
	struct jsonscan_place place = {1, 1};

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			place.line++;
			place.column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			place.column++;
		}
	}
	return place;
}

static void format_path(const struct scan *s, char path[JSONSCAN_PATH_MAX])
{
	path[0] = '\0';
	for (unsigned i = 0; i < s->depth; i++) {
		const struct frame *f = &s->frames[i];

		if (!f->object) {
			jsonscan_path_add_index(path, JSONSCAN_PATH_MAX, f->index);
		} else if (f->key.raw) {
			jsonscan_path_add_key(path, JSONSCAN_PATH_MAX, f->key.raw, f->key.len);
		}
	}
}

static int fail_at(struct scan *s, size_t offset, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail_at(struct scan *s, size_t offset, const char *fmt, ...)
{
	va_list ap;

	s->error->place = jsonscan_place_at(s->text, offset);
	format_path(s, s->error->path);
	va_start(ap, fmt);
	vsnprintf(s->error->text, sizeof(s->error->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int fail_bound(struct scan *s, const char *what, size_t bound)
{
	fail_at(s, s->at, "%s, at most %zu", what, bound);
	return -E2BIG;
}

static int fail_unexpected(struct scan *s, const char *wanted)
{
	unsigned char c;

	if (s->at >= s->len) {
		return fail_at(s, s->at, "the text ends where %s should stand", wanted);
	}
	c = s->text[s->at];
	if (c == '/' || c == '#') {
		return fail_at(s, s->at, "JSON has no comments");
	}
	if (c == '\'') {
		return fail_at(s, s->at, "strings stand in double quotes");
	}
	if (c > 0x20 && c < 0x7f) {
		return fail_at(s, s->at, "\"%c\" where %s should stand", c, wanted);
	}
	return fail_at(s, s->at, "byte 0x%02x where %s should stand", c, wanted);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct scan *s)
{
	while (s->at < s->len && is_blank(s->text[s->at])) {
		s->at++;
	}
}

/* Reads the string at s->at, which is a quote. */
static int scan_string(struct scan *s, struct key *ret)
{
	size_t start = s->at + 1, bad, len = jsonstr_plain_run(s->text + start, s->len - start);
	bool plain = start + len < s->len && s->text[start + len] == '"';
	const char *why;

	if (!plain && jsonstr_check(s->text + start, s->len - start, &len, &bad, &why) < 0) {
		return fail_at(s, start + bad, "%s", why);
	}
	*ret = (struct key){s->text + start, len, plain};
	s->at = start + len + 1;
	return 0;
}

static int scan_number(struct scan *s)
{
	const char *why;
	size_t used;
	int r = jsonstr_check_number(s->text + s->at, s->len - s->at, &used, &why);

	if (r < 0) {
		return fail_at(s, s->at, "%s", why);
	}
	if (used > s->bounds->number_bytes) {
		return fail_bound(s, "a longer number", s->bounds->number_bytes);
	}
	s->at += used;
	return 0;
}

static int scan_word(struct scan *s)
{
	static const char *const good[] = {"true", "false", "null"};
	static const char *const bad[] = {"NaN", "Infinity", "-Infinity"};
	const char *p = s->text + s->at;
	size_t rest = s->len - s->at;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (rest >= strlen(good[i]) && !memcmp(p, good[i], strlen(good[i]))) {
			s->at += strlen(good[i]);
			return 0;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (rest >= strlen(bad[i]) && !strncasecmp(p, bad[i], strlen(bad[i]))) {
			return fail_at(s, s->at, "JSON has no %s", bad[i]);
		}
	}
	return fail_unexpected(s, "a value");
}

static int push(struct scan *s, bool object)
{
	if (s->depth == LIMIT_JSON_DEPTH) {
		return fail_at(s, s->at, "nested deeper than %d", LIMIT_JSON_DEPTH);
	}
	if (s->depth >= s->bounds->depth) {
		return fail_bound(s, "nested deeper", s->bounds->depth);
	}
	s->frames[s->depth++] = (struct frame){.object = object, .first_key = s->keys_len};
	s->at++;
	s->expect = object ? EXPECT_FIRST : EXPECT_ELEMENT;
	return 0;
}

static bool step_fits(const struct frame *f, const struct jsonscan_step *step)
{
	if (!step->key) {
		return !f->object && f->index == step->index;
	}
	return f->object && jsonstr_equals(f->key.raw, f->key.len, step->key);
}

/* A value begins: is it the one that is looked for? */
static void note_start(struct scan *s)
{
	if (!s->found || s->started || s->depth != s->steps_len) {
		return;
	}
	for (size_t i = s->steps_len; i-- > 0;) {
		if (!step_fits(&s->frames[i], &s->steps[i])) {
			return;
		}
	}
	s->started = true;
	s->found->where = s->found->offset = s->at;
	if (s->depth && s->frames[s->depth - 1].object) {
		s->found->where = s->frames[s->depth - 1].key.raw - 1 - s->text;
	}
}

static void value_ended(struct scan *s)
{
	s->expect = s->depth ? EXPECT_NEXT : EXPECT_END;
	if (s->started && s->depth == s->steps_len) {
		s->found->len = s->at - s->found->offset;
		s->started = false;
		s->found = NULL;
		s->done = !s->checks;
	}
}

static int check_string(struct scan *s, const struct key *string, size_t bytes)
{
	if (string->len > bytes) {
		return fail_bound(s, "a longer string", bytes);
	}
	if (s->bounds->no_controls && !string->plain &&
		jsonstr_has_controls(string->raw, string->len)) {
		fail_at(s, s->at, "a control character in a string");
		return -E2BIG;
	}
	return 0;
}

static int scan_scalar(struct scan *s, char c)
{
	struct key string;

	if (c == '"') {
		int r = scan_string(s, &string);

		return r < 0 ? r : check_string(s, &string, s->bounds->string_bytes);
	}
	if ((c >= '0' && c <= '9') ||
		(c == '-' && !(s->at + 1 < s->len && s->text[s->at + 1] == 'I'))) {
		return scan_number(s);
	}
	return scan_word(s);
}

static int scan_value(struct scan *s)
{
	char c = s->at < s->len ? s->text[s->at] : '\0';
	int r;

	if (++s->values > LIMIT_JSON_VALUES) {
		return fail_at(s, s->at, "more than %d values", LIMIT_JSON_VALUES);
	}
	note_start(s);
	if (c == '{' || c == '[') {
		return push(s, c == '{');
	}
	if (c == ']' && s->depth && !s->frames[s->depth - 1].object) {
		return fail_at(s, s->at, "a comma behind the last element");
	}
	r = scan_scalar(s, c);
	if (r == 0) {
		value_ended(s);
	}
	return r;
}

static int compare_decoded(const struct key *x, const struct key *y)
{
	int r;

	if (!x->plain || !y->plain) {
		return jsonstr_compare(x->raw, x->len, y->raw, y->len);
	}
	r = memcmp(x->raw, y->raw, x->len < y->len ? x->len : y->len);
	return r ? r : (x->len > y->len) - (x->len < y->len);
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int r = compare_decoded(x, y);

	if (r) {
		return r;
	}
	return x->raw < y->raw ? -1 : x->raw > y->raw;
}

/* Sorting costs n log n whatever the keys are; a hash table could be flooded. Names the earliest
 * key that repeats another one. */
static int check_duplicates(struct scan *s, struct frame *f)
{
	size_t len = s->keys_len - f->first_key;
	const struct key *first = NULL, *again = NULL;
	struct key *keys;

	if (len < 2) {
		return 0; /* and there may be no array at all */
	}
	keys = s->keys + f->first_key;
	qsort(keys, len, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < len; i++) {
		if (compare_decoded(&keys[i - 1], &keys[i]) == 0 &&
			(!again || keys[i].raw < again->raw)) {
			first = &keys[i - 1];
			again = &keys[i];
		}
	}
	if (!again) {
		return 0;
	}
	f->key = *again;
	return fail_at(s, again->raw - 1 - s->text, "the key stands twice, first in line %u",
		jsonscan_place_at(s->text, first->raw - s->text).line);
}

static int pop(struct scan *s)
{
	struct frame *f = &s->frames[s->depth - 1];

	if (f->object && s->checks) {
		int r = check_duplicates(s, f);

		if (r < 0) {
			return r;
		}
	}
	s->keys_len = f->first_key;
	s->depth--;
	s->at++;
	value_ended(s);
	return 0;
}

static int add_key(struct scan *s, struct key key)
{
	if (!s->checks) {
		return 0;
	}
	if (s->keys_len == s->keys_size) {
		size_t size = s->keys_size ? s->keys_size * 2 : 64;
		struct key *keys = realloc(s->keys, size * sizeof(*keys));

		if (!keys) {
			fail_at(s, s->at, "out of memory");
			return -ENOMEM;
		}
		s->keys = keys;
		s->keys_size = size;
	}
	s->keys[s->keys_len++] = key;
	return 0;
}

static int scan_key(struct scan *s)
{
	struct frame *f = &s->frames[s->depth - 1];
	char c = s->at < s->len ? s->text[s->at] : '\0';
	struct key key;
	int r;

	f->key = (struct key){0};
	if (c == '}' && s->expect == EXPECT_FIRST) {
		return pop(s);
	}
	if (c != '"') {
		return c == '}' ? fail_at(s, s->at, "a comma behind the last member")
				: fail_unexpected(s, "a key");
	}
	r = scan_string(s, &key);
	if (r < 0) {
		return r;
	}
	f->key = key;
	r = check_string(s, &key, s->bounds->key_bytes);
	if (r == 0) {
		r = add_key(s, key);
	}
	if (r < 0) {
		return r;
	}
	skip_blanks(s);
	if (s->at >= s->len || s->text[s->at] != ':') {
		return fail_unexpected(s, "\":\"");
	}
	s->at++;
	s->expect = EXPECT_VALUE;
	return 0;
}

/* A comma or the end of the innermost object or array. */
static int scan_next(struct scan *s)
{
	struct frame *f = &s->frames[s->depth - 1];
	char c = s->at < s->len ? s->text[s->at] : '\0';

	if (c == (f->object ? '}' : ']')) {
		return pop(s);
	}
	if (c != ',') {
		return fail_unexpected(s, f->object ? "\",\" or \"}\"" : "\",\" or \"]\"");
	}
	s->at++;
	f->index++;
	if (f->index >= s->bounds->members) {
		return fail_bound(s, "more members or elements", s->bounds->members);
	}
	s->expect = f->object ? EXPECT_KEY : EXPECT_VALUE;
	return 0;
}

static int scan_step(struct scan *s)
{
	switch (s->expect) {
	case EXPECT_ELEMENT:
		if (s->at < s->len && s->text[s->at] == ']') {
			return pop(s);
		}
		return scan_value(s);
	case EXPECT_VALUE:
		return scan_value(s);
	case EXPECT_FIRST:
	case EXPECT_KEY:
		return scan_key(s);
	case EXPECT_NEXT:
		return scan_next(s);
	case EXPECT_END:
		break;
	}
	s->done = s->at >= s->len;
	return s->done ? 0 : fail_unexpected(s, "the end");
}

static int scan_run(struct scan *s)
{
	int r = 0;

	while (r == 0 && !s->done) {
		skip_blanks(s);
		r = scan_step(s);
	}
	free(s->keys);
	return r;
}

int jsonscan_check(const char *text, size_t len, struct jsonscan_error *ret)
{
	return jsonscan_check_max(text, len, LIMIT_JSON_BYTES, ret);
}

int jsonscan_check_max(const char *text, size_t len, size_t max, struct jsonscan_error *ret)
{
	return jsonscan_check_bounds(text, len, max, &widest, ret);
}

int jsonscan_check_bounds(const char *text, size_t len, size_t max,
	const struct jsonscan_bounds *bounds, struct jsonscan_error *ret)
{
	return jsonscan_check_find(text, len, max, bounds, NULL, NULL, ret);
}

int jsonscan_check_find(const char *text, size_t len, size_t max,
	const struct jsonscan_bounds *bounds, const struct jsonscan_step *step,
	struct jsonscan_value *ret_value, struct jsonscan_error *ret)
{
	struct scan s = {.text = text,
		.len = len,
		.error = ret,
		.steps = step,
		.steps_len = 1,
		.found = ret_value,
		.checks = true,
		.bounds = bounds};

	*ret = (struct jsonscan_error){.place = {1, 1}};
	if (ret_value) {
		*ret_value = (struct jsonscan_value){0};
	}
	if (len > max) {
		return fail_at(&s, 0, "%zu bytes; at most %zu are read", len, max);
	}
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		return fail_at(&s, 0, "JSON has no byte order mark");
	}
	return scan_run(&s);
}

int jsonscan_find(const char *text, size_t len, const struct jsonscan_step *steps, size_t steps_len,
	struct jsonscan_value *ret)
{
	struct jsonscan_value found = {0};
	struct jsonscan_error error;
	struct scan s = {.text = text,
		.len = len,
		.error = &error,
		.steps = steps,
		.steps_len = steps_len,
		.found = &found,
		.bounds = &widest};

	if (scan_run(&s) < 0 || !found.len) {
		return -ENOENT;
	}
	*ret = found;
	return 0;
}

size_t jsonscan_string_offset(const char *raw, size_t len, size_t decoded)
{
	return len < 2 ? 0 : 1 + jsonstr_raw_offset(raw + 1, len - 2, decoded);
}
