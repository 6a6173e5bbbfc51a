/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The source "libxl" of a definition, for lib/definition.c. Errors as in lib/json.h. */
#include "lib/definition.h"
#include "lib/json.h"

/* Parses it, and "kind" follows from it or must agree with it. */
int deflibxl_parse(const struct json_node *root, struct definition *d, struct err *err);
