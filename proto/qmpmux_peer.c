/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device model's side: greeting and capabilities, replies to the one command in flight, late
 * ones, events. Anything else is counted, and ends the connection when there is too much of it.
 */
#include "proto/qmpmux.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "proto/qmpmux_private.h"

void qmpmux_connected(struct qmpmux *m, int64_t now)
{
	qmpframe_reset(&m->in);
	m->in.max = LIMIT_QMP_IDLE_LINE_BYTES;
	m->refused = QMPMUX_OK;
	m->half_since = 0;
	m->tombstones_len = m->expiries = m->violations = 0;
	m->state = MUX_GREETING;
	if (m->peer == QMP_PEER_VCHAN) {
		sync_begin(m, now);
	}
}

static void fail_flight(struct qmpmux *m, int code, const char *text, int64_t now)
{
	struct qmpmux_client *c = m->flight;

	mux_end_flight(m);
	if (c) {
		client_error(c, code, "GenericError", text, now);
	}
}

/* Everything that waits fails, and what comes too. Each may free a call, so the queue is looked at
 * anew. */
static void refuse(struct qmpmux *m, enum qmpmux_health why, const char *text, int64_t now)
{
	struct qmpmux_client *c, *next;

	m->refused = why;
	snprintf(m->refusal, sizeof(m->refusal), "%s", text);
	while (!m->shut && !TAILQ_EMPTY(&m->queue)) {
		client_error(TAILQ_FIRST(&m->queue), -ENOTCONN, "GenericError", m->refusal, now);
	}
	for (c = TAILQ_FIRST(&m->clients); c && !m->shut; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (!c->greeted && !c->fn) {
			client_greet(c);
			client_go_on(c, now);
		}
	}
}

void qmpmux_disconnected(struct qmpmux *m, const struct err *err, bool quarantined, int64_t now)
{
	char text[LIMIT_QMP_DESC_BYTES];

	snprintf(text, sizeof(text), "xendmd: %.400s", err->text);
	m->state = MUX_DOWN;
	m->half_since = 0;
	m->tombstones_len = m->expiries = 0;
	qmpframe_reset(&m->in);
	if (m->flight_id) {
		fail_flight(m, err->code ? err->code : -ENOTCONN, text, now);
	}
	if (quarantined) {
		refuse(m, QMPMUX_QUARANTINED, text, now);
	}
}

void qmpmux_refuse(struct qmpmux *m, const struct err *why, int64_t now)
{
	char text[LIMIT_QMP_DESC_BYTES];

	qmpmux_disconnected(m, why, false, now);
	snprintf(text, sizeof(text), "xendmd: %.400s", why->text);
	refuse(m, QMPMUX_ABSENT, text, now);
}

bool qmpmux_is_refused(const struct qmpmux *m)
{
	return m->refused == QMPMUX_QUARANTINED || m->refused == QMPMUX_ABSENT;
}

/* S2. */
static int violation(struct qmpmux *m, struct err *err, const char *what)
{
	m->counts.violations++;
	if (++m->violations <= LIMIT_QMP_VIOLATIONS) {
		return 0;
	}
	return err_set(err, -EPROTO, "QMP: %s, and %u messages before that were wrong", what,
		m->violations - 1);
}

static void send_capabilities(struct qmpmux *m, int64_t now)
{
	_cleanup_free_ char *line = qmp_command("qmp_capabilities", NULL, ++m->last_id);

	m->state = MUX_CAPABILITIES;
	m->flight_deadline = now + m->answer_ms;
	if (line) {
		m->ops->send(m->ctx, line, strlen(line), NULL, -1);
	}
}

/* S1; and S4: a second one means that the device model began anew. */
static int on_greeting(
	struct qmpmux *m, const struct qmp_message *message, int64_t now, struct err *err)
{
	int r = 0;

	if (m->state != MUX_GREETING) {
		r = violation(m, err, "a second greeting");
		m->tombstones_len = 0;
		if (m->flight_id) {
			fail_flight(m, -ECONNRESET, "xendmd: the device model began a new session",
				now);
		}
	}
	m->version = message->version;
	m->has_version = true;
	if (r == 0 && !m->shut) {
		send_capabilities(m, now);
	}
	return r;
}

static void become_ready(struct qmpmux *m, int64_t now)
{
	struct qmpmux_client *c;

	m->state = MUX_READY;
	m->quiet_since = now;
	TAILQ_FOREACH (c, &m->clients, entry) {
		if (!c->greeted && !c->fn) {
			client_greet(c);
			client_go_on(c, now);
		}
	}
	m->ops->ready(m->ctx);
	mux_dispatch(m, now);
}

/* A QEMU that was busy for longer than a connection was waited for reads the next connection in its
 * monitor's thread, but carries out the command of the one before it first: for the new one. One
 * behind vchan may never have learned of a new connection. */
bool mux_is_negotiated(const struct qmp_message *message)
{
	return message->kind == QMP_RETURN ||
	       (message->kind == QMP_ERROR && !strcmp(message->error_class, "CommandNotFound"));
}

static int on_capabilities(
	struct qmpmux *m, const struct qmp_message *message, int64_t now, struct err *err)
{
	if (message->id != m->last_id) {
		return violation(m, err, "an answer that nobody asked for");
	}
	if (!mux_is_negotiated(message)) {
		return err_set(err, -EPROTO, "QMP: qmp_capabilities: %.200s", message->desc);
	}
	become_ready(m, now);
	return 0;
}

static int on_version(
	struct qmpmux *m, const struct qmp_message *message, int64_t now, struct err *err)
{
	int r;

	if (message->id != m->last_id) {
		return violation(m, err, "an answer that nobody asked for");
	}
	r = sync_version(m, message, err);
	if (r == 0) {
		become_ready(m, now);
	}
	return r;
}

static bool unearth(struct qmpmux *m, const struct qmp_message *message)
{
	for (unsigned i = 0; i < m->tombstones_len; i++) {
		if (m->tombstones[i].id == message->id) {
			m->tombstones[i] = m->tombstones[--m->tombstones_len];
			m->expiries = 0;
			return true;
		}
	}
	return false;
}

static bool answers_flight(const struct qmpmux *m, const struct qmp_message *message)
{
	if (!m->flight_id) {
		return false;
	}
	return message->has_id ? message->id == m->flight_id
			       : message->kind == QMP_ERROR && !m->tombstones_len;
}

static void give_return(struct qmpmux *m, struct qmpmux_client *c,
	const struct qmp_command *command, struct json_object *body, int64_t now)
{
	const struct qmpfilter filter = mux_filter(m, c->class);
	_cleanup_json_ struct json_object *passed = NULL;
	struct qmpfilter_result why;

	if (c->own) {
		client_return(c, body, now);
	} else if (qmpfilter_return(&filter, command, body, &passed, &why) == QMP_PASS) {
		client_return(c, passed, now);
	} else {
		client_error(c, -EPROTO, why.error_class, why.text, now);
	}
}

static void give_error(struct qmpmux *m, struct qmpmux_client *c, const struct qmp_command *command,
	const struct qmp_message *message, int64_t now)
{
	const struct qmpfilter filter = mux_filter(m, c->class);
	struct qmpfilter_result result;

	qmpfilter_error(&filter, command, message->error_class, message->desc, &result);
	client_error(c, strcmp(message->error_class, "CommandNotFound") ? -EREMOTEIO : -EOPNOTSUPP,
		result.error_class, result.text, now);
}

static int on_reply(
	struct qmpmux *m, const struct qmp_message *message, int64_t now, struct err *err)
{
	const struct qmp_command *command = m->flight_command;
	struct qmpmux_client *c = m->flight;

	if (m->state == MUX_CAPABILITIES) {
		return on_capabilities(m, message, now, err);
	}
	if (m->state == MUX_VERSION) {
		return on_version(m, message, now, err);
	}
	if (!answers_flight(m, message)) {
		if (!message->has_id || !unearth(m, message)) {
			return violation(m, err, "an answer that nobody asked for");
		}
		mux_dispatch(m, now);
		return 0;
	}
	m->counts.rtt_ms = now - m->flight_sent;
	m->expiries = 0;
	m->quiet_since = now;
	mux_end_flight(m);
	if (c && m->lease == mux_holder(c)) {
		m->lease_until = now + LIMIT_QMP_LEASE_MS;
	}
	if (message->kind == QMP_RETURN && command->flags & QMP_SEEN_TYPES) {
		qmp_seen_take(&m->seen, message->body);
	}
	if (c && message->kind == QMP_RETURN) {
		give_return(m, c, command, message->body, now);
	} else if (c) {
		give_error(m, c, command, message, now);
	}
	mux_dispatch(m, now);
	return 0;
}

static void fan_out(struct qmpmux *m, const struct qmp_message *message)
{
	_cleanup_free_ char *text = NULL;
	struct qmpmux_client *c;

	TAILQ_FOREACH (c, &m->clients, entry) {
		const struct qmpfilter filter = mux_filter(m, c->class);

		if (c->fn || !c->negotiated || c->over ||
			!qmpfilter_event(&filter, message->name)) {
			continue;
		}
		text = text ? text : qmp_text(message->json);
		if (text) {
			m->ops->reply(m->ctx, c->ctx, text, strlen(text));
		}
	}
}

/* P6. */
static void on_event(struct qmpmux *m, const struct qmp_message *message, int64_t now)
{
	const struct qmp_event_rule *rule = qmp_event_find(message->name);

	m->counts.events++;
	if (rule && rule->unplug && m->ops->unplugged) {
		m->ops->unplugged(m->ctx, message->name, message->body);
	}
	if (m->shut || !rule || (m->peer == QMP_PEER_VCHAN && !rule->vchan) ||
		!bucket_take(&m->events, 1, LIMIT_QMP_EVENT_BURST, LIMIT_QMP_EVENTS_PER_S, now)) {
		m->counts.events_dropped++;
		return;
	}
	fan_out(m, message);
	if (rule->told &&
		bucket_take(&m->told, 1, LIMIT_QMP_TOLD_BURST, LIMIT_QMP_TOLD_PER_S, now)) {
		m->ops->event(m->ctx, message->name, message->body);
	}
}

static int on_message(
	struct qmpmux *m, const struct qmp_message *message, int64_t now, struct err *err)
{
	switch (message->kind) {
	case QMP_GREETING:
		return on_greeting(m, message, now, err);
	case QMP_EVENT:
		on_event(m, message, now);
		return 0;
	default:
		return on_reply(m, message, now, err);
	}
}

/* Well-formed and still not to be passed on (F3, F4): whoever waits hears of it. */
static int on_excess(struct qmpmux *m, const struct err *why, int64_t now, struct err *err)
{
	int r = violation(m, err, why->text);

	if (r == 0 && m->flight_id) {
		fail_flight(m, -EPROTO,
			"xendmd: the device model's answer has what is not passed on", now);
		mux_dispatch(m, now);
	}
	return r;
}

/* An error's text may repeat anything, and is made harmless (P5). */
static int parse(
	const char *line, size_t len, bool hmp, struct qmp_message *message, struct err *why)
{
	int r = qmp_parse(line, len, hmp, message, why);
	struct err ignored;

	if (r == -E2BIG && !hmp && qmp_parse(line, len, true, message, &ignored) == 0) {
		if (message->kind == QMP_ERROR) {
			return 0;
		}
		qmp_message_fini(message);
	}
	return r;
}

static int on_line(struct qmpmux *m, const char *line, size_t len, int64_t now, struct err *err)
{
	bool hmp = m->flight_id && m->flight_command->flags & QMP_HMP;
	struct qmp_message message;
	struct err why;
	int r;

	if (m->state == MUX_SYNC) {
		sync_line(m, line, len, now);
		return 0;
	}
	r = parse(line, len, hmp, &message, &why);
	if (r == -E2BIG) {
		return on_excess(m, &why, now, err);
	}
	if (r < 0) {
		return err_set(err, r, "QMP: %s", why.text);
	}
	if (message.kind == QMP_EVENT &&
		!bucket_take(&m->unasked, len + LIMIT_QMP_UNASKED_MESSAGE_BYTES,
			LIMIT_QMP_UNASKED_BYTES, LIMIT_QMP_UNASKED_BYTES_PER_S, now)) {
		m->flooded = true; /* R1 */
	}
	if (m->state == MUX_GREETING && message.kind != QMP_GREETING) {
		r = err_set(err, -EPROTO, "QMP: something else than a greeting came first");
	} else {
		r = on_message(m, &message, now, err);
	}
	qmp_message_fini(&message);
	return r;
}

static int on_lines(struct qmpmux *m, int64_t now, struct err *err)
{
	const char *line;
	size_t len;
	int r = 1;

	while (r > 0 && !m->shut) {
		m->in.max = mux_line_max(m);
		r = qmpframe_next(&m->in, &line, &len);
		if (r == -EMSGSIZE) {
			return err_set(err, r, "QMP: a message of more than %zu bytes", m->in.max);
		}
		if (r > 0 && on_line(m, line, len, now, err) < 0) {
			return err->code;
		}
	}
	return 0;
}

static int take(struct qmpmux *m, const char *data, size_t len, struct err *err)
{
	int r = qmpframe_feed(&m->in, data, len);

	return r == 0 ? 0
		      : err_set(err, r,
				r == -ENOMEM
					? "out of memory"
					: "not a QMP message: a byte that is no printable ASCII");
}

int qmpmux_feed(struct qmpmux *m, const char *data, size_t len, int64_t now, struct err *err)
{
	int r;

	if (m->state == MUX_DOWN) {
		return err_set(err, -ENOTCONN, "QMP: not connected");
	}
	r = m->state == MUX_SYNC ? sync_take(m, data, len, err) : take(m, data, len, err);
	if (r == 0) {
		r = on_lines(m, now, err);
	}
	if (r < 0 || m->shut) {
		return r;
	}
	m->half_since = m->state == MUX_SYNC || !qmpframe_held(&m->in) ? 0
			: m->half_since				       ? m->half_since
								       : now;
	r = m->flooded ? LIMIT_QMP_PAUSE_MS : 0;
	m->flooded = false;
	return r;
}
