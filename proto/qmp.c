/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qmp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/jsonscan.h"
#include "lib/limits.h"
#include "lib/utf8.h"

/* A known member and its type; members that stand in no such list are errors. */
struct member {
	const char *name;
	enum json_type type; /* json_type_null: any */
	bool required;
};

static const struct jsonscan_bounds message_bounds = {
	.depth = LIMIT_QMP_DEPTH,
	.members = LIMIT_QMP_MEMBERS,
	.key_bytes = LIMIT_QMP_KEY_BYTES,
	.string_bytes = LIMIT_QMP_STRING_BYTES,
	.number_bytes = LIMIT_QMP_NUMBER_BYTES,
	.no_controls = true,
};
static const struct jsonscan_bounds hmp_bounds = {
	.depth = LIMIT_QMP_DEPTH,
	.members = LIMIT_QMP_MEMBERS,
	.key_bytes = LIMIT_QMP_KEY_BYTES,
	.string_bytes = LIMIT_QMP_HMP_BYTES,
	.number_bytes = LIMIT_QMP_NUMBER_BYTES,
};

static void tokener_free_p(struct json_tokener **t)
{
	if (*t) {
		json_tokener_free(*t);
	}
}

/* RET_ID: where "id" stands; NULL: nobody asks. */
static int parse_object(const char *text, size_t len, const struct jsonscan_bounds *bounds,
	struct jsonscan_value *ret_id, struct json_object **ret, struct err *err)
{
	static const struct jsonscan_step id = {.key = "id"};
	_cleanup_(tokener_free_p) struct json_tokener *tokener =
		json_tokener_new_ex(LIMIT_QMP_DEPTH + 2); /* one for a scalar, one that it keeps */
	struct jsonscan_error error;
	struct json_object *json;
	int r;

	if (!tokener) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	r = jsonscan_check_find(text, len, LIMIT_QMP_SCHEMA_BYTES, bounds, &id, ret_id, &error);
	if (r < 0) {
		return err_set(err, r == -EINVAL ? -EBADMSG : r, "%s%s%s", error.path,
			error.path[0] ? ": " : "", error.text);
	}
	json = json_tokener_parse_ex(tokener, text, len);
	if (!json_object_is_type(json, json_type_object)) {
		json_object_put(json);
		return err_set(err, -EBADMSG, "no object");
	}
	*ret = json;
	return 0;
}

static const struct member *find_member(const struct member *members, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++) {
		if (!strcmp(members[i].name, name)) {
			return &members[i];
		}
	}
	return NULL;
}

/* Exactly these members and no other, none in another case. */
static bool has_shape(struct json_object *json, const struct member *members, size_t len)
{
	if (!json_object_is_type(json, json_type_object)) {
		return false;
	}
	json_object_object_foreach (json, name, value) {
		const struct member *m = find_member(members, len, name);

		if (!m || (m->type != json_type_null && !json_object_is_type(value, m->type))) {
			return false;
		}
	}
	for (size_t i = 0; i < len; i++) {
		if (members[i].required &&
			!json_object_object_get_ex(json, members[i].name, NULL)) {
			return false;
		}
	}
	return true;
}

bool qmp_version_read(struct json_object *body, struct qmp_version *ret)
{
	static const char *const names[] = {"major", "minor", "micro"};
	unsigned *const numbers[] = {&ret->major, &ret->minor, &ret->micro};
	struct json_object *qemu;

	if (!json_object_is_type(body, json_type_object) ||
		!json_object_object_get_ex(body, "qemu", &qemu)) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct json_object *number = NULL;
		int64_t value;

		json_object_object_get_ex(qemu, names[i], &number);
		value = json_object_get_int64(number);
		if (!json_object_is_type(number, json_type_int) || value < 0 || value > 999) {
			return false;
		}
		*numbers[i] = value;
	}
	return true;
}

static bool read_greeting(struct json_object *greeting, struct qmp_version *ret)
{
	static const struct member outer[] = {
		{"version", json_type_object, true}, {"capabilities", json_type_array, true}};

	return has_shape(greeting, outer, ARRAY_SIZE(outer)) &&
	       qmp_version_read(json_object_object_get(greeting, "version"), ret);
}

static void read_id(struct qmp_message *m)
{
	struct json_object *id;

	m->has_id = json_object_object_get_ex(m->json, "id", &id);
	if (m->has_id && json_object_is_type(id, json_type_int)) {
		m->id = json_object_get_int64(id);
	}
}

static bool classify(struct qmp_message *m)
{
	static const struct member greeting[] = {{"QMP", json_type_object, true}};
	static const struct member reply[] = {
		{"return", json_type_null, true}, {"id", json_type_null, false}};
	static const struct member failure[] = {
		{"error", json_type_object, true}, {"id", json_type_null, false}};
	static const struct member error[] = {
		{"class", json_type_string, true}, {"desc", json_type_string, true}};
	static const struct member event[] = {{"event", json_type_string, true},
		{"data", json_type_object, false}, {"timestamp", json_type_object, false}};
	struct json_object *inner;

	read_id(m);
	if (has_shape(m->json, reply, ARRAY_SIZE(reply))) {
		m->kind = QMP_RETURN;
		m->body = json_object_object_get(m->json, "return");
		return true;
	}
	if (has_shape(m->json, event, ARRAY_SIZE(event))) {
		m->kind = QMP_EVENT;
		m->name = json_object_get_string(json_object_object_get(m->json, "event"));
		m->body = json_object_object_get(m->json, "data");
		return true;
	}
	if (has_shape(m->json, greeting, ARRAY_SIZE(greeting))) {
		m->kind = QMP_GREETING;
		return read_greeting(json_object_object_get(m->json, "QMP"), &m->version);
	}
	inner = json_object_object_get(m->json, "error");
	if (has_shape(m->json, failure, ARRAY_SIZE(failure)) &&
		has_shape(inner, error, ARRAY_SIZE(error))) {
		m->kind = QMP_ERROR;
		m->error_class = json_object_get_string(json_object_object_get(inner, "class"));
		m->desc = json_object_get_string(json_object_object_get(inner, "desc"));
		return true;
	}
	return false;
}

/* The begin of a line that may hold anything. */
static int fail_line(struct err *err, int code, const char *line, size_t len, const char *why)
{
	char shown[81] = "";

	if (len > 0) {
		snprintf(shown, sizeof(shown), "%.*s", len > 80 ? 80 : (int)len, line);
	}
	utf8_make_printable(shown, strlen(shown));
	qmp_sanitise(shown, sizeof(shown));
	return err_set(err, code, "not a QMP message%s%s: \"%s\"", *why ? ", " : "", why, shown);
}

int qmp_parse(const char *line, size_t len, bool hmp, struct qmp_message *ret, struct err *err)
{
	struct qmp_message m = {.id = -1};
	struct err why;
	int r = parse_object(line, len, hmp ? &hmp_bounds : &message_bounds, NULL, &m.json, &why);

	if (r == -ENOMEM) {
		return err_set(err, r, "out of memory");
	}
	if (r < 0) {
		return fail_line(err, r, line, len, why.text);
	}
	if (!classify(&m)) {
		json_object_put(m.json);
		return fail_line(err, -EBADMSG, line, len, "");
	}
	*ret = m;
	return 0;
}

void qmp_message_fini(struct qmp_message *m)
{
	json_object_put(m->json);
	*m = (struct qmp_message){0};
}

/* The raw text of "id". One that can't be repeated on a line stays out. */
static int take_id(
	const char *text, const struct jsonscan_value *id, struct qmp_request *r, struct err *err)
{
	for (size_t i = 0; i < id->len; i++) {
		if ((unsigned char)text[id->offset + i] < 0x20) {
			return err_set(err, -EINVAL, "the id has a newline or a tab");
		}
	}
	if (id->len > LIMIT_QMP_ID_BYTES) {
		return err_set(err, -EINVAL, "the id has more than %d bytes", LIMIT_QMP_ID_BYTES);
	}
	r->id = id->len ? text + id->offset : NULL;
	r->id_len = id->len;
	return 0;
}

static int read_request(struct qmp_request *r, struct err *err)
{
	static const struct member members[] = {{"execute", json_type_string, true},
		{"arguments", json_type_object, false}, {"id", json_type_null, false}};

	json_object_object_foreach (r->json, name, value) {
		const struct member *m = find_member(members, ARRAY_SIZE(members), name);

		if (!m) {
			return err_set(err, -EINVAL, "the member \"%.64s\" is not known", name);
		}
		if (m->type != json_type_null && !json_object_is_type(value, m->type)) {
			return err_set(err, -EINVAL, "the member \"%s\" must be %s", name,
				m->type == json_type_string ? "a string" : "an object");
		}
	}
	r->command = json_object_get_string(json_object_object_get(r->json, "execute"));
	r->arguments = json_object_object_get(r->json, "arguments");
	return r->command ? 0 : err_set(err, -EINVAL, "the member \"execute\" is missing");
}

int qmp_request_parse(const char *text, size_t len, struct qmp_request *ret, struct err *err)
{
	struct jsonscan_value id;
	struct err why;
	int r;

	*ret = (struct qmp_request){0};
	r = parse_object(text, len, &message_bounds, &id, &ret->json, &why);
	if (r < 0) {
		return err_set(err, r == -ENOMEM ? r : -EINVAL, "not a command: %.300s", why.text);
	}
	r = take_id(text, &id, ret, err);
	if (r == 0) {
		r = read_request(ret, err);
	}
	if (r < 0) {
		json_object_put(TAKE_PTR(ret->json));
	}
	return r;
}

void qmp_request_fini(struct qmp_request *r)
{
	json_object_put(r->json);
	*r = (struct qmp_request){0};
}

char *qmp_command(const char *name, struct json_object *arguments, int64_t id)
{
	_cleanup_json_ struct json_object *quoted = json_object_new_string(name);
	char *line = NULL;

	if (!quoted || asprintf(&line, "{\"execute\":%s%s%s,\"id\":%" PRId64 "}\n",
			       json_object_to_json_string_ext(quoted, JSON_C_TO_STRING_PLAIN),
			       arguments ? ",\"arguments\":" : "",
			       arguments ? json_object_to_json_string_ext(
						   arguments, JSON_C_TO_STRING_PLAIN)
					 : "",
			       id) < 0) {
		return NULL;
	}
	return line;
}

enum qmp_readiness qmp_readiness(const char *status, const struct qmp_start_mode *mode)
{
	if (!strcmp(status, "running")) {
		return QMP_READY;
	}
	if (!strcmp(status, "prelaunch")) {
		return mode->stopped && !mode->incoming ? QMP_READY : QMP_WAIT;
	}
	if (!strcmp(status, "paused")) {
		return mode->stopped && mode->incoming ? QMP_READY : QMP_WAIT;
	}
	if (!strcmp(status, "inmigrate")) {
		return mode->incoming_later ? QMP_READY : QMP_WAIT;
	}
	return QMP_WAIT;
}
