/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Adding a device, and what becomes of an addition that was cut off. */
#include "daemon/domain_device_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/hotplug.h"
#include "lib/limits.h"
#include "lib/utf8.h"

static void next_step(struct domain_devices *v);

static bool is_last(const struct device_job *job)
{
	return job->at + 1 == device_entry_steps(job->entry);
}

static void added(struct domain_devices *v)
{
	struct device_job *job = v->now;
	struct json_object *result = json_object_new_object(), *pty;

	device_entry_set_state(job->entry, DEVICE_PRESENT);
	json_object_object_del(job->entry, "done");
	v->tries = 0;
	domain_write_record(v->d); /* an older record is put right by a look */
	device_tell(v->d, "device-added", job->entry, NULL);
	json_object_object_add(result, "id", json_object_new_string(job->id));
	if (json_object_object_get_ex(job->entry, "pty", &pty)) {
		json_object_object_add(result, "pty", json_object_get(pty));
	}
	device_job_end(v, result);
}

/* Which step, in whose words. */
static void step_failed(struct device_job *job, int code, const char *text)
{
	char name[176];

	device_step_text(device_entry_step(job->entry, job->at), false, name, sizeof(name));
	device_fail(job, code, "step %zu of %zu (%.80s): %.300s", job->at + 1,
		device_entry_steps(job->entry), name, text);
}

/* The command was not answered. If the device is there, so is all that stands behind it. */
static void on_looked_after(
	struct domain_devices *v, struct json_object *body, const struct err *err)
{
	struct device_job *job = v->now;

	if (!err && device_is_listed(body, job->id)) {
		job->failed = (struct err){0};
		added(v);
		return;
	}
	job->unsure = true;
	if (!err) {
		device_unwind(v, DEVICE_UNDOING, job->at + 1);
		return;
	}
	snprintf(job->left, sizeof(job->left), "nobody knows whether it was done: %.180s",
		err->text);
	device_again(v);
	device_job_end(v, NULL);
}

static bool makes_device(const struct device_job *job)
{
	return is_last(job) && device_entry_flag(job->entry, "has_device");
}

/* A path in our words: QEMU may be its guest's by now. */
static void note_pty(struct device_job *job, struct json_object *body)
{
	struct json_object *pty;
	char text[64];

	if (!json_object_object_get_ex(body, "pty", &pty) ||
		!json_object_is_type(pty, json_type_string)) {
		return;
	}
	snprintf(text, sizeof(text), "%s", json_object_get_string(pty));
	utf8_make_printable(text, strlen(text));
	device_entry_set_text(job->entry, "pty", text);
}

/* What the steps that follow need of the answer. */
static int take_answer(struct device_job *job, struct json_object *body, struct err *err)
{
	struct json_object *arguments;
	const char *command =
		device_step(device_entry_step(job->entry, job->at), false, &arguments);

	if (!strcmp(command, "query-hotpluggable-cpus")) {
		return hotplug_choose_cpu(device_entry_step(job->entry, job->at + 1), body, err);
	}
	if (!strcmp(command, "chardev-add")) {
		note_pty(job, body);
	}
	return 0;
}

static void on_step(struct domain_devices *v, struct json_object *body, const struct err *err)
{
	enum device_answer answer = device_answer(v, err);
	struct device_job *job = v->now;
	struct err wrong;

	if (answer == DEVICE_DONE && take_answer(job, body, &wrong) < 0) {
		answer = DEVICE_REFUSED;
		err = &wrong;
	}
	switch (answer) {
	case DEVICE_DONE:
		job->at++;
		next_step(v);
		return;
	case DEVICE_REFUSED:
		step_failed(job, -EIO, err->text);
		device_unwind(v, DEVICE_UNDOING, job->at);
		return;
	case DEVICE_UNKNOWN:
		step_failed(job, err->code == -ETIMEDOUT ? -ETIMEDOUT : -EIO, err->text);
		if (makes_device(job)) {
			device_look(v, on_looked_after);
			return;
		}
		job->unsure = true;
		device_unwind(v, DEVICE_UNDOING, job->at + 1);
		return;
	}
}

static void next_step(struct domain_devices *v)
{
	struct device_job *job = v->now;
	struct json_object *arguments, *step;
	const char *command;

	if (job->at == device_entry_steps(job->entry)) {
		added(v);
		return;
	}
	step = device_entry_step(job->entry, job->at);
	device_entry_set_done(job->entry, job->at + 1);
	if (device_note(v, job) < 0) {
		device_unwind(v, DEVICE_UNDOING, job->at);
		return;
	}
	command = device_step(step, false, &arguments);
	device_ask(v, command, arguments, device_step_fd(step), on_step);
}

/* QEMU would refuse it as well, but only at the end; and what is there before us is not taken for
 * ours when an answer is lost. */
static void on_looked_before(
	struct domain_devices *v, struct json_object *body, const struct err *err)
{
	struct device_job *job = v->now;

	if (err) {
		device_fail(job, err->code == -ETIMEDOUT ? -ETIMEDOUT : -EIO, "%.400s", err->text);
	} else if (device_is_listed(body, job->id) || devicelist_find(v->d->r.devices, job->id)) {
		device_fail(job, -EEXIST, "QEMU has a device of that name already");
	} else {
		device_entry_set_state(job->entry, DEVICE_ADDING);
		if (device_list_add(v->d, job->entry, &job->failed) == 0) {
			next_step(v);
			return;
		}
	}
	device_tell(v->d, "device-failed", job->entry, job->failed.text);
	device_job_end(v, NULL);
}

void device_add_begin(struct domain_devices *v)
{
	device_look(v, on_looked_before);
}

/* An earlier daemon, or an answer that did not come, left it somewhere. */
static void on_looked_again(
	struct domain_devices *v, struct json_object *body, const struct err *err)
{
	struct device_job *job = v->now;
	size_t steps = device_entry_steps(job->entry), done = device_entry_done(job->entry);
	bool there = device_is_listed(body, job->id);
	enum device_state state = device_entry_state(job->entry);

	job->unsure = true;
	if (err) {
		device_again(v);
		device_job_end(v, NULL);
	} else if (state == DEVICE_REMOVING && there) {
		device_job_end(v, NULL); /* the guest still has it */
	} else if (state == DEVICE_REMOVING) {
		job->unsure = false;
		device_unwind(v, DEVICE_CLEANING, steps ? steps - 1 : 0);
	} else if (state == DEVICE_ADDING && there && done == steps) {
		added(v);
	} else {
		device_unwind(v, state == DEVICE_CLEANING ? DEVICE_CLEANING : DEVICE_UNDOING, done);
	}
}

void device_resume_begin(struct domain_devices *v)
{
	struct device_job *job = v->now;

	job->entry = json_object_get(devicelist_find(v->d->r.devices, job->id));
	if (!job->entry || device_entry_state(job->entry) == DEVICE_PRESENT ||
		device_entry_state(job->entry) == DEVICE_LEFT) {
		device_job_end(v, NULL);
		return;
	}
	device_look(v, on_looked_again);
}
