/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of a running machine: who may ask for a change, what waits, what is told. One change at a
 * time; the others wait, a limited number of them. How a change goes: domain_device_add.c,
 * domain_device_remove.c, domain_device_run.c.
 */
#include "daemon/domain_device_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/events.h"
#include "lib/cleanup.h"
#include "lib/hotplug.h"
#include "lib/limits.h"
#include "proto/qmpmux.h"

static void begin_next(struct domain_devices *v);

struct domain_devices *domain_devices(struct domain *d)
{
	if (!d->devices && (d->devices = calloc(1, sizeof(*d->devices)))) {
		d->devices->d = d;
		TAILQ_INIT(&d->devices->jobs);
	}
	return d->devices;
}

struct device_job *device_job_free(struct device_job *job)
{
	for (size_t i = 0; job && i < job->fds_len; i++) {
		close_p(&job->fds[i]);
	}
	if (job) {
		free(job->fds);
		free(job->id);
		json_object_put(job->entry);
		free(job);
	}
	return NULL;
}

struct device_job *device_job_new(enum device_job_kind kind, const char *id)
{
	struct device_job *job = calloc(1, sizeof(*job));

	if (job) {
		job->kind = kind;
		job->id = strdup(id);
	}
	return job && job->id ? job : device_job_free(job);
}

void device_fail(struct device_job *job, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&job->failed, code, "device \"%.64s\": %.420s", job->id, text);
}

void device_context(struct domain *d, struct hotplug_context *ret)
{
	*ret = (struct hotplug_context){.argv = &d->r.argv,
		.added = d->r.devices,
		.gone = &d->r.gone,
		.qemu_version = qmpmux_version(monitor_mux(d->monitor)),
		.serial = d->r.device_serial + 1};
}

int device_list_add(struct domain *d, struct json_object *entry, struct err *err)
{
	size_t size;

	if (!d->r.devices) {
		d->r.devices = json_object_new_array();
	}
	size = strlen(json_object_to_json_string(d->r.devices)) +
	       strlen(json_object_to_json_string(entry));
	if (json_object_array_length(d->r.devices) >= LIMIT_DEVICES || size > LIMIT_DEVICES_BYTES) {
		return err_set(err, -ENOBUFS,
			"domain %u has %zu devices that are recorded; more don't fit", d->dom.domid,
			json_object_array_length(d->r.devices));
	}
	json_object_array_add(d->r.devices, json_object_get(entry));
	return 0;
}

void device_list_drop(struct domain *d, struct json_object *entry)
{
	for (size_t i = 0; i < device_entry_steps(entry); i++) {
		_cleanup_free_ char *made = hotplug_made(device_entry_step(entry, i));

		if (made && !device_entry_flag(entry, "added")) {
			strv_add(&d->r.gone, made);
		}
	}
	devicelist_drop(d->r.devices, entry);
}

void device_tell(struct domain *d, const char *event, struct json_object *entry, const char *reason)
{
	struct json_object *json = domain_event_json(d, event);
	const char *id = device_entry_id(entry);

	domain_log(d, reason ? LOG_LVL_WARNING : LOG_LVL_INFO, "%s %.64s (%.32s)%s%s", event,
		id ? id : "-", device_entry_kind(entry), reason ? ": " : "", reason ? reason : "");
	if (json) {
		json_object_object_add(json, "id", id ? json_object_new_string(id) : NULL);
		json_object_object_add(
			json, "kind", json_object_new_string(device_entry_kind(entry)));
		if (reason) {
			json_object_object_add(json, "reason", json_object_new_string(reason));
		}
		events_publish(d->s->events, json);
	}
}

/* What became of what had been done. */
static void answer(struct domain_devices *v, struct device_job *job, struct json_object *result)
{
	struct err err = job->failed;

	if (!job->call) {
		json_object_put(result);
		return;
	}
	if (!err.code) {
		control_complete(job->call, result);
		return;
	}
	json_object_put(result);
	if (*job->left) {
		err_set(&err, job->failed.code, "%.300s; not undone: %.200s", job->failed.text,
			job->left);
	} else if (job->kind == DEVICE_JOB_ADD) {
		err_set(&err, job->failed.code, "%.440s; all is as before", job->failed.text);
	}
	control_fail(job->call, &err);
}

void device_job_end(struct domain_devices *v, struct json_object *result)
{
	struct device_job *job = TAKE_PTR(v->now);

	qmpmux_sequence_end(monitor_mux(v->d->monitor), v, loop_monotonic_ms());
	answer(v, job, result);
	device_job_free(job);
	begin_next(v);
	monitor_settle(v->d->monitor);
}

/* Each may end at once. That does not nest: what is next begins when it has returned. */
static void begin_next(struct domain_devices *v)
{
	static void (*const begin[])(struct domain_devices * v) = {
		[DEVICE_JOB_ADD] = device_add_begin,
		[DEVICE_JOB_REMOVE] = device_remove_begin,
		[DEVICE_JOB_RESUME] = device_resume_begin,
	};

	while (!v->beginning && !v->now && (v->now = TAILQ_FIRST(&v->jobs))) {
		TAILQ_REMOVE(&v->jobs, v->now, next);
		v->jobs_len--;
		v->beginning = true;
		begin[v->now->kind](v);
		v->beginning = false;
	}
}

void device_job_enqueue(struct domain_devices *v, struct device_job *job)
{
	TAILQ_INSERT_TAIL(&v->jobs, job, next);
	v->jobs_len++;
	begin_next(v);
}

struct json_object *domain_devices_json(const struct domain *d)
{
	return devicelist_show(d->state == DOMAIN_RUNNING ? d->r.devices : NULL);
}

static void drop_job(struct domain_devices *v, struct device_job *job)
{
	if (job->call) {
		struct err err;

		err_set(&err, -ESRCH, "domain %u: its device model ends", v->d->dom.domid);
		control_fail(job->call, &err);
	}
	device_job_free(job);
}

void domain_device_drop(struct domain *d)
{
	struct domain_devices *v = TAKE_PTR(d->devices);
	struct device_job *job;

	if (!v) {
		return;
	}
	loop_timer_stop(&v->deadline);
	loop_timer_stop(&v->again);
	while ((job = TAILQ_FIRST(&v->jobs))) {
		TAILQ_REMOVE(&v->jobs, job, next);
		drop_job(v, job);
	}
	if (v->now) {
		drop_job(v, v->now);
	}
	free(v);
}

static struct json_object *entries_of(struct json_object *devices)
{
	struct json_object *list = json_object_new_array();
	size_t len = json_object_array_length(devices);

	for (size_t i = 0; i < len && i < LIMIT_DEVICES; i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		_cleanup_free_ char *id = hotplug_id(device);

		json_object_array_add(list, device_entry_new(id, device, false));
	}
	return list;
}

/* Those of its command line are there again, whatever became of them. */
static struct json_object *entries_again(struct json_object *old)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; old && i < json_object_array_length(old); i++) {
		struct json_object *entry = json_object_array_get_idx(old, i);

		if (!device_entry_flag(entry, "added")) {
			device_entry_set_state(entry, DEVICE_PRESENT);
			json_object_object_del(entry, "steps");
			json_object_array_add(list, json_object_get(entry));
		}
	}
	return list;
}

void domain_device_begin(struct domain *d, struct json_object *devices)
{
	struct json_object *old = TAKE_PTR(d->r.devices);

	if (devices) {
		d->r.devices = entries_of(devices);
	} else if (d->repeat) {
		d->r.devices = entries_again(old);
	}
	json_object_put(old);
	strv_fini(&d->r.gone);
}
