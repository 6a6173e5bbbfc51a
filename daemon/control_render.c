/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/qemuopt.h"
#include "proto/render.h"
#include "daemon/control_private.h"

/* Render and Check: pure questions on a text, answered as dmctl answers them without us, but
 * that no program is asked what it is. */

void method_render(struct control_call *call, struct json_object *parameters)
{
	const char *text = NULL, *version = NULL;
	bool as_libxl = false;
	uint64_t domid = RENDER_DOMID, stubdom_id = 0;
	const struct varlink_param params[] = {{"definition", VARLINK_STRING, true, &text},
		{"as_libxl", VARLINK_BOOL, false, &as_libxl},
		{"domid", VARLINK_UINT, false, &domid},
		{"stubdom_id", VARLINK_UINT, false, &stubdom_id},
		{"qemu_version", VARLINK_STRING, false, &version}};
	struct control *control = call->client->control;
	struct json_object *result = NULL;
	struct render_params render = {.file = "-"};
	struct err err = {0};

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	render.text = text;
	render.len = strlen(text);
	render.as_libxl = as_libxl;
	render.domid = domid;
	render.stubdom_id = stubdom_id;
	render.config = control->backend->config(control->ctx);
	render.qemu_version = version ? qemuopt_version(version) : 0;
	if (version && !render.qemu_version) {
		err_set(&err, -EINVAL, "\"qemu_version\" must be as \"10.0\"");
		control_fail(call, &err);
		return;
	}
	if (render_definition(&render, &result, &err) < 0) {
		control_fail(call, &err);
	} else {
		control_complete(call, result);
	}
}

void method_check(struct control_call *call, struct json_object *parameters)
{
	const char *text = NULL, *file = "-";
	const struct varlink_param params[] = {
		{"text", VARLINK_STRING, true, &text}, {"file", VARLINK_STRING, false, &file}};
	struct json_object *result, *messages, *notes;
	const char *note = NULL;
	struct err err = {0};

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	messages = json_object_new_array();
	notes = json_object_new_array();
	if (check_text(file, text, strlen(text), &note, &err) < 0) {
		json_object_array_add(messages, json_object_new_string(err.text));
	} else if (note) {
		json_object_array_add(notes, json_object_new_string(note));
	}
	result = json_object_new_object();
	json_object_object_add(result, "messages", messages);
	json_object_object_add(result, "notes", notes);
	control_complete(call, result);
}
