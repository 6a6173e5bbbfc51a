/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One device model, many clients, no I/O: what each side sends is written down here, what each gets
 * is compared. Rules S1 to S6, R1 to R3, P6 by their names.
 */
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
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "         \
	"\"package\": \"Debian\"}, \"capabilities\": [\"oob\"]}}\r\n"
#define OUR_HELLO                                                                                  \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "         \
	"\"package\": \"xendmd\"}, \"capabilities\": []}}\r\n"
#define CAPABILITIES "{\"execute\":\"qmp_capabilities\"}"
#define DONE "{\"return\": {}}\r\n"

struct peer_client {
	struct qmpmux_client *c;
	char got[8192];
	unsigned over, replies;
};

struct world {
	struct qmpmux *m;
	int64_t now;
	char sent[16384]; /* to the device model */
	void *fd_of;
	unsigned ready, events, audits, unplugged;
	char event[64], audit[600];
	struct err err;
	struct peer_client clients[40];
	int code;
	char body[512], text[600];
	unsigned called;
};

static void op_send(void *ctx, const char *text, size_t len, void *fd_of, int fd)
{
	struct world *w = ctx;

	assert_true(strlen(w->sent) + len < sizeof(w->sent));
	strncat(w->sent, text, len);
	w->fd_of = fd_of;
}

static void op_reply(void *ctx, void *client, const char *text, size_t len)
{
	struct peer_client *p = client;

	p->replies++;
	if (strlen(p->got) + len < sizeof(p->got)) {
		strncat(p->got, text, len);
	}
}

static void op_over(void *ctx, void *client)
{
	((struct peer_client *)client)->over++;
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
	struct world *w = ctx;

	w->events++;
	snprintf(w->event, sizeof(w->event), "%s", name);
}

static void op_audit(void *ctx, void *client, const struct qmpmux_audit *audit)
{
	struct world *w = ctx;

	w->audits++;
	snprintf(w->audit, sizeof(w->audit), "%s %s %s %s", qmp_class_name(audit->class),
		audit->command, audit->refused ? audit->refused : "-",
		audit->error ? audit->error : "-");
}

static void op_unplugged(void *ctx, const char *name, struct json_object *data);

static const struct qmpmux_ops ops = {.unplugged = op_unplugged,
	.send = op_send,
	.reply = op_reply,
	.over = op_over,
	.resume = op_resume,
	.ready = op_ready,
	.event = op_event,
	.audit = op_audit};

static void on_reply(void *ctx, struct json_object *body, const struct err *err)
{
	struct world *w = ctx;

	w->called++;
	w->code = err ? err->code : 0;
	snprintf(w->text, sizeof(w->text), "%s", err ? err->text : "");
	snprintf(w->body, sizeof(w->body), "%s",
		json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN));
}

static struct world *world_new(enum qmp_peer peer)
{
	const struct qmpmux_params params = {.peer = peer, .answer_ms = 10000, .ops = &ops};
	struct qmpmux_params p = params;
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	p.ctx = w;
	w->now = 1000000;
	assert_int_equal(qmpmux_new(&w->m, &p), 0);
	return w;
}

static void world_free(struct world *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(w->clients); i++) {
		qmpmux_client_free(w->clients[i].c, w->now);
	}
	qmpmux_free(w->m);
	free(w);
}

/* The device model says TEXT. */
static int says(struct world *w, const char *text)
{
	return qmpmux_feed(w->m, text, strlen(text), w->now, &w->err);
}

static struct world *world_ready(enum qmp_peer peer)
{
	struct world *w = world_new(peer);

	qmpmux_connected(w->m, w->now);
	*w->sent = '\0'; /* over vchan a marker: tests/test_qmpmux_sync.c */
	assert_int_equal(says(w, HELLO), 0);
	assert_string_equal(w->sent, "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
	assert_int_equal(says(w, "{\"return\": {}, \"id\": 1}\r\n"), 0);
	if (peer == QMP_PEER_VCHAN) {
		assert_int_equal(says(w, "{\"return\": {\"qemu\": {\"micro\": 22, \"minor\": 2, "
					 "\"major\": 7}, \"package\": \"\"}, \"id\": 2}\r\n"),
			0);
	}
	assert_int_equal(w->ready, 1);
	*w->sent = '\0';
	return w;
}

static void joins(struct world *w, unsigned i, enum qmp_class class)
{
	assert_int_equal(
		qmpmux_client_new(w->m, class, &w->clients[i], w->now, &w->clients[i].c), 0);
}

static void asks(struct world *w, unsigned i, const char *text)
{
	assert_int_equal(qmpmux_client_feed(w->clients[i].c, text, strlen(text), w->now), 0);
}

/* What client I has got since, forgotten by asking. */
static const char *got(struct world *w, unsigned i)
{
	static char text[sizeof(w->clients[0].got)];

	memcpy(text, w->clients[i].got, sizeof(text));
	*w->clients[i].got = '\0';
	return text;
}

static void negotiated(struct world *w, unsigned i, enum qmp_class class)
{
	joins(w, i, class);
	assert_string_equal(got(w, i), OUR_HELLO);
	asks(w, i, CAPABILITIES);
	assert_string_equal(got(w, i), DONE);
}

static void leaves(struct world *w, unsigned i)
{
	w->clients[i].c = qmpmux_client_free(w->clients[i].c, w->now);
}

static const char *sent(struct world *w)
{
	static char text[sizeof(w->sent)];

	memcpy(text, w->sent, sizeof(text));
	*w->sent = '\0';
	return text;
}

static void later(struct world *w, int64_t ms)
{
	w->now += ms;
	assert_int_equal(qmpmux_tick(w->m, w->now, &w->err), 0);
}

static void call(struct world *w, bool own, const char *command, int want)
{
	const struct qmpmux_call c = {.class = own ? QMP_CLASS_ADMIN : QMP_CLASS_MONITOR,
		.own = own,
		.command = command,
		.fn = on_reply,
		.ctx = w};

	w->called = 0;
	assert_int_equal(qmpmux_call(w->m, &c, w->now, NULL, &w->err), want);
	assert_int_equal(w->called, 0);
}

static void test_s1_greeting(void **state)
{
	struct world *w = world_new(QMP_PEER_DOM0);

	/* Before the device model greets, the client waits and nothing of its is read. */
	joins(w, 0, QMP_CLASS_ADMIN);
	assert_string_equal(got(w, 0), "");
	assert_false(qmpmux_client_wants(w->clients[0].c));
	qmpmux_connected(w->m, w->now);
	assert_int_equal(says(w, HELLO), 0);
	assert_int_equal(says(w, "{\"return\": {}, \"id\": 1}\r\n"), 0);
	assert_string_equal(got(w, 0), OUR_HELLO);
	assert_true(qmpmux_client_wants(w->clients[0].c));
	/* Anything but qmp_capabilities is not found yet. */
	asks(w, 0, "{\"execute\":\"query-status\",\"id\":[1]}");
	assert_non_null(strstr(w->clients[0].got, "{\"id\": [1], \"error\": {\"class\": "
						  "\"CommandNotFound\""));
	got(w, 0);
	asks(w, 0, "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}");
	assert_non_null(strstr(got(w, 0), "GenericError"));
	asks(w, 0, "{\"execute\":\"qmp_capabilities\",\"id\":\"a\",\"arguments\":{\"enable\":[]}}");
	assert_string_equal(got(w, 0), "{\"return\": {}, \"id\": \"a\"}\r\n");
	asks(w, 0, "{\"execute\":\"qmp_capabilities\",\"id\":\"b\"}");
	assert_non_null(
		strstr(got(w, 0), "{\"id\": \"b\", \"error\": {\"class\": \"CommandNotFound\""));
	/* A silent one is greeted all the same. */
	joins(w, 1, QMP_CLASS_ADMIN);
	assert_string_equal(got(w, 1), OUR_HELLO);
	world_free(w);
}

static void test_greeting_never_comes(void **state)
{
	struct world *w = world_new(QMP_PEER_DOM0);

	joins(w, 0, QMP_CLASS_ADMIN);
	assert_int_equal(qmpmux_deadline(w->m), w->now + LIMIT_QMP_GREETING_MS);
	later(w, LIMIT_QMP_GREETING_MS);
	assert_int_equal(w->clients[0].over, 1);
	assert_int_equal(qmpmux_deadline(w->m), INT64_MAX);
	world_free(w);
}

static void test_s2_one_in_flight(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);

	for (unsigned i = 0; i < 3; i++) {
		negotiated(w, i, QMP_CLASS_ADMIN);
	}
	/* The second command of client 0 comes after those of the others. */
	asks(w, 0, "{\"execute\":\"query-status\",\"id\":1}{\"execute\":\"query-name\",\"id\":2}");
	asks(w, 1, "{\"execute\":\"query-uuid\",\"id\":1}");
	asks(w, 2, "{\"execute\":\"query-mice\",\"id\":1}");
	assert_string_equal(sent(w), "{\"execute\":\"query-status\",\"id\":2}\n");
	assert_false(qmpmux_client_wants(w->clients[0].c));
	says(w, "{\"return\": {\"status\": \"running\"}, \"id\": 2}\r\n");
	assert_string_equal(got(w, 0), "{\"return\": {\"status\": \"running\"}, \"id\": 1}\r\n");
	assert_string_equal(sent(w), "{\"execute\":\"query-uuid\",\"id\":3}\n");
	says(w, "{\"return\": {}, \"id\": 3}\r\n");
	assert_string_equal(got(w, 1), "{\"return\": {}, \"id\": 1}\r\n");
	assert_string_equal(sent(w), "{\"execute\":\"query-mice\",\"id\":4}\n");
	says(w, "{\"return\": [], \"id\": 4}\r\n");
	assert_string_equal(sent(w), "{\"execute\":\"query-name\",\"id\":5}\n");
	says(w, "{\"id\": 5, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n");
	assert_string_equal(got(w, 0),
		"{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n");
	assert_string_equal(sent(w), "");
	world_free(w);
}

/* Early, unknown, repeated and foreign ids reach nobody; too many of them end it. */
static void test_s2_forged_ids(void **state)
{
	static const char *const forged[] = {"{\"return\": {}, \"id\": 2}\r\n",
		"{\"return\": {}, \"id\": 77}\r\n", "{\"return\": {}, \"id\": \"2\"}\r\n",
		"{\"return\": {}}\r\n", "{\"error\": {\"class\": \"a\", \"desc\": \"b\"}}\r\n"};
	struct world *w = world_ready(QMP_PEER_DOM0);
	int r = 0;

	negotiated(w, 0, QMP_CLASS_ADMIN);
	for (size_t i = 0; i < ARRAY_SIZE(forged); i++) {
		assert_int_equal(says(w, forged[i]), 0);
	}
	asks(w, 0, "{\"execute\":\"query-status\"}");
	assert_int_equal(says(w, "{\"return\": 1, \"id\": 1}\r\n"), 0);
	assert_int_equal(says(w, "{\"return\": 1}\r\n"), 0);
	assert_string_equal(got(w, 0), "");
	/* An error without an id can only mean the one in flight. */
	assert_int_equal(says(w, "{\"error\": {\"class\": \"a\", \"desc\": \"b\"}}\r\n"), 0);
	assert_non_null(strstr(got(w, 0), "\"desc\": \"b\""));
	for (unsigned i = 0; r == 0 && i < 100; i++) {
		r = says(w, forged[1]);
	}
	assert_int_equal(r, -EPROTO);
	assert_non_null(strstr(w->err.text, "nobody asked for"));
	world_free(w);
}

static void test_s3_ids(void **state)
{
	static const char *const ids[] = {"2020372480", "\"qmp-000001-5\"", "1.50", "-0", "null",
		"{\"a\": [1,  2]}", "99999999999999999", "\"\\u0041\""};
	struct world *w = world_ready(QMP_PEER_DOM0);
	char text[256], want[256], reply[64];

	negotiated(w, 0, QMP_CLASS_ADMIN);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		snprintf(text, sizeof(text), "{\"id\":%s,\"execute\":\"query-status\"}", ids[i]);
		snprintf(want, sizeof(want), "{\"return\": {}, \"id\": %s}\r\n", ids[i]);
		snprintf(reply, sizeof(reply), "{\"return\": {}, \"id\": %zu}\r\n", i + 2);
		asks(w, 0, text);
		assert_int_equal(says(w, reply), 0);
		assert_string_equal(got(w, 0), want);
	}
	world_free(w);
}

static void test_s4_second_greeting(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);

	negotiated(w, 0, QMP_CLASS_ADMIN);
	negotiated(w, 1, QMP_CLASS_ADMIN);
	asks(w, 0, "{\"execute\":\"query-status\",\"id\":8}");
	asks(w, 1, "{\"execute\":\"query-name\",\"id\":9}");
	sent(w);
	assert_int_equal(says(w, HELLO), 0);
	assert_non_null(strstr(got(w, 0), "{\"id\": 8, \"error\": {\"class\": \"GenericError\""));
	assert_string_equal(sent(w), "{\"execute\":\"qmp_capabilities\",\"id\":3}\n");
	/* The answer to the old command is nobody's. */
	assert_int_equal(says(w, "{\"return\": {}, \"id\": 2}\r\n"), 0);
	assert_int_equal(says(w, "{\"return\": {}, \"id\": 3}\r\n"), 0);
	assert_string_equal(sent(w), "{\"execute\":\"query-name\",\"id\":4}\n");
	assert_string_equal(got(w, 1), "");
	world_free(w);
}

static void test_s5_deadlines(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);
	unsigned i;

	for (i = 0; i < 6; i++) {
		negotiated(w, i, QMP_CLASS_ADMIN);
	}
	asks(w, 0, "{\"execute\":\"query-status\",\"id\":0}");
	assert_int_equal(qmpmux_deadline(w->m), w->now + 8000);
	later(w, 7999);
	assert_string_equal(got(w, 0), "");
	later(w, 1);
	assert_non_null(strstr(got(w, 0), "no answer within 8000 ms"));
	assert_int_equal(qmpmux_health(w->m), QMPMUX_SLOW);
	/* Its late answer goes nowhere, that of the next client to the next client. */
	asks(w, 1, "{\"execute\":\"query-name\",\"id\":1}");
	assert_int_equal(says(w, "{\"return\": 1, \"id\": 2}\r\n"), 0);
	assert_string_equal(got(w, 0), "");
	assert_string_equal(got(w, 1), "");
	assert_int_equal(says(w, "{\"return\": 2, \"id\": 3}\r\n"), 0);
	assert_string_equal(got(w, 1), "{\"return\": 2, \"id\": 1}\r\n");
	assert_int_equal(qmpmux_health(w->m), QMPMUX_OK);
	/* When so many are due, nothing more is sent; who waits is told in time. */
	for (i = 0; i < LIMIT_QMP_TOMBSTONES; i++) {
		asks(w, i, "{\"execute\":\"query-status\"}");
		later(w, 8000);
		assert_non_null(strstr(got(w, i), "no answer within"));
	}
	sent(w);
	asks(w, 5, "{\"execute\":\"query-status\"}");
	assert_string_equal(sent(w), "");
	later(w, 8000);
	assert_non_null(strstr(got(w, 5), "busy"));
	/* A QEMU in dom0 may be slow for as long as it likes. */
	later(w, 100000);
	assert_int_equal(says(w, "{\"return\": 2, \"id\": 4}\r\n"), 0);
	asks(w, 5, "{\"execute\":\"query-status\"}");
	assert_string_equal(sent(w), "{\"execute\":\"query-status\",\"id\":8}\n");
	world_free(w);
}

/* One behind vchan may not. */
static void test_s5_vchan(void **state)
{
	struct world *w = world_ready(QMP_PEER_VCHAN);
	int r = 0;

	negotiated(w, 0, QMP_CLASS_ADMIN);
	for (unsigned i = 0; r == 0 && i < LIMIT_QMP_EXPIRIES; i++) {
		asks(w, 0, "{\"execute\":\"query-status\"}");
		w->now += 8000;
		r = qmpmux_tick(w->m, w->now, &w->err);
	}
	assert_int_equal(r, -ETIMEDOUT);
	world_free(w);

	w = world_ready(QMP_PEER_VCHAN);
	assert_int_equal(says(w, "{\"event\": "), 0);
	assert_int_equal(qmpmux_deadline(w->m), w->now + LIMIT_QMP_HALF_LINE_MS);
	w->now += LIMIT_QMP_HALF_LINE_MS;
	assert_int_equal(qmpmux_tick(w->m, w->now, &w->err), -ETIMEDOUT);
	world_free(w);
}

/* A client has one command outstanding and is not read meanwhile, whatever it has sent. */
static void test_r2_one_outstanding(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);
	char text[64];

	negotiated(w, 0, QMP_CLASS_ADMIN);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "{\"execute\":\"query-status\",\"id\":%u}", i);
		asks(w, 0, text);
		assert_false(qmpmux_client_wants(w->clients[0].c));
	}
	assert_string_equal(sent(w), "{\"execute\":\"query-status\",\"id\":2}\n");
	for (unsigned i = 0; i < 100; i++) {
		assert_false(qmpmux_client_wants(w->clients[0].c));
		snprintf(text, sizeof(text), "{\"return\": {}, \"id\": %u}\r\n", i + 2);
		assert_int_equal(says(w, text), 0);
		assert_int_equal(w->clients[0].replies, i + 3);
	}
	assert_true(qmpmux_client_wants(w->clients[0].c));
	world_free(w);
}

/* A client that stops sending still gets its answer; then, and not before, it is over. */
static void test_s6_half_close(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);

	negotiated(w, 0, QMP_CLASS_ADMIN);
	asks(w, 0, "{\"execute\":\"query-status\",\"id\":1}{\"execute\":\"query-name\",\"id\":2}");
	qmpmux_client_eof(w->clients[0].c, w->now);
	assert_int_equal(w->clients[0].over, 0);
	says(w, "{\"return\": 1, \"id\": 2}\r\n");
	assert_string_equal(got(w, 0), "{\"return\": 1, \"id\": 1}\r\n");
	assert_int_equal(w->clients[0].over, 0);
	says(w, "{\"return\": 2, \"id\": 3}\r\n");
	assert_string_equal(got(w, 0), "{\"return\": 2, \"id\": 2}\r\n");
	assert_int_equal(w->clients[0].over, 1);
	world_free(w);
}

/* One that leaves while its command is in flight: the answer does not reach the next one. */
static void test_leaves_in_flight(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);

	negotiated(w, 0, QMP_CLASS_ADMIN);
	asks(w, 0, "{\"execute\":\"query-status\",\"id\":1}");
	leaves(w, 0);
	negotiated(w, 1, QMP_CLASS_ADMIN);
	asks(w, 1, "{\"execute\":\"query-name\",\"id\":1}");
	sent(w);
	says(w, "{\"return\": 1, \"id\": 2}\r\n");
	assert_string_equal(got(w, 1), "");
	assert_string_equal(sent(w), "{\"execute\":\"query-name\",\"id\":3}\n");
	says(w, "{\"return\": 2, \"id\": 3}\r\n");
	assert_string_equal(got(w, 1), "{\"return\": 2, \"id\": 1}\r\n");
	world_free(w);
}

static int call_of(struct world *w, const void *sequence, const char *command)
{
	const struct qmpmux_call call = {.class = QMP_CLASS_ADMIN,
		.sequence = sequence,
		.deadline_ms = 20000,
		.command = command,
		.fn = on_reply,
		.ctx = w};

	return qmpmux_call(w->m, &call, w->now, NULL, &w->err);
}

/* Calls that belong together are one holder of a lease. */
static void test_sequences(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);

	negotiated(w, 0, QMP_CLASS_ADMIN);
	assert_int_equal(call_of(w, w, "device_add"), 0);
	asks(w, 0, "{\"execute\":\"stop\"}");
	assert_string_equal(sent(w), "{\"execute\":\"device_add\",\"id\":2}\n");
	/* Its own deadline, and the lease holds as long. */
	later(w, 10000);
	assert_int_equal(w->called, 0);
	got(w, 0);
	asks(w, 0, "{\"execute\":\"stop\"}");
	says(w, "{\"return\": {}, \"id\": 2}\r\n");
	assert_int_equal(w->called, 1);
	/* Between two of its calls nobody else changes anything, nor do calls outside of it. */
	assert_string_equal(sent(w), "");
	assert_int_equal(call_of(w, NULL, "cont"), 0);
	assert_string_equal(sent(w), "");
	assert_int_equal(call_of(w, w, "device_del"), 0);
	assert_string_equal(sent(w), "{\"execute\":\"device_del\",\"id\":3}\n");
	says(w, "{\"return\": {}, \"id\": 3}\r\n");
	/* Another's end is not its. */
	qmpmux_sequence_end(w->m, &w->now, w->now);
	assert_string_equal(sent(w), "");
	qmpmux_sequence_end(w->m, w, w->now);
	assert_string_equal(sent(w), "{\"execute\":\"stop\",\"id\":4}\n");
	world_free(w);
}

static void op_unplugged(void *ctx, const char *name, struct json_object *data)
{
	struct world *w = ctx;

	w->unplugged++;
	snprintf(w->event, sizeof(w->event), "%s", name);
}

/* Somebody waits for these: no rate drops one. */
static void test_unplugged(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);

	for (unsigned i = 1; i <= 200; i++) {
		says(w, "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 0}, \"event\": "
			"\"DEVICE_DELETED\", \"data\": {\"device\": \"x\", \"path\": \"/x\"}}\r\n");
		assert_int_equal(w->unplugged, i);
	}
	says(w, "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 0}, \"event\": \"STOP\"}\r\n");
	assert_int_equal(w->unplugged, 200);
	assert_int_equal(qmpmux_version(w->m), 702);
	world_free(w);
}

static void test_leases(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);

	for (unsigned i = 0; i < 3; i++) {
		negotiated(w, i, QMP_CLASS_ADMIN);
	}
	asks(w, 0, "{\"execute\":\"stop\"}");
	asks(w, 1, "{\"execute\":\"cont\"}");
	asks(w, 2, "{\"execute\":\"query-status\"}");
	sent(w);
	says(w, "{\"return\": {}, \"id\": 2}\r\n");
	/* What reads passes, what changes waits; the holder itself does not. */
	assert_string_equal(sent(w), "{\"execute\":\"query-status\",\"id\":3}\n");
	asks(w, 0, "{\"execute\":\"eject\"}");
	says(w, "{\"return\": {}, \"id\": 3}\r\n");
	assert_string_equal(sent(w), "{\"execute\":\"eject\",\"id\":4}\n");
	/* The daemon's own commands know no lease. */
	call(w, true, "quit", 0);
	says(w, "{\"return\": {}, \"id\": 4}\r\n");
	assert_string_equal(sent(w), "{\"execute\":\"quit\",\"id\":5}\n");
	says(w, "{\"return\": {}, \"id\": 5}\r\n");
	assert_string_equal(sent(w), "");
	/* It ends with its holder. */
	leaves(w, 0);
	assert_string_equal(sent(w), "{\"execute\":\"cont\",\"id\":6}\n");
	says(w, "{\"return\": {}, \"id\": 6}\r\n");
	/* Or with time: 15 s without a command; the one who waits is told before, after 8 s. */
	got(w, 2);
	asks(w, 2, "{\"execute\":\"stop\"}");
	assert_string_equal(sent(w), "");
	later(w, 8000);
	assert_non_null(strstr(got(w, 2), "another client"));
	later(w, 7000);
	asks(w, 2, "{\"execute\":\"stop\"}");
	assert_string_equal(sent(w), "{\"execute\":\"stop\",\"id\":7}\n");
	world_free(w);
}

static void test_p6_events(void **state)
{
	static const char stop[] = "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, "
				   "\"event\": \"STOP\"}\r\n";
	struct world *w = world_ready(QMP_PEER_DOM0);

	negotiated(w, 0, QMP_CLASS_ADMIN);
	negotiated(w, 1, QMP_CLASS_LIBXL);
	joins(w, 2, QMP_CLASS_ADMIN); /* not before it has negotiated */
	got(w, 2);
	assert_int_equal(says(w, stop), 0);
	assert_string_equal(got(w, 0), stop);
	assert_string_equal(got(w, 1), "");
	assert_string_equal(got(w, 2), "");
	assert_string_equal(w->event, "STOP");
	assert_int_equal(says(w, "{\"event\": \"UNHEARD_OF\"}\r\n"), 0);
	assert_string_equal(got(w, 0), "");
	/* A flood: a burst is passed on, then 10 a second; the host hears of fewer. */
	w->clients[0].replies = w->events = 0;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(says(w, stop), 0);
	}
	assert_int_equal(w->clients[0].replies, LIMIT_QMP_EVENT_BURST - 1);
	assert_int_equal(w->events, LIMIT_QMP_TOLD_BURST - 1);
	w->now += 1000;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(says(w, stop), 0);
	}
	assert_int_equal(w->clients[0].replies, LIMIT_QMP_EVENT_BURST - 1 + LIMIT_QMP_EVENTS_PER_S);
	/* An event between a command and its answer. */
	asks(w, 1, "{\"execute\":\"query-status\",\"id\":1}");
	assert_int_equal(says(w, stop), 0);
	assert_int_equal(says(w, "{\"return\": {\"status\": \"a\"}, \"id\": 2}\r\n"), 0);
	assert_string_equal(got(w, 1), "{\"return\": {\"status\": \"a\"}, \"id\": 1}\r\n");
	world_free(w);
}

/* Endless events are read ever more slowly. */
static void test_r1_flood(void **state)
{
	static const char event[] = "{\"event\": \"STOP\"}\r\n";
	struct world *w = world_ready(QMP_PEER_DOM0);
	size_t bytes = 0; /* as they are charged */
	int r = 0;

	while (r == 0 && bytes < 100000000) {
		r = says(w, event);
		bytes += sizeof(event) - 1 + LIMIT_QMP_UNASKED_MESSAGE_BYTES;
	}
	assert_int_equal(r, LIMIT_QMP_PAUSE_MS);
	assert_in_range(bytes, LIMIT_QMP_UNASKED_BYTES / 2, LIMIT_QMP_UNASKED_BYTES * 2);
	world_free(w);
}

/* What no QEMU says ends the connection; the client is told, and so is who comes meanwhile. */
static void test_r3_hostile(void **state)
{
	static const char *const lines[] = {"hello\r\n", "\r\n", "[]\r\n", "{}\r\n", "\x1b[31m\r\n",
		"\xff\r\n", "{\"return\": {}, \"id\": 2, \"id\": 2}\r\n",
		"{\"RETURN\": {}, \"id\": 2}\r\n", "{\"return\": {}, \"id\": 2} {}\r\n",
		"{\"return\": \"\\u0000\", \"id\": 2}\r\n",
		"{\"return\": \"\\ud800\", \"id\": 2}\r\n"};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct world *w = world_ready(QMP_PEER_DOM0);

		negotiated(w, 0, QMP_CLASS_ADMIN);
		negotiated(w, 1, QMP_CLASS_ADMIN);
		asks(w, 0, "{\"execute\":\"query-status\",\"id\":7}");
		asks(w, 1, "{\"execute\":\"query-status\",\"id\":8}");
		assert_true(says(w, lines[i]) < 0);
		assert_non_null(strstr(w->err.text, "not a QMP message"));
		qmpmux_disconnected(w->m, &w->err, true, w->now);
		assert_non_null(strstr(got(w, 0), "{\"id\": 7, \"error\": {\"class\": \"Gen"));
		assert_non_null(strstr(got(w, 1), "{\"id\": 8, \"error\": {\"class\": \"Gen"));
		assert_int_equal(qmpmux_health(w->m), QMPMUX_QUARANTINED);
		asks(w, 0, "{\"execute\":\"query-status\",\"id\":9}");
		assert_non_null(strstr(got(w, 0), "{\"id\": 9, \"error\": {\"class\": \"Gen"));
		call(w, false, "query-status", -ENOTCONN);
		/* And all is well again with the next connection. */
		qmpmux_connected(w->m, w->now);
		assert_int_equal(says(w, HELLO), 0);
		assert_int_equal(says(w, "{\"return\": {}, \"id\": 3}\r\n"), 0);
		sent(w);
		asks(w, 0, "{\"execute\":\"query-status\",\"id\":10}");
		assert_string_equal(sent(w), "{\"execute\":\"query-status\",\"id\":4}\n");
		world_free(w);
	}
}

/* Well-formed and too much: the one who asked hears it, the connection stays. */
static void test_f3_f4_excess(void **state)
{
	static const char *const bodies[] = {"\"\\u001b[31m\"",
		"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
		"0.0000000000000000000000000000000000000001"};
	struct world *w = world_ready(QMP_PEER_DOM0);
	char text[256];

	negotiated(w, 0, QMP_CLASS_ADMIN);
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		asks(w, 0, "{\"execute\":\"query-status\",\"id\":7}");
		snprintf(text, sizeof(text), "{\"return\": %s, \"id\": %zu}\r\n", bodies[i], i + 2);
		assert_int_equal(says(w, text), 0);
		assert_non_null(strstr(got(w, 0), "{\"id\": 7, \"error\""));
	}
	assert_true(qmpmux_is_ready(w->m));
	/* What an error repeats is made harmless instead. */
	asks(w, 0, "{\"execute\":\"query-status\",\"id\":7}");
	assert_int_equal(
		says(w, "{\"error\": {\"class\": \"a\", \"desc\": \"\\u001b[2J\"}, \"id\": 5}\r\n"),
		0);
	assert_non_null(strstr(got(w, 0), "\"desc\": \"?[2J\""));
	world_free(w);
}

static void test_f2_line(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);
	static char block[LIMIT_QMP_TURN_BYTES + 1];
	int r = 0;

	memset(block, 'x', LIMIT_QMP_TURN_BYTES);
	negotiated(w, 0, QMP_CLASS_ADMIN);
	for (unsigned i = 0; r == 0 && i < 100; i++) {
		r = says(w, block);
	}
	assert_int_equal(r, -EMSGSIZE);
	assert_non_null(strstr(w->err.text, "a message of more than 65536 bytes"));
	/* More while the schema is asked for, and still less than libxl dies of. */
	qmpmux_disconnected(w->m, &w->err, false, w->now);
	qmpmux_connected(w->m, w->now);
	assert_int_equal(says(w, HELLO), 0);
	assert_int_equal(says(w, "{\"return\": {}, \"id\": 2}\r\n"), 0);
	asks(w, 0, "{\"execute\":\"query-qmp-schema\"}");
	r = 0;
	for (unsigned i = 0; r == 0 && i < 100; i++) {
		r = says(w, block);
	}
	assert_int_equal(r, -EMSGSIZE);
	assert_non_null(strstr(w->err.text, "more than 960000 bytes"));
	world_free(w);
}

static void test_calls(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);

	call(w, false, "query-status", 0);
	assert_string_equal(sent(w), "{\"execute\":\"query-status\",\"id\":2}\n");
	says(w, "{\"return\": {\"status\": \"running\"}, \"id\": 2}\r\n");
	assert_int_equal(w->called, 1);
	assert_string_equal(w->body, "{\"status\":\"running\"}");
	call(w, false, "query-status", 0);
	says(w, "{\"id\": 3, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n");
	assert_int_equal(w->code, -EREMOTEIO);
	assert_string_equal(w->text, "QMP: no");
	call(w, false, "query-status", 0);
	later(w, 8000);
	assert_int_equal(w->code, -ETIMEDOUT);
	call(w, false, "stop", -EPERM);
	assert_non_null(strstr(w->err.text, "not allowed to clients of class monitor"));
	call(w, false, "qmp_capabilities", -EPERM);
	sent(w);
	for (unsigned i = 0; i < LIMIT_QMP_CALLS; i++) {
		call(w, false, "query-name", 0);
	}
	call(w, false, "query-name", -EBUSY);
	/* Left waiting: they go with the mux, without a word. */
	w->called = 0;
	world_free(w);
}

/* R4: what changes something, and what was refused, once. */
static void test_r4_audit(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);

	negotiated(w, 0, QMP_CLASS_LIBXL);
	asks(w, 0, "{\"execute\":\"query-status\"}");
	says(w, "{\"return\": {}, \"id\": 2}\r\n");
	assert_int_equal(w->audits, 0);
	asks(w, 0, "{\"execute\":\"stop\"}");
	says(w, "{\"return\": {}, \"id\": 3}\r\n");
	assert_int_equal(w->audits, 1);
	assert_string_equal(w->audit, "libxl stop - -");
	for (unsigned i = 0; i < 5; i++) {
		asks(w, 0, "{\"execute\":\"migrate\"}");
	}
	assert_int_equal(w->audits, 2);
	assert_non_null(strstr(w->audit, "libxl migrate xendmd: migrate is not allowed"));
	world_free(w);
}

static void test_descriptors(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);

	negotiated(w, 0, QMP_CLASS_ADMIN);
	asks(w, 0, "{\"execute\":\"add-fd\"}");
	assert_non_null(strstr(got(w, 0), "no descriptor came"));
	qmpmux_client_set_fd(w->clients[0].c, true);
	asks(w, 0, " ");
	asks(w, 0, "{\"execute\":\"query-status\"}");
	assert_null(w->fd_of);
	says(w, "{\"return\": {}, \"id\": 2}\r\n");
	asks(w, 0, "{\"execute\":\"add-fd\"}");
	assert_ptr_equal(w->fd_of, &w->clients[0]);
	says(w, "{\"return\": {\"fdset-id\": 0, \"fd\": 5}, \"id\": 3}\r\n");
	asks(w, 0, "{\"execute\":\"add-fd\"}");
	assert_non_null(strstr(w->clients[0].got, "no descriptor came"));
	world_free(w);
}

/* Clients that send rubbish are answered a while, then they are over. */
static void test_f7_garbage(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);
	static char huge[LIMIT_QMP_REQUEST_BYTES + 2];

	negotiated(w, 0, QMP_CLASS_ADMIN);
	for (unsigned i = 0; i < 1000 && !w->clients[0].over; i++) {
		asks(w, 0, i % 2 ? "hello\n" : "{'a'}");
	}
	assert_int_equal(w->clients[0].over, 1);
	assert_true(w->clients[0].replies <= LIMIT_QMP_GARBAGE + 3);
	negotiated(w, 1, QMP_CLASS_ADMIN);
	memset(huge, ' ', sizeof(huge) - 1);
	huge[0] = '{';
	asks(w, 1, huge);
	assert_int_equal(w->clients[1].over, 1);
	assert_non_null(strstr(got(w, 1), "too large"));
	/* The next one is served. */
	negotiated(w, 2, QMP_CLASS_ADMIN);
	world_free(w);
}

/* libxl, xentop and xenopsd, as they talk. */
static void test_stock_clients(void **state)
{
	struct world *w = world_ready(QMP_PEER_DOM0);

	joins(w, 0, QMP_CLASS_LIBXL);
	got(w, 0);
	asks(w, 0, "{\"execute\":\"qmp_capabilities\",\"id\":2020372480}\r\n");
	assert_string_equal(got(w, 0), "{\"return\": {}, \"id\": 2020372480}\r\n");
	asks(w, 0, "{\"execute\":\"query-version\",\"id\":2020372481}\r\n");
	says(w, "{\"return\": {\"qemu\": {\"micro\": 1, \"minor\": 2, \"major\": 7}, \"package\": "
		"\"x\"}, \"id\": 2}\r\n");
	assert_string_equal(got(w, 0),
		"{\"return\": {\"qemu\": {\"micro\": 1, \"minor\": 2, \"major\": 7}, \"package\": "
		"\"x\"}, \"id\": 2020372481}\r\n");
	joins(w, 1, QMP_CLASS_STATS);
	got(w, 1);
	asks(w, 1, "{ \"execute\": \"qmp_capabilities\" }{ \"execute\": \"query-blockstats\" }");
	assert_string_equal(got(w, 1), DONE);
	says(w, "{\"return\": [], \"id\": 3}\r\n");
	assert_string_equal(got(w, 1), "{\"return\": []}\r\n");
	joins(w, 2, QMP_CLASS_LIBXL);
	got(w, 2);
	asks(w, 2, "{\"execute\":\"qmp_capabilities\",\"id\":\"qmp-000002-3\"}\n");
	assert_string_equal(got(w, 2), "{\"return\": {}, \"id\": \"qmp-000002-3\"}\r\n");
	world_free(w);
}

/* Seen in the lab: QEMU had its hands full for longer than the first connection was waited for, and
 * then carried out that one's command for the second connection. */
static void test_negotiated_by_the_connection_before(void **state)
{
	static const struct {
		const char *error_class;
		int result, ready;
	} cases[] = {{"CommandNotFound", 0, 1}, {"GenericError", -EPROTO, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world *w = world_new(QMP_PEER_DOM0);
		char answer[160];

		qmpmux_connected(w->m, w->now);
		assert_int_equal(says(w, HELLO), 0);
		w->now += 10000;
		assert_int_equal(qmpmux_tick(w->m, w->now, &w->err), -ETIMEDOUT);
		qmpmux_disconnected(w->m, &w->err, false, w->now);
		qmpmux_connected(w->m, w->now);
		*w->sent = '\0';
		assert_int_equal(says(w, HELLO), 0);
		assert_string_equal(sent(w), "{\"execute\":\"qmp_capabilities\",\"id\":2}\n");
		assert_int_equal(says(w, "{\"return\": {}, \"id\": 1}\r\n"), 0);
		assert_int_equal(w->ready, 0);
		snprintf(answer, sizeof(answer),
			"{\"id\": 2, \"error\": {\"class\": \"%s\", \"desc\": \"x\"}}\r\n",
			cases[i].error_class);
		assert_int_equal(says(w, answer), cases[i].result);
		assert_int_equal(w->ready, cases[i].ready);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_negotiated_by_the_connection_before),
		cmocka_unit_test(test_s1_greeting),
		cmocka_unit_test(test_greeting_never_comes),
		cmocka_unit_test(test_s2_one_in_flight),
		cmocka_unit_test(test_s2_forged_ids),
		cmocka_unit_test(test_s3_ids),
		cmocka_unit_test(test_s4_second_greeting),
		cmocka_unit_test(test_s5_deadlines),
		cmocka_unit_test(test_s5_vchan),
		cmocka_unit_test(test_r2_one_outstanding),
		cmocka_unit_test(test_s6_half_close),
		cmocka_unit_test(test_leaves_in_flight),
		cmocka_unit_test(test_leases),
		cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_unplugged),
		cmocka_unit_test(test_p6_events),
		cmocka_unit_test(test_r1_flood),
		cmocka_unit_test(test_r3_hostile),
		cmocka_unit_test(test_f3_f4_excess),
		cmocka_unit_test(test_f2_line),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_r4_audit),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_f7_garbage),
		cmocka_unit_test(test_stock_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
