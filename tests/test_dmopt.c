/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"

static void test_is(void **state)
{
	static const struct {
		const char *arg;
		bool is;
	} cases[] = {
		{"-S", true},
		{"--S", true},
		{"S", false},
		{"---S", false},
		{"-", false},
		{"--", false},
		{"", false},
		{"-Sx", false},
		{"-s", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(dmopt_is(cases[i].arg, "-S"), cases[i].is);
	}
}

static void test_find(void **state)
{
	static const char *const items[] = {"-S", "-name", "x", "--incoming", "fd:7", "-m"};
	_cleanup_(strv_fini) struct strv argv = {0};
	struct strv empty = {0};

	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		strv_add(&argv, items[i]);
	}
	assert_false(dmopt_has(&argv, "-S")); /* the program's name */
	assert_true(dmopt_has(&argv, "-m"));
	assert_true(dmopt_has(&argv, "-incoming"));
	assert_string_equal(dmopt_value(&argv, "-incoming"), "fd:7");
	assert_string_equal(dmopt_value(&argv, "-name"), "x");
	assert_null(dmopt_value(&argv, "-m"));
	assert_null(dmopt_value(&argv, "-k"));
	assert_false(dmopt_has(&empty, "-S"));
	assert_null(dmopt_value(&empty, "-S"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
