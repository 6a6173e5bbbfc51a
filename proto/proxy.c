/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/proxy.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/parse.h"
#include "lib/utf8.h"

#define RECORD_VERSION 1

void proxy_request_fini(struct proxy_request *request)
{
	free(request->socket);
	free(request->state_path);
	*request = (struct proxy_request){0};
}

void proxy_record_fini(struct proxy_record *record)
{
	proxy_request_fini(&record->request);
}

void proxy_node(uint32_t stub, uint32_t guest, char ret[PROXY_NODE_MAX])
{
	snprintf(ret, PROXY_NODE_MAX,
		"/local/domain/%" PRIu16 "/device-model/%" PRIu16 "/qmp-vchan", (uint16_t)stub,
		(uint16_t)guest);
}

static bool is_guest(uint32_t domid)
{
	return domid > 0 && domid < DOMID_FIRST_RESERVED;
}

int proxy_parse_node(const char *node, uint32_t stub, uint32_t *ret_guest, struct err *err)
{
	static const char part[] = "/device-model/";
	const char *at = strstr(node, part);
	char number[8] = "", whole[PROXY_NODE_MAX];
	size_t len;

	if (at) {
		at += strlen(part);
		len = strcspn(at, "/");
		if (len < sizeof(number)) {
			memcpy(number, at, len);
		}
	}
	if (is_guest(stub) && parse_domid(number, ret_guest) == 0 && *ret_guest) {
		proxy_node(stub, *ret_guest, whole);
		if (!strcmp(whole, node)) {
			return 0;
		}
	}
	return err_set(err, -EINVAL,
		"\"%.80s\" is not /local/domain/%" PRIu32 "/device-model/GUEST/qmp-vchan", node,
		stub);
}

static bool is_path(const char *path, size_t max)
{
	size_t len = strlen(path);

	return len > 1 && len <= max && path[0] == '/' && path[len - 1] != '/' &&
	       utf8_valid(path, len);
}

int proxy_check(const struct proxy_request *request, struct err *err)
{
	if (!is_guest(request->stub) || !is_guest(request->guest)) {
		return err_set(err, -EINVAL, "domain %" PRIu32 " is no guest",
			is_guest(request->stub) ? request->guest : request->stub);
	}
	if (request->stub == request->guest) {
		return err_set(err, -EINVAL, "domain %" PRIu32 " is not its own stub domain",
			request->stub);
	}
	if (request->socket && !is_path(request->socket, PROXY_SOCKET_MAX)) {
		return err_set(err, -EINVAL,
			"the socket \"%.120s\" is no absolute path of at most %d bytes",
			request->socket, PROXY_SOCKET_MAX);
	}
	if (request->state_path && !is_path(request->state_path, PROXY_STATE_MAX)) {
		return err_set(err, -EINVAL,
			"the state path \"%.120s\" is no absolute path of at most %d bytes",
			request->state_path, PROXY_STATE_MAX);
	}
	return 0;
}

static struct json_object *text_or_null(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

struct json_object *proxy_encode(const struct proxy_request *request)
{
	struct json_object *json = json_object_new_object();

	if (json) {
		json_object_object_add(json, "stub", json_object_new_int64(request->stub));
		json_object_object_add(json, "guest", json_object_new_int64(request->guest));
		json_object_object_add(json, "socket", text_or_null(request->socket));
		json_object_object_add(json, "state_path", text_or_null(request->state_path));
	}
	return json;
}

static int get_number(
	struct json_object *json, const char *key, int64_t max, int64_t *ret, struct err *err)
{
	struct json_object *value;

	if (!json_object_object_get_ex(json, key, &value) ||
		!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
		json_object_get_int64(value) > max) {
		return err_set(err, -EINVAL, "\"%s\" is missing or out of range", key);
	}
	*ret = json_object_get_int64(value);
	return 0;
}

/* Null and absent are NULL. */
static int get_text(struct json_object *json, const char *key, char **ret, struct err *err)
{
	struct json_object *value = NULL;
	const char *text;

	if (!json_object_object_get_ex(json, key, &value) || !value) {
		return 0;
	}
	text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
	if (!text || strlen(text) != (size_t)json_object_get_string_len(value)) {
		return err_set(err, -EINVAL, "\"%s\" is no string", key);
	}
	*ret = strdup(text);
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int get_request(struct json_object *json, struct proxy_request *ret, struct err *err)
{
	int64_t stub, guest;
	int r;

	if ((r = get_number(json, "stub", UINT32_MAX, &stub, err)) < 0 ||
		(r = get_number(json, "guest", UINT32_MAX, &guest, err)) < 0 ||
		(r = get_text(json, "socket", &ret->socket, err)) < 0 ||
		(r = get_text(json, "state_path", &ret->state_path, err)) < 0) {
		return r;
	}
	ret->stub = stub;
	ret->guest = guest;
	return proxy_check(ret, err);
}

int proxy_decode(struct json_object *parameters, unsigned received, struct proxy_request *ret,
	struct err *err)
{
	struct proxy_request request = {0};
	int r = get_request(parameters, &request, err);

	if (r == 0 && received != (request.socket ? 1 : 2)) {
		r = err_set(err, -EINVAL,
			"%u descriptors came with the call; the parent's and %s are expected",
			received, request.socket ? "no other" : "a listening socket");
	}
	if (r < 0) {
		proxy_request_fini(&request);
		return r;
	}
	*ret = request;
	return 0;
}

static void add_uuid(struct json_object *json, const char *key, const uint8_t uuid[16])
{
	char text[UUID_TEXT_LEN + 1];

	uuid_format(uuid, text);
	json_object_object_add(json, key, json_object_new_string(text));
}

char *proxy_record_encode(const struct proxy_record *record)
{
	struct json_object *json = proxy_encode(&record->request);
	char *text;

	if (!json) {
		return NULL;
	}
	json_object_object_add(json, "version", json_object_new_int(RECORD_VERSION));
	json_object_object_add(json, "boot_id", json_object_new_string(record->boot_id));
	add_uuid(json, "guest_uuid", record->guest_uuid);
	add_uuid(json, "stub_uuid", record->stub_uuid);
	json_object_object_add(json, "helper", json_object_new_int(record->helper));
	json_object_object_add(json, "named", json_object_new_boolean(record->named));
	text = strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
	return text;
}

static int get_uuid(struct json_object *json, const char *key, uint8_t ret[16], struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = get_text(json, key, &text, err);

	if (r == 0 && (!text || parse_uuid(text, ret) < 0)) {
		r = err_set(err, -EINVAL, "\"%s\" is no uuid", key);
	}
	return r;
}

static int get_record(struct json_object *json, struct proxy_record *ret, struct err *err)
{
	struct json_object *named;
	_cleanup_free_ char *boot_id = NULL;
	int64_t version, helper;
	int r;

	if ((r = get_number(json, "version", INT_MAX, &version, err)) < 0 ||
		(r = get_request(json, &ret->request, err)) < 0 ||
		(r = get_text(json, "boot_id", &boot_id, err)) < 0 ||
		(r = get_uuid(json, "guest_uuid", ret->guest_uuid, err)) < 0 ||
		(r = get_uuid(json, "stub_uuid", ret->stub_uuid, err)) < 0 ||
		(r = get_number(json, "helper", INT_MAX, &helper, err)) < 0) {
		return r;
	}
	if (version != RECORD_VERSION || !ret->request.socket || !boot_id ||
		strlen(boot_id) >= sizeof(ret->boot_id)) {
		return err_set(err, -EINVAL, "version, socket or boot_id is wrong");
	}
	if (!json_object_object_get_ex(json, "named", &named) ||
		!json_object_is_type(named, json_type_boolean)) {
		return err_set(err, -EINVAL, "\"named\" is missing or no boolean");
	}
	memcpy(ret->boot_id, boot_id, strlen(boot_id) + 1);
	ret->named = json_object_get_boolean(named);
	ret->helper = helper;
	return 0;
}

int proxy_record_decode(const char *text, size_t len, struct proxy_record *ret, struct err *err)
{
	_cleanup_(json_doc_fini) struct json_doc doc = {0};
	struct proxy_record record = {0};
	int r = json_doc_parse(&doc, PROXY_RECORD, text, len, err);

	if (r == 0) {
		r = get_record(doc.root, &record, err);
	}
	if (r < 0) {
		proxy_record_fini(&record);
		return r == -ENOMEM ? r : (err->code = -EBADMSG);
	}
	*ret = record;
	return 0;
}
