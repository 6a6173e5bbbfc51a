/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * on_exit "restart", and a start by hand of what ended: the same command line once more.
 *
 * Only the QEMU of machine xenpv keeps nothing of its guest but the rings that it serves. It is run
 * again as it was: program, arguments, environment, directory, and the QMP commands that followed
 * its start, all from the record. What can't be had again is a descriptor that it inherited: its
 * standard input is empty then, its output goes to its log as ever, and a command line that names
 * another one can't be repeated.
 *
 * A row of restarts is bounded: so many, with pauses that double. The row ends when one of them
 * runs for a while. At its end, and where a restart is impossible, the domain is paused, as by
 * default.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"
#include "lib/limits.h"

#define OUR_ARGUMENTS 4 /* the monitor's, at the end of what we started */

static void without_ours(const struct strv *argv, struct strv *ret)
{
	size_t len = argv->len;

	if (len > OUR_ARGUMENTS && strstr(argv->items[len - 3], "id=" MONITOR_CHARDEV ",")) {
		len -= OUR_ARGUMENTS;
	}
	for (size_t i = 0; i < len; i++) {
		strv_add(ret, argv->items[i]);
	}
}

int domain_may_repeat(const struct domain *d, struct err *why)
{
	_cleanup_(strv_fini) struct strv argv = {0};
	const char *inherited;

	without_ours(&d->r.argv, &argv);
	inherited = dmopt_inherited(&argv);
	if (!d->r.binary || !dmopt_is_xenpv(&argv)) {
		return err_set(why, -EINVAL,
			"only a device model of machine xenpv can start again without losing the "
			"guest's state");
	}
	if (inherited) {
		return err_set(why, -EBADF,
			"its argument \"%.120s\" names a descriptor that can't be had again",
			inherited);
	}
	return 0;
}

void domain_forget_surroundings(struct domain *d)
{
	strv_fini(&d->r.env);
	free(TAKE_PTR(d->r.directory));
}

/* By its policy, or by hand. Else nothing that may be secret is kept on disk. */
static bool may_be_repeated(const struct domain *d)
{
	return (d->r.on_exit == ON_EXIT_RESTART || d->by_libxl) && dmopt_is_xenpv(&d->r.argv);
}

void domain_note_repeat(struct domain *d, const struct strv *env)
{
	if (d->repeat) {
		return;
	}
	domain_forget_surroundings(d);
	if (!may_be_repeated(d)) {
		return;
	}
	strv_add_all(&d->r.env, env);
	if (d->handoff && d->handoff->request.directory) {
		d->r.directory = strdup(d->handoff->request.directory);
	}
}

void domain_note_steps(struct domain *d)
{
	if (d->repeat) {
		return;
	}
	json_object_put(d->r.all_steps);
	d->r.all_steps = NULL;
	if (d->r.steps && may_be_repeated(d) &&
		json_object_deep_copy(d->r.steps, &d->r.all_steps, NULL) < 0) {
		d->r.all_steps = NULL;
	}
}

int domain_repeat_plan(struct domain *d, struct plan *ret, struct err *err)
{
	struct plan plan = {0};
	int r = plan_find_program(d->r.binary, NULL, NULL, &plan.binary, err);

	if (r < 0) {
		return r;
	}
	without_ours(&d->r.argv, &plan.argv);
	strv_add_all(&plan.env, &d->r.env);
	if (d->r.all_steps) {
		json_object_deep_copy(d->r.all_steps, &plan.qmp_steps, NULL);
	}
	if (strv_status(&plan.argv) < 0 || strv_status(&plan.env) < 0) {
		plan_fini(&plan);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*ret = plan;
	return 0;
}

int64_t domain_restart_delay_ms(const struct domain *d)
{
	int64_t ms = d->s->config->restart_delay_ms;

	for (unsigned i = 1; i < d->r.restarts && ms < LIMIT_RESTART_DELAY_MAX_MS; i++) {
		ms *= 2;
	}
	return ms < LIMIT_RESTART_DELAY_MAX_MS ? ms : LIMIT_RESTART_DELAY_MAX_MS;
}

static int check_row(struct domain *d, struct err *why)
{
	const struct config *config = d->s->config;
	int64_t ran_ms = d->r.process.pid ? procinfo_age_ms(&d->r.process) : 0;

	if (!d->r.restarting && ran_ms >= (int64_t)config->restart_window_s * 1000) {
		d->r.restarts = 0;
	}
	return d->r.restarts < config->restarts_max
		       ? 0
		       : err_set(why, -ELOOP, "%u restarts in a row, none of which ran for %u s",
				 d->r.restarts, config->restart_window_s);
}

bool domain_restart_decide(struct domain *d)
{
	_cleanup_free_ char *death = NULL;
	struct err why = {0};
	int r;

	if (d->r.on_exit != ON_EXIT_RESTART) {
		return false;
	}
	r = domain_may_repeat(d, &why);
	if (r == 0) {
		r = check_row(d, &why);
	}
	if (r < 0) {
		death = TAKE_PTR(d->r.reason);
		domain_set_reason(d, "%s; not started again: %s", death ? death : "", why.text);
		d->r.restarting = false;
		return false;
	}
	d->r.restarting = true;
	d->r.restarts++;
	d->repeat = true;
	return true;
}
