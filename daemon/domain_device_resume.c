/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a machine's devices changes without being asked for: an earlier daemon's change that was
 * cut off, one that QEMU did not answer to, a guest that lets go late. */
#include "daemon/domain_device_impl.h"

#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/hotplug.h"
#include "lib/limits.h"

static bool is_under_way(const struct domain_devices *v, const char *id)
{
	const struct device_job *job;

	TAILQ_FOREACH (job, &v->jobs, next) {
		if (job->kind == DEVICE_JOB_RESUME && !strcmp(job->id, id)) {
			return true;
		}
	}
	return v->now && !strcmp(v->now->id, id);
}

static void resume(struct domain_devices *v, const char *id)
{
	struct device_job *job = is_under_way(v, id) ? NULL : device_job_new(DEVICE_JOB_RESUME, id);

	if (job) {
		device_job_enqueue(v, job);
	}
}

/* Beginning a job may drop its entry, so names are gathered first. */
static void resume_all(struct domain *d)
{
	_cleanup_(strv_fini) struct strv ids = {0};

	for (size_t i = 0; d->r.devices && i < json_object_array_length(d->r.devices); i++) {
		struct json_object *entry = json_object_array_get_idx(d->r.devices, i);
		enum device_state state = device_entry_state(entry);

		if (device_entry_id(entry) && state != DEVICE_PRESENT && state != DEVICE_LEFT) {
			strv_add(&ids, device_entry_id(entry));
		}
	}
	if (ids.len && domain_devices(d)) {
		STRV_FOREACH (id, &ids) {
			resume(d->devices, id);
		}
	}
}

void domain_device_connected(struct domain *d)
{
	if (d->state == DOMAIN_RUNNING && d->monitor && d->r.devices) {
		resume_all(d);
	}
}

static void on_again(void *arg)
{
	struct domain_devices *v = arg;

	domain_device_connected(v->d);
}

void device_again(struct domain_devices *v)
{
	int64_t ms = LIMIT_DEVICE_AGAIN_MS;

	for (unsigned i = 0; i < v->tries && ms < LIMIT_DEVICE_AGAIN_MAX_MS; i++) {
		ms *= 2;
	}
	v->tries++;
	loop_timer_start(v->d->s->loop, &v->again,
		ms < LIMIT_DEVICE_AGAIN_MAX_MS ? ms : LIMIT_DEVICE_AGAIN_MAX_MS, on_again, v);
}

static const char *text_of(struct json_object *data, const char *key)
{
	struct json_object *value = json_object_object_get(data, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

/* Of a device that a job is about. False: nobody waits for it there. */
static bool tell_job(struct domain_devices *v, const char *id, bool deleted, const char *why)
{
	struct device_job *job = v ? v->now : NULL;

	if (!job || strcmp(job->id, id)) {
		return false;
	}
	if (!job->waits_for_guest) {
		job->let_go = deleted && job->kind == DEVICE_JOB_REMOVE;
	} else if (deleted) {
		device_remove_gone(v);
	} else {
		device_remove_kept(v, why ? why : "");
	}
	return true;
}

/* The guest let go after the deadline, or another client of the session removed it. */
static void gone_by_itself(struct domain *d, struct json_object *entry)
{
	struct hotplug_plan plan = {0};
	struct hotplug_context context;
	struct err err;

	device_context(d, &context);
	context.from_start = true;
	if (!device_entry_steps(entry) &&
		hotplug_plan(json_object_object_get(entry, "device"), &context, &plan, &err) == 0) {
		device_entry_set_steps(entry, plan.steps, plan.has_device);
		hotplug_plan_fini(&plan);
	}
	if (device_entry_steps(entry) && device_entry_flag(entry, "has_device")) {
		device_entry_set_state(entry, DEVICE_REMOVING);
		domain_write_record(d);
		if (domain_devices(d)) {
			resume(d->devices, device_entry_id(entry));
		}
	}
}

void domain_device_unplugged(void *ctx, const char *name, struct json_object *data)
{
	const char *id = text_of(data, "device");
	bool deleted = !strcmp(name, "DEVICE_DELETED");
	struct domain *d = ctx;
	struct json_object *entry = id ? devicelist_find(d->r.devices, id) : NULL;
	enum device_state state;

	if (!entry || d->state != DOMAIN_RUNNING ||
		tell_job(d->devices, id, deleted, text_of(data, "msg"))) {
		return;
	}
	state = device_entry_state(entry);
	if (deleted && (state == DEVICE_REMOVING || state == DEVICE_PRESENT)) {
		gone_by_itself(d, entry);
	} else if (!deleted && state == DEVICE_REMOVING) {
		device_entry_set_state(entry, DEVICE_PRESENT);
		domain_write_record(d);
		device_tell(d, "device-failed", entry, "the guest refused to let go of it");
	}
}
