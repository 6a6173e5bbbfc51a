/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/loop.h"
#include "daemon/watcher.h"
#include "lib/log.h"
#include "tests/fake/fakehv.h"

/* The watcher over the twin of lib/toolstack. Events are noted as text: "+5 d5 -5 ". */
#define GENEROUS_MS 20000

struct world {
	char path[64];
	struct fakehv *hv;
	struct toolstack *ts;
	struct loop *loop;
	struct watcher *watcher;
	char seen[65536];
	size_t len;
	const char *wait_for; /* quits the loop when it stands at the end of what was seen */
	struct loop_timer timer;
};

static const uint8_t uuid_a[16] = {0xa}, uuid_b[16] = {0xb};

static void note(struct world *w, char what, uint32_t domid)
{
	int n = snprintf(w->seen + w->len, sizeof(w->seen) - w->len, "%c%u ", what, domid);

	w->len += n;
	assert_true(w->len < sizeof(w->seen));
	if (w->wait_for && strstr(w->seen, w->wait_for)) {
		loop_quit(w->loop);
	}
}

static void on_appeared(void *ctx, const struct toolstack_domain *dom)
{
	note(ctx, '+', dom->domid);
}

static void on_shutdown(void *ctx, const struct toolstack_domain *dom)
{
	note(ctx, 's', dom->domid);
}

static void on_resumed(void *ctx, const struct toolstack_domain *dom)
{
	note(ctx, 'r', dom->domid);
}

static void on_dying(void *ctx, const struct toolstack_domain *dom)
{
	assert_true(dom->dying);
	note(ctx, 'd', dom->domid);
}

static void on_gone(void *ctx, uint32_t domid, const uint8_t uuid[16])
{
	assert_true(uuid[0] != 0);
	note(ctx, '-', domid);
}

static const struct watcher_ops ops = {.on_appeared = on_appeared,
	.on_shutdown = on_shutdown,
	.on_resumed = on_resumed,
	.on_dying = on_dying,
	.on_gone = on_gone};

static void on_quit(void *arg)
{
	struct world *w = arg;

	loop_quit(w->loop);
}

static void run_for(struct world *w, int64_t ms)
{
	loop_timer_start(w->loop, &w->timer, ms, on_quit, w);
	assert_int_equal(loop_run(w->loop), 0);
	loop_timer_stop(&w->timer);
}

/* What was seen since the last time, after one look. */
static void look(struct world *w, uint32_t domid, const char *expected)
{
	w->len = 0;
	w->seen[0] = 0;
	watcher_look(w->watcher, domid);
	run_for(w, 1);
	assert_string_equal(w->seen, expected);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int fd;

	log_init(LOG_LVL_ERROR);
	snprintf(w->path, sizeof(w->path), "/tmp/test-watcher-XXXXXX");
	fd = mkstemp(w->path);
	assert_true(fd >= 0);
	close(fd);
	setenv(FAKEHV_ENV, w->path, 1);
	w->hv = fakehv_map(w->path);
	assert_non_null(w->hv);
	assert_int_equal(toolstack_open(&w->ts), 0);
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(watcher_new(&w->watcher, w->loop, w->ts, &ops, w), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	watcher_free(w->watcher);
	loop_free(w->loop);
	toolstack_close(w->ts);
	fakehv_unmap(w->hv);
	unlink(w->path);
	free(w);
	return 0;
}

static struct fakehv_domain *add(struct world *w, uint32_t domid, const uint8_t uuid[16])
{
	struct fakehv_domain *dom = fakehv_insert(w->hv, domid, uuid);

	assert_non_null(dom);
	return dom;
}

static void test_first_look_by_itself(void **state)
{
	struct world *w = *state;

	add(w, 5, uuid_a);
	add(w, 7, uuid_b)->dying = true;
	run_for(w, 1);
	assert_string_equal(w->seen, "+5 +7 d7 ");
	look(w, WATCHER_ALL, "");
	look(w, 5, "");
	look(w, 0, "");
}

static void test_a_life(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t which = i ? WATCHER_ALL : 5;
		struct fakehv_domain *dom;

		look(w, which, "");
		dom = add(w, 5, uuid_a);
		look(w, which, "+5 ");
		dom->shutdown = true;
		dom->shutdown_reason = 2;
		look(w, which, "s5 ");
		look(w, which, "");
		dom->shutdown = false;
		look(w, which, "r5 ");
		dom->shutdown = true;
		look(w, which, "s5 ");
		dom->shutdown_reason = 3; /* resumed and crashed between two looks */
		look(w, which, "r5 s5 ");
		dom->dying = true;
		dom->shutdown = false;
		look(w, which, "d5 ");
		look(w, which, "");
		fakehv_remove(w->hv, 5);
		look(w, which, "-5 ");
	}
}

static void test_coalesced(void **state)
{
	struct world *w = *state;
	struct fakehv_domain *dom;

	run_for(w, 1);
	dom = add(w, 5, uuid_a);
	dom->shutdown = dom->dying = true;
	look(w, WATCHER_ALL, "+5 s5 d5 ");
	fakehv_remove(w->hv, 5);
	add(w, 6, uuid_b);
	look(w, WATCHER_ALL, "-5 +6 ");
	fakehv_remove(w->hv, 6);
	look(w, WATCHER_ALL, "d6 -6 ");
	/* lived for less than a look */
	add(w, 7, uuid_a);
	fakehv_remove(w->hv, 7);
	look(w, WATCHER_ALL, "");
	look(w, 7, "");
}

static void test_number_used_again(void **state)
{
	struct world *w = *state;
	struct fakehv_domain *dom;

	run_for(w, 1);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t which = i ? WATCHER_ALL : 5;

		/* another uuid */
		add(w, 5, uuid_a);
		look(w, which, "+5 ");
		fakehv_remove(w->hv, 5);
		add(w, 5, uuid_b)->shutdown = true;
		look(w, which, "d5 -5 +5 s5 ");
		fakehv_remove(w->hv, 5);
		look(w, which, "d5 -5 ");
		/* the same uuid, less cpu time */
		add(w, 5, uuid_a)->cpu_time_ns = UINT64_C(3600000000000);
		look(w, which, "+5 ");
		fakehv_remove(w->hv, 5);
		dom = add(w, 5, uuid_a);
		look(w, which, "d5 -5 +5 ");
		/* the same uuid, the old one was dying */
		dom->dying = true;
		look(w, which, "d5 ");
		dom->dying = false;
		look(w, which, "-5 +5 ");
		fakehv_remove(w->hv, 5);
		look(w, which, "d5 -5 ");
	}
}

static void test_unique_ids(void **state)
{
	struct world *w = *state;
	struct fakehv_domain *dom;

	run_for(w, 1);
	w->hv->unique_ids = true;
	add(w, 5, uuid_a)->cpu_time_ns = 1000000000;
	look(w, WATCHER_ALL, "+5 ");
	/* a clock that goes back says nothing where there is an id */
	dom = fakehv_find(w->hv, 5);
	dom->cpu_time_ns = 0;
	look(w, WATCHER_ALL, "");
	fakehv_remove(w->hv, 5);
	add(w, 5, uuid_a)->cpu_time_ns = UINT64_C(3600000000000);
	look(w, WATCHER_ALL, "d5 -5 +5 ");
}

/* Clocks of two processors may differ a little: that is no new domain. */
static void test_small_step_back(void **state)
{
	struct world *w = *state;
	struct fakehv_domain *dom = add(w, 5, uuid_a);

	dom->cpu_time_ns = 1000000000;
	run_for(w, 1);
	dom->cpu_time_ns -= 5000000;
	look(w, WATCHER_ALL, "");
}

static void test_one_look_a_turn(void **state)
{
	struct world *w = *state;
	uint64_t lists, gets;

	run_for(w, 1);
	lists = w->hv->list_calls;
	for (unsigned i = 0; i < 100; i++) {
		watcher_look(w->watcher, WATCHER_ALL);
	}
	run_for(w, 1);
	assert_int_equal(w->hv->list_calls, lists + 1);
	/* named ones read only those */
	gets = w->hv->get_calls;
	for (unsigned i = 0; i < 100; i++) {
		watcher_look(w->watcher, 1 + i % 3);
	}
	run_for(w, 1);
	assert_int_equal(w->hv->list_calls, lists + 1);
	assert_int_equal(w->hv->get_calls, gets + 3);
	/* too many of them are one list */
	for (unsigned i = 0; i < 1000; i++) {
		watcher_look(w->watcher, 1 + i);
	}
	run_for(w, 1);
	assert_int_equal(w->hv->list_calls, lists + 2);
	assert_int_equal(w->hv->get_calls, gets + 3);
}

/* xenstored doesn't say when a dying domain is gone: the watcher finds out, and rests otherwise. */
static void test_dying_is_followed(void **state)
{
	struct world *w = *state;
	struct fakehv_domain *dom = add(w, 5, uuid_a);
	uint64_t lists, gets;

	add(w, 6, uuid_b);
	run_for(w, 1);
	dom->dying = true;
	look(w, WATCHER_ALL, "d5 ");
	lists = w->hv->list_calls;
	fakehv_remove(w->hv, 5);
	w->wait_for = "-5 ";
	run_for(w, GENEROUS_MS);
	assert_string_equal(w->seen, "d5 -5 ");
	assert_int_equal(w->hv->list_calls, lists);
	w->wait_for = NULL;
	gets = w->hv->get_calls;
	run_for(w, 300);
	assert_int_equal(w->hv->get_calls, gets);
	assert_int_equal(w->hv->list_calls, lists);
}

static void test_dying_backs_off(void **state)
{
	struct world *w = *state;

	add(w, 5, uuid_a)->dying = true;
	run_for(w, 1000);
	/* 20, 60, 140, 300, 620 ms; a machine that is late makes them fewer */
	assert_in_range(w->hv->get_calls, 1, 6);
	assert_string_equal(w->seen, "+5 d5 ");
	fakehv_remove(w->hv, 5);
}

static void test_list_fails(void **state)
{
	struct world *w = *state;

	add(w, 5, uuid_a);
	run_for(w, 1);
	w->hv->list_error = EAGAIN;
	fakehv_remove(w->hv, 5);
	add(w, 6, uuid_b);
	look(w, WATCHER_ALL, "");
	look(w, 5, "");
	w->hv->list_error = 0;
	w->wait_for = "+6 ";
	run_for(w, GENEROUS_MS); /* tries again by itself */
	assert_string_equal(w->seen, "d5 -5 +6 ");
}

static void test_many(void **state)
{
	enum { MANY = 3000 };
	struct world *w = *state;
	unsigned appeared = 0, gone = 0;
	uint64_t lists;

	for (unsigned i = 0; i < MANY; i++) {
		add(w, 0, uuid_a);
	}
	run_for(w, 1);
	for (const char *p = w->seen; (p = strchr(p, '+')); p++) {
		appeared++;
	}
	assert_int_equal(appeared, MANY);
	lists = w->hv->list_calls;
	look(w, WATCHER_ALL, "");
	assert_in_range(w->hv->list_calls - lists, 1, 2);
	for (unsigned i = 1; i <= MANY; i += 2) {
		fakehv_remove(w->hv, i);
	}
	w->len = 0;
	watcher_look(w->watcher, WATCHER_ALL);
	run_for(w, 1);
	for (const char *p = w->seen; (p = strchr(p, '-')); p++) {
		gone++;
	}
	assert_int_equal(gone, MANY / 2);
	look(w, MANY - 1, "");
	look(w, MANY, "");
	fakehv_remove(w->hv, MANY);
	look(w, MANY, "d3000 -3000 ");
	add(w, 1, uuid_b);
	look(w, 1, "+1 ");
	look(w, WATCHER_ALL, "");
}

static void test_freed_before_its_turn(void **state)
{
	struct world *w = *state;

	add(w, 5, uuid_a);
	watcher_free(w->watcher);
	run_for(w, 1);
	assert_string_equal(w->seen, "");
	assert_int_equal(watcher_new(&w->watcher, w->loop, w->ts, &ops, w), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* No look is asked for: the watcher finds the end of domain 5 by itself, and then rests. */
static void test_unheralded(void **state)
{
	struct world *w = *state;

	add(w, 5, uuid_a);
	add(w, 6, uuid_b);
	run_for(w, 1);
	assert_int_equal(watcher_unheralded(w->watcher, 5), 0);
	assert_int_equal(watcher_unheralded(w->watcher, 5), 0);
	assert_int_equal(watcher_unheralded(w->watcher, 9), 0);
	fakehv_remove(w->hv, 5);
	w->wait_for = "-5 ";
	run_for(w, GENEROUS_MS);
	w->wait_for = NULL;
	assert_non_null(strstr(w->seen, "-5 "));
	fakehv_remove(w->hv, 6);
	run_for(w, 6000);
	assert_null(strstr(w->seen, "-6 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_look_by_itself),
		TEST(test_a_life),
		TEST(test_coalesced),
		TEST(test_number_used_again),
		TEST(test_unique_ids),
		TEST(test_small_step_back),
		TEST(test_one_look_a_turn),
		TEST(test_dying_is_followed),
		TEST(test_dying_backs_off),
		TEST(test_list_fails),
		TEST(test_unheralded),
		TEST(test_many),
		TEST(test_freed_before_its_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
