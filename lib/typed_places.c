/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Places on the PCI buses of a whole machine: one device in each, on buses that the machine has.
 * Devices that name no place get one from QEMU and are never in the way here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/typed_impl.h"

#define FUNCTIONS 8

/* Of a machine type, as far as it is known here. */
static const struct machine {
	const char *prefix, *bus; /* "": no PCI */
	/* What has its place already: slot and function. */
	struct {
		unsigned slot, function;
		const char *what;
	} own[4];
} machines[] = {
	{"pc-q35", "pcie.0", {{0, 0, "the host bridge"}, {31, 0, "the ISA bridge"}}},
	{"q35", "pcie.0",
		{{0, 0, "the host bridge"}, {31, 0, "the ISA bridge"},
			{31, 2, "the SATA controller"}, {31, 3, "the SMBus"}}},
	{"pc-i440fx", "pci.0",
		{{0, 0, "the host bridge"}, {1, 0, "the ISA bridge"}, {1, 1, "the IDE controller"},
			{1, 3, "the ACPI bridge"}}},
	{"pc", "pci.0",
		{{0, 0, "the host bridge"}, {1, 0, "the ISA bridge"}, {1, 1, "the IDE controller"},
			{1, 3, "the ACPI bridge"}}},
	{"xenfv", "pci.0", {{0, 0, "the host bridge"}, {1, 0, "the ISA bridge"}}},
	{"virt", "pcie.0", {{0, 0, "the host bridge"}}},
	{"microvm", "", {{0}}},
};

static const struct machine *machine_of(struct json_object *root)
{
	struct json_object *machine = json_object_object_get(root, "machine");
	const char *type = typed_text(machine, "type"), *options = typed_text(machine, "options");

	type = type ? type : "pc";
	if (!strcmp(type, "microvm") && options && strstr(options, "pcie=on")) {
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		size_t len = strlen(machines[i].prefix);

		if (!strncmp(type, machines[i].prefix, len) && (!type[len] || type[len] == '-')) {
			return &machines[i];
		}
	}
	return NULL;
}

bool typed_is_root_bus(struct json_object *root, const char *name)
{
	const struct machine *machine = machine_of(root);

	return machine ? !strcmp(name, machine->bus)
		       : !strcmp(name, "pci.0") || !strcmp(name, "pcie.0");
}

/* Is the bus one of the devices' that has place for a single one? */
static bool is_port(struct json_object *root, const char *bus)
{
	struct json_object *devices = json_object_object_get(root, "devices");

	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *o = json_object_array_get_idx(devices, i);
		const char *kind = typed_text(o, "kind"), *id = typed_text(o, "id");

		if (id && !strcmp(id, bus) &&
			(!strcmp(kind, "pcie_root_port") ||
				!strcmp(kind, "pcie_switch_downstream_port"))) {
			return true;
		}
	}
	return false;
}

struct place {
	const char *bus; /* NULL: the root */
	unsigned slot, function;
};

/* As typed_set_addr() says it to QEMU. */
static void parse_place(const char *text, struct place *ret)
{
	const char *colon = strrchr(text, ':'), *dot = strchr(text, '.');
	bool decimal = !text[strspn(text, "0123456789")];

	ret->slot = strtoul(colon ? colon + 1 : text, NULL, decimal ? 10 : 16);
	ret->function = dot ? strtoul(dot + 1, NULL, 16) : 0;
}

static bool find_place(struct json_object *root, struct json_object *device, struct place *ret)
{
	const char *addr = typed_text(device, "addr"), *bus = typed_text(device, "bus");

	if (!addr || strchr(addr, '$') || (bus && strchr(bus, '$'))) {
		return false;
	}
	parse_place(addr, ret);
	ret->bus = bus && !typed_is_root_bus(root, bus) ? bus : NULL;
	return true;
}

static bool is_same_slot(const struct place *a, const struct place *b)
{
	return a->slot == b->slot && !a->bus == !b->bus && (!a->bus || !strcmp(a->bus, b->bus));
}

static int check_own(const struct json_node *root, const struct json_node *node,
	const struct place *place, struct err *err)
{
	const struct machine *machine = machine_of(root->value);

	for (size_t i = 0; machine && !place->bus && i < ARRAY_SIZE(machine->own); i++) {
		if (machine->own[i].what && machine->own[i].slot == place->slot &&
			machine->own[i].function == place->function) {
			return json_fail(node, -EINVAL, err, "the machine has %s there",
				machine->own[i].what);
		}
	}
	if (place->function >= FUNCTIONS) {
		return json_fail(
			node, -EINVAL, err, "a place has the functions 0 to %d", FUNCTIONS - 1);
	}
	if (place->bus && place->slot && is_port(root->value, place->bus)) {
		return json_fail(node, -EINVAL, err,
			"behind a port of PCI Express a guest sees the place 0 alone");
	}
	return 0;
}

/* Others of its slot must be other functions, and function 0 says that there are some. */
static int check_others(const struct json_node *devices, size_t index, const struct json_node *node,
	const struct place *place, struct json_object *root, struct err *err)
{
	for (size_t i = 0; i < index; i++) {
		struct json_object *other = json_object_array_get_idx(devices->value, i);
		struct place its;

		if (!find_place(root, other, &its) || !is_same_slot(&its, place)) {
			continue;
		}
		if (its.function == place->function) {
			return json_fail(node, -EINVAL, err, "devices[%zu] is there already", i);
		}
		if (its.function == 0 && !typed_flag(other, "multifunction")) {
			return json_fail(node, -EINVAL, err,
				"devices[%zu] has that place without \"multifunction\"", i);
		}
	}
	return 0;
}

/* A second one behind a port gets a place where no guest looks for it. */
static int check_port(
	const struct json_node *devices, size_t index, struct json_object *root, struct err *err)
{
	struct json_node device = json_element(devices, index), node;
	const char *bus = typed_text(device.value, "bus");

	if (!bus || typed_text(device.value, "addr") || !is_port(root, bus)) {
		return 0;
	}
	for (size_t i = 0; i < index; i++) {
		struct json_object *other = json_object_array_get_idx(devices->value, i);
		const char *its = typed_text(other, "bus");

		if (its && !strcmp(its, bus) && !typed_text(other, "addr")) {
			json_member(&device, "bus", &node);
			return json_fail(&node, -EINVAL, err,
				"devices[%zu] is behind that port, which has place for one", i);
		}
	}
	return 0;
}

static int check_root_bus(
	const struct json_node *root, const struct json_node *device, struct err *err)
{
	const struct machine *machine = machine_of(root->value);
	const char *kind = typed_text(device->value, "kind");
	struct json_node node;

	if ((!strcmp(kind, "pcie_root_port") || !strcmp(kind, "pxb_pcie") ||
		    !strcmp(kind, "iommu")) &&
		machine && strcmp(machine->bus, "pcie.0") && !typed_has(device, "bus")) {
		json_member(device, "kind", &node);
		return json_fail(&node, -EINVAL, err,
			"needs PCI Express: a machine as \"q35\", which \"%.32s\" is not",
			machine->prefix);
	}
	return 0;
}

/* QEMU knows a port by both numbers. */
static int check_chassis(const struct json_node *devices, size_t index, struct err *err)
{
	struct json_node device = json_element(devices, index);

	if (!strstr(typed_text(device.value, "kind"), "_port") ||
		strstr(typed_text(device.value, "kind"), "upstream")) {
		return 0;
	}
	for (size_t i = 0; i < index; i++) {
		struct json_object *other = json_object_array_get_idx(devices->value, i);
		const char *kind = typed_text(other, "kind");

		if (strstr(kind, "_port") && !strstr(kind, "upstream") &&
			typed_number(other, "chassis") == typed_number(device.value, "chassis") &&
			typed_number(other, "slot") == typed_number(device.value, "slot")) {
			return json_fail(&device, -EINVAL, err,
				"devices[%zu] has the same \"chassis\" and \"slot\"", i);
		}
	}
	return 0;
}

int typed_check_places(const struct json_node *root, struct err *err)
{
	struct json_node devices, node;
	struct place place;
	int r = 0;

	for (size_t i = 0;
		r == 0 && json_member(root, "devices", &devices) && i < json_length(&devices);
		i++) {
		struct json_node device = json_element(&devices, i);

		r = check_root_bus(root, &device, err);
		r = r < 0 ? r : check_port(&devices, i, root->value, err);
		r = r < 0 ? r : check_chassis(&devices, i, err);
		if (r < 0 || !find_place(root->value, device.value, &place)) {
			continue;
		}
		json_member(&device, "addr", &node);
		r = check_own(root, &node, &place, err);
		r = r < 0 ? r : check_others(&devices, i, &node, &place, root->value, err);
	}
	return r;
}
