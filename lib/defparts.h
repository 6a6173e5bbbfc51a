/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The parts of a definition that are checked by themselves, for lib/definition.c and (limits)
 * lib/config.c. Errors as in lib/json.h.
 */
#include "lib/definition.h"
#include "lib/json.h"

/* Calls CHECK for every string at and below NODE until one fails. The recursion is no deeper than
 * the text, LIMIT_JSON_DEPTH. */
typedef int (*defparts_string_fn)(const struct json_node *node, void *ctx, struct err *err);
int defparts_each_string(
	const struct json_node *node, defparts_string_fn check, void *ctx, struct err *err);
/* Every string at and below NODE has only known placeholders. */
int defparts_check_placeholders(const struct json_node *node, struct err *err);

/* "limits": sets what is there in *LIMITS and its DEFINITION_GIVES_* in *GIVEN. */
int defparts_limits(const struct json_node *node, struct definition_limits *limits, unsigned *given,
	struct err *err);

/* "files", and every "@NAME" in argv, extra_args and qemu: each form is complete, each name is
 * defined and used. */
int defparts_files(const struct json_node *root, struct err *err);

/* From here on FILES is the object "files" that passed the above, or NULL for none. */
struct openfiles;
struct strv;
struct subst_values;
/* How many descriptors all of them are. */
unsigned defparts_files_fds(struct json_object *files);
/* How many NAME is: a tap has one for each queue; 1 where FILES is NULL. */
unsigned defparts_file_fds(struct json_object *files, const char *name);
/* Is it a file with a path, opened for reading alone? False where FILES is NULL. */
bool defparts_is_read_file(struct json_object *files, const char *name);
/* The first descriptor of NAME. NAMES has those that were named before, each as often as it has
 * descriptors, and gets this one if it is not among them. */
unsigned defparts_number_file(struct json_object *files, const char *name, struct strv *names);
/* Each "@NAME" in TEXT becomes its number, or numbers with colons between. Caller frees RET. */
int defparts_number_files(struct json_object *files, const char *text, struct strv *names,
	char **ret, struct err *err);
/* What is to be opened for NAMES. */
int defparts_resolve_files(struct json_object *files, const struct strv *names,
	const struct subst_values *values, struct openfiles *ret, struct err *err);

int defparts_stubdom(const struct json_node *node, enum definition_source source, struct err *err);
int defparts_confinement(const struct json_node *node, struct err *err);

/* A path that is absolute, or a bare file name (BARE), or begins with a placeholder (SUBST). */
enum { DEFPARTS_PATH_BARE = 1, DEFPARTS_PATH_SUBST = 2 };
int defparts_path(const struct json_node *node, unsigned forms, const char **ret, struct err *err);
