/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
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

#include "tests/fake/fakevchan_layout.h"

static int open_fifo(const char *path, const char *suffix)
{
	char name[128];

	snprintf(name, sizeof(name), "%s.%s", path, suffix);
	if (mkfifo(name, 0600) < 0 && errno != EEXIST) {
		return -1;
	}
	return open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

int fakevchan_serve(struct fakevchan_server *s, uint32_t domid, unsigned ref, unsigned in_order,
	unsigned out_order)
{
	*s = (struct fakevchan_server){.in_order = in_order,
		.out_order = out_order,
		.size = fakevchan_size(in_order, out_order)};
	snprintf(s->path, sizeof(s->path), "%s/%u.%u", getenv("FAKEVCHAN_DIR"), domid, ref);
	s->page_fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	s->event_fd = open_fifo(s->path, "server");
	s->kick_fd = open_fifo(s->path, "client");
	if (s->page_fd < 0 || s->event_fd < 0 || s->kick_fd < 0 ||
		ftruncate(s->page_fd, s->size) < 0) {
		return -errno;
	}
	s->page = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, s->page_fd, 0);
	if (s->page == MAP_FAILED) {
		return -errno;
	}
	s->page->left_order = in_order;
	s->page->right_order = out_order;
	s->page->cli_live = 2;
	s->page->srv_live = 1;
	s->page->cli_notify = VCHAN_NOTIFY_WRITE;
	s->in = fakevchan_left(s->page, in_order);
	s->out = fakevchan_right(s->page, in_order, out_order);
	return 0;
}

void fakevchan_vanish(struct fakevchan_server *s)
{
	char name[128];

	if (!s->page) {
		return;
	}
	snprintf(name, sizeof(name), "%s.server", s->path);
	unlink(name);
	snprintf(name, sizeof(name), "%s.client", s->path);
	unlink(name);
	unlink(s->path);
	munmap(s->page, s->size);
	close(s->page_fd);
	close(s->event_fd);
	close(s->kick_fd);
	s->page = NULL;
}

void fakevchan_stop(struct fakevchan_server *s)
{
	if (s->page) {
		s->page->srv_live = 0;
		fakevchan_kick(s);
		fakevchan_vanish(s);
	}
}

static void notify(struct fakevchan_server *s, uint8_t bit)
{
	if (__atomic_fetch_and(&s->page->cli_notify, ~bit, __ATOMIC_SEQ_CST) & bit) {
		fakevchan_kick(s);
	}
}

static void want(struct fakevchan_server *s, uint8_t bit)
{
	__atomic_fetch_or(&s->page->srv_notify, bit, __ATOMIC_SEQ_CST);
}

size_t fakevchan_put(struct fakevchan_server *s, const void *data, size_t len)
{
	struct ring_shared *r = &s->page->right;
	uint32_t size = UINT32_C(1) << s->out_order;
	size_t done = 0;

	if (size - (r->prod - r->cons) < len) {
		want(s, VCHAN_NOTIFY_READ);
	}
	while (done < len && r->prod - *(volatile uint32_t *)&r->cons < size) {
		s->out[r->prod & (size - 1)] = ((const unsigned char *)data)[done++];
		__atomic_store_n(&r->prod, r->prod + 1, __ATOMIC_SEQ_CST);
	}
	if (done > 0) {
		notify(s, VCHAN_NOTIFY_WRITE);
	}
	return done;
}

size_t fakevchan_get(struct fakevchan_server *s, void *data, size_t size)
{
	struct ring_shared *r = &s->page->left;
	uint32_t mask = (UINT32_C(1) << s->in_order) - 1;
	size_t done = 0;

	if (r->prod - r->cons < size) {
		want(s, VCHAN_NOTIFY_WRITE);
	}
	while (done < size && *(volatile uint32_t *)&r->prod != r->cons) {
		((unsigned char *)data)[done++] = s->in[r->cons & mask];
		__atomic_store_n(&r->cons, r->cons + 1, __ATOMIC_SEQ_CST);
	}
	if (done > 0) {
		notify(s, VCHAN_NOTIFY_READ);
	}
	return done;
}

void fakevchan_kick(struct fakevchan_server *s)
{
	ssize_t n = write(s->kick_fd, "!", 1); /* full is as good */

	(void)n;
}

bool fakevchan_take_events(struct fakevchan_server *s)
{
	char buf[4096];
	bool any = false;

	while (read(s->event_fd, buf, sizeof(buf)) > 0) {
		any = true;
	}
	return any;
}

bool fakevchan_is_connected(const struct fakevchan_server *s)
{
	return *(volatile uint8_t *)&s->page->cli_live == 1;
}

bool fakevchan_is_mapped(const struct fakevchan_server *s)
{
	bool mapped = flock(s->page_fd, LOCK_EX | LOCK_NB) < 0;

	if (!mapped) {
		flock(s->page_fd, LOCK_UN);
	}
	return mapped;
}
