/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What device model binaries are and can't do: asked once per binary (dm-ask, a process of its
 * own), kept as long as the file is the same. Of the loop's thread.
 */
#include <sys/stat.h>

#include "lib/err.h"

struct dmask;

enum dmask_answer { DMASK_UNKNOWN, DMASK_CAN, DMASK_CANNOT };

#define DMASK_CANNOT_EXIT 3 /* dm-ask's status */

struct dmask *dmask_new(void); /* NULL: out of memory */
struct dmask *dmask_free(struct dmask *a);

/* Can the file ST ask for a VNC password? RET_WHY, when it can't, is borrowed. */
enum dmask_answer dmask_vnc_password(
	const struct dmask *a, const struct stat *st, const char **ret_why);
/* WHY NULL: it can. The oldest of LIMIT_DMASK_KEPT files makes room. */
void dmask_note_vnc_password(struct dmask *a, const struct stat *st, const char *why);

/* MAJOR * 100 + MINOR of the file ST; 0: not known. TEXT is dm-ask's "MAJOR.MINOR". */
unsigned dmask_version(const struct dmask *a, const struct stat *st);
unsigned dmask_note_version(struct dmask *a, const struct stat *st, const char *text);
