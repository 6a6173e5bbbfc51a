/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a description says that only newer versions of QEMU know. How they want the same thing
 * written is lib/qemuopt's. */
#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/typed_impl.h"

static int refuse(const struct json_node *node, unsigned since, unsigned version, struct err *err)
{
	return json_fail(node, -EINVAL, err, "QEMU knows this since %u.%u, and this one is %u.%u",
		since / 100, since % 100, version / 100, version % 100);
}

static int check_machine(const struct json_node *qemu, unsigned version, struct err *err)
{
	static const struct {
		const char *type;
		unsigned since;
	} machines[] = {{"xenpvh", 902}};
	const char *type = typed_text(json_object_object_get(qemu->value, "machine"), "type");
	struct json_node machine, node;

	for (size_t i = 0; type && i < ARRAY_SIZE(machines); i++) {
		if (!strcmp(type, machines[i].type) && version < machines[i].since) {
			json_member(qemu, "machine", &machine);
			json_member(&machine, "type", &node);
			return refuse(&node, machines[i].since, version, err);
		}
	}
	return 0;
}

static int check_device(const struct json_node *device, unsigned version, struct err *err)
{
	static const struct {
		const char *kind, *key;
		unsigned since;
	} fields[] = {{"vfio", "devfs_dev", 900}};
	const char *kind = typed_text(device->value, "kind");
	struct json_node node;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!strcmp(kind, fields[i].kind) && version < fields[i].since &&
			json_member(device, fields[i].key, &node)) {
			return refuse(&node, fields[i].since, version, err);
		}
	}
	return 0;
}

int typed_check_version(const struct json_node *qemu, unsigned version, struct err *err)
{
	struct json_node devices;
	int r = version ? check_machine(qemu, version, err) : 0;

	if (!version || !json_member(qemu, "devices", &devices)) {
		return r;
	}
	for (size_t i = 0; r == 0 && i < json_length(&devices); i++) {
		struct json_node device = json_element(&devices, i);

		r = check_device(&device, version, err);
	}
	return r;
}
