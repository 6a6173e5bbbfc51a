/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/qmp_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/acceptor.h"
#include "daemon/loop.h"
#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "proto/qmpmux.h"

#define BACKLOG 128 /* a full one is an error to libxl, which does not try again */

struct qmp_client {
	TAILQ_ENTRY(qmp_client) entry; /* qmp_server::clients */
	struct qmp_server *s;	       /* NULL once dropped */
	struct qmpmux_client *mux;
	int fd, passed_fd, pid; /* PASSED_FD: came from it and waits for its command */
	struct loop_io io;
	unsigned io_events;
	struct loop_timer later; /* drop it, or go on, when no callback of the mux is running */
	struct bytes out;
	bool over, doomed, eof;
	bool early; /* something came while nothing was wanted */
	struct loop_deferred release;
};

TAILQ_HEAD(qmp_client_list, qmp_client);

struct qmp_server {
	struct loop *loop;
	char *path;
	enum qmp_class class;
	struct monitor *monitor; /* NULL: not attached, nobody is accepted */
	struct qmp_total *total;
	int fd;
	dev_t dev; /* of the socket file */
	ino_t ino; /* 0: not to be removed */
	struct acceptor acceptor;
	struct qmp_client_list clients;
	unsigned clients_len;
	struct loop_deferred release;
};

static void on_client(void *arg, unsigned events);

static void client_release(void *arg)
{
	struct qmp_client *c = arg;

	bytes_fini(&c->out);
	free(c);
}

/* Closing with unread input takes back from the peer what it has not read yet (unix(7)). */
static void drain(int fd)
{
	char data[4096];

	for (int i = 0; i < 16 && recv(fd, data, sizeof(data), MSG_DONTWAIT) > 0; i++) {
	}
}

static void client_drop(struct qmp_client *c)
{
	struct qmp_server *s = c->s;

	if (c->over) {
		drain(c->fd);
	}
	loop_io_stop(&c->io);
	loop_timer_stop(&c->later);
	close_p(&c->fd);
	close_p(&c->passed_fd);
	TAILQ_REMOVE(&s->clients, c, entry);
	s->clients_len--;
	s->total->clients--;
	c->s = NULL;
	loop_defer(s->loop, &c->release, client_release, c);
	c->mux = qmpmux_client_free(c->mux, loop_monotonic_ms());
}

/* Reading goes on while a command is outstanding, as hardly a client sends another one before it
 * has its answer: what one does send stays unread (R2), and ends the listening until it is wanted.
 */
static unsigned client_interest(const struct qmp_client *c)
{
	bool open = c->mux && !c->over && !c->eof;
	bool reads =
		open && (qmpmux_client_wants(c->mux) || (c->io_events & LOOP_READ && !c->early));

	return (reads ? LOOP_READ : 0) | (bytes_held(&c->out) ? LOOP_WRITE : 0);
}

static void client_arm(struct qmp_client *c)
{
	unsigned events = client_interest(c);

	if (events == c->io_events) {
		return;
	}
	loop_io_stop(&c->io);
	c->io_events = events;
	if (events && loop_io_start(c->s->loop, &c->io, c->fd, events, on_client, c) < 0) {
		c->doomed = true;
	}
}

static bool client_is_done(const struct qmp_client *c)
{
	return c->doomed || (c->over && !bytes_held(&c->out));
}

static void on_later(void *arg)
{
	struct qmp_client *c = arg;

	if (client_is_done(c)) {
		struct monitor *m = c->s->monitor;

		client_drop(c);
		monitor_settle(m);
		return;
	}
	client_arm(c);
}

/* The ops below are called in the middle of the mux's work: what has to change changes later. */
static void later(struct qmp_client *c)
{
	if (c->s && !c->later.event && (client_is_done(c) || client_interest(c) != c->io_events)) {
		loop_timer_start(c->s->loop, &c->later, 0, on_later, c);
	}
}

static void client_flush(struct qmp_client *c)
{
	while (bytes_held(&c->out)) {
		ssize_t n = send(c->fd, bytes_head(&c->out), bytes_held(&c->out),
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0) {
			c->doomed = c->doomed || (errno != EAGAIN && errno != EINTR);
			return;
		}
		bytes_take(&c->out, n);
	}
	bytes_trim(&c->out, 0);
}

/* R2: what a client leaves unread is bounded; then it is dropped. */
static void op_reply(void *client, const char *text, size_t len)
{
	struct qmp_client *c = client;

	if (c->doomed) {
		return;
	}
	if (bytes_held(&c->out) + len > LIMIT_QMP_CLIENT_OUT_BYTES ||
		bytes_append(&c->out, text, len) < 0) {
		log_warning(
			"QMP client (pid %d) of \"%s\" does not read: dropped", c->pid, c->s->path);
		c->doomed = true;
	} else {
		client_flush(c);
	}
	later(c);
}

static void op_over(void *client)
{
	struct qmp_client *c = client;

	c->over = true;
	later(c);
}

static void op_resume(void *client)
{
	later(client);
}

static int op_take_fd(void *client)
{
	struct qmp_client *c = client;

	return TAKE_FD(c->passed_fd);
}

static int op_pid(void *client)
{
	return ((struct qmp_client *)client)->pid;
}

static const struct monitor_client_ops client_ops = {.reply = op_reply,
	.over = op_over,
	.resume = op_resume,
	.take_fd = op_take_fd,
	.pid = op_pid};

/* The first descriptor of a message is kept (QEMU takes no more either), an older one goes. */
static void take_descriptors(struct qmp_client *c, struct msghdr *msg)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		size_t len = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		for (size_t i = 0; i < len; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(fd), sizeof(fd));
			if (i == 0) {
				close_p(&c->passed_fd);
				c->passed_fd = fd;
			} else {
				close(fd);
			}
		}
	}
	qmpmux_client_set_fd(c->mux, c->passed_fd >= 0);
}

static void client_read(struct qmp_client *c)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(LIMIT_CONTROL_FDS * sizeof(int))];
	} control;
	char data[16 * 1024];
	struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0) {
		c->doomed = errno != EAGAIN && errno != EINTR;
		return;
	}
	take_descriptors(c, &msg);
	if (n == 0) {
		c->eof = true;
		qmpmux_client_eof(c->mux, loop_monotonic_ms());
	} else if (qmpmux_client_feed(c->mux, data, n, loop_monotonic_ms()) < 0) {
		c->doomed = true;
	}
}

static void on_client(void *arg, unsigned events)
{
	struct qmp_client *c = arg;
	struct monitor *m = c->s->monitor;

	if (events & LOOP_WRITE) {
		client_flush(c);
	}
	if (events & LOOP_READ) {
		c->early = !qmpmux_client_wants(c->mux);
		if (!c->early) {
			client_read(c);
		}
	}
	if (c->s) {
		on_later(c);
	}
	monitor_settle(m);
}

static void client_new(struct qmp_server *s, int fd)
{
	struct qmp_client *c = calloc(1, sizeof(*c));
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);

	/* P8: the socket is in a directory of root's; who came is asked all the same. */
	if (!c || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
		(cred.uid != 0 && cred.uid != geteuid())) {
		free(c);
		close(fd);
		return;
	}
	*c = (struct qmp_client){.s = s, .fd = fd, .passed_fd = -1, .pid = cred.pid};
	TAILQ_INSERT_TAIL(&s->clients, c, entry);
	s->clients_len++;
	s->total->clients++;
	if (qmpmux_client_new(monitor_mux(s->monitor), s->class, c, loop_monotonic_ms(), &c->mux) <
		0) {
		client_drop(c);
		return;
	}
	client_arm(c);
}

static void on_new_client(void *arg, int fd)
{
	struct qmp_server *s = arg;
	struct monitor *m = s->monitor;

	if (s->clients_len >= LIMIT_QMP_CLIENTS || s->total->clients >= LIMIT_QMP_CLIENTS_ALL) {
		close(fd);
	} else {
		client_new(s, fd);
	}
	monitor_settle(m);
}

static void server_release(void *arg)
{
	struct qmp_server *s = arg;

	free(s->path);
	free(s);
}

static int open_socket(struct qmp_server *s, struct err *err)
{
	struct stat st;
	int flags;

	if (s->fd < 0) {
		int r = monitor_listen(s->path, &s->fd, err);

		if (r < 0) {
			return r;
		}
	}
	flags = fcntl(s->fd, F_GETFL);
	if (flags < 0 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		listen(s->fd, BACKLOG) < 0) {
		return err_set_errno(err, -errno, "listen at \"%s\"", s->path);
	}
	if (lstat(s->path, &st) == 0) { /* else somebody removed it: not ours to remove later */
		s->dev = st.st_dev;
		s->ino = st.st_ino;
	}
	return 0;
}

/* What stands at its path may be another's by now: that of a domain that has the number next. */
static void remove_socket(const struct qmp_server *s)
{
	struct stat st;

	if (s->ino && lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino) {
		unlink(s->path);
	}
}

int qmp_server_new(struct qmp_server **ret, struct loop *loop, const char *path, int fd,
	enum qmp_class class, struct qmp_total *total, struct err *err)
{
	struct qmp_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		close_p(&fd);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*s = (struct qmp_server){
		.loop = loop, .class = class, .total = total, .fd = fd, .path = strdup(path)};
	TAILQ_INIT(&s->clients);
	r = s->path ? open_socket(s, err) : err_set(err, -ENOMEM, "out of memory");
	if (r < 0) {
		close_p(&s->fd);
		server_release(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct qmp_server *qmp_server_free(struct qmp_server *s)
{
	if (s) {
		qmp_server_detach(s);
		close_p(&s->fd);
		remove_socket(s);
		loop_defer(s->loop, &s->release, server_release, s);
	}
	return NULL;
}

void qmp_server_leave_file(struct qmp_server *s)
{
	s->ino = 0;
}

void qmp_server_attach(struct qmp_server *s, struct monitor *monitor)
{
	s->monitor = monitor;
	monitor_keep(monitor, &client_ops);
	acceptor_start(&s->acceptor, s->loop, s->fd, s->path, on_new_client, s);
}

void qmp_server_detach(struct qmp_server *s)
{
	while (!TAILQ_EMPTY(&s->clients)) {
		client_drop(TAILQ_FIRST(&s->clients));
	}
	acceptor_stop(&s->acceptor);
	s->monitor = NULL;
}

bool qmp_server_is_attached(const struct qmp_server *s)
{
	return s->monitor;
}

const char *qmp_server_path(const struct qmp_server *s)
{
	return s->path;
}

unsigned qmp_server_clients(const struct qmp_server *s)
{
	return s->clients_len;
}
