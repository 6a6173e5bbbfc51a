/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* A QEMU in dom0, over the listening socket that it inherited. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/qmplink_private.h"
#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/passfd.h"

struct unix_link {
	struct qmp_link base;
	char *path;
	int fd;
	struct loop_io io;
	unsigned io_events;
	struct loop_timer pause;
	bool paused; /* not read for a moment */
};

static void on_io(void *arg, unsigned events);

static void arm(struct unix_link *l)
{
	unsigned events = (l->paused ? 0 : LOOP_READ) | (l->base.out ? LOOP_WRITE : 0);

	if (l->fd < 0 || events == l->io_events) {
		return;
	}
	loop_io_stop(&l->io);
	l->io_events = events;
	if (events && loop_io_start(l->base.loop, &l->io, l->fd, events, on_io, l) < 0) {
		l->io_events = 0; /* the commands' deadlines tell of it */
	}
}

static ssize_t send_chunk(const struct unix_link *l, struct qmp_chunk *c)
{
	return passfd_send(
		l->fd, c->text + c->at, c->len - c->at, &c->fd, c->fd >= 0, MSG_DONTWAIT);
}

/* An error shows itself when the connection is read. */
static void flush(struct unix_link *l)
{
	while (l->base.out) {
		struct qmp_chunk *c = l->base.out;
		size_t left = c->len - c->at;
		ssize_t n = send_chunk(l, c);

		if (n < 0) {
			return;
		}
		close_p(&c->fd);
		qmp_link_sent(&l->base, n);
		if ((size_t)n < left) {
			return;
		}
	}
}

static void on_pause_over(void *arg)
{
	struct unix_link *l = arg;

	l->paused = false;
	arm(l);
}

static void on_readable(struct unix_link *l)
{
	char data[LIMIT_QMP_TURN_BYTES];
	ssize_t n = recv(l->fd, data, sizeof(data), MSG_DONTWAIT);
	struct err err;
	int pause_ms;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		err_set(&err, -ECONNRESET, "the device model closed its QMP connection");
		qmp_link_down(&l->base, &err, false);
		return;
	}
	pause_ms = l->base.ops->on_data(l->base.ctx, data, n);
	if (pause_ms > 0 && l->base.up) {
		l->paused =
			loop_timer_start(l->base.loop, &l->pause, pause_ms, on_pause_over, l) == 0;
	}
}

static void on_io(void *arg, unsigned events)
{
	struct unix_link *l = arg;

	if (events & LOOP_WRITE) {
		flush(l);
	}
	if (events & LOOP_READ) {
		on_readable(l);
	}
	arm(l);
}

static int open_socket(struct unix_link *l)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(l->path) >= sizeof(address.sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, l->path, strlen(l->path));
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return -errno;
	}
	return 0;
}

static void unix_connect(struct qmp_link *link)
{
	struct unix_link *l = (struct unix_link *)link;
	struct err err;
	int r = open_socket(l);

	if (r < 0) {
		err_set_errno(&err, r, "QMP: connect to \"%s\"", l->path);
		qmp_link_down(link, &err, false);
		return;
	}
	link->up = true;
	arm(l);
	link->ops->on_up(link->ctx);
}

static void unix_disconnect(struct qmp_link *link)
{
	struct unix_link *l = (struct unix_link *)link;

	loop_io_stop(&l->io);
	loop_timer_stop(&l->pause);
	l->io_events = 0;
	l->paused = false;
	close_p(&l->fd);
}

static void unix_queued(struct qmp_link *link)
{
	struct unix_link *l = (struct unix_link *)link;

	flush(l);
	arm(l);
}

static void unix_free(struct qmp_link *link)
{
	struct unix_link *l = (struct unix_link *)link;

	free(l->path);
	free(l);
}

static const struct qmp_link_kind unix_kind = {.connect = unix_connect,
	.disconnect = unix_disconnect,
	.queued = unix_queued,
	.free = unix_free};

int qmp_link_new_unix(struct qmp_link **ret, struct loop *loop, const char *path,
	const struct qmp_link_ops *ops, void *ctx)
{
	struct unix_link *l = calloc(1, sizeof(*l));

	if (!l) {
		return -ENOMEM;
	}
	qmp_link_init(&l->base, &unix_kind, loop, ops, ctx);
	l->fd = -1;
	l->path = strdup(path);
	if (!l->path) {
		free(l);
		return -ENOMEM;
	}
	*ret = &l->base;
	return 0;
}
