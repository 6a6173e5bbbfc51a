/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Accepts the clients of a listening socket: a bounded number a turn. When descriptors or memory
 * run out it says so and waits, as the pending connection would wake the loop for ever.
 */
#include <stdbool.h>

#include "daemon/loop.h"

/* Embedded in its owner; {0} is idle. */
struct acceptor {
	struct loop *loop;
	int fd;
	const char *name; /* of the socket, for the log */
	void (*on_client)(void *ctx, int fd);
	void *ctx;
	struct loop_io io;
	struct loop_timer pause;
	bool paused;
};

/* FD (which listens, nonblocking) and NAME are borrowed until acceptor_stop(). ON_CLIENT comes from
 * the loop and owns its descriptor (CLOEXEC, nonblocking). Out of memory it begins later. */
void acceptor_start(struct acceptor *a, struct loop *loop, int fd, const char *name,
	void (*on_client)(void *ctx, int fd), void *ctx);
void acceptor_stop(struct acceptor *a); /* an idle one too, and from within ON_CLIENT */
