/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a device model. Ours are asked before they are killed: QMP quit, SIGTERM, SIGKILL with
 * the whole scope, each with its deadline, then SIGKILL again until the kernel lets go.
 *
 * An end that nobody asked for is death unless the toolstack did it: libxl removes
 * /local/domain/0/device-model/G and then sends SIGHUP with the domain still there.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "daemon/events.h"

#define CLASSIFY_XENSTORE_MS 2000
#define DESTROY_DEADLINE_MS 120000 /* a large domain's memory is given back page by page */

enum rung { RUNG_QUIT, RUNG_TERM, RUNG_KILL };

int64_t domain_rung_ms(const struct domain *d)
{
	const struct config *config = d->s->config;

	switch (d->rung) {
	case RUNG_QUIT:
		return (int64_t)config->quit_timeout_s * 1000;
	case RUNG_TERM:
		return (int64_t)config->term_timeout_s * 1000;
	default:
		return (int64_t)config->kill_timeout_s * 1000;
	}
}

static void on_quit_answered(void *ctx, struct json_object *body, const struct err *err)
{
	/* The process's end is the answer that counts. */
}

static void on_rung_deadline(void *arg)
{
	domain_post(arg, DOMAIN_EV_DEADLINE);
}

static void climb(struct domain *d, unsigned rung)
{
	d->rung = rung;
	if (rung == RUNG_TERM) {
		process_signal(d->process, SIGTERM);
	} else if (rung >= RUNG_KILL) {
		if (rung > RUNG_KILL) {
			domain_log(d, LOG_LVL_ERROR,
				"device model (pid %d) does not end on SIGKILL", d->r.process.pid);
		}
		process_signal(d->process, SIGKILL);
		if (d->r.cgroup) {
			scope_kill(d->r.cgroup);
		}
	}
	loop_timer_start(d->s->loop, &d->deadline, domain_rung_ms(d), on_rung_deadline, d);
}

void domain_stop_ladder(struct domain *d)
{
	if (!d->process || process_has_ended(d->process)) {
		domain_post(d, DOMAIN_EV_PROCESS_ENDED);
		return;
	}
	if (d->monitor && monitor_send(d->monitor, "quit", NULL, on_quit_answered, d) == 0) {
		climb(d, RUNG_QUIT);
	} else {
		climb(d, RUNG_TERM);
	}
}

void domain_escalate(struct domain *d)
{
	climb(d, d->rung + 1);
}

void domain_death_reason(struct domain *d)
{
	char text[48];

	if (d->r.kind == DM_KIND_FOREIGN) {
		domain_foreign_death_reason(d);
		return;
	}
	domain_set_reason(d, "the device model ended with %s while its domain lives",
		exit_info_text(&d->r.exit, text));
}

static void conclude(struct domain *d, bool by_toolstack)
{
	if (by_toolstack) {
		d->r.by_toolstack = true;
		domain_post(d, DOMAIN_EV_END_TOOLSTACK);
		if (d->dom.dying) { /* may take minutes: it is no domain that still lives */
			domain_post(d, DOMAIN_EV_DYING);
		}
		return;
	}
	domain_death_reason(d);
	domain_post(d, domain_restart_decide(d) ? DOMAIN_EV_END_RESTART : DOMAIN_EV_END_DEATH);
}

/* The toolstack has removed the node and left our mark. Without both it is the store that is new:
 * xenstored was started again. */
static bool node_was_removed(const struct domain *d, const struct xs_results *results)
{
	const char *mark = xs_results_value(results, 1);

	return xs_results_status(results, 0) == -ENOENT && mark && !strcmp(mark, d->uuid);
}

static void on_classified(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;
	struct toolstack_domain now;
	bool gone;
	int r;

	d->xs_request = 0;
	r = toolstack_get(d->s->ts, d->dom.domid, &now);
	gone = r == -ESRCH || (r == 0 && memcmp(now.uuid, d->dom.uuid, sizeof(now.uuid)));
	if (r == 0 && !gone) {
		d->dom = now;
	}
	if (gone || d->dom.dying || d->dom.shutdown) {
		conclude(d, true);
	} else if (d->r.kind == DM_KIND_FOREIGN && d->foreign_stub) {
		conclude(d, domain_stub_was_destroyed(d));
	} else {
		/* A xenstore that does not answer makes nothing of it the toolstack's doing. */
		conclude(d, status == 0 && node_was_removed(d, results));
	}
}

void domain_classify(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(0);
	char path[XENLAYOUT_PATH_MAX];
	int r;

	domain_qmp_close(d); /* nobody is there to connect to again */
	if (batch) {
		xenlayout_dm(d->dom.domid, NULL, path);
		xs_batch_read(batch, path);
		xenlayout_xendmd(d->dom.domid, "uuid", path);
		xs_batch_read(batch, path);
	}
	/* Without an answer the hypervisor is asked alone, before the state's deadline. */
	r = domain_xs(d, batch, CLASSIFY_XENSTORE_MS, on_classified);
	if (r < 0) {
		on_classified(d, r, NULL);
	}
}

static void on_destroyed(void *ctx, const struct exit_info *exit, const struct err *err)
{
	struct domain *d = ctx;

	d->destroyer = helperproc_free(d->destroyer);
	if (err) {
		domain_log(d, LOG_LVL_ERROR, "dom-destroy: %s", err->text);
	}
}

static int destroy_domain(struct domain *d)
{
	char domid[16], helper[PATH_MAX];
	char *const argv[] = {(char *)"dom-destroy", domid, d->uuid, NULL};
	struct err err;
	int r;

	if (d->by_libxl) {
		return -EPERM;
	}
	snprintf(domid, sizeof(domid), "%u", d->dom.domid);
	snprintf(helper, sizeof(helper), "%s/dom-destroy", d->s->paths->helper_dir);
	r = helperproc_run(&d->destroyer, d->s->loop, helper, argv, DESTROY_DEADLINE_MS,
		on_destroyed, d, &err);
	if (r < 0) {
		domain_log(d, LOG_LVL_ERROR, "dom-destroy: %s", err.text);
	}
	return r;
}

static int apply(struct domain *d, enum on_exit_policy policy)
{
	switch (policy) {
	case ON_EXIT_PAUSE:
	case ON_EXIT_PRESERVE:
		return toolstack_pause(d->s->ts, d->dom.domid, d->dom.uuid);
	case ON_EXIT_CRASH:
		return toolstack_crash(d->s->ts, d->dom.domid, d->dom.uuid);
	case ON_EXIT_DESTROY:
		return destroy_domain(d);
	default:
		return 0;
	}
}

static void add_restart(const struct domain *d, struct json_object *json)
{
	if (d->r.restarting) {
		json_object_object_add(json, "restart", json_object_new_int(d->r.restarts));
		json_object_object_add(
			json, "delay_ms", json_object_new_int64(domain_restart_delay_ms(d)));
	} else {
		json_object_object_add(
			json, "instead_of", json_object_new_string(on_exit_name(ON_EXIT_RESTART)));
		json_object_object_add(json, "reason", json_object_new_string(d->r.reason));
	}
}

/* A restart that can't be made gives way to the default. */
void domain_policy(struct domain *d)
{
	bool instead = d->r.on_exit == ON_EXIT_RESTART && !d->r.restarting;
	enum on_exit_policy policy = instead ? ON_EXIT_PAUSE : d->r.on_exit;
	struct json_object *json;
	int r;

	d->policy = on_exit_name(policy);
	if (d->r.kind == DM_KIND_FOREIGN) {
		return; /* watched, never touched: its policy is "none", which is nobody's choice */
	}
	r = apply(d, policy);
	domain_log(d, LOG_LVL_WARNING, "%s; on_exit %s%s%s%s", d->r.reason, d->policy,
		instead ? " instead of restart" : "", r < 0 ? " failed: " : "",
		r < 0 ? strerror(-r) : "");
	json = domain_event_json(d, "policy-applied");
	if (json) {
		json_object_object_add(json, "policy", json_object_new_string(d->policy));
		if (d->r.on_exit == ON_EXIT_RESTART) {
			add_restart(d, json);
		}
		json_object_object_add(
			json, "error", r < 0 ? json_object_new_string(strerror(-r)) : NULL);
		events_publish(d->s->events, json);
	}
}
