/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Capabilities and parameters of a migration (proto/migration.h). The table has the parameters of
 * QEMU 7.2 to 10.x that are a single value; one that a QEMU lacks is found out from what it says it
 * has. Left out: block-bitmap-mapping and cpr-exec-command, which are structures.
 */
#include "proto/migration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/parse.h"

enum type { TYPE_NUMBER, TYPE_SIZE, TYPE_SWITCH, TYPE_WORD, TYPE_TEXT };

static const struct parameter {
	const char *name;
	enum type type;
	uint64_t max;
	const char *words; /* of a TYPE_WORD, with blanks */
} parameters[] = {
	{"announce-initial", TYPE_NUMBER, 100000, NULL},
	{"announce-max", TYPE_NUMBER, 100000, NULL},
	{"announce-rounds", TYPE_NUMBER, 1000, NULL},
	{"announce-step", TYPE_NUMBER, 10000, NULL},
	{"avail-switchover-bandwidth", TYPE_SIZE, INT64_MAX, NULL},
	{"block-incremental", TYPE_SWITCH, 0, NULL},
	{"compress-level", TYPE_NUMBER, 9, NULL},
	{"compress-threads", TYPE_NUMBER, 255, NULL},
	{"compress-wait-thread", TYPE_SWITCH, 0, NULL},
	{"cpu-throttle-increment", TYPE_NUMBER, 99, NULL},
	{"cpu-throttle-initial", TYPE_NUMBER, 99, NULL},
	{"cpu-throttle-tailslow", TYPE_SWITCH, 0, NULL},
	{"decompress-threads", TYPE_NUMBER, 255, NULL},
	{"direct-io", TYPE_SWITCH, 0, NULL},
	{"downtime-limit", TYPE_NUMBER, 2000000, NULL},
	{"max-bandwidth", TYPE_SIZE, INT64_MAX, NULL},
	{"max-cpu-throttle", TYPE_NUMBER, 99, NULL},
	{"max-postcopy-bandwidth", TYPE_SIZE, INT64_MAX, NULL},
	{"mode", TYPE_WORD, 0, "normal cpr-reboot cpr-transfer"},
	{"multifd-channels", TYPE_NUMBER, 255, NULL},
	{"multifd-compression", TYPE_WORD, 0, "none zlib zstd qatzip qpl uadk"},
	{"multifd-qatzip-level", TYPE_NUMBER, 9, NULL},
	{"multifd-zlib-level", TYPE_NUMBER, 9, NULL},
	{"multifd-zstd-level", TYPE_NUMBER, 20, NULL},
	{"throttle-trigger-threshold", TYPE_NUMBER, 100, NULL},
	{"tls-authz", TYPE_TEXT, 0, NULL},
	{"tls-creds", TYPE_TEXT, 0, NULL},
	{"tls-hostname", TYPE_TEXT, 0, NULL},
	{"vcpu-dirty-limit", TYPE_NUMBER, 1000000, NULL},
	{"x-checkpoint-delay", TYPE_NUMBER, INT32_MAX, NULL},
	{"x-vcpu-dirty-limit-period", TYPE_NUMBER, 1000, NULL},
	{"xbzrle-cache-size", TYPE_SIZE, INT64_MAX, NULL},
	{"zero-page-detection", TYPE_WORD, 0, "none legacy multifd"},
};

/* Letters, digits, "-", "_" and ".", as QEMU's names have them. */
static bool is_name(const char *name, size_t len)
{
	return len > 0 && len <= LIMIT_MIGRATION_NAME_BYTES &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") >=
		       len;
}

/* "NAME=VALUE": the name into NAME. */
static int split(const char *text, const char *what, char name[LIMIT_MIGRATION_NAME_BYTES + 1],
	const char **ret_value, struct err *err)
{
	const char *equals = strchr(text, '=');

	if (!equals || !is_name(text, equals - text)) {
		return err_set(err, -EINVAL, "%s \"%.64s\": must be NAME=VALUE", what, text);
	}
	snprintf(name, LIMIT_MIGRATION_NAME_BYTES + 1, "%.*s", (int)(equals - text), text);
	*ret_value = equals + 1;
	return 0;
}

static int parse_switch(const char *value, bool *ret)
{
	*ret = !strcmp(value, "on");
	return *ret || !strcmp(value, "off") ? 0 : -EINVAL;
}

static int add(struct json_object *into, const char *what, const char *name,
	struct json_object *value, struct err *err)
{
	if (json_object_object_get_ex(into, name, NULL)) {
		json_object_put(value);
		return err_set(err, -EINVAL, "%s \"%s\": comes twice", what, name);
	}
	if (!value || json_object_object_add(into, name, value) < 0) {
		json_object_put(value);
		return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

int migration_capability_parse(const char *text, struct json_object *into, struct err *err)
{
	char name[LIMIT_MIGRATION_NAME_BYTES + 1];
	const char *value;
	bool on;
	int r = split(text, "capability", name, &value, err);

	if (r < 0) {
		return r;
	}
	if (parse_switch(value, &on) < 0) {
		return err_set(err, -EINVAL, "capability \"%s\": must be on or off, is \"%.64s\"",
			name, value);
	}
	return add(into, "capability", name, json_object_new_boolean(on), err);
}

static int check_count(struct json_object *object, const char *what, struct err *err)
{
	int len = object ? json_object_object_length(object) : 0;

	return len > LIMIT_MIGRATION_OPTIONS
		       ? err_set(err, -E2BIG, "more than %d %s", LIMIT_MIGRATION_OPTIONS, what)
		       : 0;
}

int migration_capabilities_check(struct json_object *capabilities, struct err *err)
{
	int r = check_count(capabilities, "capabilities", err);

	if (r < 0 || !capabilities) {
		return r;
	}
	json_object_object_foreach (capabilities, name, value) {
		if (!is_name(name, strlen(name))) {
			return err_set(
				err, -EINVAL, "capability \"%.64s\": no name of QEMU's", name);
		}
		if (!json_object_is_type(value, json_type_boolean)) {
			return err_set(
				err, -EINVAL, "capability \"%s\": must be true or false", name);
		}
	}
	return 0;
}

struct json_object *migration_capabilities_list(struct json_object *capabilities)
{
	struct json_object *list = json_object_new_array();

	json_object_object_foreach (capabilities, name, value) {
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "capability", json_object_new_string(name));
		json_object_object_add(one, "state", json_object_get(value));
		json_object_array_add(list, one);
	}
	return list;
}

/* The state of NAME in what QEMU tells; NULL: it has no such capability. */
static struct json_object *state_in(struct json_object *body, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(body); i++) {
		struct json_object *one = json_object_array_get_idx(body, i), *own, *state;

		if (json_object_is_type(one, json_type_object) &&
			json_object_object_get_ex(one, "capability", &own) &&
			json_object_is_type(own, json_type_string) &&
			!strcmp(json_object_get_string(own), name) &&
			json_object_object_get_ex(one, "state", &state) &&
			json_object_is_type(state, json_type_boolean)) {
			return state;
		}
	}
	return NULL;
}

int migration_capabilities_now(struct json_object *capabilities, struct json_object *body,
	struct json_object **ret, struct err *err)
{
	_cleanup_json_ struct json_object *now = json_object_new_object();

	if (!json_object_is_type(body, json_type_array)) {
		return err_set(err, -EBADMSG, "query-migrate-capabilities: the answer is no list");
	}
	json_object_object_foreach (capabilities, name, wanted) {
		struct json_object *state = state_in(body, name);

		(void)wanted;
		if (!state) {
			return err_set(
				err, -ENOENT, "this QEMU has no migration capability \"%s\"", name);
		}
		json_object_object_add(now, name, json_object_get(state));
	}
	*ret = TAKE_PTR(now);
	return 0;
}

static const struct parameter *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		if (!strcmp(parameters[i].name, name)) {
			return &parameters[i];
		}
	}
	return NULL;
}

static const struct parameter *find_or_fail(const char *name, struct err *err)
{
	const struct parameter *p = find(name);

	if (!p) {
		err_set(err, -EINVAL,
			"parameter \"%.64s\": not one that is known (dmctl(1) lists them)", name);
	}
	return p;
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; len && *p; p += strcspn(p, " "), p += *p == ' ') {
		if (strcspn(p, " ") == len && !strncmp(p, word, len)) {
			return true;
		}
	}
	return false;
}

/* Digits with a unit or without. */
static int parse_size(const char *text, uint64_t max, uint64_t *ret)
{
	static const char units[] = "KMGT";
	size_t len = strlen(text);
	const char *unit = len ? strchr(units, text[len - 1]) : NULL;
	unsigned shift = unit && *unit ? 10 * (unsigned)(unit - units + 1) : 0;
	char digits[24];

	if (len - (shift > 0) >= sizeof(digits)) {
		return -ERANGE;
	}
	snprintf(digits, sizeof(digits), "%.*s", (int)(len - (shift > 0)), text);
	if (parse_u64(digits, max >> shift, ret) < 0) {
		return -EINVAL;
	}
	*ret <<= shift;
	return 0;
}

static int bad_value(const struct parameter *p, const char *value, struct err *err)
{
	switch (p->type) {
	case TYPE_NUMBER:
		return err_set(err, -EINVAL,
			"parameter \"%s\": must be a number up to %" PRIu64 ", is %.64s", p->name,
			p->max, value);
	case TYPE_SIZE:
		return err_set(err, -EINVAL,
			"parameter \"%s\": must be a number of bytes (with K, M, G or T), is %.64s",
			p->name, value);
	case TYPE_SWITCH:
		return err_set(err, -EINVAL, "parameter \"%s\": must be on or off, is %.64s",
			p->name, value);
	case TYPE_WORD:
		return err_set(err, -EINVAL, "parameter \"%s\": must be one of %s, is %.64s",
			p->name, p->words, value);
	case TYPE_TEXT:
		break;
	}
	return err_set(err, -EINVAL, "parameter \"%s\": must be a text of at most %d bytes",
		p->name, LIMIT_MIGRATION_TEXT_BYTES);
}

int migration_parameter_parse(const char *text, struct json_object *into, struct err *err)
{
	char name[LIMIT_MIGRATION_NAME_BYTES + 1];
	struct json_object *json = NULL;
	const struct parameter *p;
	const char *value;
	uint64_t number;
	bool on;
	int r = split(text, "parameter", name, &value, err);

	if (r < 0) {
		return r;
	}
	p = find_or_fail(name, err);
	if (!p) {
		return -EINVAL;
	}
	if (p->type == TYPE_NUMBER && parse_u64(value, p->max, &number) == 0) {
		json = json_object_new_int64((int64_t)number);
	} else if (p->type == TYPE_SIZE && parse_size(value, p->max, &number) == 0) {
		json = json_object_new_int64((int64_t)number);
	} else if (p->type == TYPE_SWITCH && parse_switch(value, &on) == 0) {
		json = json_object_new_boolean(on);
	} else if ((p->type == TYPE_WORD && has_word(p->words, value)) ||
		   (p->type == TYPE_TEXT && strlen(value) <= LIMIT_MIGRATION_TEXT_BYTES)) {
		json = json_object_new_string(value);
	} else {
		return bad_value(p, value, err);
	}
	return add(into, "parameter", name, json, err);
}

static bool fits(const struct parameter *p, struct json_object *value)
{
	static const enum json_type types[] = {[TYPE_NUMBER] = json_type_int,
		[TYPE_SIZE] = json_type_int,
		[TYPE_SWITCH] = json_type_boolean,
		[TYPE_WORD] = json_type_string,
		[TYPE_TEXT] = json_type_string};
	int64_t number = json_object_get_int64(value);

	if (!json_object_is_type(value, types[p->type])) {
		return false;
	}
	switch (p->type) {
	case TYPE_NUMBER:
	case TYPE_SIZE:
		return number >= 0 && (uint64_t)number <= p->max &&
		       json_object_get_uint64(value) <= INT64_MAX;
	case TYPE_WORD:
		return has_word(p->words, json_object_get_string(value));
	case TYPE_TEXT:
		return strlen(json_object_get_string(value)) <= LIMIT_MIGRATION_TEXT_BYTES;
	case TYPE_SWITCH:
		break;
	}
	return true;
}

int migration_parameters_check(struct json_object *given, struct err *err)
{
	int r = check_count(given, "parameters", err);

	if (r < 0 || !given) {
		return r;
	}
	json_object_object_foreach (given, name, value) {
		const struct parameter *p = find_or_fail(name, err);

		if (!p) {
			return -EINVAL;
		}
		if (!fits(p, value)) {
			return bad_value(p,
				json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), err);
		}
	}
	return 0;
}

int migration_parameters_now(struct json_object *given, struct json_object *body,
	struct json_object **ret, struct err *err)
{
	_cleanup_json_ struct json_object *now = json_object_new_object();

	if (!json_object_is_type(body, json_type_object)) {
		return err_set(err, -EBADMSG, "query-migrate-parameters: the answer is no object");
	}
	json_object_object_foreach (given, name, wanted) {
		const struct parameter *p = find(name);
		struct json_object *value = NULL;
		bool there = json_object_object_get_ex(body, name, &value);

		(void)wanted;
		if (!there && p && p->type == TYPE_TEXT) { /* QEMU tells only those that are set */
			json_object_object_add(now, name, json_object_new_string(""));
		} else if (!there) {
			return err_set(
				err, -ENOENT, "this QEMU has no migration parameter \"%s\"", name);
		} else if (!p || !fits(p, value)) {
			return err_set(err, -EBADMSG,
				"query-migrate-parameters: \"%s\" is of another kind than expected",
				name);
		} else {
			json_object_object_add(now, name, json_object_get(value));
		}
	}
	*ret = TAKE_PTR(now);
	return 0;
}
