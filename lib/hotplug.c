/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a device to its plan: checked by the table of its kind, emitted by the emitter of its kind
 * as the options that a command line would have; hotplug_steps.c makes commands of those.
 */
#include "lib/hotplug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"
#include "lib/hotplug_private.h"
#include "lib/qemuopt.h"
#include "lib/typed_devices.h"

#define ROOT_BUS "pcie.0"

void hotplug_plan_fini(struct hotplug_plan *plan)
{
	free(plan->id);
	json_object_put(plan->steps);
	strv_fini(&plan->fds);
	*plan = (struct hotplug_plan){0};
}

const char *hotplug_kind(struct json_object *device)
{
	struct json_object *kind;

	return json_object_object_get_ex(device, "kind", &kind) &&
			       json_object_is_type(kind, json_type_string)
		       ? json_object_get_string(kind)
		       : NULL;
}

/* What no running QEMU takes, tried with 7.2 and 10.0. */
static int refuse_kind(const struct json_node *device, struct err *err)
{
	static const struct {
		const char *kind, *sentence;
	} fixed[] = {
		{"fs", "QEMU can't plug in 9p; use a \"vhost_user\" device for virtiofs"},
		{"legacy_serial", "a serial port of the board is there from the start or never"},
		{"loader", "QEMU loads it when the machine starts or never"},
		{"pvpanic", "QEMU has no place to plug one in"},
		{"iommu", "QEMU has it from the start or never"},
		{"pxb_pcie", "QEMU has it from the start or never"},
		{"pcie_root_port", "nothing can be plugged into " ROOT_BUS "; give the machine "
				   "free ones when it starts"},
		{"pcie_switch_downstream_port", "QEMU can't plug one in; give the machine the "
						"switch when it starts"},
	};
	const char *kind = typed_text(device->value, "kind");

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		if (!strcmp(kind, fixed[i].kind)) {
			return json_fail(
				device, -EOPNOTSUPP, err, "a \"%s\": %s", kind, fixed[i].sentence);
		}
	}
	return 0;
}

/* "q35" of "-machine q35,accel=tcg"; the caller frees; NULL: not told. */
static char *machine_type(const struct strv *argv)
{
	const char *value = dmopt_value(argv, "-machine");

	value = value ? value : dmopt_value(argv, "-M");
	if (!value) {
		return NULL;
	}
	value += strncmp(value, "type=", 5) ? 0 : 5;
	return strndup(value, strcspn(value, ","));
}

static bool is_express(const char *machine)
{
	return machine && (strstr(machine, "q35") || !strncmp(machine, "virt", 4));
}

/* An emitter looks at the machine, of which no more is known than this. */
static struct json_object *machine_root(const char *type)
{
	struct json_object *root = json_object_new_object();

	if (type) {
		json_object_object_add(root, "machine", hotplug_one("type", type));
	}
	return root;
}

static bool has_field(const struct json_node *device, const char *key)
{
	const struct typed_field *f =
		typed_find_kind(typed_text(device->value, "kind"))->table.fields;

	while (f->key && strcmp(f->key, key)) {
		f++;
	}
	return f->key != NULL;
}

static bool sits_on_pci(const struct vmdesc *d)
{
	for (size_t i = 0; i < d->len; i++) {
		const char *driver = strcmp(d->options[i].name ? d->options[i].name : "", "-device")
					     ? NULL
					     : vmdesc_get(&d->options[i], "driver");

		if (driver && (typed_is_pci(driver) || strstr(driver, "-bridge"))) {
			return true;
		}
	}
	return false;
}

/* The bus that a device goes to when it names none takes nothing there. */
static int check_bus(const struct json_node *device, const char *machine, const struct vmdesc *d,
	struct err *err)
{
	struct json_node bus;

	if (!is_express(machine) || !has_field(device, "bus")) {
		return 0;
	}
	if (json_member(device, "bus", &bus)) {
		return strcmp(json_object_get_string(bus.value), ROOT_BUS)
			       ? 0
			       : json_fail(&bus, -EOPNOTSUPP, err,
					 "nothing can be plugged into " ROOT_BUS
					 "; name a free \"pcie_root_port\" or a bridge");
	}
	return sits_on_pci(d) ? typed_require(device, "bus",
					"a free \"pcie_root_port\" or a bridge; nothing can be "
					"plugged into " ROOT_BUS,
					err)
			      : 0;
}

static bool argument_has(const struct strv *argv, const char *part)
{
	STRV_FOREACH (arg, argv) {
		if (strstr(arg, part)) {
			return true;
		}
	}
	return false;
}

/* What a device needs of the machine, which QEMU would not tell, or not so that it is understood.
 */
static int check_machine(
	const struct json_node *device, const struct hotplug_context *c, struct err *err)
{
	const char *kind = typed_text(device->value, "kind"),
		   *driver = typed_text(device->value, "driver");
	const char *memory = dmopt_value(c->argv, "-m");
	struct json_node node;

	if (!strcmp(kind, "vhost_user") && !argument_has(c->argv, "share=on") &&
		!argument_has(c->argv, "\"share\"") &&
		!argument_has(c->argv, "memory-backend-memfd")) {
		return json_fail(device, -EOPNOTSUPP, err,
			"the guest's memory is not shared (\"mem_shared\" in \"knobs\"), and can't "
			"be while it runs");
	}
	if (!strcmp(kind, "memory_object") && driver && (!memory || !strstr(memory, "slots="))) {
		json_member(device, "driver", &node);
		return json_fail(&node, -EOPNOTSUPP, err,
			"the machine has no slots for memory (\"slots\" and \"max_mem\" in "
			"\"memory\")");
	}
	if (json_member(device, "devfs_dev", &node) && c->qemu_version && c->qemu_version < 900) {
		return json_fail(&node, -EOPNOTSUPP, err,
			"QEMU has an iommufd from 9.0 on, this one is %u.%u", c->qemu_version / 100,
			c->qemu_version % 100);
	}
	return 0;
}

static const struct vmdesc_option *find_option(const struct vmdesc *d, const char *name)
{
	for (size_t i = 0; i < d->len; i++) {
		if (d->options[i].name && !strcmp(d->options[i].name, name)) {
			return &d->options[i];
		}
	}
	return NULL;
}

/* QEMU's own name of it: the device's, or of what has no device the back end's. */
static const char *own_id(const struct vmdesc *d)
{
	const struct vmdesc_option *device = find_option(d, "-device");
	const char *id = NULL;

	if (device) {
		return vmdesc_get(device, "id");
	}
	for (size_t i = 0; i < d->len && !id; i++) {
		id = d->options[i].kind == VMDESC_LIST ? vmdesc_get(&d->options[i], "id") : NULL;
	}
	return id;
}

/* One that is plugged in has a name, or it could not be taken out: that of its back end, which
 * QEMU keeps in another list. */
static const char *given_id(struct json_object *device)
{
	static const char *const keys[] = {"device_id", "type_dev_id", "id", "char_dev_id"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (typed_text(device, keys[i])) {
			return typed_text(device, keys[i]);
		}
	}
	return NULL;
}

static int name_device(const struct json_node *device, struct vmdesc *d, bool from_start,
	struct hotplug_plan *plan, struct err *err)
{
	struct vmdesc_option *last = d->len ? &d->options[d->len - 1] : NULL;
	const struct vmdesc_option *option = find_option(d, "-device");
	const char *id = own_id(d);

	plan->has_device = option != NULL;
	if (!id && !from_start && option) {
		struct vmdesc_option moved = *option; /* properties go to the last one */

		id = given_id(device->value);
		if (id) {
			d->options[option - d->options] = *last;
			*last = moved;
			vmdesc_set(d, "id", "%s", id);
		}
	}
	if (!id) {
		return from_start ? json_fail(device, -EOPNOTSUPP, err,
					    "it has no id by which QEMU could be told of it")
				  : typed_require(device, "id", "the name to remove it by", err);
	}
	plan->id = strdup(id);
	return plan->id && vmdesc_status(d) == 0 ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int check_form(const struct json_node *device, struct err *err)
{
	const struct typed_kind *kind;
	const char *name = hotplug_kind(device->value);
	struct json_node node;

	if (!name) {
		return json_fail_missing(device, "kind", err, "is missing, or no text");
	}
	kind = typed_find_kind(name);
	if (!kind) {
		json_member(device, "kind", &node);
		return json_fail(
			&node, -EINVAL, err, "no kind of device is called \"%.64s\"", name);
	}
	return typed_check_object(device, &kind->table, err);
}

static int emit(const struct json_node *device, const struct hotplug_context *c,
	const char *machine, struct vmdesc *d, struct strv *names, struct err *err)
{
	_cleanup_json_ struct json_object *root = machine_root(machine);
	char prefix[32];
	struct typed_emit e = {.d = d,
		.names = names,
		.files = c->files,
		.root = root,
		.incoming_fd = -1,
		.version = c->qemu_version ? c->qemu_version : QEMUOPT_OLDEST,
		.fd_prefix = prefix};

	snprintf(prefix, sizeof(prefix), "xendmd%u-", c->serial);
	typed_emit_device(&e, device->value);
	if (vmdesc_status(d) < 0 || strv_status(names) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int check_running(const struct json_node *device, const struct hotplug_context *c,
	const char *machine, const struct vmdesc *d, struct err *err)
{
	int r = check_bus(device, machine, d, err);

	if (r == 0) {
		r = check_machine(device, c, err);
	}
	return r == 0 ? hotplug_check_references(c, device, err) : r;
}

static int build(const struct json_node *device, const struct hotplug_context *c,
	struct hotplug_plan *plan, struct err *err)
{
	_cleanup_free_ char *machine = machine_type(c->argv);
	_cleanup_(vmdesc_fini) struct vmdesc d = {0};
	const struct hotplug_build b = {.node = device, .context = c, .plan = plan};
	int r = check_form(device, err);

	if (r < 0 || (r = refuse_kind(device, err)) < 0 ||
		(r = emit(device, c, machine, &d, &plan->fds, err)) < 0 ||
		(!c->from_start && (r = check_running(device, c, machine, &d, err)) < 0) ||
		(r = name_device(device, &d, c->from_start, plan, err)) < 0) {
		return r;
	}
	plan->steps = json_object_new_array();
	r = hotplug_add_steps(&b, &d, err);
	return r < 0 || c->from_start ? r : hotplug_check_new(c, device, plan->steps, err);
}

/* Errors are of a document that has the device and its files. */
static int with_node(struct json_object *device, const struct hotplug_context *c,
	struct hotplug_plan *plan, struct err *err)
{
	_cleanup_json_ struct json_object *root = json_object_new_object();
	const struct json_doc doc = {.root = root};
	const struct json_node top = json_doc_root(&doc);
	struct json_node node;

	json_object_object_add(root, "device", json_object_get(device));
	json_object_object_add(root, "files", json_object_get(c->files));
	if (!json_member(&top, "device", &node)) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	return build(&node, c, plan, err);
}

int hotplug_plan(struct json_object *device, const struct hotplug_context *context,
	struct hotplug_plan *ret, struct err *err)
{
	struct hotplug_plan plan = {0};
	int r = with_node(device, context, &plan, err);

	if (r == 0 && strv_status(&plan.fds) < 0) {
		r = err_set(err, -ENOMEM, "out of memory");
	}
	if (r < 0) {
		hotplug_plan_fini(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

char *hotplug_id(struct json_object *device)
{
	const struct typed_kind *kind =
		hotplug_kind(device) ? typed_find_kind(hotplug_kind(device)) : NULL;
	_cleanup_(vmdesc_fini) struct vmdesc d = {0};
	_cleanup_(strv_fini) struct strv names = {0};
	_cleanup_json_ struct json_object *root = json_object_new_object();
	struct typed_emit e = {.d = &d, .names = &names, .root = root, .incoming_fd = -1};
	const char *id;

	if (!kind) {
		return NULL;
	}
	typed_emit_device(&e, device);
	id = vmdesc_status(&d) == 0 ? own_id(&d) : NULL;
	return id ? strdup(id) : NULL;
}

/* Has the CPU that is offered what is asked for? */
static bool cpu_fits(struct json_object *wanted, struct json_object *cpu, struct json_object *props)
{
	json_object_object_foreach (wanted, key, value) {
		struct json_object *offered;

		if (!strcmp(key, "id")) {
			continue;
		}
		offered = json_object_object_get(
			strcmp(key, "driver") ? props : cpu, strcmp(key, "driver") ? key : "type");
		if (!json_object_equal(value, offered)) {
			return false;
		}
	}
	return true;
}

static bool cpu_is_free(struct json_object *cpu, struct json_object **ret_props)
{
	return json_object_is_type(cpu, json_type_object) &&
	       !json_object_object_get_ex(cpu, "qom-path", NULL) &&
	       json_object_object_get_ex(cpu, "props", ret_props) &&
	       json_object_is_type(*ret_props, json_type_object) &&
	       json_object_is_type(json_object_object_get(cpu, "type"), json_type_string);
}

int hotplug_choose_cpu(struct json_object *step, struct json_object *cpus, struct err *err)
{
	struct json_object *wanted = json_object_object_get(step, "arguments"), *props;
	size_t len =
		json_object_is_type(cpus, json_type_array) ? json_object_array_length(cpus) : 0;
	bool any = false;

	/* QEMU tells the highest first. */
	for (size_t i = len; i > 0; i--) {
		struct json_object *cpu = json_object_array_get_idx(cpus, i - 1);

		if (!cpu_is_free(cpu, &props)) {
			continue;
		}
		any = true;
		if (!cpu_fits(wanted, cpu, props)) {
			continue;
		}
		json_object_object_add(
			wanted, "driver", json_object_get(json_object_object_get(cpu, "type")));
		json_object_object_foreach (props, key, value) {
			if (json_object_is_type(value, json_type_int)) {
				json_object_object_add(wanted, key, json_object_get(value));
			}
		}
		return 0;
	}
	return err_set(err, -ENOENT,
		any ? "none of the free CPUs of the machine is at that place"
		    : "the machine has no place for another CPU "
		      "(\"max_cpus\" in \"smp\")");
}
