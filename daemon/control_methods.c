/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/build.h"
#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "lib/received.h"
#include "daemon/control_private.h"

/*
 * What each method does: reads its declared parameters, asks the backend, answers. One table of all
 * methods of the interface; those without a function come with a later version.
 */

/* Ends CALL: frees it, lets the client go on with its next one. */
static void call_end(struct control_call *call, struct json_object *reply)
{
	struct client *client = call->client;

	if (call->release) {
		call->release(call);
	}
	if (client) {
		client->call = NULL;
	}
	if (client && !call->oneway) {
		client_queue(client, reply);
		reply = NULL;
	}
	json_object_put(reply);
	control_fds_free(call->fds);
	free(call->stream);
	free(call);
	if (client && !client_dropped(client)) {
		client_resume(client);
	}
}

void call_error(struct control_call *call, struct json_object *error)
{
	call_end(call, error);
}

void call_error_text(
	struct control_call *call, const char *name, const char *member, const char *text)
{
	call_end(call, varlink_error_text(name, member, text));
}

void control_complete(struct control_call *call, struct json_object *parameters)
{
	call_end(call, varlink_reply_new(parameters, false));
}

void call_continue(struct control_call *call, struct json_object *parameters)
{
	if (call->client && !call->oneway) {
		client_queue(call->client, varlink_reply_new(parameters, true));
	} else {
		json_object_put(parameters);
	}
}

static const char *error_name(int code)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {
		{-ENOENT, VARLINK_INTERFACE ".NoSuchDomain"},
		{-EINVAL, VARLINK_INTERFACE ".InvalidDefinition"},
		{-EALREADY, VARLINK_INTERFACE ".AlreadyRunning"},
		{-ESRCH, VARLINK_INTERFACE ".NotRunning"},
		{-EPERM, VARLINK_INTERFACE ".Denied"},
		{-ETIMEDOUT, VARLINK_INTERFACE ".Timeout"},
		{-ENOBUFS, VARLINK_INTERFACE ".LimitReached"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].code == code) {
			return names[i].name;
		}
	}
	return VARLINK_INTERFACE ".Failed";
}

void control_fail(struct control_call *call, const struct err *err)
{
	const char *text = err->text[0] ? err->text : strerror(-err->code);

	call_error_text(call, error_name(err->code), "message", text);
}

static struct control *control_of(const struct control_call *call)
{
	return call->client->control;
}

void call_complete_with(struct control_call *call, const char *name, struct json_object *value)
{
	struct json_object *parameters = json_object_new_object();

	if (!parameters || json_object_object_add(parameters, name, value) < 0) {
		json_object_put(value);
		json_object_put(parameters);
		parameters = NULL;
	}
	control_complete(call, parameters);
}

bool call_params(struct control_call *call, struct json_object *parameters,
	const struct varlink_param *params, size_t len)
{
	const char *bad;

	if (varlink_params_read(parameters, params, len, &bad) < 0) {
		call_error_text(call, VARLINK_INVALID_PARAMETER, "parameter", bad);
		return false;
	}
	return true;
}

static void do_list(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, false, &who}};
	struct control *control = control_of(call);
	struct json_object *list = NULL;
	struct err err = {0};

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	if (call->more) {
		stream_list(call, who);
	} else if (control->backend->list(control->ctx, who, &list, &err) < 0) {
		control_fail(call, &err);
	} else {
		call_complete_with(call, "domains", list);
	}
}

static void do_describe(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, true, &who}};
	struct control *control = control_of(call);
	struct json_object *description = NULL;
	struct err err = {0};

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	if (control->backend->describe(control->ctx, who, &description, &err) < 0) {
		control_fail(call, &err);
	} else {
		call_complete_with(call, "description", description);
	}
}

void call_taken_or_failed(struct control_call *call, int r, const struct err *err)
{
	if (r < 0) {
		call->taken = false;
		control_fail(call, err);
	}
}

/* NULL where neither names nor descriptors came. */
static int take_files(struct control_call *call, struct json_object *names, struct received **ret,
	struct err *err)
{
	struct control_fds *fds = call->fds;
	int r;

	if (fds && fds->lost) {
		return err_set(err, -ENOBUFS, "file descriptors that came with the call were lost");
	}
	if (!fds && !names) {
		return 0;
	}
	r = received_new(ret, names, fds ? fds->fds : NULL, fds ? fds->len : 0, err);
	if (r == 0 && fds) {
		fds->len = 0;
	}
	return r == -EINVAL || r == -E2BIG ? (err->code = -EIO) : r;
}

static void do_start(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL, *text = NULL;
	struct json_object *names = NULL;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, true, &who},
		{"definition", VARLINK_STRING, false, &text},
		{"files", VARLINK_ARRAY, false, &names}};
	struct control *control = control_of(call);
	struct received *files = NULL;
	struct err err = {0};
	int r;

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	call->taken = true;
	r = take_files(call, names, &files, &err);
	if (r == 0) {
		r = control->backend->start(
			control->ctx, who, text, text ? strlen(text) : 0, files, call, &err);
	}
	call_taken_or_failed(call, r, &err);
}

static void do_stop(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL;
	bool force = false;
	const struct varlink_param params[] = {
		{"domain", VARLINK_STRING, true, &who}, {"force", VARLINK_BOOL, false, &force}};
	struct control *control = control_of(call);
	struct err err = {0};
	int r;

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	call->taken = true;
	r = control->backend->stop(control->ctx, who, force, call, &err);
	call_taken_or_failed(call, r, &err);
}

/* Who may only look gets the class monitor. */
static void do_qmp(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL, *command = NULL;
	struct json_object *arguments = NULL;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, true, &who},
		{"command", VARLINK_STRING, true, &command},
		{"arguments", VARLINK_OBJECT, false, &arguments}};
	struct control *control = control_of(call);
	struct err err = {0};
	int r;

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	call->taken = true;
	r = control->backend->qmp(
		control->ctx, who, call->client->uid == 0, command, arguments, call, &err);
	call_taken_or_failed(call, r, &err);
}

int call_take_one_fd(struct control_call *call, struct err *err)
{
	struct control_fds *fds = call->fds;

	if (!fds || fds->lost || fds->len != 1) {
		return err_set(err, -EBADF, "one file descriptor must come with the call");
	}
	return fds->fds[--fds->len];
}

static void do_save(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, true, &who}};
	struct control *control = control_of(call);
	struct err err = {0};
	int r;

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	call->taken = true;
	r = call_take_one_fd(call, &err);
	if (r >= 0) {
		r = control->backend->save(control->ctx, who, r, call, &err);
	}
	call_taken_or_failed(call, r, &err);
}

static void do_restart(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, true, &who}};
	struct control *control = control_of(call);
	struct err err = {0};
	int r;

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	call->taken = true;
	r = control->backend->restart(control->ctx, who, call, &err);
	call_taken_or_failed(call, r, &err);
}

static void do_reload(struct control_call *call, struct json_object *parameters)
{
	struct control *control = control_of(call);
	struct json_object *result = NULL;
	struct err err = {0};

	if (!call_params(call, parameters, NULL, 0)) {
		return;
	}
	if (control->backend->reload(control->ctx, &result, &err) < 0) {
		control_fail(call, &err);
	} else {
		control_complete(call, result);
	}
}

static void do_events(struct control_call *call, struct json_object *parameters)
{
	uint64_t since = 0;
	const struct varlink_param params[] = {{"since", VARLINK_UINT, false, &since}};

	if (call_params(call, parameters, params, ARRAY_SIZE(params))) {
		stream_events(call, since);
	}
}

static void do_logs(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL;
	uint64_t lines = 1000;
	bool follow = false;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, true, &who},
		{"lines", VARLINK_UINT, false, &lines}, {"follow", VARLINK_BOOL, false, &follow}};
	struct control *control = control_of(call);
	_cleanup_free_ char *path = NULL;
	struct err err = {0};

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	if (follow && !call->more) {
		call_error(call, varlink_error_new(VARLINK_SERVICE ".ExpectedMore", NULL));
	} else if (control->backend->log_path(control->ctx, who, &path, &err) < 0) {
		control_fail(call, &err);
	} else {
		stream_logs(call, path, lines, follow);
	}
}

static void do_get_info(struct control_call *call, struct json_object *parameters)
{
	struct json_object *info, *interfaces;

	if (!call_params(call, parameters, NULL, 0)) {
		return;
	}
	info = json_object_new_object();
	interfaces = json_object_new_array();
	json_object_array_add(interfaces, json_object_new_string(VARLINK_SERVICE));
	json_object_array_add(interfaces, json_object_new_string(VARLINK_INTERFACE));
	json_object_object_add(info, "vendor", json_object_new_string("xendmd"));
	json_object_object_add(info, "product", json_object_new_string("xendmd"));
	json_object_object_add(info, "version", json_object_new_string(PROJECT_VERSION));
	json_object_object_add(info, "url", json_object_new_string(PROJECT_URL));
	json_object_object_add(info, "interfaces", interfaces);
	control_complete(call, info);
}

static void do_get_description(struct control_call *call, struct json_object *parameters)
{
	const char *name = NULL, *text;
	const struct varlink_param params[] = {{"interface", VARLINK_STRING, true, &name}};

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	if (!strcmp(name, VARLINK_SERVICE)) {
		text = varlink_service_text;
	} else if (!strcmp(name, VARLINK_INTERFACE)) {
		text = varlink_interface_text;
	} else {
		call_error_text(call, VARLINK_SERVICE ".InterfaceNotFound", "interface", name);
		return;
	}
	call_complete_with(call, "description", json_object_new_string(text));
}

static const struct method {
	const char *name;
	void (*fn)(struct control_call *call, struct json_object *parameters);
	bool root; /* changes something */
} methods[] = {
	{VARLINK_SERVICE ".GetInfo", do_get_info, false},
	{VARLINK_SERVICE ".GetInterfaceDescription", do_get_description, false},
	{VARLINK_INTERFACE ".List", do_list, false},
	{VARLINK_INTERFACE ".Describe", do_describe, false},
	{VARLINK_INTERFACE ".Start", do_start, true},
	{VARLINK_INTERFACE ".Stop", do_stop, true},
	{VARLINK_INTERFACE ".Restart", do_restart, true},
	{VARLINK_INTERFACE ".Render", method_render, false},
	{VARLINK_INTERFACE ".Check", method_check, false},
	{VARLINK_INTERFACE ".Reload", do_reload, true},
	{VARLINK_INTERFACE ".Events", do_events, false},
	{VARLINK_INTERFACE ".Logs", do_logs, false},
	{VARLINK_INTERFACE ".Qmp", do_qmp, false},
	{VARLINK_INTERFACE ".Save", do_save, true},
	{VARLINK_INTERFACE ".Migrate", method_migrate, true},
	{VARLINK_INTERFACE ".MigrateIncoming", method_migrate_incoming, true},
	{VARLINK_INTERFACE ".MigrateCancel", method_migrate_cancel, true},
	{VARLINK_INTERFACE ".Balloon", method_balloon, true},
	{VARLINK_INTERFACE ".Query", method_query, false},
	{VARLINK_INTERFACE ".DeviceAdd", method_device_add, true},
	{VARLINK_INTERFACE ".DeviceRemove", method_device_remove, true},
	{VARLINK_INTERFACE ".DeviceList", method_device_list, false},
	{VARLINK_INTERFACE ".Verify", NULL, false},
	{VARLINK_INTERFACE ".Audit", NULL, false},
	{VARLINK_INTERFACE ".Metrics", NULL, false},
	{VARLINK_INTERFACE ".Handoff", method_handoff, true},
	{VARLINK_INTERFACE ".ProxyVchan", method_proxy_vchan, true},
};

static bool is_interface(const char *name, size_t len)
{
	return (len == strlen(VARLINK_SERVICE) && !strncmp(name, VARLINK_SERVICE, len)) ||
	       (len == strlen(VARLINK_INTERFACE) && !strncmp(name, VARLINK_INTERFACE, len));
}

static void no_method(struct control_call *call, const char *name)
{
	const char *dot = strrchr(name, '.');
	_cleanup_free_ char *interface = NULL;

	if (dot && is_interface(name, dot - name)) {
		call_error_text(call, VARLINK_SERVICE ".MethodNotFound", "method", name);
		return;
	}
	interface = dot ? strndup(name, dot - name) : strdup(name);
	call_error_text(call, VARLINK_SERVICE ".InterfaceNotFound", "interface",
		interface ? interface : "");
}

static void run_method(
	struct control_call *call, const struct method *method, const struct varlink_call *request)
{
	struct client *client = call->client;

	if (!method->fn) {
		call_error_text(
			call, VARLINK_SERVICE ".MethodNotImplemented", "method", method->name);
	} else if (request->upgrade) {
		call_error_text(call, VARLINK_INVALID_PARAMETER, "parameter", "upgrade");
	} else if (call->more && call->oneway) {
		call_error_text(call, VARLINK_INVALID_PARAMETER, "parameter", "more");
	} else if (method->root && client->uid != 0) {
		log_notice("control client of uid %u was denied %s", client->uid, method->name);
		call_error_text(
			call, VARLINK_INTERFACE ".Denied", "message", "only root may do that");
	} else {
		method->fn(call, request->parameters);
	}
}

void control_dispatch(struct control_call *call, const struct varlink_call *request)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (!strcmp(methods[i].name, request->method)) {
			run_method(call, &methods[i], request);
			return;
		}
	}
	no_method(call, request->method);
}
