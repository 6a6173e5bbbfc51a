/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands of a change, and undoing them. */
#include "daemon/domain_device_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/limits.h"
#include "proto/qmpmux.h"

enum device_answer device_answer(const struct domain_devices *v, const struct err *err)
{
	if (!err) {
		return DEVICE_DONE;
	}
	return v->unsent || err->code == -EREMOTEIO || err->code == -EOPNOTSUPP ? DEVICE_REFUSED
										: DEVICE_UNKNOWN;
}

static void on_answer(void *ctx, struct json_object *body, const struct err *err)
{
	struct domain_devices *v = ctx;

	if (v->now) {
		v->unsent = false;
		v->reply(v, body, err);
	}
}

static int take_fd(void *ctx)
{
	struct domain_devices *v = ctx;
	struct json_object *step = device_entry_step(v->now->entry, v->now->at);
	int index = device_step_fd(step);

	return index >= 0 && (size_t)index < v->now->fds_len ? TAKE_FD(v->now->fds[index]) : -1;
}

void device_ask(struct domain_devices *v, const char *command, struct json_object *arguments,
	int fd_index, device_reply_fn reply)
{
	const struct qmpmux_call call = {.class = QMP_CLASS_ADMIN,
		.sequence = v,
		.deadline_ms = LIMIT_DEVICE_STEP_MS,
		.command = command,
		.arguments = arguments,
		.take_fd = fd_index >= 0 ? take_fd : NULL,
		.fn = on_answer,
		.ctx = v};
	struct err err = {0};

	v->reply = reply;
	if (qmpmux_call(monitor_mux(v->d->monitor), &call, loop_monotonic_ms(), NULL, &err) == 0) {
		monitor_settle(v->d->monitor);
		return;
	}
	v->unsent = true;
	reply(v, NULL, &err);
}

void device_look(struct domain_devices *v, device_reply_fn reply)
{
	_cleanup_json_ struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "path", json_object_new_string("/machine/peripheral"));
	device_ask(v, "qom-list", arguments, -1, reply);
}

bool device_is_listed(struct json_object *body, const char *id)
{
	size_t len =
		json_object_is_type(body, json_type_array) ? json_object_array_length(body) : 0;

	for (size_t i = 0; i < len; i++) {
		struct json_object *name =
			json_object_object_get(json_object_array_get_idx(body, i), "name");

		if (json_object_is_type(name, json_type_string) &&
			!strcmp(json_object_get_string(name), id)) {
			return true;
		}
	}
	return false;
}

int device_note(struct domain_devices *v, struct device_job *job)
{
	int r = domain_write_record(v->d);

	if (r < 0) {
		device_fail(job, r, "the record can't be written: %s", strerror(-r));
	}
	return r;
}

static void unwind_next(struct domain_devices *v);

/* Where a descriptor was used there is none left to be closed. */
static bool may_fail(const struct device_job *job, struct json_object *step)
{
	struct json_object *arguments;
	const char *undo = device_step(step, true, &arguments);

	return job->unsure || (undo && !strcmp(undo, "closefd"));
}

static void note_left(struct device_job *job, struct json_object *step, const struct err *err)
{
	char name[176];
	size_t len = strlen(job->left);

	device_step_text(step, true, name, sizeof(name));
	snprintf(job->left + len, sizeof(job->left) - len, "%s%.60s: %.160s", len ? "; " : "", name,
		err->text);
}

static void on_undone(struct domain_devices *v, struct json_object *body, const struct err *err)
{
	struct device_job *job = v->now;
	struct json_object *step = device_entry_step(job->entry, job->at);
	enum device_answer answer = device_answer(v, err);

	if (answer == DEVICE_UNKNOWN || (answer == DEVICE_REFUSED && v->unsent)) {
		/* It stays in the record as it is. */
		note_left(job, step, err);
		if (!job->failed.code) {
			device_fail(job, -EIO, "its removal is not finished, and is tried again");
		}
		device_again(v);
		device_job_end(v, NULL);
		return;
	}
	if (answer == DEVICE_DONE || may_fail(job, step)) {
		json_object_object_add(step, "undone", json_object_new_boolean(true));
	} else {
		note_left(job, step, err);
	}
	job->unsure = false;
	unwind_next(v);
}

static bool was_touched(struct json_object *entry)
{
	for (size_t i = 0; i < device_entry_steps(entry); i++) {
		if (device_entry_flag(device_entry_step(entry, i), "undone")) {
			return true;
		}
	}
	return false;
}

/* A back end alone, which something still uses. */
static bool is_kept(struct device_job *job)
{
	return *job->left && !device_entry_flag(job->entry, "has_device") &&
	       device_entry_state(job->entry) == DEVICE_CLEANING && !was_touched(job->entry);
}

/* What the state is called when all was undone that could be. */
static void unwound(struct domain_devices *v)
{
	struct device_job *job = v->now;
	bool cleaning = device_entry_state(job->entry) == DEVICE_CLEANING;

	v->tries = 0;
	if (is_kept(job)) {
		device_entry_set_state(job->entry, DEVICE_PRESENT);
		device_fail(job, -EIO, "it can't be removed now");
		cleaning = false;
	} else if (*job->left) {
		device_entry_set_state(job->entry, DEVICE_LEFT);
		device_entry_set_text(job->entry, "left", job->left);
	}
	device_tell(v->d, cleaning ? "device-removed" : "device-failed", job->entry,
		job->failed.code ? job->failed.text
		: *job->left	 ? job->left
				 : NULL);
	if (!*job->left) {
		device_list_drop(v->d, job->entry);
	}
	domain_write_record(v->d);
	if (cleaning && *job->left && !job->failed.code) {
		device_fail(
			job, -EIO, "it is out of the machine, but not all that stood behind it");
	}
	device_job_end(v, NULL);
}

static void unwind_next(struct domain_devices *v)
{
	struct device_job *job = v->now;
	struct json_object *arguments, *step;
	const char *command = NULL;

	while (job->at > 0 && !command) {
		step = device_entry_step(job->entry, --job->at);
		command = device_step(step, true, &arguments);
		job->unsure = job->unsure && command; /* that was the topmost alone */
	}
	if (!command) {
		device_entry_set_done(job->entry, 0);
		unwound(v);
		return;
	}
	device_entry_set_done(job->entry, job->at + 1);
	domain_write_record(v->d); /* what can't be written is tried all the same */
	device_ask(v, command, arguments, -1, on_undone);
}

void device_unwind(struct domain_devices *v, enum device_state state, size_t top)
{
	device_entry_set_state(v->now->entry, state);
	v->now->at = top;
	unwind_next(v);
}
