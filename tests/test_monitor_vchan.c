/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A session over vchan: the real daemon/monitor, daemon/qmplink, daemon/store, lib/xs and lib/vchan
 * against fakexs and a server in this process (tests/fake/fakevchan.h) that answers, or does worse.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/loop.h"
#include "daemon/monitor.h"
#include "daemon/store.h"
#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/xs.h"
#include "proto/qmpmux.h"
#include "tests/fake/fakevchan.h"
#include "tests/loop_until.h"

#define STUB 7
#define NODE "/local/domain/7/device-model/3/qmp-vchan"
#define HELLO                                                                                      \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 1, \"minor\": 2, \"major\": 7}, "          \
	"\"package\": \"\"}, \"capabilities\": []}}\r\n"
#define VERSION                                                                                    \
	"{\"return\": {\"qemu\": {\"micro\": 1, \"minor\": 2, \"major\": 7}, \"package\": \"\"}, " \
	"\"id\": %lld}\r\n"
#define DONE "{\"return\": {}, \"id\": %lld}\r\n"
#define STATUS "{\"return\": {\"status\": \"running\"}, \"id\": %lld}\r\n"

extern char **environ;

struct world {
	char dir[64], socket[96];
	pid_t xenstored;
	struct loop *loop;
	struct store *store;
	struct monitor *monitor;

	struct fakevchan_server server;
	unsigned ref;
	struct loop_io server_io;
	char in[4096]; /* a line that is not whole */
	size_t in_len;
	char *out; /* what the ring has no room for */
	size_t out_len;
	const char *hmp;	   /* what human-monitor-command returns; NULL: {} */
	bool mute;		   /* takes everything, says nothing */
	bool closes;		   /* after the next answer, which nobody has read yet */
	unsigned greetings, lines; /* connections greeted; commands */

	unsigned ready, lost, replies, quarantined, connected;
	int reply_code;
	size_t reply_len;
	char text[ERR_TEXT_MAX];
	bool put_done;
};

static void spawn_xenstored(struct world *w)
{
	char *argv[] = {getenv("FAKEXS"), w->socket, NULL};
	posix_spawn_file_actions_t actions;
	char ready[8] = "";
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	posix_spawn_file_actions_addclose(&actions, fds[0]);
	posix_spawn_file_actions_addclose(&actions, fds[1]);
	assert_int_equal(posix_spawn(&w->xenstored, argv[0], &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	assert_int_equal(read(fds[0], ready, 6), 6);
	close(fds[0]);
}

static void on_ready(void *ctx)
{
	((struct world *)ctx)->ready++;
}

static void on_lost(void *ctx, const struct err *err)
{
	((struct world *)ctx)->lost++;
}

static void on_quarantined(void *ctx, const struct err *err, int64_t ms)
{
	struct world *w = ctx;

	w->quarantined++;
	snprintf(w->text, sizeof(w->text), "%s", err->text);
}

static const struct monitor_ops ops = {
	.on_ready = on_ready, .on_lost = on_lost, .on_quarantined = on_quarantined};

static void on_connection(void *ctx, bool up)
{
	((struct world *)ctx)->connected += up;
}

static const struct xs_link_ops xs_ops = {.on_connection = on_connection};

static void on_put(void *ctx, int status, const struct xs_results *results)
{
	assert_int_equal(status, 0);
	((struct world *)ctx)->put_done = true;
}

static bool is_put(void *arg)
{
	return ((struct world *)arg)->put_done;
}

/* REF 0: no server is announced. */
static void announce(struct world *w, unsigned ref)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);
	char text[16];

	snprintf(text, sizeof(text), "%u", ref);
	if (ref) {
		xs_batch_write(batch, NODE "/ring-ref", text);
		xs_batch_write(batch, NODE "/event-channel", text);
	} else {
		xs_batch_rm(batch, NODE);
	}
	w->put_done = false;
	assert_int_equal(store_submit(w->store, batch, LIMIT_XS_DEADLINE_MS, on_put, w, NULL), 0);
	assert_true(loop_until(w->loop, is_put, w));
}

static void open_world(struct world *w)
{
	*w = (struct world){.ref = 100};
	snprintf(w->dir, sizeof(w->dir), "/tmp/test-mv-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->socket, sizeof(w->socket), "%s/socket", w->dir);
	setenv("XENSTORED_PATH", w->socket, 1);
	setenv("FAKEVCHAN_DIR", w->dir, 1);
	spawn_xenstored(w);
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(store_new(&w->store, w->loop, &xs_ops, w), 0);
	assert_int_equal(
		monitor_new_vchan(&w->monitor, w->loop, w->store, STUB, NODE, 5000, &ops, w), 0);
}

static void pump(struct world *w)
{
	while (w->out_len > 0) {
		size_t n = fakevchan_put(&w->server, w->out, w->out_len);

		if (n == 0) {
			return;
		}
		w->out_len -= n;
		memmove(w->out, w->out + n, w->out_len);
	}
}

static void say(struct world *w, const char *text)
{
	size_t len = strlen(text);

	w->out = realloc(w->out, w->out_len + len);
	memcpy(w->out + w->out_len, text, len);
	w->out_len += len;
	pump(w);
}

static void answer(struct world *w, const char *line)
{
	const char *id = strstr(line, "\"id\":"); /* none of our arguments has one */
	const char *form = strstr(line, "query-version")  ? VERSION
			   : strstr(line, "query-status") ? STATUS
							  : DONE;
	char text[512];

	w->lines++;
	if (w->hmp && strstr(line, "human-monitor-command")) {
		say(w, "{\"return\": \"");
		say(w, w->hmp);
		snprintf(text, sizeof(text), "\", \"id\": %lld}\r\n", strtoll(id + 5, NULL, 10));
		say(w, text);
	} else if (!w->mute && id) {
		snprintf(text, sizeof(text), form, strtoll(id + 5, NULL, 10));
		say(w, text);
	}
}

static void take_byte(struct world *w, char c)
{
	if (c == 0x01) {
		w->greetings++;
		if (!w->mute) {
			say(w, HELLO);
		}
	} else if (c == '\n') {
		w->in[w->in_len] = '\0';
		w->in_len = 0;
		answer(w, w->in);
	} else {
		assert_true(w->in_len < sizeof(w->in) - 1);
		w->in[w->in_len++] = c;
	}
}

static void stop_serving(struct world *w, void (*how)(struct fakevchan_server *s))
{
	loop_io_stop(&w->server_io);
	how(&w->server);
}

static void on_server(void *arg, unsigned events)
{
	struct world *w = arg;
	unsigned lines = w->lines;
	char buf[256];
	size_t n;

	fakevchan_take_events(&w->server);
	pump(w);
	while ((n = fakevchan_get(&w->server, buf, sizeof(buf))) > 0) {
		for (size_t i = 0; i < n; i++) {
			take_byte(w, buf[i]);
		}
	}
	if (w->closes && w->lines > lines) {
		w->closes = false;
		stop_serving(w, fakevchan_stop);
	}
}

static void listen_as_server(struct world *w)
{
	assert_int_equal(
		loop_io_start(w->loop, &w->server_io, w->server.event_fd, LOOP_READ, on_server, w),
		0);
}

/* Announced under a new number. */
static void serve(struct world *w, unsigned in_order, unsigned out_order)
{
	w->in_len = w->out_len = 0;
	assert_int_equal(fakevchan_serve(&w->server, STUB, ++w->ref, in_order, out_order), 0);
	listen_as_server(w);
	announce(w, w->ref);
}

static bool is_unmapped(void *arg)
{
	return !fakevchan_is_mapped(&((struct world *)arg)->server);
}

static void close_world(struct world *w)
{
	w->monitor = monitor_free(w->monitor);
	loop_until_for(w->loop, NULL, NULL, 1);
	if (w->server.page) {
		/* An attempt that was under way is ended by the thread. */
		assert_true(loop_until(w->loop, is_unmapped, w));
		stop_serving(w, fakevchan_vanish);
	}
	store_free(w->store);
	loop_free(w->loop);
	kill(w->xenstored, SIGKILL);
	waitpid(w->xenstored, NULL, 0);
	free(w->out);
	unlink(w->socket);
	assert_int_equal(rmdir(w->dir), 0);
}

static bool is_ready(void *arg)
{
	struct world *w = arg;

	return w->ready > 0 && qmpmux_is_ready(monitor_mux(w->monitor));
}

/* With a session over rings of these orders. */
static void open_served(struct world *w, unsigned in_order, unsigned out_order)
{
	open_world(w);
	serve(w, in_order, out_order);
	assert_true(loop_until(w->loop, is_ready, w));
}

static bool is_down(void *arg)
{
	return !qmpmux_is_ready(monitor_mux(((struct world *)arg)->monitor));
}

static bool is_quarantined(void *arg)
{
	return ((struct world *)arg)->quarantined > 0;
}

static bool is_replied(void *arg)
{
	return ((struct world *)arg)->replies > 0;
}

static void on_reply(void *ctx, struct json_object *body, const struct err *err)
{
	struct world *w = ctx;

	w->replies++;
	w->reply_code = err ? err->code : 0;
	w->reply_len = json_object_get_string_len(body);
	if (err) {
		snprintf(w->text, sizeof(w->text), "%s", err->text);
	}
}

static void ask(struct world *w)
{
	w->replies = 0;
	assert_int_equal(monitor_send(w->monitor, "query-status", NULL, on_reply, w), 0);
}

static void test_good(void **state)
{
	struct world w;

	open_served(&w, 10, 11);
	assert_true(fakevchan_is_connected(&w.server));
	assert_true(fakevchan_is_mapped(&w.server));
	for (unsigned i = 0; i < 20; i++) {
		ask(&w);
		assert_true(loop_until(w.loop, is_replied, &w));
		assert_int_equal(w.reply_code, 0);
	}
	assert_int_equal(w.ready, 1);
	assert_int_equal(w.greetings, 1);
	close_world(&w);
}

/* The server comes after the client, and only a watch tells of it. */
static void test_waits(void **state)
{
	struct world w;

	open_world(&w);
	assert_false(loop_until_for(w.loop, is_ready, &w, 300));
	serve(&w, 10, 11);
	assert_true(loop_until(w.loop, is_ready, &w));
	close_world(&w);
}

/* A server that ends and one that comes anew; one whose node is stale. */
static void test_again(void **state)
{
	struct world w;

	open_served(&w, 10, 11);
	announce(&w, 0);
	stop_serving(&w, fakevchan_stop);
	assert_true(loop_until(w.loop, is_down, &w));
	announce(&w, 99); /* nobody is there */
	loop_until_for(w.loop, NULL, NULL, 500);
	serve(&w, 11, 12);
	assert_true(loop_until(w.loop, is_ready, &w));
	assert_int_equal(w.ready, 2);
	assert_int_equal(w.quarantined, 0);
	close_world(&w);
}

/* Domain death tells nothing by itself; whoever knows lets go of it, and at once nothing is mapped.
 */
static void test_dying(void **state)
{
	struct world w;

	open_served(&w, 10, 11);
	loop_io_stop(&w.server_io);
	ask(&w);
	loop_until_for(w.loop, NULL, NULL, 100);
	assert_true(fakevchan_is_mapped(&w.server));
	w.monitor = monitor_free(w.monitor);
	assert_false(fakevchan_is_mapped(&w.server));
	loop_until_for(w.loop, NULL, NULL, 2 * LIMIT_QMP_RECONNECT_MS);
	assert_false(fakevchan_is_mapped(&w.server));
	assert_int_equal(w.replies + w.lost, 0);
	close_world(&w);
}

static void bend_prod(struct world *w)
{
	w->server.page->right.prod += 5000;
	fakevchan_kick(&w->server);
}

static void bend_cons(struct world *w)
{
	w->server.page->left.cons += 1;
	fakevchan_kick(&w->server);
}

static void say_control(struct world *w)
{
	say(w, "\033]0;gotcha\007\r\n");
}

static void say_nonsense(struct world *w)
{
	say(w, "{}\r\n");
}

/* Rules broken: closed, told once, tried again later. */
static void test_hostile(void **state)
{
	static const struct {
		void (*what)(struct world *w);
		const char *text;
	} cases[] = {{bend_prod, "bent the rings"}, {bend_cons, "bent the rings"},
		{say_control, "no printable ASCII"}, {say_nonsense, "not a QMP message"}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		open_served(&w, 10, 11);
		cases[i].what(&w);
		assert_true(loop_until(w.loop, is_quarantined, &w));
		assert_non_null(strstr(w.text, cases[i].text));
		assert_false(fakevchan_is_mapped(&w.server));
		assert_true(monitor_is_quarantined(w.monitor));
		assert_int_equal(
			monitor_send(w.monitor, "query-status", NULL, on_reply, &w), -ENOTCONN);
		loop_io_stop(&w.server_io);
		fakevchan_vanish(&w.server);
		serve(&w, 10, 11);
		assert_true(loop_until(w.loop, is_ready, &w));
		assert_int_equal(w.quarantined, 1);
		close_world(&w);
	}
}

/* Rings of a size that nobody needs are not used for one byte. */
static void test_orders(void **state)
{
	static const struct {
		unsigned in, out;
		bool ok;
	} cases[] = {
		{10, 11, true}, {12, 13, true}, {14, 14, true}, {15, 10, false}, {10, 20, false}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		open_world(&w);
		serve(&w, cases[i].in, cases[i].out);
		assert_true(loop_until(w.loop, cases[i].ok ? is_ready : is_quarantined, &w));
		if (!cases[i].ok) {
			assert_non_null(strstr(w.text, "at most 2^14"));
			assert_int_equal(w.greetings, 0);
			assert_false(fakevchan_is_mapped(&w.server));
		}
		close_world(&w);
	}
}

/* What a hostile server does each turn of the loop. */
struct pest {
	struct world *w;
	struct loop_timer timer;
	unsigned turns, at, until;
	void (*what)(struct pest *p);
};

static void on_pest(void *arg)
{
	struct pest *p = arg;

	p->turns++;
	p->what(p);
	loop_timer_start(p->w->loop, &p->timer, 0, on_pest, p);
}

static void kick(struct pest *p)
{
	fakevchan_kick(&p->w->server);
}

static void flap(struct pest *p)
{
	p->w->server.page->srv_live = p->turns % 2;
	fakevchan_kick(&p->w->server);
}

static void shout(struct pest *p)
{
	if (p->w->out_len < 64 * 1024) {
		for (unsigned i = 0; i < 100; i++) {
			say(p->w, "{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 78}}\r\n");
		}
	}
	pump(p->w);
}

static void trickle(struct pest *p)
{
	static const char text[] = "{\"event\": \"STOP\"}\r\n";

	p->at += fakevchan_put(&p->w->server, text + p->at % (sizeof(text) - 1), 1);
	fakevchan_kick(&p->w->server);
}

static bool is_pestered(void *arg)
{
	const struct pest *p = arg;

	return p->turns >= p->until;
}

/* Begins, and returns after so many turns: how many ms that took. */
static int64_t pester(struct world *w, struct pest *p, void (*what)(struct pest *p), unsigned turns)
{
	int64_t begun = loop_monotonic_ms();

	*p = (struct pest){.w = w, .what = what, .until = turns};
	loop_timer_start(w->loop, &p->timer, 0, on_pest, p);
	assert_true(loop_until(w->loop, is_pestered, p));
	return loop_monotonic_ms() - begun;
}

/* Events without end are taken at a rate, and what is asked meanwhile is answered. */
static void test_storm(void **state)
{
	static void (*const storms[])(struct pest * p) = {kick, trickle};

	for (size_t i = 0; i < ARRAY_SIZE(storms); i++) {
		struct world w;
		struct pest p;
		unsigned before;
		int64_t ms;

		open_served(&w, 10, 11);
		before = fakevchan_counts.waits;
		ms = pester(&w, &p, storms[i], 20 * LIMIT_VCHAN_WAKES);
		assert_in_range(fakevchan_counts.waits - before, 2,
			2 * LIMIT_VCHAN_WAKES + ms * LIMIT_VCHAN_WAKES_PER_S / 1000);
		if (storms[i] == kick) {
			ask(&w);
			assert_true(loop_until(w.loop, is_replied, &w));
			assert_int_equal(w.reply_code, 0);
		}
		loop_timer_stop(&p.timer);
		assert_int_equal(w.quarantined, 0);
		close_world(&w);
	}
}

/* Events of QMP without end: what is read is bounded, and the loop goes round. */
static void test_flood(void **state)
{
	struct qmpmux_counts counts;
	struct world w;
	struct pest p;
	int64_t ms;

	open_served(&w, 10, 14);
	ms = pester(&w, &p, shout, 100);
	loop_timer_stop(&p.timer);
	qmpmux_counts(monitor_mux(w.monitor), &counts);
	assert_in_range(counts.events, 100,
		(LIMIT_QMP_UNASKED_BYTES + (ms + 1000) * LIMIT_QMP_UNASKED_BYTES_PER_S / 1000) /
			LIMIT_QMP_UNASKED_MESSAGE_BYTES);
	assert_int_equal(w.quarantined, 0);
	close_world(&w);
}

static bool is_opened_thrice(void *arg)
{
	return fakevchan_counts.opens >= *(unsigned *)arg + 3;
}

/* A live byte that goes up and down: closed is closed, and the pauses grow. */
static void test_flap(void **state)
{
	unsigned before = fakevchan_counts.opens;
	int64_t begun;
	struct world w;
	struct pest p;

	open_served(&w, 10, 11);
	begun = loop_monotonic_ms();
	pester(&w, &p, flap, 10);
	assert_true(loop_until(w.loop, is_opened_thrice, &before));
	assert_true(loop_monotonic_ms() - begun >= 3 * LIMIT_QMP_RECONNECT_MS - 2);
	loop_timer_stop(&p.timer);
	close_world(&w);
}

static void put_node(struct world *w, const char *node, const char *value)
{
	struct xs_batch *batch = xs_batch_new(0);

	xs_batch_write(batch, node, value);
	w->put_done = false;
	assert_int_equal(store_submit(w->store, batch, LIMIT_XS_DEADLINE_MS, on_put, w, NULL), 0);
	assert_true(loop_until(w->loop, is_put, w));
}

/* A node that changes for ever, without a server: looked at at a rate, then left alone. */
static void test_churn(void **state)
{
	struct world w;
	char text[16];

	open_world(&w);
	for (unsigned i = 0; i < 4 * LIMIT_VCHAN_FIRES && !w.quarantined; i++) {
		snprintf(text, sizeof(text), "%u", i);
		put_node(&w, NODE "/junk", text);
	}
	assert_int_equal(w.quarantined, 1);
	assert_non_null(strstr(w.text, "again and again"));
	assert_int_equal(fakevchan_counts.opens - fakevchan_counts.closes, 0);
	serve(&w, 10, 11);
	assert_true(loop_until(w.loop, is_ready, &w));
	close_world(&w);
}

/* A ring reference that is rewritten in a loop and leads nowhere: few attempts. */
static void test_stale_refs(void **state)
{
	struct world w;

	open_world(&w);
	for (unsigned i = 0; i < 200; i++) {
		announce(&w, 5000 + i % 2);
	}
	assert_int_equal(w.ready, 0);
	serve(&w, 10, 11);
	assert_true(loop_until(w.loop, is_ready, &w));
	close_world(&w);
}

static void call(struct world *w, size_t len)
{
	_cleanup_free_ char *text = calloc(1, len + 1);
	struct json_object *arguments = json_object_new_object();
	const struct qmpmux_call c = {.class = QMP_CLASS_ADMIN,
		.command = "human-monitor-command",
		.arguments = arguments,
		.fn = on_reply,
		.ctx = w};
	struct err err;

	memset(text, 'x', len);
	json_object_object_add(arguments, "command-line", json_object_new_string(text));
	w->replies = 0;
	assert_int_equal(
		qmpmux_call(monitor_mux(w->monitor), &c, loop_monotonic_ms(), NULL, &err), 0);
	monitor_settle(w->monitor);
	json_object_put(arguments);
}

/* More than a ring holds, in both directions, many times over. */
static void test_large(void **state)
{
	char *text = malloc(61 * 1024);
	struct world w;

	open_world(&w);
	w.hmp = text;
	memset(text, 'y', 60 * 1024);
	text[60 * 1024] = '\0';
	serve(&w, 10, 11);
	assert_true(loop_until(w.loop, is_ready, &w));
	for (unsigned i = 0; i < 20; i++) {
		call(&w, 2000 + i);
		assert_true(loop_until(w.loop, is_replied, &w));
		assert_int_equal(w.reply_code, 0);
		assert_int_equal(w.reply_len, 60 * 1024);
	}
	close_world(&w);
	free(text);
}

/* What a server wrote before it closed still comes to who asked for it. */
static void test_last_words(void **state)
{
	char text[10001] = "";
	struct world w;

	open_world(&w);
	w.hmp = memset(text, 'z', sizeof(text) - 1);
	serve(&w, 10, 14);
	assert_true(loop_until(w.loop, is_ready, &w));
	w.closes = true;
	call(&w, 100);
	assert_true(loop_until(w.loop, is_down, &w));
	assert_int_equal(w.replies, 1);
	assert_int_equal(w.reply_code, 0);
	assert_int_equal(w.reply_len, sizeof(text) - 1);
	assert_int_equal(w.quarantined, 0);
	close_world(&w);
}

/* Closed in the middle of a command: who asked hears of it, and the next server is used. */
static void test_closed_amid(void **state)
{
	struct world w;

	open_served(&w, 10, 11);
	loop_io_stop(&w.server_io);
	call(&w, 2000);
	fakevchan_stop(&w.server);
	assert_true(loop_until(w.loop, is_down, &w));
	assert_int_equal(w.replies, 1);
	assert_true(w.reply_code < 0);
	serve(&w, 10, 11);
	assert_true(loop_until(w.loop, is_ready, &w));
	assert_int_equal(w.quarantined, 0);
	close_world(&w);
}

/* A peer that takes nothing: a deadline, and then nobody waits for it. */
static void test_stall(void **state)
{
	struct world w;

	open_served(&w, 10, 11);
	loop_io_stop(&w.server_io);
	call(&w, 2000);
	assert_true(loop_until(w.loop, is_quarantined, &w));
	assert_non_null(strstr(w.text, "has taken nothing for"));
	assert_int_equal(w.replies, 1);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_dying),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_flap),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_stale_refs),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_closed_amid),
		cmocka_unit_test(test_stall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
