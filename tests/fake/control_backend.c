/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fake/control_backend.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/domain.h"
#include "lib/cleanup.h"
#include "lib/received.h"
#include "proto/status.h"

static const struct dm_status web1 = {.domid = 3,
	.uuid = "3a9726f3-6f9e-4b76-b521-824dc667beab",
	.name = "web1",
	.kind = DM_KIND_QEMU,
	.state = DM_RUNNING,
	.pid = 4711,
	.source = "definition:/etc/xendmd/domains.d/web1.json",
	.since_ms = 1795174945017,
	.start_ms = 412,
	.qmp = "/run/xendmd/dm/3/qmp",
	.log = "/var/log/xen/qemu-dm-web1.log"};
static const struct dm_status db = {.domid = 4,
	.uuid = "11111111-2222-3333-4444-555555555555",
	.name = "d\xc3\xa4tenbank\x1b[31m",
	.kind = DM_KIND_QEMU,
	.state = DM_EXITED,
	.source = "definition:/etc/xendmd/domains.d/db.json",
	.since_ms = 1795174945017,
	.start_ms = 380,
	.reason = "signal SIGKILL",
	.exit = {.how = EXIT_HOW_SIGNAL, .value = SIGKILL}};

static bool is(const struct dm_status *status, const char *who)
{
	char domid[16];

	snprintf(domid, sizeof(domid), "%u", status->domid);
	return !who || !strcmp(who, domid) || !strcmp(who, status->name) ||
	       !strcmp(who, status->uuid);
}

static int no_domain(const char *who, struct err *err)
{
	return err_set(err, -ENOENT, "no domain \"%s\"", who);
}

static int fake_list(void *ctx, const char *who, struct json_object **ret, struct err *err)
{
	struct fake_backend *fake = ctx;
	struct json_object *list = json_object_new_array();

	fake->lists++;
	if (is(&web1, who)) {
		json_object_array_add(list, dm_status_to_json(&web1));
	}
	if (is(&db, who)) {
		json_object_array_add(list, dm_status_to_json(&db));
	}
	if (json_object_array_length(list) == 0) {
		json_object_put(list);
		return no_domain(who, err);
	}
	if (fake->padding) {
		char *text = malloc(fake->padding);

		memset(text, 'x', fake->padding);
		json_object_object_add(json_object_array_get_idx(list, 0), "reason",
			json_object_new_string_len(text, fake->padding));
		free(text);
	}
	*ret = list;
	return 0;
}

static int fake_describe(void *ctx, const char *who, struct json_object **ret, struct err *err)
{
	struct json_object *json, *argv = json_object_new_array();

	if (!is(&web1, who)) {
		json_object_put(argv);
		return no_domain(who, err);
	}
	json = dm_status_to_json(&web1);
	json_object_array_add(argv, json_object_new_string("/usr/libexec/xen-qemu-system-i386"));
	json_object_array_add(argv, json_object_new_string("-xen-domid"));
	json_object_array_add(argv, json_object_new_string("3"));
	json_object_object_add(json, "argv", argv);
	json_object_object_add(json, "log_tail", json_object_new_string("first line\nlast line\n"));
	*ret = json;
	return 0;
}

static int fake_log_path(void *ctx, const char *who, char **ret, struct err *err)
{
	struct fake_backend *fake = ctx;

	if (!is(&web1, who)) {
		return is(&db, who) ? err_set(err, -ENODATA, "no log") : no_domain(who, err);
	}
	*ret = strdup(fake->log);
	return 0;
}

static int fake_start(void *ctx, const char *who, const char *text, size_t len,
	struct received *files, struct control_call *call, struct err *err)
{
	struct fake_backend *fake = ctx;

	fake->starts++;
	snprintf(fake->file, sizeof(fake->file), "%s", files ? files->names.items[0] : "");
	received_free(files);
	if (is(&web1, who)) {
		return err_set(err, -EALREADY, "domain 3 has a device model");
	}
	if (!is(&db, who)) {
		return no_domain(who, err);
	}
	if (text && !strstr(text, "argv")) {
		return err_set(err, -EINVAL, "-:1: no argv");
	}
	if (fake->defer) {
		fake->waiting = call;
	} else {
		control_complete(call, NULL);
	}
	return 0;
}

static int fake_stop(
	void *ctx, const char *who, bool force, struct control_call *call, struct err *err)
{
	struct fake_backend *fake = ctx;

	fake->stops++;
	if (is(&db, who)) {
		return err_set(err, -ESRCH, "domain 4 has no device model");
	}
	if (!is(&web1, who)) {
		return no_domain(who, err);
	}
	if (!force) {
		return err_set(err, -EBUSY, "the guest runs; force breaks it");
	}
	control_complete(call, NULL);
	return 0;
}

static void on_handoff_gone(void *ctx)
{
	struct fake_backend *fake = ctx;

	fake->gone++;
	control_complete(fake->handoff->call, NULL);
	fake->handoff = handoff_free(fake->handoff);
}

static int fake_handoff(void *ctx, struct handoff *handoff, struct err *err)
{
	struct fake_backend *fake = ctx;

	if (fake->handoff) {
		return err_set(err, -EALREADY, "it has a device model");
	}
	fake->handoff = handoff;
	control_on_gone(handoff->call, on_handoff_gone, fake);
	control_accept(handoff->call);
	return 0;
}

static int fake_proxy(void *ctx, struct proxy *proxy, struct err *err)
{
	return err_set(err, -EALREADY, "its QMP is served already");
}

static int fake_qmp(void *ctx, const char *who, bool root, const char *command,
	struct json_object *arguments, struct control_call *call, struct err *err)
{
	struct json_object *reply = json_object_new_object();

	if (strcmp(command, "query-status")) {
		json_object_put(reply);
		return err_set(err, -EREMOTEIO, "QMP: no %s", command);
	}
	json_object_object_add(
		reply, "return", arguments ? json_object_get(arguments) : json_object_new_object());
	control_complete(call, reply);
	return 0;
}

/* What came is told in the answer. */
static int fake_migrate(void *ctx, const char *who, struct migrate_request *request,
	struct control_call *call, struct err *err)
{
	struct json_object *json = json_object_new_object(), *reply = json_object_new_object();

	if (!is(&web1, who)) {
		json_object_put(json);
		json_object_put(reply);
		close_p(&request->fd);
		return no_domain(who, err);
	}
	json_object_object_add(json, "status", json_object_new_string("completed"));
	json_object_object_add(json, "target", json_object_new_string(request->target));
	json_object_object_add(json, "fd", json_object_new_boolean(request->fd >= 0));
	json_object_object_add(json, "incoming", json_object_new_boolean(request->incoming));
	json_object_object_add(json, "detach", json_object_new_boolean(request->detach));
	json_object_object_add(json, "capabilities", json_object_get(request->capabilities));
	json_object_object_add(json, "parameters", json_object_get(request->parameters));
	json_object_object_add(json, "transferred", json_object_new_int(1048576));
	json_object_object_add(json, "total", json_object_new_int(4194304));
	json_object_object_add(reply, "migration", json);
	close_p(&request->fd);
	control_progress(call, json_object_get(reply));
	control_complete(call, reply);
	return 0;
}

static int fake_migrate_cancel(
	void *ctx, const char *who, struct control_call *call, struct err *err)
{
	if (!is(&web1, who)) {
		return no_domain(who, err);
	}
	control_complete(call, NULL);
	return 0;
}

static int fake_balloon(
	void *ctx, const char *who, uint64_t mib, struct control_call *call, struct err *err)
{
	struct json_object *reply = json_object_new_object(), *actual = json_object_new_object();

	json_object_object_add(actual, "actual", json_object_new_int64((int64_t)mib << 20));
	json_object_object_add(reply, "return", actual);
	control_complete(call, reply);
	return 0;
}

static int fake_query(void *ctx, const char *who, bool root, const char *what,
	struct control_call *call, struct err *err)
{
	struct json_object *reply = json_object_new_object(), *json = json_object_new_object();

	json_object_object_add(json, "what", json_object_new_string(what));
	json_object_object_add(json, "status", json_object_new_string("active"));
	json_object_object_add(reply, "return", json);
	control_complete(call, reply);
	return 0;
}

static int fake_restart(void *ctx, const char *who, struct control_call *call, struct err *err)
{
	return err_set(err, -EOPNOTSUPP, "this version can't restart a device model");
}

static int fake_reload(void *ctx, struct json_object **ret, struct err *err)
{
	struct fake_backend *fake = ctx;

	fake->reloads++;
	*ret = json_tokener_parse("{\"definitions\":2,\"errors\":[{\"path\":\"/x\","
				  "\"message\":\"/x:1: unknown key\"}]}");
	return 0;
}

static const struct config *fake_config(void *ctx)
{
	struct fake_backend *fake = ctx;

	return &fake->config;
}

const struct control_backend fake_control_backend = {
	.migrate = fake_migrate,
	.migrate_cancel = fake_migrate_cancel,
	.balloon = fake_balloon,
	.query = fake_query,
	.list = fake_list,
	.describe = fake_describe,
	.log_path = fake_log_path,
	.start = fake_start,
	.stop = fake_stop,
	.handoff = fake_handoff,
	.proxy = fake_proxy,
	.qmp = fake_qmp,
	.restart = fake_restart,
	.reload = fake_reload,
	.config = fake_config,
};

void fake_backend_init(struct fake_backend *fake)
{
	*fake = (struct fake_backend){0};
	config_defaults(&fake->config);
}

void fake_backend_fini(struct fake_backend *fake)
{
	config_fini(&fake->config);
}
