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
#include "proto/qmp.h"

static void test_parse(void **state)
{
	static const struct {
		const char *line;
		int status;
		enum qmp_kind kind;
		int64_t id;
	} cases[] = {
		{"{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}", 0, QMP_GREETING, -1},
		{"{\"return\": {}, \"id\": 7}\r", 0, QMP_RETURN, 7},
		{"{\"return\": {}}", 0, QMP_RETURN, -1},
		{"{\"return\": {}, \"id\": \"x\"}", 0, QMP_RETURN, -1},
		{"{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": 3}", 0,
			QMP_ERROR, 3},
		{"{\"event\": \"STOP\", \"timestamp\": {}}", 0, QMP_EVENT, 0},
		{"{\"error\": \"no\"}", -EBADMSG, 0, 0},
		{"{\"error\": {}}", -EBADMSG, 0, 0},
		{"{\"event\": 5}", -EBADMSG, 0, 0},
		{"{\"QMP\": 1}", -EBADMSG, 0, 0},
		{"{}", -EBADMSG, 0, 0},
		{"[]", -EBADMSG, 0, 0},
		{"null", -EBADMSG, 0, 0},
		{"{\"return\": ", -EBADMSG, 0, 0},
		{"", -EBADMSG, 0, 0},
		{"hello", -EBADMSG, 0, 0},
		{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", -EBADMSG, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct qmp_message m;
		struct err err = {0};
		int r = qmp_parse(cases[i].line, strlen(cases[i].line), &m, &err);

		assert_int_equal(r, cases[i].status);
		if (r < 0) {
			assert_int_not_equal(strlen(err.text), 0);
			continue;
		}
		assert_int_equal(m.kind, cases[i].kind);
		if (m.kind != QMP_EVENT) {
			assert_int_equal(m.id, cases[i].id);
		}
		qmp_message_fini(&m);
	}
}

static void test_command(void **state)
{
	char *line = qmp_command("query-status", NULL, 12);

	assert_string_equal(line, "{\"execute\":\"query-status\",\"id\":12}\n");
	free(line);
}

static void test_readiness(void **state)
{
	static const struct {
		const char *status;
		struct qmp_start_mode mode;
		enum qmp_readiness want;
	} cases[] = {
		{"running", {0}, QMP_READY},
		{"running", {.stopped = true}, QMP_READY},
		{"prelaunch", {0}, QMP_WAIT},
		{"prelaunch", {.stopped = true}, QMP_READY},
		{"prelaunch", {.stopped = true, .incoming = true}, QMP_WAIT},
		{"paused", {0}, QMP_WAIT},
		{"paused", {.stopped = true}, QMP_WAIT},
		{"paused", {.incoming = true}, QMP_WAIT},
		{"paused", {.stopped = true, .incoming = true}, QMP_READY},
		{"inmigrate", {.stopped = true, .incoming = true}, QMP_WAIT},
		{"inmigrate", {.incoming = true, .incoming_defer = true}, QMP_READY},
		{"internal-error", {.stopped = true}, QMP_WAIT},
		{"", {0}, QMP_WAIT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(qmp_readiness(cases[i].status, &cases[i].mode), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_readiness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
