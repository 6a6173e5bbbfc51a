/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/parse.h"
#include "lib/strv.h"

static void test_parse_numbers(void **state)
{
	static const struct {
		const char *text;
		int status;
		uint64_t value;
	} cases[] = {{"0", 0, 0}, {"42", 0, 42}, {"100", 0, 100}, {"101", -ERANGE, 0},
		{"", -EINVAL, 0}, {" 1", -EINVAL, 0}, {"1 ", -EINVAL, 0}, {"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0}, {"0x1", -EINVAL, 0}, {"99999999999999999999", -ERANGE, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = 0;

		assert_int_equal(parse_u64(cases[i].text, 100, &value), cases[i].status);
		assert_int_equal(value, cases[i].value);
	}
}

static void test_parse_uuid(void **state)
{
	const char *text = "3a9726f3-6f9e-4b76-b521-824dc667beab";
	char back[UUID_TEXT_LEN + 1];
	uint8_t uuid[16];

	assert_int_equal(parse_uuid(text, uuid), 0);
	uuid_format(uuid, back);
	assert_string_equal(back, text);
	assert_int_equal(parse_uuid("3A9726F3-6F9E-4B76-B521-824DC667BEAB", uuid), 0);
	assert_int_equal(parse_uuid("3a9726f3-6f9e-4b76-b521-824dc667bea", uuid), -EINVAL);
	assert_int_equal(parse_uuid("3a9726f3x6f9e-4b76-b521-824dc667beab", uuid), -EINVAL);
	assert_int_equal(parse_uuid("3a9726f3-6f9e-4b76-b521-824dc667beag", uuid), -EINVAL);
}

static void test_time_format(void **state)
{
	char text[TIME_TEXT_LEN + 1];

	time_format_ms(1795174945017, text);
	assert_string_equal(text, "2026-11-20T11:42:25.017Z");
}

static void test_err(void **state)
{
	struct err err = {0};

	assert_int_equal(err_set(&err, -ENOENT, "no file \"%s\"", "x"), -ENOENT);
	assert_int_equal(err_wrap(&err, "domain %d", 3), -ENOENT);
	assert_string_equal(err.text, "domain 3: no file \"x\"");
	assert_int_equal(err_set_errno(&err, -EACCES, "open"), -EACCES);
	assert_string_equal(err.text, "open: Permission denied");
}

static void test_strv(void **state)
{
	struct strv v = {0};
	char *line;

	assert_null(strv_vector(&v)[0]);
	strv_add(&v, "a");
	strv_addf(&v, "%s %s", "b", "it's");
	strv_setenv(&v, "X", "1");
	strv_setenv(&v, "X", "2");
	assert_int_equal(v.len, 3);
	assert_null(strv_vector(&v)[3]);
	line = strv_join_quoted(&v);
	assert_string_equal(line, "a 'b it'\\''s' X=2");
	free(line);
	assert_int_equal(strv_status(&v), 0);
	strv_fini(&v);
}

/* What goes in comes out in order, however it is cut; memory follows what is held. */
static void test_bytes(void **state)
{
	struct bytes b = {0};
	unsigned char in = 0, out = 0;
	char part[700];

	assert_null(bytes_head(&b));
	for (size_t step = 1; step < sizeof(part); step += 7) {
		for (size_t i = 0; i < step; i++) {
			part[i] = (char)in++;
		}
		assert_int_equal(bytes_append(&b, part, step), 0);
		while (bytes_held(&b) > step / 2) {
			assert_int_equal((unsigned char)*bytes_head(&b), out++);
			bytes_take(&b, 1);
		}
	}
	assert_true(bytes_held(&b) > 0 && b.capacity <= 2048);
	bytes_trim(&b, 0);
	assert_int_equal((unsigned char)*bytes_head(&b), out);
	bytes_take(&b, bytes_held(&b));
	bytes_trim(&b, b.capacity);
	assert_non_null(b.data);
	assert_int_equal(bytes_append(&b, part, 0), 0);
	assert_int_equal(bytes_held(&b), 0);
	bytes_trim(&b, 0);
	assert_null(b.data);
	bytes_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_numbers),
		cmocka_unit_test(test_parse_uuid),
		cmocka_unit_test(test_time_format),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_strv),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
