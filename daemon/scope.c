/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "daemon/bus.h"
#include "daemon/loop.h"
#include "lib/cleanup.h"
#include "lib/limits.h"

/*
 * StartTransientUnit answers with a job's path and the job's end comes as the signal JobRemoved
 * (org.freedesktop.systemd1(5)); the signal may overtake the reply, so a job is also known by its
 * unit. Whatever breaks on the way is tried again until the deadline; after a lost answer the scope
 * may exist already with our process in it, which is what we wanted.
 *
 * Dependencies: a transient scope has DefaultDependencies=yes, so shutdown.target conflicts with it
 * and it is stopped at power-off; "Before=xendomains.service libvirt-guests.service" makes that
 * stop wait until these have stopped (systemd.unit(5): of two units that are both stopped the order
 * is the reverse of the start order). Without default dependencies it would not be stopped in order
 * at all, but killed at the very end. Before=xendmd.service: by then the daemon is gone and takes
 * the end of a device model that is stopped this way for no death.
 */
#define MANAGER_NAME "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_IFACE "org.freedesktop.systemd1.Manager"
#define SCOPE_SLICE "xendmd-dm.slice"

struct scope_job {
	struct scope_bus *bus;
	LIST_ENTRY(scope_job) link; /* scope_bus::jobs */
	bool is_stop;		    /* fire and forget */
	uint32_t domid;
	char unit[SCOPE_UNIT_NAME_MAX];
	char *description;
	pid_t pid;
	struct scope_limits limits;
	int64_t deadline_ms, deadline_at;
	scope_done_fn done;
	void *ctx;
	struct loop_timer deadline, retry;
	sd_bus_slot *slot;     /* the call under way */
	char *path;	       /* of systemd's job, once known */
	char *early_path;      /* of a JobRemoved before the reply */
	char early_result[32]; /* and its result */
	struct err last;       /* why it was not done yet */
	struct loop_deferred release;
};

struct scope_bus {
	struct loop *loop;
	bool plain;
	const char *address; /* NULL: the real one */
	struct bus bus;
	sd_bus_slot *match;
	LIST_HEAD(, scope_job) jobs;
	struct loop_timer linger;
	struct loop_deferred release;
};

static void job_try(void *arg);
static void on_lost(void *arg);

static void disconnect(struct scope_bus *bus)
{
	struct scope_job *job;

	bus->match = sd_bus_slot_unref(bus->match);
	LIST_FOREACH (job, &bus->jobs, link) {
		job->slot = sd_bus_slot_unref(job->slot);
	}
	bus_close(&bus->bus);
}

static void on_linger(void *arg)
{
	struct scope_bus *bus = arg;

	if (LIST_EMPTY(&bus->jobs)) {
		disconnect(bus);
	}
}

/* Kept for a moment: starts come in bunches. */
static void linger(struct scope_bus *bus)
{
	if (LIST_EMPTY(&bus->jobs) && bus->bus.bus &&
		loop_timer_start(bus->loop, &bus->linger, LIMIT_BUS_LINGER_MS, on_linger, bus) <
			0) {
		disconnect(bus);
	}
}

static void job_destroy(void *arg)
{
	struct scope_job *job = arg;

	free(job->description);
	free(job->path);
	free(job->early_path);
	free(job);
}

static void job_drop(struct scope_job *job)
{
	struct scope_bus *bus = job->bus;
	bool unanswered = job->slot != NULL;

	LIST_REMOVE(job, link);
	loop_timer_stop(&job->deadline);
	loop_timer_stop(&job->retry);
	job->slot = sd_bus_slot_unref(job->slot);
	if (unanswered) {
		/* The request must not be sent later, when its pid may be another process's. */
		on_lost(bus);
	}
	loop_defer(bus->loop, &job->release, job_destroy, job);
	linger(bus);
}

static void job_finish(struct scope_job *job, const struct err *err)
{
	scope_done_fn done = job->done;
	void *ctx = job->ctx;

	job_drop(job);
	if (done) {
		done(ctx, err);
	}
}

static void on_deadline(void *arg)
{
	struct scope_job *job = arg;
	struct err err;

	err_set(&err, -ETIMEDOUT, "systemd did not make %s within %lld ms%s%s", job->unit,
		(long long)job->deadline_ms, job->last.code ? ": " : "", job->last.text);
	job_finish(job, &err);
}

static void job_retry(struct scope_job *job)
{
	job->slot = sd_bus_slot_unref(job->slot);
	free(TAKE_PTR(job->path));
	free(TAKE_PTR(job->early_path));
	/* Out of memory: the deadline ends it. */
	loop_timer_start(job->bus->loop, &job->retry, LIMIT_BUS_RETRY_MS, job_try, job);
}

static void on_lost(void *arg)
{
	struct scope_bus *bus = arg;
	struct scope_job *job, *next;

	disconnect(bus);
	for (job = LIST_FIRST(&bus->jobs); job; job = next) {
		next = LIST_NEXT(job, link);
		err_set(&job->last, -ECONNRESET, "the connection to systemd was lost");
		job_retry(job);
	}
}

static void job_ended(struct scope_job *job, const char *result)
{
	struct err err;

	if (!strcmp(result, "done")) {
		job_finish(job, NULL);
		return;
	}
	err_set(&err, -EIO, "systemd could not make %s: its job ended with \"%.32s\"", job->unit,
		result);
	job_finish(job, &err);
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct scope_bus *bus = userdata;
	const char *path, *unit, *result;
	struct scope_job *job, *next;

	if (sd_bus_message_read(m, "uoss", NULL, &path, &unit, &result) < 0) {
		return 0;
	}
	for (job = LIST_FIRST(&bus->jobs); job; job = next) {
		next = LIST_NEXT(job, link);
		if (job->is_stop || strcmp(job->unit, unit)) {
			continue;
		}
		if (!job->path) {
			free(job->early_path);
			job->early_path = strdup(path);
			snprintf(job->early_result, sizeof(job->early_result), "%s", result);
		} else if (!strcmp(job->path, path)) {
			job_ended(job, result);
			return 0;
		}
	}
	return 0;
}

static int connect_bus(struct scope_bus *bus, struct err *err)
{
	sd_bus *b;
	int r;

	loop_timer_stop(&bus->linger);
	if (bus->bus.bus) {
		return 0;
	}
	r = bus_connect(&bus->bus, bus->loop, bus->address, on_lost, bus);
	if (r < 0) {
		return err_set_errno(err, r, "can't connect to systemd");
	}
	b = bus->bus.bus;
	/* Without a bus between there are no sender names to match. */
	r = sd_bus_match_signal_async(b, &bus->match,
		sd_bus_is_bus_client(b) > 0 ? MANAGER_NAME : NULL, MANAGER_PATH, MANAGER_IFACE,
		"JobRemoved", on_job_removed, NULL, bus);
	if (r >= 0 && sd_bus_is_bus_client(b) > 0) {
		/* There signals come only to subscribers. The reply is of no interest. */
		r = sd_bus_call_method_async(b, NULL, MANAGER_NAME, MANAGER_PATH, MANAGER_IFACE,
			"Subscribe", NULL, NULL, NULL);
	}
	if (r < 0) {
		disconnect(bus);
		return err_set_errno(err, r, "can't talk to systemd");
	}
	return 0;
}

static bool is_passing(const sd_bus_error *e)
{
	return sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) ||
	       sd_bus_error_has_name(e, SD_BUS_ERROR_TIMEOUT) ||
	       sd_bus_error_has_name(e, SD_BUS_ERROR_DISCONNECTED) ||
	       sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	       sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

/* Sends METHOD(unit, arguments) and forgets it. */
static int send_unit_call(
	struct scope_bus *bus, const char *method, const char *unit, const char *mode)
{
	sd_bus *b = bus->bus.bus;

	if (mode) {
		return sd_bus_call_method_async(b, NULL, MANAGER_NAME, MANAGER_PATH, MANAGER_IFACE,
			method, NULL, NULL, "ss", unit, mode);
	}
	return sd_bus_call_method_async(
		b, NULL, MANAGER_NAME, MANAGER_PATH, MANAGER_IFACE, method, NULL, NULL, "s", unit);
}

/* Whether the unit's cgroup holds nobody: only then is it ever stopped. */
static bool unit_is_empty(const struct scope_job *job)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	char path[256];

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		snprintf(path, sizeof(path), "%s/xendmd.slice/" SCOPE_SLICE "/%s", mounts[i],
			job->unit);
		if (!scope_is_empty(path)) {
			return false;
		}
	}
	return true;
}

/* A unit of that name is loaded: our own after a lost answer, or a leftover of an earlier domain of
 * that number. */
static void on_unit_exists(struct scope_job *job)
{
	char path[4096];

	if (scope_cgroup_of(job->domid, job->pid, path, sizeof(path)) == 0) {
		job_finish(job, NULL);
		return;
	}
	if (!unit_is_empty(job)) {
		err_set(&job->last, -EBUSY, "%s still holds processes of an earlier device model",
			job->unit);
		job_retry(job);
		return;
	}
	err_set(&job->last, -EEXIST, "%s of an earlier device model stays loaded", job->unit);
	send_unit_call(job->bus, "StopUnit", job->unit, "replace");
	send_unit_call(job->bus, "ResetFailedUnit", job->unit, NULL);
	job_retry(job);
}

static void on_start_error(struct scope_job *job, const sd_bus_error *e)
{
	if (sd_bus_error_has_name(e, "org.freedesktop.systemd1.UnitExists")) {
		on_unit_exists(job);
		return;
	}
	err_set(&job->last, -EIO, "systemd refused %s: %s", job->unit,
		e->message ? e->message : e->name);
	if (is_passing(e)) {
		job_retry(job);
	} else {
		struct err err = job->last;

		job_finish(job, &err);
	}
}

static int on_start_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct scope_job *job = userdata;
	const char *path;

	job->slot = sd_bus_slot_unref(job->slot);
	if (sd_bus_message_is_method_error(m, NULL)) {
		on_start_error(job, sd_bus_message_get_error(m));
		return 0;
	}
	job->path = sd_bus_message_read(m, "o", &path) < 0 ? NULL : strdup(path);
	if (!job->path) {
		err_set(&job->last, -EBADMSG, "systemd gave an answer that can't be read");
		job_retry(job);
	} else if (job->early_path && !strcmp(job->early_path, job->path)) {
		job_ended(job, job->early_result);
	}
	return 0;
}

static int append_limits(sd_bus_message *m, const struct scope_limits *limits)
{
	int r = 0;

	if (limits->memory_max_bytes) {
		r = sd_bus_message_append(m, "(sv)", "MemoryMax", "t", limits->memory_max_bytes);
	}
	if (r >= 0 && limits->cpu_weight) {
		r = sd_bus_message_append(m, "(sv)", "CPUWeight", "t", limits->cpu_weight);
	}
	if (r >= 0 && limits->pids_max) {
		r = sd_bus_message_append(m, "(sv)", "TasksMax", "t", limits->pids_max);
	}
	return r;
}

static int append_properties(sd_bus_message *m, const struct scope_job *job)
{
	int r = sd_bus_message_open_container(m, 'a', "(sv)");

	if (r >= 0) {
		r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)", "Description", "s",
			job->description, "Slice", "s", SCOPE_SLICE, "PIDs", "au", 1,
			(uint32_t)job->pid, "Before", "as", 3, "xendomains.service",
			"libvirt-guests.service", "xendmd.service", "CollectMode", "s",
			"inactive-or-failed");
	}
	if (r >= 0) {
		r = append_limits(m, &job->limits);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static void unref_message(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}

static int send_start(struct scope_job *job)
{
	_cleanup_(unref_message) sd_bus_message *m = NULL;
	int64_t left_ms = job->deadline_at - loop_monotonic_ms();
	sd_bus *b = job->bus->bus.bus;
	int r = sd_bus_message_new_method_call(
		b, &m, MANAGER_NAME, MANAGER_PATH, MANAGER_IFACE, "StartTransientUnit");

	if (r >= 0) {
		r = sd_bus_message_append(m, "ss", job->unit, "fail");
	}
	if (r >= 0) {
		r = append_properties(m, job);
	}
	if (r >= 0) {
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	}
	if (r < 0) {
		return r;
	}
	return sd_bus_call_async(
		b, &job->slot, m, on_start_reply, job, (left_ms > 0 ? left_ms : 1) * 1000);
}

static void try_stop(struct scope_job *job)
{
	if (unit_is_empty(job)) {
		send_unit_call(job->bus, "StopUnit", job->unit, "replace");
		send_unit_call(job->bus, "ResetFailedUnit", job->unit, NULL);
		bus_kick(&job->bus->bus);
	}
	job_drop(job); /* the connection lingers long enough to send */
}

static void job_try(void *arg)
{
	struct scope_job *job = arg;
	struct scope_bus *bus = job->bus;
	int r;

	if (bus->plain) {
		job_finish(job, NULL);
		return;
	}
	if (connect_bus(bus, &job->last) < 0) {
		job_retry(job);
		return;
	}
	if (job->is_stop) {
		try_stop(job);
		return;
	}
	r = send_start(job);
	if (r < 0) {
		struct err err;

		err_set_errno(&err, r, "can't ask systemd for %s", job->unit);
		job_finish(job, &err);
		return;
	}
	bus_kick(&bus->bus);
}

static struct scope_job *job_new(struct scope_bus *bus, uint32_t domid, int64_t deadline_ms)
{
	struct scope_job *job = calloc(1, sizeof(*job));

	if (!job) {
		return NULL;
	}
	job->bus = bus;
	job->domid = domid;
	job->deadline_ms = deadline_ms;
	job->deadline_at = loop_monotonic_ms() + deadline_ms;
	scope_unit_name(domid, job->unit);
	LIST_INSERT_HEAD(&bus->jobs, job, link);
	if (loop_timer_start(bus->loop, &job->deadline, deadline_ms, on_deadline, job) < 0 ||
		loop_timer_start(bus->loop, &job->retry, 0, job_try, job) < 0) {
		job_drop(job);
		return NULL;
	}
	return job;
}

int scope_start(struct scope_bus *bus, uint32_t domid, const char *description, pid_t pid,
	const struct scope_limits *limits, int64_t deadline_ms, scope_done_fn done, void *ctx,
	struct scope_job **ret_job)
{
	struct scope_job *job = job_new(bus, domid, deadline_ms);

	if (!job) {
		return -ENOMEM;
	}
	job->description = strdup(description);
	if (!job->description) {
		job_drop(job);
		return -ENOMEM;
	}
	job->pid = pid;
	job->limits = *limits;
	job->done = done;
	job->ctx = ctx;
	*ret_job = job;
	return 0;
}

void scope_expect(struct scope_bus *bus)
{
	struct err err;

	if (!bus->plain && connect_bus(bus, &err) == 0) {
		bus_kick(&bus->bus);
		linger(bus);
	}
}

void scope_job_cancel(struct scope_job *job)
{
	if (job) {
		job_drop(job);
	}
}

void scope_stop(struct scope_bus *bus, uint32_t domid)
{
	struct scope_job *job;

	if (bus->plain) {
		return;
	}
	/* Not sent for lack of memory: CollectMode drops an empty scope anyway. */
	job = job_new(bus, domid, LIMIT_SCOPE_STOP_MS);
	if (job) {
		job->is_stop = true;
	}
}

int scope_bus_new(struct scope_bus **ret, struct loop *loop)
{
	const char *address = getenv("XENDMD_SYSTEMD");
	struct scope_bus *bus = calloc(1, sizeof(*bus));

	if (!bus) {
		return -ENOMEM;
	}
	bus->loop = loop;
	bus->address = address;
	/* sd_booted(3): that directory says that systemd is the init system. */
	bus->plain = address ? !strcmp(address, "none") : access("/run/systemd/system", F_OK) < 0;
	LIST_INIT(&bus->jobs);
	*ret = bus;
	return 0;
}

static void bus_destroy(void *arg)
{
	free(arg);
}

struct scope_bus *scope_bus_free(struct scope_bus *bus)
{
	if (!bus) {
		return NULL;
	}
	disconnect(bus);
	while (!LIST_EMPTY(&bus->jobs)) {
		job_drop(LIST_FIRST(&bus->jobs));
	}
	loop_timer_stop(&bus->linger);
	loop_defer(bus->loop, &bus->release, bus_destroy, bus);
	return NULL;
}

bool scope_bus_is_plain(const struct scope_bus *bus)
{
	return bus->plain;
}
