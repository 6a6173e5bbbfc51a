/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/logtrim.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/limits.h"

#define COPY_BYTES 65536
#define COPY_ROUNDS 16 /* for what is appended while the tail is copied */

static int file_size(int fd, uint64_t *ret, uint64_t *ret_block)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if (!S_ISREG(st.st_mode)) {
		return -EINVAL;
	}
	*ret = st.st_size;
	*ret_block = st.st_blksize > 0 ? st.st_blksize : 4096;
	return 0;
}

/* Copies [FROM, FROM+LEN) to TO < FROM. Returns what was copied; less at the end of the file. */
static int64_t move_down(int fd, uint64_t from, uint64_t to, uint64_t len, char *buf)
{
	uint64_t done = 0;

	while (done < len) {
		size_t want = len - done < COPY_BYTES ? len - done : COPY_BYTES;
		ssize_t n = pread(fd, buf, want, from + done);

		if (n < 0) {
			return -errno;
		}
		if (n == 0) {
			break;
		}
		if (pwrite(fd, buf, n, to + done) != n) {
			return -EIO;
		}
		done += n;
	}
	return done;
}

/* For file systems that can't collapse a range: the tail goes to the front, also what is appended
 * meanwhile as far as a few rounds see it, then the file is cut. */
static int copy_tail(int fd, uint64_t drop, uint64_t size)
{
	_cleanup_free_ char *buf = malloc(COPY_BYTES);
	uint64_t kept = 0, block;
	int r;

	if (!buf) {
		return -ENOMEM;
	}
	for (int round = 0; round < COPY_ROUNDS && drop + kept < size; round++) {
		int64_t n = move_down(fd, drop + kept, kept, size - drop - kept, buf);

		if (n < 0) {
			return n;
		}
		kept += n;
		r = file_size(fd, &size, &block);
		if (r < 0) {
			return r;
		}
	}
	return ftruncate(fd, kept) < 0 ? -errno : 0;
}

/* Appends go on at the new end all the while: the writers' descriptors are O_APPEND. */
static int drop_head(int fd, uint64_t size, uint64_t keep, uint64_t block, uint64_t *ret_dropped,
	bool *ret_lossy)
{
	uint64_t drop = (size - keep) / block * block;
	int r;

	if (drop && drop < size && fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, drop) == 0) {
		*ret_dropped = drop;
		*ret_lossy = false;
		return 0;
	}
	/* EOPNOTSUPP, EINVAL (another block size than told), ENOSPC, …: all the same by copying */
	drop = size - keep;
	r = copy_tail(fd, drop, size);
	if (r < 0) {
		return r;
	}
	*ret_dropped = drop;
	*ret_lossy = true;
	return 0;
}

static int append_note(const char *path, uint64_t dropped, uint64_t max, bool lossy)
{
	_cleanup_close_ int fd =
		open(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[256], last = '\n';
	uint64_t size = 0, block;
	int len;

	if (fd < 0) {
		return -errno;
	}
	/* Not into the middle of a line that its writer has not ended yet. */
	if (file_size(fd, &size, &block) == 0 && size && pread(fd, &last, 1, size - 1) != 1) {
		last = '\n';
	}
	len = snprintf(text, sizeof(text),
		"%sxendmd: dropped %" PRIu64 " bytes of this log (limit %" PRIu64 " %s)%s\n",
		last == '\n' ? "" : "\n", dropped, max >= 1048576 ? max / 1048576 : max,
		max >= 1048576 ? "MiB" : "bytes",
		lossy ? "; lines written meanwhile may be missing" : "");
	return write(fd, text, len) == len ? 0 : -EIO;
}

int logtrim_file(const char *path, uint64_t max, uint64_t *ret_dropped, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint64_t size, block, keep = max / 2, dropped;
	bool lossy;
	int r;

	if (fd < 0) {
		return err_set_errno(err, -errno, "open \"%s\"", path);
	}
	r = file_size(fd, &size, &block);
	if (r < 0) {
		return err_set_errno(err, r, "trim \"%s\"", path);
	}
	if (size <= max) {
		*ret_dropped = 0;
		return 0;
	}
	keep = keep < LIMIT_LOG_KEEP_BYTES ? keep : LIMIT_LOG_KEEP_BYTES;
	r = drop_head(fd, size, keep, block, &dropped, &lossy);
	if (r < 0) {
		return err_set_errno(err, r, "trim \"%s\"", path);
	}
	*ret_dropped = dropped;
	/* The note is a courtesy: a full disk is no reason to fail. */
	append_note(path, dropped, max, lossy);
	return 0;
}
