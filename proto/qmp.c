/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qmp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/limits.h"

static void tokener_free_p(struct json_tokener **t)
{
	if (*t) {
		json_tokener_free(*t);
	}
}

static int classify(struct qmp_message *m)
{
	struct json_object *value, *desc, *class;

	if (json_object_object_get_ex(m->json, "QMP", &value)) {
		m->kind = QMP_GREETING;
		return json_object_is_type(value, json_type_object) ? 0 : -EBADMSG;
	}
	if (json_object_object_get_ex(m->json, "event", &value)) {
		m->kind = QMP_EVENT;
		m->name = json_object_get_string(value);
		json_object_object_get_ex(m->json, "data", &m->body);
		return json_object_is_type(value, json_type_string) ? 0 : -EBADMSG;
	}
	if (json_object_object_get_ex(m->json, "id", &value) &&
		json_object_is_type(value, json_type_int)) {
		m->id = json_object_get_int64(value);
	}
	if (json_object_object_get_ex(m->json, "return", &m->body)) {
		m->kind = QMP_RETURN;
		return 0;
	}
	if (json_object_object_get_ex(m->json, "error", &value) &&
		json_object_object_get_ex(value, "desc", &desc)) {
		m->kind = QMP_ERROR;
		m->desc = json_object_get_string(desc);
		if (json_object_object_get_ex(value, "class", &class)) {
			m->error_class = json_object_get_string(class);
		}
		return m->desc ? 0 : -EBADMSG;
	}
	return -EBADMSG;
}

int qmp_parse(const char *line, size_t len, struct qmp_message *ret, struct err *err)
{
	_cleanup_(tokener_free_p) struct json_tokener *tokener =
		json_tokener_new_ex(LIMIT_JSON_DEPTH);
	struct qmp_message m = {.id = -1};

	if (!tokener) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (len > LIMIT_QMP_LINE_BYTES) {
		return err_set(
			err, -EBADMSG, "QMP message of more than %d bytes", LIMIT_QMP_LINE_BYTES);
	}
	m.json = json_tokener_parse_ex(tokener, line, len);
	if (!m.json || !json_object_is_type(m.json, json_type_object) || classify(&m) < 0) {
		json_object_put(m.json);
		return err_set(err, -EBADMSG, "not a QMP message: \"%.*s\"",
			len > 80 ? 80 : (int)len, line);
	}
	*ret = m;
	return 0;
}

void qmp_message_fini(struct qmp_message *m)
{
	json_object_put(m->json);
	*m = (struct qmp_message){0};
}

char *qmp_command(const char *name, struct json_object *arguments, int64_t id)
{
	struct json_object *json = json_object_new_object();
	char *line = NULL;

	if (!json) {
		return NULL;
	}
	json_object_object_add(json, "execute", json_object_new_string(name));
	if (arguments) {
		json_object_object_add(json, "arguments", json_object_get(arguments));
	}
	json_object_object_add(json, "id", json_object_new_int64(id));
	if (asprintf(&line, "%s\n", json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN)) <
		0) {
		line = NULL;
	}
	json_object_put(json);
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
		return mode->incoming_defer ? QMP_READY : QMP_WAIT;
	}
	return QMP_WAIT;
}
