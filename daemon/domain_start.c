/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a definition to a command line, files and xenstore: everything of a start that can fail
 * without a process. domain_launch.c goes on.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"
#include "lib/fsutil.h"
#include "lib/libxlconf.h"
#include "lib/libxlplan.h"

#define DIRECTORY_RETRY_MS 500

/* The domain's own directory, empty: what an earlier domain of that number left is gone for good.
 */
static int make_run_dir(struct domain *d, struct err *err)
{
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/dm", d->s->paths->run_dir);
	r = fsutil_mkdir(path, 0755, err);
	if (r < 0) {
		return r;
	}
	domain_run_dir(d, NULL, path, sizeof(path));
	r = fsutil_remove_dir(path, err);
	if (r == 0) {
		r = fsutil_mkdir(path, 0700, err);
	}
	return r;
}

/* As any QEMU wants it written: lib/qemuopt. */
static bool has_root(const struct strv *argv, const char *path)
{
	for (size_t i = 1; i + 1 < argv->len; i++) {
		const char *value = argv->items[i + 1];

		if (dmopt_is(argv->items[i], "-run-with") && !strncmp(value, "chroot=", 7)) {
			value += 7;
		} else if (!dmopt_is(argv->items[i], "-chroot")) {
			continue;
		}
		if (!strcmp(value, path)) {
			return true;
		}
	}
	return false;
}

/* What a libxl configuration with dm_restrict leaves QEMU to see of the file system: nothing. Root,
 * who alone passes its mode, is what QEMU is no more when it is in there. */
static int make_root(const struct domain *d, struct err *err)
{
	char path[PATH_MAX];

	domain_run_dir(d, LIBXLPLAN_CHROOT, path, sizeof(path));
	if (!has_root(&d->r.argv, path)) {
		return 0;
	}
	return fsutil_mkdir(path, 0, err);
}

/* Behind the files that the definition has opened. */
int domain_monitor_fd(const struct domain *d)
{
	return d->handoff ? domain_handoff_first_fd(d) : OPENFILE_FIRST_FD + (int)d->files_len;
}

/* A state that is there is waited for. What a peer sends comes when it comes. */
static bool incoming_later(const struct domain *d)
{
	return dmopt_value(&d->r.argv, "-incoming") && !d->handoff && d->def && !d->def->libxl &&
	       !json_object_object_get_ex(d->def->json, "restore_from", NULL);
}

static void note_command_line(struct domain *d, struct plan *plan)
{
	strv_fini(&d->r.argv);
	d->r.argv = plan->argv;
	plan->argv = (struct strv){0};
	free(d->r.binary);
	d->r.binary = TAKE_PTR(plan->binary);
	d->files_len = plan->files.len;
	json_object_put(d->r.steps);
	d->r.steps = TAKE_PTR(plan->qmp_steps);
	domain_note_steps(d);
	d->r.incoming_later = incoming_later(d);
	domain_device_begin(d, plan->devices);
	if (domain_is_old(d)) {
		return;
	}
	strv_add(&d->r.argv, "-chardev");
	strv_addf(&d->r.argv, "socket,id=" MONITOR_CHARDEV ",fd=%d,server=on,wait=off",
		domain_monitor_fd(d));
	strv_add(&d->r.argv, "-mon");
	strv_add(&d->r.argv, MONITOR_MON);
}

/* libxl has opened its own. */
static int name_log(struct domain *d, struct err *err)
{
	if (d->repeat && d->r.log) {
		return 0;
	}
	free(d->r.log);
	d->r.log = d->handoff ? domain_handoff_log(d)
			      : dmlog_path(d->s->paths->log_dir, d->r.name ? d->r.name : d->uuid);
	return d->r.log || d->handoff ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int prepare_files(struct domain *d, struct err *err)
{
	_cleanup_(plan_fini) struct plan plan = {0};
	char path[PATH_MAX];
	int r;

	r = name_log(d, err);
	if (r < 0) {
		return r;
	}
	r = domain_plan(d, &plan, err);
	if (r < 0) {
		return r;
	}
	note_command_line(d, &plan);
	if (strv_status(&d->r.argv) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	r = make_run_dir(d, err);
	if (r < 0) {
		return r;
	}
	domain_libxl_take(d);
	if (d->r.restarting) {
		domain_write_record(d); /* it was in the directory */
	}
	domain_run_dir(d, "monitor", path, sizeof(path));
	r = domain_has_qmp(d) ? monitor_listen(path, &d->listen_fd, err) : 0;
	if (r < 0 || d->handoff) {
		return r;
	}
	r = make_root(d, err);
	return r < 0 ? r : dmlog_open(d->r.log, &d->log_fd, err);
}

static const char *bios_of(const struct domain *d)
{
	return d->def && d->def->libxl ? libxlconf_bios(d->def->libxl) : "seabios";
}

/* The memory map of a restored guest is in its device model's node: libxl has made it itself, and
 * so does who wants a state restored. */
static bool has_physmap(const struct domain *d)
{
	return d->handoff ||
	       (d->def && json_object_object_get_ex(d->def->json, "restore_from", NULL));
}

/* What libxl writes before it spawns (reference/libxl.md 3.3), in one transaction. The old node
 * goes first: its "state" may be an earlier domain's of that number. */
static struct xs_batch *before_start(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);
	char path[XENLAYOUT_PATH_MAX];

	if (!batch) {
		return NULL;
	}
	xenlayout_domain(d->dom.domid, NULL, path);
	xs_batch_require_exists(batch, path);
	xenlayout_dm(d->dom.domid, has_physmap(d) ? "state" : NULL, path);
	xs_batch_rm(batch, path);
	xenlayout_dm(d->dom.domid, NULL, path);
	xs_batch_mkdir(batch, path);
	if (!d->handoff && d->dom.hvm && !dmopt_is_xenpv(&d->r.argv)) { /* not libxl's, not PVH */
		xenlayout_domain(d->dom.domid, "hvmloader/bios", path);
		xs_batch_write_if_absent(batch, path, bios_of(d));
		xenlayout_domain(d->dom.domid, "hvmloader/allow-memory-relocate", path);
		xs_batch_write_if_absent(batch, path, domain_is_old(d) ? "1" : "0");
	}
	domain_old_write(d, batch);
	domain_close_secrets(d, batch);
	domain_add_published(d, batch);
	return batch;
}

static void on_directory_retry(void *arg)
{
	domain_submit_before_start(arg);
}

static void on_prepared_xs(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;

	d->xs_request = 0;
	if (status == -ESTALE) {
		/* Toolstacks remove the directory before they destroy the domain: its end will be
		 * told in a moment, and is no failure of ours. */
		snprintf(d->waits_for, sizeof(d->waits_for),
			"the domain has no directory in xenstore");
		loop_timer_start(d->s->loop, &d->retry, DIRECTORY_RETRY_MS, on_directory_retry, d);
	} else if (status < 0) {
		domain_set_reason(d, "xenstore, before the start: %s", strerror(-status));
		domain_post(d, DOMAIN_EV_START_ERROR);
	} else {
		domain_post(d, DOMAIN_EV_PREPARED);
	}
}

void domain_submit_before_start(struct domain *d)
{
	int64_t deadline = (int64_t)d->r.limits.start_timeout_s * 1000;
	int r = domain_xs(d, before_start(d), deadline, on_prepared_xs);
	struct err err;

	if (r < 0) {
		err_set_errno(&err, r, "xenstore, before the start");
		domain_start_failed(d, &err);
	}
}

void domain_prepare(struct domain *d)
{
	d->r.started_ms = loop_realtime_ms();
	d->r.released = false;
	d->state_seen = d->qmp_ok = d->inmigrate = false;
	scope_expect(d->s->bus);
	domain_handoff_prepare(d);
	domain_ask_version(d);
}

void domain_prepare_command_line(struct domain *d)
{
	struct err err = {0};

	if (prepare_files(d, &err) < 0) {
		domain_start_failed(d, &err);
	} else {
		domain_ask(d);
	}
}

void domain_prepared_files(struct domain *d)
{
	snprintf(d->waits_for, sizeof(d->waits_for), "xenstore does not answer");
	domain_prepare_secrets(d);
}

void domain_prepared_secrets(struct domain *d)
{
	if (d->repeat) {
		domain_reset_backends(d);
	} else {
		domain_submit_before_start(d);
	}
}
