/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/helpers/dm-handoff.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/limits.h"
#include "lib/passfd.h"

#define BACKLOG_MS 20

void helper_call_close(struct helper_call *call)
{
	close_p(&call->sock);
	varlink_framer_fini(&call->in);
	call->in = (struct varlink_framer){.max = LIMIT_CONTROL_MESSAGE_BYTES};
}

static int wait_for(struct helper_call *call, short events, int64_t until_ms, bool heed_parent)
{
	for (;;) {
		struct pollfd fds[2] = {{.fd = call->sock, .events = events},
			{.fd = heed_parent ? call->parent_fd : -1, .events = POLLIN}};
		int64_t left = until_ms - helper_now_ms();
		int r = poll(fds, 2, left > 0 ? (int)left : 0);

		if (r < 0 && errno != EINTR) {
			return -errno;
		}
		if (r > 0 && fds[1].revents) {
			return -ECHILD;
		}
		if (r > 0) {
			return 0;
		}
		if (left <= 0) {
			return -ETIMEDOUT;
		}
	}
}

/* A backlog that is full (EAGAIN) is a slow daemon. */
static int connect_daemon(struct helper_call *call, int64_t until_ms)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct paths paths;

	paths_init(&paths);
	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control", paths.run_dir) >=
		(int)sizeof(addr.sun_path)) {
		return -ENAMETOOLONG;
	}
	helper_call_close(call);
	call->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (call->sock < 0) {
		return -errno;
	}
	while (connect(call->sock, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			return -errno;
		}
		poll(NULL, 0, BACKLOG_MS);
		if (helper_now_ms() >= until_ms) {
			return -ETIMEDOUT;
		}
	}
	return 0;
}

/* The descriptors go with the first bytes, libxl's process behind those that were inherited. */
static ssize_t send_part(struct helper_call *call, const struct handoff_request *request,
	const char *text, size_t len, bool first)
{
	int fds[HANDOFF_FDS_MAX + 1];

	memcpy(fds, request->fds, request->fds_len * sizeof(int));
	fds[request->fds_len] = call->parent_fd;
	return passfd_send(call->sock, text, len, fds, first ? request->fds_len + 1 : 0, 0);
}

static int send_call(struct helper_call *call, const struct handoff_request *request,
	const char *text, size_t len, int64_t until_ms)
{
	size_t done = 0;
	int r;

	while (done < len) {
		ssize_t n = send_part(call, request, text + done, len - done, done == 0);

		if (n > 0) {
			done += n;
		} else if (errno == EAGAIN) {
			r = wait_for(call, POLLOUT, until_ms, true);
			if (r < 0) {
				return r;
			}
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int helper_call_offer(
	struct helper_call *call, const struct handoff_request *request, int64_t until_ms)
{
	struct json_object *message =
		varlink_call_new(VARLINK_INTERFACE ".Handoff", handoff_encode(request), true);
	size_t len = 0;
	const char *text = message ? varlink_encode(message, &len) : NULL;
	int r = text ? connect_daemon(call, until_ms) : -ENOMEM;

	if (r == 0) {
		r = send_call(call, request, text, len, until_ms);
	}
	json_object_put(message);
	return r;
}

int helper_call_wait(struct helper_call *call, int64_t until_ms, bool heed_parent)
{
	return wait_for(call, POLLIN, until_ms, heed_parent);
}

int helper_call_receive(struct helper_call *call, int (*on_reply)(const char *text, size_t len))
{
	char buf[4096];
	const char *text;
	size_t len;
	ssize_t n = recv(call->sock, buf, sizeof(buf), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		return -ENOTCONN;
	}
	if (n > 0 && varlink_feed(&call->in, buf, n) < 0) {
		return -ENOTCONN;
	}
	while (varlink_next(&call->in, &text, &len)) {
		int r = on_reply(text, len);

		if (r < 0) {
			return r;
		}
	}
	return n > 0 ? 0 : -EAGAIN;
}
