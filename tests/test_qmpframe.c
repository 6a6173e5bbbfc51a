/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends of messages, found in any portions, and streams that have none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "proto/qmpframe.h"

/* Feeds TEXT in portions of STEP bytes; "|" ends each message, "!" stands for -EBADMSG and "#" for
 * -EMSGSIZE, which is the last. */
static void run(struct qmpframe *f, const char *text, size_t len, size_t step, char *ret)
{
	const char *message;
	size_t n;
	int r = 0;

	*ret = '\0';
	for (size_t at = 0; at < len && r != -EMSGSIZE; at += step) {
		r = qmpframe_feed(f, text + at, len - at < step ? len - at : step);
		assert_true(r == 0 || r == -EBADMSG);
		if (r == -EBADMSG) {
			strcat(ret, "X");
			return;
		}
		while ((r = qmpframe_next(f, &message, &n)) != 0 && r != -EMSGSIZE) {
			if (r > 0) {
				strncat(ret, message, n);
				strcat(ret, "|");
			} else {
				strcat(ret, "!");
			}
		}
		if (r == -EMSGSIZE) {
			strcat(ret, "#");
		}
	}
}

static void test_f1_f7_streams(void **state)
{
	static const struct {
		bool lines;
		const char *text, *want;
	} cases[] = {
		{true, "{\"a\": 1}\r\n{}\r\n", "{\"a\": 1}\r|{}\r|"},
		{true, "\n\nx", "||"},
		{true, "0123456789012345678901234567890123456789", "#"},
		{true, "0123456789012345678901234567890123456789\n", "#"},
		{true, "{}\n\x01", "{}|X"},
		{true, "\x1b[31m\n", "X"},
		{true, "\xff\n", "X"},
		{true, "a\tb\n", "X"},
		/* F7: with and without newlines, several at once */
		{false, "{\"a\": 1}{}\r\n {\"b\": [{}]} ", "{\"a\": 1}|{}|{\"b\": [{}]}|"},
		{false, "{\"a\": \"}\\\"{\"}{}", "{\"a\": \"}\\\"{\"}|{}|"},
		{false, "{]}", "{]|!"},
		{false, "hello\n{}", "!{}|"},
		{false, "'x' {}\n{}", "!{}|"},
		{false, "\x01{}\n{}", "!{}|"},
		{false, "{\"a\n{}", "!{}|"},
		{false, "[]\n[]\n{}", "!!{}|"},
		{false, "{\"a\": \"0123456789012345678901234567890123456789", "#"},
		{false, "{                                         }", "#"},
	};
	char got[256], once[256] = "";

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t step = 1; step < 50; step++) {
			struct qmpframe f = {.lines = cases[i].lines, .max = 32};

			run(&f, cases[i].text, strlen(cases[i].text), step, got);
			/* A bad byte is found when its portion comes, before what precedes it. */
			if (strchr(cases[i].want, 'X')) {
				assert_int_equal(got[strlen(got) - 1], 'X');
			} else {
				assert_string_equal(got, cases[i].want);
			}
			qmpframe_fini(&f);
			snprintf(once, sizeof(once), "%s", got);
		}
	}
	assert_true(*once);
}

/* A NUL is a byte like any other. */
static void test_nul(void **state)
{
	struct qmpframe line = {.lines = true, .max = 32}, stream = {.max = 32};
	char got[64];

	run(&line, "{}\0\n", 4, 4, got);
	assert_string_equal(got, "X");
	run(&stream, "\0{}\n{}", 6, 1, got);
	assert_string_equal(got, "!{}|");
	qmpframe_fini(&line);
	qmpframe_fini(&stream);
}

/* A long message does not stay in memory, and the bound holds whatever the portions. */
static void test_f1_f2_memory(void **state)
{
	static char text[300000];
	struct qmpframe f = {.lines = true, .max = 400000};
	const char *message;
	size_t n;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	assert_int_equal(qmpframe_feed(&f, text, sizeof(text)), 0);
	assert_int_equal(qmpframe_next(&f, &message, &n), 1);
	assert_int_equal(n, sizeof(text) - 1);
	assert_int_equal(qmpframe_next(&f, &message, &n), 0);
	assert_int_equal(f.in.capacity, 0);
	f.max = 100;
	assert_int_equal(qmpframe_feed(&f, text, 101), 0);
	assert_int_equal(qmpframe_next(&f, &message, &n), -EMSGSIZE);
	qmpframe_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_f1_f7_streams),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_f1_f2_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
