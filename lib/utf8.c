/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/utf8.h"

#include <stdint.h>
#include <string.h>

/* Length by the lead byte; 0 for bytes that lead nothing (80..c1, f5..ff). */
static unsigned lead_len(unsigned char c)
{
	if (c < 0x80) {
		return 1;
	}
	if (c >= 0xc2 && c <= 0xdf) {
		return 2;
	}
	if (c >= 0xe0 && c <= 0xef) {
		return 3;
	}
	return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

unsigned utf8_char_len(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned n = len ? lead_len(p[0]) : 0;

	if (!n || n > len) {
		return 0;
	}
	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	/* overlong forms, surrogates, above U+10FFFF: told by the second byte */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
		return 0;
	}
	return n;
}

bool utf8_valid(const char *text, size_t len)
{
	while (len) {
		unsigned n = utf8_char_len(text, len);

		if (!n) {
			return false;
		}
		text += n;
		len -= n;
	}
	return true;
}

static bool is_control(const char *text, unsigned len)
{
	unsigned char c = text[0];

	if (len == 1) {
		return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
	}
	return len == 2 && c == 0xc2 && (unsigned char)text[1] < 0xa0;
}

void utf8_make_printable(char *text, size_t len)
{
	while (len) {
		unsigned n = utf8_char_len(text, len);
		unsigned step = n ? n : 1;

		if (!n || is_control(text, n)) {
			memset(text, '?', step);
		}
		text += step;
		len -= step;
	}
}
