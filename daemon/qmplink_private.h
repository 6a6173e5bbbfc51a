/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by qmplink*.c: qmplink.c has the queue, the others one transport each. */
#include "daemon/qmplink.h"

/* Bytes for the device model, and the descriptor that goes with the first of them. */
struct qmp_chunk {
	struct qmp_chunk *next;
	int fd;
	size_t len, at;
	char text[];
};

struct qmp_link_kind {
	void (*connect)(struct qmp_link *link);
	void (*disconnect)(struct qmp_link *link);
	/* Something new waits in the queue. */
	void (*queued)(struct qmp_link *link);
	void (*free)(struct qmp_link *link);
};

/* The first member of each transport's own. */
struct qmp_link {
	const struct qmp_link_kind *kind;
	struct loop *loop;
	const struct qmp_link_ops *ops;
	void *ctx;
	bool up;
	struct qmp_chunk *out, **out_end;
	struct loop_deferred release;
};

void qmp_link_init(struct qmp_link *link, const struct qmp_link_kind *kind, struct loop *loop,
	const struct qmp_link_ops *ops, void *ctx);
/* The queue is emptied, what is there of it. */
void qmp_link_drop(struct qmp_link *link);
/* N bytes of the first chunk went. */
void qmp_link_sent(struct qmp_link *link, size_t n);
/* Disconnects and tells. LINK may be freed when this returns, but its memory stays for this turn.
 */
void qmp_link_down(struct qmp_link *link, const struct err *err, bool rules);
