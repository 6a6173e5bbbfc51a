/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Domain definitions: contract section 3. Parsing is pure (text in, struct or error out); nothing
 * here opens what a definition names. A definition never changes after it was parsed and is shared
 * by reference count (loop thread only).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"
#include "lib/openfile.h"
#include "lib/strv.h"

enum definition_kind {
	DEFINITION_KIND_NONE_GIVEN,
	DEFINITION_QEMU,
	DEFINITION_STUBDOM_LINUX,
	DEFINITION_STUBDOM_MINIOS,
	DEFINITION_NO_DM
};
enum definition_source { DEFINITION_HANDOFF, DEFINITION_LIBXL, DEFINITION_TYPED, DEFINITION_ARGV };
enum definition_match {
	DEFINITION_MATCH_ABSENT, /* only with definition_parse_given() */
	DEFINITION_MATCH_GLOB,
	DEFINITION_MATCH_NAME,
	DEFINITION_MATCH_UUID,
	DEFINITION_MATCH_DOMID
}; /* in rising rank */
enum on_exit_policy {
	ON_EXIT_PAUSE,
	ON_EXIT_CRASH,
	ON_EXIT_DESTROY,
	ON_EXIT_PRESERVE,
	ON_EXIT_RESTART,
	ON_EXIT_NONE,
	_ON_EXIT_MAX
};

struct libxlconf;
struct definition_limits {
	uint64_t memory_max_mib; /* 0: none */
	unsigned cpu_weight, pids_max, log_max_mib, start_timeout_s;
};
enum { /* definition::limits_given */
	DEFINITION_GIVES_MEMORY_MAX = 1 << 0,
	DEFINITION_GIVES_CPU_WEIGHT = 1 << 1,
	DEFINITION_GIVES_PIDS_MAX = 1 << 2,
	DEFINITION_GIVES_LOG_MAX = 1 << 3,
	DEFINITION_GIVES_START_TIMEOUT = 1 << 4
};

struct definition {
	unsigned refs;
	char *path; /* file it came from; "-" or a given name when it came as text */
	enum definition_match match;
	char *match_name; /* or glob */
	uint8_t match_uuid[16];
	uint32_t match_domid;
	enum definition_kind kind;
	enum definition_source source;
	char *binary; /* NULL: the configured default */
	struct strv argv, extra_args;
	struct strv env; /* NAME=VALUE, placeholders not yet replaced */
	enum on_exit_policy on_exit;
	struct definition_limits limits; /* as given; see definition_limits_resolve() */
	unsigned limits_given;
	struct json_object *json; /* the whole object: libxl, qemu, files, stubdom, confinement,
				     restore_from, all validated, for later stages */
	struct libxlconf *libxl;  /* the source "libxl", parsed; else NULL */
	char *unsupported;	  /* NULL, or what plan_build() says */
	char *unstartable;	  /* NULL, or what is well enough to be rendered, but not started */
};

/* "FILE:LINE: KEY: message" in ERR. LEN bytes of TEXT, at most LIMIT_JSON_BYTES. */
int definition_parse(
	const char *file, const char *text, size_t len, struct definition **ret, struct err *err);
/* The same for a text that a client gave for one domain: "match" may be left out
 * (DEFINITION_MATCH_ABSENT, which definition_matches() takes as matching). */
int definition_parse_given(
	const char *file, const char *text, size_t len, struct definition **ret, struct err *err);
struct definition *definition_ref(struct definition *d);
struct definition *definition_unref(struct definition *d); /* returns NULL */
static inline void definition_unref_p(struct definition **d)
{
	definition_unref(*d);
}
#define _cleanup_definition_ __attribute__((cleanup(definition_unref_p)))

/* The file it came from, or the name that it was given. */
static inline const char *definition_path(const struct definition *d)
{
	return d->path;
}
const char *on_exit_name(enum on_exit_policy policy);
const char *definition_kind_name(enum definition_kind kind); /* NULL: none given */

/* Is it for this domain? As defset_match(), for one definition. */
bool definition_matches(
	const struct definition *d, uint32_t domid, const uint8_t uuid[16], const char *name);

/* Length of a domain's name without a trailing "--incoming" (xl migrate). */
size_t definition_name_len(const char *name);

/* What holds without configuration: contract section 3. */
extern const struct definition_limits definition_limits_builtin;
/* The definition's own limits, and DEFAULTS (config.limits) for what it does not give. */
void definition_limits_resolve(const struct definition *d, const struct definition_limits *defaults,
	struct definition_limits *ret);

/* What cannot be started by this version, although it is well-formed (qemu, stub kinds, files,
 * restore_from, confinement, what of a libxl configuration it has no way to carry
 * out): -EOPNOTSUPP with "FILE:LINE: KEY: sentence"; else 0. */
int definition_supported(const struct definition *d, struct err *err);

/* All definitions of the two directories. */
struct defset;
int defset_new(struct defset **ret, const char *etc_dir, const char *run_dir);
struct defset *defset_free(struct defset *set);
/* Reads everything again: files that end in ".json" and do not begin with a dot, in the order of
 * their names. A bad file keeps its error and disturbs no other; directories, FIFOs, unreadable and
 * oversized files are errors of that file; never waits. Calls REPORT for each bad one (and for a
 * directory that can't be read; one that does not exist is empty). When memory runs out the old
 * set stays and REPORT gets -ENOMEM. Definitions that were handed out stay valid while referenced.
 * A file that did not change since it was read well need not be read: then its definition is the
 * same object as before. */
void defset_load(struct defset *set,
	void (*report)(void *ctx, const char *path, const struct err *err), void *ctx);
/* NAME may be NULL (not known yet): then only domid and uuid match. A trailing "--incoming" is
 * ignored. 0 with *RET (borrowed from the set; NULL: none), or -EEXIST with both files' names. */
int defset_match(const struct defset *set, uint32_t domid, const uint8_t uuid[16], const char *name,
	struct definition **ret, struct err *err);
unsigned defset_count(const struct defset *set, unsigned *ret_bad);

/* What a command line is built from besides the definition. */
struct plan_context {
	uint32_t domid, stubdom_id; /* stubdom_id 0: none */
	char uuid[37];
	const char *name, *run_dir, *log_file, *qmp_socket; /* borrowed */
	uint64_t memory_mib;
	unsigned vcpus;
};
struct plan_config {		    /* from xendmd.json / build: where things are looked for */
	const char *default_binary; /* e.g. /usr/libexec/xen-qemu-system-i386 */
	const char *libexec_dir, *firmware_dir, *script_dir; /* each a list with colons */
	const char *xen_run_dir; /* where libxl expects its sockets; NULL: /var/run/xen */
	/* `render`: a program that isn't here stands under its given name, and what can't be
	 * started yet is shown all the same. */
	bool unchecked;
};
struct plan {
	char *binary;		       /* absolute; NULL: it runs in a stub domain */
	struct strv argv;	       /* with argv[0], a stub domain's as well */
	struct strv env;	       /* only what the definition gives */
	bool minios;		       /* the stub domain has its arguments in one string */
	struct json_object *qmp_steps; /* a list of commands to follow the start; NULL: none */
	struct json_object *devices;   /* of a typed description; NULL: none */
	struct openfiles files;	       /* from OPENFILE_FIRST_FD on */
};
/* Looks the binary up (-ENOENT, -EACCES with a sentence naming the places), replaces placeholders
 * (-EINVAL for one without a value, e.g. $NAME while NAME is NULL; -E2BIG above LIMIT_ARGV_*).
 * Errors begin with the definition's path. -EOPNOTSUPP as definition_supported(); -ENODATA for a
 * definition without a source and for kind "none": there is no command line. No daemon-owned
 * options: the caller adds its own monitor. */
int plan_build(const struct definition *d, const struct plan_context *context,
	const struct plan_config *config, struct plan *ret, struct err *err);
/* The same for a libxl configuration alone. AS_LIBXL: exactly what libxl 4.17 runs. */
int plan_libxl(const struct libxlconf *c, bool as_libxl, const struct plan_context *context,
	const struct plan_config *config, struct plan *ret, struct err *err);
/* The same for a typed description (lib/typed) alone, a part of a machine as well as a whole one.
 */
int plan_typed(struct json_object *qemu, const struct plan_context *context,
	const struct plan_config *config, struct plan *ret, struct err *err);
/* The same for a command line that was handed over: ARGV (its argv[0] gives way to the binary) and
 * ENV, with what D (NULL: no definition) says of binary, extra_args and env. Its own argv, if it
 * has one, is not used. */
int plan_handed_over(const struct definition *d, const struct plan_context *context,
	const struct plan_config *config, const struct strv *argv, const struct strv *env,
	struct plan *ret, struct err *err);
/* The QEMU that libxl would have started for a PV or PVH guest with a disk for it, and nothing
 * else: it serves what is attached later. D as above. */
int plan_backends(const struct definition *d, const struct plan_context *context,
	const struct plan_config *config, struct plan *ret, struct err *err);
void plan_fini(struct plan *plan);

/* Where a program is: NAME itself when it begins with a slash, else the first entry of that name
 * (lstat: a dangling link counts and is an error) in the colon lists DIRS and then PATH (NULL: the
 * environment's). It must be an executable regular file. -ENOENT, -EACCES. */
int plan_find_program(
	const char *name, const char *dirs, const char *path, char **ret, struct err *err);
