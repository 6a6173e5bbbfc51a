/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/seqfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/parse.h"
#include "daemon/loop.h"

/*
 * The file is replaced (written beside, synced, renamed). Where that fails, a full disk say, its
 * old bytes are overwritten in place, which needs no space; it is short enough to lie in one
 * sector. The number is the first one that is free. A file that can't be read, or holds something
 * else, is put aside and the clock takes its place: its milliseconds are far above any count of
 * events.
 */
#define BLOCK 1024
#define SEQ_MAX ((UINT64_C(1) << 53) - 1) /* what JSON readers take exactly */
#define TEXT_LEN 20			  /* digits and blanks; always so many */

static uint64_t clock_seq(uint64_t at_least)
{
	uint64_t now = loop_realtime_ms();

	return now > at_least ? now : at_least;
}

static int write_whole(int fd, const char *text, size_t len)
{
	ssize_t n = pwrite(fd, text, len, 0);

	if (n < 0) {
		return -errno;
	}
	if ((size_t)n < len) {
		return -ENOSPC;
	}
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int replace_file(const char *path, const char *text, size_t len)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (asprintf(&temporary, "%s.new", path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return -errno;
	}
	r = write_whole(fd, text, len);
	if (r == 0 && rename(temporary, path) < 0) {
		r = -errno;
	}
	if (r < 0) {
		unlink(temporary);
	}
	return r;
}

static int overwrite_file(const char *path, const char *text, size_t len)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 ? -errno : write_whole(fd, text, len);
}

static int store(struct seqfile *seq, uint64_t next)
{
	char text[TEXT_LEN + 2];
	int r;

	snprintf(text, sizeof(text), "%-*llu\n", TEXT_LEN, (unsigned long long)next);
	r = replace_file(seq->path, text, strlen(text));
	if (r < 0 && overwrite_file(seq->path, text, strlen(text)) == 0) {
		r = 0;
	}
	if (r < 0) {
		err_set_errno(&seq->error, r, "\"%s\"", seq->path);
	} else {
		seq->error.code = 0;
	}
	return r;
}

/* 0 with the number, -ENOENT, -EBADMSG for other content, another error. */
static int load(const char *path, uint64_t *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[64];
	struct stat st;
	ssize_t n;

	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		return -EBADMSG;
	}
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0) {
		return -errno;
	}
	text[n] = 0;
	text[strcspn(text, " \n")] = 0;
	if (strlen(text) == (size_t)n || parse_u64(text, SEQ_MAX, ret) < 0 || *ret == 0) {
		return -EBADMSG; /* without its end it may have lost digits */
	}
	return 0;
}

static void put_aside(const char *path)
{
	_cleanup_free_ char *bad = NULL;

	if (asprintf(&bad, "%s.bad", path) < 0) {
		bad = NULL;
	} else if (rename(path, bad) < 0) {
		return; /* the next store tells */
	}
}

int seqfile_open(struct seqfile *seq, const char *state_dir, uint64_t *ret_last)
{
	uint64_t next = 1;
	int r;

	*seq = (struct seqfile){0};
	if (asprintf(&seq->path, "%s/event-seq", state_dir) < 0) {
		seq->path = NULL;
		return -ENOMEM;
	}
	r = load(seq->path, &next);
	if (r < 0 && r != -ENOENT) {
		if (r == -EBADMSG) {
			put_aside(seq->path);
		}
		next = clock_seq(1);
	}
	if (store(seq, next + BLOCK) < 0) {
		next = clock_seq(next);
	}
	seq->reserved = next + BLOCK - 1;
	*ret_last = next - 1;
	return 0;
}

void seqfile_close(struct seqfile *seq, uint64_t last)
{
	if (seq->path) {
		store(seq, last + 1);
	}
	free(TAKE_PTR(seq->path));
}

uint64_t seqfile_next(struct seqfile *seq, uint64_t last)
{
	uint64_t next = last + 1;

	if (next <= seq->reserved) {
		return next;
	}
	if (store(seq, next + BLOCK) < 0) {
		next = clock_seq(next);
	}
	seq->reserved = next + BLOCK - 1;
	return next;
}

int seqfile_error(const struct seqfile *seq, struct err *err)
{
	return seq->error.code ? err_set(err, seq->error.code, "%s", seq->error.text) : 0;
}
