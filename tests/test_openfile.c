/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/openfile.h"

struct place {
	char dir[64], path[96];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/xendmd-openfile.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/f", p->dir);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	unlink(p->path);
	rmdir(p->dir);
	free(p);
	return 0;
}

static int open_as(enum openfile_how how, const char *name, int *ret)
{
	const struct openfile file = {how, (char *)name};
	struct err err = {0};
	int r = openfile_open(&file, ret, &err);

	if (r < 0) {
		assert_non_null(strstr(err.text, name));
	}
	return r;
}

static void test_names(void **state)
{
	enum openfile_how how;

	for (unsigned i = 0; i < _OPENFILE_MAX; i++) {
		assert_int_equal(openfile_how_parse(openfile_how_name(i), &how), 0);
		assert_int_equal(how, i);
	}
	assert_int_equal(openfile_how_parse("reed", &how), -EINVAL);
}

/* What a mode lets be done, and what it does to what is there. */
static void test_paths(void **state)
{
	struct place *p = *state;
	struct stat st;
	int fd;

	assert_int_equal(open_as(OPENFILE_READ, p->path, &fd), -ENOENT);
	assert_int_equal(open_as(OPENFILE_READ_WRITE, p->path, &fd), -ENOENT);
	assert_int_equal(open_as(OPENFILE_WRITE, p->path, &fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "ab", 2), 2);
	close(fd);
	assert_int_equal(open_as(OPENFILE_APPEND, p->path, &fd), 0);
	assert_int_equal(write(fd, "c", 1), 1);
	close(fd);
	assert_int_equal(open_as(OPENFILE_READ, p->path, &fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(write(fd, "d", 1), -1);
	close(fd);
	assert_int_equal(open_as(OPENFILE_WRITE, p->path, &fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	close(fd);
}

/* A socket that an earlier one left behind is replaced. */
static void test_listening(void **state)
{
	struct place *p = *state;
	char long_name[200];

	for (int i = 0; i < 2; i++) {
		int fd, yes = 0;
		socklen_t len = sizeof(yes);

		assert_int_equal(open_as(OPENFILE_LISTEN, p->path, &fd), 0);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len), 0);
		assert_int_equal(yes, 1);
		close(fd);
	}
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(open_as(OPENFILE_LISTEN, long_name, NULL), -ENAMETOOLONG);
	assert_int_equal(open_as(OPENFILE_LISTEN, "/nowhere/s", NULL), -ENOENT);
}

/* Real ones need a kernel with tun: tests/lab/t/typed.sh. */
static void test_interfaces(void **state)
{
	assert_true(open_as(OPENFILE_MACVTAP, "no-such-interface", NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listening, setup, teardown),
		cmocka_unit_test(test_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
