/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removing a device: QEMU asks the guest, which lets go when it likes or never. What stood behind
 * the device goes after it. A guest that lets go after the deadline is heard all the same.
 */
#include "daemon/domain_device_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/hotplug.h"
#include "lib/json.h"
#include "lib/limits.h"
#include "lib/utf8.h"
#include "proto/qmpmux.h"

static void stop_waiting(struct domain_devices *v)
{
	loop_timer_stop(&v->deadline);
	v->now->waits_for_guest = false;
}

/* The device is gone, its step is the last. */
void device_remove_gone(struct domain_devices *v)
{
	struct device_job *job = v->now;

	stop_waiting(v);
	job->failed = (struct err){0};
	device_unwind(v, DEVICE_CLEANING, device_entry_steps(job->entry) - 1);
}

static void failed(struct domain_devices *v)
{
	device_tell(v->d, "device-failed", v->now->entry, v->now->failed.text);
	domain_write_record(v->d);
	device_job_end(v, NULL);
}

void device_remove_kept(struct domain_devices *v, const char *why)
{
	char text[160];

	stop_waiting(v);
	snprintf(text, sizeof(text), "%s", why);
	utf8_make_printable(text, strlen(text));
	device_entry_set_state(v->now->entry, DEVICE_PRESENT);
	device_fail(v->now, -EIO, "the guest refused to let go of it%s%s", *text ? ": " : "", text);
	failed(v);
}

/* The event may have been lost. */
static void on_looked_late(
	struct domain_devices *v, struct json_object *body, const struct err *err)
{
	struct device_job *job = v->now;

	if (!err && !device_is_listed(body, job->id)) {
		device_remove_gone(v);
		return;
	}
	device_fail(job, -ETIMEDOUT,
		"the guest did not let go of it within %lld s; it is still in the machine, and "
		"what "
		"stands behind it goes when the guest does so later",
		(long long)job->timeout_s);
	failed(v);
}

static void on_deadline(void *arg)
{
	struct domain_devices *v = arg;

	stop_waiting(v);
	device_look(v, on_looked_late);
}

/* Others may use the session meanwhile. */
static void wait_for_guest(struct domain_devices *v)
{
	struct device_job *job = v->now;

	job->waits_for_guest = true;
	qmpmux_sequence_end(monitor_mux(v->d->monitor), v, loop_monotonic_ms());
	monitor_settle(v->d->monitor);
	if (loop_timer_start(v->d->s->loop, &v->deadline, job->timeout_s * 1000, on_deadline, v) <
		0) {
		on_deadline(v);
	}
}

/* It refused. Is there nothing to be asked for, or is it asked already? */
static void on_looked(struct domain_devices *v, struct json_object *body, const struct err *err)
{
	struct device_job *job = v->now;

	if (!err && !device_is_listed(body, job->id)) {
		device_remove_gone(v);
		return;
	}
	if (strstr(job->failed.text, "in the process of unplug")) {
		job->failed = (struct err){0};
		wait_for_guest(v);
		return;
	}
	device_entry_set_state(job->entry, DEVICE_PRESENT);
	failed(v);
}

static void on_asked(struct domain_devices *v, struct json_object *body, const struct err *err)
{
	if (v->now->let_go) {
		device_remove_gone(v);
	} else if (device_answer(v, err) == DEVICE_REFUSED) {
		device_fail(v->now, -EIO, "device_del: %.400s", err->text);
		device_look(v, on_looked);
	} else {
		wait_for_guest(v);
	}
}

static void ask_guest(struct domain_devices *v)
{
	_cleanup_json_ struct json_object *arguments = json_object_new_object();

	device_entry_set_state(v->now->entry, DEVICE_REMOVING);
	if (device_note(v, v->now) < 0) {
		device_entry_set_state(v->now->entry, DEVICE_PRESENT);
		failed(v);
		return;
	}
	json_object_object_add(arguments, "id", json_object_new_string(v->now->id));
	device_ask(v, "device_del", arguments, -1, on_asked);
}

/* What was on the command line has no steps yet. */
static int find_steps(struct domain_devices *v, struct json_object *entry, struct err *err)
{
	_cleanup_(hotplug_plan_fini) struct hotplug_plan plan = {0};
	struct hotplug_context context;
	int r;

	if (device_entry_steps(entry)) {
		return 0;
	}
	device_context(v->d, &context);
	context.from_start = true;
	r = hotplug_plan(json_object_object_get(entry, "device"), &context, &plan, err);
	if (r == 0) {
		device_entry_set_steps(entry, plan.steps, plan.has_device);
	}
	return r;
}

static void refuse(struct domain_devices *v, const struct err *err)
{
	v->now->failed = *err;
	device_job_end(v, NULL);
}

void device_remove_begin(struct domain_devices *v)
{
	struct device_job *job = v->now;
	enum device_state state;
	struct err err = {0};

	job->entry = json_object_get(devicelist_find(v->d->r.devices, job->id));
	if (!job->entry) {
		err_set(&err, -EIO, "it was removed meanwhile");
		refuse(v, &err);
		return;
	}
	if (find_steps(v, job->entry, &err) < 0) {
		refuse(v, &err);
		return;
	}
	state = device_entry_state(job->entry);
	if (state == DEVICE_ADDING || state == DEVICE_UNDOING || state == DEVICE_CLEANING) {
		err_set(&err, -EBUSY, "a change of it is not finished (%s); that is tried again",
			device_state_name(state));
		refuse(v, &err);
		return;
	}
	if (state != DEVICE_LEFT && device_entry_flag(job->entry, "has_device")) {
		ask_guest(v);
		return;
	}
	device_unwind(v, DEVICE_CLEANING, device_entry_steps(job->entry));
}
