/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Exit records: STATE_DIR/exits/, one JSON file for each ended device model, the newest kept. */
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"

struct exits;

/* Makes the directory if it can; a directory that can't be used is told at each write. */
int exits_new(struct exits **ret, const char *state_dir, unsigned kept);
struct exits *exits_free(struct exits *exits);

/* JSON is borrowed. The file is complete or absent. */
int exits_write(struct exits *exits, uint32_t domid, const char *uuid, struct json_object *json,
	struct err *err);
