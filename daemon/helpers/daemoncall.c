/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/helpers/daemoncall.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/limits.h"
#include "lib/passfd.h"

#define BACKLOG_MS 20
#define RECONNECT_MS 500

int64_t daemoncall_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void daemoncall_end(struct daemoncall *c)
{
	close_p(&c->sock);
	varlink_framer_fini(&c->in);
	c->in = (struct varlink_framer){.max = LIMIT_CONTROL_MESSAGE_BYTES};
}

static int wait_for(struct daemoncall *c, short events, int64_t until_ms)
{
	for (;;) {
		struct pollfd fds[2] = {
			{.fd = c->sock, .events = events}, {.fd = c->watched, .events = POLLIN}};
		int64_t left = until_ms - daemoncall_now_ms();
		int r = poll(fds, 2, left <= 0 ? 0 : left < INT_MAX ? (int)left : INT_MAX);

		if (r < 0 && errno != EINTR) {
			return -errno;
		}
		if (r > 0) {
			return fds[0].revents ? 0 : -ECHILD;
		}
		if (left <= 0) {
			return -ETIMEDOUT;
		}
	}
}

/* A backlog that is full (EAGAIN) is a slow daemon. */
static int connect_daemon(struct daemoncall *c, int64_t until_ms)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct paths paths;

	paths_init(&paths);
	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control", paths.run_dir) >=
		(int)sizeof(addr.sun_path)) {
		return -ENAMETOOLONG;
	}
	daemoncall_end(c);
	c->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->sock < 0) {
		return -errno;
	}
	while (connect(c->sock, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			return -errno;
		}
		poll(NULL, 0, BACKLOG_MS);
		if (daemoncall_now_ms() >= until_ms) {
			return -ETIMEDOUT;
		}
	}
	return 0;
}

/* The descriptors go with the first bytes. */
static int send_all(struct daemoncall *c, const char *text, size_t len, int64_t until_ms)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = passfd_send(
			c->sock, text + done, len - done, c->fds, done ? 0 : c->fds_len, 0);
		int r = 0;

		if (n > 0) {
			done += n;
		} else if (errno == EAGAIN) {
			r = wait_for(c, POLLOUT, until_ms);
		} else if (errno != EINTR) {
			r = -errno;
		}
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int begin(struct daemoncall *c, int64_t until_ms)
{
	struct json_object *call =
		c->parameters ? varlink_call_new(c->method, json_object_get(c->parameters), true)
			      : NULL;
	size_t len = 0;
	const char *text = call ? varlink_encode(call, &len) : NULL;
	int r = text ? connect_daemon(c, until_ms) : -ENOMEM;

	if (r == 0) {
		r = send_all(c, text, len, until_ms);
	}
	json_object_put(call);
	return r;
}

/* -EAGAIN: not all of an answer has come. */
static int take_answer(struct daemoncall *c, struct varlink_reply *ret)
{
	char buf[4096];
	const char *text;
	struct err err;
	size_t len;

	while (!varlink_next(&c->in, &text, &len)) {
		ssize_t n = recv(c->sock, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			return -EAGAIN;
		}
		if (n <= 0) {
			return -ENOTCONN;
		}
		if (varlink_feed(&c->in, buf, n) < 0) {
			return -EBADMSG;
		}
	}
	return varlink_reply_parse(text, len, ret, &err) < 0 ? -EBADMSG : 0;
}

int daemoncall_next(struct daemoncall *c, int64_t until_ms, struct varlink_reply *ret)
{
	for (;;) {
		int r = take_answer(c, ret);

		if (r == -EAGAIN) {
			r = wait_for(c, POLLIN, until_ms);
		} else {
			return r;
		}
		if (r < 0) {
			return r;
		}
	}
}

int daemoncall_ask(struct daemoncall *c, int64_t until_ms, struct varlink_reply *ret)
{
	int r = begin(c, until_ms);

	return r < 0 ? r : daemoncall_next(c, until_ms, ret);
}

bool daemoncall_was_cut_off(int r)
{
	return r == -ENOTCONN || r == -EPIPE || r == -ECONNRESET;
}

int daemoncall_ask_on(struct daemoncall *c, int64_t until_ms, struct varlink_reply *ret)
{
	int r = daemoncall_ask(c, until_ms, ret);

	while (daemoncall_was_cut_off(r) && daemoncall_now_ms() < until_ms) {
		poll(NULL, 0, RECONNECT_MS);
		r = daemoncall_ask(c, until_ms, ret);
	}
	return r;
}

int daemoncall_last(struct daemoncall *c, struct varlink_reply *ret)
{
	if (c->sock < 0) {
		return -EAGAIN;
	}
	shutdown(c->sock, SHUT_RDWR);
	return take_answer(c, ret);
}
