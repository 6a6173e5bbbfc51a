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

#define GREETING(major)                                                                            \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 1, \"minor\": 2, \"major\": " major        \
	"}, \"package\": \"x\"}, \"capabilities\": [\"oob\"]}}"

static void test_f3_f4_f5_messages(void **state)
{
	static const struct {
		const char *line;
		int status;
		enum qmp_kind kind;
		int64_t id;
	} cases[] = {
		{GREETING("7"), 0, QMP_GREETING, -1},
		{GREETING("1000"), -EBADMSG, 0, 0},
		{GREETING("-1"), -EBADMSG, 0, 0},
		{GREETING("\"7\""), -EBADMSG, 0, 0},
		{"{\"QMP\": {\"version\": {}, \"capabilities\": []}}", -EBADMSG, 0, 0},
		/* F5: keys twice, in another case, unknown, something behind it */
		{"{\"return\": {}, \"return\": 1}", -EBADMSG, 0, 0},
		{"{\"return\": {}, \"\\u0072eturn\": 1}", -EBADMSG, 0, 0},
		{"{\"RETURN\": {}, \"id\": 7}", -EBADMSG, 0, 0},
		{"{\"return\": {}, \"ID\": 7}", -EBADMSG, 0, 0},
		{"{\"return\": {}, \"invalid\": 7}", -EBADMSG, 0, 0},
		{"{\"return\": {}} {}", -EBADMSG, 0, 0},
		{"{\"return\": {}, \"event\": \"STOP\"}", -EBADMSG, 0, 0},
		/* F4 */
		{"{\"return\": \"\\u0000\"}", -EBADMSG, 0, 0},
		{"{\"return\": \"\\ud800\"}", -EBADMSG, 0, 0},
		{"{\"return\": \"\\u001b[31m\"}", -E2BIG, 0, 0},
		{"{\"return\": \"\\b\"}", -E2BIG, 0, 0},
		{"{\"return\": \"\\u009b\"}", -E2BIG, 0, 0},
		{"{\"return\": \"\\r\\n\\t\\u00e4\"}", 0, QMP_RETURN, -1},
		/* F3 */
		{"{\"return\": [[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}", 0, QMP_RETURN, -1},
		{"{\"return\": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", -E2BIG, 0, 0},
		{"{\"return\": 0.000000000000000000000000000000001}", -E2BIG, 0, 0},
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
		{"{\"error\": {\"class\": \"a\", \"desc\": \"b\", \"more\": 1}}", -EBADMSG, 0, 0},
		{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", -E2BIG, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct qmp_message m;
		struct err err = {0};
		int r = qmp_parse(cases[i].line, strlen(cases[i].line), false, &m, &err);

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
		{"inmigrate", {.incoming = true, .incoming_later = true}, QMP_READY},
		{"internal-error", {.stopped = true}, QMP_WAIT},
		{"", {0}, QMP_WAIT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(qmp_readiness(cases[i].status, &cases[i].mode), cases[i].want);
	}
}

static void test_f7_requests(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *command, *id; /* the id also of what is refused */
	} cases[] = {
		{"{\"execute\":\"stop\"}", 0, "stop", NULL},
		{"{\"execute\":\"stop\",\"id\":1.50}", 0, "stop", "1.50"},
		{"{\"execute\":\"stop\",\"id\": {\"a\" : [1]} }", 0, "stop", "{\"a\" : [1]}"},
		{"{\"execute\":\"stop\",\"id\":\"\\u0041\"}", 0, "stop", "\"\\u0041\""},
		{"{\"execute\":\"stop\",\"id\":null}", 0, "stop", "null"},
		{"{\"execute\":\"stop\",\"id\":[\n1]}", -EINVAL, NULL, NULL},
		{"{\"execute\":7,\"id\":3}", -EINVAL, NULL, "3"},
		{"{\"id\":3}", -EINVAL, NULL, "3"},
		{"{\"exec-oob\":\"stop\",\"id\":3}", -EINVAL, NULL, "3"},
		{"{\"execute\":\"stop\",\"control\":{},\"id\":3}", -EINVAL, NULL, "3"},
		{"{\"execute\":\"stop\",\"arguments\":[],\"id\":3}", -EINVAL, NULL, "3"},
		{"{'execute':'stop'}", -EINVAL, NULL, NULL},
		{"{\"execute\":\"stop\",\"execute\":\"cont\"}", -EINVAL, NULL, NULL},
		{"{\"execute\":\"st\\u001bop\"}", -EINVAL, NULL, NULL},
		{"{\"execute\":\"\xff\"}", -EINVAL, NULL, NULL},
		{"", -EINVAL, NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct qmp_request r;
		struct err err = {0};

		assert_int_equal(qmp_request_parse(cases[i].text, strlen(cases[i].text), &r, &err),
			cases[i].status);
		assert_true((r.id != NULL) == (cases[i].id != NULL));
		if (r.id) {
			assert_int_equal(r.id_len, strlen(cases[i].id));
			assert_memory_equal(r.id, cases[i].id, r.id_len);
		}
		if (cases[i].status == 0) {
			assert_string_equal(r.command, cases[i].command);
		} else {
			assert_true(*err.text);
		}
		qmp_request_fini(&r);
	}
}

/* F6: what is written is ASCII, on one line, without what a terminal obeys. */
static void test_f6_text(void **state)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{"{\"a\":[1,-2,1.50,true,null],\"b\":{}}",
			"{\"return\": {\"a\": [1, -2, 1.50, true, null], \"b\": {}}, \"id\": "
			"7}\r\n"},
		{"\"a:b,c\\\"d\\\\\"", "{\"return\": \"a:b,c\\\"d\\\\\", \"id\": 7}\r\n"},
		{"\"\\u001b[31m\\b\\f\\t\\r\\n\x7f\"",
			"{\"return\": \"?[31m??\\t\\r\\n?\", \"id\": 7}\r\n"},
		{"\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\x9b\"",
			"{\"return\": \"\\u00e4 \\u20ac \\ud83d\\ude00 ?\", \"id\": 7}\r\n"},
		{"{\"\xc3\xa4\":18446744073709551615}",
			"{\"return\": {\"\\u00e4\": 18446744073709551615}, \"id\": 7}\r\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_object *json = json_tokener_parse(cases[i].json);
		char *text = qmp_return_text(json, "7");

		assert_string_equal(text, cases[i].text);
		free(text);
		json_object_put(json);
	}
}

static void test_error_text(void **state)
{
	const struct qmp_version version = {.major = 7, .minor = 2, .micro = 22};
	char *text = qmp_error_text("GenericError", "a \"b\"", "\"x\"");

	assert_string_equal(text,
		"{\"id\": \"x\", \"error\": {\"class\": \"GenericError\", \"desc\": "
		"\"a \\\"b\\\"\"}}\r\n");
	free(text);
	text = qmp_error_text("GenericError", "a", NULL);
	assert_string_equal(
		text, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"a\"}}\r\n");
	free(text);
	text = qmp_greeting_text(&version);
	assert_string_equal(text,
		"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
		"\"package\": \"xendmd\"}, \"capabilities\": []}}\r\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_f3_f4_f5_messages),
		cmocka_unit_test(test_f7_requests),
		cmocka_unit_test(test_f6_text),
		cmocka_unit_test(test_error_text),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_readiness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
