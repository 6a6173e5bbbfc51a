/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The multiplexer with both sides driven: the input is a list of steps, a byte that says what and
 * its bytes up to a NUL. Nothing a side does may break what holds for the other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "proto/qmpmux.h"
#include "tests/fuzz/fuzz.h"

#define CLIENTS 6

struct fuzz_client {
	struct qmpmux_client *c;
	bool over;
};

struct fuzz_world {
	struct qmpmux *m;
	struct fuzz_client clients[CLIENTS];
	int64_t now;
	unsigned sent, calls, calls_done;
};

/* At most one command and the ones given up on are out. */
static void on_send(void *ctx, const char *text, size_t len, void *fd_of, int fd)
{
	struct fuzz_world *w = ctx;

	if (len == 1 && *text == 0x01) {
		return; /* the marker in front of a session over vchan */
	}
	CHECK(len > 2 && text[len - 1] == '\n' && memchr(text, '\n', len) == text + len - 1);
	CHECK(memmem(text, len, "\"id\":", 5) && len <= LIMIT_QMP_REQUEST_BYTES * 6);
	w->sent++;
}

static void on_reply(void *ctx, void *client, const char *text, size_t len)
{
	CHECK(((struct fuzz_client *)client)->c || len > 0);
	CHECK(len > 2 && !memcmp(text + len - 2, "\r\n", 2));
	for (size_t i = 0; i < len - 2; i++) {
		CHECK((unsigned char)text[i] >= 0x20);
	}
}

static void on_over(void *ctx, void *client)
{
	((struct fuzz_client *)client)->over = true;
}

static void on_resume(void *ctx, void *client)
{
}

static void on_ready(void *ctx)
{
}

static void on_event(void *ctx, const char *name, struct json_object *data)
{
	CHECK(qmp_event_find(name));
}

static void on_audit(void *ctx, void *client, const struct qmpmux_audit *audit)
{
	CHECK(audit->command);
}

static void on_call(void *ctx, struct json_object *body, const struct err *err)
{
	((struct fuzz_world *)ctx)->calls_done++;
}

static const struct qmpmux_ops ops = {.send = on_send,
	.reply = on_reply,
	.over = on_over,
	.resume = on_resume,
	.ready = on_ready,
	.event = on_event,
	.audit = on_audit};

static void broken(struct fuzz_world *w, const struct err *err, bool quarantined)
{
	CHECK(*err->text);
	qmpmux_disconnected(w->m, err, quarantined, w->now);
}

static void peer_says(struct fuzz_world *w, const char *text, size_t len)
{
	struct err err;

	if (qmpmux_feed(w->m, text, len, w->now, &err) < 0) {
		broken(w, &err, true);
	}
}

/* WHAT & 0x20: "\x02" in it is a NUL; & 0x10: byte by byte. */
static void peer_step(struct fuzz_world *w, unsigned what, char *text, size_t len)
{
	size_t portion = what & 0x10 ? 1 : len;

	for (size_t i = 0; what & 0x20 && i < len; i++) {
		text[i] = text[i] == 2 ? '\0' : text[i];
	}
	for (size_t at = 0; at < len; at += portion) {
		peer_says(w, text + at, portion);
	}
}

/* A well-behaved answer to what was sent last, so that the fuzzer gets far. */
static void peer_answers(struct fuzz_world *w, unsigned what)
{
	char text[128];

	snprintf(text, sizeof(text),
		what & 2   ? "{\"return\": {\"qemu\": {\"major\": 7, \"minor\": 2, \"micro\": 0}}, "
			     "\"id\": %u}\r\n"
		: what & 1 ? "{\"id\": %u, \"error\": {\"class\": \"CommandNotFound\", \"desc\": "
			     "\"x\"}}\r\n"
			   : "{\"return\": {}, \"id\": %u}\r\n",
		w->sent);
	peer_says(w, text, strlen(text));
}

static void client_step(struct fuzz_world *w, unsigned what, const char *text, size_t len)
{
	struct fuzz_client *client = &w->clients[what % CLIENTS];

	if (client->c && (client->over || what & 64)) {
		client->c = qmpmux_client_free(client->c, w->now);
	} else if (!client->c) {
		client->over = false;
		CHECK(qmpmux_client_new(w->m, what / CLIENTS % _QMP_CLASS_MAX, client, w->now,
			      &client->c) == 0);
	} else if (what & 32) {
		qmpmux_client_eof(client->c, w->now);
	} else if (qmpmux_client_wants(client->c)) {
		qmpmux_client_set_fd(client->c, what & 16);
		qmpmux_client_feed(client->c, text, len, w->now);
	}
}

static void call_step(struct fuzz_world *w, unsigned what, const char *text)
{
	const struct qmpmux_call call = {.class = QMP_CLASS_ADMIN,
		.own = what & 1,
		.command = *text ? text : "query-status",
		.fn = on_call,
		.ctx = w};
	struct err err;

	w->calls += qmpmux_call(w->m, &call, w->now, NULL, &err) == 0;
}

static void other_step(struct fuzz_world *w, unsigned what, const char *text)
{
	static const char greeting[] = "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":1,\"minor\":2,"
				       "\"major\":7},\"package\":\"\"},\"capabilities\":[]}}\n";
	struct err err;

	switch (what % 6) {
	case 0:
		err_set(&err, -ECONNRESET, "closed");
		broken(w, &err, what & 8);
		qmpmux_connected(w->m, w->now);
		break;
	case 1:
		peer_says(w, greeting, sizeof(greeting) - 1);
		break;
	case 2:
	case 3:
		peer_answers(w, what / 6);
		break;
	case 4:
		w->now += (what / 6 + 1) * 1000;
		if (qmpmux_tick(w->m, w->now, &err) < 0) {
			broken(w, &err, true);
		} else {
			CHECK(qmpmux_deadline(w->m) > w->now);
		}
		break;
	default:
		call_step(w, what, text);
	}
}

/* Up to the next NUL or the end. The input itself is no string. */
static char *text_of(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_world w = {.now = 1};
	const struct qmpmux_params params = {
		.peer = size && data[0] & 1 ? QMP_PEER_VCHAN : QMP_PEER_DOM0,
		.answer_ms = 10000,
		.ops = &ops,
		.ctx = &w};
	size_t at = 1;

	CHECK(qmpmux_new(&w.m, &params) == 0);
	qmpmux_set_heartbeat(w.m, size && data[0] & 2 ? 60000 : 0);
	qmpmux_connected(w.m, w.now);
	while (at + 1 < size) {
		_cleanup_free_ char *text = text_of(data + at + 1, size - at - 1);
		uint8_t what = data[at];

		at += 2 + strlen(text);
		if (what & 0x80) {
			client_step(&w, what & 0x7f, text, strlen(text));
		} else if (what & 0x40) {
			peer_step(&w, what, text, strlen(text));
		} else {
			other_step(&w, what, text);
		}
	}
	for (int i = 0; i < CLIENTS; i++) {
		qmpmux_client_free(w.clients[i].c, w.now);
	}
	CHECK(w.calls_done <= w.calls);
	qmpmux_free(w.m);
	return 0;
}
