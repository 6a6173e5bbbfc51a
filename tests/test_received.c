/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/received.h"

static const char files_text[] = "{\"a\": {\"received\": true}, \"b\": {\"received\": true}, "
				 "\"p\": {\"path\": \"/x\"}}";

static int open_null(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_given(void **state)
{
	static const struct {
		const char *names; /* NULL: none came */
		const char *want;  /* part of the error; NULL: all is well */
		const char *files;
	} cases[] = {
		{"[\"a\", \"b\"]", NULL, files_text},
		{"[\"b\", \"a\"]", NULL, files_text},
		{"[\"a\"]", "files.b is to come with the start", files_text},
		{NULL, "files.a is to come with the start", files_text},
		{"[\"a\", \"b\", \"c\"]", "\"c\" came with the call, which is not in", files_text},
		{"[\"a\", \"b\", \"p\"]", "\"p\" came with the call, which is not {", files_text},
		{"[\"a\"]", "\"a\" came with the call, which is not in", NULL},
		{"[]", NULL, "{\"p\": {\"path\": \"/x\"}}"},
		{NULL, NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *files =
			cases[i].files ? json_tokener_parse(cases[i].files) : NULL;
		_cleanup_json_ struct json_object *names =
			cases[i].names ? json_tokener_parse(cases[i].names) : NULL;
		_cleanup_received_ struct received *r = NULL;
		struct err err = {0};
		unsigned len = names ? json_object_array_length(names) : 0;
		int fds[3] = {-1, -1, -1};

		for (unsigned n = 0; n < len; n++) {
			fds[n] = open_null();
		}
		if (names) {
			assert_int_equal(received_new(&r, names, fds, len, &err), 0);
		}
		assert_int_equal(received_check(r, files, &err), cases[i].want ? -EINVAL : 0);
		if (cases[i].want && !strstr(err.text, cases[i].want)) {
			fail_msg("%zu: %s", i, err.text);
		}
	}
}

static void test_lists(void **state)
{
	static const struct {
		const char *names;
		unsigned fds;
		int want;
		const char *text;
	} cases[] = {
		{"[\"a\"]", 0, -EBADF,
			"0 file descriptors came with the call, and \"files\" names 1"},
		{"[]", 1, -EBADF, "1 file descriptors came with the call, and \"files\" names 0"},
		{"[\"a\", \"a\"]", 2, -EINVAL, "files: \"a\" comes twice"},
		{"[\"a\", 7]", 2, -EINVAL, "files[1] is no name"},
		{"[\"a\", null]", 2, -EINVAL, "files[1] is no name"},
		{"[]", LIMIT_RECEIVED_FILES + 1, -E2BIG, "more than 64 files came with the call"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *names = json_tokener_parse(cases[i].names);
		int fds[LIMIT_RECEIVED_FILES + 1] = {0};
		struct received *r = NULL;
		struct err err = {0};

		assert_int_equal(received_new(&r, names, fds, cases[i].fds, &err), cases[i].want);
		assert_string_equal(err.text, cases[i].text);
		assert_null(r);
	}
}

static void test_ownership(void **state)
{
	_cleanup_json_ struct json_object *names = json_tokener_parse("[\"x\", \"y\"]");
	int fds[] = {open_null(), open_null()};
	struct received *r = NULL;
	struct err err;

	assert_int_equal(received_new(&r, names, fds, 2, &err), 0);
	assert_int_equal(received_fd(r, "y"), fds[1]);
	assert_int_equal(received_fd(r, "z"), -1);
	assert_int_equal(received_fd(NULL, "y"), -1);
	assert_true(is_open(fds[0]) && is_open(fds[1]));
	assert_null(received_free(r));
	assert_false(is_open(fds[0]) || is_open(fds[1]));
	assert_null(received_free(NULL));
}

static void test_first(void **state)
{
	_cleanup_json_ struct json_object *files = json_tokener_parse(files_text);
	_cleanup_json_ struct json_object *others =
		json_tokener_parse("{\"p\": {\"path\": \"/x\"}}");

	assert_string_equal(received_first(files), "a");
	assert_null(received_first(others));
	assert_null(received_first(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_ownership),
		cmocka_unit_test(test_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
