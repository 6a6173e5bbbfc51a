/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"

static void test_is(void **state)
{
	static const struct {
		const char *arg;
		bool is;
	} cases[] = {
		{"-S", true},
		{"--S", true},
		{"S", false},
		{"---S", false},
		{"-", false},
		{"--", false},
		{"", false},
		{"-Sx", false},
		{"-s", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(dmopt_is(cases[i].arg, "-S"), cases[i].is);
	}
}

static void test_find(void **state)
{
	static const char *const items[] = {"-S", "-name", "x", "--incoming", "fd:7", "-m"};
	_cleanup_(strv_fini) struct strv argv = {0};
	struct strv empty = {0};

	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		strv_add(&argv, items[i]);
	}
	assert_false(dmopt_has(&argv, "-S")); /* the program's name */
	assert_true(dmopt_has(&argv, "-m"));
	assert_true(dmopt_has(&argv, "-incoming"));
	assert_string_equal(dmopt_value(&argv, "-incoming"), "fd:7");
	assert_string_equal(dmopt_value(&argv, "-name"), "x");
	assert_null(dmopt_value(&argv, "-m"));
	assert_null(dmopt_value(&argv, "-k"));
	assert_false(dmopt_has(&empty, "-S"));
	assert_null(dmopt_value(&empty, "-S"));
}

static void add_words(struct strv *argv, const char *words)
{
	_cleanup_free_ char *copy = strdup(words);
	char *save, *word = strtok_r(copy, " ", &save);

	for (; word; word = strtok_r(NULL, " ", &save)) {
		strv_add(argv, word);
	}
}

static void test_xenpv(void **state)
{
	static const struct {
		const char *argv;
		bool is;
	} cases[] = {
		{"qemu -machine xenpv -m 1", true},
		{"qemu -M xenpv", true},
		{"qemu --machine type=xenpv,usb=off", true},
		{"qemu -machine usb=off -machine xenpv", true},
		{"qemu -machine xenpv -machine usb=off", true},
		{"qemu -machine xenpvh", false},
		{"qemu -machine xenfv", false},
		{"qemu -name xenpv", false},
		{"qemu -machine", false},
		{"-machine xenpv", false}, /* the first is the program */
		{"qemu", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(strv_fini) struct strv argv = {0};

		add_words(&argv, cases[i].argv);
		assert_int_equal(dmopt_is_xenpv(&argv), cases[i].is);
	}
}

static void test_inherited(void **state)
{
	static const struct {
		const char *argv, *found;
	} cases[] = {
		{"qemu -S -chardev socket,id=libxl-cmd,fd=7,server=on",
			"socket,id=libxl-cmd,fd=7,server=on"},
		{"qemu -incoming fd:12", "fd:12"},
		{"qemu -netdev tap,fds=3:4", "tap,fds=3:4"},
		{"qemu -netdev tap,vhostfd=9", "tap,vhostfd=9"},
		{"qemu -drive file=/dev/fd/5", "file=/dev/fd/5"},
		{"qemu -name fd=x -drive file=/a/fd=b/fd:/dev/fd/", NULL},
		{"fd=3 -chardev socket,path=/a", NULL},
		{"qemu", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(strv_fini) struct strv argv = {0};
		const char *found;

		add_words(&argv, cases[i].argv);
		found = dmopt_inherited(&argv);
		assert_int_equal(!found, !cases[i].found);
		if (found) {
			assert_string_equal(found, cases[i].found);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_xenpv),
		cmocka_unit_test(test_inherited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
