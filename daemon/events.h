/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What happened, in order: contract section 4.2. The last LIMIT_EVENTS_KEPT are kept in memory.
 * Sequence numbers go on over restarts of the daemon: a block of numbers is reserved in
 * STATE_DIR/event-seq before its first one is given out, so that a crash only skips numbers.
 */
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"

struct events;
struct events_reader;

/* A state directory that can't be used does not fail this: see events_store_error(). */
int events_new(struct events **ret, const char *state_dir, unsigned kept);
/* Keeps the exact number, so that a clean restart skips none. */
struct events *events_free(struct events *events);

/* 0, or -errno with a sentence while the numbers can't be kept on disk. They then go on from the
 * clock's milliseconds, which also never goes back in practice. */
int events_store_error(const struct events *events, struct err *err);

/* Takes BODY ({"event":…,"domid":…,…}) over, adds seq and time in front. It may be called from
 * within FN: such an event is told after the one that FN was called for. */
void events_publish(struct events *events, struct json_object *body);
uint64_t events_last_seq(const struct events *events);

/* Calls FN for what is kept after SINCE, oldest first, with an events-lost event ({"first":N,
 * "last":M}) first where some are missing; SINCE 0 is all that is kept, with nothing missing. Then,
 * with FOLLOW, until freed, for each new one (from within events_publish()). FN may free readers,
 * also its own. EVENT is one line of JSON text, borrowed. *RET is set before FN is first called and
 * NULL afterwards without FOLLOW; it may be left out (NULL) then. */
typedef void (*events_fn)(void *ctx, const char *event, size_t len);
int events_read(struct events *events, uint64_t since, bool follow, events_fn fn, void *ctx,
	struct events_reader **ret);
struct events_reader *events_reader_free(struct events_reader *reader);
