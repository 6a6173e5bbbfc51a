/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The one event loop. Everything in daemon/ runs on its thread. Objects are never freed inside the
 * callback that runs: loop_defer() does it on the next turn. Only loop.c knows libevent, so every
 * callback is timed.
 */
#include <stdint.h>

struct event;
struct loop;

int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *loop); /* runs what was deferred; returns NULL */

/* Runs until loop_quit(). 0 or -errno. */
int loop_run(struct loop *loop);
void loop_quit(struct loop *loop);

/* Calls FN(ARG) after the running callback has returned. Never fails: the node lies inside the
 * object that goes away. */
struct loop_deferred {
	struct loop_deferred *next;
	void (*fn)(void *arg);
	void *arg;
};
void loop_defer(struct loop *loop, struct loop_deferred *node, void (*fn)(void *arg), void *arg);

/* What has no owner left but the loop (a child that is still to be reaped): loop_free() calls
 * FN(ARG), which lets go of it at once. {0} is idle; taking back an idle one is allowed. */
struct loop_orphan {
	struct loop_orphan *next, **link;
	void (*fn)(void *arg);
	void *arg;
};
void loop_orphan_add(
	struct loop *loop, struct loop_orphan *orphan, void (*fn)(void *arg), void *arg);
void loop_orphan_remove(struct loop_orphan *orphan);

/* CLOCK_MONOTONIC and CLOCK_REALTIME in milliseconds; the former is up to 10 ms (a tick of the
 * kernel) behind. */
int64_t loop_monotonic_ms(void);
int64_t loop_realtime_ms(void);

/* The longest callback since the start, in microseconds, give or take a tick of the kernel: what
 * "never block" is measured by. */
uint64_t loop_longest_turn_us(const struct loop *loop);

/*
 * The three sources below are embedded in their owner; {0} is idle. Starting one that runs replaces
 * it, stopping an idle one is allowed, also from within its own callback. -ENOMEM.
 */

/* A file descriptor (borrowed; stop the source before closing it). Level-triggered. */
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_io {
	struct loop *loop;
	struct event *event;
	void (*fn)(void *arg, unsigned events);
	void *arg;
};
int loop_io_start(struct loop *loop, struct loop_io *io, int fd, unsigned events,
	void (*fn)(void *arg, unsigned events), void *arg);
void loop_io_stop(struct loop_io *io);

/* A one-shot deadline. */
struct loop_timer {
	struct loop *loop;
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};
int loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t delay_ms,
	void (*fn)(void *arg), void *arg);
void loop_timer_stop(struct loop_timer *timer);

/* A signal, delivered as an event. */
struct loop_signal {
	struct loop *loop;
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};
int loop_signal_start(
	struct loop *loop, struct loop_signal *signal, int signo, void (*fn)(void *arg), void *arg);
void loop_signal_stop(struct loop_signal *signal);
