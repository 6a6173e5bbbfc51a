/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/fsutil.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/limits.h"

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (n > 0) {
			data += n;
			len -= n;
		}
	}
	return 0;
}

static int write_file(const char *path, const void *data, size_t len, mode_t mode, bool sync)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	int r;

	if (fd < 0) {
		return -errno;
	}
	r = write_all(fd, data, len);
	if (r == 0 && sync && fsync(fd) < 0) {
		r = -errno;
	}
	return r;
}

int fsutil_write_atomic(
	const char *path, const void *data, size_t len, mode_t mode, bool sync, struct err *err)
{
	char temporary[PATH_MAX];
	int r;

	if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary)) {
		return err_set_errno(err, -ENAMETOOLONG, "write \"%s\"", path);
	}
	r = write_file(temporary, data, len, mode, sync);
	if (r == 0 && rename(temporary, path) < 0) {
		r = -errno;
	}
	if (r < 0) {
		unlink(temporary);
		return err_set_errno(err, r, "write \"%s\"", path);
	}
	return 0;
}

int fsutil_mkdir(const char *path, mode_t mode, struct err *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0) {
		return 0;
	}
	if (errno != EEXIST || lstat(path, &st) < 0) {
		return err_set_errno(err, -errno, "mkdir \"%s\"", path);
	}
	if (!S_ISDIR(st.st_mode)) {
		return err_set_errno(err, -ENOTDIR, "mkdir \"%s\"", path);
	}
	if ((st.st_mode & 07777) != mode && chmod(path, mode) < 0) {
		return err_set_errno(err, -errno, "chmod \"%s\"", path);
	}
	return 0;
}

struct removal {
	const char *top;
	struct err *err;
	dev_t dev;	  /* nothing is removed that is mounted below */
	unsigned entries; /* that may still be removed */
};

static int remove_contents(struct removal *rm, int fd, unsigned depth);

static int remove_failed(struct removal *rm, int r, const char *name)
{
	return err_set_errno(rm->err, r, "remove \"%s\": \"%s\"", rm->top, name);
}

/* Whoever wrote there may still do so: what is a directory now may be a link at the next call. */
static int remove_subdir(struct removal *rm, int parent, const char *name, unsigned depth)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (depth == LIMIT_REMOVE_DEPTH) {
		return err_set(
			rm->err, -E2BIG, "remove \"%s\": \"%s\" is nested too deep", rm->top, name);
	}
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? 0 : remove_failed(rm, -errno, name);
	}
	if (fstat(fd, &st) < 0 || st.st_dev != rm->dev) {
		return remove_failed(rm, -EXDEV, name);
	}
	r = remove_contents(rm, TAKE_FD(fd), depth + 1);
	if (r < 0) {
		return r;
	}
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT
		       ? remove_failed(rm, -errno, name)
		       : 0;
}

static int remove_entry(struct removal *rm, int parent, const char *name, unsigned depth)
{
	if (rm->entries == 0) {
		return err_set(rm->err, -E2BIG, "remove \"%s\": more than %u files are in it",
			rm->top, LIMIT_REMOVE_ENTRIES);
	}
	rm->entries--;
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
		return 0;
	}
	return errno == EISDIR ? remove_subdir(rm, parent, name, depth)
			       : remove_failed(rm, -errno, name);
}

/* Takes FD over. */
static int remove_contents(struct removal *rm, int fd, unsigned depth)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		close(fd);
		return err_set(rm->err, -ENOMEM, "out of memory");
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
			r = remove_entry(rm, dirfd(dir), entry->d_name, depth);
		}
	}
	return r;
}

int fsutil_remove_dir(const char *path, struct err *err)
{
	struct removal rm = {.top = path, .err = err, .entries = LIMIT_REMOVE_ENTRIES};
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return errno == ENOENT ? 0 : err_set_errno(err, -errno, "open \"%s\"", path);
	}
	rm.dev = st.st_dev;
	r = remove_contents(&rm, TAKE_FD(fd), 0);
	if (r < 0) {
		return r;
	}
	return rmdir(path) < 0 && errno != ENOENT ? err_set_errno(err, -errno, "rmdir \"%s\"", path)
						  : 0;
}
