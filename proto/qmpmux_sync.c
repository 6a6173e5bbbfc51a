/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding the beginning of a session over vchan. The rings outlive a connection, and the other end
 * may not have noticed that there is a new one: what comes first may be the rest of an old session
 * and there may be no greeting. So nothing counts until an answer comes that has a number which we
 * have made up for this connection. The marker in front is what Qubes' server takes for "a new
 * client"; a QEMU behind another one answers it with an error that has no id.
 */
#include "proto/qmpmux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/qmpmux_private.h"

static const char marker[] = {0x01};

static void send_numbered(struct qmpmux *m, const char *command)
{
	_cleanup_free_ char *line = NULL;
	int64_t id = m->random_id ? m->random_id(m->ctx) : 0;

	m->last_id = id > 0 ? id : m->last_id + 1;
	line = qmp_command(command, NULL, m->last_id);
	if (line) {
		m->ops->send(m->ctx, line, strlen(line), NULL, -1);
	}
}

static void ask(struct qmpmux *m, int64_t now)
{
	m->sync.asked = true;
	m->sync.ask_at = now + LIMIT_QMP_SYNC_AGAIN_MS;
	send_numbered(m, "qmp_capabilities");
}

void sync_begin(struct qmpmux *m, int64_t now)
{
	m->state = MUX_SYNC;
	m->sync = (struct qmpmux_sync){
		.until = now + LIMIT_QMP_SYNC_MS, .ask_at = now + LIMIT_QMP_SYNC_GREETING_MS};
	m->ops->send(m->ctx, marker, sizeof(marker), NULL, -1);
}

int sync_take(struct qmpmux *m, const char *data, size_t len, struct err *err)
{
	_cleanup_free_ char *clean = NULL;

	m->sync.seen += len;
	if (m->sync.seen > LIMIT_QMP_SYNC_BYTES) {
		return err_set(err, -EPROTO, "QMP: no beginning of a session in %d bytes",
			LIMIT_QMP_SYNC_BYTES);
	}
	clean = malloc(len + 1);
	if (!clean) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	/* What is no QMP ends a line, so that one that is may begin behind it. */
	for (size_t i = 0; i < len; i++) {
		bool text = (data[i] >= 0x20 && data[i] <= 0x7e) || data[i] == '\r';

		clean[i] = text ? data[i] : '\n';
	}
	return qmpframe_feed(&m->in, clean, len) < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static bool is_answer(const struct qmpmux *m, const struct qmp_message *message)
{
	return m->sync.asked && message->has_id && message->id == m->last_id &&
	       mux_is_negotiated(message);
}

void sync_line(struct qmpmux *m, const char *line, size_t len, int64_t now)
{
	struct qmp_message message;
	struct err ignored;

	if (qmp_parse(line, len, false, &message, &ignored) < 0) {
		return;
	}
	if (message.kind == QMP_GREETING) {
		if (m->sync.questions++ < LIMIT_QMP_SYNC_QUESTIONS) {
			ask(m, now);
		}
	} else if (is_answer(m, &message)) {
		m->state = MUX_VERSION;
		m->flight_deadline = now + m->answer_ms;
		send_numbered(m, "query-version");
	}
	qmp_message_fini(&message);
}

int sync_version(struct qmpmux *m, const struct qmp_message *message, struct err *err)
{
	if (message->kind != QMP_RETURN || !qmp_version_read(message->body, &m->version)) {
		return err_set(err, -EPROTO, "QMP: query-version has no version");
	}
	m->has_version = true;
	return 0;
}

int64_t sync_deadline(const struct qmpmux *m)
{
	return m->sync.until < m->sync.ask_at ? m->sync.until : m->sync.ask_at;
}

int sync_tick(struct qmpmux *m, int64_t now, struct err *err)
{
	if (now >= m->sync.until) {
		return err_set(err, -ETIMEDOUT, "QMP: no session within %d ms", LIMIT_QMP_SYNC_MS);
	}
	if (now >= m->sync.ask_at) {
		ask(m, now);
	}
	return 0;
}
