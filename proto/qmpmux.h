/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One QMP session of a device model shared by many clients: the protocol of both sides, without any
 * I/O. Bytes and the time go in, bytes come out through the ops; so it runs the same over a unix
 * socket, over vchan, in a test table and in a fuzzer. Rules S1 to S6 and R1 to R4 of docs/qmp.md.
 *
 * One command is in flight at a time; clients take turns. A client's ids never reach the peer and
 * the peer's never reach a client. Whatever one side does, the other side's memory and time are
 * bounded: a client has at most one command outstanding and its input is not read meanwhile.
 *
 * Ops must not free the mux or a client from within; qmpmux_shut() may be called.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"
#include "proto/qmpfilter.h"

struct qmpmux;
struct qmpmux_client;

enum qmpmux_health {
	QMPMUX_CONNECTING,
	QMPMUX_OK,
	QMPMUX_SLOW,
	QMPMUX_QUARANTINED,
	QMPMUX_ABSENT, /* nobody serves it */
};
const char *qmpmux_health_name(enum qmpmux_health health);

/* For the log: what a client asked and what became of it (R4). Never arguments, never secrets. */
struct qmpmux_audit {
	enum qmp_class class;
	const char *command;
	const char *refused; /* why the filter refused it; NULL: it was sent */
	const char *error;   /* what came of it; NULL: all is well */
	uint64_t digest;     /* of the arguments; 0: none, or secret */
	int64_t ms;	     /* from request to answer */
};

struct qmpmux_ops {
	/* Bytes for the peer, all of them. FD_OF: the client (its ctx) whose descriptor goes with
	 * them, or NULL. FD: a call's, the receiver's from here on, or -1. What can't be sent is
	 * not answered, and runs into its deadline. */
	void (*send)(void *ctx, const char *text, size_t len, void *fd_of, int fd);
	/* Bytes for a client. */
	void (*reply)(void *ctx, void *client, const char *text, size_t len);
	/* The client is served: to be closed once it has its bytes. */
	void (*over)(void *ctx, void *client);
	/* Its input is wanted again. */
	void (*resume)(void *ctx, void *client);
	/* Capabilities are negotiated. */
	void (*ready)(void *ctx);
	/* An event that is worth telling the host, within a rate. DATA may be NULL. */
	void (*event)(void *ctx, const char *name, struct json_object *data);
	/* A device was unplugged, or its guest refused that: told at any rate, because somebody
	 * waits for it. May be NULL. */
	void (*unplugged)(void *ctx, const char *name, struct json_object *data);
	/* CLIENT is NULL for a call. */
	void (*audit)(void *ctx, void *client, const struct qmpmux_audit *audit);
};

struct qmpmux_params {
	enum qmp_peer peer;
	const struct qmp_policy *policy; /* borrowed; may be NULL */
	int64_t answer_ms;		 /* for qmp_capabilities, and calls of our own */
	int64_t (*random_id)(void *ctx); /* positive; NULL or 0: ids are counted on */
	const struct qmpmux_ops *ops;
	void *ctx;
};

struct qmpmux_counts {
	uint64_t commands, refused, expired, violations, events, events_dropped;
	unsigned clients;
	int64_t rtt_ms; /* of the last command; -1: none yet */
};

int qmpmux_new(struct qmpmux **ret, const struct qmpmux_params *params);
/* All clients must be gone; calls are dropped without a word. */
struct qmpmux *qmpmux_free(struct qmpmux *m);
/* Nothing is called back any more. */
void qmpmux_shut(struct qmpmux *m);
/* Asked something when nothing else was for so many ms, so that its silence is noticed; 0: never.
 */
void qmpmux_set_heartbeat(struct qmpmux *m, int64_t ms);
void qmpmux_set_policy(struct qmpmux *m, const struct qmp_policy *policy);

/* The peer. A connection begins; its greeting is expected. */
void qmpmux_connected(struct qmpmux *m, int64_t now);
/* And ends: what was in flight fails. QUARANTINED: what waits and what comes fails at once until
 * qmpmux_connected() (R3); else it waits, until its deadline. */
void qmpmux_disconnected(struct qmpmux *m, const struct err *err, bool quarantined, int64_t now);
/* There is nobody to be connected to, for the reason given: the same as quarantined, with other
 * words. Until qmpmux_connected(). */
void qmpmux_refuse(struct qmpmux *m, const struct err *why, int64_t now);
bool qmpmux_is_refused(const struct qmpmux *m); /* either */
/* Negative with ERR: the rules are broken, the connection has to end. Positive: nothing should be
 * read for so many ms (R1). Callers feed at most LIMIT_QMP_TURN_BYTES a turn. */
int qmpmux_feed(struct qmpmux *m, const char *data, size_t len, int64_t now, struct err *err);

/* A client that speaks QMP. CTX is what the ops get. */
int qmpmux_client_new(
	struct qmpmux *m, enum qmp_class class, void *ctx, int64_t now, struct qmpmux_client **ret);
struct qmpmux_client *qmpmux_client_free(struct qmpmux_client *c, int64_t now);
/* -EMSGSIZE, -ENOMEM: it has to go. Only while it wants input. */
int qmpmux_client_feed(struct qmpmux_client *c, const char *data, size_t len, int64_t now);
bool qmpmux_client_wants(const struct qmpmux_client *c);
/* It sends nothing more; what it sent is still answered, then it is over. */
void qmpmux_client_eof(struct qmpmux_client *c, int64_t now);
/* A descriptor came (before the next byte that is fed), or is there no more. */
void qmpmux_client_set_fd(struct qmpmux_client *c, bool has);

/* A call: one command without a connection. BODY (borrowed) is the "return" when ERR is NULL. ERR's
 * code is -EOPNOTSUPP when the peer does not know the command, -EREMOTEIO for its other errors. */
typedef void (*qmpmux_reply_fn)(void *ctx, struct json_object *body, const struct err *err);
struct qmpmux_call {
	enum qmp_class class;
	bool own; /* the daemon's: before the others, past leases, not audited */
	const char *command;
	struct json_object *arguments; /* borrowed; may be NULL */
	/* NULL, or what names a sequence (any address of the caller's): from its first call that
	 * changes something to qmpmux_sequence_end() no other client changes anything, as long as
	 * the sequence is not idle for LIMIT_QMP_LEASE_MS. */
	const void *sequence;
	unsigned deadline_ms; /* 0: as usual for the command */
	/* NULL, or asked for the descriptor that goes with it when it is sent (the receiver's). */
	int (*take_fd)(void *ctx);
	qmpmux_reply_fn fn;
	void *ctx;
};
/* FN is called once, never from within this. -EBUSY: too many already; -EPERM: refused by the
 * filter; -ENOTCONN: quarantined; -E2BIG, -EINVAL, -ENOMEM. RET may be NULL; what it gets may be
 * given up with qmpmux_client_free() until FN is called. */
int qmpmux_call(struct qmpmux *m, const struct qmpmux_call *call, int64_t now,
	struct qmpmux_client **ret, struct err *err);

/* The others' turn again. Nothing happens where SEQUENCE is none, or is over already. */
void qmpmux_sequence_end(struct qmpmux *m, const void *sequence, int64_t now);

/* When qmpmux_tick() is due; INT64_MAX: never. */
int64_t qmpmux_deadline(const struct qmpmux *m);
/* Negative with ERR as qmpmux_feed(). */
int qmpmux_tick(struct qmpmux *m, int64_t now, struct err *err);

bool qmpmux_is_ready(const struct qmpmux *m);
/* MAJOR * 100 + MINOR of the last greeting; 0: there was none yet. */
unsigned qmpmux_version(const struct qmpmux *m);
enum qmpmux_health qmpmux_health(const struct qmpmux *m);
void qmpmux_counts(const struct qmpmux *m, struct qmpmux_counts *ret);
