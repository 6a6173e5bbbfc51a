/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The key "match" of a definition, for lib/definition.c. Errors as in lib/json.h. */
#include "lib/definition.h"
#include "lib/json.h"

int defmatch_parse(const struct json_node *match, struct definition *d, struct err *err);
