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

int fsutil_remove_dir(const char *path, struct err *err)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir) {
		return errno == ENOENT ? 0 : err_set_errno(err, -errno, "open \"%s\"", path);
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) {
			continue;
		}
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT) {
			return err_set_errno(err, -errno, "remove \"%s/%s\"", path, entry->d_name);
		}
	}
	return rmdir(path) < 0 && errno != ENOENT ? err_set_errno(err, -errno, "rmdir \"%s\"", path)
						  : 0;
}
