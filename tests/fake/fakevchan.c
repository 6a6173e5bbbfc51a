/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client functions of libxenvchan, over files (fakevchan.h). */
#include "tests/fake/fakevchan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xenstore.h>

#include "tests/fake/fakevchan_layout.h"

/* Behind the struct that the library's users see. */
struct fake {
	struct libxenvchan lib;
	struct ring_shared *left, *right;
	int page_fd, event_fd, kick_fd;
	size_t size;
};

struct fakevchan_counts fakevchan_counts;

static void count(unsigned *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_SEQ_CST);
}

static struct fake *fake_of(struct libxenvchan *ctrl)
{
	return (struct fake *)ctrl;
}

static int read_number(struct xs_handle *xs, const char *path, const char *node)
{
	char name[128];
	char *value;
	int number = -1;

	snprintf(name, sizeof(name), "%s/%s", path, node);
	value = xs_read(xs, XBT_NULL, name, NULL);
	if (value) {
		number = atoi(value);
	}
	free(value);
	return number;
}

static int open_fifo(const char *path, const char *suffix)
{
	char name[128];
	int fd;

	snprintf(name, sizeof(name), "%s.%s", path, suffix);
	fd = open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fd;
}

static int map(struct fake *f)
{
	struct vchan_interface *page;
	struct stat st;

	if (fstat(f->page_fd, &st) < 0) {
		return -1;
	}
	f->size = st.st_size;
	page = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->page_fd, 0);
	if (page == MAP_FAILED) {
		return -1;
	}
	f->lib.ring = page;
	count(&fakevchan_counts.opens);
	f->lib.write.order = page->left_order;
	f->lib.read.order = page->right_order;
	f->lib.write.shr = &page->left;
	f->lib.read.shr = &page->right;
	if (fakevchan_size(page->left_order % 32, page->right_order % 32) <= f->size) {
		f->lib.write.buffer = fakevchan_left(page, page->left_order);
		f->lib.read.buffer = fakevchan_right(page, page->left_order, page->right_order);
	}
	return 0;
}

static void kick(int fd)
{
	ssize_t n = write(fd, "!", 1);

	(void)n;
}

struct libxenvchan *libxenvchan_client_init(
	struct xentoollog_logger *logger, int domid, const char *xs_path)
{
	struct xs_handle *xs = xs_open(0);
	struct fake *f;
	char path[108];
	int ref, port;

	if (!xs) {
		return NULL;
	}
	ref = read_number(xs, xs_path, "ring-ref");
	port = read_number(xs, xs_path, "event-channel");
	xs_close(xs);
	if (ref < 0 || port < 0) {
		errno = EINVAL;
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	snprintf(path, sizeof(path), "%s/%d.%d", getenv("FAKEVCHAN_DIR"), domid, ref);
	f->lib.blocking = 1;
	f->page_fd = open(path, O_RDWR | O_CLOEXEC);
	f->event_fd = open_fifo(path, "client");
	f->kick_fd = open_fifo(path, "server");
	if (f->page_fd < 0 || f->event_fd < 0 || f->kick_fd < 0 || map(f) < 0) {
		libxenvchan_close(&f->lib);
		errno = EINVAL;
		return NULL;
	}
	flock(f->page_fd, LOCK_SH); /* held: the page is mapped */
	f->lib.ring->cli_live = 1;
	f->lib.ring->srv_notify = VCHAN_NOTIFY_WRITE;
	kick(f->event_fd);
	fcntl(f->event_fd, F_SETFL, 0); /* it blocks, as the original's does */
	return &f->lib;
}

void libxenvchan_close(struct libxenvchan *ctrl)
{
	struct fake *f = fake_of(ctrl);

	if (f->lib.ring) {
		count(&fakevchan_counts.closes);
		f->lib.ring->cli_live = 0;
		kick(f->kick_fd);
		munmap(f->lib.ring, f->size);
	}
	if (f->page_fd >= 0) {
		close(f->page_fd);
	}
	if (f->event_fd >= 0) {
		close(f->event_fd);
	}
	if (f->kick_fd >= 0) {
		close(f->kick_fd);
	}
	free(f);
}

int libxenvchan_fd_for_select(struct libxenvchan *ctrl)
{
	return fake_of(ctrl)->event_fd;
}

int libxenvchan_is_open(struct libxenvchan *ctrl)
{
	return *(volatile uint8_t *)&ctrl->ring->srv_live;
}

/* Events that came while the port was masked are one. */
int libxenvchan_wait(struct libxenvchan *ctrl)
{
	char buf[4096];

	count(&fakevchan_counts.waits);
	return read(fake_of(ctrl)->event_fd, buf, sizeof(buf)) > 0 ? 0 : -1;
}

static void want(struct libxenvchan *ctrl, uint8_t bit)
{
	__atomic_fetch_or(&ctrl->ring->cli_notify, bit, __ATOMIC_SEQ_CST);
}

static void notify(struct libxenvchan *ctrl, uint8_t bit)
{
	if (__atomic_fetch_and(&ctrl->ring->srv_notify, ~bit, __ATOMIC_SEQ_CST) & bit) {
		kick(fake_of(ctrl)->kick_fd);
	}
}

/* What is there, not more than the ring can hold; indices that can't be mean nothing. */
static uint32_t held(const struct libxenvchan_ring *r)
{
	const volatile struct ring_shared *shr = r->shr;
	uint32_t n = shr->prod - shr->cons;

	return n <= UINT32_C(1) << r->order ? n : 0;
}

static uint32_t room(const struct libxenvchan_ring *r)
{
	const volatile struct ring_shared *shr = r->shr;
	uint32_t size = UINT32_C(1) << r->order, n = shr->prod - shr->cons;

	return n <= size ? size - n : 0;
}

int libxenvchan_read(struct libxenvchan *ctrl, void *data, size_t size)
{
	struct libxenvchan_ring *r = &ctrl->read;
	uint32_t mask = (UINT32_C(1) << r->order) - 1, n;

	for (;;) {
		if (held(r) < size) {
			want(ctrl, VCHAN_NOTIFY_WRITE);
		}
		n = held(r);
		if (n > 0) {
			break;
		}
		if (!libxenvchan_is_open(ctrl)) {
			return -1;
		}
		if (!ctrl->blocking) {
			return 0;
		}
		if (libxenvchan_wait(ctrl) < 0) {
			return -1;
		}
	}
	n = n < size ? n : size;
	for (uint32_t i = 0; i < n; i++) {
		((unsigned char *)data)[i] =
			((volatile unsigned char *)r->buffer)[(r->shr->cons + i) & mask];
	}
	__atomic_store_n(&r->shr->cons, r->shr->cons + n, __ATOMIC_SEQ_CST);
	notify(ctrl, VCHAN_NOTIFY_READ);
	return n;
}

int libxenvchan_write(struct libxenvchan *ctrl, const void *data, size_t size)
{
	struct libxenvchan_ring *r = &ctrl->write;
	uint32_t mask = (UINT32_C(1) << r->order) - 1, n;

	if (!libxenvchan_is_open(ctrl)) {
		return -1;
	}
	if (room(r) < size) {
		want(ctrl, VCHAN_NOTIFY_READ);
	}
	n = room(r) < size ? room(r) : size;
	if (n == 0) {
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		((unsigned char *)r->buffer)[(r->shr->prod + i) & mask] =
			((const unsigned char *)data)[i];
	}
	__atomic_store_n(&r->shr->prod, r->shr->prod + n, __ATOMIC_SEQ_CST);
	notify(ctrl, VCHAN_NOTIFY_WRITE);
	return n;
}
