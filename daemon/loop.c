/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#include <event2/event.h>

/*
 * Every callback of the daemon starts in one of the adapters below, which time it. Deferred
 * releases run when no callback of the released object is on the stack.
 */
struct loop {
	struct event_base *base;
	struct event *wake; /* makes deferred work run when nothing else happens */
	struct loop_deferred *deferred;
	struct loop_orphan *orphans;
	uint64_t longest_us;
};

/*
 * Asked ten times for a QMP command, and CLOCK_MONOTONIC is a system call in a PV dom0 whose host
 * has no dependable TSC. This one is read from memory everywhere; libevent goes by it too.
 */
#define CLOCK CLOCK_MONOTONIC_COARSE

static int64_t clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t loop_monotonic_ms(void)
{
	return clock_us(CLOCK) / 1000;
}

int64_t loop_realtime_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}

static void note_turn(struct loop *loop, int64_t start_us)
{
	uint64_t us = clock_us(CLOCK) - start_us;

	if (us > loop->longest_us) {
		loop->longest_us = us;
	}
}

static void run_deferred(struct loop *loop)
{
	while (loop->deferred) {
		struct loop_deferred *node = loop->deferred;

		loop->deferred = node->next;
		node->fn(node->arg);
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	int64_t start_us = clock_us(CLOCK);

	run_deferred(loop);
	note_turn(loop, start_us);
}

int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop) {
		return -ENOMEM;
	}
	loop->base = event_base_new();
	if (loop->base) {
		loop->wake = event_new(loop->base, -1, EV_PERSIST, on_wake, loop);
	}
	if (!loop->wake) {
		loop_free(loop);
		return -ENOMEM;
	}
	*ret = loop;
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop) {
		return NULL;
	}
	run_deferred(loop);
	while (loop->orphans) {
		struct loop_orphan *orphan = loop->orphans;

		loop_orphan_remove(orphan);
		orphan->fn(orphan->arg);
	}
	if (loop->wake) {
		event_free(loop->wake);
	}
	if (loop->base) {
		event_base_free(loop->base);
	}
	free(loop);
	return NULL;
}

int loop_run(struct loop *loop)
{
	int r = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);

	run_deferred(loop);
	return r < 0 ? -EIO : 0;
}

void loop_quit(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

void loop_defer(struct loop *loop, struct loop_deferred *node, void (*fn)(void *arg), void *arg)
{
	*node = (struct loop_deferred){.next = loop->deferred, .fn = fn, .arg = arg};
	loop->deferred = node;
	event_active(loop->wake, EV_TIMEOUT, 1);
}

void loop_orphan_add(
	struct loop *loop, struct loop_orphan *orphan, void (*fn)(void *arg), void *arg)
{
	loop_orphan_remove(orphan);
	*orphan = (struct loop_orphan){
		.next = loop->orphans, .link = &loop->orphans, .fn = fn, .arg = arg};
	if (orphan->next) {
		orphan->next->link = &orphan->next;
	}
	loop->orphans = orphan;
}

void loop_orphan_remove(struct loop_orphan *orphan)
{
	if (!orphan->link) {
		return;
	}
	*orphan->link = orphan->next;
	if (orphan->next) {
		orphan->next->link = orphan->link;
	}
	orphan->next = NULL;
	orphan->link = NULL;
}

uint64_t loop_longest_turn_us(const struct loop *loop)
{
	return loop->longest_us;
}

static void event_stop(struct event **event)
{
	if (*event) {
		event_free(*event);
		*event = NULL;
	}
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct loop_io *io = arg;
	struct loop *loop = io->loop; /* IO may be gone when its callback returns */
	int64_t start_us = clock_us(CLOCK);

	io->fn(io->arg, (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0));
	note_turn(loop, start_us);
}

int loop_io_start(struct loop *loop, struct loop_io *io, int fd, unsigned events,
	void (*fn)(void *arg, unsigned events), void *arg)
{
	short what = EV_PERSIST | (events & LOOP_READ ? EV_READ : 0) |
		     (events & LOOP_WRITE ? EV_WRITE : 0);

	loop_io_stop(io);
	*io = (struct loop_io){.loop = loop, .fn = fn, .arg = arg};
	io->event = event_new(loop->base, fd, what, on_io, io);
	if (!io->event || event_add(io->event, NULL) < 0) {
		event_stop(&io->event);
		return -ENOMEM;
	}
	return 0;
}

void loop_io_stop(struct loop_io *io)
{
	event_stop(&io->event);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *timer = arg;
	struct loop *loop = timer->loop;
	int64_t start_us = clock_us(CLOCK);

	event_stop(&timer->event);
	timer->fn(timer->arg);
	note_turn(loop, start_us);
}

int loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t delay_ms,
	void (*fn)(void *arg), void *arg)
{
	struct timeval tv = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};

	loop_timer_stop(timer);
	*timer = (struct loop_timer){.loop = loop, .fn = fn, .arg = arg};
	timer->event = event_new(loop->base, -1, 0, on_timer, timer);
	if (!timer->event || event_add(timer->event, &tv) < 0) {
		event_stop(&timer->event);
		return -ENOMEM;
	}
	return 0;
}

void loop_timer_stop(struct loop_timer *timer)
{
	event_stop(&timer->event);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct loop_signal *signal = arg;
	struct loop *loop = signal->loop;
	int64_t start_us = clock_us(CLOCK);

	signal->fn(signal->arg);
	note_turn(loop, start_us);
}

int loop_signal_start(
	struct loop *loop, struct loop_signal *signal, int signo, void (*fn)(void *arg), void *arg)
{
	loop_signal_stop(signal);
	*signal = (struct loop_signal){.loop = loop, .fn = fn, .arg = arg};
	signal->event = evsignal_new(loop->base, signo, on_signal, signal);
	if (!signal->event || event_add(signal->event, NULL) < 0) {
		event_stop(&signal->event);
		return -ENOMEM;
	}
	return 0;
}

void loop_signal_stop(struct loop_signal *signal)
{
	event_stop(&signal->event);
}
