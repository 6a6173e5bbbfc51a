/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "proto/migration.h"

static void test_targets(void **state)
{
	static const struct {
		const char *text;
		int want;
		enum migration_via via;
		const char *value; /* or the error */
	} cases[] = {
		{"fd", 0, MIGRATION_FD, ""},
		{"fd:7", 0, MIGRATION_FD, "7"},
		{"file:/a,b:c", 0, MIGRATION_FILE, "/a,b:c"},
		{"unix:/run/x", 0, MIGRATION_UNIX, "/run/x"},
		{"exec:cat >/x; fd:", 0, MIGRATION_EXEC, "cat >/x; fd:"},
		{"fd:", -EINVAL, 0, "target \"fd:\": a descriptor's number is missing"},
		{"exec:", -EINVAL, 0, "target \"exec:\": a command is missing"},
		{"tcp:host:1", -EINVAL, 0,
			"target \"tcp:host:1\": must be fd:NUMBER, file:PATH, unix:PATH or "
			"exec:COMMAND"},
		{"", -EINVAL, 0,
			"target \"\": must be fd:NUMBER, file:PATH, unix:PATH or exec:COMMAND"},
		{"FD:7", -EINVAL, 0,
			"target \"FD:7\": must be fd:NUMBER, file:PATH, unix:PATH or exec:COMMAND"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct migration_target target;
		struct err err = {0};

		assert_int_equal(
			migration_target_parse(cases[i].text, &target, &err), cases[i].want);
		assert_string_equal(cases[i].want ? err.text : target.value, cases[i].value);
		if (!cases[i].want) {
			assert_int_equal(target.via, cases[i].via);
		}
	}
}

static void test_parameters(void **state)
{
	static const struct {
		const char *text, *want; /* JSON, or (not beginning with a brace) the error */
	} cases[] = {
		{"max-bandwidth=0", "{\"max-bandwidth\":0}"},
		{"max-bandwidth=4096", "{\"max-bandwidth\":4096}"},
		{"max-bandwidth=64M", "{\"max-bandwidth\":67108864}"},
		{"max-bandwidth=8388607T", "{\"max-bandwidth\":9223370937343148032}"},
		{"max-bandwidth=8388608T",
			"parameter \"max-bandwidth\": must be a number of bytes (with K, M, G or "
			"T), is 8388608T"},
		{"max-bandwidth=M",
			"parameter \"max-bandwidth\": must be a number of bytes (with K, M, G or "
			"T), is M"},
		{"max-bandwidth=1k",
			"parameter \"max-bandwidth\": must be a number of bytes (with K, M, G or "
			"T), is 1k"},
		{"max-bandwidth=-1",
			"parameter \"max-bandwidth\": must be a number of bytes (with K, M, G or "
			"T), is -1"},
		{"downtime-limit=300", "{\"downtime-limit\":300}"},
		{"downtime-limit=2000001",
			"parameter \"downtime-limit\": must be a number up to 2000000, is 2000001"},
		{"downtime-limit=1M",
			"parameter \"downtime-limit\": must be a number up to 2000000, is 1M"},
		{"downtime-limit=",
			"parameter \"downtime-limit\": must be a number up to 2000000, is "},
		{"cpu-throttle-tailslow=on", "{\"cpu-throttle-tailslow\":true}"},
		{"cpu-throttle-tailslow=yes",
			"parameter \"cpu-throttle-tailslow\": must be on or off, is yes"},
		{"multifd-compression=zstd", "{\"multifd-compression\":\"zstd\"}"},
		{"multifd-compression=none zlib",
			"parameter \"multifd-compression\": must be one of none zlib zstd qatzip "
			"qpl uadk, is none zlib"},
		{"multifd-compression=",
			"parameter \"multifd-compression\": must be one of none zlib zstd qatzip "
			"qpl uadk, is "},
		{"tls-hostname=a=b", "{\"tls-hostname\":\"a=b\"}"},
		{"tls-creds=", "{\"tls-creds\":\"\"}"},
		{"max-bandwith=1",
			"parameter \"max-bandwith\": not one that is known (dmctl(1) lists them)"},
		{"block-bitmap-mapping=x",
			"parameter \"block-bitmap-mapping\": not one that is known (dmctl(1) lists "
			"them)"},
		{"max-bandwidth", "parameter \"max-bandwidth\": must be NAME=VALUE"},
		{"=1", "parameter \"=1\": must be NAME=VALUE"},
		{"a b=1", "parameter \"a b=1\": must be NAME=VALUE"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *into = json_object_new_object();
		struct err err = {0};
		int r = migration_parameter_parse(cases[i].text, into, &err);

		assert_string_equal(
			r < 0 ? err.text
			      : json_object_to_json_string_ext(into, JSON_C_TO_STRING_PLAIN),
			cases[i].want);
		if (r == 0) { /* what dmctl makes, the daemon takes */
			assert_int_equal(migration_parameters_check(into, &err), 0);
			assert_int_equal(
				migration_parameter_parse(cases[i].text, into, &err), -EINVAL);
			assert_non_null(strstr(err.text, "comes twice"));
		}
	}
}

/* From a client of the control socket, who may send anything. */
static void test_parameters_as_json(void **state)
{
	static const struct {
		const char *json, *want; /* NULL: all is well */
	} cases[] = {
		{"{}", NULL},
		{"{\"max-bandwidth\": 1, \"mode\": \"normal\", \"direct-io\": true}", NULL},
		{"{\"max-bandwidth\": \"1\"}", "\"max-bandwidth\": must be a number of bytes"},
		{"{\"max-bandwidth\": -1}", "\"max-bandwidth\": must be a number of bytes"},
		{"{\"max-bandwidth\": 1.5}", "\"max-bandwidth\": must be a number of bytes"},
		{"{\"max-bandwidth\": 18446744073709551615}", "must be a number of bytes"},
		{"{\"max-bandwidth\": null}", "must be a number of bytes"},
		{"{\"downtime-limit\": 2000001}", "must be a number up to 2000000"},
		{"{\"mode\": \"fast\"}", "must be one of normal cpr-reboot"},
		{"{\"mode\": {}}", "must be one of normal cpr-reboot"},
		{"{\"direct-io\": 1}", "must be on or off"},
		{"{\"tls-creds\": null}", "must be a text"},
		{"{\"x\": 1}", "parameter \"x\": not one that is known"},
	};
	_cleanup_json_ struct json_object *many = json_object_new_object();
	_cleanup_free_ char *long_text = NULL;
	struct err err = {0};
	char name[16];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *json = json_tokener_parse(cases[i].json);
		int r = migration_parameters_check(json, &err);

		assert_int_equal(r, cases[i].want ? -EINVAL : 0);
		if (r < 0 && !strstr(err.text, cases[i].want)) {
			fail_msg("%s: %s", cases[i].json, err.text);
		}
	}
	for (int i = 0; i <= LIMIT_MIGRATION_OPTIONS; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		json_object_object_add(many, name, json_object_new_boolean(true));
	}
	assert_int_equal(migration_parameters_check(many, &err), -E2BIG);
	assert_int_equal(migration_capabilities_check(many, &err), -E2BIG);
	assert_int_equal(migration_parameters_check(NULL, &err), 0);
	assert_true(asprintf(&long_text, "{\"tls-creds\": \"%0*d\"}",
			    LIMIT_MIGRATION_TEXT_BYTES + 1, 0) > 0);
	{
		_cleanup_json_ struct json_object *json = json_tokener_parse(long_text);

		assert_int_equal(migration_parameters_check(json, &err), -EINVAL);
	}
}

static void test_capabilities(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"x-ignore-shared=on", "{\"x-ignore-shared\":true}"},
		{"multifd=off", "{\"multifd\":false}"},
		{"multifd=1", "capability \"multifd\": must be on or off, is \"1\""},
		{"multifd", "capability \"multifd\": must be NAME=VALUE"},
		{"\x1b[=on", "capability \"\x1b[=on\": must be NAME=VALUE"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *into = json_object_new_object();
		struct err err = {0};
		int r = migration_capability_parse(cases[i].text, into, &err);

		assert_string_equal(
			r < 0 ? err.text
			      : json_object_to_json_string_ext(into, JSON_C_TO_STRING_PLAIN),
			cases[i].want);
	}
}

/* What undoes a change, from answers that may be anything. */
static void test_now(void **state)
{
	static const struct {
		bool parameters;
		const char *wanted, *body, *want;
		int code;
	} cases[] = {
		{false, "{\"a\": true, \"b\": false}",
			"[{\"capability\": \"b\", \"state\": true}, {\"capability\": \"c\", "
			"\"state\": true}, {\"capability\": \"a\", \"state\": false}]",
			"{\"a\":false,\"b\":true}", 0},
		{false, "{\"a\": true}", "[]", "no migration capability \"a\"", -ENOENT},
		{false, "{\"a\": true}", "{}", "is no list", -EBADMSG},
		{false, "{\"a\": true}", "[7, null, \"a\", [], {}]",
			"no migration capability \"a\"", -ENOENT},
		{false, "{\"a\": true}", "[{\"capability\": \"a\", \"state\": \"on\"}]",
			"no migration capability \"a\"", -ENOENT},
		{true, "{\"max-bandwidth\": 1}", "{\"max-bandwidth\": 5, \"x\": 1}",
			"{\"max-bandwidth\":5}", 0},
		{true, "{\"tls-creds\": \"a\"}", "{}", "{\"tls-creds\":\"\"}", 0},
		{true, "{\"max-bandwidth\": 1}", "{}", "no migration parameter \"max-bandwidth\"",
			-ENOENT},
		{true, "{\"max-bandwidth\": 1}", "[]", "is no object", -EBADMSG},
		{true, "{\"max-bandwidth\": 1}", "{\"max-bandwidth\": -5}",
			"\"max-bandwidth\" is of another kind", -EBADMSG},
		{true, "{\"max-bandwidth\": 1}", "{\"max-bandwidth\": {\"a\": 1}}",
			"\"max-bandwidth\" is of another kind", -EBADMSG},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *wanted = json_tokener_parse(cases[i].wanted);
		_cleanup_json_ struct json_object *body = json_tokener_parse(cases[i].body);
		_cleanup_json_ struct json_object *now = NULL;
		struct err err = {0};
		int r = cases[i].parameters ? migration_parameters_now(wanted, body, &now, &err)
					    : migration_capabilities_now(wanted, body, &now, &err);
		const char *got =
			r < 0 ? err.text
			      : json_object_to_json_string_ext(now, JSON_C_TO_STRING_PLAIN);

		assert_int_equal(r, cases[i].code);
		if (!strstr(got, cases[i].want)) {
			fail_msg("%zu: %s", i, got);
		}
	}
}

static void test_progress(void **state)
{
	static const struct {
		const char *body;
		enum migration_stage stage;
		const char *json;
	} cases[] = {
		{"{}", MIGRATION_NONE, "{\"status\":\"none\"}"},
		{"{\"status\": \"setup\"}", MIGRATION_UNDER_WAY, "{\"status\":\"setup\"}"},
		{"{\"status\": \"active\", \"total-time\": 5, \"ram\": {\"transferred\": 1, "
		 "\"remaining\": 2, \"total\": 3, \"more\": 4}}",
			MIGRATION_UNDER_WAY,
			"{\"status\":\"active\",\"transferred\":1,\"remaining\":2,\"total\":3,"
			"\"total_"
			"ms\":5}"},
		{"{\"status\": \"completed\", \"downtime\": 7, \"ram\": 7}", MIGRATION_COMPLETED,
			"{\"status\":\"completed\",\"downtime_ms\":7}"},
		{"{\"status\": \"failed\", \"error-desc\": \"no \\u001b[2J space\"}",
			MIGRATION_FAILED, "{\"status\":\"failed\",\"reason\":\"no ?[2J space\"}"},
		{"{\"status\": \"cancelled\"}", MIGRATION_CANCELLED, "{\"status\":\"cancelled\"}"},
		{"{\"status\": \"no-such-word\"}", MIGRATION_UNDER_WAY,
			"{\"status\":\"no-such-word\"}"},
		{"{\"status\": \"0123456789012345678901234567890123456789\"}", MIGRATION_UNDER_WAY,
			"{\"status\":\"01234567890123456789012345678901\"}"},
		{"{\"status\": \"active\", \"ram\": {\"transferred\": -1, \"remaining\": \"2\", "
		 "\"total\": 1e3}, \"downtime\": {}, \"error-desc\": 7}",
			MIGRATION_UNDER_WAY, "{\"status\":\"active\"}"},
	};
	static const char *const bad[] = {
		"[]", "7", "null", "\"active\"", "{\"status\": 7}", "{\"status\": null}"};
	struct migration_progress p;
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *body = json_tokener_parse(cases[i].body);
		_cleanup_json_ struct json_object *json = NULL;

		assert_int_equal(migration_progress_read(body, &p, &err), 0);
		assert_int_equal(p.stage, cases[i].stage);
		json = migration_progress_json(&p);
		assert_string_equal(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN),
			cases[i].json);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_json_ struct json_object *body = json_tokener_parse(bad[i]);

		assert_int_equal(migration_progress_read(body, &p, &err), -EBADMSG);
		assert_int_equal(p.stage, MIGRATION_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_parameters_as_json),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_now),
		cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
