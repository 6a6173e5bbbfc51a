/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * JSON files that people write: scanned (lib/jsonscan), parsed by json-c, read with checked
 * getters. Every error reads "FILE:LINE: KEY: message" and carries -EINVAL (-ENOMEM when memory
 * ran out). KEY is a path as in "limits.pids_max" or "argv[3]" and left out at the top. The text
 * must live as long as the document: places are looked up in it when they are needed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/cleanup.h"
#include "lib/err.h"

struct json_doc {
	const char *file, *text; /* borrowed; a tree that has no text has no file and no lines */
	size_t len;
	struct json_object *root; /* owned; an object */
};

/* A value and the way to it. Nodes live on the stack and borrow from the document. */
struct json_node {
	const struct json_doc *doc;
	const struct json_node *parent; /* NULL: the root */
	const char *key;		/* NULL: an element */
	size_t index;
	struct json_object *value; /* NULL: JSON's null */
};

/* The root must be an object. */
int json_doc_parse(
	struct json_doc *ret, const char *file, const char *text, size_t len, struct err *err);
void json_doc_fini(struct json_doc *doc);
struct json_node json_doc_root(const struct json_doc *doc);

/* "FILE:LINE: KEY: message"; returns CODE. */
int json_fail(const struct json_node *node, int code, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* For a member that is not there, in the line where OBJECT begins. Returns -EINVAL. */
int json_fail_missing(
	const struct json_node *object, const char *key, struct err *err, const char *message);
/* The same as json_fail() for byte OFFSET of a string's value: " at column N" follows the message.
 */
int json_fail_at(const struct json_node *node, size_t offset, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* "out of memory". Returns -ENOMEM. */
int json_no_memory(const struct json_node *node, struct err *err);
/* A copy of TEXT that is the caller's; NODE is what it stands in. -ENOMEM. */
int json_copy_text(const struct json_node *node, const char *text, char **ret, struct err *err);

/* The member KEY of an object. */
bool json_member(const struct json_node *object, const char *key, struct json_node *ret);
struct json_node json_element(const struct json_node *array, size_t index);
size_t json_length(const struct json_node *array);

/* Is the value of this type (and not null)? */
int json_check_type(const struct json_node *node, enum json_type type, struct err *err);
/* An object that has no key but those of the NULL-terminated list. */
int json_check_keys(const struct json_node *object, const char *const *known, struct err *err);

/* The value itself. Strings are borrowed from the document. */
int json_string(const struct json_node *node, const char **ret, struct err *err);
int json_text(const struct json_node *node, const char **ret, struct err *err); /* not empty */
int json_u64(
	const struct json_node *node, uint64_t min, uint64_t max, uint64_t *ret, struct err *err);
int json_unsigned(
	const struct json_node *node, unsigned min, unsigned max, unsigned *ret, struct err *err);
int json_boolean(const struct json_node *node, bool *ret, struct err *err);
/* Index of the string in the NULL-terminated list NAMES; entries may be NULL-free only. */
int json_enum(
	const struct json_node *node, const char *const *names, unsigned *ret, struct err *err);

/* The same for an optional member; *RET stays as it is when there is none. */
int json_get_text(
	const struct json_node *object, const char *key, const char **ret, struct err *err);
int json_get_unsigned(const struct json_node *object, const char *key, unsigned min, unsigned max,
	unsigned *ret, struct err *err);
int json_get_bool(const struct json_node *object, const char *key, bool *ret, struct err *err);

static inline void json_object_put_p(struct json_object **o)
{
	json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_object_put_p)
#define _cleanup_json_doc_ _cleanup_(json_doc_fini)
