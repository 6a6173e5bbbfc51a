/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of a machine's sections, and the order of all of it. */
#include "lib/typed_impl.h"

#include <string.h>

#include "lib/cleanup.h"

/* "-cpu MODEL,…" and the like: the first word has no name. */
static void emit_properties(
	struct typed_emit *e, const char *key, const char *option, const char *implied)
{
	const char *text = typed_text(e->root, key);
	size_t len;

	if (!text) {
		return;
	}
	len = strcspn(text, ",");
	if (memchr(text, '=', len)) {
		vmdesc_list_keyed(e->d, option);
		len = 0;
	} else {
		vmdesc_list(e->d, option, implied, "%.*s", (int)len, text);
		len += text[len] == ',';
	}
	typed_set_properties(e, text + len);
}

static void emit_machine_option(struct typed_emit *e)
{
	struct json_object *machine = json_object_object_get(e->root, "machine");
	const char *acceleration = typed_text(machine, "acceleration");
	const char *options = typed_text(machine, "options");

	if (!machine) {
		return;
	}
	vmdesc_list(e->d, "-machine", "type", "%s", typed_text(machine, "type"));
	if (acceleration) {
		size_t len = strcspn(acceleration, ",");

		vmdesc_set(e->d, "accel", "%.*s", (int)len, acceleration);
		typed_set_properties(e, acceleration + len + (acceleration[len] == ','));
	}
	if (options) {
		typed_set_properties(e, options);
	}
}

/* A Xen machine serves one domain, of which the description needs to know nothing. */
static void emit_domain(struct typed_emit *e)
{
	struct json_object *machine = json_object_object_get(e->root, "machine");
	const char *type = typed_text(machine, "type"),
		   *accel = typed_text(machine, "acceleration");
	bool pv = type && !strncmp(type, "xenpv", 5) && strncmp(type, "xenpvh", 6) != 0;

	if (!e->domid || !type ||
		(strncmp(type, "xen", 3) && (!accel || strncmp(accel, "xen", 3)))) {
		return;
	}
	vmdesc_text(e->d, "-xen-domid", "%s", e->domid);
	if (pv) {
		vmdesc_switch(e->d, "-xen-attach");
	}
}

static void emit_qmp_socket(struct typed_emit *e, struct json_object *socket)
{
	const char *protocol = typed_text(socket, "protocol");
	const char *fd = typed_text(socket, "fd");
	const char *option = !protocol || !strcmp(protocol, "qmp") ? "-qmp"
			     : !strcmp(protocol, "hmp")		   ? "-monitor"
								   : "-qmp-pretty";

	vmdesc_list_prefixed(e->d, option, "unix:");
	if (fd) {
		vmdesc_set(e->d, "fd", "%u", typed_fd(e, fd));
	} else {
		vmdesc_set(e->d, "path", "%s", typed_text(socket, "name"));
	}
	if (typed_flag(socket, "server")) {
		vmdesc_set_switch(e->d, "server", true);
	}
	if (typed_flag(socket, "no_wait")) {
		vmdesc_set_switch(e->d, "wait", false);
	}
}

static void emit_identity(struct typed_emit *e)
{
	if (typed_text(e->root, "name")) {
		vmdesc_list(e->d, "-name", "guest", "%s", typed_text(e->root, "name"));
		typed_copy(e, e->root, "debug-threads", "debug");
	}
	if (typed_text(e->root, "uuid")) {
		vmdesc_text(e->d, "-uuid", "%s", typed_text(e->root, "uuid"));
	}
}

/* Each element of the list KEY. */
static void for_each(struct typed_emit *e, const char *key,
	void (*emit)(struct typed_emit *e, struct json_object *element))
{
	struct json_object *list = json_object_object_get(e->root, key);

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		emit(e, json_object_array_get_idx(list, i));
	}
}

void typed_emit_device(struct typed_emit *e, struct json_object *device)
{
	e->kind = typed_find_kind(typed_text(device, "kind"));
	e->kind->emit(e, device);
	e->kind = NULL;
}

static void emit_rtc(struct typed_emit *e)
{
	static const char *const pairs[][2] = {
		{"base", "base"}, {"driftfix", "drift_fix"}, {"clock", "clock"}, {NULL}};
	struct json_object *rtc = json_object_object_get(e->root, "rtc");

	if (rtc) {
		vmdesc_list_keyed(e->d, "-rtc");
		typed_copy_all(e, rtc, pairs);
	}
}

static void emit_global(struct typed_emit *e, struct json_object *global)
{
	vmdesc_text(e->d, "-global", "%s", json_object_get_string(global));
}

static void emit_pflash(struct typed_emit *e, struct json_object *path)
{
	vmdesc_text(e->d, "-pflash", "%s", json_object_get_string(path));
}

static void emit_text(
	struct typed_emit *e, struct json_object *o, const char *key, const char *option)
{
	if (typed_text(o, key)) {
		vmdesc_text(e->d, option, "%s", typed_text(o, key));
	}
}

static void emit_knobs(struct typed_emit *e)
{
	static const struct {
		const char *key, *option;
	} switches[] = {{"no_user_config", "-no-user-config"}, {"no_defaults", "-nodefaults"},
		{"no_graphic", "-nographic"}, {"no_reboot", "-no-reboot"},
		{"no_shutdown", "-no-shutdown"}, {"daemonize", "-daemonize"}};
	struct json_object *knobs = json_object_object_get(e->root, "knobs");

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		if (typed_flag(knobs, switches[i].key)) {
			vmdesc_switch(e->d, switches[i].option);
		}
	}
	typed_emit_memory_backend(e);
	if (typed_flag(knobs, "mlock")) {
		vmdesc_list_keyed(e->d, "-overcommit");
		vmdesc_set_switch(e->d, "mem-lock", true);
	}
	if (typed_flag(knobs, "stopped") || json_object_object_get(e->root, "incoming")) {
		vmdesc_switch(e->d, "-S");
	}
}

static void emit_kernel(struct typed_emit *e)
{
	struct json_object *kernel = json_object_object_get(e->root, "kernel");

	emit_text(e, kernel, "path", "-kernel");
	emit_text(e, kernel, "initrd_path", "-initrd");
	emit_text(e, kernel, "params", "-append");
}

static void emit_iothread(struct typed_emit *e, struct json_object *iothread)
{
	vmdesc_list(e->d, "-object", "qom-type", "iothread");
	typed_copy(e, iothread, "id", "id");
}

static void emit_incoming(struct typed_emit *e)
{
	struct json_object *incoming = json_object_object_get(e->root, "incoming");
	const char *fd = typed_text(incoming, "fd"), *exec = typed_text(incoming, "exec");

	if (e->incoming_fd >= 0) {
		vmdesc_text(e->d, "-incoming", "fd:%d", e->incoming_fd);
	} else if (fd) {
		vmdesc_text(e->d, "-incoming", "fd:%u", typed_fd(e, fd));
	} else if (exec) {
		vmdesc_text(e->d, "-incoming", "exec:%s", exec);
	} else if (incoming) {
		vmdesc_text(e->d, "-incoming", "defer");
	}
}

static void emit_fw_cfg(struct typed_emit *e, struct json_object *entry)
{
	static const char *const pairs[][2] = {
		{"name", "name"}, {"file", "file"}, {"string", "str"}, {NULL}};

	vmdesc_list_keyed(e->d, "-fw_cfg");
	typed_copy_all(e, entry, pairs);
}

static void emit_smp(struct typed_emit *e)
{
	static const char *const pairs[][2] = {{"cores", "cores"}, {"threads", "threads"},
		{"sockets", "sockets"}, {"maxcpus", "max_cpus"}, {NULL}};
	struct json_object *smp = json_object_object_get(e->root, "smp");

	if (smp) {
		vmdesc_list(e->d, "-smp", "cpus", "%s", typed_text(smp, "cpus"));
		typed_copy_all(e, smp, pairs);
	}
}

void typed_emit_machine(struct typed_emit *e)
{
	emit_domain(e);
	emit_identity(e);
	emit_machine_option(e);
	emit_text(e, e->root, "cpu_model", "-cpu");
	for_each(e, "qmp_sockets", emit_qmp_socket);
	typed_emit_memory(e);
	for_each(e, "devices", typed_emit_device);
	emit_rtc(e);
	emit_text(e, e->root, "global_param", "-global");
	for_each(e, "globals", emit_global);
	for_each(e, "pflash", emit_pflash);
	emit_text(e, e->root, "vga", "-vga");
	emit_knobs(e);
	emit_kernel(e);
	emit_text(e, e->root, "bios", "-bios");
	for_each(e, "iothreads", emit_iothread);
	emit_incoming(e);
	emit_text(e, e->root, "pid_file", "-pidfile");
	emit_text(e, e->root, "log_file", "-D");
	for_each(e, "fw_cfg", emit_fw_cfg);
	emit_properties(e, "seccomp_sandbox", "-sandbox", "enable");
	emit_smp(e);
}
