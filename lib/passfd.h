/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Descriptors that go with bytes over a unix socket (SCM_RIGHTS, unix(7)). */
#include <stddef.h>
#include <sys/types.h>

#define PASSFD_MAX 253 /* the kernel's SCM_MAX_FD */

/* sendmsg(2) with FLAGS and MSG_NOSIGNAL, and its result and errno. FDS (borrowed, at most
 * PASSFD_MAX; more is EINVAL) have gone when it is positive: the next part goes without them. */
ssize_t passfd_send(
	int sock, const char *data, size_t len, const int *fds, unsigned fds_len, int flags);
