/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/readfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

static int check_regular(const struct stat *st, size_t max, struct err *err)
{
	if (S_ISDIR(st->st_mode)) {
		return err_set(err, -EISDIR, "is a directory");
	}
	if (!S_ISREG(st->st_mode)) {
		return err_set(err, -EINVAL, "is not a regular file");
	}
	if ((unsigned long long)st->st_size > max) {
		return err_set(err, -EFBIG, "has %lld bytes; at most %zu are read",
			(long long)st->st_size, max);
	}
	return 0;
}

static int explain_open(int dirfd, const char *name, int code, struct err *err)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(dirfd, name, target, sizeof(target));

	if (code == -ENOENT && len >= 0) {
		return err_set(err, -ENOLINK, "is a link to \"%.*s\", which does not exist",
			(int)len, target);
	}
	return err_set(err, code, "cannot be opened: %s", strerror(-code));
}

/* Looks before it opens, because opening a device can do something; and again after, because the
 * name can change in between. */
static int open_regular(int dirfd, const char *name, size_t max, int *ret, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (fstatat(dirfd, name, &st, 0) < 0) {
		return explain_open(dirfd, name, -errno, err);
	}
	r = check_regular(&st, max, err);
	if (r < 0) {
		return r;
	}
	fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		return explain_open(dirfd, name, -errno, err);
	}
	if (fstat(fd, &st) < 0) {
		return err_set_errno(err, -errno, "fstat");
	}
	r = check_regular(&st, max, err);
	if (r == 0) {
		*ret = TAKE_FD(fd);
	}
	return r;
}

/* MAX + 1 bytes at most: a file can grow while it is read. */
static int read_all(int fd, size_t max, char **ret, size_t *ret_len, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0, size = 0;

	for (;;) {
		ssize_t n;

		if (size - len < 2) {
			char *grown = realloc(text, size = size ? size * 2 : 4096);

			if (!grown) {
				return err_set(err, -ENOMEM, "out of memory");
			}
			text = grown;
		}
		n = read(fd, text + len, size - len - 1);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return err_set(err, -errno, "cannot be read: %s", strerror(errno));
		}
		len += n;
		if (len > max) {
			return err_set(err, -EFBIG, "has more than %zu bytes", max);
		}
		if (n == 0) {
			break;
		}
	}
	text[len] = '\0';
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

int readfile(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len, struct err *err)
{
	_cleanup_close_ int fd = -1;
	int r = open_regular(dirfd, name, max, &fd, err);

	return r < 0 ? r : read_all(fd, max, ret, ret_len, err);
}

int readfile_any(const char *path, size_t max, char **ret, size_t *ret_len, struct err *err)
{
	_cleanup_close_ int fd = -1;

	if (!strcmp(path, "-")) {
		return read_all(STDIN_FILENO, max, ret, ret_len, err);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? explain_open(AT_FDCWD, path, -errno, err)
		      : read_all(fd, max, ret, ret_len, err);
}
