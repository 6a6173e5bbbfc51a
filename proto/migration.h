/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A migration of QEMU's as users write it (target, capabilities, parameters) and as QEMU tells of
 * it (query-migrate). Pure. What QEMU says is a peer's word: types and ranges are checked, texts
 * are bounded and made harmless.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"
#include "lib/limits.h"

enum migration_via { MIGRATION_FD, MIGRATION_FILE, MIGRATION_UNIX, MIGRATION_EXEC };
struct migration_target {
	enum migration_via via;
	const char *value; /* behind the colon; borrowed; "" for a bare "fd" */
};
/* "fd:NUMBER", "file:PATH", "unix:PATH", "exec:COMMAND"; "fd" alone is a descriptor that comes with
 * the call. -EINVAL with a sentence. */
int migration_target_parse(const char *text, struct migration_target *ret, struct err *err);

/* Capabilities as an object of booleans. TEXT is "NAME=on" or "NAME=off"; added to INTO. QEMU knows
 * which names there are. */
int migration_capability_parse(const char *text, struct json_object *into, struct err *err);
/* At most LIMIT_MIGRATION_OPTIONS names of the right form with a boolean each. */
int migration_capabilities_check(struct json_object *capabilities, struct err *err);
/* As migrate-set-capabilities takes them; the caller's. */
struct json_object *migration_capabilities_list(struct json_object *capabilities);
/* Those of CAPABILITIES as query-migrate-capabilities (BODY) says they are now, as an object of
 * booleans: what undoes the change. -ENOENT names one that this QEMU does not know, -EBADMSG. */
int migration_capabilities_now(struct json_object *capabilities, struct json_object *body,
	struct json_object **ret, struct err *err);

/* Parameters as an object. TEXT is "NAME=VALUE", the value in the form of the table: a number, a
 * size (bytes, or with K, M, G, T), on or off, a word, a text. */
int migration_parameter_parse(const char *text, struct json_object *into, struct err *err);
/* Each is one of the table and has its type and range. */
int migration_parameters_check(struct json_object *parameters, struct err *err);
/* As migration_capabilities_now(), of query-migrate-parameters. */
int migration_parameters_now(struct json_object *parameters, struct json_object *body,
	struct json_object **ret, struct err *err);

/* What query-migrate tells. */
enum migration_stage {
	MIGRATION_NONE,	     /* there was none */
	MIGRATION_UNDER_WAY, /* also one of which nobody knows what it does */
	MIGRATION_COMPLETED,
	MIGRATION_FAILED,
	MIGRATION_CANCELLED
};
struct migration_progress {
	enum migration_stage stage;
	char status[LIMIT_MIGRATION_WORD_BYTES + 1]; /* QEMU's word */
	/* Negative: not told. Bytes of memory; milliseconds. */
	int64_t transferred, remaining, total, total_ms, downtime_ms;
	char reason[LIMIT_QMP_DESC_BYTES + 1]; /* QEMU's error-desc; "" where there is none */
};
/* -EBADMSG with a sentence. */
int migration_progress_read(
	struct json_object *body, struct migration_progress *ret, struct err *err);
/* {"status", "transferred", "remaining", "total", "total_ms", "downtime_ms", "reason"}, without
 * what was not told. */
struct json_object *migration_progress_json(const struct migration_progress *progress);
