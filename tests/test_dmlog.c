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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/dmlog.h"
#include "daemon/logtrim.h"
#include "daemon/loop.h"
#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/utf8.h"
#include "tests/loop_until.h"

/* The build directory's file system (often one that collapses ranges) and tmpfs (which does not).
 */
static const char *const places[] = {NULL, "/dev/shm"};

static void make_dir(size_t place, char *buf, size_t size)
{
	char below[512];

	build_path("", below, sizeof(below));
	snprintf(buf, size, "%s/test_dmlog.XXXXXX", places[place] ? places[place] : below);
	assert_non_null(mkdtemp(buf));
}

static void remove_dir(const char *dir)
{
	DIR *d = opendir(dir);

	for (struct dirent *e; (e = readdir(d));) {
		unlinkat(dirfd(d), e->d_name, 0);
		if (e->d_name[0] != '.') {
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
		}
	}
	closedir(d);
	assert_int_equal(rmdir(dir), 0);
}

static void put(const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

/* The whole file, NUL-terminated. */
static char *get(const char *path, size_t *ret_len)
{
	struct stat st;
	char *text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	text = malloc(st.st_size + 1);
	assert_int_equal(read(fd, text, st.st_size), st.st_size);
	text[st.st_size] = '\0';
	close(fd);
	if (ret_len) {
		*ret_len = st.st_size;
	}
	return text;
}

static void test_path(void **state)
{
	char name[301], expected[64], *path, *other;

	path = dmlog_path("/var/log/xen", "web1");
	assert_string_equal(path, "/var/log/xen/qemu-dm-web1.log");
	free(path);
	path = dmlog_path("/l", "../a/b");
	assert_string_equal(path, "/l/qemu-dm-.._a_b.log");
	free(path);

	memset(name, 'x', 300);
	name[300] = '\0';
	path = dmlog_path("/l", name);
	assert_int_equal(strlen(path), strlen("/l/") + 255 - 3);
	name[299] = 'y';
	other = dmlog_path("/l", name);
	assert_string_not_equal(path, other);
	free(path);
	free(other);
	/* not through the middle of a character */
	for (int i = 0; i < 300; i += 3) {
		memcpy(name + i, "\342\202\254", 3);
	}
	path = dmlog_path("/l", name);
	assert_true(utf8_valid(path, strlen(path)));
	free(path);
	name[240] = '\0';
	snprintf(expected, sizeof(expected), "/l/qemu-dm-\342\202\254");
	path = dmlog_path("/l", name); /* just fits */
	assert_int_equal(strlen(path), strlen("/l/qemu-dm-.log") + 240);
	assert_int_equal(strncmp(path, expected, strlen(expected)), 0);
	free(path);
}

static void test_rotation(void **state)
{
	char dir[600], path[640], old[660], text[32];
	struct stat st;
	struct err err;
	char *content;
	int fd = -1;

	make_dir(0, dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/qemu-dm-a.log", dir);
	umask(077);
	for (int i = 0; i < 13; i++) {
		assert_int_equal(dmlog_open(path, &fd, &err), 0);
		snprintf(text, sizeof(text), "start %d", i);
		assert_int_equal(write(fd, text, strlen(text)), strlen(text));
		assert_true(fcntl(fd, F_GETFL) & O_APPEND);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
	umask(022);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	for (int i = 0; i <= 10; i++) {
		snprintf(old, sizeof(old), i ? "%s.%d" : "%s", path, i);
		snprintf(text, sizeof(text), "start %d", 12 - i);
		content = get(old, NULL);
		assert_string_equal(content, text);
		free(content);
	}
	snprintf(old, sizeof(old), "%s.11", path);
	assert_int_equal(access(old, F_OK), -1);

	/* gaps are fine */
	snprintf(old, sizeof(old), "%s.5", path);
	unlink(old);
	assert_int_equal(dmlog_open(path, &fd, &err), 0);
	close(fd);
	snprintf(old, sizeof(old), "%s.6", path);
	assert_int_equal(access(old, F_OK), -1);
	remove_dir(dir);
}

/* What lies in the log's place is moved aside or reported, never followed or waited for. */
static void test_strange_places(void **state)
{
	char dir[600], path[640], other[660];
	struct stat st;
	struct err err;
	int fd = -1;

	make_dir(0, dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/qemu-dm-a.log", dir);
	snprintf(other, sizeof(other), "%s/victim", dir);
	put(other, "keep", 4);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(dmlog_open(path, &fd, &err), 0);
	assert_int_equal(write(fd, "log", 3), 3);
	close(fd);
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_size, 4);
	unlink(path);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(dmlog_open(path, &fd, &err), 0);
	close(fd);
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(dmlog_open(path, &fd, &err), 0);
	close(fd);

	snprintf(path, sizeof(path), "%s/missing/qemu-dm-a.log", dir);
	assert_int_equal(dmlog_open(path, &fd, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	snprintf(path, sizeof(path), "%s/victim/qemu-dm-a.log", dir);
	assert_int_equal(dmlog_open(path, &fd, &err), -ENOTDIR);
	remove_dir(dir);
}

/* Numbered lines of 32 bytes, so that what stays can be checked. */
static char *numbered(size_t lines)
{
	char *text = malloc(lines * 32 + 1);

	for (size_t i = 0; i < lines; i++) {
		snprintf(text + i * 32, 33, "line %026zu\n", i);
	}
	return text;
}

static void test_trim(void **state)
{
	static const struct {
		size_t lines;
		const char *rest; /* an unfinished line */
		uint64_t max;
		bool trims;
	} cases[] = {
		{0, "", 1000, false},
		{1000, "", 32000, false},
		{1001, "", 32000, true},
		{4000, "no end", 65536, true},
		{40000, "", 1 << 20, true},
		{400000, "", 1 << 20, true},
		{400000, "x", 11 << 20, true}, /* keeps LIMIT_LOG_KEEP_BYTES at most */
		{100, "", 1, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases) * ARRAY_SIZE(places); i++) {
		size_t c = i / ARRAY_SIZE(places), full = cases[c].lines * 32, len;
		char dir[600], path[640], *text = numbered(cases[c].lines), *now, *note;
		uint64_t dropped = 1;
		struct err err;
		int fd;

		make_dir(i % ARRAY_SIZE(places), dir, sizeof(dir));
		snprintf(path, sizeof(path), "%s/log", dir);
		put(path, text, full);
		fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
		assert_int_equal(
			write(fd, cases[c].rest, strlen(cases[c].rest)), strlen(cases[c].rest));
		assert_int_equal(logtrim_file(path, cases[c].max, &dropped, &err), 0);
		assert_int_equal(write(fd, "later\n", 6), 6); /* the writer goes on */
		close(fd);
		now = get(path, &len);
		if (!cases[c].trims) {
			assert_int_equal(dropped, 0);
			assert_int_equal(len, full + 6);
		} else {
			/* the tail stayed, then the note on a line of its own, then the rest */
			size_t kept = full - dropped;

			assert_true(dropped > 0 && dropped <= full + 1);
			assert_true(kept <= cases[c].max / 2 + 65536 || dropped > full);
			assert_true(len < full);
			if (dropped <= full) {
				assert_memory_equal(now, text + dropped, kept);
			}
			note = strstr(now, "xendmd: dropped ");
			assert_non_null(note);
			assert_true(note == now || note[-1] == '\n');
			assert_string_equal(now + len - 7, "\nlater\n");
		}
		free(now);
		free(text);
		remove_dir(dir);
	}
}

static void test_trim_refuses(void **state)
{
	char dir[600], path[640];
	uint64_t dropped;
	struct err err;

	make_dir(0, dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	assert_int_equal(logtrim_file(path, 1, &dropped, &err), -ENOENT);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(logtrim_file(path, 1, &dropped, &err), -ELOOP);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(logtrim_file(path, 1, &dropped, &err), -EINVAL);
	remove_dir(dir);
}

struct flood {
	const char *path;
	uint64_t max;
};

static bool is_small(void *arg)
{
	const struct flood *f = arg;
	struct stat st;

	return stat(f->path, &st) == 0 && (uint64_t)st.st_size <= f->max;
}

/* A writer far beyond the limit, with and without the helper. */
static void test_watch(void **state)
{
	char helper[512];

	build_path("daemon/helpers/log-trim", helper, sizeof(helper));
	for (size_t i = 0; i < 2 * ARRAY_SIZE(places); i++) {
		char dir[600], path[640], *text = numbered(4096), *now;
		struct dmlog *log = NULL, *quiet = NULL;
		struct dmlog_set *set;
		struct flood f;
		struct loop *loop;
		struct err err;
		int fd, other;

		make_dir(i / 2, dir, sizeof(dir));
		assert_int_equal(loop_new(&loop), 0);
		assert_int_equal(dmlog_set_new(&set, loop), 0);
		if (i % 2) {
			assert_int_equal(dmlog_set_use_helper(set, helper), 0);
		}
		snprintf(path, sizeof(path), "%s/quiet", dir);
		assert_int_equal(dmlog_open(path, &other, &err), 0);
		assert_int_equal(dmlog_watch(&quiet, set, path, 1000), 0);
		snprintf(path, sizeof(path), "%s/log", dir);
		assert_int_equal(dmlog_watch(&log, set, path, 1000), -ENOENT);
		assert_int_equal(dmlog_open(path, &fd, &err), 0);
		assert_int_equal(dmlog_watch(&log, set, path, 65536), 0);
		f = (struct flood){path, 65536};
		for (int round = 0; round < 5; round++) {
			for (int n = 0; n < 4; n++) {
				assert_int_equal(write(fd, text, 4096 * 32), 4096 * 32);
			}
			assert_false(is_small(&f));
			assert_true(loop_until(loop, is_small, &f));
		}
		loop_until_for(loop, NULL, NULL, 300); /* the note of the last trim */
		now = get(path, NULL);
		assert_non_null(strstr(now, "xendmd: dropped "));
		free(now);
		/* unwatched: nobody cares */
		log = dmlog_unwatch(log);
		assert_int_equal(write(fd, text, 4096 * 32), 4096 * 32);
		loop_until_for(loop, NULL, NULL, 300);
		assert_false(is_small(&f));
		/* already too long when the watching starts */
		assert_int_equal(dmlog_watch(&log, set, path, 65536), 0);
		assert_true(loop_until(loop, is_small, &f));
		close(fd);
		close(other);
		dmlog_unwatch(quiet);
		dmlog_set_free(set); /* with one log left */
		loop_free(loop);
		free(text);
		remove_dir(dir);
	}
}

static void test_tail(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		unsigned lines;
		const char *tail;
	} cases[] = {
		{"", 0, 5, ""},
		{"\n\n\n", 3, 5, ""},
		{"one\ntwo\nthree\n", 14, 5, "one\ntwo\nthree"},
		{"one\ntwo\nthree\n", 14, 2, "two\nthree"},
		{"one\ntwo\nthree", 13, 1, "three"},
		{"a\0b\033[0m\377\n", 9, 1, "a?b?[0m?"},
		{"\303\244\n\302\233", 5, 5, "\303\244\n??"},
	};
	char dir[600], path[640], big[20000], *tail;

	make_dir(0, dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put(path, cases[i].data, cases[i].len);
		tail = dmlog_tail(path, cases[i].lines);
		assert_string_equal(tail, cases[i].tail);
		free(tail);
	}
	/* bounded; whole lines */
	for (size_t i = 0; i < sizeof(big); i++) {
		big[i] = i % 100 == 99 ? '\n' : 'a' + i / 100 % 26;
	}
	put(path, big, sizeof(big));
	tail = dmlog_tail(path, 1000);
	assert_int_equal(strlen(tail), 4000 - 1);
	free(tail);
	/* garbage without any newline */
	memset(big, 0xff, sizeof(big));
	put(path, big, sizeof(big));
	tail = dmlog_tail(path, 10);
	assert_int_equal(strlen(tail), LIMIT_LOG_TAIL_BYTES);
	assert_int_equal(strspn(tail, "?"), LIMIT_LOG_TAIL_BYTES);
	free(tail);

	assert_null(dmlog_tail("/nowhere/log", 10));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(dmlog_tail(path, 10)); /* does not wait for a writer */
	assert_null(dmlog_tail(dir, 10));
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_strange_places),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_trim_refuses),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
