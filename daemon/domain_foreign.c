/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device models that another toolstack started: found by what it writes below
 * /local/domain/G/image, proven by /proc or by the hypervisor, watched, told of when they end, and
 * never touched.
 *
 * A number in xenstore proves nothing, although domain 0 alone can write it: pids are used again.
 * libxl writes the pid from a helper process, before or after QEMU is executed, from 4.20 on that
 * of a short-lived probe first, and leaves it there after QEMU's end for as long as the domain
 * lives. So a pid that proves nothing is looked at again with growing pauses, a few times; a watch
 * on the node says when there is another one. Only where QEMU said "running", or long after, is it
 * called the pid of a device model that has ended.
 *
 * Nothing is kept of them on disk. What was told of one is in our own node,
 * /local/domain/0/xendmd/G, and keeps a later daemon from telling it twice.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/procinfo.h"

#define RETRIES 8
#define RETRY_MS 250 /* doubled each time: about a minute in all */
#define RETRIES_OF_RUNNING 3

static bool option_is(const struct strv *argv, const char *option, uint32_t domid)
{
	uint32_t value;

	for (size_t i = 0; i + 1 < argv->len; i++) {
		if (!strcmp(argv->items[i], option) &&
			parse_domid(argv->items[i + 1], &value) == 0 && value == domid) {
			return true;
		}
	}
	return false;
}

/* The one place that tells ours from theirs: dm-handoff and dm-launch have the command line of the
 * device model that they stand for. Xen's own proxy has the name of ours. */
bool domain_is_our_helper(pid_t pid)
{
	static const char *const helpers[] = {HANDOFF_PROGRAM, "dm-launch", PROXY_PROGRAM};
	char exe[PATH_MAX];
	const char *name;

	if (procinfo_link(pid, "exe", exe, sizeof(exe)) < 0) {
		return false;
	}
	name = strrchr(exe, '/');
	name = name ? name + 1 : exe;
	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++) {
		size_t len = strlen(helpers[i]);

		/* An upgrade makes it "dm-handoff (deleted)". */
		if (!strncmp(name, helpers[i], len) && (!name[len] || name[len] == ' ')) {
			return true;
		}
	}
	return false;
}

static bool is_known(const struct domain *d, const struct proc_id *id)
{
	return d->process && !process_has_ended(d->process) && d->r.process.pid == id->pid &&
	       d->r.process.start_ticks == id->start_ticks;
}

bool domain_foreign_is(const struct domain *d, pid_t pid)
{
	struct proc_id id;

	return d->state == DOMAIN_FOREIGN && procinfo_read(pid, &id) == 0 && is_known(d, &id);
}

void domain_forget_foreign(struct domain *d)
{
	domain_log(d, LOG_LVL_INFO, "pid %d was no device model, but is about to hand one over",
		d->r.process.pid);
	d->process = process_free(d->process);
	d->r.process = (struct proc_id){0};
	d->r.started_ms = 0;
	d->r.kind = DM_KIND_UNKNOWN;
	domain_post(d, DOMAIN_EV_DISPROVED);
}

static void take_process(
	struct domain *d, struct process *process, const struct proc_id *id, struct strv *argv)
{
	char exe[PATH_MAX];

	process_free(d->process);
	d->process = process;
	d->is_helper = false;
	d->foreign_stub = 0;
	d->r.process = *id;
	strv_fini(&d->r.argv);
	d->r.argv = *argv;
	*argv = (struct strv){0};
	free(d->r.binary);
	d->r.binary = procinfo_link(id->pid, "exe", exe, sizeof(exe)) == 0 ? strdup(exe) : NULL;
	d->r.started_ms = loop_realtime_ms() - procinfo_age_ms(id);
}

enum sight { SIGHT_NONE, SIGHT_KNOWN, SIGHT_NEW, SIGHT_UNPROVEN };

static enum sight see_process(struct domain *d)
{
	_cleanup_(strv_fini) struct strv argv = {0};
	struct process *process;
	struct proc_id id;
	int pidfd;

	if (!d->named_pid) {
		return SIGHT_NONE;
	}
	if (procinfo_read(d->named_pid, &id) < 0 || procinfo_cmdline(d->named_pid, &argv) < 0 ||
		!option_is(&argv, "-xen-domid", d->dom.domid)) {
		return SIGHT_UNPROVEN;
	}
	if (domain_is_our_helper(d->named_pid)) {
		return SIGHT_NONE;
	}
	if (is_known(d, &id)) {
		return SIGHT_KNOWN;
	}
	if (procinfo_open(&id, &pidfd) < 0 || process_new(&process, d->s->loop, d->named_pid, pidfd,
						      false, domain_on_process_end, d) < 0) {
		return SIGHT_UNPROVEN;
	}
	take_process(d, process, &id, &argv);
	return SIGHT_NEW;
}

static bool is_regular(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* libxl names the log after the domain as it was called then ("web1--incoming" after a migration):
 * the process itself knows best. */
static char *find_log(const struct domain *d)
{
	char path[PATH_MAX], prefix[PATH_MAX];
	char *by_name;

	snprintf(prefix, sizeof(prefix), "%s/qemu-dm-", d->s->paths->log_dir);
	if (d->process && procinfo_link(d->r.process.pid, "fd/2", path, sizeof(path)) == 0 &&
		!strncmp(path, prefix, strlen(prefix)) && is_regular(path)) {
		return strdup(path);
	}
	by_name = dmlog_path(d->s->paths->log_dir, d->r.name ? d->r.name : d->uuid);
	if (by_name && !is_regular(by_name)) {
		free(TAKE_PTR(by_name));
	}
	return by_name;
}

static void take_kind(struct domain *d)
{
	d->def = definition_unref(d->def);
	free(d->r.source);
	d->r.source = strdup("foreign");
	free(TAKE_PTR(d->r.reason));
	free(d->r.log);
	d->r.log = find_log(d);
	d->r.kind = DM_KIND_FOREIGN;
	d->r.on_exit = ON_EXIT_NONE;
	d->r.exit = (struct exit_info){0};
	d->r.by_toolstack = d->r.asked = false;
	d->r.start_ms = -1;
	d->policy = NULL;
	d->phases_len = 0;
	*d->warning = 0;
}

static void become_foreign(struct domain *d)
{
	domain_note_exit(d); /* of an earlier one, which its toolstack ended */
	take_kind(d);
	if (d->state != DOMAIN_FOREIGN) {
		d->r.state = DM_RUNNING;
		d->r.since_ms = d->process ? d->r.started_ms : loop_realtime_ms();
	}
	if (d->process) {
		domain_log(d, LOG_LVL_INFO, "another toolstack's device model: pid %d",
			d->r.process.pid);
	} else {
		domain_log(d, LOG_LVL_INFO, "another toolstack's device model: in stub domain %u",
			d->foreign_stub);
	}
	domain_post(d, DOMAIN_EV_FOUND_FOREIGN);
	domain_changed(d); /* it may have been foreign before */
	if (d->foreign_stub) {
		d->ops->on_guest(d->ops_ctx, d, d->foreign_stub);
	}
}

static void look_again(void *arg)
{
	domain_post(arg, DOMAIN_EV_LOOK);
}

static bool is_at_rest(const struct domain *d)
{
	return d->state == DOMAIN_UNMANAGED || d->state == DOMAIN_WAITING ||
	       (d->state == DOMAIN_FAILED && !d->recorded) || d->r.kind == DM_KIND_FOREIGN;
}

void domain_await_foreign(struct domain *d)
{
	if (is_at_rest(d) && d->retries < RETRIES) {
		loop_timer_start(
			d->s->loop, &d->retry, (int64_t)RETRY_MS << d->retries++, look_again, d);
	}
}

/* EVENT is FOUND_ENDED, or ADOPT_EXITED when it was told and recorded long ago. */
static void ended_unseen(struct domain *d, enum domain_event event, const char *reason)
{
	if (!d->foreign_stub) {
		d->r.process = (struct proc_id){.pid = d->named_pid};
	}
	take_kind(d);
	d->r.started_ms = 0;
	d->ended = event == DOMAIN_EV_FOUND_ENDED;
	if (reason) {
		domain_set_reason(d, "%s", reason);
	}
	domain_post(d, event);
}

enum doubt_op { OP_DM, OP_DM_STATE, OP_UUID, OP_KIND, OP_STATE, OP_REASON, OP_TARGET };

static bool value_is(const struct xs_results *results, unsigned op, const char *text)
{
	const char *value = xs_results_value(results, op);

	return value && !strcmp(value, text);
}

/* The guest's node and the stub domain's have to name each other. */
static enum sight see_stub(struct domain *d, const struct xs_results *results)
{
	const char *target = xs_results_value(results, OP_TARGET);
	struct toolstack_domain stub;
	uint32_t domid;
	int r;

	if (!d->named_stub || d->named_stub == d->foreign_stub) {
		return SIGHT_NONE;
	}
	r = toolstack_get(d->s->ts, d->named_stub, &stub);
	if (r < 0 && r != -ESRCH) {
		return SIGHT_UNPROVEN;
	}
	if (r == 0 && (!target || parse_domid(target, &domid) < 0 || domid != d->dom.domid)) {
		return SIGHT_UNPROVEN;
	}
	d->foreign_stub = d->named_stub;
	d->process = process_free(d->process); /* of an earlier one */
	return r == 0 && !stub.dying && !stub.shutdown ? SIGHT_NEW : SIGHT_KNOWN;
}

/* libxl makes device-model/G when it starts QEMU and removes it before it ends it. */
static bool process_has_gone(const struct domain *d, const struct xs_results *results)
{
	unsigned enough = value_is(results, OP_DM_STATE, "running") ? RETRIES_OF_RUNNING : RETRIES;

	return d->named_pid && xs_results_status(results, OP_DM) == 0 && d->retries >= enough;
}

static void on_doubt_answered(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;
	enum sight stub;
	bool told;

	d->xs_request = 0;
	if (status < 0) {
		domain_await_foreign(d);
		return;
	}
	stub = see_stub(d, results);
	if (stub == SIGHT_NEW) {
		become_foreign(d);
		return;
	}
	if (d->r.kind == DM_KIND_FOREIGN) {
		domain_await_foreign(d);
		return;
	}
	told = value_is(results, OP_UUID, d->uuid) &&
	       value_is(results, OP_KIND, dm_kind_name(DM_KIND_FOREIGN)) && stub != SIGHT_UNPROVEN;
	if (told && d->state == DOMAIN_LOOKING &&
		value_is(results, OP_STATE, dm_state_name(DM_EXITED))) {
		ended_unseen(d, DOMAIN_EV_ADOPT_EXITED, xs_results_value(results, OP_REASON));
	} else if (told || stub == SIGHT_KNOWN || process_has_gone(d, results)) {
		ended_unseen(d, DOMAIN_EV_FOUND_ENDED, NULL);
	} else {
		domain_decide_by_definition(d);
		domain_await_foreign(d);
	}
}

/* What else there is to know of a device model that is named and not proven. */
static void doubt(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(0);
	char path[XENLAYOUT_PATH_MAX];

	if (batch) {
		xenlayout_dm(d->dom.domid, NULL, path);
		xs_batch_read(batch, path);
		xenlayout_dm(d->dom.domid, "state", path);
		xs_batch_read(batch, path);
		xenlayout_xendmd(d->dom.domid, "uuid", path);
		xs_batch_read(batch, path);
		xenlayout_xendmd(d->dom.domid, "kind", path);
		xs_batch_read(batch, path);
		xenlayout_xendmd(d->dom.domid, "state", path);
		xs_batch_read(batch, path);
		xenlayout_xendmd(d->dom.domid, "reason", path);
		xs_batch_read(batch, path);
		xenlayout_domain(d->named_stub, "target", path);
		xs_batch_read(batch, path);
	}
	if (domain_xs(d, batch, d->s->config->xenstore_timeout_ms, on_doubt_answered) < 0) {
		domain_await_foreign(d);
	}
}

void domain_take_image(struct domain *d, const char *pid, const char *stub)
{
	d->named_pid = 0;
	d->named_stub = 0;
	d->image_names = pid || stub;
	if (pid && xenlayout_parse_pid(pid, &d->named_pid) < 0) {
		d->named_pid = 0;
	}
	if (stub && (parse_domid(stub, &d->named_stub) < 0 || d->named_stub == d->dom.domid)) {
		d->named_stub = 0;
	}
}

bool domain_find_foreign(struct domain *d)
{
	enum sight process;

	d->foreign_stub = 0;
	process = see_process(d);
	if (process == SIGHT_NEW || process == SIGHT_KNOWN) {
		become_foreign(d);
	} else if (d->named_stub || (process == SIGHT_UNPROVEN && d->by_libxl)) {
		doubt(d);
	} else {
		return false;
	}
	return true;
}

bool domain_find_living_foreign(struct domain *d)
{
	enum sight process = see_process(d);

	if (process == SIGHT_NEW || process == SIGHT_KNOWN) {
		become_foreign(d);
		return true;
	}
	return false;
}

void domain_refind_foreign(struct domain *d)
{
	bool same_pid = !d->named_pid || d->named_pid == d->r.process.pid;
	bool same_stub = !d->named_stub || d->named_stub == d->foreign_stub;
	enum sight process = see_process(d);

	if (process == SIGHT_NEW) {
		become_foreign(d);
	} else if (process != SIGHT_KNOWN && !(same_pid && same_stub)) {
		doubt(d);
	}
}

static bool is_down(const struct domain *stub)
{
	return stub->gone || stub->dom.dying || stub->dom.shutdown;
}

void domain_set_stub(struct domain *d, struct domain *stub)
{
	d->stub = stub;
	domain_changed(d);
	if (d->state == DOMAIN_FOREIGN && d->foreign_stub == stub->dom.domid && !d->process &&
		!d->ended && is_down(stub)) {
		d->ended = true;
		domain_log(d, LOG_LVL_INFO, "stub domain %u of its device model is down",
			d->foreign_stub);
		domain_post(d, DOMAIN_EV_PROCESS_ENDED);
	}
}

void domain_forget_stub(struct domain *d, const struct domain *stub)
{
	if (d->stub == stub) {
		d->stub = NULL;
		domain_changed(d);
	}
}

bool domain_stub_was_destroyed(const struct domain *d)
{
	struct toolstack_domain stub;
	int r = toolstack_get(d->s->ts, d->foreign_stub, &stub);

	return r == -ESRCH || (r == 0 && stub.dying);
}

void domain_foreign_death_reason(struct domain *d)
{
	if (d->foreign_stub) {
		domain_set_reason(d,
			"stub domain %u with its device model shut down while its domain lives",
			d->foreign_stub);
	} else {
		domain_set_reason(d,
			"the device model (pid %d, started by another toolstack) ended while its "
			"domain lives; how it ended is not known",
			d->r.process.pid);
	}
}

void domain_watch_image(struct domain *d, bool on)
{
	char path[XENLAYOUT_PATH_MAX], token[32];

	if (on == d->image_watched) {
		return;
	}
	d->image_watched = on;
	xenlayout_domain(d->dom.domid, "image", path);
	snprintf(token, sizeof(token), DOMAIN_TOKEN_IMAGE "/%u", d->dom.domid);
	if (on) {
		store_watch(d->s->store, path, token);
	} else {
		store_unwatch(d->s->store, path, token);
	}
}

void domain_on_image(struct domain *d)
{
	if (d->handoff) {
		domain_handoff_advance(d);
		return;
	}
	if (is_at_rest(d)) {
		d->retries = 0;
	}
	domain_post(d, DOMAIN_EV_LOOK);
}
