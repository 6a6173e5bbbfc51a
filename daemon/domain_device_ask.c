/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who asks for a change of a machine's devices, and what of it can be told before QEMU is asked. */
#include "daemon/domain_device_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/defparts.h"
#include "lib/dmopt.h"
#include "lib/hotplug.h"
#include "lib/json.h"
#include "lib/limits.h"

static int refuse(struct domain *d, struct err *err)
{
	if (d->state == DOMAIN_FOREIGN) {
		return err_set(err, -EOPNOTSUPP,
			"domain %u: its device model is another toolstack's, which changes its "
			"devices itself",
			d->dom.domid);
	}
	if (!d->monitor || d->state != DOMAIN_RUNNING) {
		return domain_no_qmp(d, err);
	}
	if (d->r.kind != DM_KIND_QEMU) {
		return err_set(err, -EOPNOTSUPP,
			"domain %u: its device model is in a stub domain, which gets its devices "
			"from its toolstack",
			d->dom.domid);
	}
	if (dmopt_is_xenpv(&d->r.argv)) {
		return err_set(err, -EOPNOTSUPP,
			"domain %u: its QEMU serves backends of a PV guest and has no bus to plug "
			"a device into; a toolstack adds backends in xenstore",
			d->dom.domid);
	}
	if (d->devices && d->devices->jobs_len >= LIMIT_DEVICE_WAITING) {
		return err_set(err, -ENOBUFS, "domain %u: %u changes of its devices wait already",
			d->dom.domid, d->devices->jobs_len);
	}
	if (domain_migrate_busy(d, err) < 0) {
		return err->code;
	}
	return domain_devices(d) ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int no_placeholder(const struct json_node *node, void *ctx, struct err *err)
{
	return strchr(json_object_get_string(node->value), '$')
		       ? json_fail(node, -EINVAL, err,
				 "placeholders stand in definitions alone; write what is meant")
		       : 0;
}

/* What is true of any text; the kinds' tables say the rest. */
static int check_text(struct json_object *device, struct err *err)
{
	_cleanup_json_ struct json_object *root = json_object_new_object();
	const struct json_doc doc = {.root = root};
	const struct json_node top = json_doc_root(&doc);
	struct json_node node;

	if (strlen(json_object_to_json_string(device)) > LIMIT_DEVICE_BYTES) {
		return err_set(err, -E2BIG, "device: longer than %d bytes", LIMIT_DEVICE_BYTES);
	}
	json_object_object_add(root, "device", json_object_get(device));
	return json_member(&top, "device", &node)
		       ? defparts_each_string(&node, no_placeholder, NULL, err)
		       : err_set(err, -ENOMEM, "out of memory");
}

/* The type alone, as the kernel has it in memory: no server is asked. */
static bool is_block_device(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
	       S_ISBLK(st.stx_mode);
}

/* NAMES (of FDS, one each; the same name again is one more queue) as "files" of a definition. */
static struct json_object *files_json(const struct strv *names, const int *fds)
{
	struct json_object *files = json_object_new_object();

	for (size_t i = 0; i < names->len; i++) {
		struct json_object *file = json_object_object_get(files, names->items[i]);
		int queues = json_object_get_int(json_object_object_get(file, "queues"));

		if (!file) {
			file = json_object_new_object();
			json_object_object_add(files, names->items[i], file);
		}
		json_object_object_add(file, "tap", json_object_new_string(names->items[i]));
		json_object_object_add(file, "queues", json_object_new_int(queues + 1));
		json_object_object_add(
			file, "block", json_object_new_boolean(is_block_device(fds[i])));
	}
	return files;
}

/* The K-th descriptor that the steps want of NAME is the K-th that came for it. */
static int take_fds(struct device_job *job, const struct hotplug_plan *plan,
	const struct strv *names, int *fds, struct err *err)
{
	job->fds = calloc(plan->fds.len + 1, sizeof(*job->fds));
	if (!job->fds) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < plan->fds.len; i++) {
		size_t j = 0;

		while (j < names->len &&
			(fds[j] < 0 || strcmp(names->items[j], plan->fds.items[i]))) {
			j++;
		}
		if (j == names->len) {
			return err_set(err, -EINVAL,
				"device: no descriptor came for \"@%.64s\" (files)",
				plan->fds.items[i]);
		}
		job->fds[job->fds_len++] = TAKE_FD(fds[j]);
	}
	for (size_t j = 0; j < names->len; j++) {
		if (fds[j] >= 0) {
			return err_set(err, -EINVAL,
				"files: the device does not name \"@%.64s\", or not so often",
				names->items[j]);
		}
	}
	return 0;
}

static int plan_job(struct domain *d, struct json_object *device, const struct strv *names,
	int *fds, struct device_job *job, struct err *err)
{
	_cleanup_json_ struct json_object *files = files_json(names, fds);
	_cleanup_(hotplug_plan_fini) struct hotplug_plan plan = {0};
	struct hotplug_context context;
	int r = check_text(device, err);

	if (r < 0) {
		return r;
	}
	device_context(d, &context);
	context.files = files;
	r = hotplug_plan(device, &context, &plan, err);
	if (r == 0) {
		r = take_fds(job, &plan, names, fds, err);
	}
	if (r == 0 && devicelist_find(d->r.devices, plan.id)) {
		r = err_set(err, -EINVAL, "device: one is called \"%.64s\" already", plan.id);
	}
	if (r < 0) {
		return r;
	}
	job->id = strdup(plan.id);
	job->entry = device_entry_new(plan.id, device, true);
	if (!job->id || !job->entry) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	device_entry_set_steps(job->entry, plan.steps, plan.has_device);
	d->r.device_serial++;
	return 0;
}

int domain_device_add(struct domain *d, struct json_object *device, const struct strv *names,
	int *fds, struct control_call *call, struct err *err)
{
	struct device_job *job = NULL;
	int r = refuse(d, err);

	if (r == 0 && !(job = calloc(1, sizeof(*job)))) {
		r = err_set(err, -ENOMEM, "out of memory");
	}
	if (r == 0) {
		job->kind = DEVICE_JOB_ADD;
		r = plan_job(d, device, names, fds, job, err);
	}
	if (r < 0) {
		device_job_free(job);
		return r;
	}
	job->call = call;
	device_job_enqueue(d->devices, job);
	return 0;
}

static int refuse_remove(struct domain *d, const char *id, struct err *err)
{
	int r = refuse(d, err);

	if (r == 0 && !devicelist_find(d->r.devices, id)) {
		return err_set(err, -EIO,
			"domain %u has no device \"%.64s\" that was described or added "
			"(\"dmctl device list\" tells those)",
			d->dom.domid, id);
	}
	return r;
}

int domain_device_remove(struct domain *d, const char *id, uint64_t timeout_s,
	struct control_call *call, struct err *err)
{
	struct device_job *job;
	int r = refuse_remove(d, id, err);

	if (r < 0) {
		return r;
	}
	job = device_job_new(DEVICE_JOB_REMOVE, id);
	if (!job) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	job->timeout_s = (int64_t)timeout_s;
	job->call = call;
	device_job_enqueue(d->devices, job);
	return 0;
}
