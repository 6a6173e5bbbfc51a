/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The QMP session of one device model, and the daemon as its first client. For a QEMU in dom0 a
 * connection to the listening socket that the daemon bound and the device model inherited: one that
 * breaks is made again a few times, then ON_LOST is told; once others use the session, for ever,
 * with growing pauses. For one in a stub domain a vchan, for ever from the beginning.
 */
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"

struct loop;
struct monitor;
struct qmpmux;
struct qmpmux_audit;
struct store;

/* "xendmd-monitor": the chardev's id on the command line. */
#define MONITOR_CHARDEV "xendmd-monitor"
#define MONITOR_MON "chardev=" MONITOR_CHARDEV ",mode=control" /* what -mon says of it */

struct monitor_ops {
	/* Capabilities are negotiated; commands can be sent. Again after a reconnection. */
	void (*on_ready)(void *ctx);
	/* The peer broke the rules or closed for good. No further callback comes. Never after
	 * monitor_keep(), never of a stub domain. */
	void (*on_lost)(void *ctx, const struct err *err);
	/* These may be NULL. It broke the rules; it is tried again in so many ms. */
	void (*on_quarantined)(void *ctx, const struct err *err, int64_t ms);
	/* Of a stub domain: nobody has served QMP for LIMIT_QMP_ABSENT_MS. on_ready takes it back.
	 */
	void (*on_absent)(void *ctx);
	/* Something happened in it that the host should know. DATA may be NULL. */
	void (*on_event)(void *ctx, const char *name, struct json_object *data);
	/* A device was unplugged, or its guest refused that. DATA may be NULL. */
	void (*on_unplugged)(void *ctx, const char *name, struct json_object *data);
	/* What a client did (for the log). PID 0: a call of the control socket. */
	void (*on_audit)(void *ctx, int pid, const struct qmpmux_audit *audit);
};

/* The side of clients with a connection of their own (daemon/qmp_server). */
struct monitor_client_ops {
	void (*reply)(void *client, const char *text, size_t len);
	void (*over)(void *client);
	void (*resume)(void *client);
	int (*take_fd)(void *client); /* the caller's; -1: none */
	int (*pid)(void *client);
};

/* Binds and listens at PATH (a stale socket file is replaced). RET_FD is the caller's. */
int monitor_listen(const char *path, int *ret_fd, struct err *err);

/* Connects from the loop; never waits. TIMEOUT_MS bounds each answer. The greeting may take any
 * time: its bound is the start's. A connection given up would stay in the backlog of a device model
 * that has not come to it yet, and a few of them fill it. */
int monitor_new(struct monitor **ret, struct loop *loop, const char *path, int64_t timeout_ms,
	const struct monitor_ops *ops, void *ctx);
/* The same with a device model in stub domain DOMID, which serves QMP over vchan (server mode of
 * Xen's vchan-socket-proxy, Qubes' or ours) and announces it in xenstore at XS_PATH
 * (/local/domain/DOMID/device-model/G/qmp-vchan, at most VCHAN_PATH_MAX bytes). A server that is
 * not there yet is waited for with a watch, without a timer but one: after LIMIT_QMP_ABSENT_MS
 * commands are refused at once (monitor_is_absent), until one comes. Slowness counts as breaking
 * the rules here. STORE outlives the monitor. -ENOMEM, -ENAMETOOLONG. */
int monitor_new_vchan(struct monitor **ret, struct loop *loop, struct store *store, uint32_t domid,
	const char *xs_path, int64_t timeout_ms, const struct monitor_ops *ops, void *ctx);
/* Returns NULL. Gives a vchan back at once: to be called at the first sign of the stub domain's end
 * (the watcher's on_dying), because nothing else tells of it, and its memory stays in the host
 * while the vchan is mapped. */
struct monitor *monitor_free(struct monitor *m);

/* BODY is the reply's "return" (borrowed) when ERR is NULL. ERR's code is -EOPNOTSUPP when the peer
 * does not know the command, -EREMOTEIO for its other errors; with any other code there was no
 * answer, and on_ready or on_lost follows. */
typedef void (*monitor_reply_fn)(void *ctx, struct json_object *body, const struct err *err);
/* ARGUMENTS (NULL: none) is borrowed. -EBUSY while another command waits, -ENOTCONN before
 * on_ready, -E2BIG above LIMIT_QMP_REQUEST_BYTES, -errno. */
int monitor_send(struct monitor *m, const char *command, struct json_object *arguments,
	monitor_reply_fn reply, void *ctx);
/* The command in flight goes on, but its answer is dropped and the next one may be sent. */
void monitor_forget(struct monitor *m);

/* Others use the session from now on: it is never given up. */
void monitor_keep(struct monitor *m, const struct monitor_client_ops *ops);
/* Asks it something when nobody did for so many ms (0: never): silence is noticed, and told like
 * any other. */
void monitor_set_heartbeat(struct monitor *m, int64_t ms);
/* There is nobody, and has not been for long. */
bool monitor_is_absent(const struct monitor *m);
/* Nothing is sent now, and what comes is refused: it broke the rules, has no QMP, or is gone. */
bool monitor_is_quarantined(const struct monitor *m);
/* Borrowed. After each use of it: monitor_settle(). */
struct qmpmux *monitor_mux(struct monitor *m);
void monitor_settle(struct monitor *m);
