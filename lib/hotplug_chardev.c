/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* A character device that is plugged in: QMP nests what an option says in a row. */
#include "lib/hotplug_private.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/typed_impl.h"

/* A client's "wait" is refused since QEMU 6.0. */
static struct json_object *socket_data(const struct vmdesc_option *chardev)
{
	bool server = vmdesc_get(chardev, "server") != NULL;
	struct json_object *data = json_object_new_object(), *address = hotplug_one("type", "unix");

	json_object_object_add(address, "data", hotplug_one("path", vmdesc_get(chardev, "path")));
	json_object_object_add(data, "addr", address);
	json_object_object_add(data, "server", json_object_new_boolean(server));
	if (server) {
		json_object_object_add(data, "wait", json_object_new_boolean(false));
	}
	return data;
}

static struct json_object *data_of(const struct vmdesc_option *chardev, const char *backend)
{
	const char *path = vmdesc_get(chardev, "path");

	if (!strcmp(backend, "socket")) {
		return path ? socket_data(chardev) : NULL;
	}
	if (!strcmp(backend, "file")) {
		return path ? hotplug_one("out", path) : NULL;
	}
	if (!strcmp(backend, "pipe") || !strcmp(backend, "serial")) {
		return path ? hotplug_one("device", path) : NULL;
	}
	return strcmp(backend, "pty") ? NULL : json_object_new_object();
}

int hotplug_chardev(
	const struct hotplug_build *b, const struct vmdesc_option *chardev, struct err *err)
{
	const char *backend = vmdesc_get(chardev, "backend"), *id = vmdesc_get(chardev, "id");
	struct json_object *data = backend ? data_of(chardev, backend) : NULL, *arguments, *inner;
	struct json_node node;

	if (!data && !b->context->from_start) {
		return json_fail(json_member(b->node, "backend", &node) ? &node : b->node,
			-EOPNOTSUPP, err, "a \"%.32s\" can't be plugged in",
			backend ? backend : "chardev");
	}
	inner = hotplug_one("type", backend ? backend : "");
	json_object_object_add(inner, "data", data);
	arguments = hotplug_one("id", id);
	json_object_object_add(arguments, "backend", inner);
	hotplug_step(b->plan, "chardev-add", arguments, "chardev-remove", hotplug_one("id", id));
	return 0;
}
