/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/vncpass.h"

static void test_wanted(void **state)
{
	static const struct {
		const char *option, *value;
		bool wanted;
	} cases[] = {
		{"-vnc", "127.0.0.1:0,password=on,to=99", true},
		{"-vnc", "127.0.0.1:0,password", true},
		{"--vnc", "127.0.0.1:0,to=99,password", true},
		{"-vnc", ":0,password-secret=x", true},
		{"-display", "vnc=:0,password=on", true},
		{"-display", "gtk,password=on", false},
		{"-vnc", "127.0.0.1:0,to=99", false},
		{"-vnc", ":0,password=off", false},
		{"-vnc", ":0,passwordx", false},
		{"-vnc", "password", false},
		{"-vnc", "none", false},
		{"-vnc", "", false},
		{"-vnc", ",", false},
		{"-name", "a,password=on", false},
		{"vnc", ":0,password=on", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strv argv = {0};

		strv_add(&argv, "qemu");
		strv_add(&argv, cases[i].option);
		strv_add(&argv, cases[i].value);
		strv_add(&argv, "-S");
		assert_int_equal(vncpass_wanted(&argv), cases[i].wanted);
		strv_fini(&argv);
	}
}

static void test_cut(void **state)
{
	struct strv argv = {0};

	assert_false(vncpass_wanted(&argv));
	strv_add(&argv, "qemu");
	strv_add(&argv, "-vnc");
	assert_false(vncpass_wanted(&argv));
	strv_fini(&argv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wanted), cmocka_unit_test(test_cut)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
