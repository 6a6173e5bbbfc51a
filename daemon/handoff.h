/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A device model that dm-handoff gave to us: what was given, and who waits for what becomes of it.
 * Loop thread only. It belongs to its domain from the call until libxl has let go (or the start has
 * failed).
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/loop.h"
#include "proto/handoff.h"

struct control_call;
struct manager;
struct process;

struct handoff {
	struct control_call *call; /* NULL: the helper has gone, or an earlier daemon took it */
	pid_t helper;		   /* what libxl will write as the device model's pid */
	struct handoff_request request;
	int fds[HANDOFF_FDS_MAX]; /* ours; as request.fds names them */
	unsigned fds_len;
	int parent_fd; /* pidfd, until watched */

	struct process *parent; /* libxl's intermediate process; or the helper, which outlives it */
	bool parent_gone;
	bool named; /* image/device-model-pid names QEMU */
	bool last_try;
	uint64_t xs_request;
	struct loop_timer retry;
	struct manager *manager;   /* while it is linked there */
	TAILQ_ENTRY(handoff) link; /* manager::handoffs, while its domain is not known yet */
};

struct handoff *handoff_new(void); /* NULL: out of memory */
/* The descriptors; what is left to do needs none. */
void handoff_close_fds(struct handoff *handoff);
/* Its call must have been completed. NULL allowed; returns NULL. */
struct handoff *handoff_free(struct handoff *handoff);
