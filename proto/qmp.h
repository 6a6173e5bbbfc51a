/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * QMP messages, one JSON object a line (QEMU's docs/interop/qmp-spec). Pure: a line in, what it is
 * out. Only the shapes that a supervisor's own monitor meets.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"

enum qmp_kind { QMP_GREETING, QMP_RETURN, QMP_ERROR, QMP_EVENT };

struct qmp_message {
	enum qmp_kind kind;
	int64_t id;		  /* of a return or error; -1 when it had none */
	struct json_object *json; /* the whole; owned */
	struct json_object *body; /* "return", or an event's "data"; borrowed, may be NULL */
	const char *name;	  /* an event's name; borrowed */
	const char *desc;	  /* an error's text; borrowed */
	const char *error_class;  /* "GenericError", …; borrowed, NULL when it has none */
};

/* -EBADMSG with a sentence for anything that is not one of the four. LEN excludes the newline. */
int qmp_parse(const char *line, size_t len, struct qmp_message *ret, struct err *err);
void qmp_message_fini(struct qmp_message *m);

/* One line with its newline; the caller frees; NULL when out of memory. ARGUMENTS (may be NULL) is
 * borrowed. */
char *qmp_command(const char *name, struct json_object *arguments, int64_t id);

/*
 * What a query-status answer means for a device model that was started with these options:
 * READY, WAIT (ask again), never an error: a status nobody knows is waited on until the deadline.
 */
enum qmp_readiness { QMP_READY, QMP_WAIT };
struct qmp_start_mode {
	bool stopped;	     /* -S */
	bool incoming;	     /* -incoming */
	bool incoming_defer; /* -incoming defer */
};
enum qmp_readiness qmp_readiness(const char *status, const struct qmp_start_mode *mode);
