/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/jsonscan.h"
#include "lib/jsonstr.h"
#include "lib/limits.h"

static const char *const good[] = {
	"{}",
	"[]",
	" \t\r\n{ } \n",
	"null",
	"true",
	"\"\"",
	"0",
	"-0",
	"-9223372036854775808",
	"18446744073709551615",
	"1.5e307",
	"0.000e99999999999999999999",
	"1e-99999999999999999999",
	"[1,2.5,-3e+4,\"x\",null,true,false,{},[]]",
	"{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}],\"\":0}",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\uD83D\\uDE00\"",
	"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\x7f\"",
	"{\"a\":1,\"A\":2,\"aa\":3,\"a\\u0061a\":4}",
};

static void test_good(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct jsonscan_error error;
		int r = jsonscan_check(good[i], strlen(good[i]), &error);

		if (r < 0) {
			print_error("%s: %s\n", good[i], error.text);
		}
		assert_int_equal(r, 0);
	}
}

static const struct {
	const char *text;
	unsigned line, column;
	const char *path, *error;
} bad[] = {
	{"", 1, 1, "", "the text ends where a value should stand"},
	{" \n ", 2, 2, "", "the text ends where a value should stand"},
	{"{", 1, 2, "", "the text ends where a key should stand"},
	{"[", 1, 2, "[0]", "the text ends where a value should stand"},
	{"[1", 1, 3, "[0]", "the text ends where \",\" or \"]\" should stand"},
	{"{\"a\"", 1, 5, "a", "the text ends where \":\" should stand"},
	{"{\"a\":", 1, 6, "a", "the text ends where a value should stand"},
	{"{\"a\":1", 1, 7, "a", "the text ends where \",\" or \"}\" should stand"},
	{"{} {}", 1, 4, "", "\"{\" where the end should stand"},
	{"{}\n\x01", 2, 1, "", "byte 0x01 where the end should stand"},
	{"[1 2]", 1, 4, "[0]", "\"2\" where \",\" or \"]\" should stand"},
	{"[1,]", 1, 4, "[1]", "a comma behind the last element"},
	{"{\"a\":1,}", 1, 8, "", "a comma behind the last member"},
	{"[,1]", 1, 2, "[0]", "\",\" where a value should stand"},
	{"{,}", 1, 2, "", "\",\" where a key should stand"},
	{"[}", 1, 2, "[0]", "\"}\" where a value should stand"},
	{"{\"a\":1]", 1, 7, "a", "\"]\" where \",\" or \"}\" should stand"},
	{"{'a':1}", 1, 2, "", "strings stand in double quotes"},
	{"{\"a\":'b'}", 1, 6, "a", "strings stand in double quotes"},
	{"{a:1}", 1, 2, "", "\"a\" where a key should stand"},
	{"{1:1}", 1, 2, "", "\"1\" where a key should stand"},
	{"/* c */ {}", 1, 1, "", "JSON has no comments"},
	{"{} // c", 1, 4, "", "JSON has no comments"},
	{"{\"a\": # c\n1}", 1, 7, "a", "JSON has no comments"},
	{"[NaN]", 1, 2, "[0]", "JSON has no NaN"},
	{"[nan]", 1, 2, "[0]", "JSON has no NaN"},
	{"[Infinity]", 1, 2, "[0]", "JSON has no Infinity"},
	{"[-Infinity]", 1, 2, "[0]", "JSON has no -Infinity"},
	{"[True]", 1, 2, "[0]", "\"T\" where a value should stand"},
	{"[nul]", 1, 2, "[0]", "\"n\" where a value should stand"},
	{"[truex]", 1, 6, "[0]", "\"x\" where \",\" or \"]\" should stand"},
	{"\xef\xbb\xbf{}", 1, 1, "", "JSON has no byte order mark"},
	{"\xff", 1, 1, "", "byte 0xff where a value should stand"},
	/* numbers */
	{"[01]", 1, 2, "[0]", "a number does not begin with 0"},
	{"[-]", 1, 2, "[0]", "a digit is missing in the number"},
	{"[+1]", 1, 2, "[0]", "\"+\" where a value should stand"},
	{"[.5]", 1, 2, "[0]", "\".\" where a value should stand"},
	{"[1.]", 1, 2, "[0]", "a digit is missing in the number"},
	{"[1e]", 1, 2, "[0]", "a digit is missing in the number"},
	{"[1e+]", 1, 2, "[0]", "a digit is missing in the number"},
	{"[0x10]", 1, 3, "[0]", "\"x\" where \",\" or \"]\" should stand"},
	{"[18446744073709551616]", 1, 2, "[0]", "the number does not fit 64 bits"},
	{"[-9223372036854775809]", 1, 2, "[0]", "the number does not fit 64 bits"},
	{"[1e308]", 1, 2, "[0]", "the number does not fit a double"},
	{"[123.4e306]", 1, 2, "[0]", "the number does not fit a double"},
	{"[0.01e999999999999]", 1, 2, "[0]", "the number does not fit a double"},
	/* strings */
	{"[\"a", 1, 4, "[0]", "the text ends within a string"},
	{"[\"\\\"]", 1, 6, "[0]", "the text ends within a string"},
	{"[\"\\x41\"]", 1, 3, "[0]", "JSON has no such escape"},
	{"[\"\\'\"]", 1, 3, "[0]", "JSON has no such escape"},
	{"[\"\\u12g4\"]", 1, 3, "[0]", "\"\\u\" needs four hexadecimal digits"},
	{"[\"\\u12\"]", 1, 3, "[0]", "\"\\u\" needs four hexadecimal digits"},
	{"[\"a\\u0000\"]", 1, 4, "[0]", "a NUL character is not allowed in a string"},
	{"[\"\\ud800\"]", 1, 3, "[0]", "half of a surrogate pair"},
	{"[\"\\udc00\\ud800\"]", 1, 3, "[0]", "half of a surrogate pair"},
	{"[\"\\ud800\\u0041\"]", 1, 3, "[0]", "half of a surrogate pair"},
	{"[\"\\ud800x\"]", 1, 3, "[0]", "half of a surrogate pair"},
	{"[\"\\ud800\\", 1, 3, "[0]", "half of a surrogate pair"},
	{"[\"a\tb\"]", 1, 4, "[0]", "a raw control character in a string"},
	{"[\"a\nb\"]", 1, 4, "[0]", "the string does not end in its line"},
	{"[\"\xc3\xa4\x80\"]", 1, 4, "[0]", "invalid UTF-8"},
	{"[\"\xc0\xaf\"]", 1, 3, "[0]", "invalid UTF-8"},
	{"[\"\xe0\x80\xaf\"]", 1, 3, "[0]", "invalid UTF-8"},
	{"[\"\xed\xa0\x80\"]", 1, 3, "[0]", "invalid UTF-8"},
	{"[\"\xf4\x90\x80\x80\"]", 1, 3, "[0]", "invalid UTF-8"},
	{"[\"\xf8\x88\x80\x80\x80\"]", 1, 3, "[0]", "invalid UTF-8"},
	{"[\"\xe2\x82\"]", 1, 3, "[0]", "invalid UTF-8"},
	/* equal keys */
	{"{\"a\":1,\"a\":1}", 1, 8, "a", "the key stands twice, first in line 1"},
	{"{\"a\":1,\n\"b\":1,\n\"\\u0061\":1}", 3, 1, "[\"?u0061\"]",
		"the key stands twice, first in line 1"},
	{"{\"b\":1,\"c\":1,\n\"c\":2,\n\"b\":2}", 2, 1, "c",
		"the key stands twice, first in line 1"},
	{"{\"x\":[0,{\"\":1,\"\":2}]}", 1, 15, "x[1][\"\"]",
		"the key stands twice, first in line 1"},
	{"{\"\xc3\xa4\":1,\"\\u00E4\":2}", 1, 8, "[\"?u00E4\"]",
		"the key stands twice, first in line 1"},
	{"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", 1, 19, "[\"\xf0\x9f\x98\x80\"]",
		"the key stands twice, first in line 1"},
	{"{\"a\":{\"b\":1},\"c\":{\"b\":1,\"b\":2}}", 1, 25, "c.b",
		"the key stands twice, first in line 1"},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		/* Exactly as long as it is, so that ASan sees a look behind the end. */
		size_t len = strlen(bad[i].text);
		char *text = malloc(len ? len : 1);
		struct jsonscan_error error;

		memcpy(text, bad[i].text, len);
		assert_int_equal(jsonscan_check(text, len, &error), -EINVAL);
		assert_string_equal(error.text, bad[i].error);
		assert_string_equal(error.path, bad[i].path);
		assert_int_equal(error.place.line, bad[i].line);
		assert_int_equal(error.place.column, bad[i].column);
		free(text);
	}
}

static void test_nul_bytes(void **state)
{
	struct jsonscan_error error;

	assert_int_equal(jsonscan_check("{}\0", 3, &error), -EINVAL);
	assert_string_equal(error.text, "byte 0x00 where the end should stand");
	assert_int_equal(jsonscan_check("\"a\0b\"", 5, &error), -EINVAL);
	assert_string_equal(error.text, "a raw control character in a string");
}

/* Every prefix of a good text but the text itself is bad, and nothing behind its end is read. */
static void test_prefixes(void **state)
{
	const char *text =
		"{\"a\":[1.5e+3,\"\\ud83d\\ude00\\n\xf0\x9f\x98\x80\",{\"b\":null}],\"c\":-1}";

	for (size_t len = 0; len < strlen(text); len++) {
		char *copy = malloc(len ? len : 1);
		struct jsonscan_error error;

		memcpy(copy, text, len);
		assert_int_equal(jsonscan_check(copy, len, &error), -EINVAL);
		free(copy);
	}
}

static void test_depth(void **state)
{
	char text[2 * LIMIT_JSON_DEPTH + 4];
	struct jsonscan_error error;

	memset(text, '[', LIMIT_JSON_DEPTH);
	memset(text + LIMIT_JSON_DEPTH, ']', LIMIT_JSON_DEPTH);
	assert_int_equal(jsonscan_check(text, 2 * LIMIT_JSON_DEPTH, &error), 0);
	memset(text, '[', LIMIT_JSON_DEPTH + 1);
	memset(text + LIMIT_JSON_DEPTH + 1, ']', LIMIT_JSON_DEPTH + 1);
	assert_int_equal(jsonscan_check(text, 2 * LIMIT_JSON_DEPTH + 2, &error), -EINVAL);
	assert_string_equal(error.text, "nested deeper than 32");
	assert_int_equal(error.place.column, LIMIT_JSON_DEPTH + 1);
}

static void test_size(void **state)
{
	char *text = malloc(LIMIT_JSON_BYTES + 1);
	struct jsonscan_error error;

	memset(text, ' ', LIMIT_JSON_BYTES + 1);
	memcpy(text, "{}", 2);
	assert_int_equal(jsonscan_check(text, LIMIT_JSON_BYTES, &error), 0);
	assert_int_equal(jsonscan_check(text, LIMIT_JSON_BYTES + 1, &error), -EINVAL);
	assert_string_equal(error.text, "1048577 bytes; at most 1048576 are read");
	assert_int_equal(
		jsonscan_check_max(text, LIMIT_JSON_BYTES + 1, LIMIT_JSON_BYTES + 1, &error), 0);
	assert_int_equal(jsonscan_check_max(text, 3, 2, &error), -EINVAL);
	memset(text, '[', LIMIT_JSON_BYTES);
	assert_int_equal(jsonscan_check(text, LIMIT_JSON_BYTES, &error), -EINVAL);
	free(text);
}

static void test_values(void **state)
{
	size_t len = 2 * LIMIT_JSON_VALUES + 1;
	char *text = malloc(len);
	struct jsonscan_error error;

	for (size_t i = 0; i < len; i++) {
		text[i] = i % 2 ? '1' : ',';
	}
	text[0] = '[';
	text[len - 1] = ']';
	assert_int_equal(jsonscan_check(text, len, &error), -EINVAL);
	assert_string_equal(error.text, "more than 32768 values");
	text[len - 3] = ']';
	assert_int_equal(jsonscan_check(text, len - 2, &error), 0);
	free(text);
}

/* Keys made to be slow for whoever compares each with each: tens of thousands with a long common
 * beginning, the last one equal to the first. Only the error is asserted; a quadratic check would
 * run into the test's time limit under the sanitizers. */
static void test_hostile_keys(void **state)
{
	enum { KEYS = 32000 };
	char *text = malloc(LIMIT_JSON_BYTES);
	struct jsonscan_error error;
	size_t len = 1;

	text[0] = '{';
	for (unsigned i = 0; i < KEYS; i++) {
		len += snprintf(text + len, 32, "\"aaaaaaaaaaaa%05u\":0,\n", (i * 7919) % KEYS);
	}
	len += snprintf(text + len, 32, "\"aaaaaaaaaaaa%05u\":0}", 0);
	assert_int_equal(jsonscan_check(text, len, &error), -EINVAL);
	assert_string_equal(error.text, "the key stands twice, first in line 1");
	assert_string_equal(error.path, "aaaaaaaaaaaa00000");
	assert_int_equal(error.place.line, KEYS + 1);
	free(text);
}

static void test_find(void **state)
{
	static const char text[] = "{\"limits\": {\n  \"pids_max\": 5,\n  \"x\": 6 },\n"
				   "\"argv\": [\"a\",\n \"b\", {\"c\": [1, 2]} ],\n"
				   "\"\\u0061.b\": true}";
	static const struct {
		struct jsonscan_step steps[4];
		size_t len;
		unsigned line, column;
		const char *raw;
	} cases[] = {
		{{{0}}, 0, 1, 1, text},
		{{{"limits", 0}}, 1, 1, 2, "{\n  \"pids_max\": 5,\n  \"x\": 6 }"},
		{{{"limits", 0}, {"pids_max", 0}}, 2, 2, 3, "5"},
		{{{"limits", 0}, {"x", 0}}, 2, 3, 3, "6"},
		{{{"argv", 0}, {NULL, 0}}, 2, 4, 10, "\"a\""},
		{{{"argv", 0}, {NULL, 1}}, 2, 5, 2, "\"b\""},
		{{{"argv", 0}, {NULL, 2}, {"c", 0}, {NULL, 1}}, 4, 5, 17, "2"},
		{{{"a.b", 0}}, 1, 6, 1, "true"},
		{{{"x", 0}}, 1, 0, 0, NULL},
		{{{"argv", 0}, {NULL, 3}}, 2, 0, 0, NULL},
		{{{"argv", 0}, {"a", 0}}, 2, 0, 0, NULL},
		{{{NULL, 0}}, 1, 0, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct jsonscan_value value;
		struct jsonscan_place place;
		int r = jsonscan_find(text, strlen(text), cases[i].steps, cases[i].len, &value);

		assert_int_equal(r, cases[i].raw ? 0 : -ENOENT);
		if (r == 0) {
			assert_int_equal(value.len, strlen(cases[i].raw));
			assert_memory_equal(text + value.offset, cases[i].raw, value.len);
			place = jsonscan_place_at(text, value.where);
			assert_int_equal(place.line, cases[i].line);
			assert_int_equal(place.column, cases[i].column);
		}
	}
}

/* The check goes on behind what was found. */
static void test_check_find(void **state)
{
	static const struct jsonscan_bounds bounds = {
		.depth = 4, .members = 8, .key_bytes = 8, .string_bytes = 8, .number_bytes = 8};
	static const struct jsonscan_step step = {.key = "id"};
	static const struct {
		const char *text;
		int status;
		const char *raw; /* empty: none */
	} cases[] = {
		{"{\"a\": 1, \"id\": 17, \"b\": {\"id\": 2}}", 0, "17"},
		{"{\"a\": {\"id\": 2}, \"\\u0069d\": {\"x\": [1]}}", 0, "{\"x\": [1]}"},
		{"{\"a\": {\"id\": 2}}", 0, ""},
		{"{}", 0, ""},
		{"[1]", 0, ""},
		{"{\"id\": 1, \"id\": 2}", -EINVAL, NULL},
		{"{\"id\": 1, \"a\": 1, \"a\": 2}", -EINVAL, NULL},
		{"{\"id\": 1, \"a\": \"123456789\"}", -E2BIG, NULL},
		{"{\"id\": 1} 2", -EINVAL, NULL},
	};
	struct jsonscan_error error;
	struct jsonscan_value value;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(jsonscan_check_find(cases[i].text, strlen(cases[i].text), 100,
					 &bounds, &step, &value, &error),
			cases[i].status);
		if (cases[i].raw) {
			assert_int_equal(value.len, strlen(cases[i].raw));
			assert_memory_equal(cases[i].text + value.offset, cases[i].raw, value.len);
		}
	}
}

static void test_string_offset(void **state)
{
	static const char raw[] = "\"a\\n\\u00e4\xc3\xa4\\ud83d\\ude00z\"";
	static const size_t want[] = {1, 2, 4, 4, 10, 11, 12, 12, 12, 12, 24, 25, 25};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(jsonscan_string_offset(raw, strlen(raw), i), want[i]);
	}
	assert_int_equal(jsonscan_string_offset("1", 1, 0), 0);
}

static void test_path(void **state)
{
	char path[JSONSCAN_PATH_MAX] = "", small[8] = "";

	jsonscan_path_add_key(path, sizeof(path), "a_b-1", 5);
	jsonscan_path_add_index(path, sizeof(path), 12);
	jsonscan_path_add_key(path, sizeof(path), "c", 1);
	jsonscan_path_add_key(path, sizeof(path), "d\x1b[\"", 4);
	assert_string_equal(path, "a_b-1[12].c[\"d?[?\"]");
	path[0] = '\0';
	jsonscan_path_add_key(
		path, sizeof(path), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4", 49);
	assert_string_equal(path, "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\"]");
	for (int i = 0; i < 10; i++) {
		jsonscan_path_add_key(small, sizeof(small), "abc", 3);
	}
	assert_string_equal(small, "abc.abc");
}

static void test_compare(void **state)
{
	assert_int_equal(jsonstr_compare("a", 1, "\\u0061", 6), 0);
	assert_true(jsonstr_compare("a", 1, "ab", 2) < 0);
	assert_int_equal(jsonstr_compare("xa\\n", 4, "x\\u0061\\u000a", 13), 0);
	assert_true(jsonstr_compare("xy\\n", 4, "xyz", 3) < 0);
	assert_true(jsonstr_compare("xyz", 3, "xy\\n", 4) > 0);
	assert_true(jsonstr_compare("\\u00e4", 6, "z", 1) > 0);
	assert_true(jsonstr_equals("\\/\\b\\f\\n\\r\\t\\\\\\\"", 16, "/\b\f\n\r\t\\\""));
	assert_true(jsonstr_equals("\\u20AC", 6, "\xe2\x82\xac"));
	assert_false(jsonstr_equals("ab", 2, "a"));
	assert_false(jsonstr_equals("a", 1, "ab"));
}

/* Narrower bounds than the grammar's: well-formed, and more than one wants of a peer. */
static void test_bounds(void **state)
{
	static const struct jsonscan_bounds bounds = {.depth = 2,
		.members = 2,
		.key_bytes = 3,
		.string_bytes = 4,
		.number_bytes = 5,
		.no_controls = true};
	static const struct {
		const char *text;
		int status;
		const char *why;
	} cases[] = {
		{"{\"a\":[1]}", 0, NULL},
		{"{\"a\":[[1]]}", -E2BIG, "nested deeper"},
		{"[1,2]", 0, NULL},
		{"[1,2,3]", -E2BIG, "elements"},
		{"{\"a\":1,\"b\":2,\"c\":3}", -E2BIG, "members"},
		{"{\"abcd\":1}", -E2BIG, "string"},
		{"\"abcd\"", 0, NULL},
		{"\"abcde\"", -E2BIG, "string"},
		{"12345", 0, NULL},
		{"123456", -E2BIG, "number"},
		{"\"\\t\\n\"", 0, NULL},
		{"\"\\b\"", -E2BIG, "control"},
		{"\"\x7f\"", -E2BIG, "control"},
		{"\"\xc2\x9b\"", -E2BIG, "control"},
		{"\"\xc2\xa0\"", 0, NULL},
		{"{\"\\f\":1}", -E2BIG, "control"},
		{"[1,2", -EINVAL, "ends"},
	};
	struct jsonscan_error error;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(jsonscan_check_bounds(cases[i].text, strlen(cases[i].text), 100,
					 &bounds, &error),
			cases[i].status);
		if (cases[i].why) {
			assert_non_null(strstr(error.text, cases[i].why));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_hostile_keys),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_check_find),
		cmocka_unit_test(test_string_offset),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
