/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What may pass between QMP clients and a device model: a pure function of message, class of the
 * client, kind of the peer and policy. The rules have names (P1 to P6, docs/qmp.md) and are data:
 * the tables in qmptable.c. What is passed is built anew from what the tables know.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/limits.h"
#include "proto/qmp.h"

/* Who asks: libxl's own socket, libxenstat's, members of group xendmd, root. */
enum qmp_class {
	QMP_CLASS_LIBXL,
	QMP_CLASS_STATS,
	QMP_CLASS_MONITOR,
	QMP_CLASS_ADMIN,
	_QMP_CLASS_MAX
};
const char *qmp_class_name(enum qmp_class class);
int qmp_class_parse(const char *name, enum qmp_class *ret);

/* Who answers: a QEMU in dom0, or one behind vchan in a stub domain. */
enum qmp_peer { QMP_PEER_DOM0, QMP_PEER_VCHAN };

enum {
	QMP_LIBXL = 1 << QMP_CLASS_LIBXL,
	QMP_STATS = 1 << QMP_CLASS_STATS,
	QMP_MONITOR = 1 << QMP_CLASS_MONITOR,
	QMP_ADMIN = 1 << QMP_CLASS_ADMIN,
};

enum qmp_type { QMP_INT, QMP_STRING, QMP_BOOL, QMP_OBJECT, QMP_ARRAY, QMP_ANY };

/* A text that has to look like something (P2). */
enum qmp_pattern {
	QMP_TEXT,
	QMP_FDSET_PATH, /* /dev/fdset/N; anything for a QEMU in dom0 */
	QMP_DEVICE_ID,	/* those that libxl gives */
	QMP_DRIVER,	/* those that libxl uses, and CPU types that the peer itself named */
	QMP_PCI_ADDRESS,
};

/* A member of arguments or of a reply; a list of them ends with a KEY of NULL. */
struct qmp_shape {
	const char *key;
	enum qmp_type type;
	int64_t min, max;	       /* of an integer */
	enum qmp_pattern pattern;      /* of a string */
	const struct qmp_shape *inner; /* of an object, or of an array's elements */
	bool required;
};

enum {
	QMP_READS = 1,	      /* changes nothing: passes the others' leases */
	QMP_DOM0_ONLY = 2,    /* P4 */
	QMP_WITH_FD = 4,      /* takes a descriptor that came before or with it */
	QMP_ANY_ARGS = 8,     /* no list of arguments */
	QMP_HMP = 16,	      /* text for people */
	QMP_SECRET = 32,      /* its arguments are not even hashed for the log */
	QMP_NO_DATA = 64,     /* P3: the answer is {} whatever it was */
	QMP_FALLBACK = 128,   /* P5: libxl tries another one when this is not found */
	QMP_LOGGED = 256,     /* by name, even when it reads only */
	QMP_SEEN_TYPES = 512, /* P2: its "type" members are remembered */
};

struct qmp_command {
	const char *name;
	unsigned classes; /* that may send it */
	unsigned flags;
	unsigned deadline_ms;
	size_t reply_max;
	const struct qmp_shape *args;  /* NULL: none */
	const struct qmp_shape *reply; /* NULL: as it comes; for the classes libxl and stats only */
	enum qmp_type reply_type;      /* of the whole, with REPLY */
};

struct qmp_event_rule {
	const char *name;
	unsigned classes; /* whose clients get it */
	bool vchan;	  /* also from behind vchan */
	bool told;	  /* an event qmp-event of the daemon */
	bool unplug;	  /* tells what became of a device that was to be unplugged */
};

/* qmptable.c. The row for a command; those without one of their own share three: reading, changing,
 * and x-NAME, which nobody may send (P1). Never NULL. */
const struct qmp_command *qmp_command_find(const char *name);
const struct qmp_event_rule *qmp_event_find(const char *name); /* NULL: dropped */
/* All rows, for tests and documentation; NULL after the last. */
const struct qmp_command *qmp_command_at(size_t index);

/* Command names that an administrator adds to classes or takes from them (proto/qmppolicy.c). */
struct qmp_policy;

/* CPU types that the peer named in its last answer to query-hotpluggable-cpus (P2). */
#define QMP_SEEN_MAX 4
struct qmp_seen {
	char types[QMP_SEEN_MAX][LIMIT_QMP_TYPE_BYTES];
	unsigned len;
};

struct qmpfilter {
	enum qmp_class class;
	enum qmp_peer peer;
	const struct qmp_policy *policy; /* NULL: the tables as they are */
	const struct qmp_seen *seen;	 /* NULL: nothing was named */
};

enum qmp_verdict { QMP_PASS, QMP_ANSWER, QMP_REFUSE };

struct qmpfilter_result {
	const struct qmp_command *command; /* of a request */
	const char *error_class;	   /* of what is refused */
	char text[LIMIT_QMP_DESC_BYTES];   /* its description */
};

/* A client's command. ANSWER: it is the session's to answer (qmp_capabilities). HAS_FD: a
 * descriptor came before it. */
enum qmp_verdict qmpfilter_request(const struct qmpfilter *f, const struct qmp_request *request,
	bool has_fd, struct qmpfilter_result *ret);

/* The peer's answer to COMMAND. PASS: *RET is what the client gets (the caller's). */
enum qmp_verdict qmpfilter_return(const struct qmpfilter *f, const struct qmp_command *command,
	struct json_object *body, struct json_object **ret, struct qmpfilter_result *why);

/* The peer's refusal of COMMAND: always told, in classes and words that harm nobody (P5). */
void qmpfilter_error(const struct qmpfilter *f, const struct qmp_command *command,
	const char *error_class, const char *desc, struct qmpfilter_result *ret);

/* Does a client get this event? (P6) */
bool qmpfilter_event(const struct qmpfilter *f, const char *name);

/* Takes the CPU types from an answer to query-hotpluggable-cpus. */
void qmp_seen_take(struct qmp_seen *seen, struct json_object *body);
