/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One table names every plain field once; encoding and decoding walk it. What is not plain (argv,
 * the process's identity, words of an enumeration) follows by hand.
 */
#include "proto/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "proto/devicelist.h"

enum field_type { FIELD_U32, FIELD_U64, FIELD_S64, FIELD_INT, FIELD_BOOL, FIELD_STRING };

struct field {
	const char *key;
	enum field_type type;
	size_t offset;
	bool optional; /* records of earlier versions lack it: zero */
};

#define FIELD(key, type, member)                                                                   \
	{                                                                                          \
		key, FIELD_##type, offsetof(struct record, member), false                          \
	}
#define FIELD_LATER(key, type, member)                                                             \
	{                                                                                          \
		key, FIELD_##type, offsetof(struct record, member), true                           \
	}
static const struct field fields[] = {
	FIELD("domid", U32, domid),
	FIELD("unique_id", U64, unique_id),
	FIELD("name", STRING, name),
	FIELD("released", BOOL, released),
	FIELD("by_toolstack", BOOL, by_toolstack),
	FIELD("asked", BOOL, asked),
	FIELD("source", STRING, source),
	FIELD("reason", STRING, reason),
	FIELD("binary", STRING, binary),
	FIELD("log", STRING, log),
	FIELD("cgroup", STRING, cgroup),
	FIELD("since_ms", S64, since_ms),
	FIELD("started_ms", S64, started_ms),
	FIELD("start_ms", S64, start_ms),
	FIELD("memory_max_mib", U64, limits.memory_max_mib),
	FIELD("cpu_weight", U32, limits.cpu_weight),
	FIELD("pids_max", U32, limits.pids_max),
	FIELD("log_max_mib", U32, limits.log_max_mib),
	FIELD("start_timeout_s", U32, limits.start_timeout_s),
	FIELD("pid", INT, process.pid),
	FIELD("start_ticks", U64, process.start_ticks),
	FIELD("exe_dev", U64, process.exe_dev),
	FIELD("exe_ino", U64, process.exe_ino),
	FIELD("argv_hash", U64, process.argv_hash),
	FIELD_LATER("helper_pid", INT, helper_pid),
	FIELD_LATER("by_libxl", BOOL, by_libxl),
	FIELD_LATER("restarting", BOOL, restarting),
	FIELD_LATER("restarts", U32, restarts),
	FIELD_LATER("directory", STRING, directory),
	FIELD_LATER("incoming_later", BOOL, incoming_later),
	FIELD_LATER("device_serial", U32, device_serial),
};

void record_fini(struct record *r)
{
	free(r->name);
	free(r->source);
	free(r->reason);
	free(r->binary);
	free(r->log);
	free(r->cgroup);
	free(r->directory);
	strv_fini(&r->argv);
	strv_fini(&r->env);
	strv_fini(&r->nodes);
	strv_fini(&r->warnings);
	strv_fini(&r->gone);
	json_object_put(r->devices);
	json_object_put(r->steps);
	json_object_put(r->all_steps);
	json_object_put(r->migration);
	*r = (struct record){0};
}

static struct json_object *encode_field(const struct field *f, const void *at)
{
	switch (f->type) {
	case FIELD_U32:
		return json_object_new_int64(*(const uint32_t *)at);
	case FIELD_U64:
		return json_object_new_uint64(*(const uint64_t *)at);
	case FIELD_S64:
		return json_object_new_int64(*(const int64_t *)at);
	case FIELD_INT:
		return json_object_new_int(*(const int *)at);
	case FIELD_BOOL:
		return json_object_new_boolean(*(const bool *)at);
	case FIELD_STRING:
		return *(char *const *)at ? json_object_new_string(*(char *const *)at) : NULL;
	}
	return NULL;
}

static void encode_words(struct json_object *json, const struct record *r)
{
	char uuid[UUID_TEXT_LEN + 1];

	uuid_format(r->uuid, uuid);
	json_object_object_add(json, "uuid", json_object_new_string(uuid));
	json_object_object_add(json, "boot_id", json_object_new_string(r->boot_id));
	json_object_object_add(json, "kind",
		dm_kind_name(r->kind) ? json_object_new_string(dm_kind_name(r->kind)) : NULL);
	json_object_object_add(json, "state", json_object_new_string(dm_state_name(r->state)));
	json_object_object_add(json, "on_exit", json_object_new_string(on_exit_name(r->on_exit)));
	json_object_object_add(json, "exit_how", json_object_new_int(r->exit.how));
	json_object_object_add(json, "exit_value", json_object_new_int(r->exit.value));
}

static struct json_object *encode_list(const struct strv *items)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < items->len; i++) {
		json_object_array_add(list, json_object_new_string(items->items[i]));
	}
	return list;
}

static void encode_follow(struct json_object *json, const struct record *r)
{
	json_object_object_add(json, "following", json_object_new_boolean(r->following));
	json_object_object_add(json, "steps", json_object_get(r->steps));
	json_object_object_add(json, "all_steps", json_object_get(r->all_steps));
	json_object_object_add(json, "migration", json_object_get(r->migration));
	json_object_object_add(json, "env", encode_list(&r->env));
	json_object_object_add(json, "nodes", encode_list(&r->nodes));
	json_object_object_add(json, "warnings", encode_list(&r->warnings));
}

char *record_encode(const struct record *r)
{
	struct json_object *json = json_object_new_object();
	char *text = NULL;

	if (!json) {
		return NULL;
	}
	json_object_object_add(json, "version", json_object_new_int(RECORD_VERSION));
	encode_words(json, r);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		json_object_object_add(json, fields[i].key,
			encode_field(&fields[i], (const char *)r + fields[i].offset));
	}
	json_object_object_add(json, "argv", encode_list(&r->argv));
	encode_follow(json, r);
	json_object_object_add(json, "devices", json_object_get(r->devices));
	json_object_object_add(json, "gone", encode_list(&r->gone));
	if (asprintf(&text, "%s\n",
		    json_object_to_json_string_ext(
			    json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE)) < 0) {
		text = NULL;
	}
	json_object_put(json);
	return text;
}

static int decode_number(const struct field *f, struct json_object *value, void *at)
{
	int64_t number = json_object_get_int64(value);

	if (!json_object_is_type(value, json_type_int)) {
		return -EBADMSG;
	}
	switch (f->type) {
	case FIELD_U32:
		*(uint32_t *)at = number;
		return number >= 0 && number <= UINT32_MAX ? 0 : -EBADMSG;
	case FIELD_INT:
		*(int *)at = number;
		return number >= 0 && number <= INT32_MAX ? 0 : -EBADMSG;
	case FIELD_U64:
		*(uint64_t *)at = json_object_get_uint64(value);
		return number >= 0 ? 0 : -EBADMSG;
	default:
		*(int64_t *)at = number;
		return 0;
	}
}

static int decode_field(const struct field *f, struct json_object *json, void *at)
{
	struct json_object *value;

	if (!json_object_object_get_ex(json, f->key, &value)) {
		return f->optional ? 0 : -EBADMSG;
	}
	if (f->type == FIELD_STRING) {
		if (value && !json_object_is_type(value, json_type_string)) {
			return -EBADMSG;
		}
		*(char **)at = value ? strdup(json_object_get_string(value)) : NULL;
		return value && !*(char **)at ? -ENOMEM : 0;
	}
	if (f->type == FIELD_BOOL) {
		*(bool *)at = json_object_get_boolean(value);
		return json_object_is_type(value, json_type_boolean) ? 0 : -EBADMSG;
	}
	return decode_number(f, value, at);
}

static const char *word(struct json_object *json, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(json, key, &value) ||
		!json_object_is_type(value, json_type_string)) {
		return "";
	}
	return json_object_get_string(value);
}

static int decode_on_exit(const char *text, enum on_exit_policy *ret)
{
	for (int i = 0; i < _ON_EXIT_MAX; i++) {
		if (!strcmp(text, on_exit_name(i))) {
			*ret = i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int decode_words(struct json_object *json, struct record *r)
{
	const char *boot_id = word(json, "boot_id");
	const char *kind = word(json, "kind");
	struct json_object *how, *value;

	if (parse_uuid(word(json, "uuid"), r->uuid) < 0 || strlen(boot_id) >= sizeof(r->boot_id) ||
		dm_state_parse(word(json, "state"), &r->state) < 0 ||
		decode_on_exit(word(json, "on_exit"), &r->on_exit) < 0 ||
		(*kind && dm_kind_parse(kind, &r->kind) < 0) ||
		!json_object_object_get_ex(json, "exit_how", &how) ||
		!json_object_object_get_ex(json, "exit_value", &value)) {
		return -EBADMSG;
	}
	memcpy(r->boot_id, boot_id, strlen(boot_id) + 1);
	r->exit.how = json_object_get_int(how);
	r->exit.value = json_object_get_int(value);
	return r->exit.how <= EXIT_HOW_SIGNAL ? 0 : -EBADMSG;
}

static int decode_list(struct json_object *list, struct strv *ret)
{
	if (!json_object_is_type(list, json_type_array) ||
		json_object_array_length(list) > LIMIT_ARGV_ITEMS) {
		return -EBADMSG;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		if (!json_object_is_type(item, json_type_string)) {
			return -EBADMSG;
		}
		strv_add(ret, json_object_get_string(item));
	}
	return strv_status(ret);
}

static int decode_argv(struct json_object *json, struct strv *ret)
{
	struct json_object *list;

	return json_object_object_get_ex(json, "argv", &list) ? decode_list(list, ret) : -EBADMSG;
}

static int decode_tree(
	struct json_object *json, const char *key, enum json_type type, struct json_object **ret)
{
	struct json_object *value;

	if (!json_object_object_get_ex(json, key, &value) || !value) {
		return 0;
	}
	if (!json_object_is_type(value, type)) {
		return -EBADMSG;
	}
	*ret = json_object_get(value);
	return 0;
}

/* Records of daemons before it have none of these. */
static int decode_follow(struct json_object *json, struct record *r)
{
	struct json_object *value;

	if (json_object_object_get_ex(json, "following", &value)) {
		r->following = json_object_get_boolean(value);
	}
	if (decode_tree(json, "steps", json_type_array, &r->steps) < 0 ||
		decode_tree(json, "all_steps", json_type_array, &r->all_steps) < 0 ||
		decode_tree(json, "migration", json_type_object, &r->migration) < 0) {
		return -EBADMSG;
	}
	if (json_object_object_get_ex(json, "env", &value) && decode_list(value, &r->env) < 0) {
		return -EBADMSG;
	}
	if (json_object_object_get_ex(json, "nodes", &value) && decode_list(value, &r->nodes) < 0) {
		return -EBADMSG;
	}
	return json_object_object_get_ex(json, "warnings", &value)
		       ? decode_list(value, &r->warnings)
		       : 0;
}

/* Records of daemons before it have none of these either. */
static int decode_devices(struct json_object *json, struct record *r)
{
	struct json_object *value;

	if (json_object_object_get_ex(json, "gone", &value) && decode_list(value, &r->gone) < 0) {
		return -EBADMSG;
	}
	if (!json_object_object_get_ex(json, "devices", &value) || !value) {
		return 0;
	}
	if (!devicelist_is_valid(value)) {
		return -EBADMSG;
	}
	r->devices = json_object_get(value);
	return 0;
}

static int decode_object(struct json_object *json, struct record *ret, struct err *err)
{
	struct json_object *version;
	int r;

	if (!json_object_is_type(json, json_type_object) ||
		!json_object_object_get_ex(json, "version", &version)) {
		return err_set(err, -EBADMSG, "not a record");
	}
	if (json_object_get_int(version) != RECORD_VERSION) {
		return err_set(err, -EPROTONOSUPPORT, "record of version %d, this daemon reads %d",
			json_object_get_int(version), RECORD_VERSION);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		r = decode_field(&fields[i], json, (char *)ret + fields[i].offset);
		if (r < 0) {
			return err_set(err, r, "\"%s\" is missing or wrong", fields[i].key);
		}
	}
	if (decode_words(json, ret) < 0) {
		return err_set(
			err, -EBADMSG, "uuid, kind, state, on_exit or exit is missing or wrong");
	}
	if (decode_argv(json, &ret->argv) < 0) {
		return err_set(err, -EBADMSG, "\"argv\" is missing or wrong");
	}
	if (decode_follow(json, ret) < 0) {
		return err_set(
			err, -EBADMSG, "\"steps\", \"env\", \"nodes\" or \"warnings\" is wrong");
	}
	if (decode_devices(json, ret) < 0) {
		return err_set(err, -EBADMSG, "\"devices\" or \"gone\" is wrong");
	}
	return 0;
}

int record_decode(const char *text, size_t len, struct record *ret, struct err *err)
{
	struct json_tokener *tokener = json_tokener_new_ex(LIMIT_JSON_DEPTH);
	struct record record = {0};
	struct json_object *json;
	int r;

	if (!tokener) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	json = len && len <= LIMIT_RECORD_BYTES ? json_tokener_parse_ex(tokener, text, len) : NULL;
	if (json) {
		r = decode_object(json, &record, err);
	} else {
		r = err_set(err, -EBADMSG, "not JSON, cut off, or larger than %d bytes",
			LIMIT_RECORD_BYTES);
	}
	json_object_put(json);
	json_tokener_free(tokener);
	if (r < 0) {
		record_fini(&record);
		return r;
	}
	*ret = record;
	return 0;
}
