/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
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
#include "lib/fsutil.h"
#include "lib/json.h"
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
		{"{\n\"monitor\": {\n\"add\": [\"query-vnc\", \"human-monitor-command\"]}}",
			"qmp-policy.json:3: monitor.add[1]: is every command"},
		{"{\"stats\": {\"add\": [\"human-monitor-command\"]}}", "stats.add[0]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct qmp_policy *p = NULL;
		struct err err = {0};

		assert_int_equal(parse(cases[i].text, &p, &err), -EINVAL);
		assert_non_null(strstr(err.text, cases[i].message));
	}
}

static void test_human_monitor_command(void **state)
{
	struct qmp_policy *p = NULL;
	struct err err;

	assert_int_equal(
		parse("{\"libxl\": {\"remove\": [\"human-monitor-command\"]}, \"admin\": {\"add\": "
		      "[\"human-monitor-command\"]}}",
			&p, &err),
		0);
	assert_false(qmp_policy_allows(p, QMP_CLASS_LIBXL, "human-monitor-command", true));
	assert_true(qmp_policy_allows(p, QMP_CLASS_ADMIN, "human-monitor-command", true));
	qmp_policy_free(p);
}

static void test_load(void **state)
{
	static const char bad[] = "{\"stats\": 1}",
			  good[] = "{\"stats\": {\"remove\": [\"query-block\"]}}";
	char dir[] = "/tmp/xendmd-policy.XXXXXX";
	_cleanup_free_ char *path = NULL, *file = NULL;
	struct qmp_policy *p = NULL;
	struct err err = {0};

	assert_non_null(mkdtemp(dir));
	assert_true(asprintf(&path, "%s/qmp-policy.json", dir) > 0);
	assert_int_equal(qmp_policy_load(&p, dir, &file, &err), 0);
	assert_null(p);
	assert_string_equal(file, path);
	assert_int_equal(fsutil_write_atomic(path, bad, strlen(bad), 0600, false, &err), 0);
	assert_int_equal(qmp_policy_load(&p, dir, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "/qmp-policy.json:1: stats: "));
	assert_null(p);
	assert_int_equal(fsutil_write_atomic(path, good, strlen(good), 0600, false, &err), 0);
	assert_int_equal(qmp_policy_load(&p, dir, NULL, &err), 0);
	assert_false(qmp_policy_allows(p, QMP_CLASS_STATS, "query-block", true));
	qmp_policy_free(p);
	assert_int_equal(fsutil_remove_dir(dir, &err), 0);
}

static void test_keys(void **state)
{
	static const struct {
		const char *text;
		bool its;
	} cases[] = {
		{"{\"stats\": {}}", true},
		{"{\"monitor\": 1}", true},
		{"{\"libxl\": {\"add\": []}}", true},
		{"{\"libxl\": {\"remove\": []}, \"x\": 1}", true},
		{"{\"libxl\": {}}", false},
		{"{\"libxl\": {\"c_info\": {}, \"b_info\": {}}}", false},
		{"{\"libxl\": []}", false},
		{"{\"default_binary\": \"x\"}", false},
		{"{}", false},
		{"[]", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *json = json_tokener_parse(cases[i].text);

		assert_int_equal(qmp_policy_has_its_keys(json), cases[i].its);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_and_remove),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_human_monitor_command),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
