/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The beginning of a session over vchan, the heartbeat, and refusing. The time is the test's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "proto/qmpmux.h"

#define HELLO                                                                                      \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 1, \"minor\": 2, \"major\": 3}, "          \
	"\"package\": \"\"}, \"capabilities\": []}}\r\n"
#define VERSION                                                                                    \
	"{\"return\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": "       \
	"\"\"}, "                                                                                  \
	"\"id\": %lld}\r\n"
#define DONE "{\"return\": {}, \"id\": %lld}\r\n"
#define ALREADY                                                                                    \
	"{\"id\": %lld, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"already "          \
	"complete\"}}\r\n"
#define STATUS "{\"return\": {\"status\": \"running\"}, \"id\": %lld}\r\n"
#define FIRST_ID 1000000000000

struct world {
	struct qmpmux *m;
	int64_t now;
	char sent[4096];
	unsigned ready, lines; /* commands sent */
	char got[2048];	       /* by the client */
	unsigned over;
	int64_t next_id;
	struct err err;
};

static void op_send(void *ctx, const char *text, size_t len, void *fd_of, int fd)
{
	struct world *w = ctx;

	assert_true(len < sizeof(w->sent));
	snprintf(w->sent, sizeof(w->sent), "%.*s", (int)len, text);
	w->lines += text[len - 1] == '\n';
}

static void op_reply(void *ctx, void *client, const char *text, size_t len)
{
	struct world *w = ctx;

	snprintf(w->got, sizeof(w->got), "%.*s", (int)len, text);
}

static void op_over(void *ctx, void *client)
{
	((struct world *)ctx)->over++;
}

static void op_resume(void *ctx, void *client)
{
}

static void op_ready(void *ctx)
{
	((struct world *)ctx)->ready++;
}

static void op_event(void *ctx, const char *name, struct json_object *data)
{
}

static void op_audit(void *ctx, void *client, const struct qmpmux_audit *audit)
{
}

static const struct qmpmux_ops ops = {.send = op_send,
	.reply = op_reply,
	.over = op_over,
	.resume = op_resume,
	.ready = op_ready,
	.event = op_event,
	.audit = op_audit};

/* Far apart, as random ones are. */
static int64_t next_id(void *ctx)
{
	struct world *w = ctx;

	return w->next_id += FIRST_ID;
}

static void open_world(struct world *w, enum qmp_peer peer)
{
	const struct qmpmux_params params = {
		.peer = peer, .answer_ms = 5000, .random_id = next_id, .ops = &ops, .ctx = w};

	*w = (struct world){.now = 1000000};
	assert_int_equal(qmpmux_new(&w->m, &params), 0);
}

static int says(struct world *w, const char *text)
{
	return qmpmux_feed(w->m, text, strlen(text), w->now, &w->err);
}

/* TEXT has one %lld. */
static int answers(struct world *w, const char *text, int64_t id)
{
	char line[512];

	snprintf(line, sizeof(line), text, (long long)id);
	return says(w, line);
}

static int64_t id_sent(const struct world *w)
{
	const char *id = strstr(w->sent, "\"id\":");

	assert_non_null(id);
	return strtoll(id + 5, NULL, 10);
}

/* Lets the next deadline pass; returns how far away it was. */
static int64_t wait_for_it(struct world *w, int want)
{
	int64_t due = qmpmux_deadline(w->m), away = due - w->now;

	assert_true(due != INT64_MAX);
	assert_true(away > 0);
	w->now = due - 1;
	assert_int_equal(qmpmux_tick(w->m, w->now, &w->err), 0);
	w->now = due;
	assert_int_equal(qmpmux_tick(w->m, w->now, &w->err), want);
	return away;
}

static void finish(struct world *w)
{
	assert_non_null(strstr(w->sent, "\"query-version\""));
	assert_int_equal(answers(w, VERSION, id_sent(w)), 0);
	assert_int_equal(w->ready, 1);
	assert_int_equal(qmpmux_health(w->m), QMPMUX_OK);
}

static void begin(struct world *w)
{
	open_world(w, QMP_PEER_VCHAN);
	qmpmux_connected(w->m, w->now);
	assert_string_equal(w->sent, "\001");
	assert_int_equal(w->lines, 0);
}

static void ready_world(struct world *w)
{
	begin(w);
	assert_int_equal(says(w, HELLO), 0);
	assert_int_equal(answers(w, DONE, id_sent(w)), 0);
	finish(w);
}

static void test_greeted(void **state)
{
	struct qmpmux_client *c;
	struct world w;

	begin(&w);
	assert_int_equal(says(&w, HELLO), 0);
	assert_string_equal(w.sent, "{\"execute\":\"qmp_capabilities\",\"id\":1000000000000}\n");
	assert_int_equal(answers(&w, DONE, id_sent(&w)), 0);
	assert_int_equal(w.ready, 0);
	assert_int_equal(id_sent(&w), 2 * FIRST_ID);
	finish(&w);
	/* The version is query-version's, not that of a greeting that may be old. */
	assert_int_equal(qmpmux_client_new(w.m, QMP_CLASS_ADMIN, &w, w.now, &c), 0);
	assert_non_null(strstr(w.got, "\"micro\": 22"));
	qmpmux_client_free(c, w.now);
	qmpmux_free(w.m);
}

/* The other end kept its session with QEMU: no greeting, and capabilities are negotiated. */
static void test_no_greeting(void **state)
{
	struct world w;

	begin(&w);
	assert_int_equal(says(&w, "{\"error\": {\"class\": \"GenericError\", \"desc\": "
				  "\"JSON parse error, stray input\"}}\r\n"),
		0);
	assert_int_equal(wait_for_it(&w, 0), LIMIT_QMP_SYNC_GREETING_MS);
	assert_int_equal(w.lines, 1);
	assert_int_equal(answers(&w, ALREADY, id_sent(&w)), 0);
	finish(&w);
	qmpmux_free(w.m);
}

/* What an old session left in the ring: the rest of a reply, whole ones, bytes that are no text,
 * an old greeting, answers to numbers that are not the last. */
static void test_stale(void **state)
{
	static const char *const stale[] = {
		"rest of a reply\"}, \"id\": 12}\r\n",
		"{\"return\": {}, \"id\": 1}\r\n",
		"{\"event\": \"STOP\", \"timestamp\": {}}\r\n",
		"\001\377\033[2J{\"return\": {}}\r\n",
		"{\"return\": {}, \"id\": \"1000000000000\"}\r\n",
		"{\"return\": [[[[[[[[[[[[[[[[[[[[[[[[[\r\n",
		"half a line without an end ",
	};
	struct world w;

	for (size_t i = 0; i < ARRAY_SIZE(stale); i++) {
		begin(&w);
		assert_int_equal(says(&w, stale[i]), 0);
		assert_int_equal(w.lines, 0);
		assert_int_equal(wait_for_it(&w, 0), LIMIT_QMP_SYNC_GREETING_MS);
		assert_int_equal(says(&w, "\r\n"), 0);
		assert_int_equal(answers(&w, DONE, 7), 0);
		assert_int_equal(w.lines, 1);
		assert_int_equal(answers(&w, DONE, id_sent(&w)), 0);
		finish(&w);
		qmpmux_free(w.m);
	}
	begin(&w);
	says(&w, HELLO);
	says(&w, HELLO); /* the first was old: its answer does not count */
	assert_int_equal(id_sent(&w), 2 * FIRST_ID);
	assert_int_equal(answers(&w, DONE, FIRST_ID), 0);
	assert_int_equal(w.lines, 2);
	assert_int_equal(answers(&w, DONE, 2 * FIRST_ID), 0);
	finish(&w);
	qmpmux_free(w.m);
}

/* The first bytes may be lost at the other end: asked again, with another number, for a while. */
static void test_again(void **state)
{
	struct world w;
	unsigned asked = 0;
	int64_t begun;

	begin(&w);
	begun = w.now;
	wait_for_it(&w, 0);
	for (; w.now + LIMIT_QMP_SYNC_AGAIN_MS < begun + LIMIT_QMP_SYNC_MS; asked++) {
		assert_int_equal(id_sent(&w), (asked + 1) * FIRST_ID);
		assert_int_equal(wait_for_it(&w, 0), LIMIT_QMP_SYNC_AGAIN_MS);
	}
	assert_true(asked >= 3);
	wait_for_it(&w, -ETIMEDOUT);
	assert_int_equal(w.now, begun + LIMIT_QMP_SYNC_MS);
	qmpmux_free(w.m);
}

/* What comes before the answer is bounded, and so is what old greetings make us send. */
static void test_bounds(void **state)
{
	char block[1024];
	struct world w;
	size_t fed = 0;

	memset(block, 'x', sizeof(block));
	begin(&w);
	while (qmpmux_feed(w.m, block, sizeof(block), w.now, &w.err) == 0) {
		fed += sizeof(block);
		assert_true(fed <= LIMIT_QMP_SYNC_BYTES);
	}
	assert_int_equal(fed, LIMIT_QMP_SYNC_BYTES);
	assert_int_equal(w.err.code, -EPROTO);
	qmpmux_free(w.m);
	begin(&w);
	for (unsigned i = 0; i < 3 * LIMIT_QMP_SYNC_QUESTIONS; i++) {
		assert_int_equal(says(&w, HELLO), 0);
	}
	assert_int_equal(w.lines, LIMIT_QMP_SYNC_QUESTIONS);
	qmpmux_free(w.m);
}

static void test_version(void **state)
{
	static const char *const wrong[] = {
		DONE,
		ALREADY,
		"{\"return\": {\"qemu\": {\"micro\": 1000, \"minor\": 2, \"major\": 7}}, "
		"\"id\": %lld}\r\n",
		"{\"return\": {\"qemu\": {\"micro\": \"1\", \"minor\": 2, \"major\": 7}}, "
		"\"id\": %lld}\r\n",
		"{\"return\": {\"qemu\": 1}, \"id\": %lld}\r\n",
		"{\"return\": 1, \"id\": %lld}\r\n",
	};
	struct world w;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		begin(&w);
		says(&w, HELLO);
		assert_int_equal(answers(&w, DONE, id_sent(&w)), 0);
		assert_int_equal(answers(&w, wrong[i], id_sent(&w)), -EPROTO);
		assert_int_equal(w.ready, 0);
		qmpmux_free(w.m);
	}
	begin(&w);
	says(&w, HELLO);
	answers(&w, DONE, id_sent(&w));
	assert_int_equal(wait_for_it(&w, -ETIMEDOUT), 5000);
	qmpmux_free(w.m);
}

static void test_heartbeat(void **state)
{
	struct world w;
	int64_t quiet;

	ready_world(&w);
	assert_int_equal(qmpmux_deadline(w.m), INT64_MAX); /* none, no timer */
	qmpmux_set_heartbeat(w.m, 60000);
	assert_int_equal(wait_for_it(&w, 0), 60000);
	assert_non_null(strstr(w.sent, "\"query-status\""));
	w.now += 7;
	quiet = w.now;
	assert_int_equal(answers(&w, STATUS, id_sent(&w)), 0);
	assert_int_equal(qmpmux_deadline(w.m), quiet + 60000);
	/* Its own silence has a deadline; then it is asked again soon, and then given up. */
	for (unsigned i = 1; i <= LIMIT_QMP_EXPIRIES; i++) {
		assert_int_equal(wait_for_it(&w, 0), i == 1 ? 60000 : LIMIT_QMP_BEAT_AGAIN_MS);
		assert_int_equal(wait_for_it(&w, i == LIMIT_QMP_EXPIRIES ? -ETIMEDOUT : 0),
			LIMIT_QMP_COMMAND_MS);
		assert_int_equal(qmpmux_health(w.m), QMPMUX_SLOW);
	}
	qmpmux_free(w.m);
}

static void on_reply(void *ctx, struct json_object *body, const struct err *err)
{
	struct world *w = ctx;

	w->over++;
	w->err.code = err ? err->code : 0;
	snprintf(w->err.text, sizeof(w->err.text), "%s", err ? err->text : "");
}

static int call(struct world *w)
{
	const struct qmpmux_call c = {
		.class = QMP_CLASS_ADMIN, .command = "query-block", .fn = on_reply, .ctx = w};

	return qmpmux_call(w->m, &c, w->now, NULL, &w->err);
}

/* None while a command is in flight: its own deadline counts. A QEMU in dom0 is never given up. */
static void test_heartbeat_rests(void **state)
{
	struct world w;

	ready_world(&w);
	qmpmux_set_heartbeat(w.m, 1000);
	assert_int_equal(call(&w), 0);
	assert_int_equal(qmpmux_deadline(w.m), w.now + LIMIT_QMP_COMMAND_MS);
	w.now += 5000;
	assert_int_equal(qmpmux_tick(w.m, w.now, &w.err), 0);
	assert_non_null(strstr(w.sent, "query-block"));
	assert_int_equal(answers(&w, DONE, id_sent(&w)), 0);
	assert_int_equal(qmpmux_deadline(w.m), w.now + 1000);
	qmpmux_free(w.m);

	open_world(&w, QMP_PEER_DOM0);
	qmpmux_set_heartbeat(w.m, 1000);
	qmpmux_connected(w.m, w.now);
	says(&w, HELLO);
	assert_int_equal(answers(&w, DONE, id_sent(&w)), 0);
	for (unsigned i = 0; i < LIMIT_QMP_TOMBSTONES; i++) {
		wait_for_it(&w, 0);
		assert_int_equal(wait_for_it(&w, 0), LIMIT_QMP_COMMAND_MS);
	}
	assert_int_equal(qmpmux_health(w.m), QMPMUX_SLOW);
	assert_int_equal(qmpmux_deadline(w.m), INT64_MAX); /* as full as it gets: rests */
	assert_int_equal(answers(&w, STATUS, id_sent(&w)), 0);
	assert_true(qmpmux_deadline(w.m) < INT64_MAX);
	qmpmux_free(w.m);
}

/* What waits and what comes is told why, also a client that was never greeted. */
static void test_refused(void **state)
{
	struct qmpmux_client *c;
	struct world w;
	struct err why;

	open_world(&w, QMP_PEER_VCHAN);
	assert_int_equal(qmpmux_health(w.m), QMPMUX_CONNECTING);
	assert_int_equal(call(&w), 0);
	assert_int_equal(qmpmux_client_new(w.m, QMP_CLASS_LIBXL, &w, w.now, &c), 0);
	assert_string_equal(w.got, "");
	err_set(&why, -ENOTCONN, "there is none");
	qmpmux_refuse(w.m, &why, w.now);
	assert_int_equal(w.over, 1);
	assert_int_equal(w.err.code, -ENOTCONN);
	assert_string_equal(w.err.text, "xendmd: there is none");
	assert_non_null(strstr(w.got, "\"QMP\""));
	assert_int_equal(call(&w), -ENOTCONN);
	assert_string_equal(w.err.text, "xendmd: there is none");
	qmpmux_client_feed(c, "{\"execute\":\"qmp_capabilities\"}", 30, w.now);
	qmpmux_client_feed(c, "{\"execute\":\"stop\",\"id\":4}", 25, w.now);
	assert_string_equal(w.got, "{\"id\": 4, \"error\": {\"class\": \"GenericError\", \"desc\": "
				   "\"xendmd: there is none\"}}\r\n");
	assert_int_equal(qmpmux_health(w.m), QMPMUX_ABSENT);
	assert_int_equal(qmpmux_deadline(w.m), INT64_MAX);
	/* An attempt that failed changes nothing, one that succeeds does. */
	err_set(&why, -ENXIO, "no");
	qmpmux_disconnected(w.m, &why, false, w.now);
	assert_true(qmpmux_is_refused(w.m));
	qmpmux_connected(w.m, w.now);
	assert_false(qmpmux_is_refused(w.m));
	qmpmux_client_free(c, w.now);
	qmpmux_free(w.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeted),
		cmocka_unit_test(test_no_greeting),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_heartbeat),
		cmocka_unit_test(test_heartbeat_rests),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
