/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* lib/xs on the loop: delivers its results and keeps its deadlines. */
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

/* Submits BATCH and forgets it: nothing depends on its outcome, a failure is logged as WHAT
 * (static). */
void store_submit_detached(
	struct store *store, struct xs_batch *batch, int64_t deadline_ms, const char *what);
