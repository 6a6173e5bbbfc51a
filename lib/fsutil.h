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

/* Removes a directory with the files in it, one level deep: run directories hold no more. Absent is
 * success. */
int fsutil_remove_dir(const char *path, struct err *err);
