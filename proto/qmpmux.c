/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue: whose command is next, and what has become of those that were sent. */
#include "proto/qmpmux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "proto/qmpmux_private.h"

#define HEARTBEAT "query-status"

const char *qmpmux_health_name(enum qmpmux_health health)
{
	static const char *const names[] = {[QMPMUX_CONNECTING] = "connecting",
		[QMPMUX_OK] = "ok",
		[QMPMUX_SLOW] = "slow",
		[QMPMUX_QUARANTINED] = "quarantined",
		[QMPMUX_ABSENT] = "absent"};

	return names[health];
}

int qmpmux_new(struct qmpmux **ret, const struct qmpmux_params *params)
{
	struct qmpmux *m = calloc(1, sizeof(*m));

	if (!m) {
		return -ENOMEM;
	}
	*m = (struct qmpmux){.peer = params->peer,
		.policy = params->policy,
		.answer_ms = params->answer_ms,
		.random_id = params->random_id,
		.ops = params->ops,
		.ctx = params->ctx,
		.in = {.lines = true, .max = LIMIT_QMP_IDLE_LINE_BYTES},
		.counts = {.rtt_ms = -1}};
	TAILQ_INIT(&m->clients);
	TAILQ_INIT(&m->queue);
	*ret = m;
	return 0;
}

struct qmpmux *qmpmux_free(struct qmpmux *m)
{
	if (m) {
		m->shut = true;
		while (!TAILQ_EMPTY(&m->clients)) {
			qmpmux_client_free(TAILQ_FIRST(&m->clients), 0);
		}
		qmpframe_fini(&m->in);
	}
	free(m);
	return NULL;
}

void qmpmux_shut(struct qmpmux *m)
{
	m->shut = true;
}

void qmpmux_set_heartbeat(struct qmpmux *m, int64_t ms)
{
	m->beat_ms = ms;
}

void qmpmux_set_policy(struct qmpmux *m, const struct qmp_policy *policy)
{
	m->policy = policy;
}

size_t mux_line_max(const struct qmpmux *m)
{
	size_t max = m->state == MUX_SYNC ? LIMIT_QMP_SYNC_BYTES : LIMIT_QMP_IDLE_LINE_BYTES;

	if (m->flight_id && m->flight_command->reply_max > max) {
		max = m->flight_command->reply_max;
	}
	for (unsigned i = 0; i < m->tombstones_len; i++) {
		max = m->tombstones[i].reply_max > max ? m->tombstones[i].reply_max : max;
	}
	return max;
}

void mux_end_flight(struct qmpmux *m)
{
	m->flight_id = 0;
	m->flight = NULL;
	m->flight_command = NULL;
}

void mux_bury_flight(struct qmpmux *m)
{
	/* There is room: nothing is sent while they are all taken. */
	m->tombstones[m->tombstones_len++] = (struct qmpmux_tombstone){
		.id = m->flight_id, .reply_max = m->flight_command->reply_max};
	mux_end_flight(m);
}

/* A client in the middle of a sequence keeps the others from changing things (section 4.3). */
static bool is_held_up(struct qmpmux *m, const struct qmpmux_client *c, int64_t now)
{
	if (m->lease && now >= m->lease_until &&
		(!m->flight || mux_holder(m->flight) != m->lease)) {
		m->lease = NULL;
	}
	return m->lease && m->lease != mux_holder(c) && !c->own &&
	       !(c->request.command->flags & QMP_READS);
}

static struct qmpmux_client *next_in_turn(struct qmpmux *m, int64_t now)
{
	struct qmpmux_client *c;

	TAILQ_FOREACH (c, &m->queue, wait) {
		if (!is_held_up(m, c, now)) {
			return c;
		}
	}
	return NULL;
}

static void take_lease(struct qmpmux *m, struct qmpmux_client *c, int64_t now)
{
	if (!c->own && (!c->fn || c->sequence) && !(c->request.command->flags & QMP_READS)) {
		m->lease = mux_holder(c);
	}
	if (m->lease == mux_holder(c)) {
		m->lease_until = now + LIMIT_QMP_LEASE_MS;
	}
}

static void send_request(struct qmpmux *m, struct qmpmux_client *c, int64_t now)
{
	struct qmpmux_request *r = &c->request;
	_cleanup_free_ char *line = qmp_command(r->name, r->arguments, m->last_id + 1);
	void *fd_of = r->with_fd && !c->take_fd ? c->ctx : NULL;

	TAILQ_REMOVE(&m->queue, c, wait);
	c->queued = false;
	take_lease(m, c, now);
	m->flight_id = ++m->last_id;
	m->flight = c;
	m->flight_command = r->command;
	m->flight_sent = now;
	m->flight_deadline = r->deadline;
	m->counts.commands++;
	if (r->with_fd) {
		c->has_fd = false;
	}
	if (line) {
		m->ops->send(m->ctx, line, strlen(line), fd_of,
			r->with_fd && c->take_fd ? c->take_fd(c->ctx) : -1);
	}
}

void mux_dispatch(struct qmpmux *m, int64_t now)
{
	struct qmpmux_client *c;

	while (!m->shut && m->state == MUX_READY && !m->flight_id &&
		m->tombstones_len < LIMIT_QMP_TOMBSTONES) {
		c = next_in_turn(m, now);
		if (!c) {
			return;
		}
		send_request(m, c, now);
	}
}

void qmpmux_sequence_end(struct qmpmux *m, const void *sequence, int64_t now)
{
	if (m->lease && m->lease == sequence) {
		m->lease = NULL;
		mux_dispatch(m, now);
	}
}

/* Only while nothing else tells whether it lives. Sooner after one that was not answered. */
static int64_t next_beat(const struct qmpmux *m)
{
	int64_t ms = m->beat_ms;

	if (!ms || m->state != MUX_READY || m->flight_id || !TAILQ_EMPTY(&m->queue) ||
		m->tombstones_len == LIMIT_QMP_TOMBSTONES) {
		return INT64_MAX;
	}
	if (m->expiries && ms > LIMIT_QMP_BEAT_AGAIN_MS) {
		ms = LIMIT_QMP_BEAT_AGAIN_MS;
	}
	return m->quiet_since + ms;
}

static void beat(struct qmpmux *m, int64_t now)
{
	_cleanup_free_ char *line = qmp_command(HEARTBEAT, NULL, m->last_id + 1);

	m->flight_id = ++m->last_id;
	m->flight = NULL;
	m->flight_command = qmp_command_find(HEARTBEAT);
	m->flight_sent = now;
	m->flight_deadline = now + LIMIT_QMP_COMMAND_MS;
	if (line) {
		m->ops->send(m->ctx, line, strlen(line), NULL, -1);
	}
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t qmpmux_deadline(const struct qmpmux *m)
{
	const struct qmpmux_client *c;
	int64_t due = INT64_MAX;

	if (m->state == MUX_SYNC) {
		due = sync_deadline(m);
	} else if (m->state == MUX_CAPABILITIES || m->state == MUX_VERSION || m->flight_id) {
		due = m->flight_deadline;
	} else {
		due = next_beat(m);
	}
	if (m->half_since && m->peer == QMP_PEER_VCHAN) {
		due = earlier(due, m->half_since + LIMIT_QMP_HALF_LINE_MS);
	}
	TAILQ_FOREACH (c, &m->clients, entry) {
		if (c->queued) {
			due = earlier(due, c->request.deadline);
		}
		if (!c->greeted && !c->over && !c->fn) {
			due = earlier(due, c->greet_by);
		}
	}
	/* Only when its end lets somebody go on. */
	if (m->lease && !TAILQ_EMPTY(&m->queue) && m->state == MUX_READY && !m->flight_id &&
		m->tombstones_len < LIMIT_QMP_TOMBSTONES) {
		due = earlier(due, m->lease_until);
	}
	return due;
}

static void expire_flight(struct qmpmux *m, int64_t now)
{
	struct qmpmux_client *c = m->flight;
	char text[96];

	m->counts.expired++;
	m->expiries++;
	m->quiet_since = now;
	mux_bury_flight(m);
	if (c) {
		snprintf(text, sizeof(text), "QMP: no answer within %lld ms",
			(long long)(c->request.deadline - c->request.begun));
		client_error(c, -ETIMEDOUT, "GenericError", text, now);
	}
}

/* Each may free a call, so the list is looked through anew. */
static bool expire_one(struct qmpmux *m, int64_t now)
{
	struct qmpmux_client *c;

	TAILQ_FOREACH (c, &m->clients, entry) {
		if (c->queued && now >= c->request.deadline) {
			m->counts.expired++;
			client_error(c, -ETIMEDOUT, "GenericError",
				m->state != MUX_READY ? "xendmd: the device model does not answer"
				: m->lease && m->lease != mux_holder(c)
					? "xendmd: another client is in the middle of a sequence"
					: "xendmd: the device model is busy",
				now);
			return true;
		}
		if (!c->greeted && !c->over && !c->fn && now >= c->greet_by) {
			c->over = true;
			m->ops->over(m->ctx, c->ctx);
			return true;
		}
	}
	return false;
}

int qmpmux_tick(struct qmpmux *m, int64_t now, struct err *err)
{
	if (m->state == MUX_SYNC && sync_tick(m, now, err) < 0) {
		return err->code;
	}
	if ((m->state == MUX_CAPABILITIES || m->state == MUX_VERSION) &&
		now >= m->flight_deadline) {
		return err_set(
			err, -ETIMEDOUT, "QMP: no answer within %lld ms", (long long)m->answer_ms);
	}
	if (m->flight_id && now >= m->flight_deadline) {
		expire_flight(m, now);
	}
	while (!m->shut && expire_one(m, now)) {
	}
	if (m->peer == QMP_PEER_VCHAN && !m->shut) {
		if (m->half_since && now - m->half_since >= LIMIT_QMP_HALF_LINE_MS) {
			return err_set(err, -ETIMEDOUT, "QMP: half a message for %d ms",
				LIMIT_QMP_HALF_LINE_MS);
		}
		if (m->expiries >= LIMIT_QMP_EXPIRIES) {
			return err_set(err, -ETIMEDOUT,
				"QMP: %u commands in a row were not answered", m->expiries);
		}
	}
	mux_dispatch(m, now);
	if (!m->shut && now >= next_beat(m)) {
		beat(m, now);
	}
	return 0;
}

bool qmpmux_is_ready(const struct qmpmux *m)
{
	return m->state == MUX_READY;
}

unsigned qmpmux_version(const struct qmpmux *m)
{
	return m->has_version ? (unsigned)(m->version.major * 100 + m->version.minor) : 0;
}

enum qmpmux_health qmpmux_health(const struct qmpmux *m)
{
	if (qmpmux_is_refused(m)) {
		return m->refused;
	}
	if (m->state != MUX_READY) {
		return QMPMUX_CONNECTING;
	}
	return m->tombstones_len ? QMPMUX_SLOW : QMPMUX_OK;
}

void qmpmux_counts(const struct qmpmux *m, struct qmpmux_counts *ret)
{
	*ret = m->counts;
	ret->clients = m->clients_len - m->calls_len;
}
