/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * QEMU's side of lib/qemuopt, for tests: how it reads an option's properties (opts_do_parse() in
 * util/qemu-option.c), written down a second time; and values rich in what could be special to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"

#define PAIRS_MAX 16
#define VALUE_MAX 40

struct pair {
	char key[32], value[2 * VALUE_MAX];
};

/* A value ends at a comma that has no second one behind it. Returns what follows. */
static inline const char *read_value(const char *text, char *ret)
{
	while (*text) {
		if (*text == ',') {
			if (text[1] != ',') {
				break;
			}
			text++;
		}
		*ret++ = *text++;
	}
	*ret = '\0';
	return text;
}

/* Properties of TEXT; IMPLIED is the key of a first word without "=". */
static inline unsigned read_options(const char *text, const char *implied, struct pair *ret)
{
	unsigned count = 0;

	while (*text) {
		size_t len = strcspn(text, "=,");
		struct pair *p = &ret[count++];

		assert_true(count <= PAIRS_MAX);
		if (text[len] != '=' && count == 1 && implied) {
			snprintf(p->key, sizeof(p->key), "%s", implied);
			text = read_value(text, p->value);
		} else {
			assert_true(len < sizeof(p->key));
			snprintf(p->key, sizeof(p->key), "%.*s", (int)len, text);
			/* without "=" it would be a switch */
			assert_int_equal(text[len], '=');
			text = read_value(text + len + 1, p->value);
		}
		text += *text == ',';
	}
	return count;
}

static inline uint64_t next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Rich in what could be special. */
static inline void make_value(uint64_t *state, char ret[VALUE_MAX])
{
	static const char *const pieces[] = {",", ",", ",,", "=", "\"", "'", "\\", "\n", "\t", " ",
		"$", "%", "a", "on", "id=x", ",id=y", "\xc3\xa4", "\xe2\x82\xac", "help", "?", "/",
		"[", "{", "\x01"};
	unsigned count = next(state) % 8;

	*ret = '\0';
	for (unsigned i = 0; i < count; i++) {
		strcat(ret, pieces[next(state) % ARRAY_SIZE(pieces)]);
	}
}
