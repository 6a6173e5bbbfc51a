/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by qmpmux*.c: qmpmux.c is the queue, _client.c one client, _peer.c the device model. */
#include <sys/queue.h>

#include "lib/bucket.h"
#include "lib/limits.h"
#include "proto/qmpframe.h"
#include "proto/qmpmux.h"

/* A client's command, from the request to its answer. */
struct qmpmux_request {
	const struct qmp_command *command;
	char name[LIMIT_QMP_KEY_BYTES + 1];
	char *id;		       /* raw JSON; NULL: none */
	struct json_object *arguments; /* owned */
	int64_t begun, deadline;
	uint64_t digest;
	bool with_fd;
};

struct qmpmux_client {
	TAILQ_ENTRY(qmpmux_client) entry; /* qmpmux::clients */
	TAILQ_ENTRY(qmpmux_client) wait;  /* qmpmux::queue, while QUEUED */
	struct qmpmux *m;
	enum qmp_class class;
	void *ctx;
	struct qmpframe in;
	bool greeted, negotiated, eof, over, has_fd, going_on;
	bool busy, queued; /* a request is outstanding; and waits for its turn */
	unsigned garbage;
	int64_t greet_by;
	struct qmpmux_request request;
	/* of a call */
	bool own;
	const void *sequence; /* NULL: none */
	unsigned deadline_ms; /* 0: the command's */
	int (*take_fd)(void *ctx);
	qmpmux_reply_fn fn;
};

TAILQ_HEAD(qmpmux_list, qmpmux_client);

enum qmpmux_state {
	MUX_DOWN,
	MUX_SYNC, /* behind vchan, then: */
	MUX_VERSION,
	MUX_GREETING,
	MUX_CAPABILITIES,
	MUX_READY,
};

struct qmpmux_sync {
	int64_t until, ask_at;
	size_t seen;
	unsigned questions; /* in answer to greetings */
	bool asked;
};

/* A command that was given up on, whose reply may still come (S5). */
struct qmpmux_tombstone {
	int64_t id;
	size_t reply_max;
};

struct qmpmux {
	enum qmp_peer peer;
	const struct qmp_policy *policy;
	int64_t answer_ms;
	const struct qmpmux_ops *ops;
	void *ctx;

	enum qmpmux_state state;
	bool shut, has_version, flooded;
	enum qmpmux_health refused; /* QMPMUX_QUARANTINED, QMPMUX_ABSENT; else nothing is refused */
	char refusal[LIMIT_QMP_DESC_BYTES];
	struct qmp_version version;
	struct qmpframe in;
	int64_t last_id;
	int64_t half_since; /* of a line that is not whole; 0: none */
	int64_t (*random_id)(void *ctx);
	struct qmpmux_sync sync;
	int64_t beat_ms, quiet_since; /* heartbeat; 0: none */

	struct qmpmux_list clients, queue;
	unsigned clients_len, calls_len;

	int64_t flight_id; /* 0: nothing is in flight */
	int64_t flight_sent, flight_deadline;
	const struct qmp_command *flight_command;
	struct qmpmux_client *flight; /* NULL: it has left */
	struct qmpmux_tombstone tombstones[LIMIT_QMP_TOMBSTONES];
	unsigned tombstones_len, expiries, violations;

	const void *lease; /* whose: mux_holder(); NULL: nobody's */
	int64_t lease_until;

	struct qmp_seen seen;
	struct bucket events, told, unasked;
	uint64_t told_refusals[LIMIT_QMP_TOLD_REFUSALS];
	unsigned told_refusals_len;
	struct qmpmux_counts counts;
};

static inline struct qmpfilter mux_filter(const struct qmpmux *m, enum qmp_class class)
{
	return (struct qmpfilter){
		.class = class, .peer = m->peer, .policy = m->policy, .seen = &m->seen};
}

/* Who a lease that C takes belongs to: itself, or the sequence that it is a part of. */
static inline const void *mux_holder(const struct qmpmux_client *c)
{
	return c->sequence ? c->sequence : c;
}

/* qmpmux.c. Sends what is next, if something may be sent. */
void mux_dispatch(struct qmpmux *m, int64_t now);
/* The flight is over, however. */
void mux_end_flight(struct qmpmux *m);
/* It will not be answered in time: its id is remembered. */
void mux_bury_flight(struct qmpmux *m);
/* The largest message that may come now. */
size_t mux_line_max(const struct qmpmux *m);

/* qmpmux_peer.c. An answer to qmp_capabilities by which the session is there: already negotiated is
 * as good as done. */
bool mux_is_negotiated(const struct qmp_message *message);

/* qmpmux_sync.c */
void sync_begin(struct qmpmux *m, int64_t now);
/* Into the frame. */
int sync_take(struct qmpmux *m, const char *data, size_t len, struct err *err);
void sync_line(struct qmpmux *m, const char *line, size_t len, int64_t now);
int sync_version(struct qmpmux *m, const struct qmp_message *message, struct err *err);
int64_t sync_deadline(const struct qmpmux *m);
int sync_tick(struct qmpmux *m, int64_t now, struct err *err);

/* qmpmux_client.c. These end a request; a call is freed by it. */
void client_return(struct qmpmux_client *c, struct json_object *body, int64_t now);
/* CODE is what a call is told, the others what a client is. */
void client_error(
	struct qmpmux_client *c, int code, const char *error_class, const char *text, int64_t now);
void client_greet(struct qmpmux_client *c);
/* Goes on with what it has sent. */
void client_go_on(struct qmpmux_client *c, int64_t now);
