/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/parse.h"
#include "proto/xenlayout.h"

static void test_paths(void **state)
{
	static const struct {
		void (*build)(uint32_t domid, const char *key, char ret[XENLAYOUT_PATH_MAX]);
		uint32_t domid;
		const char *key, *path;
	} cases[] = {
		{xenlayout_domain, 5, NULL, "/local/domain/5"},
		{xenlayout_domain, 5, "name", "/local/domain/5/name"},
		{xenlayout_domain, 32751, "image/device-model-pid",
			"/local/domain/32751/image/device-model-pid"},
		{xenlayout_domain, 0, "domid", "/local/domain/0/domid"},
		{xenlayout_dm, 5, NULL, "/local/domain/0/device-model/5"},
		{xenlayout_dm, 5, "state", "/local/domain/0/device-model/5/state"},
		{xenlayout_xendmd, 5, NULL, "/local/domain/0/xendmd/5"},
		{xenlayout_xendmd, 5, "reason", "/local/domain/0/xendmd/5/reason"},
	};
	char path[XENLAYOUT_PATH_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cases[i].build(cases[i].domid, cases[i].key, path);
		assert_string_equal(path, cases[i].path);
	}
	xenlayout_libxl(7, NULL, path);
	assert_string_equal(path, "/libxl/7");
}

static void test_domid_of_a_path(void **state)
{
	static const struct {
		const char *prefix, *path;
		int status;
		uint32_t domid;
	} cases[] = {
		{"/local/domain/0/device-model", "/local/domain/0/device-model/7/state", 0, 7},
		{"/local/domain/0/device-model", "/local/domain/0/device-model/7", 0, 7},
		{"/local/domain/0/device-model", "/local/domain/0/device-model", -EINVAL, 0},
		{"/local/domain/0/device-model", "/local/domain/0/device-models/7", -EINVAL, 0},
		{"/local/domain", "/local/domain/12/name", 0, 12},
		{"/local/domain", "/local/domain/x/name", -EINVAL, 0},
		{"/local/domain", "/local/domain//name", -EINVAL, 0},
		{"/local/domain", "/local/domain/123456789012345/name", -EINVAL, 0},
		{"@releaseDomain", "@releaseDomain/5", 0, 5},
		{"@releaseDomain", "@releaseDomain", -EINVAL, 0},
		{"@releaseDomain", "@introduceDomain/5", -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t domid = 0;

		assert_int_equal(xenlayout_domid_of(cases[i].path, cases[i].prefix, &domid),
			cases[i].status);
		assert_int_equal(domid, cases[i].domid);
	}
	for (uint32_t domid = DOMID_FIRST_RESERVED - 2; domid < DOMID_FIRST_RESERVED + 2; domid++) {
		char path[XENLAYOUT_PATH_MAX];
		uint32_t back;
		int r;

		xenlayout_domain(domid, "name", path);
		r = xenlayout_domid_of(path, "/local/domain", &back);
		assert_true(domid < DOMID_FIRST_RESERVED ? r == 0 && back == domid : r < 0);
	}
}

/* Values come from a guest or from anybody in domain 0. */
static void test_pid_values(void **state)
{
	static const struct {
		const char *text;
		int status;
		int pid;
	} cases[] = {{"1", 0, 1}, {"4711", 0, 4711}, {"4194304", 0, 4194304}, {"0", -EINVAL, 0},
		{"", -EINVAL, 0}, {"-1", -EINVAL, 0}, {" 5", -EINVAL, 0}, {"5\n", -EINVAL, 0},
		{"99999999999", -ERANGE, 0}, {"2147483648", -ERANGE, 0}, {NULL, -ENOENT, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int pid = 0;

		assert_int_equal(xenlayout_parse_pid(cases[i].text, &pid), cases[i].status);
		assert_int_equal(pid, cases[i].pid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_domid_of_a_path),
		cmocka_unit_test(test_pid_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
