/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Starts one of our own small helper programs: posix_spawn (which shares our memory until the exec,
 * so that its cost does not grow with the daemon), all signals at their defaults, none blocked.
 */
#include <sys/types.h>

#include "lib/err.h"

/* FROM may equal TO: the descriptor is then inherited under its number. */
struct childproc_fd {
	int from, to;
};

struct childproc_params {
	const char *path;
	char *const *argv;
	char *const *env; /* NULL: ours */
	/* Done in this order; no TO may be a later entry's FROM. Everything else relies on
	 * CLOEXEC. */
	const struct childproc_fd *fds;
	unsigned fds_len;
};

/* RET_PIDFD refers to the child for certain: nobody but its owner reaps it. The child is reaped by
 * the caller (process.h). */
int childproc_spawn(
	const struct childproc_params *params, pid_t *ret_pid, int *ret_pidfd, struct err *err);
