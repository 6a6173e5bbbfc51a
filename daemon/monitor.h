/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon's own QMP connection to one device model: a client of the listening socket that the
 * daemon bound and the device model inherited. One command in flight, each with a deadline; events
 * are dropped here. A connection that breaks is made again a few times, then ON_LOST is told.
 */
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"

struct loop;
struct monitor;

/* "xendmd-monitor": the chardev's id on the command line. */
#define MONITOR_CHARDEV "xendmd-monitor"

struct monitor_ops {
	/* Capabilities are negotiated; commands can be sent. Again after a reconnection. */
	void (*on_ready)(void *ctx);
	/* The peer broke the rules or closed for good. No further callback comes. */
	void (*on_lost)(void *ctx, const struct err *err);
};

/* Binds and listens at PATH (a stale socket file is replaced). RET_FD is the caller's. */
int monitor_listen(const char *path, int *ret_fd, struct err *err);

/* Connects from the loop; never waits. TIMEOUT_MS bounds each answer. The greeting may take any
 * time: its bound is the start's. A connection given up would stay in the backlog of a device model
 * that has not come to it yet, and a few of them fill it. */
int monitor_new(struct monitor **ret, struct loop *loop, const char *path, int64_t timeout_ms,
	const struct monitor_ops *ops, void *ctx);
struct monitor *monitor_free(struct monitor *m);

/* BODY is the reply's "return" (borrowed) when ERR is NULL. ERR's code is -EOPNOTSUPP when the peer
 * does not know the command, -EREMOTEIO for its other errors; with any other code the connection is
 * gone, and on_ready or on_lost follows. */
typedef void (*monitor_reply_fn)(void *ctx, struct json_object *body, const struct err *err);
/* ARGUMENTS (NULL: none) is borrowed. -EBUSY while another command waits, -ENOTCONN before
 * on_ready, -E2BIG above LIMIT_QMP_COMMAND_BYTES, -errno. */
int monitor_send(struct monitor *m, const char *command, struct json_object *arguments,
	monitor_reply_fn reply, void *ctx);
/* The command in flight goes on, but its answer is dropped and the next one may be sent. */
void monitor_forget(struct monitor *m);
