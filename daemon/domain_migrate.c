/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A migration of QEMU's, out of a machine or into one that waits for it: one at a time for each
 * domain, step by step over its one QMP session.
 *
 * It is a transaction. Capabilities and parameters that are asked for hold for this migration: what
 * they were is read before and set again at its end, whatever that is. After a failure or a cancel
 * the machine runs if it ran before; QEMU sees to that itself, and where it did not it is told.
 * After a migration that completed the source stays paused (postmigrate), because its successor has
 * the guest: that is no failure of the device model.
 *
 * QEMU goes on by itself whatever becomes of who asked, and of us. The record has what is to be
 * undone before anything is done, so the next daemon follows the migration and ends it as this one
 * would have.
 */
#include "daemon/domain_migrate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/limits.h"
#include "proto/qmpmux.h"

static void next_step(struct domain_migration *m);

static bool completed(const struct domain_migration *m)
{
	return !m->failed.code && m->progress.stage == MIGRATION_COMPLETED;
}

static struct json_object *reply_of(const struct domain_migration *m)
{
	struct json_object *reply = json_object_new_object();

	json_object_object_add(reply, "migration", migration_progress_json(&m->progress));
	return reply;
}

static void release(struct domain_migration *m)
{
	loop_timer_stop(&m->again);
	qmpmux_client_free(m->flight, loop_monotonic_ms());
	close_p(&m->fd);
	free(m->uri);
	json_object_put(m->capabilities);
	json_object_put(m->parameters);
	json_object_put(m->old_capabilities);
	json_object_put(m->old_parameters);
	free(m);
}

static void answer_cancel(struct domain_migration *m)
{
	struct control_call *call = TAKE_PTR(m->cancel_call);
	struct err err;

	if (!call) {
		return;
	}
	if (completed(m)) {
		err_set(&err, -EIO, "domain %u: the migration was completed before",
			m->d->dom.domid);
		control_fail(call, &err);
	} else {
		control_complete(call, NULL);
	}
}

static void answer(struct domain_migration *m)
{
	struct control_call *call = TAKE_PTR(m->call);

	if (call && m->failed.code) {
		control_fail(call, &m->failed);
	} else if (call) {
		control_complete(call, reply_of(m));
	}
	answer_cancel(m);
}

static void finish(struct domain_migration *m)
{
	struct domain *d = m->d;

	d->migration = NULL;
	domain_migrate_note_end(m);
	answer(m);
	release(m);
}

/* The first failure is told; what undoes is tried all the same. */
static void fail(struct domain_migration *m, const char *what, const struct err *err)
{
	if (m->failed.code) {
		return;
	}
	m->failed = *err;
	err_wrap(&m->failed, "domain %u: %s%s%s", m->d->dom.domid,
		m->incoming ? "the incoming migration" : "the migration", what ? ": " : "",
		what ? what : "");
	m->failed.code = -EIO;
}

static bool is_undo(const struct domain_migration *m)
{
	return m->step > MIGRATE_WATCH;
}

/* QEMU's own word, or the filter's; else there was none and it may or may not have been done. */
static bool is_refusal(const struct err *err)
{
	return err->code == -EREMOTEIO || err->code == -EOPNOTSUPP || err->code == -EPERM ||
	       err->code == -EINVAL || err->code == -E2BIG;
}

static void on_again(void *arg)
{
	next_step(arg);
}

/* The same step once more. */
static void again(struct domain_migration *m)
{
	if (loop_timer_start(m->d->s->loop, &m->again, m->pause_ms, on_again, m) < 0) {
		domain_log(m->d, LOG_LVL_ERROR, "migration: out of memory");
	}
	m->pause_ms *= 2;
	if (m->pause_ms > LIMIT_MIGRATION_POLL_MAX_MS) {
		m->pause_ms = LIMIT_MIGRATION_POLL_MAX_MS;
	}
}

static void advance(struct domain_migration *m)
{
	m->step++;
	m->tries = 0;
	m->pause_ms = LIMIT_MIGRATION_POLL_MS;
	next_step(m);
}

/* Nothing more is done but to undo what was. */
static void undo(struct domain_migration *m)
{
	m->step = MIGRATE_WATCH;
	advance(m);
}

static void undo_failed(struct domain_migration *m, const struct err *err)
{
	char text[ERR_TEXT_MAX];

	if (m->step == MIGRATE_CLOSE_FD) { /* QEMU has taken it out of its list */
		advance(m);
		return;
	}
	if (++m->tries < LIMIT_MIGRATION_TRIES) {
		again(m);
		return;
	}
	snprintf(text, sizeof(text), "after a migration: %s: %.400s", migrate_step_command(m),
		err->text);
	domain_warn(m->d, text);
	advance(m);
}

static void watch_failed(struct domain_migration *m, const struct err *err)
{
	m->tries = is_refusal(err) ? m->tries + 1 : 0;
	if (m->tries >= LIMIT_MIGRATION_TRIES) {
		fail(m, migrate_step_command(m), err);
		undo(m);
	} else {
		again(m); /* a connection that broke is made again, and QEMU may be slow */
	}
}

/* What QEMU refuses it has not done, not in parts either. */
static void note_change(struct domain_migration *m, bool maybe)
{
	if (m->step == MIGRATE_SET_CAPABILITIES) {
		m->set_capabilities = maybe;
	} else if (m->step == MIGRATE_SET_PARAMETERS) {
		m->set_parameters = maybe;
	}
}

static void step_failed(struct domain_migration *m, const struct err *err)
{
	if (is_refusal(err)) {
		note_change(m, false);
	}
	if (is_undo(m)) {
		undo_failed(m, err);
	} else if (m->step == MIGRATE_WATCH) {
		watch_failed(m, err);
	} else if (m->step == MIGRATE_BEGIN && !is_refusal(err)) {
		m->begun = true; /* perhaps: the next question tells */
		advance(m);
	} else {
		fail(m, migrate_step_command(m), err);
		undo(m);
	}
}

/* QEMU says nothing of an incoming one before its first byte has come. Of one that this daemon has
 * not begun itself nobody knows whether it was. */
static bool has_ended(struct domain_migration *m)
{
	if (m->incoming && m->progress.stage == MIGRATION_NONE) {
		return m->taken_up && ++m->tries >= LIMIT_MIGRATION_TRIES;
	}
	m->tries = 0;
	return m->progress.stage != MIGRATION_UNDER_WAY;
}

static void note_failed_end(struct domain_migration *m)
{
	struct err err;

	switch (m->progress.stage) {
	case MIGRATION_COMPLETED:
		return;
	case MIGRATION_CANCELLED:
		err_set(&err, -ECANCELED, "cancelled");
		break;
	case MIGRATION_NONE:
		err_set(&err, -EIO, "it was never begun");
		break;
	default:
		err_set(&err, -EIO, "QEMU says \"%s\"%s%.400s", m->progress.status,
			*m->progress.reason ? ": " : "", m->progress.reason);
		break;
	}
	fail(m, NULL, &err);
}

static void on_progress(struct domain_migration *m, struct json_object *body)
{
	struct err err;

	if (migration_progress_read(body, &m->progress, &err) < 0) {
		err.code = -EREMOTEIO;
		watch_failed(m, &err);
		return;
	}
	if (!has_ended(m)) {
		if (m->call) {
			control_progress(m->call, reply_of(m));
		}
		again(m);
		return;
	}
	note_failed_end(m);
	advance(m);
}

/* Does the source run again? */
static void on_after(struct domain_migration *m, struct json_object *body)
{
	bool under_way = migrate_step_take_after(m, body);

	m->stuck = m->paused && m->was_running && !completed(m);
	if (m->stuck && under_way && ++m->tries < LIMIT_MIGRATION_TRIES) {
		again(m);
	} else {
		advance(m);
	}
}

static void on_begun(struct domain_migration *m)
{
	struct control_call *call;

	m->begun = true;
	m->fd_given = false; /* taken out of the list of those with names */
	m->progress.stage = MIGRATION_UNDER_WAY;
	snprintf(m->progress.status, sizeof(m->progress.status), "setup");
	domain_migrate_tell(m->d, m->incoming ? "incoming" : "active", NULL);
	if (m->detach) {
		call = TAKE_PTR(m->call);
		if (call) {
			control_complete(call, reply_of(m));
		}
	}
	advance(m);
}

static void on_done(struct domain_migration *m, struct json_object *body)
{
	struct err err;

	switch (m->step) {
	case MIGRATE_BEGIN:
		on_begun(m);
		return;
	case MIGRATE_WATCH:
		on_progress(m, body);
		return;
	case MIGRATE_AFTER:
		on_after(m, body);
		return;
	default:
		break;
	}
	if (migrate_step_take(m, body, &err) < 0) {
		fail(m, NULL, &err);
		undo(m);
	} else {
		advance(m);
	}
}

static void on_answer(void *ctx, struct json_object *body, const struct err *err)
{
	struct domain_migration *m = ctx;

	m->flight = NULL;
	if (err) {
		step_failed(m, err);
	} else {
		on_done(m, body);
	}
}

static int take_fd(void *ctx)
{
	return TAKE_FD(((struct domain_migration *)ctx)->fd);
}

static int send(struct domain_migration *m, struct err *err)
{
	_cleanup_json_ struct json_object *arguments = migrate_step_arguments(m);
	const struct qmpmux_call call = {.class = QMP_CLASS_ADMIN,
		.command = migrate_step_command(m),
		.arguments = arguments,
		.take_fd = m->step == MIGRATE_FD ? take_fd : NULL,
		.fn = on_answer,
		.ctx = m};

	return qmpmux_call(monitor_mux(m->d->monitor), &call, loop_monotonic_ms(), &m->flight, err);
}

/* From here on there is something to be undone. */
static int note_begin(struct domain_migration *m, struct err *err)
{
	int r;

	if (m->noted || m->step < MIGRATE_SET_CAPABILITIES || is_undo(m)) {
		return 0;
	}
	r = domain_migrate_note_begin(m);
	if (r < 0) {
		return err_set_errno(err, r, "its record can't be written");
	}
	m->noted = true;
	return 0;
}

/* Asked to end before QEMU knows of it. */
static bool is_called_off(const struct domain_migration *m)
{
	return m->cancelled && m->step <= MIGRATE_BEGIN && !m->failed.code;
}

static void next_step(struct domain_migration *m)
{
	struct err err;

	while (m->step < _MIGRATE_STEP_MAX && !migrate_step_is_due(m)) {
		m->step++;
	}
	if (m->step == _MIGRATE_STEP_MAX) {
		finish(m);
		return;
	}
	if (is_called_off(m)) {
		err_set(&err, -ECANCELED, "cancelled");
		fail(m, NULL, &err);
		undo(m);
		return;
	}
	if (note_begin(m, &err) < 0) {
		fail(m, NULL, &err);
		undo(m);
		return;
	}
	note_change(m, true);
	if (send(m, &err) < 0) {
		step_failed(m, &err);
		return;
	}
	monitor_settle(m->d->monitor);
}

static void on_caller_gone(void *ctx)
{
	struct domain_migration *m = ctx;

	domain_log(m->d, LOG_LVL_NOTICE, "who asked for the migration has gone; it goes on");
	control_complete(TAKE_PTR(m->call), NULL);
}

static void on_canceller_gone(void *ctx)
{
	control_complete(TAKE_PTR(((struct domain_migration *)ctx)->cancel_call), NULL);
}

static void on_cancel(void *ctx, struct json_object *body, const struct err *err)
{
	struct domain *d = ctx;

	if (err) {
		domain_log(d, LOG_LVL_WARNING, "migrate_cancel: %s", err->text);
	}
	if (err && d->migration && d->migration->cancel_call) {
		control_fail(TAKE_PTR(d->migration->cancel_call), err);
	}
}

int domain_migrate_cancel(struct domain *d, struct control_call *call, struct err *err)
{
	struct domain_migration *m = d->migration;
	const struct qmpmux_call cancel = {
		.class = QMP_CLASS_ADMIN, .command = "migrate_cancel", .fn = on_cancel, .ctx = d};
	int r = 0;

	if (!m) {
		return err_set(err, -EIO,
			"domain %u: no migration is under way that xendmd has begun", d->dom.domid);
	}
	if (m->incoming && m->begun) {
		return err_set(err, -EIO,
			"domain %u: QEMU can't give up an incoming migration; \"dmctl stop "
			"--force\" ends it",
			d->dom.domid);
	}
	if (m->cancel_call) {
		return err_set(
			err, -EBUSY, "domain %u: it is being cancelled already", d->dom.domid);
	}
	if (m->step == MIGRATE_WATCH || m->step == MIGRATE_BEGIN) {
		r = qmpmux_call(monitor_mux(d->monitor), &cancel, loop_monotonic_ms(), NULL, err);
		monitor_settle(d->monitor);
	}
	if (r == 0) {
		m->cancelled = true;
		m->cancel_call = call;
		control_on_gone(call, on_canceller_gone, m);
	}
	return r == -EINVAL || r == -E2BIG ? (err->code = -EIO) : r;
}

struct domain_migration *domain_migrate_new(struct domain *d)
{
	struct domain_migration *m = calloc(1, sizeof(*m));

	if (m) {
		*m = (struct domain_migration){
			.d = d, .fd = -1, .pause_ms = LIMIT_MIGRATION_POLL_MS};
		migration_progress_read(NULL, &m->progress, &(struct err){0});
	}
	return m;
}

void domain_migrate_run(struct domain_migration *m)
{
	m->d->migration = m;
	if (m->call) {
		control_on_gone(m->call, on_caller_gone, m);
	}
	next_step(m);
}

void domain_migrate_end(struct domain *d, int code, const char *why)
{
	struct domain_migration *m = d->migration;

	if (m) {
		d->migration = NULL;
		err_set(&m->failed, code, "domain %u: %s", d->dom.domid, why);
		if (m->cancel_call) {
			control_fail(TAKE_PTR(m->cancel_call), &m->failed);
		}
		answer(m);
		release(m);
	}
}
