/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* lib/xs on the loop: delivers its results and keeps its deadlines. */
#include <sys/queue.h>

#include "lib/xs.h"

struct loop;
struct store;

int store_new(struct store **ret, struct loop *loop, const struct xs_link_ops *ops, void *ctx);
struct store *store_free(struct store *store);
bool store_is_up(const struct store *store);

/* As the xs_link_ functions of the same names. */
int store_submit(struct store *store, struct xs_batch *batch, int64_t deadline_ms, xs_done_fn done,
	void *ctx, uint64_t *ret_id);
void store_cancel(struct store *store, uint64_t id);
int store_watch(struct store *store, const char *path, const char *token);
void store_unwatch(struct store *store, const char *path, const char *token);

int store_connect_vchan(struct store *store, uint32_t domid, const char *path, int64_t deadline_ms,
	xs_vchan_fn done, void *ctx, uint64_t *ret_id);

/* A watch with a callback of its own, embedded in its owner; {0} is idle. FN(ARG) is called once
 * soon after the start and whenever something at or below PATH (borrowed) changed. */
struct store_watcher {
	LIST_ENTRY(store_watcher) entry;
	struct store *store;
	uint64_t id; /* 0: idle */
	const char *path;
	void (*fn)(void *arg);
	void *arg;
};
int store_watcher_start(struct store *store, struct store_watcher *w, const char *path,
	void (*fn)(void *arg), void *arg);
void store_watcher_stop(struct store_watcher *w);

/* Submits BATCH and forgets it: nothing depends on its outcome, a failure is logged as WHAT
 * (static). */
void store_submit_detached(
	struct store *store, struct xs_batch *batch, int64_t deadline_ms, const char *what);
