/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Others' use of a running device model's QMP: sockets, one for each class of clients (dm/G/qmp for
 * root is always there), and the method Qmp of the control socket. All are clients of the one
 * session (daemon/monitor), which the daemon's own commands use as well.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/events.h"
#include "lib/cleanup.h"
#include "proto/qmpmux.h"

/* A call of the control socket that waits for its answer. */
struct qmp_call {
	LIST_ENTRY(qmp_call) entry; /* domain::qmp_calls */
	struct domain *d;
	struct control_call *call;
	enum qmp_class class;
	const char *then; /* the command whose answer it gets; NULL: that of the first */
};

static bool is_open(const struct domain *d)
{
	return d->monitor && (d->state == DOMAIN_RUNNING || (d->proxy && d->proxy->serving));
}

int domain_qmp_serve_fd(
	struct domain *d, enum qmp_class class, const char *path, int fd, struct err *err)
{
	struct qmp_server **slot = &d->qmp[class];
	int r;

	if (*slot && fd < 0 && !strcmp(qmp_server_path(*slot), path)) {
		return 0;
	}
	if (*slot) {
		close_p(&fd);
		return err_set(err, -EEXIST, "domain %u: its QMP socket for %s is \"%s\" already",
			d->dom.domid, qmp_class_name(class), qmp_server_path(*slot));
	}
	r = qmp_server_new(slot, d->s->loop, path, fd, class, d->s->qmp_total, err);
	if (r == 0 && is_open(d)) {
		qmp_server_attach(*slot, d->monitor);
	}
	return r;
}

int domain_qmp_serve(struct domain *d, enum qmp_class class, const char *path, struct err *err)
{
	return domain_qmp_serve_fd(d, class, path, -1, err);
}

void domain_qmp_open(struct domain *d)
{
	char path[PATH_MAX];
	bool opened = false;
	struct err err;

	if (!is_open(d)) {
		return;
	}
	domain_on_qmp_policy(d);
	monitor_set_heartbeat(d->monitor, (int64_t)d->s->config->qmp_heartbeat_s * 1000);
	domain_run_dir(d, "qmp", path, sizeof(path));
	if (domain_qmp_serve(d, QMP_CLASS_ADMIN, path, &err) < 0) {
		domain_log(d, LOG_LVL_WARNING, "no QMP socket for others: %s", err.text);
	}
	for (int i = 0; i < _QMP_CLASS_MAX; i++) {
		if (d->qmp[i] && !qmp_server_is_attached(d->qmp[i])) {
			qmp_server_attach(d->qmp[i], d->monitor);
			opened = true;
		}
	}
	if (opened) {
		domain_device_connected(d);
	}
}

void domain_on_qmp_policy(struct domain *d)
{
	if (d->monitor) {
		qmpmux_set_policy(monitor_mux(d->monitor), d->s->qmp_policy);
	}
}

const char *domain_qmp_path(const struct domain *d, enum qmp_class class)
{
	const struct qmp_server *s = d->qmp[class];

	return s && qmp_server_is_attached(s) ? qmp_server_path(s) : NULL;
}

static void end_call(struct qmp_call *c, struct json_object *body, const struct err *err)
{
	struct json_object *reply;

	LIST_REMOVE(c, entry);
	if (err) {
		control_fail(c->call, err);
	} else {
		reply = json_object_new_object();
		json_object_object_add(reply, "return", json_object_get(body));
		control_complete(c->call, reply);
	}
	free(c);
}

void domain_drop_monitor(struct domain *d)
{
	struct err err;

	err_set(&err, -ESRCH, "domain %u: its device model ends", d->dom.domid);
	while (!LIST_EMPTY(&d->qmp_calls)) {
		end_call(LIST_FIRST(&d->qmp_calls), NULL, &err);
	}
	domain_save_drop(d);
	domain_migrate_drop(d);
	domain_device_drop(d);
	for (int i = 0; i < _QMP_CLASS_MAX; i++) {
		if (d->qmp[i]) {
			qmp_server_detach(d->qmp[i]);
		}
	}
	d->monitor = monitor_free(d->monitor);
}

void domain_qmp_close(struct domain *d)
{
	domain_drop_monitor(d);
	for (int i = 0; i < _QMP_CLASS_MAX; i++) {
		d->qmp[i] = qmp_server_free(d->qmp[i]);
	}
}

static void on_answer(void *ctx, struct json_object *body, const struct err *err);

static int send(
	struct qmp_call *c, const char *command, struct json_object *arguments, struct err *err)
{
	const struct qmpmux_call wanted = {.class = c->class,
		.command = command,
		.arguments = arguments,
		.fn = on_answer,
		.ctx = c};

	return qmpmux_call(monitor_mux(c->d->monitor), &wanted, loop_monotonic_ms(), NULL, err);
}

static void on_answer(void *ctx, struct json_object *body, const struct err *err)
{
	struct qmp_call *c = ctx;
	struct err failed;

	if (err || !c->then) {
		end_call(c, body, err);
	} else if (send(c, TAKE_PTR(c->then), NULL, &failed) < 0) {
		end_call(c, NULL, &failed);
	}
}

int domain_no_qmp(const struct domain *d, struct err *err)
{
	return err_set(err, -ESRCH, "domain %u: its device model is %s%s", d->dom.domid,
		dm_state_name(d->r.state),
		d->state == DOMAIN_RUNNING ? ", without a QMP connection" : "");
}

int domain_qmp(struct domain *d, bool root, const char *command, struct json_object *arguments,
	struct control_call *call, struct err *err)
{
	return domain_qmp_then(
		d, root ? QMP_CLASS_ADMIN : QMP_CLASS_MONITOR, command, arguments, NULL, call, err);
}

int domain_qmp_then(struct domain *d, enum qmp_class class, const char *command,
	struct json_object *arguments, const char *then, struct control_call *call, struct err *err)
{
	struct qmp_call *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (!is_open(d)) {
		free(c);
		return domain_no_qmp(d, err);
	}
	*c = (struct qmp_call){.d = d, .call = call, .class = class, .then = then};
	LIST_INSERT_HEAD(&d->qmp_calls, c, entry);
	r = send(c, command, arguments, err);
	monitor_settle(d->monitor);
	if (r < 0) {
		LIST_REMOVE(c, entry);
		free(c);
	}
	return r == -EINVAL || r == -E2BIG ? (err->code = -EIO) : r;
}

void domain_qmp_quarantined(void *ctx, const struct err *err, int64_t ms)
{
	struct domain *d = ctx;
	struct json_object *json = domain_event_json(d, "qmp-quarantined");

	domain_log(
		d, LOG_LVL_WARNING, "%s; QMP is tried again in %lld ms", err->text, (long long)ms);
	json_object_object_add(json, "reason", json_object_new_string(err->text));
	json_object_object_add(json, "again_ms", json_object_new_int64(ms));
	events_publish(d->s->events, json);
	if (d->state == DOMAIN_RUNNING) {
		domain_follow_connected(d);
	}
}

void domain_qmp_event(void *ctx, const char *name, struct json_object *data)
{
	struct domain *d = ctx;
	struct json_object *json;

	if (!is_open(d)) {
		return; /* part of a start or an end, which has events of its own */
	}
	if (!strcmp(name, "RESUME")) {
		domain_migrate_resumed(d);
	}
	json = domain_event_json(d, "qmp-event");
	json_object_object_add(json, "qmp", json_object_new_string(name));
	json_object_object_add(json, "data", json_object_get(data));
	events_publish(d->s->events, json);
}

void domain_qmp_audit(void *ctx, int pid, const struct qmpmux_audit *a)
{
	const struct domain *d = ctx;

	domain_log(d, a->refused ? LOG_LVL_NOTICE : LOG_LVL_INFO,
		"QMP client (class %s, pid %d): %s, arguments %016llx: %s, %lld ms",
		qmp_class_name(a->class), pid, a->command, (unsigned long long)a->digest,
		a->refused ? a->refused
		: a->error ? a->error
			   : "done",
		(long long)a->ms);
}

/* "libxl": "/var/run/xen/qmp-libxl-3", … of those that are served. */
static struct json_object *sockets_json(const struct domain *d)
{
	struct json_object *json = json_object_new_object();

	for (int i = 0; i < _QMP_CLASS_MAX; i++) {
		if (domain_qmp_path(d, i)) {
			json_object_object_add(json, qmp_class_name(i),
				json_object_new_string(domain_qmp_path(d, i)));
		}
	}
	return json;
}

struct json_object *domain_qmp_json(const struct domain *d)
{
	struct json_object *json = d->monitor ? json_object_new_object() : NULL;
	struct qmpmux_counts n;

	if (!json) {
		return NULL;
	}
	qmpmux_counts(monitor_mux(d->monitor), &n);
	json_object_object_add(json, "health",
		json_object_new_string(qmpmux_health_name(qmpmux_health(monitor_mux(d->monitor)))));
	json_object_object_add(
		json, "rtt_ms", n.rtt_ms < 0 ? NULL : json_object_new_int64(n.rtt_ms));
	json_object_object_add(json, "sockets", sockets_json(d));
	json_object_object_add(json, "clients", json_object_new_int(n.clients));
	json_object_object_add(json, "commands", json_object_new_int64(n.commands));
	json_object_object_add(json, "refused", json_object_new_int64(n.refused));
	json_object_object_add(json, "expired", json_object_new_int64(n.expired));
	json_object_object_add(json, "violations", json_object_new_int64(n.violations));
	json_object_object_add(json, "events_dropped", json_object_new_int64(n.events_dropped));
	return json;
}
