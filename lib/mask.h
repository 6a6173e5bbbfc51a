/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Secrets on a command line: what must not reach a log, a terminal or a client. Masked are the
 * values of "password=" and "passwd=" in QEMU's key=value form, of "data=" in a secret object
 * (-object secret,…), and of the same keys in QEMU's JSON form. qemu-options(7).
 */
#include "lib/strv.h"

/* A copy with each such value replaced by "***"; the caller frees; NULL when out of memory. */
char *mask_secrets(const char *arg);
/* The whole list; strv_status(RET) tells of memory. RET is empty on entry. */
void mask_argv(const struct strv *argv, struct strv *ret);
