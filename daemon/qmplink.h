/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A byte stream to a device model's QMP, over a unix socket or over vchan, for daemon/monitor. It
 * never waits, reads at most LIMIT_QMP_TURN_BYTES a turn, and reads always: what is not wanted is
 * for the caller to drop. What is to be written is held here until there is room.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/loop.h"
#include "lib/err.h"

struct qmp_link;
struct store;

/* Never from within one of the functions below. A callback may free the link. */
struct qmp_link_ops {
	void (*on_up)(void *ctx);
	/* Returns for how many ms nothing should be read (0: go on). */
	int (*on_data)(void *ctx, const char *data, size_t len);
	/* The connection ended, or did not come about. It is connected anew by qmp_link_connect().
	 * RULES: the peer did what no honest one does. */
	void (*on_down)(void *ctx, const struct err *err, bool rules);
	/* Nobody serves it yet, and the link waits for somebody. May be NULL. */
	void (*on_absent)(void *ctx);
};

/* PATH is a listening unix socket. -ENOMEM. */
int qmp_link_new_unix(struct qmp_link **ret, struct loop *loop, const char *path,
	const struct qmp_link_ops *ops, void *ctx);
/* XS_PATH is the directory in xenstore where domain DOMID announces its vchan. STORE outlives the
 * link. -ENOMEM, -ENAMETOOLONG. */
int qmp_link_new_vchan(struct qmp_link **ret, struct loop *loop, struct store *store,
	uint32_t domid, const char *xs_path, const struct qmp_link_ops *ops, void *ctx);
/* Returns NULL. No callback comes any more. */
struct qmp_link *qmp_link_free(struct qmp_link *link);

/* Only while it is down. */
void qmp_link_connect(struct qmp_link *link);
/* Ends the connection, or the attempt, without a callback. */
void qmp_link_disconnect(struct qmp_link *link);
bool qmp_link_is_up(const struct qmp_link *link);
/* FD (-1: none) is the link's from here on, and goes with the first byte; vchan closes it. What
 * can't be sent is dropped: its answer will not come. */
void qmp_link_send(struct qmp_link *link, const char *text, size_t len, int fd);
