/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of a whole machine: what its nodes, slots and devices come to. */
#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/typed_impl.h"

#define DEFAULT_SIZE "128M" /* QEMU's */
#define LOCAL_DISTANCE 10

static uint64_t memory_size(struct json_object *root, const char *key, const char *otherwise)
{
	const char *text = typed_text(json_object_object_get(root, "memory"), key);

	return typed_size(text ? text : otherwise);
}

static int64_t id_of_node(struct json_object *nodes, size_t index)
{
	return typed_int(json_object_array_get_idx(nodes, index), "node_id", (int64_t)index);
}

static bool has_node(struct json_object *root, int64_t id)
{
	struct json_object *nodes = json_object_object_get(root, "numa_nodes");

	if (!nodes) {
		return id == 0 && typed_has_memory_backend(root);
	}
	for (size_t i = 0; i < json_object_array_length(nodes); i++) {
		if (id_of_node(nodes, i) == id) {
			return true;
		}
	}
	return false;
}

/* From 0 on, each once. */
static int check_node_ids(
	const struct json_node *root, const struct json_node *nodes, struct err *err)
{
	for (size_t i = 0; i < json_length(nodes); i++) {
		struct json_node node = json_element(nodes, i);

		for (size_t j = 0; j < i; j++) {
			if (id_of_node(nodes->value, i) == id_of_node(nodes->value, j)) {
				return json_fail(&node, -EINVAL, err,
					"numa_nodes[%zu] has the same \"node_id\"", j);
			}
		}
		if (!has_node(root->value, (int64_t)i)) {
			return json_fail(nodes, -EINVAL, err,
				"their numbers begin with 0 and leave none out: there is no node "
				"%zu",
				i);
		}
	}
	return 0;
}

static int check_node_sizes(
	const struct json_node *root, const struct json_node *nodes, struct err *err)
{
	uint64_t sum = 0, all = memory_size(root->value, "size", DEFAULT_SIZE);
	bool given = false;

	for (size_t i = 0; i < json_length(nodes); i++) {
		const char *size =
			typed_text(json_object_array_get_idx(nodes->value, i), "mem_size");

		given |= size != NULL;
		if (size && typed_size(size) == UINT64_MAX) {
			return 0;
		}
		sum += size ? typed_size(size) : 0;
	}
	return !given || all == UINT64_MAX || sum == all
		       ? 0
		       : json_fail(nodes, -EINVAL, err,
				 "have %llu MiB together, where the machine's \"memory\" has %llu",
				 (unsigned long long)sum >> 20, (unsigned long long)all >> 20);
}

static int check_distances(const struct json_node *root, struct err *err)
{
	static const char *const ends[] = {"src", "dst"};
	struct json_node dists, node;

	if (!json_member(root, "numa_dists", &dists)) {
		return 0;
	}
	for (size_t i = 0; i < json_length(&dists); i++) {
		struct json_node dist = json_element(&dists, i);

		for (size_t end = 0; end < ARRAY_SIZE(ends); end++) {
			if (!has_node(root->value, typed_int(dist.value, ends[end], 0))) {
				json_member(&dist, ends[end], &node);
				return json_fail(&node, -EINVAL, err, "there is no such node");
			}
		}
		if (typed_int(dist.value, "src", 0) == typed_int(dist.value, "dst", 0) &&
			typed_int(dist.value, "val", 0) != LOCAL_DISTANCE) {
			json_member(&dist, "val", &node);
			return json_fail(&node, -EINVAL, err, "from a node to itself it is %d",
				LOCAL_DISTANCE);
		}
	}
	return 0;
}

static int check_pxb(const struct json_node *root, const struct json_node *device, struct err *err)
{
	if (strcmp(typed_text(device->value, "kind"), "pxb_pcie") ||
		has_node(root->value, typed_int(device->value, "numa_node", 0))) {
		return 0;
	}
	return json_fail(device, -EINVAL, err,
		"its \"numa_node\" %lld is none of the machine's (\"numa_nodes\", or a knob as "
		"\"mem_prealloc\" for a single one)",
		(long long)typed_int(device->value, "numa_node", 0));
}

static uint64_t object_size(struct json_object *device)
{
	struct json_object *size = json_object_object_get(device, "size");

	return json_object_is_type(size, json_type_string)
		       ? typed_size(json_object_get_string(size))
		       : json_object_get_uint64(size);
}

static int check_nvdimm(
	const struct json_node *root, const struct json_node *driver, struct err *err)
{
	struct json_object *machine = json_object_object_get(root->value, "machine");
	const char *options = typed_text(machine, "options");
	const char *acceleration = typed_text(machine, "acceleration");

	if (strcmp(json_object_get_string(driver->value), "nvdimm") ||
		(options && (strstr(options, "nvdimm=on") || strchr(options, '$'))) ||
		(acceleration && strstr(acceleration, "nvdimm=on"))) {
		return 0;
	}
	return json_fail(driver, -EINVAL, err, "needs \"options\": \"nvdimm=on\" in \"machine\"");
}

/* What is plugged in sits in slots, and in what "max_mem" leaves beside the machine's memory. */
struct room {
	int64_t slots;
	uint64_t bytes; /* UINT64_MAX: not known */
};

static int check_dimm(const struct json_node *root, const struct json_node *device,
	struct room *room, struct err *err)
{
	uint64_t size = object_size(device->value);
	struct json_node node;
	int r;

	if (!json_member(device, "driver", &node) ||
		strcmp(typed_text(device->value, "kind"), "memory_object")) {
		return 0;
	}
	if (!memory_size(root->value, "max_mem", "0K")) {
		return json_fail(
			&node, -EINVAL, err, "needs \"slots\" and \"max_mem\" in \"memory\"");
	}
	r = check_nvdimm(root, &node, err);
	if (r == 0 && --room->slots < 0) {
		return json_fail(device, -EINVAL, err, "has no slot left (\"memory.slots\")");
	}
	if (r == 0 && size != UINT64_MAX && room->bytes != UINT64_MAX && size > room->bytes) {
		return json_fail(device, -EINVAL, err,
			"is more than \"memory.max_mem\" leaves beside what is there");
	}
	room->bytes -= size != UINT64_MAX && room->bytes != UINT64_MAX ? size : 0;
	return r;
}

static int check_devices(const struct json_node *root, struct err *err)
{
	uint64_t max = memory_size(root->value, "max_mem", "0K");
	uint64_t size = memory_size(root->value, "size", DEFAULT_SIZE);
	struct room room = {
		.slots = typed_int(json_object_object_get(root->value, "memory"), "slots", 0),
		.bytes = max == UINT64_MAX || size == UINT64_MAX || max < size ? UINT64_MAX
									       : max - size};
	struct json_node devices;
	int r = 0;

	for (size_t i = 0;
		r == 0 && json_member(root, "devices", &devices) && i < json_length(&devices);
		i++) {
		struct json_node device = json_element(&devices, i);

		r = check_dimm(root, &device, &room, err);
		r = r < 0 ? r : check_pxb(root, &device, err);
	}
	return r;
}

int typed_check_memory_whole(const struct json_node *root, struct err *err)
{
	struct json_node nodes;
	int r = 0;

	if (json_member(root, "numa_nodes", &nodes)) {
		r = check_node_ids(root, &nodes, err);
		r = r < 0 ? r : check_node_sizes(root, &nodes, err);
	}
	r = r < 0 ? r : check_distances(root, err);
	return r < 0 ? r : check_devices(root, err);
}
