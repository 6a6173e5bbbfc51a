/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * dmctl: verbs, their options, what they share. A verb prints its result on stdout and the reason
 * of a failure on stderr, and returns the exit status.
 */
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/strv.h"

/* Exit status: contract section 4. */
enum { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_NO_DOMAIN = 3, CTL_UNREACHABLE = 4 };

struct ctl_options {
	const char *socket;
	bool json, watch, follow, force, as_libxl;
	bool has_since, has_lines;
	uint64_t since, lines;
	uint32_t domid, stubdom_id; /* 0: not given */
	const char *definition;
	struct strv fds;		      /* NAME=PATH or NAME=NUMBER each */
	struct strv capabilities, parameters; /* NAME=VALUE each */
	bool detach, cancel, status, incoming;
	bool has_timeout;
	uint64_t timeout; /* in seconds */
	char **args;	  /* what is not an option */
	int args_len;
};

/* verb_status.c */
int verb_status(const struct ctl_options *options);
int verb_show(const struct ctl_options *options);
/* verb_events.c */
int verb_events(const struct ctl_options *options);
int verb_logs(const struct ctl_options *options);
/* verb_domain.c */
int verb_start(const struct ctl_options *options);
int verb_stop(const struct ctl_options *options);
int verb_qmp(const struct ctl_options *options);
int verb_save(const struct ctl_options *options);
int verb_restart(const struct ctl_options *options);
int verb_reload(const struct ctl_options *options);
int verb_version(const struct ctl_options *options);
/* verb_migrate.c */
int verb_migrate(const struct ctl_options *options);
/* verb_query.c */
int verb_query(const struct ctl_options *options);
int verb_balloon(const struct ctl_options *options);
/* verb_device.c */
int verb_device(const struct ctl_options *options);
/* verb_render.c */
int verb_render(const struct ctl_options *options);
int verb_check(const struct ctl_options *options);

/* "dmctl: " and the message on stderr; returns STATUS. */
int ctl_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A string member of a JSON object; NULL where there is none. Borrowed. */
const char *ctl_member(struct json_object *object, const char *name);
/* A whole file (at most LIMIT_JSON_BYTES; "-" is stdin). Caller frees; exit status. */
int ctl_read_file(const char *path, char **ret, size_t *ret_len);
