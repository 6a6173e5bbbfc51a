/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaving nothing behind, in this order: our ends of connections; processes left in the scope; the
 * scope; sockets; xenstore; record and run directory. While the domain lives (failed, exited) its
 * record and the nodes that tell of its state stay.
 *
 * xenstore is changed in a transaction that first requires our mark with the domain's uuid, so that
 * a number that changed hands is never cleaned. A xenstored that does not answer holds up only the
 * end of a domain that is gone; what lives is told about at once and cleaned when it answers.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/exits.h"
#include "lib/cleanup.h"
#include "lib/fsutil.h"

#define SCOPE_POLL_MS 20
#define LATE_CLEAN_MS (60 * 60 * 1000) /* how long a clean-up of a living domain may wait */

/* What a look, a start or what follows it has under way. */
void domain_abort(struct domain *d)
{
	loop_timer_stop(&d->retry);
	domain_follow_cancel(d);
	domain_drop_secrets(d);
	d->asker = helperproc_free(d->asker);
	scope_job_cancel(d->scope_job);
	d->scope_job = NULL;
	if (d->launcher) {
		d->launcher = launcher_free(d->launcher);
	}
	close_p(&d->log_fd);
	close_p(&d->listen_fd);
	domain_libxl_close_fds(d);
	domain_close_received(d);
	if (d->state == DOMAIN_QUEUED) {
		d->ops->on_unqueue(d->ops_ctx, d);
	}
}

static bool leaves(const struct domain *d)
{
	return d->state == DOMAIN_CLEANING_GONE;
}

/* There are traces of a device model of ours; else at most the nodes that tell of the state. */
static bool is_ours(const struct domain *d)
{
	return d->r.kind != DM_KIND_FOREIGN && (d->recorded || d->r.started_ms);
}

static void keep_run_dir(struct domain *d)
{
	char from[PATH_MAX], to[PATH_MAX];
	struct err err;

	snprintf(to, sizeof(to), "%s/preserved", d->s->paths->run_dir);
	if (fsutil_mkdir(to, 0700, &err) < 0) {
		domain_log(d, LOG_LVL_ERROR, "preserve: %s", err.text);
		return;
	}
	domain_run_dir(d, NULL, from, sizeof(from));
	snprintf(to, sizeof(to), "%s/preserved/%u-%s", d->s->paths->run_dir, d->dom.domid, d->uuid);
	if (rename(from, to) < 0 && errno != ENOENT) {
		domain_log(d, LOG_LVL_ERROR, "preserve \"%s\": %m", to);
	}
}

/* The number already belongs to another domain, perhaps with a device model that is not ours. */
static bool has_successor(const struct domain *d)
{
	struct toolstack_domain now;

	return toolstack_get(d->s->ts, d->dom.domid, &now) == 0 &&
	       memcmp(now.uuid, d->dom.uuid, sizeof(now.uuid));
}

static void remove_files(struct domain *d)
{
	char path[PATH_MAX];
	struct err err;

	if (!is_ours(d) && !leaves(d)) {
		return;
	}
	if (!has_successor(d)) {
		domain_libxl_remove(d);
	}
	/* When the domain goes its directory goes, ours or not: a record may have been broken. */
	if (!leaves(d)) {
		domain_run_dir(d, "monitor", path, sizeof(path));
		unlink(path);
	} else if (d->r.on_exit == ON_EXIT_PRESERVE && d->policy) {
		keep_run_dir(d);
	} else {
		domain_run_dir(d, NULL, path, sizeof(path));
		if (fsutil_remove_dir(path, &err) < 0) {
			domain_log(d, LOG_LVL_ERROR, "clean-up: %s", err.text);
		}
	}
	d->recorded = d->recorded && !leaves(d);
}

static void finish(struct domain *d)
{
	bool failed_restart = d->state == DOMAIN_CLEANING_FAILED && d->r.restarting;

	remove_files(d);
	if (!failed_restart) {
		domain_post(d, DOMAIN_EV_CLEANED);
	} else {
		domain_post(d, domain_restart_decide(d) ? DOMAIN_EV_CLEANED_RETRY
							: DOMAIN_EV_CLEANED_GIVE_UP);
	}
}

static void on_nodes_removed(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;

	d->xs_request = 0;
	if (status < 0 && status != -ESTALE) {
		/* The state's deadline tries again. */
		domain_log(d, LOG_LVL_WARNING, "clean-up: xenstore: %s", strerror(-status));
		return;
	}
	finish(d);
}

static void remove_node(struct domain *d, bool gone)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);
	char path[XENLAYOUT_PATH_MAX], pid[16];
	int r;

	if (batch) {
		snprintf(pid, sizeof(pid), "%d", d->r.process.pid);
		xenlayout_xendmd(d->dom.domid, "uuid", path);
		xs_batch_require(batch, path, d->uuid);
		if (is_ours(d) && !(gone && has_successor(d))) {
			xenlayout_domain(d->dom.domid, "image/device-model-pid", path);
			xs_batch_rm_if_equals(batch, path, pid);
			domain_follow_remove(d, batch);
			domain_old_remove(d, batch);
			domain_remove_secrets(d, batch);
			xenlayout_dm(d->dom.domid, NULL, path);
			xs_batch_rm(batch, path);
		}
		if (gone) {
			xenlayout_xendmd(d->dom.domid, NULL, path);
			xs_batch_rm(batch, path);
		}
	}
	if (!gone) {
		store_submit_detached(d->s->store, batch, LATE_CLEAN_MS, "clean-up");
		strv_fini(&d->r.nodes);
		finish(d);
		return;
	}
	r = domain_xs(d, batch, d->s->config->xenstore_timeout_ms, on_nodes_removed);
	if (r < 0) {
		domain_log(d, LOG_LVL_ERROR, "clean-up: xenstore: %s", strerror(-r));
	}
}

static void after_scope(struct domain *d)
{
	free(TAKE_PTR(d->r.cgroup));
	if (d->r.source || is_ours(d)) {
		if (is_ours(d) || leaves(d)) {
			remove_node(d, leaves(d));
			return;
		}
	} else if (leaves(d) && !d->is_stub) {
		domain_unpublish_xenstore(d);
	}
	finish(d);
}

static void on_scope_poll(void *arg);

static void wait_for_scope(struct domain *d)
{
	if (!d->r.cgroup || scope_is_empty(d->r.cgroup)) {
		if (d->r.cgroup) {
			scope_stop(d->s->bus, d->dom.domid);
		}
		after_scope(d);
		return;
	}
	scope_kill(d->r.cgroup);
	loop_timer_start(d->s->loop, &d->retry, SCOPE_POLL_MS, on_scope_poll, d);
}

static void on_scope_poll(void *arg)
{
	wait_for_scope(arg);
}

/* What the domain will be once the clean-up is done. */
static enum dm_state outcome(const struct domain *d)
{
	switch (d->state) {
	case DOMAIN_CLEANING_FAILED:
		return DM_FAILED;
	case DOMAIN_CLEANING_EXITED:
	case DOMAIN_CLEANING_RESTART:
		return DM_EXITED;
	default:
		return DM_STOPPING;
	}
}

void domain_note_exit(struct domain *d)
{
	_cleanup_free_ char *tail = NULL;
	struct json_object *json;
	struct err err;

	if (!d->ended) {
		return;
	}
	d->ended = false;
	json = domain_status_json(d);
	if (!json) {
		return;
	}
	json_object_object_add(json, "state", json_object_new_string(dm_state_name(outcome(d))));
	json_object_object_add(json, "reason",
		d->r.reason && outcome(d) != DM_STOPPING ? json_object_new_string(d->r.reason)
							 : NULL);
	tail = d->r.log ? dmlog_tail(d->r.log, 100) : NULL;
	json_object_object_add(json, "uptime_ms",
		d->r.started_ms ? json_object_new_int64(loop_realtime_ms() - d->r.started_ms)
				: NULL);
	json_object_object_add(json, "log_tail", tail ? json_object_new_string(tail) : NULL);
	json_object_object_add(json, "phase",
		d->phases_len ? json_object_new_string(d->phases[d->phases_len - 1].name) : NULL);
	json_object_object_add(
		json, "policy", d->policy ? json_object_new_string(d->policy) : NULL);
	if (exits_write(d->s->exits, d->dom.domid, d->uuid, json, &err) < 0) {
		domain_log(d, LOG_LVL_ERROR, "exit record: %s", err.text);
	}
	json_object_put(json);
}

void domain_clean(struct domain *d)
{
	domain_note_exit(d);
	domain_qmp_close(d);
	d->launcher = launcher_free(d->launcher);
	d->process = process_free(d->process);
	d->log = dmlog_unwatch(d->log);
	wait_for_scope(d);
}
