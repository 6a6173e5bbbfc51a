/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/varlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/jsonscan.h"
#include "lib/limits.h"

#include "proto/varlink-texts.h"

#define KEEP_BYTES (64 * 1024) /* one large message is not held for ever */

const char varlink_service_text[] = VARLINK_SERVICE_TEXT;
const char varlink_interface_text[] = VARLINK_INTERFACE_TEXT;

void varlink_framer_fini(struct varlink_framer *f)
{
	bytes_fini(&f->in);
	*f = (struct varlink_framer){.max = f->max};
}

int varlink_feed(struct varlink_framer *f, const char *data, size_t len)
{
	const char *last_nul = memrchr(data, 0, len), *first_nul = memchr(data, 0, len);
	const char *head = bytes_head(&f->in);
	size_t held = varlink_held(f);
	const char *held_nul = held ? memrchr(head, 0, held) : NULL;
	size_t unfinished = held_nul ? (size_t)(head + held - held_nul - 1) : held;
	size_t first = first_nul ? (size_t)(first_nul - data) : len;

	if (unfinished + first > f->max ||
		(last_nul && (size_t)(data + len - last_nul - 1) > f->max)) {
		return -EMSGSIZE;
	}
	return bytes_append(&f->in, data, len);
}

/* What was looked through without a NUL is not looked through again. */
static char *find_end(const struct varlink_framer *f)
{
	size_t held = varlink_held(f);

	return f->scanned < held ? memchr(bytes_head(&f->in) + f->scanned, 0, held - f->scanned)
				 : NULL;
}

bool varlink_pending(const struct varlink_framer *f)
{
	return find_end(f);
}

bool varlink_next(struct varlink_framer *f, const char **ret, size_t *ret_len)
{
	const char *end = find_end(f);

	if (!end) {
		f->scanned = varlink_held(f);
		bytes_trim(&f->in, KEEP_BYTES);
		return false;
	}
	*ret = bytes_head(&f->in);
	*ret_len = end - *ret;
	bytes_take(&f->in, *ret_len + 1);
	f->scanned = 0;
	return true;
}

static int parse_object(const char *text, size_t len, struct json_object **ret, struct err *err)
{
	struct json_tokener *tok = json_tokener_new_ex(LIMIT_JSON_DEPTH);
	struct json_object *json;
	enum json_tokener_error error;

	if (!tok) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	/* A call was scanned, a reply is the daemon's own. json-c's strict mode would only harm:
	 * that of 0.18 takes UTF-8 for control characters. */
	json = json_tokener_parse_ex(tok, text, len);
	error = json_tokener_get_error(tok);
	if (error == json_tokener_success && json_tokener_get_parse_end(tok) < len) {
		error = json_tokener_error_parse_unexpected;
	}
	json_tokener_free(tok);
	if (error != json_tokener_success) {
		json_object_put(json);
		return err_set(err, -EINVAL, "not JSON: %s",
			error == json_tokener_continue ? "ends too early"
						       : json_tokener_error_desc(error));
	}
	if (!json_object_is_type(json, json_type_object)) {
		json_object_put(json);
		return err_set(err, -EINVAL, "not a JSON object");
	}
	*ret = json;
	return 0;
}

int varlink_json_parse(const char *text, size_t len, struct json_object **ret, struct err *err)
{
	struct jsonscan_error error;
	int r = jsonscan_check_max(text, len, LIMIT_CONTROL_MESSAGE_BYTES, &error);

	if (r < 0) {
		return err_set(err, r, "%s%s%s (line %u, column %u)", error.path,
			error.path[0] ? ": " : "", error.text, error.place.line,
			error.place.column);
	}
	return parse_object(text, len, ret, err);
}

static int read_flag(struct json_object *root, const char *name, bool *ret, struct err *err)
{
	struct json_object *value;

	if (!json_object_object_get_ex(root, name, &value) || !value) {
		return 0;
	}
	if (!json_object_is_type(value, json_type_boolean)) {
		return err_set(err, -EINVAL, "\"%s\" is not a boolean", name);
	}
	*ret = json_object_get_boolean(value);
	return 0;
}

static bool is_text(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) &&
	       strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value);
}

static int read_members(struct varlink_call *call, struct err *err)
{
	struct json_object *method;
	int r;

	if (!json_object_object_get_ex(call->root, "method", &method) || !is_text(method)) {
		return err_set(err, -EINVAL, "\"method\" is missing or not a string");
	}
	call->method = json_object_get_string(method);
	call->parameters = json_object_object_get(call->root, "parameters");
	if (call->parameters && !json_object_is_type(call->parameters, json_type_object)) {
		return err_set(err, -EINVAL, "\"parameters\" is not an object");
	}
	r = read_flag(call->root, "oneway", &call->oneway, err);
	if (r == 0) {
		r = read_flag(call->root, "more", &call->more, err);
	}
	if (r == 0) {
		r = read_flag(call->root, "upgrade", &call->upgrade, err);
	}
	return r;
}

int varlink_call_parse(const char *text, size_t len, struct varlink_call *ret, struct err *err)
{
	struct varlink_call call = {0};
	int r = varlink_json_parse(text, len, &call.root, err);

	if (r == 0) {
		r = read_members(&call, err);
	}
	if (r < 0) {
		varlink_call_fini(&call);
		return r;
	}
	*ret = call;
	return 0;
}

void varlink_call_fini(struct varlink_call *call)
{
	json_object_put(call->root);
	*call = (struct varlink_call){0};
}

static int read_reply(struct varlink_reply *reply, struct err *err)
{
	struct json_object *error = json_object_object_get(reply->root, "error");

	reply->parameters = json_object_object_get(reply->root, "parameters");
	if (reply->parameters && !json_object_is_type(reply->parameters, json_type_object)) {
		return err_set(err, -EINVAL, "\"parameters\" is not an object");
	}
	if (error && !is_text(error)) {
		return err_set(err, -EINVAL, "\"error\" is not a string");
	}
	reply->error = error ? json_object_get_string(error) : NULL;
	return read_flag(reply->root, "continues", &reply->continues, err);
}

int varlink_reply_parse(const char *text, size_t len, struct varlink_reply *ret, struct err *err)
{
	struct varlink_reply reply = {0};
	int r = parse_object(text, len, &reply.root, err);

	if (r == 0) {
		r = read_reply(&reply, err);
	}
	if (r < 0) {
		varlink_reply_fini(&reply);
		return r;
	}
	*ret = reply;
	return 0;
}

void varlink_reply_fini(struct varlink_reply *reply)
{
	json_object_put(reply->root);
	*reply = (struct varlink_reply){0};
}

/* Adds VALUE, which it takes over; a failure makes the whole *JSON NULL. */
static void add_member(struct json_object **json, const char *name, struct json_object *value)
{
	if (!*json || !value || json_object_object_add(*json, name, value) < 0) {
		json_object_put(value);
		json_object_put(*json);
		*json = NULL;
	}
}

static struct json_object *message_new(struct json_object *parameters)
{
	struct json_object *json = json_object_new_object();

	add_member(&json, "parameters", parameters ? parameters : json_object_new_object());
	return json;
}

struct json_object *varlink_call_new(const char *method, struct json_object *parameters, bool more)
{
	struct json_object *json = message_new(parameters);

	add_member(&json, "method", json_object_new_string(method));
	if (more) {
		add_member(&json, "more", json_object_new_boolean(true));
	}
	return json;
}

struct json_object *varlink_reply_new(struct json_object *parameters, bool continues)
{
	struct json_object *json = message_new(parameters);

	if (continues) {
		add_member(&json, "continues", json_object_new_boolean(true));
	}
	return json;
}

struct json_object *varlink_error_new(const char *name, struct json_object *parameters)
{
	struct json_object *json = message_new(parameters);

	add_member(&json, "error", json_object_new_string(name));
	return json;
}

struct json_object *varlink_error_text(const char *name, const char *member, const char *text)
{
	struct json_object *parameters = json_object_new_object();

	add_member(&parameters, member, json_object_new_string(text));
	return parameters ? varlink_error_new(name, parameters) : NULL;
}

const char *varlink_encode(struct json_object *json, size_t *ret_len)
{
	const char *text = json_object_to_json_string_length(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, ret_len);

	if (text) {
		(*ret_len)++;
	}
	return text;
}

struct json_object *varlink_raw_new(const char *text, size_t len)
{
	struct json_object *json = json_object_new_int(0); /* an object would bring a table */
	char *copy = strndup(text, len);

	if (!json || !copy) {
		json_object_put(json);
		free(copy);
		return NULL;
	}
	json_object_set_serializer(
		json, json_object_userdata_to_json_string, copy, json_object_free_userdata);
	return json;
}

static bool read_param(struct json_object *value, const struct varlink_param *param)
{
	switch (param->type) {
	case VARLINK_STRING:
		if (!is_text(value)) {
			return false;
		}
		*(const char **)param->value = json_object_get_string(value);
		return true;
	case VARLINK_BOOL:
		if (!json_object_is_type(value, json_type_boolean)) {
			return false;
		}
		*(bool *)param->value = json_object_get_boolean(value);
		return true;
	case VARLINK_UINT:
		if (!json_object_is_type(value, json_type_int) ||
			json_object_get_int64(value) < 0) {
			return false;
		}
		*(uint64_t *)param->value = json_object_get_int64(value);
		return true;
	case VARLINK_OBJECT:
	case VARLINK_ARRAY:
		if (!json_object_is_type(value,
			    param->type == VARLINK_ARRAY ? json_type_array : json_type_object)) {
			return false;
		}
		*(struct json_object **)param->value = value;
		return true;
	}
	return false;
}

static const struct varlink_param *find_param(
	const struct varlink_param *params, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++) {
		if (!strcmp(params[i].name, name)) {
			return &params[i];
		}
	}
	return NULL;
}

int varlink_params_read(struct json_object *parameters, const struct varlink_param *params,
	size_t len, const char **ret_bad)
{
	if (parameters) {
		json_object_object_foreach (parameters, name, member) {
			if (!find_param(params, len, name)) {
				*ret_bad = name;
				return -EINVAL;
			}
			(void)member;
		}
	}
	for (size_t i = 0; i < len; i++) {
		struct json_object *value = json_object_object_get(parameters, params[i].name);

		if (value ? !read_param(value, &params[i]) : params[i].required) {
			*ret_bad = params[i].name;
			return -EINVAL;
		}
	}
	return 0;
}
