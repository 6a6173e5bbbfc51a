/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/migration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/utf8.h"
#include "proto/qmp.h"

int migration_target_parse(const char *text, struct migration_target *ret, struct err *err)
{
	static const struct {
		const char *prefix, *what;
		enum migration_via via;
	} forms[] = {
		{"fd:", "a descriptor's number", MIGRATION_FD},
		{"file:", "a path", MIGRATION_FILE},
		{"unix:", "a path", MIGRATION_UNIX},
		{"exec:", "a command", MIGRATION_EXEC},
	};

	if (!strcmp(text, "fd")) {
		*ret = (struct migration_target){MIGRATION_FD, ""};
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		size_t len = strlen(forms[i].prefix);

		if (strncmp(text, forms[i].prefix, len)) {
			continue;
		}
		if (!text[len]) {
			return err_set(
				err, -EINVAL, "target \"%s\": %s is missing", text, forms[i].what);
		}
		*ret = (struct migration_target){forms[i].via, text + len};
		return 0;
	}
	return err_set(err, -EINVAL,
		"target \"%.64s\": must be fd:NUMBER, file:PATH, unix:PATH or exec:COMMAND", text);
}

static int64_t number_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
		!json_object_is_type(value, json_type_int)) {
		return -1;
	}
	return json_object_get_int64(value);
}

static enum migration_stage stage_of(const char *status)
{
	static const struct {
		const char *status;
		enum migration_stage stage;
	} ends[] = {
		{"none", MIGRATION_NONE},
		{"completed", MIGRATION_COMPLETED},
		{"failed", MIGRATION_FAILED},
		{"cancelled", MIGRATION_CANCELLED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (!strcmp(ends[i].status, status)) {
			return ends[i].stage;
		}
	}
	return MIGRATION_UNDER_WAY;
}

/* A peer's text. */
static void take_text(struct json_object *body, const char *key, char *ret, size_t size)
{
	struct json_object *value;

	*ret = '\0';
	if (json_object_object_get_ex(body, key, &value) &&
		json_object_is_type(value, json_type_string)) {
		snprintf(ret, size, "%s", json_object_get_string(value));
		utf8_make_printable(ret, strlen(ret));
		qmp_sanitise(ret, size);
	}
}

int migration_progress_read(
	struct json_object *body, struct migration_progress *ret, struct err *err)
{
	struct json_object *ram = NULL, *status;

	*ret = (struct migration_progress){.stage = MIGRATION_NONE,
		.status = "none",
		.transferred = -1,
		.remaining = -1,
		.total = -1,
		.total_ms = -1,
		.downtime_ms = -1};
	if (!json_object_is_type(body, json_type_object)) {
		return err_set(err, -EBADMSG, "query-migrate: the answer is no object");
	}
	if (!json_object_object_get_ex(body, "status", &status)) {
		return 0; /* QEMU says nothing of what never was */
	}
	if (!json_object_is_type(status, json_type_string)) {
		return err_set(err, -EBADMSG, "query-migrate: the status is no word");
	}
	take_text(body, "status", ret->status, sizeof(ret->status));
	ret->stage = stage_of(ret->status);
	take_text(body, "error-desc", ret->reason, sizeof(ret->reason));
	ret->total_ms = number_of(body, "total-time");
	ret->downtime_ms = number_of(body, "downtime");
	if (json_object_object_get_ex(body, "ram", &ram) &&
		json_object_is_type(ram, json_type_object)) {
		ret->transferred = number_of(ram, "transferred");
		ret->remaining = number_of(ram, "remaining");
		ret->total = number_of(ram, "total");
	}
	return 0;
}

struct json_object *migration_progress_json(const struct migration_progress *p)
{
	const struct {
		const char *key;
		int64_t value;
	} numbers[] = {
		{"transferred", p->transferred},
		{"remaining", p->remaining},
		{"total", p->total},
		{"total_ms", p->total_ms},
		{"downtime_ms", p->downtime_ms},
	};
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "status", json_object_new_string(p->status));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (numbers[i].value >= 0) {
			json_object_object_add(
				json, numbers[i].key, json_object_new_int64(numbers[i].value));
		}
	}
	if (*p->reason) {
		json_object_object_add(json, "reason", json_object_new_string(p->reason));
	}
	return json;
}
