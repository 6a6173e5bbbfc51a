/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Options on a device model's command line. QEMU takes two dashes for one. Pure. */
#include <stdbool.h>

#include "lib/strv.h"

/* ARG is OPTION, which has one dash. */
bool dmopt_is(const char *arg, const char *option);
/* It stands somewhere behind argv[0]; an argument of another option counts as well. */
bool dmopt_has(const struct strv *argv, const char *option);
/* What stands behind the first OPTION; NULL: nothing. Borrowed. */
const char *dmopt_value(const struct strv *argv, const char *option);

/* It serves a Xen guest: it was told which. */
bool dmopt_is_xen(const struct strv *argv);
/* The machine is xenpv: it serves the backends of a PV or PVH guest, or of a stub domain. */
bool dmopt_is_xenpv(const struct strv *argv);
/* The first argument that names a descriptor which the device model was to inherit: "fd=N",
 * "fds=N", "fd:N" or "/dev/fd/N"; NULL: none. Borrowed. Rather one too many: a file may be called
 * so. */
const char *dmopt_inherited(const struct strv *argv);
