/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What follows a start (reference/libxl.md 3.6, 6.3): QEMU is asked where its serial ports and its
 * VNC server are, clients find that in xenstore, and what no argument can say (passwords, USB, PCI)
 * is said over QMP, in the order in which the plan has it. One thing at a time, each with a
 * deadline.
 *
 * The device model serves its guest already: what fails here is told (log, event, "show") and the
 * next thing is done. A connection that breaks costs the command under way; the others wait for the
 * new one.
 *
 * The record has what is left to do. A daemon that is started again in the middle asks again, which
 * changes nothing, and goes on with the first command whose answer was not heard; if that one fails
 * now, it may be because it was done. After the last one nothing is done again.
 *
 * Of a domain that libxl made, libxl does all this itself.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/events.h"
#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/procinfo.h"
#include "lib/utf8.h"
#include "proto/follow.h"

static void next(struct domain *d);

void domain_warn(struct domain *d, const char *text)
{
	struct json_object *json = domain_event_json(d, "device-model-warning");

	domain_log(d, LOG_LVL_WARNING, "%s", text);
	if (d->r.warnings.len < LIMIT_FOLLOW_WARNINGS) {
		strv_add(&d->r.warnings, text);
	}
	if (json) {
		json_object_object_add(json, "warning", json_object_new_string(text));
		events_publish(d->s->events, json);
	}
}

static void warn(struct domain *d, const char *what, const char *why)
{
	char text[ERR_TEXT_MAX];

	snprintf(text, sizeof(text), "after the start: %.120s: %.340s", what, why);
	utf8_make_printable(text, strlen(text)); /* parts are the device model's own words */
	domain_warn(d, text);
}

static int take_serials(
	struct domain *d, struct json_object *body, struct strv *ret, struct err *err)
{
	unsigned ptys[LIMIT_PTYS];
	int len = procinfo_ptys(d->r.process.pid, ptys, ARRAY_SIZE(ptys));

	if (len < 0) {
		return err_set_errno(err, len, "its pseudo-terminals");
	}
	return follow_serials(body, ptys, len, ret, err);
}

static int take_vnc(struct domain *d, struct json_object *body, struct strv *ret, struct err *err)
{
	return follow_vnc(body, ret, err);
}

static const struct {
	const char *command;
	int (*take)(struct domain *d, struct json_object *body, struct strv *ret, struct err *err);
} queries[] = {
	{"query-chardev", take_serials},
	{"query-vnc", take_vnc},
};

static bool is_known(const struct domain *d, const char *node)
{
	STRV_FOREACH (known, &d->r.nodes) {
		if (!strcmp(known, node)) {
			return true;
		}
	}
	return false;
}

static void add_nodes(struct domain *d, const struct strv *nodes)
{
	STRV_FOREACH (node, nodes) {
		if (!is_known(d, node)) { /* it is, when a daemon before us got so far */
			strv_add(&d->r.nodes, node);
		}
	}
}

static size_t steps_left(const struct domain *d)
{
	return d->r.steps ? json_object_array_length(d->r.steps) : 0;
}

static struct json_object *first_step(const struct domain *d)
{
	return steps_left(d) ? json_object_array_get_idx(d->r.steps, 0) : NULL;
}

/* "device_add xenusb-1"; of the arguments only the id, others may be secret. */
static void name_step(struct json_object *step, char *ret, size_t size)
{
	struct json_object *arguments, *id = NULL;
	const char *name = follow_step(step, &arguments);

	json_object_object_get_ex(arguments, "id", &id);
	snprintf(ret, size, "%.60s%s%.60s", name ? name : "?", id ? " " : "",
		id ? json_object_get_string(id) : "");
}

static void drop_first_step(struct domain *d)
{
	if (steps_left(d)) {
		json_object_array_del_idx(d->r.steps, 0, 1);
	}
	d->follow.resumed = false;
	domain_write_record(d);
}

static void forget_steps(struct domain *d)
{
	d->r.following = false;
	json_object_put(d->r.steps);
	d->r.steps = NULL;
}

static void on_written(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;

	d->follow.xs_request = 0;
	d->follow.waits = false;
	if (status < 0 && status != -ESTALE) { /* stale: the domain goes, or xenstored is new */
		warn(d, "xenstore", strerror(-status));
	}
	next(d);
}

/* Nothing is written into the tree of a domain that has gone, or of its number's next owner. */
static struct xs_batch *new_batch(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);
	char path[XENLAYOUT_PATH_MAX];

	xenlayout_xendmd(d->dom.domid, "uuid", path);
	xs_batch_require(batch, path, d->uuid);
	xenlayout_domain(d->dom.domid, NULL, path);
	xs_batch_require_exists(batch, path);
	return batch;
}

/* The record comes first: what is written there is also removed. */
static void submit(struct domain *d, struct xs_batch *batch)
{
	int r;

	domain_write_record(d);
	r = store_submit(d->s->store, batch, d->s->config->xenstore_timeout_ms, on_written, d,
		&d->follow.xs_request);
	d->follow.waits = r == 0;
	if (r < 0) {
		warn(d, "xenstore", strerror(-r));
	}
}

/* The guest may read them, as under libxl, and whoever owns the directory, not write them. */
static void write_nodes(struct domain *d)
{
	struct xs_batch *batch = new_batch(d);
	char path[XENLAYOUT_PATH_MAX];

	for (; d->follow.written < d->r.nodes.len; d->follow.written++) {
		const char *value =
			follow_node(d->r.nodes.items[d->follow.written], d->dom.domid, path);

		if (value) {
			xs_batch_write(batch, path, value);
			xs_batch_set_perms(batch, path, d->dom.domid);
		}
	}
	submit(d, batch);
}

/* For clients in domain 0 alone. libxl lets the guest read it. */
static void write_password(struct domain *d, const char *password)
{
	struct xs_batch *batch = new_batch(d);
	char path[XENLAYOUT_PATH_MAX];

	if (!is_known(d, FOLLOW_PASSWORD_KEY)) {
		strv_add(&d->r.nodes, FOLLOW_PASSWORD_KEY);
	}
	d->follow.written = d->r.nodes.len;
	xenlayout_domain(d->dom.domid, FOLLOW_PASSWORD_KEY, path);
	xs_batch_write(batch, path, password);
	xs_batch_set_perms(batch, path, 0);
	submit(d, batch);
}

static void on_query(void *ctx, struct json_object *body, const struct err *err)
{
	struct domain *d = ctx;
	const char *command = queries[d->follow.query].command;
	_cleanup_(strv_fini) struct strv nodes = {0};
	struct err wrong;

	d->follow.waits = false;
	if (err && err->code == -EOPNOTSUPP) {
		domain_log(d, LOG_LVL_DEBUG, "%s: %s", command, err->text); /* built without */
	} else if (err) {
		warn(d, command, err->text);
	} else if (queries[d->follow.query].take(d, body, &nodes, &wrong) < 0) {
		warn(d, command, wrong.text);
	}
	add_nodes(d, &nodes);
	d->follow.query++;
	next(d);
}

static void step_failed(struct domain *d, const char *why)
{
	const char *hint = follow_hint(first_step(d));
	char name[160], text[ERR_TEXT_MAX];

	name_step(first_step(d), name, sizeof(name));
	snprintf(text, sizeof(text), "%.200s%s%s%s", why, hint ? "; " : "", hint ? hint : "",
		d->follow.resumed ? " (xendmd was started again meanwhile; it may have been done)"
				  : "");
	warn(d, name, text);
}

static void on_step(void *ctx, struct json_object *body, const struct err *err)
{
	struct domain *d = ctx;
	const char *password = follow_password(first_step(d));

	d->follow.waits = false;
	if (err) {
		step_failed(d, err->text);
	} else if (password) {
		write_password(d, password);
	}
	drop_first_step(d);
	next(d);
}

static void give_up(struct domain *d)
{
	char name[160] = "", text[256];
	size_t left = ARRAY_SIZE(queries) - d->follow.query + steps_left(d);

	if (d->follow.query < ARRAY_SIZE(queries)) {
		snprintf(name, sizeof(name), "%s", queries[d->follow.query].command);
	} else {
		name_step(first_step(d), name, sizeof(name));
	}
	snprintf(
		text, sizeof(text), "not sent, and %zu more: there is no QMP connection", left - 1);
	warn(d, name, text);
	d->follow.query = ARRAY_SIZE(queries);
	json_object_put(d->r.steps);
	d->r.steps = NULL;
}

/* 0: it was sent, or waits for a connection; else it is done with. */
static int send_command(struct domain *d, const char *command, struct json_object *arguments,
	monitor_reply_fn reply)
{
	int r = monitor_send(d->monitor, command, arguments, reply, d);

	if (r == 0) {
		d->follow.waits = true;
	}
	return r == -ENOTCONN ? 0 : r;
}

static bool ask(struct domain *d)
{
	int r = send_command(d, queries[d->follow.query].command, NULL, on_query);

	if (r < 0) {
		warn(d, queries[d->follow.query].command, strerror(-r));
		d->follow.query++;
	}
	return r < 0;
}

static bool step(struct domain *d)
{
	struct json_object *arguments;
	const char *command = follow_step(first_step(d), &arguments);
	int r = command ? send_command(d, command, arguments, on_step) : -EINVAL;

	if (r < 0) {
		step_failed(d, strerror(-r));
		drop_first_step(d);
	}
	return r < 0;
}

static void finish(struct domain *d)
{
	_cleanup_free_ char *nodes = strv_join_quoted(&d->r.nodes);

	forget_steps(d);
	domain_write_record(d);
	domain_log(d, LOG_LVL_INFO, "what follows the start is done: %s",
		nodes && *nodes ? nodes : "no serial terminal, no VNC");
}

/* Does one thing after the other until one of them has to be waited for. */
static void next(struct domain *d)
{
	bool more = true;

	while (more && d->r.following && !d->follow.waits) {
		bool asked = d->follow.query == ARRAY_SIZE(queries);

		if ((!d->monitor || monitor_is_quarantined(d->monitor)) &&
			(!asked || steps_left(d))) {
			give_up(d);
		} else if (!asked) {
			more = ask(d);
		} else if (d->follow.written < d->r.nodes.len) {
			write_nodes(d);
		} else if (steps_left(d)) {
			more = step(d);
		} else {
			finish(d);
		}
	}
}

void domain_follow(struct domain *d)
{
	d->follow.query = 0;
	d->follow.written = 0;
	d->follow.waits = false;
	if (d->monitor) {
		monitor_forget(d->monitor); /* a query-status that nobody needs any more */
	}
	next(d);
}

void domain_follow_connected(struct domain *d)
{
	next(d);
}

void domain_follow_cancel(struct domain *d)
{
	store_cancel(d->s->store, d->follow.xs_request);
	d->follow.xs_request = 0;
	if (d->follow.waits && d->monitor) {
		monitor_forget(d->monitor);
	}
	d->follow.waits = false;
	forget_steps(d);
}

void domain_follow_reset(struct domain *d)
{
	forget_steps(d);
	strv_fini(&d->r.nodes);
	strv_fini(&d->r.warnings);
}

void domain_follow_remove(struct domain *d, struct xs_batch *batch)
{
	char path[XENLAYOUT_PATH_MAX];

	STRV_FOREACH (node, &d->r.nodes) {
		const char *value = follow_node(node, d->dom.domid, path);

		if (value) {
			xs_batch_rm_if_equals(batch, path, value);
		} else {
			xs_batch_rm(batch, path);
		}
	}
}
