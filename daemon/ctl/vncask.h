/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A definition that asks for a VNC password of a QEMU that can't have one: `dmctl check` finds out
 * before the daemon does. The binary itself is asked (dm-ask), each once. */
#include <stddef.h>

#include "lib/config.h"

struct vncask;

struct vncask *vncask_new(const struct config *config); /* borrows it; NULL: out of memory */
void vncask_free(struct vncask *v);

/* The definition TEXT is right. A sentence, which the caller frees; NULL: nothing to say, also when
 * it can't be found out (no such binary here, no Xen). Takes as long as a QEMU takes to answer, at
 * most ASKDM_DEADLINE_MS. */
char *vncask_warning(struct vncask *v, const char *file, const char *text, size_t len);
