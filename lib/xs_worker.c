/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/xs_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <xenstore.h>

#include "lib/cleanup.h"
#include "lib/hash.h"

/*
 * The thread: makes the connection and makes it again, sets the watches, runs one batch after the
 * other, collects watch events. Everything shared is under the worker's lock, which is let go of
 * around each call into libxenstore; `busy` then says that the thread may stay away for long.
 */
#define BACKOFF_FIRST_MS 50
#define BACKOFF_LAST_MS 2000
#define EVENTS_MAX                                                                                 \
	4096 /* the thread reads no more watch events while the link hasn't taken them             \
	      */

/* Read from memory: CLOCK_MONOTONIC is a system call in a PV dom0 without a dependable TSC. */
int64_t xs_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;
	ssize_t n =
		write(fd, &one, sizeof(one)); /* only fails when the counter is full: readable */

	(void)n;
}

void xs_worker_wake(struct xs_worker *w)
{
	signal_fd(w->wake_fd);
}

unsigned xs_watch_bucket(const char *token)
{
	return hash_fnv(HASH_FNV_START, token, strlen(token)) % XS_WATCH_BUCKETS;
}

void xs_watch_mark_dirty(struct xs_worker *w, struct xs_watch_entry *watch)
{
	if (!watch->dirty) {
		watch->dirty = true;
		TAILQ_INSERT_TAIL(&w->dirty, watch, dirty_entry);
	}
}

static void watch_free(struct xs_watch_entry *watch)
{
	LIST_REMOVE(watch, entry);
	free(watch->path);
	free(watch->token);
	free(watch);
}

void xs_event_free(struct xs_event *event)
{
	if (event->kind == XS_EVENT_JOB_OVER) {
		xs_job_free(event->job);
		return;
	}
	free(event->watch);
	free(event);
}

int xs_worker_new(struct xs_worker **ret)
{
	struct xs_worker *w = calloc(1, sizeof(*w));

	if (!w) {
		return -ENOMEM;
	}
	pthread_mutex_init(&w->lock, NULL);
	TAILQ_INIT(&w->todo);
	TAILQ_INIT(&w->late);
	TAILQ_INIT(&w->dirty);
	TAILQ_INIT(&w->events);
	w->server = strdup(xs_daemon_socket());
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!w->server || w->wake_fd < 0 || w->ready_fd < 0) {
		int r = w->server ? -errno : -ENOMEM;

		xs_worker_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

static void free_jobs(struct xs_jobs *jobs)
{
	struct xs_job *job;

	while ((job = TAILQ_FIRST(jobs))) {
		TAILQ_REMOVE(jobs, job, entry);
		xs_job_free(job);
	}
}

struct xs_worker *xs_worker_free(struct xs_worker *w)
{
	struct xs_event *event;
	struct xs_watch_entry *watch;

	free_jobs(&w->todo);
	free_jobs(&w->late);
	while ((event = TAILQ_FIRST(&w->events))) {
		TAILQ_REMOVE(&w->events, event, entry);
		xs_event_free(event);
	}
	for (unsigned i = 0; i < XS_WATCH_BUCKETS; i++) {
		while ((watch = LIST_FIRST(&w->watches[i]))) {
			watch_free(watch);
		}
	}
	close_p(&w->wake_fd);
	close_p(&w->ready_fd);
	pthread_mutex_destroy(&w->lock);
	free(w->server);
	free(w);
	return NULL;
}

/* With the lock held. When memory is short the event is lost; a lost DOWN or UP is told by the
 * next. */
static void push_event(struct xs_worker *w, enum xs_event_kind kind, char **watch)
{
	struct xs_event *event = calloc(1, sizeof(*event));

	if (!event) {
		free(watch);
		return;
	}
	event->kind = kind;
	event->watch = watch;
	TAILQ_INSERT_TAIL(&w->events, event, entry);
	w->events_len++;
	signal_fd(w->ready_fd);
}

/* With the lock held. */
static void push_over(struct xs_worker *w, struct xs_job *job)
{
	job->over = (struct xs_event){.kind = XS_EVENT_JOB_OVER, .job = job};
	TAILQ_INSERT_TAIL(&w->events, &job->over, entry);
	signal_fd(w->ready_fd);
}

/* The next functions are called with the lock held and let go of it around library calls. */
static void enter_library(struct xs_worker *w)
{
	w->busy = true;
	pthread_mutex_unlock(&w->lock);
}

static void leave_library(struct xs_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->busy = false;
}

static bool do_next_job(struct xs_worker *w, struct xs_conn *c)
{
	struct xs_job *job = TAILQ_FIRST(&w->todo);
	bool over;

	if (!job) {
		return false;
	}
	TAILQ_REMOVE(&w->todo, job, entry);
	job->queued = false;
	enter_library(w);
	over = xs_conn_run(c, job);
	c->lost |= c->doubtful;
	leave_library(w);
	if (over) {
		push_over(w, job);
	} else {
		TAILQ_INSERT_HEAD(&w->todo, job, entry);
		job->queued = true;
	}
	return true;
}

/* Closing gives a domain its memory back, which may be large: not the loop's work. */
static bool drop_next_late(struct xs_worker *w)
{
	struct xs_job *job = TAILQ_FIRST(&w->late);

	if (!job) {
		return false;
	}
	TAILQ_REMOVE(&w->late, job, entry);
	enter_library(w);
	xs_job_free(job);
	leave_library(w);
	return true;
}

static bool do_next_watch(struct xs_worker *w, struct xs_conn *c)
{
	struct xs_watch_entry *watch = TAILQ_FIRST(&w->dirty);
	bool want, ok = true;

	if (!watch) {
		c->backoff_ms = BACKOFF_FIRST_MS; /* all watches are in the server: a good one */
		return false;
	}
	TAILQ_REMOVE(&w->dirty, watch, dirty_entry);
	watch->dirty = false;
	want = watch->wanted;
	if (want != watch->armed) {
		/* path and token don't change, and only this thread frees an entry */
		enter_library(w);
		ok = want ? xs_watch(c->watch, watch->path, watch->token) || errno == EEXIST
			  : xs_unwatch(c->watch, watch->path, watch->token) || errno == ENOENT;
		leave_library(w);
		watch->armed = want;
	}
	if (!ok) {
		c->lost = true; /* whatever it was: a new connection sets all of them anew */
	}
	if (!watch->wanted && !watch->dirty) {
		watch_free(watch);
	}
	return true;
}

static void take_watch_events(struct xs_worker *w, struct xs_conn *c)
{
	while (w->events_len < EVENTS_MAX) {
		char **event;

		pthread_mutex_unlock(&w->lock);
		event = xs_check_watch(c->watch);
		pthread_mutex_lock(&w->lock);
		if (!event) {
			return;
		}
		push_event(w, XS_EVENT_WATCH, event);
	}
}

static void rearm_watches(struct xs_worker *w)
{
	struct xs_watch_entry *watch, *next;

	for (unsigned i = 0; i < XS_WATCH_BUCKETS; i++) {
		for (watch = LIST_FIRST(&w->watches[i]); watch; watch = next) {
			next = LIST_NEXT(watch, entry);
			watch->armed = false;
			if (watch->wanted) {
				xs_watch_mark_dirty(w, watch);
				continue;
			}
			if (watch->dirty) {
				TAILQ_REMOVE(&w->dirty, watch, dirty_entry);
			}
			watch_free(watch);
		}
	}
}

static void retry_later(struct xs_conn *c)
{
	c->retry_ms = xs_now_ms() + c->backoff_ms;
	c->backoff_ms = c->backoff_ms * 2 < BACKOFF_LAST_MS ? c->backoff_ms * 2 : BACKOFF_LAST_MS;
}

static void try_connect(struct xs_worker *w, struct xs_conn *c)
{
	enter_library(w);
	c->up = xs_conn_open(c, w->server);
	leave_library(w);
	if (!c->up) {
		retry_later(c);
		return;
	}
	rearm_watches(w);
	push_event(w, XS_EVENT_UP, NULL);
}

static void disconnect(struct xs_worker *w, struct xs_conn *c)
{
	enter_library(w); /* joins the library's thread, which nothing keeps */
	xs_conn_close(c);
	leave_library(w);
	c->up = false;
	retry_later(c);
	push_event(w, XS_EVENT_DOWN, NULL);
}

/* Waits, without the lock, for work, an event or the end of the connection. */
static void wait_for_work(struct xs_worker *w, struct xs_conn *c, bool events_full)
{
	struct pollfd fds[] = {{.fd = w->wake_fd, .events = POLLIN},
		{.fd = c->up ? c->lifeline : -1, .events = POLLIN},
		{.fd = c->up && !events_full ? c->watch_fd : -1, .events = POLLIN}};
	int64_t wait_ms = c->up ? -1 : c->retry_ms - xs_now_ms();
	int timeout = c->up ? -1 : wait_ms > 0 ? wait_ms : 0;
	uint64_t count;
	ssize_t n;

	if (poll(fds, ARRAY_SIZE(fds), timeout) <= 0) {
		return;
	}
	if (fds[0].revents) {
		n = read(w->wake_fd, &count, sizeof(count));
		(void)n;
	}
	if (fds[1].revents) {
		c->lost = true; /* it never says anything */
	}
}

/* One step of work; false when there is none. */
static bool work_once(struct xs_worker *w, struct xs_conn *c)
{
	if (drop_next_late(w)) {
		return true;
	}
	if (!c->up && xs_now_ms() >= c->retry_ms) {
		try_connect(w, c);
		return true;
	}
	if (!c->up) {
		return false;
	}
	if (c->lost) {
		disconnect(w, c);
		return true;
	}
	take_watch_events(w, c);
	return do_next_watch(w, c) || do_next_job(w, c);
}

static void work(struct xs_worker *w, struct xs_conn *c)
{
	while (!w->quit) {
		bool full;

		if (work_once(w, c)) {
			continue;
		}
		full = w->events_len >= EVENTS_MAX;
		pthread_mutex_unlock(&w->lock);
		wait_for_work(w, c, full);
		pthread_mutex_lock(&w->lock);
	}
}

void *xs_worker_main(void *arg)
{
	struct xs_worker *w = arg;
	struct xs_conn c = {.watch_fd = -1, .lifeline = -1, .backoff_ms = BACKOFF_FIRST_MS};
	bool orphaned;

	pthread_mutex_lock(&w->lock);
	work(w, &c);
	pthread_mutex_unlock(&w->lock);
	xs_conn_close(&c);
	pthread_mutex_lock(&w->lock);
	orphaned = w->orphaned;
	pthread_mutex_unlock(&w->lock);
	if (orphaned) {
		xs_worker_free(w);
	}
	return NULL;
}
