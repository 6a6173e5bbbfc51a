/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "daemon/ctl/text.h"

static void test_escape(void **state)
{
	static const struct {
		const char *text, *expected;
		size_t width;
	} cases[] = {
		{"", "", 0},
		{"web-1", "web-1", 5},
		{"d\xc3\xa4tenbank", "d\xc3\xa4tenbank", 9},
		{"\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac", 4}, /* two wide ones */
		{"\x1b[31mred", "\\x1b[31mred", 11},
		{"a\nb\rc\x7f", "a\\x0ab\\x0dc\\x7f", 15},
		{"\xc2\x9b", "\\x9b", 4},		 /* C1: CSI */
		{"\xff\xfe", "\\xff\\xfe", 8},		 /* no UTF-8 */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80", 12}, /* a surrogate */
		{"\xe2\x82", "\\xe2\\x82", 8},		 /* cut off */
		{"\xe2\x80\xae"
		 "cod",
			"\\u202ecod", 9}, /* right to left override */
		{"\xe2\x81\xa6", "\\u2066", 6},
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *escaped = text_escape(cases[i].text);

		assert_string_equal(escaped, cases[i].expected);
		assert_int_equal(text_width(escaped), cases[i].width);
	}
}

static char *print(struct table *table, bool colours)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(table_print(table, out, colours), 0);
	fclose(out);
	return text;
}

static void test_table(void **state)
{
	static const char *const headings[] = {"ID", "NAME", "LAST"};
	static const char *const rows[][3] = {
		{"1", "d\xc3\xa4", "x"}, {"1000", NULL, "a longer one"}, {"7", "", "\x1b"}};
	struct table *table = table_new(headings, 3);
	_cleanup_free_ char *plain = NULL, *coloured = NULL;

	table_add(table, rows[0], 1, "32");
	table_add(table, rows[1], 0, NULL);
	table_add(table, rows[2], 0, NULL);
	plain = print(table, false);
	assert_string_equal(plain, "ID    NAME  LAST\n"
				   "1     d\xc3\xa4    x\n"
				   "1000  -     a longer one\n"
				   "7     -     \\x1b\n");
	coloured = print(table, true);
	assert_non_null(strstr(coloured, "1     \033[32md\xc3\xa4\033[0m    x\n"));
	table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_table),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
