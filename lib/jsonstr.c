/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/jsonstr.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "lib/utf8.h"

/* The value of exactly four hexadecimal digits, -1 when they are none. */
static int hex4(const char *p, size_t len)
{
	int value = 0;

	if (len < 4) {
		return -1;
	}
	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9') {
			value = value << 4 | (c - '0');
		} else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
			value = value << 4 | ((c | 0x20) - 'a' + 10);
		} else {
			return -1;
		}
	}
	return value;
}

static bool is_high(int unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(int unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

/* Length of the escape at P (a backslash), 0 with *RET_WHY when it is wrong. */
static size_t check_escape(const char *p, size_t len, const char **ret_why)
{
	int unit;

	if (len < 2 || !p[1] || !strchr("\"\\/bfnrtu", p[1])) {
		*ret_why = "JSON has no such escape";
		return 0;
	}
	if (p[1] != 'u') {
		return 2;
	}
	unit = hex4(p + 2, len - 2);
	if (unit < 0) {
		*ret_why = "\"\\u\" needs four hexadecimal digits";
		return 0;
	}
	if (unit == 0) {
		*ret_why = "a NUL character is not allowed in a string";
		return 0;
	}
	if (is_high(unit) && len >= 12 && p[6] == '\\' && p[7] == 'u' &&
		is_low(hex4(p + 8, len - 8))) {
		return 12;
	}
	if (is_high(unit) || is_low(unit)) {
		*ret_why = "half of a surrogate pair";
		return 0;
	}
	return 6;
}

size_t jsonstr_plain_run(const char *raw, size_t len)
{
	size_t n = 0;

	while (n < len && (unsigned char)raw[n] >= 0x20 && (unsigned char)raw[n] < 0x7f &&
		raw[n] != '"' && raw[n] != '\\') {
		n++;
	}
	return n;
}

int jsonstr_check(
	const char *raw, size_t len, size_t *ret_len, size_t *ret_bad, const char **ret_why)
{
	const char *why = NULL;
	size_t at = jsonstr_plain_run(raw, len);

	while (at < len && raw[at] != '"') {
		unsigned char c = raw[at];
		size_t step;

		if (c < 0x20) {
			why = c == '\n' ? "the string does not end in its line"
					: "a raw control character in a string";
			step = 0;
		} else if (c == '\\') {
			step = check_escape(raw + at, len - at, &why);
		} else {
			step = utf8_char_len(raw + at, len - at);
			why = "invalid UTF-8";
		}
		if (!step) {
			*ret_bad = at;
			*ret_why = why;
			return -EINVAL;
		}
		at += step;
		at += jsonstr_plain_run(raw + at, len - at);
	}
	if (at >= len) {
		*ret_bad = len;
		*ret_why = "the text ends within a string";
		return -EINVAL;
	}
	*ret_len = at;
	return 0;
}

struct number {
	bool negative, integer, overflow;
	uint64_t value;
	long magnitude; /* power of ten of the first digit that is not 0 */
	bool zero;
};

static size_t count_digits(const char *p, size_t len)
{
	size_t n = 0;

	while (n < len && p[n] >= '0' && p[n] <= '9') {
		n++;
	}
	return n;
}

static void take_integer(struct number *n, const char *p, size_t len)
{
	n->zero = p[0] == '0';
	n->magnitude = (long)len - 1;
	for (size_t i = 0; i < len; i++) {
		n->overflow = n->overflow || __builtin_mul_overflow(n->value, 10, &n->value) ||
			      __builtin_add_overflow(n->value, (uint64_t)(p[i] - '0'), &n->value);
	}
}

static void take_fraction(struct number *n, const char *p, size_t len)
{
	n->integer = false;
	for (size_t i = 0; i < len && n->zero; i++) {
		n->zero = p[i] == '0';
		n->magnitude = -(long)i - 1;
	}
}

static void take_exponent(struct number *n, const char *p, size_t len, bool negative)
{
	long value = 0;

	n->integer = false;
	for (size_t i = 0; i < len && value < 100000000; i++) {
		value = value * 10 + (p[i] - '0');
	}
	n->magnitude += negative ? -value : value;
}

/* A double's largest power of ten is 308, and not all of it: 307 is surely held. */
static bool number_fits(const struct number *n)
{
	if (!n->integer) {
		return n->zero || n->magnitude <= 307;
	}
	return !n->overflow && (!n->negative || n->value <= (uint64_t)INT64_MAX + 1);
}

/* Digits after a "." or an exponent: there must be some. */
static int some_digits(const char *p, size_t len, size_t *ret, const char **ret_why)
{
	*ret = count_digits(p, len);
	if (*ret == 0) {
		*ret_why = "a digit is missing in the number";
		return -EINVAL;
	}
	return 0;
}

int jsonstr_check_number(const char *text, size_t len, size_t *ret_used, const char **ret_why)
{
	struct number n = {.integer = true, .negative = text[0] == '-'};
	size_t at = n.negative, digits;

	if (some_digits(text + at, len - at, &digits, ret_why) < 0) {
		return -EINVAL;
	}
	if (digits > 1 && text[at] == '0') {
		*ret_why = "a number does not begin with 0";
		return -EINVAL;
	}
	take_integer(&n, text + at, digits);
	at += digits;
	if (at < len && text[at] == '.') {
		at++;
		if (some_digits(text + at, len - at, &digits, ret_why) < 0) {
			return -EINVAL;
		}
		take_fraction(&n, text + at, digits);
		at += digits;
	}
	if (at < len && (text[at] | 0x20) == 'e') {
		bool negative = at + 1 < len && text[at + 1] == '-';

		at += 1 + (at + 1 < len && (text[at + 1] == '-' || text[at + 1] == '+'));
		if (some_digits(text + at, len - at, &digits, ret_why) < 0) {
			return -EINVAL;
		}
		take_exponent(&n, text + at, digits, negative);
		at += digits;
	}
	if (!number_fits(&n)) {
		*ret_why = n.integer ? "the number does not fit 64 bits"
				     : "the number does not fit a double";
		return -EINVAL;
	}
	*ret_used = at;
	return 0;
}

/* Walks a raw string byte by byte of what it stands for. */
struct cursor {
	const char *p, *end;
	unsigned char bytes[4];
	unsigned have, used;
};

static unsigned encode_utf8(uint32_t c, unsigned char ret[4])
{
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	unsigned len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (unsigned i = len; i-- > 1; c >>= 6) {
		ret[i] = 0x80 | (c & 0x3f);
	}
	ret[0] = lead[len] | c;
	return len;
}

static size_t decode_escape(const char *p, size_t len, unsigned char ret[4], unsigned *ret_len)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *which;
	uint32_t c;

	if (p[1] != 'u') {
		which = strchr(from, p[1]);
		ret[0] = which ? to[which - from] : p[1];
		*ret_len = 1;
		return 2;
	}
	c = hex4(p + 2, len - 2);
	if (!is_high(c)) {
		*ret_len = encode_utf8(c, ret);
		return 6;
	}
	c = 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 8, len - 8) - 0xdc00);
	*ret_len = encode_utf8(c, ret);
	return 12;
}

/* The next byte, -1 at the end. */
static int cursor_next(struct cursor *c)
{
	if (c->used < c->have) {
		return c->bytes[c->used++];
	}
	if (c->p == c->end) {
		return -1;
	}
	if (*c->p != '\\') {
		return (unsigned char)*c->p++;
	}
	c->p += decode_escape(c->p, c->end - c->p, c->bytes, &c->have);
	c->used = 1;
	return c->bytes[0];
}

int jsonstr_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	struct cursor x = {.p = a, .end = a + a_len}, y = {.p = b, .end = b + b_len};

	for (;;) {
		int c = cursor_next(&x), d = cursor_next(&y);

		if (c != d || c < 0) {
			return c - d;
		}
	}
}

bool jsonstr_equals(const char *raw, size_t len, const char *decoded)
{
	struct cursor x = {.p = raw, .end = raw + len};
	int c;

	while ((c = cursor_next(&x)) >= 0) {
		if (c != (unsigned char)*decoded++) {
			return false;
		}
	}
	return !*decoded;
}

bool jsonstr_has_controls(const char *raw, size_t len)
{
	struct cursor x = {.p = raw, .end = raw + len};
	int c, before = 0;

	while ((c = cursor_next(&x)) >= 0) {
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f ||
			(before == 0xc2 && c < 0xa0)) {
			return true;
		}
		before = c;
	}
	return false;
}

size_t jsonstr_raw_offset(const char *raw, size_t len, size_t decoded)
{
	struct cursor x = {.p = raw, .end = raw + len};
	const char *escape = raw; /* where the bytes that are pending come from */

	for (; decoded > 0; decoded--) {
		if (x.used >= x.have) {
			escape = x.p;
		}
		if (cursor_next(&x) < 0) {
			break;
		}
	}
	return (x.used < x.have ? escape : x.p) - raw;
}
