/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's memory: its size, what backs it, NUMA. */
#include "lib/typed_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HUGE_PAGES_PATH "/dev/hugepages"
#define SLOTS_MAX 256 /* QEMU's ACPI_MAX_RAM_SLOTS */
#define NODES_MAX 128 /* QEMU's MAX_NODES */

static const char *const backend_types[] = {
	"memory-backend-ram", "memory-backend-file", "memory-backend-memfd", NULL};

static int check_memory(const struct json_node *memory, struct err *err)
{
	const char *size = typed_text(memory->value, "size");
	const char *max = typed_text(memory->value, "max_mem");
	struct json_node node;
	int r = typed_needs(memory, "slots", "max_mem", err);

	if (r == 0) {
		r = typed_needs(memory, "max_mem", "slots", err);
	}
	if (r == 0 && max && typed_size(max) < typed_size(size)) {
		json_member(memory, "max_mem", &node);
		r = json_fail(&node, -EINVAL, err, "is less than \"size\", which is %s", size);
	}
	return r;
}

static const struct typed_field memory_fields[] = {
	{"size", TYPED_SIZE, .required = true},
	{"slots", TYPED_UINT, .min = 1, .max = SLOTS_MAX},
	{"max_mem", TYPED_SIZE},
	{"path", TYPED_TEXT},
	{0},
};
const struct typed_table typed_memory_table = {memory_fields, check_memory};

static bool is_file_backend(const char *type)
{
	return type && !strcmp(type, "memory-backend-file");
}

static int check_node(const struct json_node *node, struct err *err)
{
	const char *type = typed_text(node->value, "mem_backend_type");
	struct json_node member;

	if (is_file_backend(type)) {
		return typed_require(
			node, "mem_backend_path", "memory-backend-file needs one", err);
	}
	if (json_member(node, "mem_backend_path", &member)) {
		return json_fail(&member, -EINVAL, err, "only with \"memory-backend-file\"");
	}
	return typed_needs(node, "mem_backend_type", "mem_size", err);
}

static const struct typed_field numa_node_fields[] = {
	{"node_id", TYPED_UINT, .max = NODES_MAX - 1},
	{"mem_size", TYPED_SIZE},
	{"mem_backend_type", TYPED_ENUM, .names = backend_types},
	{"mem_backend_path", TYPED_TEXT},
	{"host_nodes", TYPED_TEXT},
	{"cpus", TYPED_TEXT},
	{0},
};
const struct typed_table typed_numa_node_table = {numa_node_fields, check_node};

static const struct typed_field numa_dist_fields[] = {
	{"src", TYPED_UINT, .required = true, .max = NODES_MAX - 1},
	{"dst", TYPED_UINT, .required = true, .max = NODES_MAX - 1},
	{"val", TYPED_UINT, .required = true, .min = 10, .max = UINT8_MAX},
	{0},
};
const struct typed_table typed_numa_dist_table = {numa_dist_fields, NULL};

/* What a knob about memory asks for can't be had without memory. */
int typed_memory_check(const struct json_node *root, struct err *err)
{
	static const char *const knobs[] = {"huge_pages", "file_backed_mem",
		"file_backed_mem_shared", "mem_shared", "mem_prealloc", NULL};
	struct json_node all, memory, knob;
	bool has_memory = json_member(root, "memory", &memory);

	if (!json_member(root, "knobs", &all)) {
		return 0;
	}
	for (unsigned i = 0; knobs[i] && !has_memory; i++) {
		if (typed_has(&all, knobs[i])) {
			json_member(&all, knobs[i], &knob);
			return json_fail(&knob, -EINVAL, err, "needs \"memory\" with its \"size\"");
		}
	}
	if (typed_has(&all, "file_backed_mem") && !typed_has(&all, "huge_pages")) {
		return typed_require(&memory, "path", "\"file_backed_mem\" needs one", err);
	}
	return 0;
}

/* Raw arguments may say anything. */
static bool may_share(struct json_object *root)
{
	struct json_object *knobs = json_object_object_get(root, "knobs");
	struct json_object *devices = json_object_object_get(root, "devices");

	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *o = json_object_array_get_idx(devices, i);

		if (!strcmp(typed_text(o, "kind"), "raw") || typed_flag(o, "share")) {
			return true;
		}
	}
	return typed_flag(knobs, "mem_shared") || typed_flag(knobs, "file_backed_mem_shared");
}

/* The other process of a vhost-user device maps the guest's memory; where it can't, the device
 * comes up and never does anything. */
int typed_shared_memory_check(const struct json_node *root, struct err *err)
{
	struct json_node devices;

	if (!json_member(root, "devices", &devices) || may_share(root->value)) {
		return 0;
	}
	for (size_t i = 0; i < json_length(&devices); i++) {
		struct json_node device = json_element(&devices, i);

		if (!strcmp(typed_text(device.value, "kind"), "vhost_user")) {
			return json_fail(&device, -EINVAL, err,
				"needs the guest's memory shared: \"mem_shared\" in \"knobs\"");
		}
	}
	return 0;
}

/* "0-3,8": the highest; -1 where it is no such list. */
static long highest_cpu(const char *list)
{
	long highest = -1;

	while (*list) {
		char *end;
		long value = strtol(list, &end, 10);

		if (end == list || value < 0 || (*end && *end != '-' && *end != ',')) {
			return -1;
		}
		highest = value > highest ? value : highest;
		list = *end ? end + 1 : end;
	}
	return highest;
}

static int check_numa_cpus(
	const struct json_node *root, const struct json_node *node, struct err *err)
{
	struct json_object *smp = json_object_object_get(root->value, "smp");
	int64_t cpus = typed_int(smp, "max_cpus", typed_int(smp, "cpus", 1));
	const char *list = typed_text(node->value, "cpus");
	struct json_node member;
	long highest;

	if (!list || strchr(list, '$')) {
		return 0;
	}
	json_member(node, "cpus", &member);
	highest = highest_cpu(list);
	if (highest < 0) {
		return json_fail(&member, -EINVAL, err, "must be as \"0-3\" or \"0,2\"");
	}
	return highest >= cpus
		       ? json_fail(&member, -EINVAL, err,
				 "the machine has %lld processors (\"smp\")", (long long)cpus)
		       : 0;
}

int typed_numa_check(const struct json_node *root, struct err *err)
{
	struct json_node nodes;
	int r = 0;

	if (!json_member(root, "numa_nodes", &nodes)) {
		return typed_needs(root, "numa_dists", "numa_nodes", err);
	}
	for (size_t i = 0; r == 0 && i < json_length(&nodes); i++) {
		struct json_node node = json_element(&nodes, i);

		r = check_numa_cpus(root, &node, err);
	}
	return r;
}

void typed_emit_memory(struct typed_emit *e)
{
	struct json_object *memory = json_object_object_get(e->root, "memory");

	if (!memory) {
		return;
	}
	vmdesc_list(e->d, "-m", "size", "%s", typed_text(memory, "size"));
	typed_copy(e, memory, "slots", "slots");
	typed_copy(e, memory, "maxmem", "max_mem");
}

/* What is the same for every backend. */
static void set_knobs(struct typed_emit *e, struct json_object *knobs)
{
	if (typed_flag(knobs, "mem_shared") || typed_flag(knobs, "file_backed_mem_shared")) {
		vmdesc_set_switch(e->d, "share", true);
	}
	if (typed_flag(knobs, "mem_prealloc")) {
		vmdesc_set_switch(e->d, "prealloc", true);
	}
}

static void emit_node(
	struct typed_emit *e, struct json_object *knobs, struct json_object *node, size_t index)
{
	const char *type = typed_text(node, "mem_backend_type");

	if (typed_text(node, "mem_size")) {
		vmdesc_list(e->d, "-object", "qom-type", "%s", type ? type : "memory-backend-ram");
		vmdesc_set(e->d, "id", TYPED_NUMA_BACKEND_ID, index);
		typed_copy(e, node, "size", "mem_size");
		typed_copy(e, node, "mem-path", "mem_backend_path");
		if (typed_text(node, "host_nodes")) {
			typed_copy(e, node, "host-nodes", "host_nodes");
			vmdesc_set(e->d, "policy", "bind");
		}
		set_knobs(e, knobs);
	}
	vmdesc_list(e->d, "-numa", "type", "node");
	vmdesc_set(e->d, "nodeid", "%lld", (long long)typed_int(node, "node_id", index));
	if (typed_text(node, "mem_size")) {
		vmdesc_set(e->d, "memdev", TYPED_NUMA_BACKEND_ID, index);
	}
	typed_copy(e, node, "cpus", "cpus");
}

static void emit_nodes(struct typed_emit *e, struct json_object *knobs, struct json_object *nodes)
{
	static const char *const pairs[][2] = {
		{"src", "src"}, {"dst", "dst"}, {"val", "val"}, {NULL}};
	struct json_object *dists = json_object_object_get(e->root, "numa_dists");

	for (size_t i = 0; i < json_object_array_length(nodes); i++) {
		emit_node(e, knobs, json_object_array_get_idx(nodes, i), i);
	}
	for (size_t i = 0; dists && i < json_object_array_length(dists); i++) {
		vmdesc_list(e->d, "-numa", "type", "dist");
		typed_copy_all(e, json_object_array_get_idx(dists, i), pairs);
	}
}

/* Only where a knob asks for something that plain memory does not do. */
static bool wants_backend(struct json_object *knobs)
{
	return typed_flag(knobs, "huge_pages") || typed_flag(knobs, "file_backed_mem") ||
	       typed_flag(knobs, "mem_shared") || typed_flag(knobs, "file_backed_mem_shared") ||
	       typed_flag(knobs, "mem_prealloc");
}

bool typed_has_memory_backend(struct json_object *root)
{
	return wants_backend(json_object_object_get(root, "knobs"));
}

static bool has_numa(struct typed_emit *e)
{
	const char *type = typed_text(json_object_object_get(e->root, "machine"), "type");

	return !type || strcmp(type, "microvm") != 0;
}

static void emit_backend(struct typed_emit *e, struct json_object *knobs)
{
	struct json_object *memory = json_object_object_get(e->root, "memory");
	bool huge = typed_flag(knobs, "huge_pages");
	bool file = huge || typed_flag(knobs, "file_backed_mem");

	vmdesc_list(e->d, "-object", "qom-type", "memory-backend-%s", file ? "file" : "ram");
	vmdesc_set(e->d, "id", TYPED_BACKEND_ID);
	vmdesc_set(e->d, "size", "%s", typed_text(memory, "size"));
	if (file) {
		vmdesc_set(e->d, "mem-path", "%s",
			huge ? HUGE_PAGES_PATH : typed_text(memory, "path"));
	}
	set_knobs(e, knobs);
	if (has_numa(e)) {
		vmdesc_list(e->d, "-numa", "type", "node");
		vmdesc_set(e->d, "memdev", TYPED_BACKEND_ID);
	} else {
		vmdesc_list_keyed(e->d, "-machine");
		vmdesc_set(e->d, "memory-backend", TYPED_BACKEND_ID);
	}
}

void typed_emit_memory_backend(struct typed_emit *e)
{
	struct json_object *knobs = json_object_object_get(e->root, "knobs");
	struct json_object *nodes = json_object_object_get(e->root, "numa_nodes");

	if (nodes) {
		emit_nodes(e, knobs, nodes);
	} else if (wants_backend(knobs)) {
		emit_backend(e, knobs);
	}
}
