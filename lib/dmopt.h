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
