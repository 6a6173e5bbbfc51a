/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/mask.h"

static void test_mask(void **state)
{
	static const struct {
		const char *arg, *want;
	} cases[] = {
		{"-spice", "-spice"},
		{"port=5900,password=geheim,disable-ticketing",
			"port=5900,password=***,disable-ticketing"},
		{"password=a,,b,x=1", "password=***,x=1"},
		{"password=", "password=***"},
		{"127.0.0.1:0,password=on", "127.0.0.1:0,password=on"},
		{"x,passwd=1,password=2", "x,passwd=***,password=***"},
		{"password-secret=sec0", "password-secret=sec0"},
		{"my-password=x", "my-password=x"},
		{"secret,id=s,data=abc", "secret,id=s,data=***"},
		{"file,data=abc", "file,data=abc"},
		{"{\"qom-type\": \"secret\", \"data\": \"a\\\"b\", \"id\": \"s\"}",
			"{\"qom-type\": \"secret\", \"data\": \"***\", \"id\": \"s\"}"},
		{"{\"password\":\"open", "{\"password\":\"***"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *masked = mask_secrets(cases[i].arg);

		assert_string_equal(masked, cases[i].want);
		free(masked);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_mask)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
