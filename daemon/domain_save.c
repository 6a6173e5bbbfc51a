/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state of a device model (QEMU's, no RAM) into a descriptor of the caller's: what stock libxl
 * does with a QEMU in dom0 (add-fd, stop, xen-save-devices-state), and back to where it was. What
 * fails in between does not keep the machine stopped, nor the descriptor with QEMU.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "proto/qmpmux.h"

enum step { STEP_STATUS, STEP_STOP, STEP_ADD, STEP_SAVE, STEP_CONT, STEP_REMOVE, _STEP_MAX };

struct domain_save {
	struct domain *d;
	struct control_call *call;
	enum step step;
	int fd; /* until it is sent */
	bool was_running, stopped;
	int64_t fdset; /* negative: none */
	struct err failed;
};

static void next_step(struct domain_save *s);

static void finish(struct domain_save *s)
{
	s->d->save = NULL;
	if (s->failed.code) {
		control_fail(s->call, &s->failed);
	} else {
		control_complete(s->call, NULL);
	}
	close_p(&s->fd);
	free(s);
}

static int take_fd(void *ctx)
{
	return TAKE_FD(((struct domain_save *)ctx)->fd);
}

/* The first failure is told; what undoes is tried all the same. */
static void note_failure(struct domain_save *s, const char *what, const struct err *err)
{
	if (s->failed.code) {
		domain_log(
			s->d, LOG_LVL_WARNING, "after a save that failed: %s: %s", what, err->text);
		return;
	}
	s->failed = *err;
	err_wrap(&s->failed, "%s", what);
}

static const char *const commands[_STEP_MAX] = {
	[STEP_STATUS] = "query-status",
	[STEP_STOP] = "stop",
	[STEP_ADD] = "add-fd",
	[STEP_SAVE] = "xen-save-devices-state",
	[STEP_CONT] = "cont",
	[STEP_REMOVE] = "remove-fd", /* last: a QEMU that is stopped closes nothing for it */
};

static void note_answer(struct domain_save *s, struct json_object *body)
{
	struct json_object *value;

	switch (s->step) {
	case STEP_STATUS:
		s->was_running = json_object_object_get_ex(body, "running", &value) &&
				 json_object_get_boolean(value);
		break;
	case STEP_STOP:
		s->stopped = true;
		break;
	case STEP_ADD:
		s->fdset = json_object_object_get_ex(body, "fdset-id", &value)
				   ? json_object_get_int64(value)
				   : -1;
		break;
	case STEP_REMOVE:
		s->fdset = -1;
		break;
	default:
		break;
	}
}

static void on_answer(void *ctx, struct json_object *body, const struct err *err)
{
	struct domain_save *s = ctx;

	if (err) {
		note_failure(s, commands[s->step], err);
	} else {
		note_answer(s, body);
	}
	s->step++;
	next_step(s);
}

/* Is there something to be done in this step? */
static bool is_due(const struct domain_save *s)
{
	switch (s->step) {
	case STEP_STATUS:
		return true;
	case STEP_STOP:
		return !s->failed.code && s->was_running;
	case STEP_ADD:
	case STEP_SAVE:
		return !s->failed.code;
	case STEP_CONT:
		return s->stopped;
	case STEP_REMOVE:
		return s->fdset >= 0;
	case _STEP_MAX:
		break;
	}
	return false;
}

/* "live" leaves the disks to this QEMU, which goes on with them. */
static struct json_object *arguments_of(const struct domain_save *s)
{
	struct json_object *arguments = NULL;
	char path[48];

	if (s->step == STEP_SAVE) {
		snprintf(path, sizeof(path), "/dev/fdset/%lld", (long long)s->fdset);
		arguments = json_object_new_object();
		json_object_object_add(arguments, "filename", json_object_new_string(path));
		json_object_object_add(arguments, "live", json_object_new_boolean(true));
	} else if (s->step == STEP_REMOVE) {
		arguments = json_object_new_object();
		json_object_object_add(arguments, "fdset-id", json_object_new_int64(s->fdset));
	}
	return arguments;
}

static int send(struct domain_save *s, struct err *err)
{
	_cleanup_json_ struct json_object *arguments = arguments_of(s);
	const struct qmpmux_call call = {.class = QMP_CLASS_ADMIN,
		.command = commands[s->step],
		.arguments = arguments,
		.take_fd = s->step == STEP_ADD ? take_fd : NULL,
		.fn = on_answer,
		.ctx = s};

	return qmpmux_call(monitor_mux(s->d->monitor), &call, loop_monotonic_ms(), NULL, err);
}

static void next_step(struct domain_save *s)
{
	struct err err;

	for (; s->step < _STEP_MAX; s->step++) {
		if (!is_due(s)) {
			continue;
		}
		if (send(s, &err) == 0) {
			monitor_settle(s->d->monitor);
			return;
		}
		note_failure(s, commands[s->step], &err);
	}
	finish(s);
}

void domain_save_drop(struct domain *d)
{
	struct domain_save *s = d->save;

	if (s) {
		err_set(&s->failed, -ESRCH, "domain %u: its device model ends", d->dom.domid);
		finish(s);
	}
}

static int refuse(const struct domain *d, struct err *err)
{
	if (!d->monitor || d->state != DOMAIN_RUNNING) {
		return domain_no_qmp(d, err);
	}
	if (d->save) {
		return err_set(
			err, -EBUSY, "domain %u: its state is being saved already", d->dom.domid);
	}
	return domain_migrate_busy(d, err);
}

int domain_save(struct domain *d, int fd, struct control_call *call, struct err *err)
{
	struct domain_save *s = NULL;
	int r = refuse(d, err);

	if (r == 0 && !(s = calloc(1, sizeof(*s)))) {
		r = err_set(err, -ENOMEM, "out of memory");
	}
	if (r < 0) {
		close_p(&fd);
		return r;
	}
	*s = (struct domain_save){.d = d, .call = call, .fd = fd, .fdset = -1};
	d->save = s;
	next_step(s);
	return 0;
}
