/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/libxl-differences.md has a section for each difference, and no other; and the planner uses
 * each: see the cases of test_libxlplan. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/libxldiff.h"
#include "lib/limits.h"
#include "lib/readfile.h"

#define HEADING "\n## "

static void test_documented(void **state)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	unsigned headings = 0, named = 0;
	struct err err = {0};
	size_t len;

	assert_true(
		asprintf(&path, "%s/docs/libxl-differences.md", getenv("XENDMD_TEST_SOURCE")) > 0);
	if (readfile(AT_FDCWD, path, LIMIT_JSON_BYTES, &text, &len, &err) < 0) {
		fail_msg("%s: %s", path, err.text);
	}
	for (const char *p = text; (p = strstr(p, HEADING)); p += strlen(HEADING)) {
		headings++;
	}
	for (unsigned i = 0; i < _LIBXLDIFF_MAX; i++) {
		char heading[64];

		assert_non_null(libxldiff_name(i));
		snprintf(heading, sizeof(heading), HEADING "%s\n", libxldiff_name(i));
		if (!strstr(text, heading)) {
			fail_msg("no section \"%s\"", libxldiff_name(i));
		}
		named++;
	}
	assert_int_equal(headings, named);
	assert_null(libxldiff_name(_LIBXLDIFF_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_documented)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
