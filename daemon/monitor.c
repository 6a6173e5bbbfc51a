/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The peer is QEMU, which a guest may have taken over: lines are bounded, unknown ids are ignored,
 * a flood is read at most TURN_BYTES a turn. QEMU's chardev serves one client at a time and accepts
 * the next when this one leaves.
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
#include "proto/qmp.h"

#define TURN_BYTES (64 * 1024)
#define RECONNECT_TRIES 4
#define RECONNECT_MS 300
#define CAPABILITIES_ID 1 /* ids of commands follow */

struct monitor {
	struct loop *loop;
	char *path;
	int64_t timeout_ms;
	const struct monitor_ops *ops;
	void *ctx;
	int fd;
	struct loop_io io;
	struct loop_timer timer; /* greeting, command or reconnection */
	unsigned tries;
	bool ready;
	int64_t last_id, waiting_id; /* 0: no command in flight */
	monitor_reply_fn reply;
	void *reply_ctx;
	char *buffer;
	size_t len, size;
	bool dead; /* on_lost was told or monitor_free() was called: no callback comes any more */
	struct loop_deferred release;
};

static void monitor_connect(struct monitor *m);

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

static void disconnect(struct monitor *m)
{
	loop_io_stop(&m->io);
	loop_timer_stop(&m->timer);
	close_p(&m->fd);
	m->ready = false;
	m->len = 0;
}

/* The command in flight ends with ERR; its owner may free the monitor. */
static void end_command(struct monitor *m, struct json_object *body, const struct err *err)
{
	monitor_reply_fn reply = m->reply;

	m->waiting_id = 0;
	m->reply = NULL;
	loop_timer_stop(&m->timer);
	if (reply) {
		reply(m->reply_ctx, body, err);
	}
}

static void lose(struct monitor *m, const struct err *err)
{
	disconnect(m);
	end_command(m, NULL, err);
	if (!m->dead) {
		m->dead = true;
		m->ops->on_lost(m->ctx, err);
	}
}

static void on_reconnect(void *arg)
{
	monitor_connect(arg);
}

static void broken(struct monitor *m, const struct err *err)
{
	disconnect(m);
	if (m->tries++ >= RECONNECT_TRIES) {
		lose(m, err);
		return;
	}
	end_command(m, NULL, err);
	if (!m->dead && loop_timer_start(m->loop, &m->timer, (int64_t)RECONNECT_MS * m->tries,
				on_reconnect, m) < 0) {
		lose(m, err);
	}
}

static void on_timeout(void *arg)
{
	struct monitor *m = arg;
	struct err err;

	err_set(&err, -ETIMEDOUT, "QMP: no answer within %lld ms", (long long)m->timeout_ms);
	broken(m, &err);
}

static int send_line(
	struct monitor *m, const char *command, struct json_object *arguments, int64_t id)
{
	_cleanup_free_ char *line = qmp_command(command, arguments, id);
	ssize_t n;

	if (!line) {
		return -ENOMEM;
	}
	if (strlen(line) > LIMIT_QMP_COMMAND_BYTES) {
		return -E2BIG;
	}
	/* One command in flight always fits into an empty socket buffer. */
	n = send(m->fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0) {
		return -errno;
	}
	if (n != (ssize_t)strlen(line)) {
		shutdown(m->fd, SHUT_RDWR); /* nothing can follow half a command */
		return -EIO;
	}
	return loop_timer_start(m->loop, &m->timer, m->timeout_ms, on_timeout, m);
}

static int error_code(const struct qmp_message *message)
{
	return message->error_class && !strcmp(message->error_class, "CommandNotFound")
		       ? -EOPNOTSUPP
		       : -EREMOTEIO;
}

static int handle_message(struct monitor *m, const struct qmp_message *message, struct err *err)
{
	struct err refused;
	int r;

	if (message->kind == QMP_EVENT) {
		return 0;
	}
	if (message->kind == QMP_GREETING) {
		r = send_line(m, "qmp_capabilities", NULL, CAPABILITIES_ID);
		return r < 0 ? err_set_errno(err, r, "QMP: send") : 0;
	}
	if (message->id == CAPABILITIES_ID && message->kind == QMP_RETURN && !m->ready) {
		loop_timer_stop(&m->timer);
		m->ready = true;
		m->ops->on_ready(m->ctx);
	} else if (m->waiting_id && message->id == m->waiting_id) {
		m->tries = 0;
		if (message->kind == QMP_ERROR) {
			err_set(&refused, error_code(message), "QMP: %.200s", message->desc);
		}
		end_command(m, message->body, message->kind == QMP_ERROR ? &refused : NULL);
	}
	return 0;
}

/* Handles whole lines in the buffer. False: the connection or the monitor has ended meanwhile. */
static bool handle_lines(struct monitor *m)
{
	char *start = m->buffer, *newline;
	struct err err;

	while ((newline = memchr(start, '\n', m->buffer + m->len - start))) {
		struct qmp_message message;
		int r = qmp_parse(start, newline - start, false, &message, &err);

		if (r == 0) {
			r = handle_message(m, &message, &err);
			qmp_message_fini(&message);
		}
		if (m->dead || m->fd < 0) {
			return false;
		}
		if (r < 0) {
			lose(m, &err);
			return false;
		}
		start = newline + 1;
	}
	m->len -= start - m->buffer;
	memmove(m->buffer, start, m->len);
	return true;
}

static int make_room(struct monitor *m)
{
	size_t size = m->size ? m->size * 2 : 4096;
	char *buffer;

	if (m->len < m->size) {
		return 0;
	}
	if (m->size >= LIMIT_QMP_LINE_BYTES) {
		return -EMSGSIZE;
	}
	buffer = realloc(m->buffer, size);
	if (!buffer) {
		return -ENOMEM;
	}
	m->buffer = buffer;
	m->size = size;
	return 0;
}

static void on_readable(void *arg, unsigned events)
{
	struct monitor *m = arg;
	size_t budget = TURN_BYTES;
	struct err err;
	ssize_t n;
	int r;

	while (budget > 0) {
		r = make_room(m);
		if (r < 0) {
			err_set(&err, r, "QMP: a message of more than %d bytes",
				LIMIT_QMP_LINE_BYTES);
			lose(m, &err);
			return;
		}
		n = recv(m->fd, m->buffer + m->len, m->size - m->len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			return;
		}
		if (n <= 0) {
			err_set(&err, -ECONNRESET, "the device model closed its QMP connection%s",
				m->ready ? "" : " before it answered");
			broken(m, &err);
			return;
		}
		m->len += n;
		budget -= (size_t)n < budget ? (size_t)n : budget;
		if (!handle_lines(m)) {
			return;
		}
	}
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
	if (r == 0) {
		r = loop_io_start(m->loop, &m->io, m->fd, LOOP_READ, on_readable, m);
	}
	if (r < 0) {
		err_set_errno(&err, r, "QMP: connect to \"%s\"", m->path);
		broken(m, &err);
	}
}

static void release(void *arg)
{
	struct monitor *m = arg;

	free(m->buffer);
	free(m->path);
	free(m);
}

int monitor_new(struct monitor **ret, struct loop *loop, const char *path, int64_t timeout_ms,
	const struct monitor_ops *ops, void *ctx)
{
	struct monitor *m = calloc(1, sizeof(*m));

	if (!m) {
		return -ENOMEM;
	}
	*m = (struct monitor){.loop = loop,
		.fd = -1,
		.timeout_ms = timeout_ms,
		.ops = ops,
		.ctx = ctx,
		.last_id = CAPABILITIES_ID,
		.path = strdup(path)};
	/* Connecting from the loop, not from here: no callback comes before we have returned. */
	if (!m->path || loop_timer_start(loop, &m->timer, 0, on_reconnect, m) < 0) {
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
		m->reply = NULL;
		disconnect(m);
		loop_defer(m->loop, &m->release, release, m);
	}
	return NULL;
}

void monitor_forget(struct monitor *m)
{
	if (m->waiting_id) {
		m->waiting_id = 0;
		m->reply = NULL;
		loop_timer_stop(&m->timer);
	}
}

int monitor_send(struct monitor *m, const char *command, struct json_object *arguments,
	monitor_reply_fn reply, void *ctx)
{
	int r;

	if (!m->ready || m->dead) {
		return -ENOTCONN;
	}
	if (m->waiting_id) {
		return -EBUSY;
	}
	r = send_line(m, command, arguments, m->last_id + 1);
	if (r < 0) {
		return r;
	}
	m->waiting_id = ++m->last_id;
	m->reply = reply;
	m->reply_ctx = ctx;
	return 0;
}
