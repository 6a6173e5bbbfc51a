/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every attack of tests/fake/evil.c against the multiplexer, without I/O: the client that asked
 * gets its answer or an error in time, another one is served as soon as that is possible, what is
 * held stays bounded, and all is as before afterwards. Run for a QEMU in dom0 and one behind vchan.
 */
#include <errno.h>
#include <malloc.h>
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
#include "tests/fake/evil.h"

#define HELLO                                                                                      \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "         \
	"\"package\": \"\"}, \"capabilities\": []}}\r\n"
#define ENOUGH_BYTES (3 * 1024 * 1024) /* of an attack without end */
#define HELD_BYTES (4 * 1024 * 1024)   /* by a domain under attack, json-c's objects included */

struct asker {
	struct qmpmux_client *c;
	char got[4096]; /* what was no event */
	unsigned returns, errors, events;
};

struct world {
	struct qmpmux *m;
	const struct evil_attack *attack;
	enum qmp_peer peer;
	int64_t now, last_id;
	struct evil evil;
	bool attacked, ended, settled; /* SETTLED: it behaves */
	struct err err;
	struct asker victim, other;
	size_t held; /* at most, beyond what was held before */
	size_t before;
};

static size_t heap(void)
{
	return mallinfo2().uordblks;
}

/* Until it settles, the trigger gets the attack; the rest is answered as it should be. */
static void op_send(void *ctx, const char *text, size_t len, void *fd_of, int fd)
{
	struct world *w = ctx;
	const char *id = memmem(text, len, "\"id\":", 5);

	if (len == 1) {
		return; /* the marker of a session over vchan */
	}
	assert_non_null(id);
	w->last_id = strtoll(id + 5, NULL, 10);
	if (memmem(text, len, EVIL_TRIGGER, strlen(EVIL_TRIGGER)) && !w->attacked) {
		w->attacked = true;
		evil_begin(&w->evil, w->attack, w->last_id);
	}
}

static void op_reply(void *ctx, void *client, const char *text, size_t len)
{
	struct asker *a = client;
	struct json_object *json = json_tokener_parse(text);

	assert_true(json_object_is_type(json, json_type_object));
	assert_true(len > 2 && !strcmp(text + len - 2, "\r\n"));
	for (size_t i = 0; i < len - 2; i++) {
		assert_in_range(text[i], 0x20, 0x7e);
	}
	a->returns += json_object_object_get_ex(json, "return", NULL);
	a->errors += json_object_object_get_ex(json, "error", NULL);
	if (json_object_object_get_ex(json, "event", NULL)) {
		a->events++;
	} else {
		snprintf(a->got, sizeof(a->got), "%s", text);
	}
	json_object_put(json);
}

static void op_client(void *ctx, void *client)
{
}

static void op_ready(void *ctx)
{
}

static void op_event(void *ctx, const char *name, struct json_object *data)
{
}

static void op_audit(void *ctx, void *client, const struct qmpmux_audit *audit)
{
}

static const struct qmpmux_ops ops = {.send = op_send,
	.reply = op_reply,
	.over = op_client,
	.resume = op_client,
	.ready = op_ready,
	.event = op_event,
	.audit = op_audit};

static void ends(struct world *w)
{
	w->ended = true;
	qmpmux_disconnected(w->m, &w->err, true, w->now);
}

static void feed(struct world *w, const char *data, size_t len)
{
	size_t now;

	if (qmpmux_feed(w->m, data, len, w->now, &w->err) < 0) {
		ends(w);
	}
	now = heap();
	if (now > w->before && now - w->before > w->held) {
		w->held = now - w->before;
	}
}

static void answer(struct world *w)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"return\": {}, \"id\": %lld}\r\n", (long long)w->last_id);
	feed(w, text, strlen(text));
}

static void connected(struct world *w)
{
	char version[128];

	qmpmux_connected(w->m, w->now);
	feed(w, HELLO, strlen(HELLO));
	answer(w);
	if (w->peer == QMP_PEER_VCHAN) {
		snprintf(version, sizeof(version),
			"{\"return\": {\"qemu\": {\"major\": 7, \"minor\": 2, \"micro\": 0}}, "
			"\"id\": "
			"%lld}\r\n",
			(long long)w->last_id);
		feed(w, version, strlen(version));
	}
	assert_true(qmpmux_is_ready(w->m));
}

static void asks(struct world *w, struct asker *a, const char *text)
{
	a->returns = a->errors = 0;
	assert_true(qmpmux_client_wants(a->c));
	assert_int_equal(qmpmux_client_feed(a->c, text, strlen(text), w->now), 0);
}

static void joins(struct world *w, struct asker *a)
{
	assert_int_equal(qmpmux_client_new(w->m, QMP_CLASS_ADMIN, a, w->now, &a->c), 0);
	asks(w, a, "{\"execute\":\"qmp_capabilities\"}");
	assert_int_equal(a->returns, 1);
}

static void world_open(struct world *w, const struct evil_attack *attack, enum qmp_peer peer)
{
	const struct qmpmux_params params = {
		.peer = peer, .answer_ms = 10000, .ops = &ops, .ctx = w};

	*w = (struct world){.attack = attack, .peer = peer, .now = 1000000};
	assert_int_equal(qmpmux_new(&w->m, &params), 0);
	connected(w);
	joins(w, &w->victim);
	joins(w, &w->other);
	w->before = heap();
}

static void world_close(struct world *w)
{
	qmpmux_client_free(w->victim.c, w->now);
	qmpmux_client_free(w->other.c, w->now);
	qmpmux_free(w->m);
}

/* All it has to say, while the connection lasts; a second for 256 KiB. */
static void attacked(struct world *w)
{
	char buf[LIMIT_QMP_TURN_BYTES];
	size_t n = 1, said = 0;

	while (n > 0 && !w->ended && said < ENOUGH_BYTES) {
		n = evil_say(&w->evil, buf, sizeof(buf));
		said += n;
		w->now += n / 256;
		if (n > 0) {
			feed(w, buf, n);
		}
		if (!w->ended && qmpmux_tick(w->m, w->now, &w->err) < 0) {
			ends(w);
		}
	}
}

static void passes(struct world *w, int64_t ms)
{
	int64_t end = w->now + ms;

	while (w->now < end) {
		int64_t due = qmpmux_deadline(w->m);

		w->now = due < end ? (due > w->now ? due : w->now + 1) : end;
		if (!w->ended && qmpmux_tick(w->m, w->now, &w->err) < 0) {
			ends(w);
		}
	}
}

static void check_victim(const struct world *w)
{
	const struct asker *a = &w->victim;
	bool fine = w->attack->client == EVIL_FINE;

	if (a->returns != fine || a->errors == fine ||
		(w->attack->text && !strstr(a->got, w->attack->text))) {
		fail_msg("%s, peer %d: %u returns, %u errors, the last is %s", w->attack->name,
			w->peer, a->returns, a->errors, a->got);
	}
}

static void check_link(const struct world *w)
{
	if (w->ended != (w->attack->link[w->peer == QMP_PEER_VCHAN] == EVIL_ENDS)) {
		fail_msg("%s, peer %d: the connection %s: %s", w->attack->name, w->peer,
			w->ended ? "ends" : "stays", w->err.text);
	}
	if (w->held > HELD_BYTES) {
		fail_msg("%s, peer %d: %zu bytes are held", w->attack->name, w->peer, w->held);
	}
}

/* Another client is served: at once, or with the next connection. */
static void check_other(struct world *w)
{
	/* What is half said ends first. */
	if (!w->ended && (evil_is_halfway(&w->evil) || w->attack->client == EVIL_LATE)) {
		feed(w, "\r\n", 2);
	}
	if (w->ended) {
		asks(w, &w->other, "{\"execute\":\"query-name\"}");
		assert_int_equal(w->other.errors, 1);
		connected(w);
	}
	if (!qmpmux_is_ready(w->m)) {
		answer(w); /* it greeted again */
	}
	asks(w, &w->other, "{\"execute\":\"query-name\"}");
	answer(w);
	if (w->other.returns != 1) {
		fail_msg("%s, peer %d: the next client got %s", w->attack->name, w->peer,
			w->other.got);
	}
	assert_int_equal(w->victim.returns + w->victim.errors, 1);
}

static void check_attack(const struct evil_attack *attack, enum qmp_peer peer)
{
	struct world w;

	world_open(&w, attack, peer);
	asks(&w, &w.victim, "{\"execute\":\"" EVIL_TRIGGER "\"}");
	attacked(&w);
	passes(&w, LIMIT_QMP_COMMAND_MS);
	check_victim(&w);
	check_link(&w);
	check_other(&w);
	world_close(&w);
}

static void check_all(void)
{
	for (const struct evil_attack *a = evil_attacks; a->name; a++) {
		check_attack(a, QMP_PEER_DOM0);
		check_attack(a, QMP_PEER_VCHAN);
	}
}

static void test_attacks(void **state)
{
	check_all();
}

/* Leaks are LSan's; this is what stays reachable. The first round fills malloc's caches. */
static void test_memory_returns(void **state)
{
	size_t before;

	check_all();
	before = heap();
	check_all();
	assert_true(heap() < before + 16 * 1024);
}

/* The same bytes in portions of one: what comes of them does not depend on it. */
static void test_byte_by_byte(void **state)
{
	for (const struct evil_attack *a = evil_attacks; a->name; a++) {
		struct evil_attack slow = *a;

		if (a->times <= 0 || a->times > 100) {
			slow.portion = 1;
		}
		if (a->times >= 0) {
			check_attack(&slow, QMP_PEER_DOM0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attacks),
		cmocka_unit_test(test_memory_returns),
		cmocka_unit_test(test_byte_by_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
