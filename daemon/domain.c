/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The object: its state, the one function that changes it, what is told of it.
 *
 * Events are carried out to the end one after the other: an action that fails at once posts the
 * next event, which waits until the running one is done. Whatever a state has in flight (timers,
 * xenstore requests) ends with the state, so a late answer never meets a later state.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/events.h"
#include "lib/cleanup.h"
#include "lib/dmopt.h"
#include "lib/fsutil.h"
#include "lib/limits.h"
#include "lib/utf8.h"

#define LOOK_DEADLINE_MS 10000 /* a look that got no answer is made again */
#define CLASSIFY_DEADLINE_MS 3000
#define CLEAN_DEADLINE_MS 15000

static void on_deadline(void *arg)
{
	domain_post(arg, DOMAIN_EV_DEADLINE);
}

static int64_t start_left_ms(const struct domain *d)
{
	int64_t left =
		d->begin_ms + (int64_t)d->r.limits.start_timeout_s * 1000 - loop_monotonic_ms();

	return left > 0 ? left : 1;
}

static int64_t deadline_of(const struct domain *d)
{
	switch (d->state) {
	case DOMAIN_LOOKING:
		return LOOK_DEADLINE_MS;
	case DOMAIN_PREPARING:
	case DOMAIN_SPAWNED:
	case DOMAIN_PROBING:
		return start_left_ms(d);
	case DOMAIN_ENDING:
		return CLASSIFY_DEADLINE_MS;
	case DOMAIN_ENDED:
		return (int64_t)d->s->config->toolstack_stop_timeout_s * 1000;
	case DOMAIN_BACKOFF:
		return domain_restart_delay_ms(d);
	case DOMAIN_STOPPING_FAILED:
	case DOMAIN_STOPPING_EXITED:
	case DOMAIN_STOPPING_GONE:
		return domain_rung_ms(d);
	default:
		return CLEAN_DEADLINE_MS;
	}
}

void domain_set_reason(struct domain *d, const char *fmt, ...)
{
	va_list ap;

	free(d->r.reason);
	d->r.reason = NULL;
	va_start(ap, fmt);
	if (vasprintf(&d->r.reason, fmt, ap) < 0) {
		d->r.reason = NULL;
	}
	va_end(ap);
	if (d->r.reason) { /* parts of it may be the device model's own words */
		utf8_make_printable(d->r.reason, strlen(d->r.reason));
	}
}

void domain_start_failed(struct domain *d, const struct err *err)
{
	domain_set_reason(d, "%s", err->text);
	domain_post(d, DOMAIN_EV_START_ERROR);
}

void domain_phase(struct domain *d, const char *name)
{
	if (d->phases_len < DOMAIN_PHASES_MAX) {
		d->phases[d->phases_len++] =
			(struct domain_phase){.name = name, .at_ms = loop_realtime_ms()};
	}
}

void domain_run_dir(const struct domain *d, const char *file, char *ret, size_t size)
{
	snprintf(ret, size, "%s/dm/%u%s%s", d->s->paths->run_dir, d->dom.domid, file ? "/" : "",
		file ? file : "");
}

int domain_write_record(struct domain *d)
{
	_cleanup_free_ char *text = record_encode(&d->r);
	char path[PATH_MAX];
	struct err err;
	int r = -ENOMEM;

	d->r.by_libxl = d->by_libxl;
	domain_run_dir(d, "record.json", path, sizeof(path));
	if (text) {
		r = fsutil_write_atomic(path, text, strlen(text), 0600, true, &err);
	}
	if (r < 0) {
		domain_log(d, LOG_LVL_ERROR, "record: %s", text ? err.text : "out of memory");
		return r;
	}
	d->recorded = true;
	return 0;
}

static bool is_starting(enum domain_state state)
{
	return state == DOMAIN_PREPARING || state == DOMAIN_SPAWNED || state == DOMAIN_PROBING;
}

/* The only writer of the state. */
static void set_state(struct domain *d, enum domain_state next, enum domain_event event)
{
	enum domain_state from = d->state;
	bool changed = domain_fsm_public(from) != domain_fsm_public(next);

	d->state = next;
	if (from != next) {
		domain_log(d,
			next == DOMAIN_LOST || next == DOMAIN_FAILED ? LOG_LVL_ERROR
								     : LOG_LVL_DEBUG,
			"%s -> %s (%s)%s%s", domain_state_name(from), domain_state_name(next),
			domain_event_name(event), d->r.reason ? ": " : "",
			d->r.reason ? d->r.reason : "");
		d->retries = 0;
		loop_timer_stop(&d->retry);
	}
	d->r.released = d->r.released && next != DOMAIN_QUEUED; /* a new start: nothing runs */
	d->r.restarting = d->r.restarting && next != DOMAIN_RUNNING && next != DOMAIN_EXITED;
	d->r.asked = d->r.asked || next == DOMAIN_STOPPING_EXITED || next == DOMAIN_STOPPING_FAILED;
	if (d->r.state != domain_fsm_public(next)) {
		d->r.state =
			domain_fsm_public(next); /* a record may already say so: then since stays */
		d->r.since_ms = loop_realtime_ms();
	}
	if (next == DOMAIN_PREPARING) {
		d->begin_ms = loop_monotonic_ms(); /* the start's one deadline runs from here */
	}
	loop_timer_stop(&d->deadline);
	if (domain_fsm_has_deadline(next)) {
		loop_timer_start(d->s->loop, &d->deadline, deadline_of(d), on_deadline, d);
	}
	domain_announce(d, from, event);
	if (changed) {
		if (d->recorded && next != DOMAIN_CLEANING_GONE && next != DOMAIN_LEAVING) {
			domain_write_record(d);
		}
		domain_publish_xenstore(d);
	}
	if (from != next) {
		domain_changed(d); /* also where only its source, kind or process is new */
	}
	if (is_starting(from) && !is_starting(next)) {
		d->ops->on_slot_free(d->ops_ctx, d);
	}
}

static void deadline_reason(struct domain *d)
{
	if (is_starting(d->state)) {
		domain_set_reason(d, "not ready after %u s: %s", d->r.limits.start_timeout_s,
			*d->waits_for ? d->waits_for : domain_state_name(d->state));
	} else if (d->state == DOMAIN_ENDING) {
		domain_death_reason(d);
	} else if (d->state == DOMAIN_ENDED) {
		domain_set_reason(d, "stopped by its toolstack");
	}
}

static void do_queue(struct domain *d)
{
	free(TAKE_PTR(d->r.reason));
	d->r.exit = (struct exit_info){0};
	d->r.process = (struct proc_id){0};
	d->r.by_toolstack = d->r.asked = d->r.released = false;
	d->r.start_ms = -1;
	d->phases_len = 0;
	d->ended = false;
	d->policy = NULL;
	*d->warning = 0;
	domain_follow_reset(d);
	domain_migrate_forget(d);
	domain_phase(d, "queued");
	d->ops->on_queue(d->ops_ctx, d);
}

static void do_forget(struct domain *d)
{
	d->ops->on_forget(d->ops_ctx, d);
	domain_detach(d);
}

static const struct {
	enum domain_action bit;
	void (*run)(struct domain *d);
} actions[] = {
	{DOMAIN_ACT_LOOK, domain_look},
	{DOMAIN_ACT_QUEUE, do_queue},
	{DOMAIN_ACT_PREPARE, domain_prepare},
	{DOMAIN_ACT_SPAWN, domain_spawn},
	{DOMAIN_ACT_PROBE, domain_probe},
	{DOMAIN_ACT_READY, domain_ready},
	{DOMAIN_ACT_FOLLOW, domain_follow},
	{DOMAIN_ACT_CLASSIFY, domain_classify},
	{DOMAIN_ACT_POLICY, domain_policy},
	{DOMAIN_ACT_STOP, domain_stop_ladder},
	{DOMAIN_ACT_ESCALATE, domain_escalate},
	{DOMAIN_ACT_CLEAN, domain_clean},
	{DOMAIN_ACT_FORGET, do_forget},
	{0, NULL},
};

static void carry_out(struct domain *d, enum domain_event event)
{
	struct domain_step step;

	if (!domain_fsm_step(d->state, event, &step)) {
		domain_log(d, LOG_LVL_DEBUG, "%s: %s is refused", domain_state_name(d->state),
			domain_event_name(event));
		return;
	}
	if (event == DOMAIN_EV_DEADLINE) {
		deadline_reason(d);
	}
	if (step.next != d->state) {
		store_cancel(d->s->store, d->xs_request);
		d->xs_request = 0;
	}
	/* Aborting belongs to the state that is left, everything else to the one that comes. */
	if (step.actions & DOMAIN_ACT_ABORT) {
		domain_abort(d);
	}
	set_state(d, step.next, event);
	for (unsigned i = 0; actions[i].run; i++) {
		if (step.actions & actions[i].bit) {
			actions[i].run(d);
		}
	}
	domain_qmp_open(d);
	domain_answer_calls(d);
	if (d->state == DOMAIN_LEAVING && d->gone) {
		domain_post(d, DOMAIN_EV_GONE);
	}
}

/* Whose device model goes down with it. */
static void tell_guest(struct domain *d)
{
	if (d->is_stub) {
		d->ops->on_stub(d->ops_ctx, d, d->stub_target);
	}
}

void domain_post(struct domain *d, enum domain_event event)
{
	if (event == DOMAIN_EV_GONE && !d->gone) {
		d->gone = true;
		domain_watch_name(d, false); /* a successor has watches of its own */
		domain_watch_image(d, false);
		domain_proxy_end(d);
		tell_guest(d);
	}
	if (d->busy) {
		if (d->pending_len < DOMAIN_PENDING_MAX) {
			d->pending[d->pending_len++] = event;
		} else {
			domain_log(d, LOG_LVL_ERROR, "event %s lost: too many at once",
				domain_event_name(event));
		}
		return;
	}
	d->busy = true;
	carry_out(d, event);
	while (d->pending_len) {
		event = d->pending[0];
		memmove(d->pending, d->pending + 1, --d->pending_len * sizeof(d->pending[0]));
		carry_out(d, event);
	}
	d->busy = false;
}

int domain_xs(struct domain *d, struct xs_batch *batch, int64_t deadline_ms, xs_done_fn done)
{
	if (!batch) {
		return -ENOMEM;
	}
	store_cancel(d->s->store, d->xs_request);
	d->xs_request = 0;
	return store_submit(d->s->store, batch, deadline_ms, done, d, &d->xs_request);
}

void domain_on_process_end(void *ctx, const struct exit_info *exit)
{
	struct domain *d = ctx;
	_cleanup_free_ char *tail = NULL;
	char text[48];

	if (d->is_helper) {
		domain_post(d, DOMAIN_EV_PROCESS_ENDED);
		return;
	}
	d->r.exit = *exit;
	d->ended = true;
	exit_info_text(exit, text);
	domain_log(d, LOG_LVL_INFO, "device model (pid %d) ended: %s", d->r.process.pid, text);
	domain_handoff_ended(d, exit);
	if (d->state == DOMAIN_PROBING) {
		tail = d->r.log ? dmlog_tail(d->r.log, 5) : NULL;
		domain_set_reason(d, "the device model ended with %s before it was ready%s%s", text,
			tail && *tail ? "; its log ends: " : "", tail ? tail : "");
	}
	domain_post(d, DOMAIN_EV_PROCESS_ENDED);
}

static void free_fds(struct domain *d)
{
	close_p(&d->log_fd);
	close_p(&d->listen_fd);
	domain_libxl_close_fds(d);
	domain_close_received(d);
}

struct domain *domain_new(const struct domain_services *services, const struct domain_ops *ops,
	void *ctx, const struct toolstack_domain *dom)
{
	struct domain *d = calloc(1, sizeof(*d));

	if (!d) {
		return NULL;
	}
	*d = (struct domain){.s = services,
		.ops = ops,
		.ops_ctx = ctx,
		.dom = *dom,
		.log_fd = -1,
		.listen_fd = -1,
		.libxl_fds = {{.fd = -1}, {.fd = -1}},
		.state = DOMAIN_LOOKING};
	d->memory_kib = dom->max_memkb;
	d->r = (struct record){.domid = dom->domid,
		.unique_id = dom->unique_id,
		.state = DM_WAITING,
		.start_ms = -1,
		.since_ms = loop_realtime_ms(),
		.limits = services->config->limits};
	memcpy(d->r.uuid, dom->uuid, sizeof(d->r.uuid));
	uuid_format(dom->uuid, d->uuid);
	return d;
}

static void release(void *arg)
{
	free(arg);
}

void domain_detach(struct domain *d)
{
	domain_fail_call(d, &d->start_call, -ECANCELED, "xendmd is stopping");
	domain_fail_call(d, &d->stop_call, -ECANCELED, "xendmd is stopping");
	domain_handoff_detach(d);
	domain_proxy_detach(d);
	store_cancel(d->s->store, d->xs_request);
	store_cancel(d->s->store, d->follow.xs_request);
	domain_drop_secrets(d);
	domain_watch_name(d, false);
	domain_watch_image(d, false);
	loop_timer_stop(&d->deadline);
	loop_timer_stop(&d->retry);
	scope_job_cancel(d->scope_job);
	domain_libxl_hand_back(d); /* nothing is there to hand back where all has been cleaned */
	d->launcher = launcher_free(d->launcher);
	d->asker = helperproc_free(d->asker);
	d->destroyer = helperproc_detach(d->destroyer);
	domain_migrate_end(d, -ECANCELED, "xendmd is stopping; the migration goes on");
	domain_qmp_close(d);
	d->log = dmlog_unwatch(d->log);
	d->process = process_free(d->process);
	d->def = definition_unref(d->def);
	free_fds(d);
	strv_fini(&d->backend_paths);
	strv_fini(&d->secrets.paths);
	record_fini(&d->r);
	loop_defer(d->s->loop, &d->release, release, d);
}

void domain_begin(struct domain *d)
{
	domain_proxy_adopt(d);
	domain_post(d, DOMAIN_EV_LOOK);
}

void domain_update(struct domain *d, const struct toolstack_domain *dom)
{
	d->dom = *dom;
	if (dom->dying) {
		domain_proxy_end(d);
	}
	if (dom->dying || dom->shutdown) {
		tell_guest(d);
	}
	if (dom->dying && !d->told_dying) {
		d->told_dying = true;
		domain_post(d, DOMAIN_EV_DYING);
	}
}

static bool may_start(enum domain_state state)
{
	return state == DOMAIN_UNMANAGED || state == DOMAIN_WAITING || state == DOMAIN_BACKOFF ||
	       state == DOMAIN_FAILED || state == DOMAIN_EXITED;
}

static int check_start(const struct domain *d, struct err *err)
{
	if (d->is_stub) {
		return err_set(err, -ENOENT, "domain %u is a stub domain", d->dom.domid);
	}
	if (d->by_libxl && !d->libxl_pv) {
		return err_set(err, -EIO,
			"domain %u was made by libxl, which starts its device model itself; only a "
			"PV guest may need one later",
			d->dom.domid);
	}
	if (d->dom.dying) {
		return err_set(err, -EIO, "domain %u is dying", d->dom.domid);
	}
	if (!may_start(d->state)) {
		return err_set(err, -EALREADY, "domain %u: its device model is %s", d->dom.domid,
			dm_state_name(d->r.state));
	}
	return 0;
}

/* May this definition start this domain's device model? Of libxl's it only says how. */
static int check_definition(const struct domain *d, const struct definition *def, struct err *err)
{
	int r = def ? definition_supported(def, err) : 0;

	if (r < 0) {
		return r;
	}
	if (!def && !d->by_libxl) {
		return err_set(err, -EINVAL, "no definition matches domain %u", d->dom.domid);
	}
	if (def && def->kind == DEFINITION_NO_DM) {
		return err_set(
			err, -EINVAL, "%s: its kind is \"none\": no device model", def->path);
	}
	if (def && def->source == DEFINITION_HANDOFF && !d->by_libxl) {
		return err_set(
			err, -EINVAL, "%s: no command line source, nothing to start", def->path);
	}
	return 0;
}

/* A PV guest of libxl's: what it had, else what serves a disk that is attached later. */
static void take_backends(struct domain *d, struct definition *def)
{
	struct err why;

	d->repeat = domain_may_repeat(d, &why) == 0;
	d->backends = !d->repeat;
	if (d->repeat && d->r.kind == DM_KIND_FOREIGN) {
		domain_forget_surroundings(d);
	}
	domain_take_for_libxl(
		d, def, domain_handoff_is_source(d) ? DOMAIN_SOURCE_HANDOFF : DOMAIN_SOURCE_START);
}

int domain_start(struct domain *d, struct definition *def, struct received *files,
	struct control_call *call, struct err *err)
{
	int r = check_start(d, err);

	if (r == 0) {
		r = check_definition(d, def, err);
	}
	if (r == 0) {
		r = domain_check_received(d, def, files, err);
	}
	if (r < 0) {
		return r;
	}
	d->repeat = d->backends = d->r.restarting = false;
	if (d->by_libxl) {
		take_backends(d, def);
	} else {
		domain_take_definition(d, def);
	}
	d->r.restarts = 0;
	domain_close_received(d);
	d->received = files;
	d->start_call = call;
	domain_post(d, DOMAIN_EV_START);
	return 0;
}

int domain_stop(struct domain *d, bool force, struct control_call *call, struct err *err)
{
	bool starting = is_starting(d->state) || d->state == DOMAIN_QUEUED ||
			d->state == DOMAIN_CLEANING_RESTART || d->state == DOMAIN_BACKOFF;

	if (d->state == DOMAIN_FOREIGN) {
		return err_set(
			err, -EPERM, "domain %u: its device model is not ours", d->dom.domid);
	}
	if (d->state == DOMAIN_STOPPING_EXITED || d->state == DOMAIN_STOPPING_FAILED ||
		d->state == DOMAIN_STOPPING_GONE) {
		return err_set(err, -EALREADY, "domain %u: already stopping", d->dom.domid);
	}
	if (!starting && d->state != DOMAIN_RUNNING) {
		return err_set(err, -ESRCH, "domain %u: its device model is %s", d->dom.domid,
			dm_state_name(d->r.state));
	}
	if (d->state == DOMAIN_RUNNING && d->dom.hvm && !dmopt_is_xenpv(&d->r.argv) &&
		!d->dom.shutdown && !force) {
		return err_set(err, -EPERM,
			"domain %u is a running HVM guest and breaks without its device model; "
			"--force does it all the same",
			d->dom.domid);
	}
	d->r.restarting = false;
	domain_set_reason(d, "stopped by dmctl");
	d->stop_call = call;
	domain_post(d, DOMAIN_EV_STOP);
	return 0;
}

uint32_t domain_domid(const struct domain *d)
{
	return d->dom.domid;
}

const uint8_t *domain_uuid(const struct domain *d)
{
	return d->dom.uuid;
}

const char *domain_name(const struct domain *d)
{
	return d->r.name;
}

enum domain_state domain_state(const struct domain *d)
{
	return d->state;
}

bool domain_is_stub(const struct domain *d)
{
	return d->is_stub;
}

bool domain_is_dying(const struct domain *d)
{
	return d->dom.dying;
}

bool domain_is_going(const struct domain *d)
{
	return d->gone;
}

const char *domain_log_path(const struct domain *d)
{
	return d->r.log;
}
