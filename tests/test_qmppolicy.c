/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "proto/qmppolicy.h"

static int parse(const char *text, struct qmp_policy **ret, struct err *err)
{
	return qmp_policy_parse(ret, "qmp-policy.json", text, strlen(text), err);
}

static void test_add_and_remove(void **state)
{
	struct qmp_policy *p = NULL;
	struct err err;

	assert_int_equal(parse("{\"monitor\": {\"add\": [\"query-vnc\"], \"remove\": "
			       "[\"query-block\"]}, \"admin\": {\"remove\": [\"quit\"]}, "
			       "\"libxl\": {}}",
				 &p, &err),
		0);
	assert_true(qmp_policy_allows(p, QMP_CLASS_MONITOR, "query-vnc", false));
	assert_false(qmp_policy_allows(p, QMP_CLASS_STATS, "query-vnc", false));
	assert_false(qmp_policy_allows(p, QMP_CLASS_MONITOR, "query-block", true));
	assert_true(qmp_policy_allows(p, QMP_CLASS_STATS, "query-block", true));
	assert_false(qmp_policy_allows(p, QMP_CLASS_ADMIN, "quit", true));
	assert_true(qmp_policy_allows(NULL, QMP_CLASS_ADMIN, "quit", true));
	assert_false(qmp_policy_allows(NULL, QMP_CLASS_STATS, "quit", false));
	qmp_policy_free(p);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"[]", "qmp-policy.json:1: "},
		{"{\"root\": {}}", "qmp-policy.json:1: root"},
		{"{\n\"admin\": []}", "qmp-policy.json:2: admin"},
		{"{\"admin\": {\"allow\": []}}", "admin.allow"},
		{"{\"admin\": {\"add\": {}}}", "admin.add"},
		{"{\"admin\": {\"add\": [7]}}", "admin.add[0]"},
		{"{\"admin\": {\"add\": [\"\"]}}", "admin.add[0]"},
		{"{\"admin\": {}, \"admin\": {}}", "admin"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct qmp_policy *p = NULL;
		struct err err = {0};

		assert_int_equal(parse(cases[i].text, &p, &err), -EINVAL);
		assert_non_null(strstr(err.text, cases[i].message));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_and_remove),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
