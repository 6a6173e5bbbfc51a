/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is told of a domain's device model: contract section 4.1 (status), 4.2 (events). Pure:
 * builds json-c trees from plain structs. Callers own what is returned; NULL means out of memory.
 */
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/parse.h"

enum dm_kind {
	DM_KIND_UNKNOWN,
	DM_KIND_QEMU,
	DM_KIND_STUBDOM_LINUX,
	DM_KIND_STUBDOM_MINIOS,
	DM_KIND_NONE,
	DM_KIND_FOREIGN,
	_DM_KIND_MAX
};
enum dm_state {
	DM_WAITING,
	DM_STARTING,
	DM_RUNNING,
	DM_STOPPING,
	DM_EXITED,
	DM_FAILED,
	DM_LOST,
	DM_UNMANAGED,
	_DM_STATE_MAX
};

/* The contract's words; dm_kind_name(DM_KIND_UNKNOWN) is NULL (JSON null). */
const char *dm_kind_name(enum dm_kind kind);
const char *dm_state_name(enum dm_state state);
int dm_kind_parse(const char *text, enum dm_kind *ret);
int dm_state_parse(const char *text, enum dm_state *ret);

enum exit_how { EXIT_HOW_UNKNOWN, EXIT_HOW_CODE, EXIT_HOW_SIGNAL };
struct exit_info {
	enum exit_how how;
	int value; /* exit code or signal number */
};
/* {"code":N}, {"signal":"SIGKILL"} or JSON null (a NULL pointer, as in json-c). */
struct json_object *exit_info_to_json(const struct exit_info *exit);
/* "exit code 1", "signal SIGKILL", "no exit status known". */
const char *exit_info_text(const struct exit_info *exit, char buf[48]);
const char *signal_name(int signo); /* "SIGKILL", or "signal N" as "SIG?" for unknown ones */

/* One domain as `status` shows it. Strings are borrowed and may be NULL; times are realtime ms. */
struct dm_status {
	uint32_t domid;
	char uuid[UUID_TEXT_LEN + 1];
	const char *name;
	enum dm_kind kind;
	enum dm_state state;
	int pid; /* 0: none */
	bool has_stubdom;
	uint32_t stubdom_domid;
	int stubdom_backend_pid; /* 0: none */
	const char *stubdom_backend_state;
	const char *source;
	int64_t since_ms; /* 0: null */
	int64_t start_ms; /* duration; negative: null */
	const char *qmp, *log, *reason;
	const char *migration; /* "active", "incoming", or "completed": it stays paused */
	struct exit_info exit;
};
struct json_object *dm_status_to_json(const struct dm_status *status);
