/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/xs_private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenstore.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/vchan.h"

/*
 * The loop's side. A request is two objects: `pending` stays here with callback, context and
 * deadline; the job, with the operations, goes to the thread (xs_worker.c) and comes back as an
 * event. They find each other by number, so a request that was cancelled or has expired
 * is simply one whose job comes back to nobody. Deadlines are kept here alone: they pass also while
 * the thread is stuck in a stopped xenstored.
 *
 * `pending` is in a hash by number and in a list by deadline; nearly all requests have the same
 * allowance, so that inserting from the end finds its place at once.
 */
#define PENDING_BUCKETS 256

struct pending {
	LIST_ENTRY(pending) entry;	     /* xs_link::by_id */
	TAILQ_ENTRY(pending) deadline_entry; /* xs_link::by_deadline */
	uint64_t id;
	int64_t deadline_ms;
	struct xs_job *job; /* borrowed; lives at least as long as this */
	xs_done_fn done;
	xs_vchan_fn vchan_done; /* of a job with a connection */
	void *ctx;
};

TAILQ_HEAD(pendings, pending);

struct xs_link {
	struct xs_worker *worker;
	pthread_t thread;
	const struct xs_link_ops *ops;
	void *ctx;
	bool up;
	uint64_t last_id;
	unsigned pending_len;
	LIST_HEAD(, pending) by_id[PENDING_BUCKETS];
	struct pendings by_deadline;
};

/* All signals are the loop's. */
static int start_thread(struct xs_link *link)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&link->thread, NULL, xs_worker_main, link->worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

int xs_link_new(struct xs_link **ret, const struct xs_link_ops *ops, void *ctx)
{
	struct xs_link *link = calloc(1, sizeof(*link));
	int r;

	if (!link) {
		return -ENOMEM;
	}
	link->ops = ops;
	link->ctx = ctx;
	TAILQ_INIT(&link->by_deadline);
	r = setenv("XENSTORED_PATH", xs_daemon_socket(), 0) < 0 ? -errno : 0;
	if (r == 0) {
		r = xs_worker_new(&link->worker);
	}
	if (r == 0) {
		r = start_thread(link);
	}
	if (r < 0) {
		if (link->worker) {
			xs_worker_free(link->worker);
		}
		free(link);
		return r;
	}
	*ret = link;
	return 0;
}

static void pending_free(struct xs_link *link, struct pending *p)
{
	LIST_REMOVE(p, entry);
	TAILQ_REMOVE(&link->by_deadline, p, deadline_entry);
	link->pending_len--;
	free(p);
}

struct xs_link *xs_link_free(struct xs_link *link)
{
	struct xs_worker *w;
	struct pending *p;
	bool busy;

	if (!link) {
		return NULL;
	}
	w = link->worker;
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	busy = w->busy;
	w->orphaned = busy;
	xs_worker_wake(w);
	pthread_mutex_unlock(&w->lock);
	if (busy) {
		pthread_detach(link->thread);
	} else {
		pthread_join(link->thread, NULL);
		xs_worker_free(w);
	}
	while ((p = TAILQ_FIRST(&link->by_deadline))) {
		pending_free(link, p);
	}
	free(link);
	return NULL;
}

int xs_link_fd(const struct xs_link *link)
{
	return link->worker->ready_fd;
}

int64_t xs_link_next_deadline_ms(const struct xs_link *link)
{
	const struct pending *p = TAILQ_FIRST(&link->by_deadline);
	int64_t left;

	if (!p) {
		return -1;
	}
	left = p->deadline_ms - xs_now_ms();
	return left > 0 ? left : 0;
}

bool xs_link_is_up(const struct xs_link *link)
{
	return link->up;
}

static struct pending *find_pending(struct xs_link *link, uint64_t id)
{
	struct pending *p;

	LIST_FOREACH (p, &link->by_id[id % PENDING_BUCKETS], entry) {
		if (p->id == id) {
			return p;
		}
	}
	return NULL;
}

static void insert_pending(struct xs_link *link, struct pending *p)
{
	struct pending *before = TAILQ_LAST(&link->by_deadline, pendings);

	while (before && before->deadline_ms > p->deadline_ms) {
		before = TAILQ_PREV(before, pendings, deadline_entry);
	}
	if (before) {
		TAILQ_INSERT_AFTER(&link->by_deadline, before, p, deadline_entry);
	} else {
		TAILQ_INSERT_HEAD(&link->by_deadline, p, deadline_entry);
	}
	LIST_INSERT_HEAD(&link->by_id[p->id % PENDING_BUCKETS], p, entry);
	link->pending_len++;
}

/* 0, or why this batch can't be taken. */
static int refuse(const struct xs_link *link, const struct xs_batch *batch)
{
	if (!batch) {
		return -ENOMEM;
	}
	if (batch->error) {
		return batch->error;
	}
	return link->pending_len >= LIMIT_XS_PENDING ? -ENOBUFS : 0;
}

/* WANTED has the callback. Takes BATCH and CONNECT over in any case. */
static int submit(struct xs_link *link, struct xs_batch *batch, struct xs_connect *connect,
	int64_t deadline_ms, const struct pending *wanted, uint64_t *ret_id)
{
	struct xs_worker *w = link->worker;
	int r = refuse(link, batch);
	struct xs_job *job = r < 0 ? NULL : calloc(1, sizeof(*job));
	struct pending *p = r < 0 ? NULL : calloc(1, sizeof(*p));

	if (!job || !p) {
		free(job);
		free(p);
		xs_batch_free(batch);
		xs_connect_free(connect);
		return r < 0 ? r : -ENOMEM;
	}
	*p = *wanted;
	p->id = ++link->last_id;
	p->deadline_ms = xs_now_ms() + deadline_ms;
	p->job = job;
	*job = (struct xs_job){.id = p->id,
		.deadline_ms = p->deadline_ms,
		.batch = batch,
		.connect = connect,
		.queued = true};
	insert_pending(link, p);
	if (ret_id) {
		*ret_id = p->id;
	}
	pthread_mutex_lock(&w->lock);
	TAILQ_INSERT_TAIL(&w->todo, job, entry);
	xs_worker_wake(w);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

int xs_link_submit(struct xs_link *link, struct xs_batch *batch, int64_t deadline_ms,
	xs_done_fn done, void *ctx, uint64_t *ret_id)
{
	return submit(link, batch, NULL, deadline_ms,
		&(const struct pending){.done = done, .ctx = ctx}, ret_id);
}

int xs_link_connect_vchan(struct xs_link *link, uint32_t domid, const char *path,
	int64_t deadline_ms, xs_vchan_fn done, void *ctx, uint64_t *ret_id)
{
	struct xs_connect *connect;

	if (strlen(path) > VCHAN_PATH_MAX) {
		return -ENAMETOOLONG;
	}
	connect = xs_connect_new(domid, path);
	return submit(link, connect ? xs_connect_batch(path) : NULL, connect, deadline_ms,
		&(const struct pending){.vchan_done = done, .ctx = ctx}, ret_id);
}

/* Forgets a request; takes it from the thread when that has not begun with it. */
static void drop_pending(struct xs_link *link, struct pending *p)
{
	struct xs_worker *w = link->worker;

	pthread_mutex_lock(&w->lock);
	if (p->job->queued) {
		TAILQ_REMOVE(&w->todo, p->job, entry);
		xs_job_free(p->job);
	}
	pthread_mutex_unlock(&w->lock);
	pending_free(link, p);
}

void xs_link_cancel(struct xs_link *link, uint64_t id)
{
	struct pending *p = find_pending(link, id);

	if (p) {
		drop_pending(link, p);
	}
}

/* With the lock held. */
static struct xs_watch_entry *find_watch(struct xs_worker *w, const char *path, const char *token)
{
	struct xs_watch_entry *watch;

	LIST_FOREACH (watch, &w->watches[xs_watch_bucket(token)], entry) {
		if (!strcmp(watch->token, token) && !strcmp(watch->path, path)) {
			return watch;
		}
	}
	return NULL;
}

static struct xs_watch_entry *add_watch(struct xs_worker *w, const char *path, const char *token)
{
	struct xs_watch_entry *watch = calloc(1, sizeof(*watch));

	if (!watch) {
		return NULL;
	}
	watch->path = strdup(path);
	watch->token = strdup(token);
	if (!watch->path || !watch->token) {
		free(watch->path);
		free(watch->token);
		free(watch);
		return NULL;
	}
	LIST_INSERT_HEAD(&w->watches[xs_watch_bucket(token)], watch, entry);
	return watch;
}

int xs_link_watch(struct xs_link *link, const char *path, const char *token)
{
	struct xs_worker *w = link->worker;
	struct xs_watch_entry *watch;
	int r = xs_path_check(path, true);

	if (r < 0) {
		return r;
	}
	pthread_mutex_lock(&w->lock);
	watch = find_watch(w, path, token);
	if (!watch) {
		watch = add_watch(w, path, token);
	}
	if (!watch) {
		r = -ENOMEM;
	} else if (!watch->wanted) {
		watch->wanted = true;
		xs_watch_mark_dirty(w, watch);
		xs_worker_wake(w);
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

void xs_link_unwatch(struct xs_link *link, const char *path, const char *token)
{
	struct xs_worker *w = link->worker;
	struct xs_watch_entry *watch;

	pthread_mutex_lock(&w->lock);
	watch = find_watch(w, path, token);
	if (watch && watch->wanted) {
		watch->wanted = false;
		xs_watch_mark_dirty(w, watch);
		xs_worker_wake(w);
	}
	pthread_mutex_unlock(&w->lock);
}

/* Events of a watch that was taken back meanwhile are not told. */
static bool is_wanted(struct xs_worker *w, const char *path, const char *token)
{
	struct xs_watch_entry *watch;
	bool found = false;

	pthread_mutex_lock(&w->lock);
	LIST_FOREACH (watch, &w->watches[xs_watch_bucket(token)], entry) {
		if (watch->wanted && !strcmp(watch->token, token) &&
			(!strcmp(watch->path, "/") || xs_path_is_subpath(watch->path, path))) {
			found = true;
			break;
		}
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

static void deliver_watch(struct xs_link *link, char **watch)
{
	const char *path = watch[XS_WATCH_PATH], *token = watch[XS_WATCH_TOKEN];

	if (link->ops->on_watch && is_wanted(link->worker, path, token)) {
		link->ops->on_watch(link->ctx, path, token);
	}
}

static void deliver_connection(struct xs_link *link, bool up)
{
	link->up = up;
	if (link->ops->on_connection) {
		link->ops->on_connection(link->ctx, up);
	}
}

/* JOB is NULL when it did not come in time. */
static void deliver(const struct pending *p, struct xs_job *job, int status)
{
	struct err err;

	if (p->done) {
		p->done(p->ctx, status, status ? NULL : &job->batch->ops);
	} else if (p->vchan_done && !job) {
		err_set_errno(&err, status, "a vchan");
		p->vchan_done(p->ctx, NULL, &err);
	} else if (p->vchan_done && status < 0) {
		p->vchan_done(p->ctx, NULL, xs_connect_err(job->connect, status));
	} else if (p->vchan_done) {
		p->vchan_done(p->ctx, TAKE_PTR(job->connect->vchan), NULL);
	}
}

static void free_late(struct xs_worker *w, struct xs_job *job)
{
	pthread_mutex_lock(&w->lock);
	TAILQ_INSERT_TAIL(&w->late, job, entry);
	xs_worker_wake(w);
	pthread_mutex_unlock(&w->lock);
}

/* Takes JOB over. */
static void deliver_result(struct xs_link *link, struct xs_job *job)
{
	struct pending *p = find_pending(link, job->id);

	if (p) {
		const struct pending wanted = *p;

		pending_free(link, p);
		deliver(&wanted, job, job->status);
	}
	if (job->connect && job->connect->vchan) {
		free_late(link->worker, job);
	} else {
		xs_job_free(job);
	}
}

static void deliver_events(struct xs_link *link, struct xs_events *events)
{
	struct xs_event *event;

	while ((event = TAILQ_FIRST(events))) {
		TAILQ_REMOVE(events, event, entry);
		switch (event->kind) {
		case XS_EVENT_WATCH:
			deliver_watch(link, event->watch);
			break;
		case XS_EVENT_UP:
		case XS_EVENT_DOWN:
			deliver_connection(link, event->kind == XS_EVENT_UP);
			break;
		case XS_EVENT_JOB_OVER:
			deliver_result(link, event->job);
			continue; /* it was the job's own */
		}
		xs_event_free(event);
	}
}

static void deliver_expired(struct xs_link *link)
{
	int64_t now = xs_now_ms();
	struct pending *p;

	while ((p = TAILQ_FIRST(&link->by_deadline)) && p->deadline_ms <= now) {
		const struct pending wanted = *p;

		drop_pending(link, p);
		deliver(&wanted, NULL, -ETIMEDOUT);
	}
}

void xs_link_dispatch(struct xs_link *link)
{
	struct xs_worker *w = link->worker;
	struct xs_events events = TAILQ_HEAD_INITIALIZER(events);
	uint64_t count;
	ssize_t n = read(w->ready_fd, &count, sizeof(count));

	(void)n;
	pthread_mutex_lock(&w->lock);
	TAILQ_CONCAT(&events, &w->events, entry);
	if (w->events_len) {
		w->events_len = 0;
		xs_worker_wake(w); /* it may have stopped at its limit */
	}
	pthread_mutex_unlock(&w->lock);
	deliver_events(link, &events);
	deliver_expired(link);
}
