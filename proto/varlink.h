/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Varlink (https://varlink.org): JSON objects, each ended by one NUL byte. Pure: bytes in, calls
 * out, trees in, bytes out. Used by the daemon and by dmctl.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/bytes.h"
#include "lib/err.h"

#define VARLINK_SERVICE "org.varlink.service"
#define VARLINK_INTERFACE "io.xendmd.DeviceModels"
#define VARLINK_INVALID_PARAMETER VARLINK_SERVICE ".InvalidParameter"

/* Texts of the two interface definitions. */
extern const char varlink_service_text[];
extern const char varlink_interface_text[];

/* Collects bytes and cuts them into messages. {.max = N} is empty; N bounds one message. */
struct varlink_framer {
	struct bytes in;
	size_t scanned; /* from the front of IN on: without a NUL */
	size_t max;
};
void varlink_framer_fini(struct varlink_framer *f);
/* Appends. -EMSGSIZE when an unfinished message is longer than max, -ENOMEM. */
int varlink_feed(struct varlink_framer *f, const char *data, size_t len);
/* True with the next whole message (NUL-terminated, LEN without it), borrowed until the next call
 * on F. An over-long one is handed out like any other: varlink_feed() has refused it already. */
bool varlink_next(struct varlink_framer *f, const char **ret, size_t *ret_len);
/* A whole message waits. */
bool varlink_pending(const struct varlink_framer *f);
/* Bytes held: of whole messages and of an unfinished one. */
static inline size_t varlink_held(const struct varlink_framer *f)
{
	return bytes_held(&f->in);
}

/* Parses one JSON object from a peer: strict, UTF-8, no duplicate keys, bounded depth. */
int varlink_json_parse(const char *text, size_t len, struct json_object **ret, struct err *err);

struct varlink_call {
	struct json_object *root;	/* owned */
	struct json_object *parameters; /* borrowed, NULL when there are none */
	const char *method;		/* borrowed: "interface.Method" */
	bool oneway, more, upgrade;
};
/* Unknown members are tolerated, known ones of a wrong type are not. */
int varlink_call_parse(const char *text, size_t len, struct varlink_call *ret, struct err *err);
void varlink_call_fini(struct varlink_call *call);

struct varlink_reply {
	struct json_object *root;	/* owned */
	struct json_object *parameters; /* borrowed, NULL when there are none */
	const char *error;		/* borrowed; NULL: none */
	bool continues;
};
/* For a client. The daemon is trusted more than a peer of the daemon: sizes are not bounded here.
 */
int varlink_reply_parse(const char *text, size_t len, struct varlink_reply *ret, struct err *err);
void varlink_reply_fini(struct varlink_reply *reply);

/* Builders. PARAMETERS are taken over, NULL becomes {}. NULL: out of memory. */
struct json_object *varlink_call_new(const char *method, struct json_object *parameters, bool more);
struct json_object *varlink_reply_new(struct json_object *parameters, bool continues);
struct json_object *varlink_error_new(const char *name, struct json_object *parameters);
/* An error with one string member, e.g. "message" or "parameter". */
struct json_object *varlink_error_text(const char *name, const char *member, const char *text);

/* One line of JSON with the NUL that ends it; LEN counts the NUL. Borrowed from JSON. */
const char *varlink_encode(struct json_object *json, size_t *ret_len);

/* An object that prints as TEXT, which must be JSON already: for what was serialised before. */
struct json_object *varlink_raw_new(const char *text, size_t len);

/*
 * Declared parameters of a method, read in one go. A missing one that is not required stays as it
 * was; JSON null counts as missing.
 */
enum varlink_type { VARLINK_STRING, VARLINK_BOOL, VARLINK_UINT, VARLINK_OBJECT, VARLINK_ARRAY };
struct varlink_param {
	const char *name;
	enum varlink_type type;
	bool required;
	/* const char ** (borrowed, without NUL inside), bool *, uint64_t *, struct json_object **
	 * (borrowed) for the last two */
	void *value;
};
/* 0 or -EINVAL with the offender's name in *RET_BAD (borrowed from PARAMETERS or PARAMS). Unknown
 * parameters are offenders as well. */
int varlink_params_read(struct json_object *parameters, const struct varlink_param *params,
	size_t len, const char **ret_bad);
