/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sections of a typed description that are no devices: their fields, and what is asked of them.
 */
#include "lib/typed_impl.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"

#define VCPUS_MAX 4096 /* above any machine of QEMU */

/* "kvm" or "kvm:tcg", and properties behind it. */
static int check_acceleration(const struct json_node *machine, struct err *err)
{
	static const char *const known[] = {
		"kvm", "tcg", "xen", "hvf", "whpx", "nvmm", "hax", "qtest", NULL};
	const char *text = typed_text(machine->value, "acceleration");
	struct json_node node;

	if (!text || strchr(text, '$')) {
		return 0;
	}
	for (size_t len; *text && *text != ','; text += len + (text[len] == ':')) {
		unsigned i = 0;

		len = strcspn(text, ":,");
		while (known[i] && (strlen(known[i]) != len || memcmp(known[i], text, len))) {
			i++;
		}
		if (!known[i]) {
			json_member(machine, "acceleration", &node);
			return json_fail(&node, -EINVAL, err, "QEMU has no accelerator \"%.*s\"",
				len > 32 ? 32 : (int)len, text);
		}
	}
	return 0;
}

/* A device model serves a guest of this host. */
static int check_machine(const struct json_node *machine, struct err *err)
{
	static const char *const foreign[] = {"pseries", "powernv", "s390-ccw-virtio", NULL};
	const char *type = typed_text(machine->value, "type");
	struct json_node node;

	for (unsigned i = 0; foreign[i]; i++) {
		if (!strncmp(type, foreign[i], strlen(foreign[i]))) {
			json_member(machine, "type", &node);
			return json_fail(&node, -EINVAL, err,
				"a machine of an architecture that Xen does not run on");
		}
	}
	return check_acceleration(machine, err);
}

static const struct typed_field machine_fields[] = {
	{"type", TYPED_TEXT, .required = true},
	{"acceleration", TYPED_PROPERTIES},
	{"options", TYPED_PROPERTIES},
	{0},
};
static const struct typed_table machine_table = {machine_fields, check_machine};

/* What QEMU computes for those that are missing must come out even. */
static int check_smp(const struct json_node *smp, struct err *err)
{
	int64_t cpus = typed_int(smp->value, "cpus", 0),
		max = typed_int(smp->value, "max_cpus", cpus);
	int64_t sockets = typed_int(smp->value, "sockets", 0),
		cores = typed_int(smp->value, "cores", 0),
		threads = typed_int(smp->value, "threads", 0);
	int64_t known = (sockets ? sockets : 1) * (cores ? cores : 1) * (threads ? threads : 1);
	struct json_node node;

	if (max < cpus) {
		json_member(smp, "max_cpus", &node);
		return json_fail(&node, -EINVAL, err, "is less than \"cpus\", which is %lld",
			(long long)cpus);
	}
	if (sockets && cores && threads ? known != max : max % known != 0) {
		return json_fail(smp, -EINVAL, err,
			"sockets, cores and threads make %lld where \"%s\" is %lld",
			(long long)known, typed_has(smp, "max_cpus") ? "max_cpus" : "cpus",
			(long long)max);
	}
	return 0;
}

static const struct typed_field smp_fields[] = {
	{"cpus", TYPED_UINT, .required = true, .min = 1, .max = VCPUS_MAX},
	{"cores", TYPED_UINT, .min = 1, .max = VCPUS_MAX},
	{"threads", TYPED_UINT, .min = 1, .max = VCPUS_MAX},
	{"sockets", TYPED_UINT, .min = 1, .max = VCPUS_MAX},
	{"max_cpus", TYPED_UINT, .min = 1, .max = VCPUS_MAX},
	{0},
};
static const struct typed_table smp_table = {smp_fields, check_smp};

static int check_rtc(const struct json_node *rtc, struct err *err)
{
	const char *base = typed_text(rtc->value, "base");
	struct json_node node;

	if (json_object_object_length(rtc->value) == 0) {
		return json_fail(rtc, -EINVAL, err, "says nothing");
	}
	if (base && strcmp(base, "utc") && strcmp(base, "localtime") && !strchr(base, '$') &&
		strspn(base, "0123456789") != 4) {
		json_member(rtc, "base", &node);
		return json_fail(&node, -EINVAL, err,
			"must be \"utc\", \"localtime\" or a date as \"2026-11-21T15:00:00\"");
	}
	return 0;
}

static const char *const rtc_clocks[] = {"host", "rt", "vm", NULL};
static const char *const rtc_fixes[] = {"slew", "none", NULL};
static const struct typed_field rtc_fields[] = {
	{"base", TYPED_TEXT},
	{"clock", TYPED_ENUM, .names = rtc_clocks},
	{"drift_fix", TYPED_ENUM, .names = rtc_fixes},
	{0},
};
static const struct typed_table rtc_table = {rtc_fields, check_rtc};

static int check_qmp(const struct json_node *socket, struct err *err)
{
	int r = typed_exclude(socket, "fd", "name", err);

	if (r == 0 && !typed_has(socket, "fd")) {
		r = typed_require(socket, "name", "the socket's path, or \"fd\"", err);
	}
	return r == 0 ? typed_needs(socket, "no_wait", "server", err) : r;
}

static const char *const qmp_types[] = {"unix", NULL};
static const char *const qmp_protocols[] = {"qmp", "qmp-pretty", "hmp", NULL};
static const struct typed_field qmp_fields[] = {
	{"type", TYPED_ENUM, .required = true, .names = qmp_types},
	{"name", TYPED_TEXT},
	{"fd", TYPED_FILE},
	{"server", TYPED_BOOL},
	{"no_wait", TYPED_BOOL},
	{"protocol", TYPED_ENUM, .names = qmp_protocols},
	{0},
};
static const struct typed_table qmp_table = {qmp_fields, check_qmp};

static int check_kernel(const struct json_node *kernel, struct err *err)
{
	int r = typed_needs(kernel, "initrd_path", "path", err);

	return r == 0 ? typed_needs(kernel, "params", "path", err) : r;
}

static const struct typed_field kernel_fields[] = {
	{"path", TYPED_TEXT, .required = true},
	{"initrd_path", TYPED_TEXT},
	{"params", TYPED_TEXT},
	{0},
};
static const struct typed_table kernel_table = {kernel_fields, check_kernel};

static int check_fw_cfg(const struct json_node *entry, struct err *err)
{
	int r = typed_exclude(entry, "file", "str", err);

	return r == 0 && !typed_has(entry, "file")
		       ? typed_require(entry, "str", "the value, or \"file\"", err)
		       : r;
}

static const struct typed_field fw_cfg_fields[] = {
	{"name", TYPED_TEXT, .required = true},
	{"file", TYPED_TEXT},
	{"str", TYPED_TEXT},
	{0},
};
static const struct typed_table fw_cfg_table = {fw_cfg_fields, check_fw_cfg};

static const struct typed_field iothread_fields[] = {{"id", TYPED_ID, .required = true}, {0}};
static const struct typed_table iothread_table = {iothread_fields, NULL};

static int check_incoming(const struct json_node *incoming, struct err *err)
{
	const char *type = typed_text(incoming->value, "migration_type");
	static const char *const keys[] = {"fd", "exec"};
	struct json_node node;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		bool wanted = !strcmp(type, keys[i]), given = json_member(incoming, keys[i], &node);

		if (given && !wanted) {
			return json_fail(&node, -EINVAL, err,
				"not possible with \"migration_type\": \"%s\"", type);
		}
		if (wanted && !given) {
			return typed_require(
				incoming, keys[i], "what \"migration_type\" names", err);
		}
	}
	return 0;
}

static const char *const migration_types[] = {"fd", "exec", "defer", NULL};
static const struct typed_field incoming_fields[] = {
	{"migration_type", TYPED_ENUM, .required = true, .names = migration_types},
	{"fd", TYPED_FILE},
	{"exec", TYPED_TEXT},
	{0},
};
static const struct typed_table incoming_table = {incoming_fields, check_incoming};

static const struct typed_field knob_fields[] = {
	{"no_user_config", TYPED_BOOL},
	{"no_defaults", TYPED_BOOL},
	{"no_graphic", TYPED_BOOL},
	{"no_reboot", TYPED_BOOL},
	{"no_shutdown", TYPED_BOOL},
	{"daemonize", TYPED_BOOL},
	{"huge_pages", TYPED_BOOL},
	{"mem_prealloc", TYPED_BOOL},
	{"file_backed_mem", TYPED_BOOL},
	{"file_backed_mem_shared", TYPED_BOOL},
	{"mem_shared", TYPED_BOOL},
	{"mlock", TYPED_BOOL},
	{"realtime", TYPED_BOOL}, /* was mlock's other half; QEMU has nothing of that name left */
	{"stopped", TYPED_BOOL},
	{0},
};

static int check_knobs(const struct json_node *knobs, struct err *err)
{
	struct json_node node;

	if (typed_has(knobs, "daemonize") && typed_has(knobs, "no_graphic") &&
		!typed_has(knobs, "no_defaults")) {
		json_member(knobs, "no_graphic", &node);
		return json_fail(&node, -EINVAL, err,
			"QEMU refuses this beside \"daemonize\", unless \"no_defaults\" is set");
	}
	return 0;
}

static const struct typed_table knobs_table = {knob_fields, check_knobs};

static const struct typed_field root_fields[] = {
	{"name", TYPED_TEXT},
	{"debug", TYPED_BOOL},
	{"uuid", TYPED_UUID},
	{"machine", TYPED_OBJECT, .table = &machine_table},
	{"cpu_model", TYPED_TEXT},
	{"qmp_sockets", TYPED_OBJECTS, .table = &qmp_table},
	{"memory", TYPED_OBJECT, .table = &typed_memory_table},
	{"numa_nodes", TYPED_OBJECTS, .table = &typed_numa_node_table},
	{"numa_dists", TYPED_OBJECTS, .table = &typed_numa_dist_table},
	{"devices", TYPED_DEVICES},
	{"rtc", TYPED_OBJECT, .table = &rtc_table},
	{"global_param", TYPED_PROPERTIES},
	{"globals", TYPED_TEXTS},
	{"pflash", TYPED_TEXTS},
	{"vga", TYPED_TEXT},
	{"knobs", TYPED_OBJECT, .table = &knobs_table},
	{"kernel", TYPED_OBJECT, .table = &kernel_table},
	{"bios", TYPED_TEXT},
	{"iothreads", TYPED_OBJECTS, .table = &iothread_table},
	{"incoming", TYPED_OBJECT, .table = &incoming_table},
	{"pid_file", TYPED_TEXT},
	{"log_file", TYPED_TEXT},
	{"fw_cfg", TYPED_OBJECTS, .table = &fw_cfg_table},
	{"seccomp_sandbox", TYPED_PROPERTIES},
	{"smp", TYPED_OBJECT, .table = &smp_table},
	{0},
};

static int check_root(const struct json_node *root, struct err *err)
{
	int r = typed_needs(root, "debug", "name", err);

	if (r == 0) {
		r = typed_memory_check(root, err);
	}
	if (r == 0) {
		r = typed_numa_check(root, err);
	}
	return r == 0 ? typed_shared_memory_check(root, err) : r;
}

const struct typed_table typed_root = {root_fields, check_root};
