/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/loop.h"
#include "lib/log.h"

#define WATCHER_TOKEN "store/"
#define WATCHER_BUCKETS 64

struct store {
	struct loop *loop;
	const struct xs_link_ops *ops;
	void *ctx;
	uint64_t last_watcher;
	LIST_HEAD(, store_watcher) watchers[WATCHER_BUCKETS];
	struct xs_link *link;
	struct loop_io io;
	struct loop_timer deadline;
};

static void on_event(void *arg);

static void arm(struct store *store)
{
	int64_t left = xs_link_next_deadline_ms(store->link);

	if (left < 0) {
		loop_timer_stop(&store->deadline);
	} else {
		/* A timer that fires a little early would find nothing expired. */
		loop_timer_start(store->loop, &store->deadline, left + 1, on_event, store);
	}
}

static void on_event(void *arg)
{
	struct store *store = arg;

	xs_link_dispatch(store->link);
	arm(store);
}

static void on_readable(void *arg, unsigned events)
{
	on_event(arg);
}

static void watcher_token(uint64_t id, char *ret, size_t size)
{
	snprintf(ret, size, WATCHER_TOKEN "%llu", (unsigned long long)id);
}

static void tell_watcher(struct store *store, const char *number)
{
	uint64_t id = strtoull(number, NULL, 10);
	struct store_watcher *w;

	LIST_FOREACH (w, &store->watchers[id % WATCHER_BUCKETS], entry) {
		if (w->id == id) {
			w->fn(w->arg);
			return;
		}
	}
}

static void on_watch(void *ctx, const char *path, const char *token)
{
	struct store *store = ctx;

	if (!strncmp(token, WATCHER_TOKEN, strlen(WATCHER_TOKEN))) {
		tell_watcher(store, token + strlen(WATCHER_TOKEN));
	} else if (store->ops->on_watch) {
		store->ops->on_watch(store->ctx, path, token);
	}
}

static void on_connection(void *ctx, bool up)
{
	struct store *store = ctx;

	if (store->ops->on_connection) {
		store->ops->on_connection(store->ctx, up);
	}
}

static const struct xs_link_ops link_ops = {.on_watch = on_watch, .on_connection = on_connection};

int store_watcher_start(struct store *store, struct store_watcher *w, const char *path,
	void (*fn)(void *arg), void *arg)
{
	char token[32];
	int r;

	store_watcher_stop(w);
	watcher_token(++store->last_watcher, token, sizeof(token));
	r = store_watch(store, path, token);
	if (r < 0) {
		return r;
	}
	*w = (struct store_watcher){
		.store = store, .id = store->last_watcher, .path = path, .fn = fn, .arg = arg};
	LIST_INSERT_HEAD(&store->watchers[w->id % WATCHER_BUCKETS], w, entry);
	return 0;
}

void store_watcher_stop(struct store_watcher *w)
{
	char token[32];

	if (w->id) {
		watcher_token(w->id, token, sizeof(token));
		store_unwatch(w->store, w->path, token);
		LIST_REMOVE(w, entry);
		w->id = 0;
	}
}

int store_new(struct store **ret, struct loop *loop, const struct xs_link_ops *ops, void *ctx)
{
	struct store *store = calloc(1, sizeof(*store));
	int r;

	if (!store) {
		return -ENOMEM;
	}
	store->loop = loop;
	store->ops = ops;
	store->ctx = ctx;
	r = xs_link_new(&store->link, &link_ops, store);
	if (r == 0) {
		r = loop_io_start(
			loop, &store->io, xs_link_fd(store->link), LOOP_READ, on_readable, store);
	}
	if (r < 0) {
		store_free(store);
		return r;
	}
	*ret = store;
	return 0;
}

struct store *store_free(struct store *store)
{
	if (!store) {
		return NULL;
	}
	loop_io_stop(&store->io);
	loop_timer_stop(&store->deadline);
	if (store->link) {
		xs_link_free(store->link);
	}
	free(store);
	return NULL;
}

bool store_is_up(const struct store *store)
{
	return xs_link_is_up(store->link);
}

int store_submit(struct store *store, struct xs_batch *batch, int64_t deadline_ms, xs_done_fn done,
	void *ctx, uint64_t *ret_id)
{
	int r = xs_link_submit(store->link, batch, deadline_ms, done, ctx, ret_id);

	arm(store);
	return r;
}

int store_connect_vchan(struct store *store, uint32_t domid, const char *path, int64_t deadline_ms,
	xs_vchan_fn done, void *ctx, uint64_t *ret_id)
{
	int r = xs_link_connect_vchan(store->link, domid, path, deadline_ms, done, ctx, ret_id);

	arm(store);
	return r;
}

void store_cancel(struct store *store, uint64_t id)
{
	xs_link_cancel(store->link, id);
}

int store_watch(struct store *store, const char *path, const char *token)
{
	return xs_link_watch(store->link, path, token);
}

void store_unwatch(struct store *store, const char *path, const char *token)
{
	xs_link_unwatch(store->link, path, token);
}

static void on_detached(void *ctx, int status, const struct xs_results *results)
{
	/* -ESTALE: the domain went away first, which is why nobody waits for the answer. */
	if (status < 0 && status != -ESTALE) {
		log_warning("xenstore: %s: %s", (const char *)ctx, strerror(-status));
	}
}

void store_submit_detached(
	struct store *store, struct xs_batch *batch, int64_t deadline_ms, const char *what)
{
	int r = batch ? store_submit(store, batch, deadline_ms, on_detached, (void *)what, NULL)
		      : -ENOMEM;

	if (r < 0) {
		log_warning("xenstore: %s: %s", what, strerror(-r));
	}
}
