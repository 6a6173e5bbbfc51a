/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The device model's log: libxl's name and rotation (qemu-dm-NAME.log, .1 to .10), written by QEMU
 * itself through a descriptor opened O_APPEND. While the daemon runs the file is kept below its
 * limit: inotify tells of growth (no polling), the head is dropped and a line says so.
 */
#include <stdint.h>

#include "lib/err.h"
#include "lib/strv.h"

struct loop;
struct dmlog_set; /* one inotify descriptor for all logs */
struct dmlog;

int dmlog_set_new(struct dmlog_set **ret, struct loop *loop);
/* Trims in this program (log-trim) from now on, because it may wait for the disk; without one the
 * loop does it. -ENOMEM. */
int dmlog_set_use_helper(struct dmlog_set *set, const char *path);
struct dmlog_set *dmlog_set_free(struct dmlog_set *set);

/* DIR/qemu-dm-NAME.log; '/' in NAME becomes '_'; names longer than the file system takes are cut
 * (with a hash of the whole behind). Caller frees. NULL: out of memory. */
char *dmlog_path(const char *dir, const char *name);
/* Rotates and creates (0644). RET_FD is the caller's, O_APPEND|O_CLOEXEC. */
int dmlog_open(const char *path, int *ret_fd, struct err *err);

/* Watches PATH until freed. Logs go before their set; those that are left go with it. -errno. */
int dmlog_watch(struct dmlog **ret, struct dmlog_set *set, const char *path, uint64_t max_bytes);
struct dmlog *dmlog_unwatch(struct dmlog *log);

/* The last at most LIMIT_LOG_TAIL_BYTES / LINES of the file as printable UTF-8, whole lines where
 * possible. Caller frees; NULL when it can't be read. Reads a bounded part from the end,
 * non-blocking. */
char *dmlog_tail(const char *path, unsigned lines);
