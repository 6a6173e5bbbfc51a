/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/xs_world.h"

#include <xenstore.h>

static void test_batch_without_transaction(void **state)
{
	struct world *w = *state;
	struct xs_batch *b = xs_batch_new(0);
	struct answer a = {0};

	xs_batch_write(b, "/a/b", "1");
	xs_batch_write(b, "/a/empty", "");
	xs_batch_mkdir(b, "/a/dir");
	xs_batch_read(b, "/a/b");
	xs_batch_read(b, "/a/none");
	xs_batch_list(b, "/a");
	xs_batch_list(b, "/none");
	xs_batch_write_if_absent(b, "/a/b", "2");
	xs_batch_write_if_absent(b, "/a/new", "3");
	xs_batch_rm(b, "/a/dir");
	xs_batch_rm(b, "/no/such/thing");
	xs_batch_rm_if_equals(b, "/a/b", "other");
	xs_batch_rm_if_equals(b, "/a/empty", "");
	xs_batch_set_perms(b, "/a/b", 7);
	ask(w, b, 14, &a);
	assert_int_equal(a.status, 0);
	for (unsigned i = 0; i < 14; i++) {
		int expected = i == 4 || i == 6 ? -ENOENT : i == 11 ? -ESTALE : 0;

		assert_int_equal(a.statuses[i], expected);
	}
	assert_string_equal(a.values[3], "1");
	assert_null(a.values[4]);
	assert_string_equal(a.names, "b empty dir ");
	answer_clear(&a);
	node_is(w, "/a/b", "1");
	node_is(w, "/a/new", "3");
	node_is(w, "/a/empty", NULL);
	node_is(w, "/a/dir", NULL);
}

static void test_perms(void **state)
{
	struct world *w = *state;
	struct xs_batch *b = xs_batch_new(XS_BATCH_TRANSACTION);
	struct xs_permissions *perms;
	struct answer a = {0};
	struct xs_handle *h;
	unsigned n = 0;

	xs_batch_write(b, "/p", "1");
	xs_batch_set_perms(b, "/p", 7);
	xs_batch_write(b, "/q", "1");
	xs_batch_set_perms(b, "/absent", 0);
	xs_batch_set_perms(b, "/q", 0);
	ask(w, b, 5, &a);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.statuses[3], -ENOENT);
	answer_clear(&a);
	node_is(w, "/absent", NULL);
	h = xs_open(0);
	perms = xs_get_permissions(h, XBT_NULL, "/p", &n);
	assert_int_equal(n, 2);
	assert_true(perms[0].id == 0 && perms[0].perms == XS_PERM_NONE);
	assert_true(perms[1].id == 7 && perms[1].perms == XS_PERM_READ);
	free(perms);
	perms = xs_get_permissions(h, XBT_NULL, "/q", &n);
	assert_int_equal(n, 1);
	free(perms);
	xs_close(h);
}

static struct xs_batch *transaction(void)
{
	struct xs_batch *b = xs_batch_new(XS_BATCH_TRANSACTION);

	xs_batch_write(b, "/t/one", "1");
	xs_batch_read(b, "/t/none");
	xs_batch_write(b, "/t/two", "2");
	return b;
}

static void test_transaction_faults(void **state)
{
	static const struct {
		const char *node, *value;
		int status;
		const char *commits;
	} cases[] = {
		{"/fakexs/eagain", "0", 0, "1"},
		{"/fakexs/eagain", "2", 0, "3"},
		{"/fakexs/eagain", "-1", -EAGAIN, "16"},
		{"/fakexs/error", "ENOSPC 1", -ENOSPC, "0"},
		{"/fakexs/error", "EQUOTA 1", -EDQUOT, "0"},
		{"/fakexs/error", "EACCES 1", -EACCES, "0"},
		{"/fakexs/error", "ENOMEM 1", -ENOMEM, "0"},
	};
	struct world *w = *state;
	struct answer a = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		server_kill(w);
		server_start(w); /* counts from zero */
		put(w, cases[i].node, cases[i].value);
		ask(w, transaction(), 3, &a);
		assert_int_equal(a.status, cases[i].status);
		node_is(w, "/fakexs/transactions", "0");
		node_is(w, "/fakexs/commits", cases[i].commits);
		node_is(w, "/t/one", cases[i].status ? NULL : "1");
		node_is(w, "/t/two", cases[i].status ? NULL : "2");
	}
	answer_clear(&a);
}

/* Somebody else changes a node that the transaction read: what it decides on is read anew. */
static void test_transaction_reads_again(void **state)
{
	struct world *w = *state;
	struct xs_batch *b = xs_batch_new(XS_BATCH_TRANSACTION);
	struct answer a = {0};

	put(w, "/owner", "me");
	put(w, "/fakexs/eagain", "1");
	xs_batch_require(b, "/owner", "me");
	xs_batch_write(b, "/x", "1");
	ask(w, b, 2, &a);
	assert_int_equal(a.status, 0);
	answer_clear(&a);
	node_is(w, "/x", "1");
}

static void test_guards(void **state)
{
	static const struct {
		const char *exists, *path, *value;
		int status;
	} cases[] = {
		{"/g/a", "/g/a", "1", 0},
		{"/g/a", "/g/a", "2", -ESTALE},
		{"/g/a", "/g/b", "1", -ESTALE},
		{"/g/a", NULL, NULL, 0},
		{"/g/b", NULL, NULL, -ESTALE},
	};
	struct world *w = *state;
	struct answer a = {0};

	put(w, "/g/a", "1");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned flags = 0; flags <= XS_BATCH_TRANSACTION; flags++) {
			struct xs_batch *b = xs_batch_new(flags);

			xs_batch_rm(b, "/g/written");
			if (cases[i].path) {
				xs_batch_require(b, cases[i].path, cases[i].value);
			} else {
				xs_batch_require_exists(b, cases[i].exists);
			}
			xs_batch_write(b, "/g/written", "yes");
			ask(w, b, 3, &a);
			assert_int_equal(a.status, cases[i].status);
			/* what went before the guard is undone only in a transaction */
			node_is(w, "/g/written", !cases[i].status ? "yes" : flags ? "x" : NULL);
			node_is(w, "/fakexs/transactions", "0");
			put(w, "/g/written", "x");
		}
	}
	answer_clear(&a);
}

static void test_refused_batches(void **state)
{
	struct world *w = *state;
	char big[5000], path[3100];
	const char *const paths[] = {
		"", "relative", "/a//b", "/a/", "/a b", "/a\n", "@special", path};
	struct answer a = {0};
	struct xs_batch *b;

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		b = xs_batch_new(0);
		xs_batch_write(b, "/fine", "1");
		xs_batch_write(b, paths[i], "1");
		xs_batch_write(b, "/fine", "2");
		assert_int_equal(xs_link_submit(w->link, b, 1000, on_done, &a, NULL), -EINVAL);
	}
	memset(big, 'v', sizeof(big));
	big[sizeof(big) - 1] = 0;
	b = xs_batch_new(0);
	xs_batch_write(b, "/fine", big);
	assert_int_equal(xs_link_submit(w->link, b, 1000, on_done, &a, NULL), -E2BIG);
	assert_int_equal(xs_link_submit(w->link, NULL, 1000, on_done, &a, NULL), -ENOMEM);
	assert_int_equal(xs_link_watch(w->link, "bad path", "t"), -EINVAL);
	assert_false(a.came);
	node_is(w, "/fine", NULL);
}

static void test_hostile_values(void **state)
{
	struct world *w = *state;
	struct xs_handle *h = xs_open(0);
	char big[4090];
	struct xs_batch *b = xs_batch_new(0);
	struct answer a = {0};

	memset(big, 'x', sizeof(big));
	assert_true(xs_write(h, XBT_NULL, "/h/nul", "a\0b", 3));
	assert_true(xs_write(h, XBT_NULL, "/h/b", big, sizeof(big) - 1));
	assert_true(xs_write(h, XBT_NULL, "/h/c", "\xff\xfe\n", 3));
	xs_close(h);
	xs_batch_read(b, "/h/nul");
	xs_batch_read(b, "/h/b");
	xs_batch_read(b, "/h/c");
	xs_batch_write_if_absent(b, "/h/nul", "1");
	xs_batch_rm_if_equals(b, "/h/nul", "a");
	ask(w, b, 5, &a);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.statuses[0], -EBADMSG);
	assert_null(a.values[0]);
	assert_int_equal(strlen(a.values[1]), sizeof(big) - 1);
	assert_string_equal(a.values[2], "\xff\xfe\n");
	assert_int_equal(a.statuses[3], 0);
	assert_int_equal(a.statuses[4], -ESTALE);
	answer_clear(&a);
	b = xs_batch_new(0);
	xs_batch_require(b, "/h/nul", "a");
	ask(w, b, 1, &a);
	assert_int_equal(a.status, -ESTALE);
	answer_clear(&a);
}

/* A server that breaks the protocol costs one request, not the link. */
static void test_oversized_answer(void **state)
{
	struct world *w = *state;
	struct xs_batch *b = xs_batch_new(0);
	struct answer a = {0};

	put(w, "/big", "1");
	put(w, "/fakexs/oversize", "/big");
	xs_batch_read(b, "/big");
	ask(w, b, 1, &a);
	assert_int_equal(a.status, 0);
	assert_true(a.statuses[0] < 0);
	answer_clear(&a);
	put(w, "/after", "1");
	node_is(w, "/after", "1");
}

static void test_watches(void **state)
{
	struct world *w = *state;
	struct xs_handle *h = xs_open(0);
	unsigned before;

	assert_int_equal(xs_link_watch(w->link, "/w", "t"), 0);
	assert_int_equal(xs_link_watch(w->link, "/w", "t"), 0);
	assert_int_equal(xs_link_watch(w->link, "@introduceDomain", "intro"), 0);
	WAIT_UNTIL(w, w->fired == 1 && w->fired_special == 1);
	assert_string_equal(w->last_path, "@introduceDomain");
	xs_introduce_domain(h, 5, 1, 1);
	WAIT_UNTIL(w, w->fired_special == 2);
	xs_write(h, XBT_NULL, "/w/x/y", "1", 1);
	WAIT_UNTIL(w, w->fired >= 2);
	run_for(w, 100);
	xs_link_unwatch(w->link, "/w", "t");
	before = w->fired;
	xs_write(h, XBT_NULL, "/w/x/y", "2", 1);
	xs_write(h, XBT_NULL, "/other", "2", 1);
	node_is(w, "/other", "2");
	run_for(w, 100);
	assert_int_equal(w->fired, before);
	node_is(w, "/fakexs/watches", "1");
	xs_close(h);
}

static void test_many_events(void **state)
{
	enum { MANY = 20000 };
	struct world *w = *state;
	struct xs_handle *h = xs_open(0);

	xs_link_watch(w->link, "/many", "t");
	WAIT_UNTIL(w, w->fired == 1);
	for (unsigned i = 0; i < MANY; i++) {
		xs_write(h, XBT_NULL, "/many", "1", 1);
	}
	WAIT_UNTIL(w, w->fired == MANY + 2 || w->fired == MANY + 1);
	xs_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		XS_TEST(test_batch_without_transaction),
		XS_TEST(test_perms),
		XS_TEST(test_transaction_faults),
		XS_TEST(test_transaction_reads_again),
		XS_TEST(test_guards),
		XS_TEST(test_refused_batches),
		XS_TEST(test_hostile_values),
		XS_TEST(test_oversized_answer),
		XS_TEST(test_watches),
		XS_TEST(test_many_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
