/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/libxlvdev.h"

#define NO_INDEX UINT32_MAX

static const struct {
	const char *name;
	unsigned number, index;
} good[] = {
	{"hda", 768, 0},
	{"hdb", 832, 1},
	{"hdc", 5632, 2},
	{"hdd", 5696, 3},
	{"hda63", 768 + 63, 0},
	{"sda", 2048, 0},
	{"sdp15", 2048 + 15 * 16 + 15, 15},
	{"xvda", 51712, 0},
	{"xvda1", 51713, 0},
	{"xvdp15", 51712 + 15 * 16 + 15, 15},
	{"xvdq", 1u << 28 | 16u << 8, 16},
	{"xvda16", 1u << 28 | 16, 0},
	{"xvdz", 1u << 28 | 25u << 8, 25},
	{"xvdaa", 1u << 28 | 26u << 8, 26},
	{"xvdba", 1u << 28 | 52u << 8, 52},
	{"d0p0", 51712, 0},
	{"d17p3", 1u << 28 | 17u << 8 | 3, 17},
	{"768", 768, NO_INDEX},
	{"0xca00", 51712, NO_INDEX},
};

static const char *const bad[] = {"", "hd", "hde", "hda64", "hda0", "hda01", "hd0", "sdq", "sda16",
	"xvd", "xvda256", "xvdA", "xvdaaaaaaa", "hda ", "hda1x", "d1", "d1p", "dp1", "d1048576p0",
	"d1p256", "d-1p0", "vda", "-1", "0x", "99999999999", "2147483648", " 768", "+768"};

static void test_names(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct libxlvdev vdev = {0};

		if (libxlvdev_parse(good[i].name, &vdev) < 0 || vdev.number != good[i].number ||
			vdev.has_index != (good[i].index != NO_INDEX) ||
			(vdev.has_index && vdev.index != good[i].index)) {
			fail_msg("%s: number %u, index %u", good[i].name, vdev.number, vdev.index);
		}
	}
}

static void test_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct libxlvdev vdev = {0};

		if (libxlvdev_parse(bad[i], &vdev) != -EINVAL) {
			fail_msg("\"%s\" is taken", bad[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names), cmocka_unit_test(test_refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
