/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/loop.h"

struct world {
	struct loop *loop;
	struct loop_timer timer, other;
	struct loop_io io;
	struct loop_signal signal;
	struct loop_deferred deferred, second;
	struct loop_orphan orphan;
	int pipe[2];
	unsigned timers, others, reads, signals, releases, orphans;
	bool inside;
};

static void quit(void *arg)
{
	loop_quit(((struct world *)arg)->loop);
}

static void on_other(void *arg)
{
	((struct world *)arg)->others++;
}

static void on_timer(void *arg)
{
	struct world *w = arg;

	if (++w->timers < 3) {
		/* Again from within its own callback, and another one taken back. */
		assert_int_equal(loop_timer_start(w->loop, &w->timer, 1, on_timer, w), 0);
		loop_timer_start(w->loop, &w->other, 0, on_other, w);
		loop_timer_stop(&w->other);
	} else {
		loop_quit(w->loop);
	}
}

static void test_timer(void **state)
{
	struct world w = {0};

	assert_int_equal(loop_new(&w.loop), 0);
	loop_timer_stop(&w.timer); /* idle: allowed */
	/* The second start replaces the first. */
	assert_int_equal(loop_timer_start(w.loop, &w.timer, 3600000, on_other, &w), 0);
	assert_int_equal(loop_timer_start(w.loop, &w.timer, 0, on_timer, &w), 0);
	assert_int_equal(loop_run(w.loop), 0);
	assert_int_equal(w.timers, 3);
	assert_int_equal(w.others, 0);
	assert_null(w.timer.event);
	loop_free(w.loop);
}

static void on_read(void *arg, unsigned events)
{
	struct world *w = arg;
	char c;

	assert_int_equal(events, LOOP_READ);
	w->reads++;
	assert_int_equal(read(w->pipe[0], &c, 1), 1);
	if (c == 'z') {
		loop_io_stop(&w->io);
		quit(w);
	}
}

/* Level-triggered: what was not read is told again. */
static void test_io(void **state)
{
	struct world w = {0};

	assert_int_equal(pipe(w.pipe), 0);
	assert_int_equal(write(w.pipe[1], "abz", 3), 3);
	assert_int_equal(loop_new(&w.loop), 0);
	assert_int_equal(loop_io_start(w.loop, &w.io, w.pipe[0], LOOP_READ, on_read, &w), 0);
	assert_int_equal(loop_run(w.loop), 0);
	assert_int_equal(w.reads, 3);
	loop_io_stop(&w.io);
	loop_free(w.loop);
	close(w.pipe[0]);
	close(w.pipe[1]);
}

static void on_signal(void *arg)
{
	((struct world *)arg)->signals++;
	quit(arg);
}

static void test_signal(void **state)
{
	struct world w = {0};

	assert_int_equal(loop_new(&w.loop), 0);
	assert_int_equal(loop_signal_start(w.loop, &w.signal, SIGUSR1, on_signal, &w), 0);
	raise(SIGUSR1);
	assert_int_equal(w.signals, 0); /* an event, not a handler of ours */
	assert_int_equal(loop_run(w.loop), 0);
	assert_int_equal(w.signals, 1);
	loop_signal_stop(&w.signal);
	loop_signal_stop(&w.signal);
	loop_free(w.loop);
}

static void on_release(void *arg)
{
	struct world *w = arg;

	assert_false(w->inside);
	w->releases++;
}

static void on_defer(void *arg)
{
	struct world *w = arg;

	w->inside = true;
	loop_defer(w->loop, &w->deferred, on_release, w);
	assert_int_equal(w->releases, 0);
	w->inside = false;
	loop_timer_start(w->loop, &w->timer, 1, quit, w);
}

static void on_orphan(void *arg)
{
	((struct world *)arg)->orphans++;
}

static void test_defer(void **state)
{
	struct world w = {0};

	assert_int_equal(loop_new(&w.loop), 0);
	loop_timer_start(w.loop, &w.timer, 0, on_defer, &w);
	assert_int_equal(loop_run(w.loop), 0);
	assert_int_equal(w.releases, 1);
	/* What is still deferred, and what only the loop owns, goes with it. */
	loop_defer(w.loop, &w.second, on_release, &w);
	loop_orphan_add(w.loop, &w.orphan, on_orphan, &w);
	loop_free(w.loop);
	assert_int_equal(w.releases, 2);
	assert_int_equal(w.orphans, 1);
}

static void on_slow(void *arg)
{
	usleep(50000);
	quit(arg);
}

static void test_longest_turn(void **state)
{
	struct world w = {0};

	assert_int_equal(loop_new(&w.loop), 0);
	loop_timer_start(w.loop, &w.timer, 0, on_slow, &w);
	assert_int_equal(loop_run(w.loop), 0);
	assert_true(loop_longest_turn_us(w.loop) >= 30000);
	loop_free(w.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timer),
		cmocka_unit_test(test_io),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_defer),
		cmocka_unit_test(test_longest_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
