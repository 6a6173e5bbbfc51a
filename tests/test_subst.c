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

#include "lib/cleanup.h"
#include "lib/subst.h"

static const struct subst_values values = {.values = {[SUBST_DOMID] = "7",
						   [SUBST_NAME] = "$UUID",
						   [SUBST_UUID] = "3a97",
						   [SUBST_RUN_DIR] = ""}};

static void test_expand(void **state)
{
	static const struct {
		const char *text, *result, *error;
	} cases[] = {
		{"", "", NULL},
		{"plain", "plain", NULL},
		{"$DOMID", "7", NULL},
		{"${DOMID}", "7", NULL},
		{"vif$DOMID.0-emu", "vif7.0-emu", NULL},
		{"${DOMID}0$DOMID-$DOMID", "707-7", NULL},
		{"$$DOMID", "$DOMID", NULL},
		{"$$$DOMID$$", "$7$", NULL},
		{"$$$$", "$$", NULL},
		{"$RUN_DIR", "", NULL},
		{"a$RUN_DIR/", "a/", NULL},
		{"${DOMID}}", "7}", NULL},
		/* what a value brings in is not looked at again */
		{"$NAME", "$UUID", NULL},
		{"$$NAME$NAME", "$NAME$UUID", NULL},
		{"$", NULL, "\"$\" without a name (a dollar is \"$$\") at column 1"},
		{"a$", NULL, "\"$\" without a name (a dollar is \"$$\") at column 2"},
		{"$ DOMID", NULL, "\"$\" without a name (a dollar is \"$$\") at column 1"},
		{"$-", NULL, "\"$\" without a name (a dollar is \"$$\") at column 1"},
		{"$$$", NULL, "\"$\" without a name (a dollar is \"$$\") at column 3"},
		{"${", NULL, "\"${\" without a name and \"}\" at column 1"},
		{"${DOMID", NULL, "\"${\" without a name and \"}\" at column 1"},
		{"${DOMID:-x}", NULL, "\"${\" without a name and \"}\" at column 1"},
		{"${}", NULL, "\"${\" without a name and \"}\" at column 1"},
		{"$domid", NULL, "unknown placeholder \"$domid\" at column 1"},
		{"$DOMID0", NULL, "unknown placeholder \"$DOMID0\" at column 1"},
		{"$DOMID_", NULL, "unknown placeholder \"$DOMID_\" at column 1"},
		{"\xc3\xa4$DOMI", NULL, "unknown placeholder \"$DOMI\" at column 2"},
		{"$1", NULL, "unknown placeholder \"$1\" at column 1"},
		{"x $VCPUS", NULL, "\"$VCPUS\" has no value here at column 3"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *result = NULL;
		struct err err = {0};
		int r = subst_expand(cases[i].text, &values, 100, &result, &err);

		assert_int_equal(r, cases[i].result ? 0 : -EINVAL);
		if (cases[i].result) {
			assert_string_equal(result, cases[i].result);
		} else {
			assert_null(result);
			assert_string_equal(err.text, cases[i].error);
		}
	}
}

static void test_check(void **state)
{
	static const struct {
		const char *text;
		int offset; /* -1: fine */
	} cases[] = {{"", -1}, {"$$", -1}, {"$VCPUS${STUBDOM_RESTORE_INCOMING_ARG}$LOG_FILE", -1},
		{"ab$", 2}, {"\xc3\xa4$X", 2}, {"$DOMID${X}", 6}, {"$DOMID$", 6}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t offset = 99;
		int r = subst_check(cases[i].text, &offset, NULL);

		assert_int_equal(r, cases[i].offset < 0 ? 0 : -EINVAL);
		assert_int_equal(offset, cases[i].offset < 0 ? 99 : cases[i].offset);
	}
}

static void test_size(void **state)
{
	char *result = NULL;
	struct err err = {0};

	assert_int_equal(subst_expand("ab$DOMID", &values, 3, &result, &err), 0);
	assert_string_equal(result, "ab7");
	free(result);
	result = NULL;
	assert_int_equal(subst_expand("abc$DOMID", &values, 3, &result, &err), -E2BIG);
	assert_string_equal(err.text, "longer than 3 bytes");
	assert_null(result);
}

/* Every name is known, both ways of writing it, and only as a whole. */
static void test_names(void **state)
{
	for (unsigned i = 0; i < _SUBST_MAX; i++) {
		struct subst_values one = {0};
		char text[64];
		char *result = NULL;

		one.values[i] = "v";
		snprintf(text, sizeof(text), "$%s.${%s}", subst_name(i), subst_name(i));
		assert_int_equal(subst_expand(text, &one, 10, &result, NULL), 0);
		assert_string_equal(result, "v.v");
		free(result);
	}
	assert_null(subst_name(_SUBST_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
