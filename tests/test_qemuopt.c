/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is written is read back by QEMU's own rule (qemuopt_reader.h): the values are those that
 * were meant, whatever is in them.
 */
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
#include "lib/qemuopt.h"
#include "tests/qemuopt_reader.h"

#define ROUNDS 20000

static void test_read_back(void **state)
{
	static const char *const keys[] = {"implied", "id", "path", "file.filename"};
	const struct qemuopt_style style = {0};
	uint64_t seed = 88172645463325252u;

	for (unsigned round = 0; round < ROUNDS; round++) {
		_cleanup_(vmdesc_fini) struct vmdesc d = {0};
		_cleanup_(strv_fini) struct strv argv = {0};
		char values[ARRAY_SIZE(keys)][VALUE_MAX];
		struct pair pairs[PAIRS_MAX];
		bool keyed = round % 3 == 0;
		unsigned first = keyed ? 1 : 0;

		if (keyed) {
			vmdesc_list_keyed(&d, "-x");
		}
		for (unsigned i = first; i < ARRAY_SIZE(keys); i++) {
			make_value(&seed, values[i]);
			if (i == 0) {
				vmdesc_list(&d, "-x", keys[i], "%s", values[i]);
			} else {
				vmdesc_set(&d, keys[i], "%s", values[i]);
			}
		}
		assert_int_equal(qemuopt_print(&d, &style, &argv, NULL), 0);
		assert_int_equal(argv.len, 2);
		assert_int_equal(read_options(argv.items[1], keyed ? NULL : "implied", pairs),
			ARRAY_SIZE(keys) - first);
		for (unsigned i = first; i < ARRAY_SIZE(keys); i++) {
			if (strcmp(pairs[i - first].key, keys[i]) ||
				strcmp(pairs[i - first].value, values[i])) {
				fail_msg("\"%s\" gives %s = \"%s\" for %s = \"%s\"", argv.items[1],
					pairs[i - first].key, pairs[i - first].value, keys[i],
					values[i]);
			}
		}
	}
}

static char *print(const struct vmdesc *d, const struct qemuopt_style *style)
{
	_cleanup_(strv_fini) struct strv argv = {0};

	assert_int_equal(qemuopt_print(d, style, &argv, NULL), 0);
	return strv_join_quoted(&argv);
}

static void describe(struct vmdesc *d)
{
	vmdesc_switch(d, "-S");
	vmdesc_text(d, "-kernel", "/a,b");
	vmdesc_list(d, "-device", "driver", "x");
	vmdesc_set(d, "id", "a,b");
	vmdesc_set_switch(d, "on", true);
	vmdesc_list(d, "-name", "guest", "a=b");
	vmdesc_text(d, "-chroot", "/r,s");
	vmdesc_text(d, "-runas", "u");
	vmdesc_verbatim(d, "x,y");
}

static void test_styles(void **state)
{
	static const struct {
		struct qemuopt_style style;
		const char *text;
	} cases[] = {
		{{0}, "-S -kernel /a,b -device x,id=a,,b,on=on -name guest=a=b -chroot /r,s -runas "
		      "u "
		      "x,y"},
		{{.unescaped = true}, "-S -kernel /a,b -device x,id=a,b,on=on -name a=b -chroot "
				      "/r,s -runas u x,y"},
		{{.qemu_version = 801}, "-S -kernel /a,b -device x,id=a,,b,on=on -name guest=a=b "
					"-run-with chroot=/r,,s -runas u x,y"},
		{{.qemu_version = 1000}, "-S -kernel /a,b -device x,id=a,,b,on=on -name guest=a=b "
					 "-run-with chroot=/r,,s -run-with user=u x,y"},
	};
	_cleanup_(vmdesc_fini) struct vmdesc d = {0};

	describe(&d);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = print(&d, &cases[i].style);

		assert_string_equal(text, cases[i].text);
	}
}

static void test_incoming_file(void **state)
{
	static const struct {
		unsigned version;
		const char *text;
	} cases[] = {{0, "-incoming fd:7"}, {900, "-incoming fd:7"},
		{901, "-add-fd fd=7,set=7 -incoming file:/dev/fdset/7"},
		{QEMUOPT_NEWEST, "-add-fd fd=7,set=7 -incoming file:/dev/fdset/7"}};
	_cleanup_(vmdesc_fini) struct vmdesc d = {0};

	vmdesc_text(&d, QEMUOPT_INCOMING_FILE, "%d", 7);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct qemuopt_style style = {.qemu_version = cases[i].version};
		_cleanup_free_ char *text = print(&d, &style);

		assert_string_equal(text, cases[i].text);
	}
}

static void test_version(void **state)
{
	static const struct {
		const char *text;
		unsigned version;
	} cases[] = {{"7.2", 702}, {"10.0", 1000}, {"10.12", 1012}, {"", 0}, {"7", 0}, {"7.", 0},
		{".2", 0}, {"7.2.1", 0}, {" 7.2", 0}, {"-7.2", 0}, {"7.2 ", 0}, {"1000.0", 0},
		{"7.100", 0}, {"x", 0}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(qemuopt_version(cases[i].text), cases[i].version);
	}
}

static void test_ids(void **state)
{
	static const struct {
		const char *option, *id, *error;
	} cases[] = {
		{"-netdev", "net0", NULL},
		{"-device", "net1", "-device: the id \"net1\" stands twice"},
		{"-device", "a b", "-device: \"a b\" is no id for QEMU"},
		{"-device", "0a", "-device: \"0a\" is no id for QEMU"},
		{"-device", "", "-device: \"\" is no id for QEMU"},
		{"-device", "a-b.c_9", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(vmdesc_fini) struct vmdesc d = {0};
		struct err err = {0};

		vmdesc_list(&d, "-device", "driver", "x");
		vmdesc_set(&d, "id", "net0");
		vmdesc_list(&d, "-device", "driver", "x");
		vmdesc_set(&d, "id", "net1");
		vmdesc_list_keyed(&d, cases[i].option);
		vmdesc_set(&d, "id", "%s", cases[i].id);
		assert_int_equal(qemuopt_check_ids(&d, &err), cases[i].error ? -EINVAL : 0);
		assert_string_equal(err.text, cases[i].error ? cases[i].error : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_incoming_file), cmocka_unit_test(test_version),
		cmocka_unit_test(test_styles), cmocka_unit_test(test_ids)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
