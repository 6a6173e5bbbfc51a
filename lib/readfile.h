/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads a whole small file that somebody else may have put there: never waits on a FIFO, opens no
 * device, reads no more than it was allowed to. */
#include <stddef.h>

#include "lib/err.h"

/* NAME relative to DIRFD (AT_FDCWD). *RET ends with a NUL that *RET_LEN does not count; the caller
 * frees it. -ENOENT, -EACCES, -EISDIR, -EINVAL (no regular file), -EFBIG, -EIO ...; ERR has a
 * sentence without the name. A dangling link is -ENOLINK, naming its target. */
int readfile(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len, struct err *err);
/* The same of whatever PATH is, as a user gave it: waits for a pipe's writer. "-" is stdin. */
int readfile_any(const char *path, size_t max, char **ret, size_t *ret_len, struct err *err);
