/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/dmask.h"
#include "lib/limits.h"

static struct stat file(ino_t ino, long nsec)
{
	return (struct stat){.st_dev = 1, .st_ino = ino, .st_mtim = {.tv_sec = 7, .tv_nsec = nsec}};
}

static void test_kept_by_file(void **state)
{
	struct stat a = file(1, 0), touched = file(1, 1), b = file(2, 0), other_dev = file(1, 0);
	struct dmask *d = dmask_new();
	const char *why = NULL;

	other_dev.st_dev = 2;
	assert_int_equal(dmask_vnc_password(d, &a, &why), DMASK_UNKNOWN);
	dmask_note_vnc_password(d, &a, "no DES");
	dmask_note_vnc_password(d, &b, NULL);
	assert_int_equal(dmask_vnc_password(d, &a, &why), DMASK_CANNOT);
	assert_string_equal(why, "no DES");
	assert_int_equal(dmask_vnc_password(d, &b, &why), DMASK_CAN);
	assert_int_equal(dmask_vnc_password(d, &touched, &why), DMASK_UNKNOWN);
	assert_int_equal(dmask_vnc_password(d, &other_dev, &why), DMASK_UNKNOWN);
	dmask_free(d);
}

static void test_version(void **state)
{
	struct stat a = file(1, 0), touched = file(1, 1);
	struct dmask *d = dmask_new();
	const char *why = NULL;

	assert_int_equal(dmask_version(d, &a), 0);
	assert_int_equal(dmask_note_version(d, &a, "10.0"), 1000);
	assert_int_equal(dmask_version(d, &a), 1000);
	assert_int_equal(dmask_version(d, &touched), 0);
	assert_int_equal(dmask_vnc_password(d, &a, &why), DMASK_UNKNOWN);
	dmask_note_vnc_password(d, &a, NULL);
	assert_int_equal(dmask_version(d, &a), 1000);
	assert_int_equal(dmask_note_version(d, &a, "ten"), 0);
	dmask_free(d);
}

static void test_bounded(void **state)
{
	struct dmask *d = dmask_new();
	const char *why;

	for (ino_t i = 1; i <= LIMIT_DMASK_KEPT + 1; i++) {
		struct stat st = file(i, 0);

		dmask_note_vnc_password(d, &st, "no");
	}
	for (ino_t i = 1; i <= LIMIT_DMASK_KEPT + 1; i++) {
		struct stat st = file(i, 0);

		assert_int_equal(
			dmask_vnc_password(d, &st, &why), i == 1 ? DMASK_UNKNOWN : DMASK_CANNOT);
	}
	dmask_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept_by_file),
		cmocka_unit_test(test_version), cmocka_unit_test(test_bounded)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
