/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files that a device model gets open: what they are (pure), and opening them, which may wait (a
 * FIFO, a file on a server that is away): dm-launch does it, never the daemon.
 */
#include <stddef.h>

#include "lib/err.h"

#define OPENFILE_FIRST_FD 3 /* contract section 7 */

enum openfile_how {
	OPENFILE_READ,
	OPENFILE_WRITE,
	OPENFILE_READ_WRITE,
	OPENFILE_APPEND,
	OPENFILE_TAP,	    /* a tap interface of that name, made if it is not there */
	OPENFILE_TAP_QUEUE, /* one queue of several of it */
	OPENFILE_MACVTAP,
	OPENFILE_LISTEN,   /* a unix socket at that path; a stale one is replaced */
	OPENFILE_RECEIVED, /* open already, passed beside the list; NAME is the definition's */
	_OPENFILE_MAX
};
const char *openfile_how_name(enum openfile_how how);
/* -EINVAL. */
int openfile_how_parse(const char *name, enum openfile_how *ret);

struct openfile {
	enum openfile_how how;
	char *name;
};
/* In the order of their descriptors. */
struct openfiles {
	struct openfile *items;
	size_t len;
};
/* Copies NAME. -ENOMEM. */
int openfiles_add(struct openfiles *files, enum openfile_how how, const char *name);
void openfiles_fini(struct openfiles *files);

/* Not for those that were received. RET_FD is the caller's (CLOEXEC). ERR says what was done, its
 * code why that failed. */
int openfile_open(const struct openfile *file, int *ret_fd, struct err *err);
