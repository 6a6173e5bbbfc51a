/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of a whole machine need of each other, beside ids, buses and places. */
#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/typed_impl.h"

static bool is_kind(struct json_object *device, const char *kind)
{
	return !strcmp(typed_text(device, "kind"), kind);
}

/* Raw arguments may bring anything. */
static bool has_kind(struct json_object *root, const char *kind)
{
	struct json_object *devices = json_object_object_get(root, "devices");

	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);

		if (is_kind(device, kind) || is_kind(device, "raw")) {
			return true;
		}
	}
	return false;
}

/* A device that goes to a bus which only another device makes. */
static int check_controller(
	const struct json_node *root, const struct json_node *device, struct err *err)
{
	static const struct {
		const char *driver, *kind;
	} needs[] = {{"virtconsole", "serial"}, {"virtserialport", "serial"},
		{"scsi-hd", "scsi_controller"}, {"scsi-cd", "scsi_controller"},
		{"scsi-block", "scsi_controller"}, {"scsi-generic", "scsi_controller"}};
	const char *driver = typed_text(device->value, "driver");
	struct json_node node;

	for (size_t i = 0; driver && i < ARRAY_SIZE(needs); i++) {
		if (!strcmp(driver, needs[i].driver) && !has_kind(root->value, needs[i].kind)) {
			json_member(device, "driver", &node);
			return json_fail(&node, -EINVAL, err,
				"needs a device of the kind \"%s\" before it", needs[i].kind);
		}
	}
	return 0;
}

/* What talks to a chardev; NULL: nothing. */
static const char *chardev_of(struct json_object *device)
{
	if (is_kind(device, "char")) {
		return strcmp(typed_text(device, "driver"), "serial") ? typed_text(device, "id")
								      : NULL;
	}
	return typed_text(device, "chardev");
}

static int check_chardev(const struct json_node *devices, size_t index, struct err *err)
{
	struct json_node device = json_element(devices, index);
	const char *chardev = chardev_of(device.value);

	for (size_t i = 0; chardev && i < index; i++) {
		const char *other = chardev_of(json_object_array_get_idx(devices->value, i));

		if (other && !strcmp(other, chardev)) {
			return json_fail(&device, -EINVAL, err,
				"devices[%zu] has the chardev \"%.64s\" already", i, chardev);
		}
	}
	return 0;
}

/* QEMU ends with a failed assertion. */
static int check_queues(const struct json_node *device, struct err *err)
{
	const char *driver = typed_text(device->value, "driver");
	struct json_node node;

	if (!is_kind(device->value, "net") || !driver || !strncmp(driver, "virtio-net", 10)) {
		return 0;
	}
	json_member(device, "driver", &node);
	return typed_net_queues(device) > 1
		       ? json_fail(&node, -EINVAL, err,
				 "has one queue, where there are several: use \"virtio-net\"")
		       : 0;
}

static bool is_written(struct json_object *device)
{
	return is_kind(device, "block") && !typed_flag(device, "read_only") &&
	       !typed_flag(device, "share_rw");
}

/* QEMU locks what it writes. */
static int check_file(const struct json_node *devices, size_t index, struct err *err)
{
	struct json_node device = json_element(devices, index), node;
	const char *file = typed_text(device.value, "file");

	if (!is_written(device.value) || strchr(file, '$')) {
		return 0;
	}
	for (size_t i = 0; i < index; i++) {
		struct json_object *other = json_object_array_get_idx(devices->value, i);

		if (is_written(other) && !strcmp(typed_text(other, "file"), file)) {
			json_member(&device, "file", &node);
			return json_fail(&node, -EINVAL, err,
				"devices[%zu] writes to it as well; QEMU allows that with "
				"\"read_only\" or \"share_rw\" alone",
				i);
		}
	}
	return 0;
}

static int check_fw_cfg(const struct json_node *root, struct err *err)
{
	struct json_node list, node;

	if (!json_member(root, "fw_cfg", &list)) {
		return 0;
	}
	for (size_t i = 0; i < json_length(&list); i++) {
		struct json_node entry = json_element(&list, i);

		for (size_t j = 0; j < i; j++) {
			if (!strcmp(typed_text(entry.value, "name"),
				    typed_text(json_object_array_get_idx(list.value, j), "name"))) {
				json_member(&entry, "name", &node);
				return json_fail(
					&node, -EINVAL, err, "fw_cfg[%zu] has it already", j);
			}
		}
	}
	return 0;
}

int typed_check_fit(const struct json_node *root, struct err *err)
{
	struct json_node devices;
	int r = check_fw_cfg(root, err);

	for (size_t i = 0;
		r == 0 && json_member(root, "devices", &devices) && i < json_length(&devices);
		i++) {
		struct json_node device = json_element(&devices, i);

		r = check_controller(root, &device, err);
		r = r < 0 ? r : check_chardev(&devices, i, err);
		r = r < 0 ? r : check_queues(&device, err);
		r = r < 0 ? r : check_file(&devices, i, err);
	}
	return r;
}
