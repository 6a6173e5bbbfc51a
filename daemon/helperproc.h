/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One of our own small programs, run for what could block (dom-destroy, log-trim): its exit status
 * and the beginning of what it wrote to stderr, within a deadline. Its stdin and stdout are
 * /dev/null.
 */
#include <stdint.h>

#include "lib/err.h"
#include "proto/status.h"

struct loop;
struct helperproc;

/* Called once, from the loop. EXIT code 0: done, ERR is NULL. Otherwise ERR is a sentence: what it
 * wrote, or how it ended; -ETIMEDOUT after the deadline (it was killed; a process stuck in the
 * kernel may live on, EXIT is unknown then). */
typedef void (*helperproc_fn)(void *ctx, const struct exit_info *exit, const struct err *err);

/* ARGV with argv[0], NULL-terminated; the environment is the daemon's. -errno with ERR when it
 * can't be started. */
int helperproc_run(struct helperproc **ret, struct loop *loop, const char *path, char *const *argv,
	int64_t deadline_ms, helperproc_fn done, void *ctx, struct err *err);
/* What it wrote to stderr, printable, up to the last word; from within DONE. */
const char *helperproc_text(struct helperproc *h);
/* DONE will not come; the process is killed if it still runs, and reaped. NULL allowed; also after
 * DONE, and from within it: each helperproc is freed by its owner. Returns NULL. */
struct helperproc *helperproc_free(struct helperproc *h);
/* The same, but the process goes on by itself: what it does must not be left half done. */
struct helperproc *helperproc_detach(struct helperproc *h);
