/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking up what an earlier daemon left: its record names the process, the kernel proves it. A
 * record enters the state machine by an event like everything else.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"
#include "lib/fsutil.h"
#include "lib/procinfo.h"

/* dm-launch waited and was never released: nothing has run. The new start makes all of it again. */
static void start_over(struct domain *d)
{
	domain_log(d, LOG_LVL_NOTICE, "an earlier start was cut off before anything ran");
	d->r.started_ms = 0;
	d->r.process = (struct proc_id){0};
	d->r.helper_pid = 0; /* a helper that is still there asks again */
	d->r.state = DM_WAITING;
	domain_post(d, DOMAIN_EV_LOOK);
}

/* A device model that is still starting may be a script that has executed QEMU since: a process
 * of the same start time in the scope that was made for it. */
static bool is_in_its_scope(const struct domain *d)
{
	char cgroup[PATH_MAX];

	return d->r.state == DM_STARTING &&
	       scope_cgroup_of(d->dom.domid, d->r.process.pid, cgroup, sizeof(cgroup)) == 0;
}

static int open_process(struct domain *d)
{
	struct proc_id now;
	int pidfd, r;

	r = procinfo_open(&d->r.process, &pidfd);
	if (r == -ESTALE && procinfo_read(d->r.process.pid, &now) == 0) {
		if (now.start_ticks != d->r.process.start_ticks) {
			return -ESRCH; /* the number is somebody else's: ours has ended */
		}
		if (is_in_its_scope(d)) {
			d->r.process = now;
			r = procinfo_open(&now, &pidfd);
		}
	}
	return r < 0 ? r
		     : process_new(&d->process, d->s->loop, d->r.process.pid, pidfd, false,
			       domain_on_process_end, d);
}

static void take_connections(struct domain *d)
{
	domain_note_cgroup(d);
	if (d->r.log) {
		dmlog_watch(&d->log, d->s->logs, d->r.log, (uint64_t)d->r.limits.log_max_mib << 20);
	}
	domain_libxl_resume(d);
	domain_connect_monitor(d);
}

static enum domain_event event_of_living(const struct domain *d)
{
	switch (d->r.state) {
	case DM_STARTING:
		return DOMAIN_EV_ADOPT_STARTING;
	case DM_STOPPING:
		return DOMAIN_EV_ADOPT_STOPPING;
	default:
		return DOMAIN_EV_ADOPT_RUNNING;
	}
}

static void adopt_living(struct domain *d)
{
	/* The new deadline is a full one: the time the daemon was away is not the device model's.
	 */
	d->begin_ms = loop_monotonic_ms();
	take_connections(d);
	domain_handoff_adopt(d);
	domain_adopt_secrets(d);
	domain_log(d, LOG_LVL_NOTICE, "device model (pid %d) taken up again", d->r.process.pid);
	domain_post(d, event_of_living(d));
	domain_handoff_advance(d);
}

static void adopt_dead(struct domain *d)
{
	d->ended = true; /* how: what an earlier daemon still heard, else nobody knows */
	domain_post(d, d->r.state == DM_STOPPING && d->r.asked ? DOMAIN_EV_ADOPT_STOPPING
							       : DOMAIN_EV_ADOPT_ENDED);
}

static void adopt_lost(struct domain *d, int r)
{
	domain_set_reason(d, "process %d can't be proven to be its device model: %s",
		d->r.process.pid,
		r == -ESTALE ? "program or command line differ from the record" : strerror(-r));
	domain_post(d, DOMAIN_EV_ADOPT_LOST);
}

void domain_adopt(struct domain *d, struct record *record)
{
	int r;

	record_fini(&d->r);
	d->r = *record;
	*record = (struct record){0};
	d->recorded = true;
	d->follow.resumed = true;
	d->name_final = !d->r.name || domain_name_is_final(d->r.name);
	d->by_libxl = d->r.by_libxl || domain_handoff_is_source(d);
	d->libxl_pv = d->by_libxl && dmopt_is_xenpv(&d->r.argv);
	d->repeat = d->r.restarting;
	domain_watch_name(d, !d->name_final || d->by_libxl);
	d->rung = 0;
	if (d->r.state == DM_EXITED && !d->r.asked && !d->r.by_toolstack) {
		d->policy = on_exit_name(d->r.on_exit); /* it was applied */
	}
	if (d->r.state == DM_EXITED || d->r.state == DM_FAILED) {
		domain_post(d,
			d->r.state == DM_EXITED ? DOMAIN_EV_ADOPT_EXITED : DOMAIN_EV_ADOPT_FAILED);
		return;
	}
	/* Waiting again after an earlier end, the record still has that one's process. */
	if (d->r.restarting && (!d->r.released || d->r.state == DM_WAITING)) {
		domain_post(d, DOMAIN_EV_ADOPT_RESTART);
		return;
	}
	if (!d->r.released || d->r.state == DM_WAITING) {
		start_over(d);
		return;
	}
	r = open_process(d);
	if (r == 0) {
		adopt_living(d);
	} else if (r == -ESRCH) {
		adopt_dead(d);
	} else {
		adopt_lost(d, r);
	}
}
