/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ready is proven twice: QMP answers and says a status that fits the way it was started, and
 * xenstore's state says "running" where this QEMU writes it. With -S or -xen-domid-restrict it may
 * never write it; then QMP alone counts and the daemon writes the node. qemu-dm has no QMP.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/dmopt.h"
#include "proto/qmp.h"

#define POLL_MS 100
#define POLL_MAX_MS 1000

static struct qmp_start_mode start_mode(const struct domain *d)
{
	const char *incoming = dmopt_value(&d->r.argv, "-incoming");

	return (struct qmp_start_mode){
		.stopped = dmopt_has(&d->r.argv, "-S"),
		.incoming = incoming != NULL,
		.incoming_later = d->r.incoming_later,
	};
}

/* One that waits for a migration writes it when that has come. */
static bool writes_state(const struct domain *d)
{
	return (dmopt_is_xen(&d->r.argv) || domain_is_old(d)) && !d->inmigrate &&
	       !dmopt_has(&d->r.argv, "-S") && !dmopt_has(&d->r.argv, "-xen-domid-restrict");
}

static void check_ready(struct domain *d)
{
	if (d->state != DOMAIN_PROBING || !d->qmp_ok) {
		return;
	}
	if (writes_state(d) && !d->state_seen) {
		snprintf(d->waits_for, sizeof(d->waits_for),
			"QMP answers, but xenstore's state is not \"running\"");
		return;
	}
	domain_post(d, DOMAIN_EV_READY);
}

static void on_status(void *ctx, struct json_object *body, const struct err *err);

static void ask_status(void *arg)
{
	struct domain *d = arg;
	int r = monitor_send(d->monitor, "query-status", NULL, on_status, d);

	if (r < 0 && r != -ENOTCONN) {
		domain_log(d, LOG_LVL_WARNING, "QMP: query-status: %s", strerror(-r));
	}
}

static void ask_again(struct domain *d)
{
	int64_t delay = (int64_t)POLL_MS << (d->retries < 4 ? d->retries : 4);

	d->retries++;
	loop_timer_start(
		d->s->loop, &d->retry, delay < POLL_MAX_MS ? delay : POLL_MAX_MS, ask_status, d);
}

static void on_status(void *ctx, struct json_object *body, const struct err *err)
{
	const struct qmp_start_mode mode = start_mode(ctx);
	struct domain *d = ctx;
	struct json_object *value;

	if (d->state != DOMAIN_PROBING) {
		return;
	}
	if (err) {
		snprintf(d->waits_for, sizeof(d->waits_for), "%.120s", err->text);
		return; /* a new connection asks again */
	}
	if (!body || !json_object_object_get_ex(body, "status", &value) ||
		!json_object_is_type(value, json_type_string)) {
		snprintf(d->waits_for, sizeof(d->waits_for), "query-status has no status");
		return;
	}
	if (qmp_readiness(json_object_get_string(value), &mode) == QMP_READY) {
		d->qmp_ok = true;
		d->inmigrate = !strcmp(json_object_get_string(value), "inmigrate");
		check_ready(d);
		return;
	}
	snprintf(d->waits_for, sizeof(d->waits_for), "query-status says \"%.40s\"",
		json_object_get_string(value));
	ask_again(d);
}

static void on_monitor_ready(void *ctx)
{
	struct domain *d = ctx;

	if (d->state == DOMAIN_PROBING) {
		domain_phase(d, "qmp");
		ask_status(d);
	} else if (d->state == DOMAIN_RUNNING) {
		domain_follow_connected(d);
		domain_migrate_connected(d);
		domain_device_connected(d);
	}
}

static void on_monitor_lost(void *ctx, const struct err *err)
{
	struct domain *d = ctx;

	domain_drop_monitor(d);
	if (d->state == DOMAIN_PROBING && err->code == -ETIMEDOUT && !d->qmp_ok &&
		domain_connect_monitor(d) == 0) {
		/* Slow is no failure before start_timeout_s. */
		snprintf(d->waits_for, sizeof(d->waits_for), "%.120s", err->text);
	} else if (d->state == DOMAIN_PROBING) {
		domain_start_failed(d, err);
	} else {
		domain_log(d, LOG_LVL_WARNING, "monitor lost: %s", err->text);
		if (d->state == DOMAIN_RUNNING) {
			domain_follow_connected(d);
		}
	}
}

static const struct monitor_ops monitor_ops = {
	.on_ready = on_monitor_ready,
	.on_lost = on_monitor_lost,
	.on_quarantined = domain_qmp_quarantined,
	.on_event = domain_qmp_event,
	.on_unplugged = domain_device_unplugged,
	.on_audit = domain_qmp_audit,
};

int domain_connect_monitor(struct domain *d)
{
	char path[PATH_MAX];

	if (d->monitor || !domain_has_qmp(d)) {
		return 0;
	}
	domain_run_dir(d, "monitor", path, sizeof(path));
	return monitor_new(
		&d->monitor, d->s->loop, path, d->s->config->qmp_timeout_ms, &monitor_ops, d);
}

static void on_state_read(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;
	const char *value = status == 0 ? xs_results_value(results, 0) : NULL;

	d->xs_request = 0;
	if (value && !strcmp(value, "running")) {
		d->state_seen = true;
		check_ready(d);
	} else if (status == -ETIMEDOUT || status == -ECONNRESET) {
		domain_probe(d); /* the watch does not fire again for what we missed */
	}
}

/* Also called when the node changes: then only the read is new. */
void domain_probe(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(0);
	char path[XENLAYOUT_PATH_MAX];
	struct err err;

	d->qmp_ok = d->qmp_ok || !domain_has_qmp(d);
	if (!d->monitor && !d->qmp_ok) {
		snprintf(d->waits_for, sizeof(d->waits_for), "QMP does not greet");
		if (domain_connect_monitor(d) < 0) {
			err_set(&err, -ENOMEM, "out of memory");
			domain_start_failed(d, &err);
		}
	}
	if (batch) {
		xenlayout_dm(d->dom.domid, "state", path);
		xs_batch_read(batch, path);
	}
	domain_xs(d, batch, d->s->config->xenstore_timeout_ms, on_state_read);
}

void domain_write_state(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);
	char path[XENLAYOUT_PATH_MAX];

	if (!batch) {
		return;
	}
	xenlayout_dm(d->dom.domid, NULL, path);
	xs_batch_require_exists(batch, path);
	xenlayout_dm(d->dom.domid, "state", path);
	xs_batch_write(batch, path, "running");
	store_submit_detached(
		d->s->store, batch, d->s->config->xenstore_timeout_ms, "device model state");
}

void domain_ready(struct domain *d)
{
	struct proc_id id;

	domain_phase(d, "ready");
	d->r.start_ms = loop_monotonic_ms() - d->begin_ms;
	/* libxl does it itself, once. */
	d->r.following =
		domain_has_qmp(d) && (d->repeat || (!d->by_libxl && !domain_handoff_is_source(d)));
	d->follow.resumed = false;
	/* A binary that is a script has executed its interpreter and perhaps more since. */
	if (procinfo_read(d->r.process.pid, &id) == 0 &&
		id.start_ticks == d->r.process.start_ticks) {
		d->r.process = id;
	}
	domain_write_record(d);
	if (!d->name_final) {
		domain_on_name(d);
	}
	if (!d->state_seen && !domain_handoff_holds_state(d)) {
		domain_write_state(d);
	}
	domain_handoff_advance(d);
	domain_log(d, LOG_LVL_NOTICE, "device model runs (pid %d), ready after %lld ms",
		d->r.process.pid, (long long)d->r.start_ms);
}
