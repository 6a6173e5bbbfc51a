/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/fsutil and, over it, daemon/exits. */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/exits.h"
#include "lib/fsutil.h"
#include "lib/limits.h"

static char dir[] = "/tmp/test_fsutil.XXXXXX";

static const char *at(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static unsigned count(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, NULL);

	assert_true(n >= 2);
	for (int i = 0; i < n; i++) {
		free(names[i]);
	}
	free(names);
	return n - 2;
}

static void test_write(void **state)
{
	char text[16] = "";
	struct err err;
	int fd;

	assert_int_equal(fsutil_write_atomic(at("f"), "one", 3, 0600, true, &err), 0);
	assert_int_equal(fsutil_write_atomic(at("f"), "second", 6, 0600, false, &err), 0);
	assert_int_equal(mode_of(at("f")), 0600);
	fd = open(at("f"), O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 6);
	close(fd);
	assert_string_equal(text, "second");
	assert_int_equal(count(dir), 1); /* no temporary file */
	assert_int_equal(fsutil_write_atomic(at("no/f"), "x", 1, 0600, true, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no/f"));
	/* What stands where the file should be is neither followed nor half replaced. */
	assert_int_equal(mkdir(at("d"), 0700), 0);
	assert_int_equal(fsutil_write_atomic(at("d"), "x", 1, 0600, true, &err), -EISDIR);
	assert_int_equal(symlink("f", at("g.tmp")), 0);
	assert_int_equal(fsutil_write_atomic(at("g"), "x", 1, 0600, true, &err), -ELOOP);
	assert_int_equal(rmdir(at("d")), 0);
	unlink(at("g.tmp"));
	unlink(at("f"));
}

static void test_mkdir(void **state)
{
	struct err err;

	assert_int_equal(fsutil_mkdir(at("d"), 0700, &err), 0);
	assert_int_equal(mode_of(at("d")), 0700);
	assert_int_equal(fsutil_mkdir(at("d"), 0755, &err), 0);
	assert_int_equal(mode_of(at("d")), 0755);
	assert_int_equal(symlink("d", at("l")), 0);
	assert_int_equal(fsutil_mkdir(at("l"), 0700, &err), -ENOTDIR);
	assert_int_equal(mode_of(at("d")), 0755);
	assert_int_equal(fsutil_mkdir(at("x/y"), 0700, &err), -ENOENT);
	unlink(at("l"));
	assert_int_equal(fsutil_remove_dir(at("d"), &err), 0);
}

static void test_remove_dir(void **state)
{
	struct err err;

	assert_int_equal(fsutil_remove_dir(at("absent"), &err), 0);
	assert_int_equal(mkdir(at("d"), 0700), 0);
	assert_int_equal(fsutil_write_atomic(at("d/a"), "x", 1, 0600, false, &err), 0);
	assert_int_equal(mkfifo(at("d/b"), 0600), 0);
	assert_int_equal(fsutil_write_atomic(at("outside"), "x", 1, 0600, false, &err), 0);
	assert_int_equal(symlink("../outside", at("d/c")), 0);
	assert_int_equal(fsutil_remove_dir(at("d"), &err), 0);
	assert_int_equal(access(at("d"), F_OK), -1);
	assert_int_equal(access(at("outside"), F_OK), 0);
	unlink(at("outside"));
}

static void make(const char *name)
{
	int fd = open(at(name), O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void test_remove_tree(void **state)
{
	static const char *const dirs[] = {"d", "d/a", "d/a/b", "d/empty", "d/none", "keep"};
	static const char *const files[] = {"d/f", "d/a/f", "d/a/b/-f", "keep/f"};
	struct err err;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		assert_int_equal(mkdir(at(dirs[i]), 0700), 0);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		make(files[i]);
	}
	/* Links to directories and files outside, and one that dangles. */
	assert_int_equal(symlink("../../keep", at("d/a/link")), 0);
	assert_int_equal(symlink("../keep/f", at("d/link")), 0);
	assert_int_equal(symlink("nothing", at("d/dangling")), 0);
	assert_int_equal(chmod(at("d/none"), geteuid() == 0 ? 0 : 0700), 0);
	assert_int_equal(fsutil_remove_dir(at("d"), &err), 0);
	assert_int_equal(access(at("d"), F_OK), -1);
	assert_int_equal(count(at("keep")), 1);
	/* A link in its place leads nowhere. */
	assert_int_equal(symlink("keep", at("d")), 0);
	assert_int_equal(fsutil_remove_dir(at("d"), &err), -ENOTDIR);
	assert_int_equal(count(at("keep")), 1);
	unlink(at("d"));
	assert_int_equal(fsutil_remove_dir(at("keep"), &err), 0);
}

static void test_remove_is_bounded(void **state)
{
	char path[PATH_MAX] = "d", name[32];
	struct err err;

	for (unsigned i = 0; i <= LIMIT_REMOVE_DEPTH + 1; i++) {
		assert_int_equal(mkdir(at(path), 0700), 0);
		strcat(path, "/d");
	}
	assert_int_equal(fsutil_remove_dir(at("d"), &err), -E2BIG);
	assert_non_null(strstr(err.text, "nested too deep"));
	path[strlen(path) - 2] = '\0';
	assert_int_equal(rmdir(at(path)), 0);
	assert_int_equal(fsutil_remove_dir(at("d"), &err), 0);

	assert_int_equal(mkdir(at("d"), 0700), 0);
	assert_int_equal(mkdir(at("d/d"), 0700), 0);
	for (unsigned i = 0; i < LIMIT_REMOVE_ENTRIES; i++) {
		snprintf(name, sizeof(name), "d/d/%u", i);
		make(name);
	}
	assert_int_equal(fsutil_remove_dir(at("d"), &err), -E2BIG);
	assert_non_null(strstr(err.text, "more than"));
	assert_int_equal(count(at("d/d")), 1);
	assert_int_equal(fsutil_remove_dir(at("d"), &err), 0); /* goes on */
	assert_int_equal(access(at("d"), F_OK), -1);
}

static void write_exit(struct exits *exits, uint32_t domid)
{
	struct json_object *json = json_object_new_object();
	struct err err;

	json_object_object_add(json, "domid", json_object_new_int(domid));
	assert_int_equal(
		exits_write(exits, domid, "11111111-2222-3333-4444-555555555555", json, &err), 0);
	json_object_put(json);
	usleep(2000); /* names begin with the millisecond */
}

static void test_exits(void **state)
{
	struct json_object *json = json_object_new_object();
	struct exits *exits;
	char path[PATH_MAX];
	struct err err;

	assert_int_equal(exits_new(&exits, dir, 3), 0);
	for (unsigned i = 1; i <= 5; i++) {
		write_exit(exits, i);
	}
	exits = exits_free(exits);
	snprintf(path, sizeof(path), "%s", at("exits"));
	assert_int_equal(count(path), 3);
	/* A smaller limit holds from the start, and none keeps none. */
	assert_int_equal(exits_new(&exits, dir, 1), 0);
	assert_int_equal(count(path), 1);
	write_exit(exits, 6);
	assert_int_equal(count(path), 1);
	exits = exits_free(exits);
	assert_int_equal(exits_new(&exits, dir, 0), 0);
	write_exit(exits, 7);
	assert_int_equal(count(path), 0);
	exits = exits_free(exits);
	assert_int_equal(rmdir(path), 0);
	/* A directory that can't be used is told at each write. */
	assert_int_equal(exits_new(&exits, "/nonexistent/state", 3), 0);
	assert_int_equal(exits_write(exits, 1, "u", json, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/state/exits"));
	json_object_put(json);
	exits_free(exits);
}

static int set_up(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_mkdir),
		cmocka_unit_test(test_remove_dir),
		cmocka_unit_test(test_remove_tree),
		cmocka_unit_test(test_remove_is_bounded),
		cmocka_unit_test(test_exits),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
