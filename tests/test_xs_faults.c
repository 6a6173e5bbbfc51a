/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/xs_world.h"

/* xenstored stopped, dead, restarted, absent. */

static void test_stopped_server(void **state)
{
	struct world *w = *state;
	struct answer first = {.len = 1}, second = {.len = 1}, third = {.len = 1};
	struct xs_batch *b;
	int64_t start;
	uint64_t id;

	put(w, "/s/a", "old");
	server_stop(w);
	start = now_ms();
	b = xs_batch_new(0);
	xs_batch_read(b, "/s/a"); /* the thread sticks in this one */
	xs_link_submit(w->link, b, 300, on_done, &first, NULL);
	b = xs_batch_new(XS_BATCH_TRANSACTION);
	xs_batch_write(b, "/s/a", "late"); /* queued: must not happen any more */
	xs_link_submit(w->link, b, 200, on_done, &second, NULL);
	b = xs_batch_new(0);
	xs_batch_write(b, "/s/b", "cancelled");
	xs_link_submit(w->link, b, 250, on_done, &third, &id);
	xs_link_cancel(w->link, id);
	assert_int_equal(xs_link_watch(w->link, "/s", "t"), 0);
	WAIT_UNTIL(w, first.came && second.came);
	assert_true(now_ms() - start >= 290);
	assert_int_equal(first.status, -ETIMEDOUT);
	assert_int_equal(second.status, -ETIMEDOUT);
	assert_int_equal(xs_link_next_deadline_ms(w->link), -1);
	kill(w->server, SIGCONT);
	WAIT_UNTIL(w, w->fired > 0);
	node_is(w, "/s/a", "old");
	node_is(w, "/s/b", NULL);
	node_is(w, "/fakexs/transactions", "0");
	assert_false(third.came);
	assert_int_equal(w->downs, 0);
}

/* A transaction whose deadline passes while the server is stopped is aborted, not committed. */
static void test_stopped_in_transaction(void **state)
{
	struct world *w = *state;
	struct xs_batch *b = xs_batch_new(XS_BATCH_TRANSACTION);
	struct answer a = {.len = 0};

	node_is(w, "/none", NULL);
	server_stop(w);
	for (unsigned i = 0; i < 10; i++) {
		xs_batch_write(b, "/late", "1");
	}
	xs_link_submit(w->link, b, 200, on_done, &a, NULL);
	WAIT_UNTIL(w, a.came);
	assert_int_equal(a.status, -ETIMEDOUT);
	kill(w->server, SIGCONT);
	node_is(w, "/late", NULL);
	node_is(w, "/fakexs/transactions", "0");
}

static void test_free_while_stuck(void **state)
{
	struct world *w = *state;
	struct xs_batch *b = xs_batch_new(0);
	struct answer a = {.len = 1};
	int64_t start;

	node_is(w, "/none", NULL);
	server_stop(w);
	xs_batch_read(b, "/none");
	xs_link_submit(w->link, b, 60000, on_done, &a, NULL);
	run_for(w, 200);
	start = now_ms();
	w->link = xs_link_free(w->link);
	assert_true(now_ms() - start < GENEROUS_MS / 2);
	assert_false(a.came);
	kill(w->server, SIGCONT);
	assert_int_equal(xs_link_new(&w->link, &ops, w), 0);
	node_is(w, "/none", NULL);
}

static void test_restarted_server(void **state)
{
	struct world *w = *state;
	struct xs_batch *b = xs_batch_new(0);
	struct answer waiting = {.len = 1}, expired = {.len = 1};
	unsigned fired;

	xs_link_watch(w->link, "/r", "t");
	WAIT_UNTIL(w, w->fired == 1);
	assert_true(xs_link_is_up(w->link));
	/* Nobody asks anything: the end is noticed all the same. */
	server_kill(w);
	WAIT_UNTIL(w, w->downs == 1);
	assert_false(xs_link_is_up(w->link));
	xs_batch_read(b, "/none");
	xs_link_submit(w->link, b, 200, on_done, &expired, NULL);
	b = xs_batch_new(0);
	xs_batch_read(b, "/none");
	xs_link_submit(w->link, b, GENEROUS_MS, on_done, &waiting, NULL);
	WAIT_UNTIL(w, expired.came);
	assert_int_equal(expired.status, -ETIMEDOUT);
	assert_false(waiting.came);
	fired = w->fired;
	server_start(w);
	WAIT_UNTIL(w, w->ups == 2 && w->fired > fired && waiting.came);
	assert_int_equal(waiting.status, 0);
	assert_int_equal(waiting.statuses[0], -ENOENT);
	/* and once more, while a new watch comes and an old one goes */
	server_kill(w);
	WAIT_UNTIL(w, w->downs == 2);
	xs_link_unwatch(w->link, "/r", "t");
	xs_link_watch(w->link, "@introduceDomain", "intro");
	server_start(w);
	WAIT_UNTIL(w, w->fired_special == 1);
	node_is(w, "/fakexs/watches", "1");
}

static void test_dropped_connection(void **state)
{
	struct world *w = *state;
	struct xs_batch *b = xs_batch_new(0);
	struct answer a = {0};

	xs_link_watch(w->link, "/d", "t");
	WAIT_UNTIL(w, w->fired == 1);
	/* A change whose answer never comes: nobody can say whether it happened. */
	xs_batch_write(b, "/fakexs/drop", "1");
	ask(w, b, 1, &a);
	assert_int_equal(a.status, -ECONNRESET);
	WAIT_UNTIL(w, w->downs == 1 && w->ups == 2 && w->fired == 2);
	put(w, "/d/x", "1");
	WAIT_UNTIL(w, w->fired >= 3);
	answer_clear(&a);
}

/* The queue is bounded; what is refused is not called back. */
static void test_queue_limit(void **state)
{
	struct world *w = *state;
	struct answer a = {0};
	unsigned n = 0;
	int r;

	server_kill(w);
	do {
		struct xs_batch *b = xs_batch_new(0);

		xs_batch_read(b, "/none");
		r = xs_link_submit(w->link, b, 60000, NULL, NULL, NULL);
		n += r == 0;
	} while (r == 0);
	assert_int_equal(r, -ENOBUFS);
	assert_int_equal(n, LIMIT_XS_PENDING);
	assert_int_equal(
		xs_link_submit(w->link, xs_batch_new(0), 1000, on_done, &a, NULL), -ENOBUFS);
	server_start(w);
	WAIT_UNTIL(w, xs_link_next_deadline_ms(w->link) < 0);
	assert_false(a.came);
}

static void test_no_server_at_all(void **state)
{
	struct world *w = *state;
	struct xs_batch *b = xs_batch_new(0);
	struct answer a = {.len = 1};

	server_kill(w);
	unlink(w->socket);
	xs_link_free(w->link);
	assert_int_equal(xs_link_new(&w->link, &ops, w), 0);
	xs_batch_read(b, "/none");
	xs_link_submit(w->link, b, 300, on_done, &a, NULL);
	WAIT_UNTIL(w, a.came);
	assert_int_equal(a.status, -ETIMEDOUT);
	assert_false(xs_link_is_up(w->link));
	server_start(w);
	WAIT_UNTIL(w, xs_link_is_up(w->link));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		XS_TEST(test_stopped_server),
		XS_TEST(test_stopped_in_transaction),
		XS_TEST(test_free_while_stuck),
		XS_TEST(test_restarted_server),
		XS_TEST(test_dropped_connection),
		XS_TEST(test_queue_limit),
		XS_TEST(test_no_server_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
