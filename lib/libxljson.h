/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libxl's way to write its structures as JSON (tools/libs/light/libxl_types.idl and its
 * generator), read from tables: defbools are "True", "False" or "<default>", enumerations are
 * names in any case, what has its default value is left out, and unknown keys belong to a newer
 * libxl. Errors as in lib/json.h.
 */
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/json.h"
#include "lib/strv.h"

#define LIBXLJSON_DEFAULT "<default>" /* a defbool that nobody has set */

enum libxljson_type {
	LIBXLJSON_STRING,  /* const char *, borrowed from the document's tree; NULL: not given */
	LIBXLJSON_STRINGS, /* struct strv, owned */
	LIBXLJSON_DEFBOOL, /* bool, which holds the default before */
	LIBXLJSON_FLAG,	   /* bool: JSON's true and false, or a number that is 0 or not */
	LIBXLJSON_INT,	   /* int64_t from min to max, which holds the default before */
	LIBXLJSON_ENUM	   /* unsigned: the index in names, which holds the default before */
};

struct libxljson_field {
	const char *key;
	enum libxljson_type type;
	size_t offset;
	int64_t min, max;
	const char *const *names; /* NULL-terminated */
};

/* Reads what OBJECT has of FIELDS into BASE. OBJECT must be a JSON object. */
int libxljson_read(const struct json_node *object, const struct libxljson_field *fields, size_t len,
	void *base, struct err *err);

/* The member KEY, an array of objects: its length, 0 when there is none. */
int libxljson_array(const struct json_node *object, const char *key, size_t max,
	struct json_node *ret, size_t *ret_len, struct err *err);
/* The member KEY, an object; false with *RET_STATUS 0 when there is none. */
bool libxljson_object(const struct json_node *object, const char *key, struct json_node *ret,
	int *ret_status, struct err *err);
/* A bitmap: a list of the numbers of its set bits, below MAX. An empty one is as none, for libxl:
 * RET* stay as they are. */
int libxljson_bitmap(const struct json_node *object, const char *key, unsigned max,
	unsigned *ret_count, unsigned *ret_end, uint8_t *ret_bits, struct err *err);
