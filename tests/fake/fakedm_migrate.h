/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* fakedm's migration and balloon. What becomes of a migration is the first word of a file:
 * "completed", "failed", "cancelled"; else, or without one, it goes on. */
#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

struct fakedm_machine {
	bool *running, stopped_start;
	char *status;
	size_t status_size;
	int *passed_fd;	    /* that came with the command; -1: none */
	const char *script; /* the file; NULL: none */
};

/* False: no command of these. Else the reply's "return" (NULL: {}) or an error's text. */
bool fakedm_migrate(const char *name, struct json_object *arguments,
	const struct fakedm_machine *machine, struct json_object **ret, const char **ret_error);
