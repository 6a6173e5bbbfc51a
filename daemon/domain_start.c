/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a definition to a running program. Everything that can fail without a process comes first;
 * the record is on disk before the device model may execute, so that a daemon that dies at any
 * point finds out from the record alone what it left behind.
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
#include "lib/fsutil.h"
#include "lib/libxlconf.h"
#include "lib/libxlplan.h"
#include "lib/mask.h"
#include "proto/launchspec.h"

#define SCOPE_DEADLINE_MS 20000 /* a busy systemd, or one that is being reloaded */
#define DIRECTORY_RETRY_MS 500
/* libxl 4.17 sets it for every device model (XSA-180: bounds what QEMU writes to a console log). */
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CONSOLE_LIMIT "XEN_QEMU_CONSOLE_LIMIT=1048576"

static int make_plan(struct domain *d, struct plan *ret, struct err *err)
{
	const struct config *config = d->s->config;
	const struct plan_config places = {
		.default_binary = config->default_binary,
		.libexec_dir = config->libexec_dir,
		.firmware_dir = config->firmware_dir,
		.script_dir = config->script_dir,
		.xen_run_dir = d->s->paths->xen_run_dir,
	};
	char run_dir[PATH_MAX], qmp[PATH_MAX];
	struct plan_context context = {
		.domid = d->dom.domid,
		.name = d->r.name ? d->r.name : d->uuid,
		.run_dir = run_dir,
		.log_file = d->r.log,
		.qmp_socket = qmp,
		.memory_mib = d->memory_kib / 1024,
		.vcpus = d->dom.vcpus,
	};

	memcpy(context.uuid, d->uuid, sizeof(context.uuid));
	domain_run_dir(d, NULL, run_dir, sizeof(run_dir));
	domain_run_dir(d, "own-qmp", qmp, sizeof(qmp));
	if (d->repeat) {
		return domain_repeat_plan(d, ret, err);
	}
	if (d->backends) {
		return plan_backends(d->def, &context, &places, ret, err);
	}
	if (d->handoff) {
		return plan_handed_over(d->def, &context, &places, &d->handoff->request.argv,
			&d->handoff->request.env, ret, err);
	}
	return plan_build(d->def, &context, &places, ret, err);
}

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

/* What a libxl configuration with dm_restrict leaves QEMU to see of the file system: nothing. Root,
 * who alone passes its mode, is what QEMU is no more when it is in there. */
static int make_root(const struct domain *d, struct err *err)
{
	char path[PATH_MAX];

	domain_run_dir(d, LIBXLPLAN_CHROOT, path, sizeof(path));
	if (dmopt_value(&d->r.argv, "-chroot") == NULL ||
		strcmp(dmopt_value(&d->r.argv, "-chroot"), path)) {
		return 0;
	}
	return fsutil_mkdir(path, 0, err);
}

/* Behind the files that the definition has opened. */
static int monitor_fd(const struct domain *d)
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
	if (domain_is_old(d)) {
		return;
	}
	strv_add(&d->r.argv, "-chardev");
	strv_addf(&d->r.argv, "socket,id=" MONITOR_CHARDEV ",fd=%d,server=on,wait=off",
		monitor_fd(d));
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
	r = make_plan(d, &plan, err);
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
	if (d->dom.hvm && !dmopt_is_xenpv(&d->r.argv)) { /* which is not PVH */
		xenlayout_domain(d->dom.domid, "hvmloader/bios", path);
		xs_batch_write_if_absent(batch, path, bios_of(d));
		xenlayout_domain(d->dom.domid, "hvmloader/allow-memory-relocate", path);
		xs_batch_write_if_absent(batch, path, domain_is_old(d) ? "1" : "0");
	}
	domain_old_write(d, batch);
	xenlayout_xendmd(d->dom.domid, "uuid", path);
	xs_batch_write(batch, path, d->uuid);
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
	struct err err = {0};

	d->r.started_ms = loop_realtime_ms();
	d->r.released = false;
	d->state_seen = d->qmp_ok = d->inmigrate = false;
	domain_handoff_prepare(d);
	if (prepare_files(d, &err) < 0) {
		domain_start_failed(d, &err);
	} else {
		domain_ask(d);
	}
}

void domain_prepared_files(struct domain *d)
{
	snprintf(d->waits_for, sizeof(d->waits_for), "xenstore does not answer");
	if (d->repeat) {
		domain_reset_backends(d);
	} else {
		domain_submit_before_start(d);
	}
}

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

static void on_scope(void *ctx, const struct err *err)
{
	struct domain *d = ctx;
	struct err failed;
	int r;

	d->scope_job = NULL;
	if (err) {
		failed = *err;
		err_wrap(&failed, "scope");
		domain_start_failed(d, &failed);
		return;
	}
	domain_note_cgroup(d);
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

static void on_launch_prepared(void *ctx, pid_t pid)
{
	struct domain *d = ctx;
	const struct scope_limits limits = {
		.memory_max_bytes = d->r.limits.memory_max_mib << 20,
		.cpu_weight = d->r.limits.cpu_weight,
		.pids_max = d->r.limits.pids_max,
	};
	char description[320];
	struct err err = {0};
	int r;

	domain_phase(d, "spawned");
	r = note_process(d, pid, &err);
	if (r == 0) {
		/* Without it the release is refused as well. */
		domain_write_record(d);
		snprintf(d->waits_for, sizeof(d->waits_for), "systemd does not make its scope");
		snprintf(description, sizeof(description), "Device model of domain %u (%s)",
			d->dom.domid, d->r.name ? d->r.name : d->uuid);
		r = scope_start(d->s->bus, d->dom.domid, description, pid, &limits,
			SCOPE_DEADLINE_MS, on_scope, d, &d->scope_job);
		if (r < 0) {
			err_set_errno(&err, r, "scope");
		}
	}
	if (r < 0) {
		domain_start_failed(d, &err);
	}
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
static int plan_launch(const struct domain *d, struct strv *env, struct plan *ret, struct err *err)
{
	int r;

	if (!d->handoff && !(d->repeat && d->r.env.len)) {
		strv_add(env, DEFAULT_PATH);
		strv_add(env, CONSOLE_LIMIT);
	}
	r = make_plan((struct domain *)d, ret, err);
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
		{d->listen_fd, monitor_fd(d), "monitor (listening)"}, /* the last */
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
	ret[len++] = (struct launch_fd){d->listen_fd, monitor_fd(d), "monitor (listening)"};
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
	snprintf(helper, sizeof(helper), "%s/dm-launch", d->s->paths->helper_dir);
	snprintf(d->waits_for, sizeof(d->waits_for), "dm-launch does not answer");
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
	if (r < 0) {
		domain_start_failed(d, &err);
	}
}
