/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * I/O of a device model's one QMP session; what is said in it is proto/qmpmux's business. The peer
 * is QEMU, which a guest may have taken over: a flood is read at most LIMIT_QMP_TURN_BYTES a turn,
 * what is written is bounded by the one command in flight and those that were given up on. QEMU's
 * chardev serves one client at a time and accepts the next when this one leaves.
 */
#include "daemon/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/loop.h"
#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "proto/qmpmux.h"

#define RECONNECT_TRIES 4 /* until somebody else uses the session */

/* Bytes for the device model, and the descriptor that goes with the first of them. */
struct chunk {
	struct chunk *next;
	int fd;
	size_t len, at;
	char text[];
};

struct monitor {
	struct loop *loop;
	char *path;
	const struct monitor_ops *ops;
	void *ctx;
	struct qmpmux *mux;
	const struct monitor_client_ops *client_ops; /* NULL: it has none */
	int fd;
	struct loop_io io;
	unsigned io_events;
	struct loop_timer connect, tick, pause, again;
	struct chunk *out, **out_end;
	unsigned tries;
	bool keep;		   /* others use it: never given up */
	bool paused;		   /* not read for a moment */
	struct qmpmux_client *own; /* the daemon's command; NULL: none */
	monitor_reply_fn reply;
	void *reply_ctx;
	bool dead; /* on_lost was told or monitor_free() was called: no callback comes any more */
	struct loop_deferred release;
};

static void monitor_connect(struct monitor *m);
static void on_io(void *arg, unsigned events);

static int fill_address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(ret->sun_path, path, strlen(path));
	return 0;
}

int monitor_listen(const char *path, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	int r = fill_address(path, &address);

	if (r < 0) {
		return err_set_errno(err, r, "socket \"%s\"", path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return err_set_errno(err, -errno, "socket");
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		return err_set_errno(err, -errno, "unlink \"%s\"", path);
	}
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0600) < 0 ||
		listen(fd, 4) < 0) {
		return err_set_errno(err, -errno, "listen at \"%s\"", path);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void drop_out(struct monitor *m)
{
	while (m->out) {
		struct chunk *next = m->out->next;

		close_p(&m->out->fd);
		free(m->out);
		m->out = next;
	}
	m->out_end = &m->out;
}

static void disconnect(struct monitor *m)
{
	loop_io_stop(&m->io);
	m->io_events = 0;
	loop_timer_stop(&m->pause);
	m->paused = false;
	close_p(&m->fd);
	drop_out(m);
}

static void arm(struct monitor *m)
{
	unsigned events = (m->paused ? 0 : LOOP_READ) | (m->out ? LOOP_WRITE : 0);

	if (m->fd < 0 || events == m->io_events) {
		return;
	}
	loop_io_stop(&m->io);
	m->io_events = events;
	if (events && loop_io_start(m->loop, &m->io, m->fd, events, on_io, m) < 0) {
		m->io_events = 0; /* the commands' deadlines tell of it */
	}
}

static void on_connect(void *arg)
{
	monitor_connect(arg);
}

static void lose(struct monitor *m, const struct err *err)
{
	if (!m->dead) {
		m->dead = true;
		loop_timer_stop(&m->tick);
		m->ops->on_lost(m->ctx, err);
	}
}

static int64_t back_off_ms(const struct monitor *m)
{
	int64_t ms = LIMIT_QMP_RECONNECT_MS;

	for (unsigned i = 1; i < m->tries && ms < LIMIT_QMP_RECONNECT_MAX_MS; i++) {
		ms *= 2;
	}
	return ms < LIMIT_QMP_RECONNECT_MAX_MS ? ms : LIMIT_QMP_RECONNECT_MAX_MS;
}

/* RULES: it broke them (R3). Whoever waits for an answer may free the monitor when told. */
static void broken(struct monitor *m, const struct err *err, bool rules)
{
	disconnect(m);
	m->tries++;
	qmpmux_disconnected(m->mux, err, rules && m->keep, loop_monotonic_ms());
	if (m->dead) {
		return;
	}
	if (!m->keep && (rules || m->tries > RECONNECT_TRIES)) {
		lose(m, err);
		return;
	}
	if (rules && m->ops->on_quarantined) {
		m->ops->on_quarantined(m->ctx, err, back_off_ms(m));
	}
	if (!m->dead && loop_timer_start(m->loop, &m->connect, back_off_ms(m), on_connect, m) < 0) {
		lose(m, err);
	}
}

static void on_tick(void *arg);

/* Ends each turn. */
static void settle(struct monitor *m)
{
	int64_t due, now = loop_monotonic_ms();

	if (m->dead) {
		return;
	}
	arm(m);
	due = qmpmux_deadline(m->mux);
	if (due == INT64_MAX) {
		loop_timer_stop(&m->tick);
	} else {
		loop_timer_start(m->loop, &m->tick, due > now ? due - now : 0, on_tick, m);
	}
}

static void on_tick(void *arg)
{
	struct monitor *m = arg;
	struct err err;

	if (qmpmux_tick(m->mux, loop_monotonic_ms(), &err) < 0 && !m->dead) {
		broken(m, &err, false);
	}
	settle(m);
}

static ssize_t send_chunk(struct monitor *m, struct chunk *c)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = c->text + c->at, .iov_len = c->len - c->at};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (c->fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &c->fd, sizeof(int));
	}
	return sendmsg(m->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* An error shows itself when the connection is read. */
static void flush(struct monitor *m)
{
	while (m->out && m->fd >= 0) {
		struct chunk *c = m->out;
		ssize_t n = send_chunk(m, c);

		if (n < 0) {
			return;
		}
		close_p(&c->fd);
		c->at += n;
		if (c->at < c->len) {
			return;
		}
		m->out = c->next;
		m->out_end = m->out ? m->out_end : &m->out;
		free(c);
	}
}

static void op_send(void *ctx, const char *text, size_t len, void *fd_of)
{
	struct monitor *m = ctx;
	struct chunk *c = m->fd >= 0 ? malloc(sizeof(*c) + len) : NULL;

	if (!c) {
		return;
	}
	*c = (struct chunk){
		.fd = fd_of && m->client_ops ? m->client_ops->take_fd(fd_of) : -1, .len = len};
	memcpy(c->text, text, len);
	*m->out_end = c;
	m->out_end = &c->next;
	flush(m);
	arm(m);
}

static void op_reply(void *ctx, void *client, const char *text, size_t len)
{
	((struct monitor *)ctx)->client_ops->reply(client, text, len);
}

static void op_over(void *ctx, void *client)
{
	((struct monitor *)ctx)->client_ops->over(client);
}

static void op_resume(void *ctx, void *client)
{
	((struct monitor *)ctx)->client_ops->resume(client);
}

static void op_ready(void *ctx)
{
	struct monitor *m = ctx;

	if (!m->dead) {
		m->ops->on_ready(m->ctx);
	}
}

static void op_event(void *ctx, const char *name, struct json_object *data)
{
	struct monitor *m = ctx;

	if (!m->dead && m->ops->on_event) {
		m->ops->on_event(m->ctx, name, data);
	}
}

static void op_audit(void *ctx, void *client, const struct qmpmux_audit *audit)
{
	struct monitor *m = ctx;

	if (!m->dead && m->ops->on_audit) {
		m->ops->on_audit(m->ctx, client ? m->client_ops->pid(client) : 0, audit);
	}
}

static const struct qmpmux_ops mux_ops = {.send = op_send,
	.reply = op_reply,
	.over = op_over,
	.resume = op_resume,
	.ready = op_ready,
	.event = op_event,
	.audit = op_audit};

static void on_pause_over(void *arg)
{
	struct monitor *m = arg;

	m->paused = false;
	arm(m);
}

static void on_readable(struct monitor *m)
{
	char data[LIMIT_QMP_TURN_BYTES];
	ssize_t n = recv(m->fd, data, sizeof(data), MSG_DONTWAIT);
	struct err err;
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		err_set(&err, -ECONNRESET, "the device model closed its QMP connection%s",
			qmpmux_is_ready(m->mux) ? "" : " before it answered");
		broken(m, &err, false);
		return;
	}
	r = qmpmux_feed(m->mux, data, n, loop_monotonic_ms(), &err);
	if (m->dead) {
		return;
	}
	if (r < 0) {
		broken(m, &err, true);
	} else if (r > 0) {
		m->paused = loop_timer_start(m->loop, &m->pause, r, on_pause_over, m) == 0;
	}
}

static void on_io(void *arg, unsigned events)
{
	struct monitor *m = arg;

	if (events & LOOP_WRITE) {
		flush(m);
	}
	if (events & LOOP_READ && m->fd >= 0) {
		on_readable(m);
	}
	settle(m);
}

static void monitor_connect(struct monitor *m)
{
	struct sockaddr_un address;
	struct err err;
	int r = fill_address(m->path, &address);

	if (r == 0) {
		m->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		r = m->fd < 0 ? -errno : 0;
	}
	if (r == 0 && connect(m->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
	}
	if (r < 0) {
		err_set_errno(&err, r, "QMP: connect to \"%s\"", m->path);
		broken(m, &err, false);
	} else {
		qmpmux_connected(m->mux, loop_monotonic_ms());
	}
	settle(m);
}

static void release(void *arg)
{
	struct monitor *m = arg;

	qmpmux_free(m->mux);
	drop_out(m);
	free(m->path);
	free(m);
}

int monitor_new(struct monitor **ret, struct loop *loop, const char *path, int64_t timeout_ms,
	const struct monitor_ops *ops, void *ctx)
{
	struct monitor *m = calloc(1, sizeof(*m));
	const struct qmpmux_params params = {
		.peer = QMP_PEER_DOM0, .answer_ms = timeout_ms, .ops = &mux_ops, .ctx = m};

	if (!m) {
		return -ENOMEM;
	}
	*m = (struct monitor){.loop = loop, .fd = -1, .ops = ops, .ctx = ctx, .path = strdup(path)};
	m->out_end = &m->out;
	/* Connecting from the loop, not from here: no callback comes before we have returned. */
	if (!m->path || qmpmux_new(&m->mux, &params) < 0 ||
		loop_timer_start(loop, &m->connect, 0, on_connect, m) < 0) {
		release(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

struct monitor *monitor_free(struct monitor *m)
{
	if (m) {
		m->dead = true;
		qmpmux_shut(m->mux);
		disconnect(m);
		loop_timer_stop(&m->connect);
		loop_timer_stop(&m->tick);
		loop_timer_stop(&m->again);
		loop_defer(m->loop, &m->release, release, m);
	}
	return NULL;
}

void monitor_keep(struct monitor *m, const struct monitor_client_ops *ops)
{
	m->keep = true;
	m->client_ops = ops;
}

bool monitor_is_quarantined(const struct monitor *m)
{
	return qmpmux_health(m->mux) == QMPMUX_QUARANTINED;
}

struct qmpmux *monitor_mux(struct monitor *m)
{
	return m->mux;
}

void monitor_settle(struct monitor *m)
{
	settle(m);
}

static void on_again(void *arg)
{
	struct monitor *m = arg;

	if (!m->dead && qmpmux_is_ready(m->mux)) {
		m->ops->on_ready(m->ctx);
	}
}

/* After an answer that did not come the owner begins again, as after a reconnection. */
static void on_own_reply(void *ctx, struct json_object *body, const struct err *err)
{
	struct monitor *m = ctx;
	bool again = err && err->code != -EREMOTEIO && err->code != -EOPNOTSUPP &&
		     qmpmux_is_ready(m->mux);

	m->own = NULL;
	m->tries = err ? m->tries : 0;
	m->reply(m->reply_ctx, body, err);
	if (again && !m->dead) {
		loop_timer_start(m->loop, &m->again, LIMIT_QMP_RECONNECT_MS, on_again, m);
	}
}

int monitor_send(struct monitor *m, const char *command, struct json_object *arguments,
	monitor_reply_fn reply, void *ctx)
{
	const struct qmpmux_call call = {.class = QMP_CLASS_ADMIN,
		.own = true,
		.command = command,
		.arguments = arguments,
		.fn = on_own_reply,
		.ctx = m};
	struct err err;
	int r;

	if (m->dead || !qmpmux_is_ready(m->mux)) {
		return -ENOTCONN;
	}
	if (m->own) {
		return -EBUSY;
	}
	m->reply = reply;
	m->reply_ctx = ctx;
	r = qmpmux_call(m->mux, &call, loop_monotonic_ms(), &m->own, &err);
	settle(m);
	return r;
}

void monitor_forget(struct monitor *m)
{
	m->own = qmpmux_client_free(m->own, loop_monotonic_ms());
	loop_timer_stop(&m->again);
	settle(m);
}
