/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From what domain_start.c has prepared to a running program. dm-launch prepares the process while
 * systemd makes its scope. It is released when both are done and the record says so on disk, so
 * that a daemon that dies at any point finds out from the record alone what it left behind.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"
#include "lib/mask.h"
#include "proto/launchspec.h"

#define SCOPE_DEADLINE_MS 20000 /* a busy systemd, or one that is being reloaded */
/* libxl 4.17 sets it for every device model (XSA-180: bounds what QEMU writes to a console log). */
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CONSOLE_LIMIT "XEN_QEMU_CONSOLE_LIMIT=1048576"

static void log_launch(const struct domain *d, const struct launch_fd *fds, unsigned len)
{
	_cleanup_(strv_fini) struct strv masked = {0};
	_cleanup_free_ char *args = NULL;
	char list[256] = "", unit[48];
	size_t used = 0;

	mask_argv(&d->r.argv, &masked);
	args = strv_join_quoted(&masked);

	for (unsigned i = 0; i < len && used < sizeof(list); i++) {
		used += snprintf(list + used, sizeof(list) - used, "%s%d: %s", i ? ", " : "",
			fds[i].target, fds[i].what);
	}
	scope_unit_name(d->dom.domid, unit);
	domain_log_long(d, LOG_LVL_NOTICE,
		"starting %s; arguments: %s; fds: %s; user: root; scope: %s", d->r.binary,
		args ? args : "?", list, scope_bus_is_plain(d->s->bus) ? "none" : unit);
}

static int note_process(struct domain *d, pid_t pid, struct err *err)
{
	struct stat st;
	int r = procinfo_read(pid, &d->r.process);

	if (r == 0) {
		r = procinfo_boot_id(d->r.boot_id);
	}
	if (r == 0 && stat(d->r.binary, &st) < 0) {
		r = -errno;
	}
	if (r < 0) {
		return err_set_errno(err, r, "identity of process %d", pid);
	}
	/* What it will be once it has executed. */
	d->r.process.exe_dev = st.st_dev;
	d->r.process.exe_ino = st.st_ino;
	d->r.process.argv_hash = strv_hash(&d->r.argv);
	return 0;
}

/* The scope's directory, for leftovers that the process's own end does not take along. */
void domain_note_cgroup(struct domain *d)
{
	char path[256];

	free(TAKE_PTR(d->r.cgroup));
	if (scope_cgroup_of(d->dom.domid, d->r.process.pid, path, sizeof(path)) == 0) {
		d->r.cgroup = strdup(path);
	}
}

static void release(struct domain *d)
{
	struct err failed;
	int r;

	d->r.released = true;
	r = domain_write_record(d);
	if (r < 0) {
		/* A later daemon would take what runs then for never started, and start a second.
		 */
		d->r.released = false;
		err_set_errno(&failed, r, "its record can't be written");
		domain_start_failed(d, &failed);
		return;
	}
	snprintf(d->waits_for, sizeof(d->waits_for), "dm-launch does not execute it");
	r = launcher_release(d->launcher);
	if (r < 0) {
		err_set_errno(&failed, r, "dm-launch can't be released");
		domain_start_failed(d, &failed);
	}
}

/* Its two halves go on side by side: dm-launch prepares the process, systemd makes the scope for
 * it. What dm-launch has to say of its own failure explains more than a scope without a process. */
static void release_if_ready(struct domain *d)
{
	if (!d->launch_prepared) {
		snprintf(d->waits_for, sizeof(d->waits_for), "dm-launch does not answer");
	} else if (d->scope_job) {
		snprintf(d->waits_for, sizeof(d->waits_for), "systemd does not make its scope");
	} else if (d->scope_failed.code) {
		domain_start_failed(d, &d->scope_failed);
	} else {
		release(d);
	}
}

static void on_scope(void *ctx, const struct err *err)
{
	struct domain *d = ctx;

	d->scope_job = NULL;
	if (err) {
		d->scope_failed = *err;
		err_wrap(&d->scope_failed, "scope");
	} else {
		domain_note_cgroup(d);
	}
	release_if_ready(d);
}

static void on_launch_prepared(void *ctx, pid_t pid)
{
	struct domain *d = ctx;

	domain_phase(d, "spawned");
	d->launch_prepared = true;
	release_if_ready(d);
}

static int start_scope(struct domain *d, struct err *err)
{
	const struct scope_limits limits = {
		.memory_max_bytes = d->r.limits.memory_max_mib << 20,
		.cpu_weight = d->r.limits.cpu_weight,
		.pids_max = d->r.limits.pids_max,
	};
	char description[320];
	int r;

	snprintf(description, sizeof(description), "Device model of domain %u (%s)", d->dom.domid,
		d->r.name ? d->r.name : d->uuid);
	r = scope_start(d->s->bus, d->dom.domid, description, d->r.process.pid, &limits,
		SCOPE_DEADLINE_MS, on_scope, d, &d->scope_job);
	return r < 0 ? err_set_errno(err, r, "scope") : 0;
}

/* There is a process, and it can't be executed before the record is written and the scope made. */
static int begin_release(struct domain *d, struct err *err)
{
	int r = note_process(d, process_pid(d->process), err);

	if (r < 0) {
		return r;
	}
	domain_write_record(d); /* without it the release is refused as well */
	r = start_scope(d, err);
	if (r == 0) {
		release_if_ready(d);
	}
	return r;
}

/* libxl's key; written only while the domain's own tree still stands. */
static void write_pid(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);
	char path[XENLAYOUT_PATH_MAX], pid[16];

	if (!batch) {
		return;
	}
	snprintf(pid, sizeof(pid), "%d", d->r.process.pid);
	xenlayout_domain(d->dom.domid, NULL, path);
	xs_batch_require_exists(batch, path);
	xenlayout_domain(d->dom.domid, "image/device-model-pid", path);
	xs_batch_write(batch, path, pid);
	store_submit_detached(
		d->s->store, batch, d->s->config->xenstore_timeout_ms, "device-model-pid");
}

static void on_launch_executed(void *ctx, const struct proc_id *id)
{
	struct domain *d = ctx;

	d->r.process = *id;
	d->launcher = launcher_free(d->launcher);
	d->is_helper = false;
	domain_write_record(d);
	if (!d->handoff) {
		write_pid(d); /* else libxl does, and we after it */
	}
	if (d->r.log) {
		dmlog_watch(&d->log, d->s->logs, d->r.log, (uint64_t)d->r.limits.log_max_mib << 20);
	}
	domain_post(d, DOMAIN_EV_EXECUTED);
	domain_handoff_advance(d);
}

static void on_launch_failed(void *ctx, const struct err *err)
{
	struct domain *d = ctx;

	domain_start_failed(d, err);
}

static const struct launcher_ops launcher_ops = {
	.on_prepared = on_launch_prepared,
	.on_executed = on_launch_executed,
	.on_failed = on_launch_failed,
};

/* RET has its environment and its files. */
static int plan_launch(struct domain *d, struct strv *env, struct plan *ret, struct err *err)
{
	int r;

	if (!d->handoff && !(d->repeat && d->r.env.len)) {
		strv_add(env, DEFAULT_PATH);
		strv_add(env, CONSOLE_LIMIT);
	}
	r = domain_plan(d, ret, err);
	if (r == 0) {
		strv_setenv_all(env, &ret->env);
		r = strv_status(env);
	}
	return r;
}

static unsigned own_fds(const struct domain *d, int null_fd, struct launch_fd *ret)
{
	const struct launch_fd fds[] = {
		{null_fd, 0, "/dev/null"}, {d->log_fd, 1, "log"}, {d->log_fd, 2, "log"},
		{d->listen_fd, domain_monitor_fd(d), "monitor (listening)"}, /* the last */
	};

	memcpy(ret, fds, sizeof(fds));
	return ARRAY_SIZE(fds) - !domain_has_qmp(d);
}

/* Theirs under the numbers that the command line knows. */
static unsigned handed_over_fds(const struct domain *d, struct launch_fd *ret)
{
	const struct handoff *h = d->handoff;
	unsigned len = 0;

	for (unsigned i = 0; i < h->fds_len; i++) {
		int other = domain_libxl_fd(d, h->request.fds[i]);

		ret[len++] = (struct launch_fd){other >= 0 ? other : h->fds[i], h->request.fds[i],
			other >= 0 ? "libxl's QMP (listening)" : "handed over"};
	}
	ret[len++] = (struct launch_fd){d->listen_fd, domain_monitor_fd(d), "monitor (listening)"};
	return len;
}

/* What libxl does to the process under dm_restrict (reference/libxl.md 3.3). Not RLIMIT_FSIZE,
 * which was for a log that nobody trims and hits disks in files as well. */
static void restrict_as_libxl(struct launch_params *params)
{
	static const struct launch_rlimit limits[] = {
		{RLIMIT_CORE, 0}, {RLIMIT_MSGQUEUE, 0}, {RLIMIT_LOCKS, 0}, {RLIMIT_MEMLOCK, 0}};

	params->own_mounts = params->own_ipc = params->ignore_xfsz = true;
	params->rlimits = limits;
	params->rlimits_len = ARRAY_SIZE(limits);
}

/* A command line that libxl made, or one made of what libxl is told. */
static bool is_restricted_as_libxl(const struct domain *d)
{
	return (d->handoff || (d->repeat && d->by_libxl) || (d->def && d->def->libxl)) &&
	       dmopt_has(&d->r.argv, "-xen-domid-restrict");
}

void domain_spawn(struct domain *d)
{
	_cleanup_close_ int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_(strv_fini) struct strv env = {0};
	_cleanup_(plan_fini) struct plan plan = {0};
	struct launch_fd fds[LAUNCHSPEC_FDS_MAX];
	char helper[PATH_MAX];
	struct launch_params params = {
		.helper = helper,
		.binary = d->r.binary,
		.argv = &d->r.argv,
		.env = &env,
		.fds = fds,
		.fds_len = d->handoff ? handed_over_fds(d, fds) : own_fds(d, null_fd, fds),
		.directory = d->handoff	 ? d->handoff->request.directory
			     : d->repeat ? d->r.directory
					 : NULL,
	};
	struct err err = {0};
	int r = plan_launch(d, &env, &plan, &err);

	params.files = plan.files;
	if (r == 0) {
		r = domain_received_fds(d, &plan.files, fds, &params.fds_len, &err);
	}
	if (is_restricted_as_libxl(d)) {
		restrict_as_libxl(&params);
	}
	d->is_helper = true;
	d->launch_prepared = false;
	d->scope_failed.code = 0;
	snprintf(helper, sizeof(helper), "%s/dm-launch", d->s->paths->helper_dir);
	if (r == 0) {
		domain_note_repeat(d, &env);
		log_launch(d, fds, params.fds_len);
		r = launcher_new(&d->launcher, &d->process, d->s->loop, &params, &launcher_ops,
			domain_on_process_end, d, &err);
	}
	close_p(&d->log_fd);
	close_p(&d->listen_fd);
	domain_libxl_close_fds(d);
	domain_close_received(d);
	if (d->handoff) {
		handoff_close_fds(d->handoff);
	}
	if (r == 0) {
		r = begin_release(d, &err);
	}
	if (r < 0) {
		domain_start_failed(d, &err);
	}
}
