/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/handoff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"
#include "lib/limits.h"
#include "lib/optread.h"
#include "lib/parse.h"
#include "lib/utf8.h"

void handoff_request_fini(struct handoff_request *request)
{
	strv_fini(&request->argv);
	strv_fini(&request->env);
	free(request->directory);
	free(request->fds);
	*request = (struct handoff_request){0};
}

bool handoff_monitor_is_fd(const struct strv *argv)
{
	struct optread_socket socket;
	bool is_fd = optread_socket(argv, "libxl-cmd", &socket) == 0 && socket.fd >= 0;

	optread_socket_fini(&socket);
	return is_fd;
}

int handoff_domid(const struct strv *argv, uint32_t *ret, struct err *err)
{
	bool found = false;

	for (size_t i = 1; i < argv->len; i++) {
		uint32_t domid;

		if (!dmopt_is(argv->items[i], "-xen-domid")) {
			continue;
		}
		if (i + 1 == argv->len) {
			return err_set(err, -EINVAL, "-xen-domid has no number behind it");
		}
		if (parse_domid(argv->items[i + 1], &domid) < 0 || domid == 0) {
			return err_set(err, -EINVAL, "-xen-domid \"%.32s\" is no guest's number",
				argv->items[i + 1]);
		}
		if (found && domid != *ret) {
			return err_set(
				err, -EINVAL, "-xen-domid is given twice: %u and %u", *ret, domid);
		}
		*ret = domid;
		found = true;
	}
	return found ? 0 : err_set(err, -ENOENT, "the command line has no -xen-domid");
}

static int check_strings(const struct strv *v, const char *what, size_t *bytes, struct err *err)
{
	if (v->len > LIMIT_ARGV_ITEMS) {
		return err_set(
			err, -E2BIG, "%zu %ss; the limit is %d", v->len, what, LIMIT_ARGV_ITEMS);
	}
	for (size_t i = 0; i < v->len; i++) {
		size_t len = strlen(v->items[i]);

		if (len > LIMIT_ARG_BYTES) {
			return err_set(err, -E2BIG, "%s %zu has %zu bytes; the limit is %d", what,
				i, len, LIMIT_ARG_BYTES);
		}
		if (!utf8_valid(v->items[i], len)) {
			return err_set(err, -EINVAL, "%s %zu is not valid UTF-8", what, i);
		}
		*bytes += len + 1;
	}
	return 0;
}

static int check_fds(const struct handoff_request *request, struct err *err)
{
	if (request->fds_len > HANDOFF_FDS_MAX) {
		return err_set(err, -E2BIG, "%u open descriptors; the limit is %d",
			request->fds_len, HANDOFF_FDS_MAX);
	}
	for (unsigned i = 0; i < request->fds_len; i++) {
		int fd = request->fds[i];

		if (fd < 0 || fd > HANDOFF_FD_MAX) {
			return err_set(err, -E2BIG, "descriptor %d; the highest number taken is %d",
				fd, HANDOFF_FD_MAX);
		}
		for (unsigned j = 0; j < i; j++) {
			if (request->fds[j] == fd) {
				return err_set(err, -EINVAL, "descriptor %d stands twice", fd);
			}
		}
	}
	return 0;
}

int handoff_check(const struct handoff_request *request, struct err *err)
{
	size_t bytes = 0;
	uint32_t domid = 0;
	int r;

	if ((r = check_strings(&request->argv, "argument", &bytes, err)) < 0 ||
		(r = check_strings(&request->env, "environment variable", &bytes, err)) < 0) {
		return r;
	}
	if (bytes > LIMIT_ARGV_BYTES) {
		return err_set(err, -E2BIG,
			"arguments and environment have %zu bytes; the limit is %d", bytes,
			LIMIT_ARGV_BYTES);
	}
	if (!request->directory || request->directory[0] != '/' ||
		!utf8_valid(request->directory, strlen(request->directory))) {
		return err_set(err, -EINVAL, "the directory is no absolute path in UTF-8");
	}
	r = handoff_domid(&request->argv, &domid, err);
	if (r < 0) {
		return r == -ENOENT ? (err->code = -EINVAL) : r;
	}
	/* It would end at once and leave a process that nobody watches. */
	if (dmopt_has(&request->argv, "-daemonize")) {
		return err_set(err, -EINVAL, "-daemonize can't be supervised");
	}
	return check_fds(request, err);
}

static struct json_object *strings_to_json(const struct strv *v)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < v->len; i++) {
		json_object_array_add(list, json_object_new_string(v->items[i]));
	}
	return list;
}

struct json_object *handoff_encode(const struct handoff_request *request)
{
	struct json_object *json = json_object_new_object(), *fds = json_object_new_array();

	if (!json || !fds) {
		json_object_put(json);
		json_object_put(fds);
		return NULL;
	}
	for (unsigned i = 0; i < request->fds_len; i++) {
		json_object_array_add(fds, json_object_new_int(request->fds[i]));
	}
	json_object_object_add(json, "argv", strings_to_json(&request->argv));
	json_object_object_add(json, "env", strings_to_json(&request->env));
	json_object_object_add(json, "directory", json_object_new_string(request->directory));
	json_object_object_add(json, "fds", fds);
	return json;
}

static struct json_object *array_of(struct json_object *parameters, const char *key, size_t max)
{
	struct json_object *list;

	if (!json_object_object_get_ex(parameters, key, &list) ||
		!json_object_is_type(list, json_type_array) ||
		json_object_array_length(list) > max) {
		return NULL;
	}
	return list;
}

/* However many: the check says what the limit is, and a message has one of its own. */
static int get_strings(
	struct json_object *parameters, const char *key, struct strv *ret, struct err *err)
{
	struct json_object *list = array_of(parameters, key, SIZE_MAX);
	size_t len = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; list && i < len; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		const char *text = json_object_is_type(item, json_type_string)
					   ? json_object_get_string(item)
					   : NULL;

		if (!text || strlen(text) != (size_t)json_object_get_string_len(item)) {
			return err_set(err, -EINVAL, "\"%s\"[%zu] is no string", key, i);
		}
		strv_add(ret, text);
	}
	if (!list) {
		return err_set(err, -EINVAL, "\"%s\" is no list of strings", key);
	}
	return strv_status(ret) < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int get_fds(struct json_object *parameters, struct handoff_request *ret, struct err *err)
{
	struct json_object *list = array_of(parameters, "fds", HANDOFF_FDS_MAX);
	size_t len = list ? json_object_array_length(list) : 0;

	if (!list) {
		return err_set(
			err, -EINVAL, "\"fds\" is no list of at most %d numbers", HANDOFF_FDS_MAX);
	}
	ret->fds = calloc(len + 1, sizeof(*ret->fds));
	if (!ret->fds) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < len; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		if (!json_object_is_type(item, json_type_int)) {
			return err_set(err, -EINVAL, "\"fds\"[%zu] is no number", i);
		}
		ret->fds[ret->fds_len++] = json_object_get_int(item);
	}
	return 0;
}

static int get_directory(
	struct json_object *parameters, struct handoff_request *ret, struct err *err)
{
	struct json_object *value;

	if (!json_object_object_get_ex(parameters, "directory", &value) ||
		!json_object_is_type(value, json_type_string)) {
		return err_set(err, -EINVAL, "\"directory\" is missing or no string");
	}
	ret->directory = strdup(json_object_get_string(value));
	return ret->directory ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int handoff_decode(struct json_object *parameters, unsigned received, struct handoff_request *ret,
	struct err *err)
{
	struct handoff_request request = {0};
	int r;

	if ((r = get_strings(parameters, "argv", &request.argv, err)) < 0 ||
		(r = get_strings(parameters, "env", &request.env, err)) < 0 ||
		(r = get_directory(parameters, &request, err)) < 0 ||
		(r = get_fds(parameters, &request, err)) < 0 ||
		(r = handoff_check(&request, err)) < 0) {
		handoff_request_fini(&request);
		return r;
	}
	if (received != request.fds_len + 1) {
		r = err_set(err, -EINVAL,
			"%u descriptors came with the call, %u were announced with the parent's",
			received, request.fds_len + 1);
		handoff_request_fini(&request);
		return r;
	}
	*ret = request;
	return 0;
}
