/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* DeviceAdd, DeviceRemove, DeviceList: parameters are read, the backend does it. */
#include <errno.h>
#include <string.h>

#include "daemon/control_private.h"
#include "lib/cleanup.h"
#include "lib/strv.h"

/* A file's name: as in a definition. */
static bool is_name(struct json_object *item)
{
	static const char chars[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	const char *text = json_object_get_string(item);
	size_t len = (size_t)json_object_get_string_len(item);

	return json_object_is_type(item, json_type_string) && len && len <= LIMIT_NAME_BYTES &&
	       strspn(text, chars) == len;
}

static int read_names(struct json_object *files, struct strv *ret, struct err *err)
{
	size_t len = files ? json_object_array_length(files) : 0;

	for (size_t i = 0; i < len && i <= LIMIT_CONTROL_FDS; i++) {
		struct json_object *item = json_object_array_get_idx(files, i);

		if (!is_name(item)) {
			return err_set(err, -EINVAL,
				"files[%zu]: must be letters, digits, \"-\", \".\" and \"_\"", i);
		}
		strv_add(ret, json_object_get_string(item));
	}
	return strv_status(ret) < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

/* Those that the backend does not take are closed with the call. */
static int add(struct control_call *call, const char *who, struct json_object *device,
	struct json_object *files, struct err *err)
{
	struct control *control = call->client->control;
	_cleanup_(strv_fini) struct strv names = {0};
	struct control_fds none = {0}, *fds = call->fds ? call->fds : &none;
	int r = read_names(files, &names, err);

	if (r < 0) {
		return r;
	}
	if (fds->lost || fds->len != names.len) {
		return err_set(err, -EBADF,
			"%u descriptors came with the call, \"files\" names %zu", fds->len,
			names.len);
	}
	return control->backend->device_add(control->ctx, who, device, &names, fds->fds, call, err);
}

void method_device_add(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL;
	struct json_object *device = NULL, *files = NULL;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, true, &who},
		{"device", VARLINK_OBJECT, true, &device}, {"files", VARLINK_ARRAY, false, &files}};
	struct err err = {0};

	if (call_params(call, parameters, params, ARRAY_SIZE(params))) {
		call->taken = true;
		call_taken_or_failed(call, add(call, who, device, files, &err), &err);
	}
}

void method_device_remove(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL, *id = NULL;
	uint64_t timeout_s = LIMIT_DEVICE_REMOVE_DEFAULT_S;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, true, &who},
		{"id", VARLINK_STRING, true, &id}, {"timeout", VARLINK_UINT, false, &timeout_s}};
	struct control *control = call->client->control;
	struct err err = {0};
	int r;

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	if (timeout_s > LIMIT_DEVICE_REMOVE_S) {
		call_error_text(call, VARLINK_INVALID_PARAMETER, "parameter", "timeout");
		return;
	}
	call->taken = true;
	r = control->backend->device_remove(control->ctx, who, id, timeout_s, call, &err);
	call_taken_or_failed(call, r, &err);
}

void method_device_list(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, true, &who}};
	struct control *control = call->client->control;
	struct json_object *list = NULL;
	struct err err = {0};

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	if (control->backend->device_list(control->ctx, who, &list, &err) < 0) {
		control_fail(call, &err);
	} else {
		call_complete_with(call, "devices", list);
	}
}
