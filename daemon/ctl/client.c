/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/passfd.h"
#include "proto/varlink.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/text.h"

#define REPLY_MAX (256 * 1024 * 1024) /* the daemon's own bound is far below */

struct connection {
	const char *path;
	int fd;
	const int *fds; /* borrowed; they go with the first byte */
	unsigned fds_len;
	struct varlink_framer in;
};

static void connection_fini(struct connection *c)
{
	close_p(&c->fd);
	varlink_framer_fini(&c->in);
}

static int unreachable(const struct connection *c, const char *what, int error)
{
	return ctl_fail(CTL_UNREACHABLE, "%s \"%s\": %s%s", what, c->path, strerror(error),
		error == EACCES ? " (members of group xendmd and root may)" : "");
}

static int connection_open(struct connection *c)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(c->path) >= sizeof(addr.sun_path)) {
		return unreachable(c, "connecting to", ENAMETOOLONG);
	}
	memcpy(addr.sun_path, c->path, strlen(c->path) + 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		return unreachable(c, "connecting to", errno);
	}
	return CTL_DONE;
}

/* With the first byte goes what is to be passed. */
static ssize_t send_some(struct connection *c, const char *data, size_t len)
{
	ssize_t n = passfd_send(c->fd, data, len, c->fds, c->fds_len, 0);

	if (n > 0) {
		c->fds_len = 0;
	}
	return n;
}

/* A daemon that refuses us answers and closes without reading, so a failed write is no end. */
static int send_all(struct connection *c, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send_some(c, data, len);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
			return CTL_DONE;
		}
		if (n < 0) {
			return unreachable(c, "writing to", errno);
		}
		data += n;
		len -= n;
	}
	return CTL_DONE;
}

static int send_call(
	struct connection *c, const char *method, struct json_object *parameters, bool more)
{
	_cleanup_free_ char *name = NULL;
	struct json_object *json;
	const char *text;
	size_t len;
	int r;

	if (asprintf(&name, "%s%s", strchr(method, '.') ? "" : VARLINK_INTERFACE ".", method) < 0) {
		name = NULL;
		json_object_put(parameters);
		return ctl_fail(CTL_FAILED, "out of memory");
	}
	json = varlink_call_new(name, parameters, more);
	text = json ? varlink_encode(json, &len) : NULL;
	r = text ? send_all(c, text, len) : ctl_fail(CTL_FAILED, "out of memory");
	json_object_put(json);
	return r;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int wait_readable(struct connection *c, int64_t deadline)
{
	struct pollfd pfd = {.fd = c->fd, .events = POLLIN};
	int64_t left = deadline - now_ms();
	int n = poll(&pfd, 1, deadline < 0 ? -1 : left > 0 ? (int)left : 0);

	if (n == 0) {
		return ctl_fail(CTL_UNREACHABLE, "the daemon at \"%s\" does not answer", c->path);
	}
	return n < 0 && errno != EINTR ? unreachable(c, "waiting for", errno) : CTL_DONE;
}

static int read_more(struct connection *c, int64_t deadline)
{
	char buf[64 * 1024];
	ssize_t n;
	int r = wait_readable(c, deadline);

	if (r != CTL_DONE) {
		return r;
	}
	n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
		return CTL_DONE;
	}
	if (n <= 0) {
		return ctl_fail(
			CTL_UNREACHABLE, "the daemon at \"%s\" closed the connection", c->path);
	}
	r = varlink_feed(&c->in, buf, n);
	return r < 0 ? unreachable(c, "reading from", -r) : CTL_DONE;
}

/* Errors of our interface carry a message, those of org.varlink.service one other member. */
static int tell_error(const struct varlink_reply *reply)
{
	const char *message = ctl_member(reply->parameters, "message");
	const char *parameter = ctl_member(reply->parameters, "parameter");
	_cleanup_free_ char *text = text_escape(message ? message : reply->error);
	_cleanup_free_ char *more = text_escape(parameter ? parameter : "");
	int status = strcmp(reply->error, VARLINK_INTERFACE ".NoSuchDomain") ? CTL_FAILED
									     : CTL_NO_DOMAIN;

	return ctl_fail(
		status, "%s%s%s", text ? text : "failed", parameter ? ": " : "", more ? more : "");
}

static int next_reply(struct connection *c, int timeout_ms, struct varlink_reply *ret)
{
	int64_t deadline = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	struct err err = {0};
	const char *text;
	size_t len;

	while (!varlink_next(&c->in, &text, &len)) {
		int r = read_more(c, deadline);

		if (r != CTL_DONE) {
			return r;
		}
	}
	if (varlink_reply_parse(text, len, ret, &err) < 0) {
		return ctl_fail(CTL_FAILED, "the daemon's answer is %s", err.text);
	}
	if (ret->error) {
		int status = tell_error(ret);

		varlink_reply_fini(ret);
		return status;
	}
	return CTL_DONE;
}

int ctl_call(const struct ctl_options *options, const char *method, struct json_object *parameters,
	int timeout_ms, struct json_object **ret)
{
	return ctl_call_with_fds(options, method, parameters, NULL, 0, timeout_ms, ret);
}

int ctl_call_with_fds(const struct ctl_options *options, const char *method,
	struct json_object *parameters, const int *fds, unsigned fds_len, int timeout_ms,
	struct json_object **ret)
{
	_cleanup_(connection_fini) struct connection c = {.path = options->socket,
		.fd = -1,
		.fds = fds,
		.fds_len = fds_len,
		.in = {.max = REPLY_MAX}};
	_cleanup_(varlink_reply_fini) struct varlink_reply reply = {0};
	int r = connection_open(&c);

	if (r != CTL_DONE) {
		json_object_put(parameters);
		return r;
	}
	r = send_call(&c, method, parameters, false);
	if (r == CTL_DONE) {
		r = next_reply(&c, timeout_ms, &reply);
	}
	if (r == CTL_DONE && ret) {
		*ret = reply.parameters ? json_object_get(reply.parameters)
					: json_object_new_object();
	}
	return r;
}

int ctl_stream(const struct ctl_options *options, const char *method,
	struct json_object *parameters, void (*fn)(void *ctx, struct json_object *parameters),
	void *ctx)
{
	return ctl_stream_with_fds(options, method, parameters, NULL, 0, fn, ctx);
}

int ctl_stream_with_fds(const struct ctl_options *options, const char *method,
	struct json_object *parameters, const int *fds, unsigned fds_len,
	void (*fn)(void *ctx, struct json_object *parameters), void *ctx)
{
	_cleanup_(connection_fini) struct connection c = {.path = options->socket,
		.fd = -1,
		.fds = fds,
		.fds_len = fds_len,
		.in = {.max = REPLY_MAX}};
	bool continues = true;
	int r = connection_open(&c);

	if (r != CTL_DONE) {
		json_object_put(parameters);
		return r;
	}
	r = send_call(&c, method, parameters, true);
	while (r == CTL_DONE && continues) {
		_cleanup_(varlink_reply_fini) struct varlink_reply reply = {0};

		r = next_reply(&c, CTL_NO_TIMEOUT, &reply);
		if (r == CTL_DONE) {
			fn(ctx, reply.parameters);
			continues = reply.continues;
		}
	}
	return r;
}
