/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small files and directories, each call bounded. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/err.h"

/* Writes PATH.tmp and renames it; with SYNC the data is on disk before the rename. */
int fsutil_write_atomic(
	const char *path, const void *data, size_t len, mode_t mode, bool sync, struct err *err);

/* mkdir that accepts an existing directory (not a link) and sets its mode. */
int fsutil_mkdir(const char *path, mode_t mode, struct err *err);

/* Removes a directory with all that is in it, which a peer may have put there: links are removed,
 * not followed, other file systems not entered, and what is nested deeper than LIMIT_REMOVE_DEPTH
 * stays (-E2BIG). Of more than LIMIT_REMOVE_ENTRIES so many are removed and the rest stays
 * (-E2BIG): the next call goes on. Absent is success. A link in PATH's place is -ENOTDIR. */
int fsutil_remove_dir(const char *path, struct err *err);
