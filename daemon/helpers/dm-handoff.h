/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the sources of dm-handoff share. One thread, and it may wait. */
#include "proto/handoff.h"

struct config;

/* --- handoff_collect.c */

/* What this process was given: environment, every descriptor, EXCEPT_FD not among them but behind
 * the last, working directory. RET->argv is the caller's to fill before. Checked with
 * handoff_check(). */
int helper_collect(int except_fd, struct handoff_request *ret, struct err *err);

/* --- handoff_real.c: QEMU in our place. Both return only when it can't be executed, which is told.
 * Our own descriptors are CLOEXEC. */

void helper_run_real(const struct config *config, char *argv[]);
/* libxl's question for QEMU's options (Xen 4.20 and later). */
void helper_run_probe(const struct config *config, char *argv[]);
