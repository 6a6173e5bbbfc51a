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

#include "lib/json.h"
#include "lib/limits.h"

static const char text[] = "{\n"
			   "\"text\": \"x\", \"empty\": \"\",\n"
			   "\"number\": 5, \"negative\": -5, \"huge\": 18446744073709551615,\n"
			   "\"fraction\": 1.5, \"yes\": true, \"nothing\": null,\n"
			   "\"list\": [1,\n [\"two\"], {\"three.x\": 3}], \"object\": {\"a\": {}}\n"
			   "}";

static int setup(void **state)
{
	struct json_doc *doc = calloc(1, sizeof(*doc));

	assert_int_equal(json_doc_parse(doc, "f", text, strlen(text), NULL), 0);
	*state = doc;
	return 0;
}

static int teardown(void **state)
{
	json_doc_fini(*state);
	free(*state);
	return 0;
}

static void test_doc(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{"", "f:1: column 1: the text ends where a value should stand"},
		{"{\"a\": {\"b\": tru}}", "f:1: a.b: column 13: \"t\" where a value should stand"},
		{"\n 1", "f:2: the file must hold one JSON object"},
		{"null", "f:1: the file must hold one JSON object"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct json_doc doc = {0};
		struct err err = {0};

		assert_int_equal(
			json_doc_parse(&doc, "f", bad[i].text, strlen(bad[i].text), &err), -EINVAL);
		assert_string_equal(err.text, bad[i].error);
		assert_null(doc.root);
	}
}

/* What the scanner lets through json-c takes too: as deep, as big, as many. */
static void test_limits_fit_jsonc(void **state)
{
	char deep[256] = "";
	struct json_doc doc;
	struct err err = {0};
	size_t len;

	strcpy(deep, "{\"a\":");
	len = strlen(deep);
	memset(deep + len, '[', LIMIT_JSON_DEPTH - 1);
	memset(deep + len + LIMIT_JSON_DEPTH - 1, ']', LIMIT_JSON_DEPTH - 1);
	strcpy(deep + len + 2 * (LIMIT_JSON_DEPTH - 1), "}");
	assert_int_equal(json_doc_parse(&doc, "f", deep, strlen(deep), &err), 0);
	json_doc_fini(&doc);
}

static void test_values(void **state)
{
	struct json_node root = json_doc_root(*state), node, list, inner;
	const char *string = NULL;
	unsigned number = 0, which = 9;
	uint64_t big = 0;
	bool flag = false;

	assert_true(json_member(&root, "text", &node));
	assert_int_equal(json_text(&node, &string, NULL), 0);
	assert_string_equal(string, "x");
	assert_true(json_member(&root, "empty", &node));
	assert_int_equal(json_string(&node, &string, NULL), 0);
	assert_string_equal(string, "");
	assert_int_equal(json_get_unsigned(&root, "number", 5, 5, &number, NULL), 0);
	assert_int_equal(number, 5);
	assert_true(json_member(&root, "huge", &node));
	assert_int_equal(json_u64(&node, 0, UINT64_MAX, &big, NULL), 0);
	assert_true(big == UINT64_MAX);
	assert_int_equal(json_get_bool(&root, "yes", &flag, NULL), 0);
	assert_true(flag);
	assert_true(json_member(&root, "list", &list));
	assert_int_equal(json_length(&list), 3);
	inner = json_element(&list, 0);
	assert_int_equal(json_unsigned(&inner, 0, 9, &number, NULL), 0);
	assert_int_equal(number, 1);
	assert_true(json_member(&root, "text", &node));
	assert_int_equal(json_enum(&node, (const char *const[]){"y", "x", NULL}, &which, NULL), 0);
	assert_int_equal(which, 1);
	/* what is not there leaves the value as it was */
	assert_int_equal(json_get_unsigned(&root, "absent", 0, 1, &number, NULL), 0);
	assert_int_equal(number, 1);
	assert_int_equal(json_get_text(&root, "absent", &string, NULL), 0);
	assert_string_equal(string, "");
	assert_false(json_member(&root, "absent", &node));
}

enum getter { TEXT, STRING, U64, UNSIGNED, BOOLEAN, ENUM, OBJECT, KEYS };

static int get(enum getter getter, const struct json_node *node, struct err *err)
{
	static const char *const names[] = {"red", "green", NULL}, *const one[] = {"one", NULL};
	const char *string;
	unsigned number;
	uint64_t big;
	bool flag;

	switch (getter) {
	case TEXT:
		return json_text(node, &string, err);
	case STRING:
		return json_string(node, &string, err);
	case U64:
		return json_u64(node, 6, UINT64_C(1) << 40, &big, err);
	case UNSIGNED:
		return json_unsigned(node, 0, UINT32_MAX, &number, err);
	case BOOLEAN:
		return json_boolean(node, &flag, err);
	case ENUM:
		return json_enum(node, names, &number, err);
	case OBJECT:
		return json_check_type(node, json_type_object, err);
	case KEYS:
		return json_check_keys(node, one, err);
	}
	return 0;
}

static void test_wrong_values(void **state)
{
	static const struct {
		const char *key;
		enum getter getter;
		const char *error;
	} cases[] = {
		{"empty", TEXT, "f:2: empty: must not be empty"},
		{"number", TEXT, "f:3: number: must be a string, is a whole number"},
		{"nothing", STRING, "f:4: nothing: must be a string, is null"},
		{"number", U64, "f:3: number: must be from 6 to 1099511627776, is 5"},
		{"huge", U64,
			"f:3: huge: must be from 6 to 1099511627776, is 18446744073709551615"},
		{"negative", UNSIGNED, "f:3: negative: must be from 0 to 4294967295, is -5"},
		{"huge", UNSIGNED,
			"f:3: huge: must be from 0 to 4294967295, is 18446744073709551615"},
		{"fraction", UNSIGNED,
			"f:4: fraction: must be a whole number, is a number with a fraction"},
		{"text", UNSIGNED, "f:2: text: must be a whole number, is a string"},
		{"number", BOOLEAN, "f:3: number: must be true or false, is a whole number"},
		{"text", ENUM, "f:2: text: must be \"red\" or \"green\", is \"x\""},
		{"yes", ENUM, "f:4: yes: must be a string, is true or false"},
		{"list", OBJECT, "f:5: list: must be an object, is an array"},
		{"list", KEYS, "f:5: list: must be an object, is an array"},
		{"object", KEYS, "f:6: object.a: unknown key"},
	};
	struct json_node root = json_doc_root(*state);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_node node;
		struct err err = {0};

		assert_true(json_member(&root, cases[i].key, &node));
		assert_int_equal(get(cases[i].getter, &node, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].error);
	}
}

static void test_places(void **state)
{
	struct json_node root = json_doc_root(*state), list, inner;
	struct err err = {0};

	assert_int_equal(json_fail(&root, -EPERM, &err, "no %d", 1), -EPERM);
	assert_string_equal(err.text, "f:1: no 1");
	assert_true(json_member(&root, "list", &list));
	inner = json_element(&list, 1);
	json_fail(&inner, -EINVAL, &err, "no");
	assert_string_equal(err.text, "f:6: list[1]: no");
}

static void test_places_below(void **state)
{
	struct json_node root = json_doc_root(*state), list, second, two, third, member;
	struct err err = {0};

	assert_true(json_member(&root, "list", &list));
	second = json_element(&list, 1);
	two = json_element(&second, 0);
	json_fail_at(&two, 2, &err, "no");
	assert_string_equal(err.text, "f:6: list[1][0]: no at column 6");
	third = json_element(&list, 2);
	assert_true(json_member(&third, "three.x", &member));
	json_fail(&member, -EINVAL, &err, "no");
	assert_string_equal(err.text, "f:6: list[2][\"three.x\"]: no");
	assert_int_equal(json_fail_missing(&third, "four", &err, "is missing"), -EINVAL);
	assert_string_equal(err.text, "f:6: list[2].four: is missing");
	assert_int_equal(json_fail(&root, -EINVAL, NULL, "no"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doc),
		cmocka_unit_test(test_limits_fit_jsonc),
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_places_below, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
