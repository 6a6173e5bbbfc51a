/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Contract section 4.1, to the letter. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "proto/status.h"

static void assert_json(struct json_object *json, const char *expected)
{
	assert_string_equal(json_object_to_json_string_ext(
				    json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
		expected);
	json_object_put(json);
}

static void test_full(void **state)
{
	const struct dm_status status = {
		.domid = 3,
		.uuid = "11111111-2222-3333-4444-555555555555",
		.name = "web1",
		.kind = DM_KIND_QEMU,
		.state = DM_EXITED,
		.pid = 4711,
		.source = "definition:/etc/xendmd/domains.d/web1.json",
		.since_ms = 1,
		.start_ms = 412,
		.log = "/var/log/xen/qemu-dm-web1.log",
		.reason = "ended",
		.exit = {EXIT_HOW_SIGNAL, SIGKILL},
	};

	assert_json(dm_status_to_json(&status),
		"{\"domid\":3,\"uuid\":\"11111111-2222-3333-4444-555555555555\",\"name\":\"web1\","
		"\"kind\":\"qemu\",\"state\":\"exited\",\"pid\":4711,\"stubdom\":null,"
		"\"source\":\"definition:/etc/xendmd/domains.d/web1.json\","
		"\"since\":\"1970-01-01T00:00:00.001Z\",\"start_ms\":412,\"qmp\":null,"
		"\"log\":\"/var/log/xen/qemu-dm-web1.log\",\"reason\":\"ended\","
		"\"exit\":{\"signal\":\"SIGKILL\"}}");
}

/* A member of those alone that have one. */
static void test_migration(void **state)
{
	const struct dm_status status = {.domid = 4, .start_ms = -1, .migration = "completed"};
	struct json_object *json = dm_status_to_json(&status);

	assert_string_equal(
		json_object_get_string(json_object_object_get(json, "migration")), "completed");
	json_object_put(json);
}

static void test_empty(void **state)
{
	const struct dm_status status = {.domid = 4, .state = DM_UNMANAGED, .start_ms = -1};

	assert_json(dm_status_to_json(&status),
		"{\"domid\":4,\"uuid\":\"\",\"name\":null,\"kind\":null,\"state\":\"unmanaged\","
		"\"pid\":null,\"stubdom\":null,\"source\":null,\"since\":null,\"start_ms\":null,"
		"\"qmp\":null,\"log\":null,\"reason\":null,\"exit\":null}");
}

static void test_exit(void **state)
{
	static const struct {
		struct exit_info exit;
		const char *json, *text;
	} cases[] = {
		{{EXIT_HOW_CODE, 0}, "{\"code\":0}", "exit code 0"},
		{{EXIT_HOW_CODE, 255}, "{\"code\":255}", "exit code 255"},
		{{EXIT_HOW_SIGNAL, SIGSEGV}, "{\"signal\":\"SIGSEGV\"}", "signal SIGSEGV"},
		{{EXIT_HOW_UNKNOWN, 9}, NULL, "no exit status known"},
	};
	char text[48];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_object *json = exit_info_to_json(&cases[i].exit);

		assert_string_equal(exit_info_text(&cases[i].exit, text), cases[i].text);
		if (cases[i].json) {
			assert_json(json, cases[i].json);
		} else {
			assert_null(json);
		}
	}
}

static void test_names(void **state)
{
	enum dm_state word;
	enum dm_kind kind;

	for (int i = 0; i < _DM_STATE_MAX; i++) {
		assert_int_equal(dm_state_parse(dm_state_name(i), &word), 0);
		assert_int_equal(word, i);
	}
	assert_null(dm_kind_name(DM_KIND_UNKNOWN));
	for (int i = DM_KIND_UNKNOWN + 1; i < _DM_KIND_MAX; i++) {
		assert_int_equal(dm_kind_parse(dm_kind_name(i), &kind), 0);
		assert_int_equal(kind, i);
	}
	assert_true(dm_state_parse("Running", &word) < 0);
	assert_true(dm_state_parse("", &word) < 0);
	assert_true(dm_kind_parse("qemu ", &kind) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_migration),
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
