/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/defwatch.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "lib/cleanup.h"

/* A file counts when it is complete: closed after writing, or renamed into place. */
#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)

struct defwatch {
	struct loop *loop;
	int fd;
	struct loop_io io;
	struct loop_timer quiet;
	int64_t first_ms; /* of the burst; 0: none */
	char *dirs[2];
	void (*fn)(void *ctx);
	void *ctx;
};

static void add_watches(struct defwatch *w)
{
	for (unsigned i = 0; i < 2; i++) {
		inotify_add_watch(w->fd, w->dirs[i], EVENTS); /* the same one when it is there */
	}
}

static void on_quiet(void *arg)
{
	struct defwatch *w = arg;

	w->first_ms = 0;
	add_watches(w);
	w->fn(w->ctx);
}

static void on_readable(void *arg, unsigned events)
{
	struct defwatch *w = arg;
	char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	int64_t now = loop_monotonic_ms();

	/* Which files does not matter, an overflow neither: all are read again. */
	if (read(w->fd, buffer, sizeof(buffer)) <= 0) {
		return;
	}
	if (!w->first_ms) {
		w->first_ms = now;
	}
	if (now - w->first_ms < DEFWATCH_MAX_MS) {
		loop_timer_start(w->loop, &w->quiet, DEFWATCH_QUIET_MS, on_quiet, w);
	}
}

int defwatch_new(struct defwatch **ret, struct loop *loop, const char *const dirs[2],
	void (*fn)(void *ctx), void *ctx)
{
	struct defwatch *w = calloc(1, sizeof(*w));
	int r;

	if (!w) {
		return -ENOMEM;
	}
	*w = (struct defwatch){
		.loop = loop, .fn = fn, .ctx = ctx, .dirs = {strdup(dirs[0]), strdup(dirs[1])}};
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	r = w->fd < 0 ? -errno : 0;
	if (r == 0 && (!w->dirs[0] || !w->dirs[1])) {
		r = -ENOMEM;
	}
	if (r == 0) {
		add_watches(w);
		r = loop_io_start(loop, &w->io, w->fd, LOOP_READ, on_readable, w);
	}
	if (r < 0) {
		defwatch_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct defwatch *defwatch_free(struct defwatch *w)
{
	if (!w) {
		return NULL;
	}
	loop_timer_stop(&w->quiet);
	loop_io_stop(&w->io);
	close_p(&w->fd);
	free(w->dirs[0]);
	free(w->dirs[1]);
	free(w);
	return NULL;
}
