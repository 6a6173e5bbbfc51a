/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A device model that libxl starts through dm-handoff: contract section 6. It enters the machine by
 * an event of its own and is then like any other; what is special is who waits for it.
 *
 * libxl's intermediate process forks the helper, writes the helper's number to
 * image/device-model-pid (late: not before the helper runs), and is killed by libxl as soon as that
 * one sees the device model running. Until then the helper stands for QEMU: it stays while QEMU
 * starts, and ends as QEMU ends. The daemon replaces the number by QEMU's while the helper still
 * lives, so that the node never names a dead process, and lets the helper go once that is done and
 * the intermediate process (whose pidfd came with the call) is gone.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "daemon/handoff.h"
#include "lib/cleanup.h"

#define NAME_RETRY_MS 1000

static void pid_node(const struct domain *d, char ret[XENLAYOUT_PATH_MAX])
{
	xenlayout_domain(d->dom.domid, "image/device-model-pid", ret);
}

/* Its call has been answered. */
static void drop(struct domain *d)
{
	store_cancel(d->s->store, d->handoff->xs_request);
	loop_timer_stop(&d->handoff->retry);
	d->handoff = handoff_free(d->handoff);
	d->r.helper_pid = 0;
}

void domain_handoff_fail(struct domain *d, int code, const char *what)
{
	if (d->handoff) {
		domain_fail_call(d, &d->handoff->call, code, what);
		drop(d);
	}
}

void domain_handoff_detach(struct domain *d)
{
	if (d->handoff) {
		/* No word: the helper tries the next daemon. */
		if (d->handoff->call) {
			control_drop(TAKE_PTR(d->handoff->call));
		}
		drop(d);
	}
}

/* It exits as QEMU did. */
void domain_handoff_ended(struct domain *d, const struct exit_info *exit)
{
	struct json_object *answer;

	if (!d->handoff) {
		return;
	}
	if (d->handoff->call) {
		answer = json_object_new_object();
		json_object_object_add(answer, "exit", exit_info_to_json(exit));
		control_complete(TAKE_PTR(d->handoff->call), answer);
	}
	drop(d);
}

static bool holds_state(const struct domain *d)
{
	return d->handoff && handoff_monitor_is_fd(&d->r.argv);
}

bool domain_handoff_holds_state(const struct domain *d)
{
	return holds_state(d) && !d->handoff->parent_gone;
}

static void let_go(struct domain *d)
{
	if (d->handoff->call) {
		control_complete(TAKE_PTR(d->handoff->call), NULL);
	}
	if (holds_state(d) && !d->state_seen) {
		domain_write_state(d);
	}
	drop(d);
	domain_write_record(d);
	domain_log(d, LOG_LVL_DEBUG, "its toolstack has let go");
}

static void on_named(void *ctx, int status, const struct xs_results *results);

static void on_name_retry(void *arg)
{
	domain_handoff_advance(arg);
}

/* QEMU's number in place of the helper's. Nobody writes it any more once libxl's process is gone:
 * then it is written also where there is none, for what libxl decides by it later. */
static void name_qemu(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);
	char path[XENLAYOUT_PATH_MAX], directory[XENLAYOUT_PATH_MAX], ours[16], theirs[16];
	struct handoff *h = d->handoff;

	h->last_try = h->parent_gone;
	snprintf(ours, sizeof(ours), "%d", d->r.process.pid);
	snprintf(theirs, sizeof(theirs), "%d", h->helper);
	pid_node(d, path);
	if (batch && h->last_try) {
		xenlayout_domain(d->dom.domid, NULL, directory);
		xs_batch_require_exists(batch, directory);
		xs_batch_rm_if_equals(batch, path, theirs);
		xs_batch_write_if_absent(batch, path, ours);
	} else if (batch) {
		xs_batch_require(batch, path, theirs);
		xs_batch_write(batch, path, ours);
	}
	if (store_submit(d->s->store, batch, d->s->config->xenstore_timeout_ms, on_named, d,
		    &h->xs_request) < 0) {
		on_named(d, -ENOMEM, NULL);
	}
}

static void on_named(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;
	struct handoff *h = d->handoff;

	h->xs_request = 0;
	if (status == 0 || (status == -ESTALE && h->last_try)) {
		h->named = true; /* or the domain's tree has gone */
	} else if (status != -ESTALE) {
		domain_log(d, LOG_LVL_WARNING, "device-model-pid: %s; trying again",
			strerror(-status));
		loop_timer_start(d->s->loop, &h->retry, NAME_RETRY_MS, on_name_retry, d);
		return;
	} else if (!h->parent_gone) {
		return; /* not written yet: the watch tells */
	}
	domain_handoff_advance(d);
}

/* Whatever came: goes on where it can. */
void domain_handoff_advance(struct domain *d)
{
	struct handoff *h = d->handoff;

	if (!h || (d->state != DOMAIN_PROBING && d->state != DOMAIN_RUNNING)) {
		return;
	}
	if (!h->named) {
		domain_watch_image(d, true);
		if (!h->xs_request) {
			name_qemu(d);
		}
		return;
	}
	/* A helper that went away while its toolstack stays waits for nothing any more. */
	if (d->state == DOMAIN_RUNNING && (h->parent_gone || (!h->call && !holds_state(d)))) {
		let_go(d);
	}
}

static void on_parent_gone(void *ctx, const struct exit_info *exit)
{
	struct domain *d = ctx;

	d->handoff->parent = process_free(d->handoff->parent);
	d->handoff->parent_gone = true;
	domain_handoff_advance(d);
}

static int watch_parent(struct domain *d, struct handoff *handoff, struct err *err)
{
	int r = process_new(&handoff->parent, d->s->loop, 0, TAKE_FD(handoff->parent_fd), false,
		on_parent_gone, d);

	return r < 0 ? err_set_errno(err, r, "the helper's parent") : 0;
}

/* SIGHUP to the helper, its death, its deadline: libxl has given the start up. Once the device
 * model runs it is the domain's end that decides, which libxl brings about by itself. */
static void on_helper_gone(void *ctx)
{
	struct domain *d = ctx;

	domain_fail_call(d, &d->handoff->call, -ECANCELED, "the helper went away");
	switch (d->state) {
	case DOMAIN_LOOKING:
		drop(d);
		domain_post(d, DOMAIN_EV_LOOK);
		break;
	case DOMAIN_QUEUED:
	case DOMAIN_PREPARING:
	case DOMAIN_SPAWNED:
	case DOMAIN_PROBING:
		d->r.by_toolstack = true;
		domain_set_reason(d, "its toolstack gave the start up (dm-handoff, pid %d, ended)",
			d->handoff->helper);
		domain_post(d, DOMAIN_EV_STOP);
		break;
	default:
		domain_handoff_advance(d);
		break;
	}
}

static int check_take(const struct domain *d, struct err *err)
{
	struct domain_step step;

	if (!d->handoff && d->state == DOMAIN_FOREIGN) {
		return err_set(err, -EALREADY,
			"domain %u has a device model, process %d (a script that runs dm-handoff "
			"has to exec it)",
			d->dom.domid, d->r.process.pid);
	}
	if (d->handoff || !domain_fsm_step(d->state, DOMAIN_EV_HANDOFF, &step)) {
		return err_set(err, -EALREADY, "domain %u: its device model is %s", d->dom.domid,
			d->handoff ? "being handed over already" : dm_state_name(d->r.state));
	}
	return d->dom.dying ? err_set(err, -EIO, "domain %u is dying", d->dom.domid) : 0;
}

/* The same helper again: the daemon that took its call is gone, what it started is here. */
static int resume(struct domain *d, struct handoff *handoff, struct err *err)
{
	struct handoff *h = d->handoff;
	int r = watch_parent(d, handoff, err);

	if (r < 0) {
		return r;
	}
	process_free(h->parent);
	h->parent = TAKE_PTR(handoff->parent);
	h->parent_gone = false;
	h->call = TAKE_PTR(handoff->call);
	handoff_free(handoff);
	control_on_gone(h->call, on_helper_gone, d);
	control_accept(h->call);
	domain_handoff_advance(d);
	return 0;
}

int domain_handoff(struct domain *d, struct handoff *handoff, struct err *err)
{
	int r;

	if (d->handoff && !d->handoff->call && d->handoff->helper == handoff->helper) {
		return resume(d, handoff, err);
	}
	/* A script that executes dm-handoff has its command line too, and libxl may name its
	 * process before it gets so far: then what is taken for libxl's device model is the caller.
	 */
	if (domain_foreign_is(d, handoff->helper)) {
		domain_forget_foreign(d);
	}
	r = check_take(d, err);
	if (r == 0) {
		r = watch_parent(d, handoff, err);
	}
	if (r < 0) {
		return r;
	}
	if (d->state == DOMAIN_ENDED) { /* a soft reset: the last one is told of before */
		domain_note_exit(d);
		d->process = process_free(d->process);
		d->log = dmlog_unwatch(d->log);
	}
	d->repeat = d->backends = d->r.restarting = false;
	d->r.restarts = 0;
	d->r.kind = DM_KIND_UNKNOWN; /* another toolstack's that ended is not looked for */
	d->handoff = handoff;
	control_on_gone(handoff->call, on_helper_gone, d);
	control_accept(handoff->call);
	if (!handoff->call) { /* went away under our answer */
		drop(d);
		return 0;
	}
	domain_log(d, LOG_LVL_INFO, "a device model is handed over by process %d", handoff->helper);
	domain_post(d, DOMAIN_EV_HANDOFF);
	return 0;
}

void domain_take_for_libxl(struct domain *d, struct definition *def, const char *source)
{
	d->r.on_exit = ON_EXIT_PAUSE;
	d->r.limits = d->s->config->limits;
	if (def) {
		domain_take_definition(d, def);
	} else {
		d->def = definition_unref(d->def);
	}
	free(d->r.source);
	d->r.source = strdup(source);
	d->r.kind = DM_KIND_QEMU;
}

/* A definition gives its limits, on_exit, binary, extra_args and env; one that can't be kept in
 * full is refused. */
static int take_matching(struct domain *d, struct err *err)
{
	struct definition *def = NULL;
	int r = 0;

	if (!d->is_stub) { /* of which no definition speaks */
		r = defset_match(d->s->defs, d->dom.domid, d->dom.uuid, d->r.name, &def, err);
	}
	if (r == 0 && def && def->kind == DEFINITION_NO_DM) {
		r = err_set(err, -EPERM, "%s: its kind is \"none\": no device model", def->path);
	}
	if (r == 0 && def) {
		r = definition_supported(def, err);
	}
	if (r < 0) {
		return r;
	}
	domain_take_for_libxl(d, def, DOMAIN_SOURCE_HANDOFF);
	return d->r.source ? 0 : err_set(err, -ENOMEM, "out of memory");
}

void domain_handoff_prepare(struct domain *d)
{
	if ((d->handoff || d->backends || (d->repeat && d->by_libxl)) && d->def &&
		d->def->source != DEFINITION_HANDOFF) {
		snprintf(d->warning, sizeof(d->warning),
			"the command line of %.160s is not used: %s", d->def->path,
			d->handoff ? "libxl's was handed over"
				   : "libxl made this domain, only its backends are served");
		domain_log(d, LOG_LVL_WARNING, "%s", d->warning);
	}
}

void domain_decide_handoff(struct domain *d)
{
	struct err err = {0};

	if (take_matching(d, &err) < 0) {
		domain_set_reason(d, "%s", err.text);
		domain_post(d, DOMAIN_EV_FOUND_BAD);
		return;
	}
	d->r.helper_pid = d->handoff->helper;
	domain_post(d, DOMAIN_EV_FOUND_HANDOFF);
}

bool domain_handoff_is_source(const struct domain *d)
{
	return d->r.source && !strcmp(d->r.source, DOMAIN_SOURCE_HANDOFF);
}

/* Where its standard error goes, if that is a file: libxl's own log. */
char *domain_handoff_log(const struct domain *d)
{
	const struct handoff *h = d->handoff;
	char link[64], path[PATH_MAX];
	struct stat st;
	ssize_t len;

	for (unsigned i = 0; i < h->fds_len; i++) {
		if (h->request.fds[i] != STDERR_FILENO || fstat(h->fds[i], &st) < 0 ||
			!S_ISREG(st.st_mode) || !st.st_nlink) {
			continue;
		}
		snprintf(link, sizeof(link), "/proc/self/fd/%d", h->fds[i]);
		len = readlink(link, path, sizeof(path) - 1);
		return len > 0 ? strndup(path, len) : NULL;
	}
	return NULL;
}

/* The first number above all of theirs. */
int domain_handoff_first_fd(const struct domain *d)
{
	int max = STDERR_FILENO;

	for (unsigned i = 0; i < d->handoff->request.fds_len; i++) {
		max = d->handoff->request.fds[i] > max ? d->handoff->request.fds[i] : max;
	}
	return max + 1;
}

/* After a restart of the daemon, with a helper that may still be there: it outlives its parent. */
void domain_handoff_adopt(struct domain *d)
{
	struct err err;

	if (!d->r.helper_pid) {
		return;
	}
	d->handoff = handoff_new();
	if (!d->handoff) {
		return;
	}
	d->handoff->helper = d->r.helper_pid;
	d->handoff->parent_fd =
		domain_is_our_helper(d->r.helper_pid) ? pidfd_open(d->r.helper_pid, 0) : -1;
	d->handoff->parent_gone =
		d->handoff->parent_fd < 0 || watch_parent(d, d->handoff, &err) < 0;
}
