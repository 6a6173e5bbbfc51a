/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fake/evil.h"

#include <stdio.h>
#include <string.h>

#define FINE "{\"return\": [], \"id\": $}\r\n"
#define GREETING                                                                                   \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 6, \"minor\": 6, \"major\": 6}, "          \
	"\"package\": \"evil\"}, \"capabilities\": [\"oob\"]}}\r\n"
#define K "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk" /* 64 */
#define STAYS                                                                                      \
	{                                                                                          \
		EVIL_STAYS, EVIL_STAYS                                                             \
	}
#define ENDS                                                                                       \
	{                                                                                          \
		EVIL_ENDS, EVIL_ENDS                                                               \
	}
#define NO_MESSAGE "not a QMP message"
#define NO_ANSWER "no answer within"
#define NOT_PASSED_ON "what is not passed on"

const struct evil_attack evil_attacks[] = {
	{"events-endless", FINE, "{\"event\": \"STOP\"}\r\n", -1, NULL, 0, EVIL_FINE, STAYS, NULL},
	{"events-unheard-of", FINE, "{\"event\": \"" K "\", \"data\": {\"a\": [1, 2, 3]}}\r\n", -1,
		NULL, 0, EVIL_FINE, STAYS, NULL},
	/* Large ones: what is counted is bytes. */
	{"events-before", NULL, "{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 78}}\r\n", 2000,
		FINE, 0, EVIL_FINE, STAYS, NULL},
	{"line-endless", "{\"return\": \"", K, -1, NULL, 0, EVIL_ERROR, ENDS,
		"a message of more than"},
	{"line-of-spaces", "{\"return\": ", "        ", -1, NULL, 0, EVIL_ERROR, ENDS,
		"a message of more than"},
	{"reply-2mb", "{\"return\": [\"\"", ", \"" K "\"", 32 * 1024, "], \"id\": $}\r\n", 0,
		EVIL_ERROR, ENDS, "a message of more than"},
	{"nesting-1000", "{\"return\": ", "[", 1000, NULL, 0, EVIL_LATE, {EVIL_STAYS, EVIL_ENDS},
		NULL},
	{"nesting-1000-whole", "{\"return\": ", "[[[[[[[[[[", 100, "1]\r\n", 0, EVIL_ERROR, STAYS,
		NOT_PASSED_ON},
	{"nesting-17", "{\"return\": [[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]], \"id\": $}\r\n", NULL, 0,
		NULL, 0, EVIL_ERROR, STAYS, NOT_PASSED_ON},
	{"members-5000", "{\"return\": [0", ",0", 5000, "], \"id\": $}\r\n", 0, EVIL_ERROR, STAYS,
		NOT_PASSED_ON},
	{"number-huge", "{\"return\": 1", "0", 30, ", \"id\": $}\r\n", 0, EVIL_ERROR, ENDS,
		"does not fit 64 bits"},
	{"number-long", "{\"return\": 1.", "0", 100, ", \"id\": $}\r\n", 0, EVIL_ERROR, STAYS,
		NOT_PASSED_ON},
	{"string-long", "{\"return\": \"", K, 65, "\", \"id\": $}\r\n", 0, EVIL_ERROR, STAYS,
		NOT_PASSED_ON},
	{"key-long", "{\"return\": {\"k", K, 1, "\": 1}, \"id\": $}\r\n", 0, EVIL_ERROR, STAYS,
		NOT_PASSED_ON},
	{"key-twice", "{\"return\": [], \"id\": $, \"return\": [], \"id\": $}\r\n", NULL, 0, NULL,
		0, EVIL_ERROR, ENDS, NO_MESSAGE},
	{"key-twice-inside", "{\"return\": {\"a\": 1, \"\\u0061\": 2}, \"id\": $}\r\n", NULL, 0,
		NULL, 0, EVIL_ERROR, ENDS, NO_MESSAGE},
	{"key-odd-case", "{\"Return\": [], \"id\": $}\r\n", NULL, 0, NULL, 0, EVIL_ERROR, ENDS,
		NO_MESSAGE},
	{"key-odd-case-id", "{\"return\": [], \"ID\": $}\r\n", NULL, 0, NULL, 0, EVIL_ERROR, ENDS,
		NO_MESSAGE},
	{"key-unknown", "{\"return\": [], \"invalid\": 1, \"id\": $}\r\n", NULL, 0, NULL, 0,
		EVIL_ERROR, ENDS, NO_MESSAGE},
	{"return-and-error",
		"{\"return\": [], \"error\": {\"class\": \"a\", \"desc\": \"b\"}, \"id\": $}\r\n",
		NULL, 0, NULL, 0, EVIL_ERROR, ENDS, NO_MESSAGE},
	{"trailing", "{\"return\": [], \"id\": $} x\r\n", NULL, 0, NULL, 0, EVIL_ERROR, ENDS,
		NO_MESSAGE},
	{"two-on-a-line", "{\"return\": [], \"id\": $} {\"return\": [], \"id\": $}\r\n", NULL, 0,
		NULL, 0, EVIL_ERROR, ENDS, NO_MESSAGE},
	{"no-json", "Warning: no such thing\r\n", NULL, 0, NULL, 0, EVIL_ERROR, ENDS, NO_MESSAGE},
	{"empty-lines", NULL, "\r\n", 10, NULL, 0, EVIL_ERROR, ENDS, NO_MESSAGE},
	{"array", "[" FINE, NULL, 0, NULL, 0, EVIL_ERROR, ENDS, NO_MESSAGE},
	{"id-wrong", "{\"return\": [], \"id\": 4711}\r\n", NULL, 0, NULL, 0, EVIL_LATE, STAYS,
		NO_ANSWER},
	{"id-missing", "{\"return\": []}\r\n", NULL, 0, NULL, 0, EVIL_LATE, STAYS, NO_ANSWER},
	{"id-text", "{\"return\": [], \"id\": \"$\"}\r\n", NULL, 0, NULL, 0, EVIL_LATE, STAYS,
		NO_ANSWER},
	{"id-huge", "{\"return\": [], \"id\": 99999999999999999999}\r\n", NULL, 0, NULL, 0,
		EVIL_ERROR, ENDS, "does not fit 64 bits"},
	{"id-float", "{\"return\": [], \"id\": $.0}\r\n", NULL, 0, NULL, 0, EVIL_LATE, STAYS,
		NO_ANSWER},
	/* The answer to what is asked next, before it is asked. */
	{"id-early", FINE "{\"return\": [\"early\"], \"id\": @}\r\n", NULL, 0, NULL, 0, EVIL_FINE,
		STAYS, NULL},
	{"id-repeated", NULL, FINE, 40, NULL, 0, EVIL_FINE, ENDS, NULL},
	{"id-wrong-endless", NULL, "{\"return\": [], \"id\": 4711}\r\n", -1, NULL, 0, EVIL_ERROR,
		ENDS, "nobody asked for"},
	{"errors-endless", FINE, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}\r\n",
		-1, NULL, 0, EVIL_FINE, ENDS, NULL},
	{"second-greeting", GREETING, NULL, 0, NULL, 0, EVIL_ERROR, STAYS, "new session"},
	{"greetings-endless", NULL, GREETING, -1, NULL, 0, EVIL_ERROR, ENDS, "new session"},
	{"silence", NULL, NULL, 0, NULL, 0, EVIL_LATE, STAYS, NO_ANSWER},
	{"half-a-line", "{\"return\": [], ", NULL, 0, NULL, 0, EVIL_LATE, {EVIL_STAYS, EVIL_ENDS},
		NULL},
	{"trickle", FINE, NULL, 0, NULL, 1, EVIL_FINE, STAYS, NULL},
	{"nul", "{\"return\": [\"\x02\"], \"id\": $}\r\n", NULL, 0, NULL, 0, EVIL_ERROR, ENDS,
		NO_MESSAGE},
	{"nul-escaped", "{\"return\": [\"a\\u0000b\"], \"id\": $}\r\n", NULL, 0, NULL, 0,
		EVIL_ERROR, ENDS, NO_MESSAGE},
	{"esc", "{\"return\": [\"\x1b[2J\"], \"id\": $}\r\n", NULL, 0, NULL, 0, EVIL_ERROR, ENDS,
		NO_MESSAGE},
	{"esc-escaped", "{\"return\": [\"\\u001b[2J\"], \"id\": $}\r\n", NULL, 0, NULL, 0,
		EVIL_ERROR, STAYS, NOT_PASSED_ON},
	{"c1-escaped", "{\"return\": [\"\\u009b2J\"], \"id\": $}\r\n", NULL, 0, NULL, 0, EVIL_ERROR,
		STAYS, NOT_PASSED_ON},
	{"utf8-invalid", "{\"return\": [\"\xc0\xaf\xff\"], \"id\": $}\r\n", NULL, 0, NULL, 0,
		EVIL_ERROR, ENDS, NO_MESSAGE},
	{"utf8-raw", "{\"return\": [\"\xc3\xa4\"], \"id\": $}\r\n", NULL, 0, NULL, 0, EVIL_ERROR,
		ENDS, NO_MESSAGE},
	{"surrogate-lone", "{\"return\": [\"\\ud800\"], \"id\": $}\r\n", NULL, 0, NULL, 0,
		EVIL_ERROR, ENDS, NO_MESSAGE},
	{"surrogate-low", "{\"return\": [\"\\udc00\"], \"id\": $}\r\n", NULL, 0, NULL, 0,
		EVIL_ERROR, ENDS, NO_MESSAGE},
	{"marker", "\x01" FINE, NULL, 0, NULL, 0, EVIL_ERROR, ENDS, NO_MESSAGE},
	{"error-esc",
		"{\"error\": {\"class\": \"\\u001b\", \"desc\": \"\\u001b[2Jpwned\\u0007\"}, "
		"\"id\": "
		"$}\r\n",
		NULL, 0, NULL, 0, EVIL_ERROR, STAYS, "?[2Jpwned?"},
	{"error-long", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"", K, 60,
		"\"}, \"id\": $}\r\n", 0, EVIL_ERROR, STAYS, K K},
	{NULL},
};

const struct evil_attack *evil_find(const char *name)
{
	for (const struct evil_attack *a = evil_attacks; a->name; a++) {
		if (!strcmp(a->name, name)) {
			return a;
		}
	}
	return NULL;
}

void evil_begin(struct evil *e, const struct evil_attack *attack, int64_t id)
{
	*e = (struct evil){.attack = attack, .id = id};
}

static void add(struct evil *e, const char *text)
{
	for (; *text && e->len + 24 < sizeof(e->text); text++) {
		if (*text == '$' || *text == '@') {
			e->len += snprintf(e->text + e->len, sizeof(e->text) - e->len, "%lld",
				(long long)e->id + (*text == '@'));
		} else {
			e->text[e->len++] = *text == '\x02' ? '\0' : *text;
		}
	}
}

static bool unit_is_due(const struct evil *e)
{
	return e->attack->unit && (e->attack->times < 0 || e->done < e->attack->times);
}

/* Whole units, as many as a piece holds: an endless one is not to cost the attacker much. */
static void next_units(struct evil *e)
{
	size_t max = strlen(e->attack->unit) + 24;

	while (unit_is_due(e) && e->len + max < sizeof(e->text) - 24) {
		add(e, e->attack->unit);
		e->done++;
	}
}

static void next_piece(struct evil *e)
{
	e->at = e->len = 0;
	while (e->len == 0 && e->part < 3) {
		if (e->part == 1 && unit_is_due(e)) {
			next_units(e);
			continue;
		}
		if (e->part == 0 && e->attack->before) {
			add(e, e->attack->before);
		} else if (e->part == 2 && e->attack->after) {
			add(e, e->attack->after);
		}
		e->part++;
	}
}

size_t evil_say(struct evil *e, char *buf, size_t size)
{
	size_t n;

	if (!e->attack) {
		return 0;
	}
	if (e->at == e->len) {
		next_piece(e);
	}
	n = e->len - e->at < size ? e->len - e->at : size;
	n = e->attack->portion && n > e->attack->portion ? e->attack->portion : n;
	memcpy(buf, e->text + e->at, n);
	e->at += n;
	return n;
}
