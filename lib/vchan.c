/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/vchan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxenvchan.h>
#include <xentoollog.h>

#include "lib/cleanup.h"
#include "lib/limits.h"

/*
 * The page with the rings' indices is the peer's to write at any time. libxenvchan masks them with
 * its private copy of the orders and bounds each copy by the caller's buffer, so they can't lead
 * outside; but rings whose indices make no sense look idle for ever (XSA-86's fix). So they are
 * looked at here, each index once.
 *
 * Quirks of 4.17 to 4.21: `blocking` is not initialised; its flags are signed one-bit fields; the
 * event channel's descriptor blocks; is_open() is a byte that the peer may set back to 1.
 */
struct vchan {
	struct libxenvchan *lib;
	bool closed; /* once it was */
};

static _Thread_local char last_words[ERR_TEXT_MAX / 2];

static void note_words(struct xentoollog_logger *logger, xentoollog_level level, int errnoval,
	const char *context, const char *format, va_list al)
{
	if (level >= XTL_ERROR) {
		vsnprintf(last_words, sizeof(last_words), format, al);
	}
}

static void note_progress(struct xentoollog_logger *logger, const char *context,
	const char *doing_what, int percent, unsigned long done, unsigned long total)
{
}

static void keep_logger(struct xentoollog_logger *logger)
{
}

/* The library's handles keep it; without one they write to stderr what the peer makes them say. */
static struct xentoollog_logger logger = {
	.vmessage = note_words, .progress = note_progress, .destroy = keep_logger};

static bool fits(const struct libxenvchan_ring *ring)
{
	return ring->order > 0 && ring->order <= LIMIT_VCHAN_RING_ORDER;
}

static int set_up(struct vchan *v, uint32_t domid, struct err *err)
{
	int fd, flags;

	v->lib->blocking = 0;
	if (!fits(&v->lib->read) || !fits(&v->lib->write)) {
		return err_set(err, -EPROTO,
			"domain %u offers rings of 2^%d and 2^%d bytes, at most 2^%d are taken",
			domid, v->lib->read.order, v->lib->write.order, LIMIT_VCHAN_RING_ORDER);
	}
	fd = libxenvchan_fd_for_select(v->lib);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		return err_set_errno(err, -errno, "the event channel of a vchan");
	}
	return 0;
}

int vchan_open(struct vchan **ret, uint32_t domid, const char *path, struct err *err)
{
	struct vchan *v;
	int r;

	if (strlen(path) > VCHAN_PATH_MAX) {
		return err_set(err, -ENAMETOOLONG, "vchan \"%s\": a path of more than %d bytes",
			path, VCHAN_PATH_MAX);
	}
	v = calloc(1, sizeof(*v));
	if (!v) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	*last_words = 0;
	errno = 0;
	v->lib = libxenvchan_client_init(&logger, domid, path);
	if (!v->lib) {
		r = errno > 0 ? -errno : -EIO;
		free(v);
		return err_set_errno(err, r, "vchan \"%s\" of domain %u%s%s", path, domid,
			*last_words ? ": " : "", last_words);
	}
	r = set_up(v, domid, err);
	if (r < 0) {
		vchan_close(v);
		return r;
	}
	*ret = v;
	return 0;
}

struct vchan *vchan_close(struct vchan *v)
{
	if (v) {
		libxenvchan_close(v->lib);
		free(v);
	}
	return NULL;
}

int vchan_fd(const struct vchan *v)
{
	return libxenvchan_fd_for_select(v->lib);
}

int vchan_take_event(struct vchan *v)
{
	errno = 0;
	if (libxenvchan_wait(v->lib) < 0) {
		return errno == EINTR || errno == 0 ? -EAGAIN : -errno;
	}
	return 0;
}

static bool is_sane(const struct libxenvchan_ring *ring)
{
	const volatile struct ring_shared *shared = ring->shr;
	uint32_t prod = shared->prod, cons = shared->cons;

	return prod - cons <= UINT32_C(1) << ring->order;
}

/* 0, or why nothing more is to be done with it. */
static int check(const struct vchan *v)
{
	return is_sane(&v->lib->read) && is_sane(&v->lib->write) ? 0 : -EPROTO;
}

static bool is_closed(struct vchan *v)
{
	v->closed |= libxenvchan_is_open(v->lib) != 1;
	return v->closed;
}

ssize_t vchan_read(struct vchan *v, void *buf, size_t size)
{
	bool closed = is_closed(v); /* before: what it wrote first is still to be read */
	int r = check(v);

	if (r < 0) {
		return r;
	}
	r = libxenvchan_read(v->lib, buf, size < INT32_MAX ? size : INT32_MAX);
	if (r > 0) {
		return r;
	}
	v->closed |= r < 0;
	return closed || r < 0 ? -EPIPE : 0;
}

ssize_t vchan_write(struct vchan *v, const void *buf, size_t size)
{
	int r = check(v);

	if (r < 0) {
		return r;
	}
	if (is_closed(v)) {
		return -EPIPE;
	}
	r = libxenvchan_write(v->lib, buf, size < INT32_MAX ? size : INT32_MAX);
	v->closed |= r < 0;
	return r < 0 ? -EPIPE : r;
}
