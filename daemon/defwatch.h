/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tells when files of the definition directories were written, renamed or removed, so that a
 * definition dropped by a toolstack counts without a reload. inotify; no polling. What changes in a
 * burst is told once, DEFWATCH_QUIET_MS after its last change and no later than DEFWATCH_MAX_MS
 * after its first.
 */
struct defwatch;
struct loop;

#define DEFWATCH_QUIET_MS 50
#define DEFWATCH_MAX_MS 1000

/* Directories that do not exist are not watched (and are looked for again at each event of the
 * other). -errno. */
int defwatch_new(struct defwatch **ret, struct loop *loop, const char *const dirs[2],
	void (*fn)(void *ctx), void *ctx);
struct defwatch *defwatch_free(struct defwatch *w);
