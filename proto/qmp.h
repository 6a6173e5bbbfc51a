/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * QMP messages (QEMU's docs/interop/qmp-spec): scanned by lib/jsonscan within the bounds of
 * lib/limits.h, then parsed by json-c, then checked for their shape. Both ends of a QMP connection
 * are hostile: a device model that its guest has taken over, and clients. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"

/* Of a device model. */
enum qmp_kind { QMP_GREETING, QMP_RETURN, QMP_ERROR, QMP_EVENT };

struct qmp_version {
	unsigned major, minor, micro; /* 0 to 999 */
};

struct qmp_message {
	enum qmp_kind kind;
	bool has_id;
	int64_t id;		    /* of a return or error; -1 when it has none or is no integer */
	struct json_object *json;   /* the whole; owned */
	struct json_object *body;   /* "return", or an event's "data"; borrowed, may be NULL */
	const char *name;	    /* an event's name; borrowed */
	const char *error_class;    /* borrowed */
	const char *desc;	    /* an error's text; borrowed */
	struct qmp_version version; /* of a greeting */
};

/* Of an object as query-version returns it. */
bool qmp_version_read(struct json_object *body, struct qmp_version *ret);
/* -EBADMSG with a sentence for anything that is not one of the four; -E2BIG for JSON that exceeds
 * the bounds. HMP: the long text of human-monitor-command is allowed, control characters and all.
 */
int qmp_parse(const char *line, size_t len, bool hmp, struct qmp_message *ret, struct err *err);
void qmp_message_fini(struct qmp_message *m);

/* Of a client. */
struct qmp_request {
	struct json_object *json;      /* owned */
	const char *command;	       /* borrowed from it, as the next */
	struct json_object *arguments; /* an object or NULL */
	const char *id;		       /* raw JSON, borrowed from the text; NULL: none */
	size_t id_len;
};
/* -EINVAL with a sentence. RET->id is set when the text was JSON and its id can be repeated. */
int qmp_request_parse(const char *text, size_t len, struct qmp_request *ret, struct err *err);
void qmp_request_fini(struct qmp_request *r);

/*
 * Writers: whole messages as QEMU writes them, with CRLF and in ASCII (what is not is escaped), so
 * that no byte of a peer is ever repeated raw. Control characters become "?". ID is raw JSON or
 * NULL. The caller frees; NULL when out of memory.
 */
char *qmp_text(struct json_object *json);
char *qmp_return_text(struct json_object *body, const char *id);
char *qmp_error_text(const char *error_class, const char *desc, const char *id);
char *qmp_greeting_text(const struct qmp_version *version);

/* One line with its newline, for a device model. ARGUMENTS (may be NULL) is borrowed. */
char *qmp_command(const char *name, struct json_object *arguments, int64_t id);

/* Control characters become "?", the length stays; longer than MAX is cut. In place. */
void qmp_sanitise(char *text, size_t max);

/*
 * What a query-status answer means for a device model that was started with these options:
 * READY, WAIT (ask again), never an error: a status nobody knows is waited on until the deadline.
 */
enum qmp_readiness { QMP_READY, QMP_WAIT };
struct qmp_start_mode {
	bool stopped;	     /* -S */
	bool incoming;	     /* -incoming */
	bool incoming_later; /* and nobody knows when it comes */
};
enum qmp_readiness qmp_readiness(const char *status, const struct qmp_start_mode *mode);
