/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shortens a log that another process appends to. May wait for the disk: outside the daemon it runs
 * in the helper log-trim.
 */
#include <stdint.h>

#include "lib/err.h"

/* If PATH is longer than MAX: drops its head so that at most half of MAX (and at most
 * LIMIT_LOG_KEEP_BYTES) stay, and appends a line that says so. Where the file system can't cut a
 * file's head off, what is written while the tail is copied may be lost, and the line says that
 * too. RET_DROPPED: 0 when there was nothing to do. */
int logtrim_file(const char *path, uint64_t max, uint64_t *ret_dropped, struct err *err);
