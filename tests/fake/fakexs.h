/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the two halves of fakexs share: the wire (fakexs.c) and what requests do (fakexs_ops.c). */
#include <errno.h> /* xs_wire.h has its error words only with it */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <xen/io/xs_wire.h>

#include "tests/fake/xsstore.h"

#define WATCH_BUCKETS 4096
#define OUT_MAX (16 * 1024 * 1024) /* a client that doesn't read its events */

struct transaction {
	LIST_ENTRY(transaction) entry; /* conn::transactions */
	uint32_t id;
	struct txn *txn;
};

struct watch {
	LIST_ENTRY(watch) entry;      /* conn::watches */
	LIST_ENTRY(watch) hash_entry; /* server::watches, by path */
	struct conn *conn;
	char *path; /* absolute */
	char *token;
	size_t relative; /* so much of the path was added in front */
};

struct conn {
	LIST_ENTRY(conn) entry; /* server::conns */
	int fd;
	bool dead;
	LIST_HEAD(, transaction) transactions;
	LIST_HEAD(, watch) watches;
	size_t in_len;
	char in[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
	char *out;
	size_t out_len, out_cap;
};

struct server {
	int epoll, listener, signals;
	struct store *store;
	LIST_HEAD(, conn) conns;
	LIST_HEAD(, watch) watches[WATCH_BUCKETS];
	bool introduced[0x7ff0];
	uint32_t last_transaction;
	uint64_t requests, commits;
	long eagain;
	bool stalled, resumed;
	char error[32];
	long error_left;
	char oversize[XENSTORE_ABS_PATH_MAX + 1];
};

/* A request being answered. Its payload has a NUL behind it. */
struct request {
	struct server *s;
	struct conn *c;
	struct xsd_sockmsg hdr;
	char payload[XENSTORE_PAYLOAD_MAX + 1];
	char path[XENSTORE_PAYLOAD_MAX + 64]; /* absolute */
	size_t relative;
};

/* Answers a request. May mark connections dead; frees none. */
void fakexs_handle(struct request *r);
/* Tells the watches of PATH and, unless EXACT, of what it lies below. CTX is the server. */
void fakexs_fire(void *ctx, const char *path, bool exact);
/* Sends what is queued, as far as it goes now. */
void fakexs_flush(struct server *s, struct conn *c);
void fakexs_conn_free(struct conn *c);
void *fakexs_must(void *p);
