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
#include "proto/varlink.h"

/* Each way to cut the same bytes gives the same messages. */
static void test_framing_cuts(void **state)
{
	static const char bytes[] = "{\"a\":1}\0{}\0\0{\"b\":2}";
	static const char *const expected[] = {"{\"a\":1}", "{}", "", "{\"b\":2}"};
	size_t len = sizeof(bytes); /* with the last NUL */

	for (size_t step = 1; step <= len; step++) {
		struct varlink_framer f = {.max = 64};
		const char *text;
		size_t found = 0, n;

		for (size_t at = 0; at < len; at += step) {
			size_t part = len - at < step ? len - at : step;

			assert_int_equal(varlink_feed(&f, bytes + at, part), 0);
			while (varlink_next(&f, &text, &n)) {
				assert_true(found < 4);
				assert_string_equal(text, expected[found]);
				assert_int_equal(n, strlen(expected[found]));
				found++;
			}
		}
		assert_int_equal(found, 4);
		assert_int_equal(varlink_held(&f), 0);
		varlink_framer_fini(&f);
	}
}

static void test_framing_limit(void **state)
{
	struct varlink_framer f = {.max = 8};
	const char *text;
	size_t n;

	assert_int_equal(varlink_feed(&f, "12345678", 8), 0);
	assert_false(varlink_pending(&f));
	assert_int_equal(varlink_feed(&f, "9", 1), -EMSGSIZE);
	assert_int_equal(varlink_feed(&f, "", 1), 0);
	assert_true(varlink_pending(&f));
	assert_true(varlink_next(&f, &text, &n));
	assert_string_equal(text, "12345678");
	/* Whole messages may add up to more than one may have. */
	assert_int_equal(varlink_feed(&f, "1234\0005678\0abc", 13), 0);
	assert_int_equal(varlink_feed(&f, "defghi", 6), -EMSGSIZE);
	assert_int_equal(varlink_feed(&f, "\000123456789", 10), -EMSGSIZE);
	varlink_framer_fini(&f);
}

static void test_call_parse(void **state)
{
	static const struct {
		const char *text;
		int status;
		bool oneway, more, upgrade;
	} cases[] = {
		{"{\"method\":\"a.B\"}", 0, false, false, false},
		{"{\"method\":\"a.B\",\"parameters\":{},\"more\":true}", 0, false, true, false},
		{"{\"method\":\"a.B\",\"parameters\":null,\"oneway\":true}", 0, true, false, false},
		{"{\"method\":\"a.B\",\"upgrade\":true,\"more\":false}", 0, false, false, true},
		{"{\"method\":\"a.B\",\"whatever\":[1]}", 0, false, false, false},
		{"{\"method\":\"a.B\",\"x\":\"\xc3\xa4\xf0\x9f\x98\x80\"}", 0, false, false, false},
		{"", -EINVAL, false, false, false},
		{"{}", -EINVAL, false, false, false},
		{"[]", -EINVAL, false, false, false},
		{"null", -EINVAL, false, false, false},
		{"{\"method\":1}", -EINVAL, false, false, false},
		{"{\"method\":\"a\\u0000.B\"}", -EINVAL, false, false, false},
		{"{\"method\":\"a.B\",\"method\":\"a.C\"}", -EINVAL, false, false, false},
		{"{\"method\":\"a.B\",\"parameters\":[]}", -EINVAL, false, false, false},
		{"{\"method\":\"a.B\",\"more\":1}", -EINVAL, false, false, false},
		{"{\"method\":\"a.B\",\"oneway\":\"true\"}", -EINVAL, false, false, false},
		{"{\"method\":\"a.B\"} x", -EINVAL, false, false, false},
		{"{\"method\":\"a.B\"", -EINVAL, false, false, false},
		{"{'method':'a.B'}", -EINVAL, false, false, false},
		{"{\"method\":\"a.\xff\"}", -EINVAL, false, false, false},
		{"{\"method\":\"\xed\xa0\x80\"}", -EINVAL, false, false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct varlink_call call = {0};
		struct err err = {0};
		int r = varlink_call_parse(cases[i].text, strlen(cases[i].text), &call, &err);

		if (r != cases[i].status) {
			fail_msg("%s: %d", cases[i].text, r);
		}
		assert_int_equal(r < 0, err.text[0] != 0);
		assert_int_equal(call.oneway, cases[i].oneway);
		assert_int_equal(call.more, cases[i].more);
		assert_int_equal(call.upgrade, cases[i].upgrade);
		varlink_call_fini(&call);
	}
}

static void test_deep(void **state)
{
	char text[4096] = "{\"method\":\"a.B\",\"parameters\":{\"x\":";
	struct varlink_call call = {0};
	struct err err = {0};
	size_t len = strlen(text);

	memset(text + len, '[', 1000);
	memset(text + len + 1000, ']', 1000);
	strncat(text, "}}", 3);
	assert_int_equal(varlink_call_parse(text, strlen(text), &call, &err), -EINVAL);
}

static void test_builders(void **state)
{
	struct json_object *json = varlink_reply_new(NULL, true);
	size_t len;

	assert_string_equal(varlink_encode(json, &len), "{\"parameters\":{},\"continues\":true}");
	assert_int_equal(len, strlen("{\"parameters\":{},\"continues\":true}") + 1);
	json_object_put(json);
	json = varlink_error_text("a.E", "message", "x/y\n");
	assert_string_equal(varlink_encode(json, &len),
		"{\"parameters\":{\"message\":\"x/y\\n\"},\"error\":\"a.E\"}");
	json_object_put(json);
	json = varlink_call_new("a.B", varlink_raw_new("{\"raw\":1}zzz", 9), false);
	assert_string_equal(
		varlink_encode(json, &len), "{\"parameters\":{\"raw\":1},\"method\":\"a.B\"}");
	json_object_put(json);
}

static void test_params(void **state)
{
	static const struct {
		const char *text, *bad;
	} cases[] = {
		{"{\"s\":\"x\"}", NULL},
		{"{\"s\":\"x\",\"b\":true,\"n\":7}", NULL},
		{"{\"s\":\"x\",\"b\":null}", NULL},
		{"{}", "s"},
		{"{\"s\":null}", "s"},
		{"{\"s\":1}", "s"},
		{"{\"s\":\"a\\u0000b\"}", "s"},
		{"{\"s\":\"x\",\"b\":1}", "b"},
		{"{\"s\":\"x\",\"n\":-1}", "n"},
		{"{\"s\":\"x\",\"n\":1.5}", "n"},
		{"{\"s\":\"x\",\"n\":\"1\"}", "n"},
		{"{\"s\":\"x\",\"other\":1}", "other"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_object *json = json_tokener_parse(cases[i].text);
		const char *s = NULL, *bad = NULL;
		bool b = false;
		uint64_t n = 0;
		const struct varlink_param params[] = {{"s", VARLINK_STRING, true, &s},
			{"b", VARLINK_BOOL, false, &b}, {"n", VARLINK_UINT, false, &n}};
		int r = varlink_params_read(json, params, 3, &bad);

		assert_int_equal(r, cases[i].bad ? -EINVAL : 0);
		if (cases[i].bad) {
			assert_string_equal(bad, cases[i].bad);
		}
		json_object_put(json);
	}
}

static void test_reply_parse(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {{"{}", 0}, {"{\"parameters\":{\"a\":1},\"continues\":true}", 0},
		{"{\"error\":\"a.E\"}", 0}, {"{\"parameters\":{\"a\":\"\xc3\xa4\"}}", 0},
		{"{\"error\":1}", -EINVAL}, {"{\"parameters\":1}", -EINVAL},
		{"{\"continues\":1}", -EINVAL}, {"x", -EINVAL}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct varlink_reply reply = {0};
		struct err err = {0};

		assert_int_equal(
			varlink_reply_parse(cases[i].text, strlen(cases[i].text), &reply, &err),
			cases[i].status);
		varlink_reply_fini(&reply);
	}
}

/* Each method and error of the contract stands in the embedded text. */
static void test_interface_text(void **state)
{
	static const char *const words[] = {"interface io.xendmd.DeviceModels\n", "method List(",
		"method Describe(", "method Start(", "method Stop(", "method Restart(",
		"method Qmp(", "method Save(", "method Render(", "method Check(", "method Verify(",
		"method Audit(", "method Metrics(", "method Reload(", "method Events(",
		"method Logs(", "method Handoff(", "method ProxyVchan(",
		"error NoSuchDomain(message: string)", "error InvalidDefinition(message: string)",
		"error AlreadyRunning(message: string)", "error NotRunning(message: string)",
		"error Denied(message: string)", "error Failed(message: string)",
		"error Timeout(message: string)", "error LimitReached(message: string)"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strstr(varlink_interface_text, words[i])) {
			fail_msg("no \"%s\"", words[i]);
		}
	}
	assert_non_null(strstr(varlink_service_text, "interface org.varlink.service\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framing_cuts),
		cmocka_unit_test(test_framing_limit),
		cmocka_unit_test(test_call_parse),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_builders),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_reply_parse),
		cmocka_unit_test(test_interface_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
