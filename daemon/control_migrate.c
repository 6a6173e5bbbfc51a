/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods Migrate, MigrateIncoming, MigrateCancel, Balloon and Query. */
#include "daemon/control_private.h"
#include "daemon/domain.h"
#include "lib/cleanup.h"

void control_progress(struct control_call *call, struct json_object *parameters)
{
	if (call->more) {
		call_continue(call, parameters);
	} else {
		json_object_put(parameters);
	}
}

/* The descriptor is the request's from here on. */
static int take_fd(struct control_call *call, struct migrate_request *request, struct err *err)
{
	int fd;

	if (!call->fds) {
		return 0;
	}
	fd = call_take_one_fd(call, err);
	if (fd < 0) {
		return fd;
	}
	request->fd = fd;
	return 0;
}

static void migrate(struct control_call *call, struct json_object *parameters, bool incoming)
{
	struct migrate_request request = {.fd = -1, .incoming = incoming};
	const char *who = NULL;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, true, &who},
		{"target", VARLINK_STRING, true, &request.target},
		{"capabilities", VARLINK_OBJECT, false, &request.capabilities},
		{"parameters", VARLINK_OBJECT, false, &request.parameters},
		{"detach", VARLINK_BOOL, false, &request.detach}};
	struct control *control = call->client->control;
	struct err err = {0};
	int r;

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	call->taken = true;
	r = take_fd(call, &request, &err);
	if (r == 0) {
		r = control->backend->migrate(control->ctx, who, &request, call, &err);
	}
	call_taken_or_failed(call, r, &err);
}

void method_migrate(struct control_call *call, struct json_object *parameters)
{
	migrate(call, parameters, false);
}

void method_migrate_incoming(struct control_call *call, struct json_object *parameters)
{
	migrate(call, parameters, true);
}

void method_migrate_cancel(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL;
	const struct varlink_param params[] = {{"domain", VARLINK_STRING, true, &who}};
	struct control *control = call->client->control;
	struct err err = {0};

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	call->taken = true;
	call_taken_or_failed(
		call, control->backend->migrate_cancel(control->ctx, who, call, &err), &err);
}

void method_balloon(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL;
	uint64_t mib = 0;
	const struct varlink_param params[] = {
		{"domain", VARLINK_STRING, true, &who}, {"mib", VARLINK_UINT, true, &mib}};
	struct control *control = call->client->control;
	struct err err = {0};

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	call->taken = true;
	call_taken_or_failed(
		call, control->backend->balloon(control->ctx, who, mib, call, &err), &err);
}

void method_query(struct control_call *call, struct json_object *parameters)
{
	const char *who = NULL, *what = NULL;
	const struct varlink_param params[] = {
		{"domain", VARLINK_STRING, true, &who}, {"what", VARLINK_STRING, true, &what}};
	struct control *control = call->client->control;
	struct err err = {0};

	if (!call_params(call, parameters, params, ARRAY_SIZE(params))) {
		return;
	}
	call->taken = true;
	call_taken_or_failed(call,
		control->backend->query(
			control->ctx, who, call->client->uid == 0, what, call, &err),
		&err);
}
