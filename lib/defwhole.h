/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A definition's keys together, for lib/definition.c. Errors as in lib/json.h. */
#include "lib/definition.h"
#include "lib/json.h"

/* Each part of D is well by itself. Also notes what can't be started: definition_supported(). */
int defwhole_check(const struct json_node *root, struct definition *d, struct err *err);
