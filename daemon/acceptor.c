/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/acceptor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/limits.h"
#include "lib/log.h"

static void listen_again(void *arg);

static void pause_for(struct acceptor *a, int error)
{
	log_warning("%s: can't accept a client: %s; trying again in %d ms", a->name,
		strerror(error), LIMIT_ACCEPT_PAUSE_MS);
	if (loop_timer_start(a->loop, &a->pause, LIMIT_ACCEPT_PAUSE_MS, listen_again, a) < 0) {
		return; /* the listener is level-triggered: it asks again, if it runs */
	}
	a->paused = true;
	loop_io_stop(&a->io);
}

/* False: nothing more to accept in this turn. */
static bool accept_one(struct acceptor *a)
{
	int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		a->on_client(a->ctx, fd);
		return a->io.event; /* stopped by it? */
	}
	if (errno == ECONNABORTED || errno == EINTR) {
		return true;
	}
	if (errno != EAGAIN) {
		pause_for(a, errno);
	}
	return false;
}

static void on_readable(void *arg, unsigned events)
{
	struct acceptor *a = arg;

	for (int i = 0; i < LIMIT_ACCEPTS_PER_TURN && accept_one(a); i++) {
	}
}

static void listen_again(void *arg)
{
	struct acceptor *a = arg;
	int r = loop_io_start(a->loop, &a->io, a->fd, LOOP_READ, on_readable, a);

	a->paused = false;
	if (r < 0) {
		pause_for(a, -r);
	}
}

void acceptor_start(struct acceptor *a, struct loop *loop, int fd, const char *name,
	void (*on_client)(void *ctx, int fd), void *ctx)
{
	*a = (struct acceptor){
		.loop = loop, .fd = fd, .name = name, .on_client = on_client, .ctx = ctx};
	listen_again(a);
}

void acceptor_stop(struct acceptor *a)
{
	loop_io_stop(&a->io);
	loop_timer_stop(&a->pause);
	a->paused = false;
}
