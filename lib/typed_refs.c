/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be told only of a machine as a whole: that what its parts refer to is there, and that a
 * daemon can keep hold of it. */
#include "lib/typed_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define SLOTS 32 /* of a PCI bus */

/* Is there an object in the list KEY of the root whose member ID_KEY is ID? */
static bool has_id(
	struct json_object *root, const char *key, const char *id_key, const char *id, size_t len)
{
	struct json_object *list = json_object_object_get(root, key);

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		const char *other = typed_text(json_object_array_get_idx(list, i), id_key);

		if (other && strlen(other) == len && !memcmp(other, id, len)) {
			return true;
		}
	}
	return false;
}

/* Raw arguments may define what the rest refers to. */
static bool in_raw(struct json_object *root, const char *id, size_t len)
{
	struct json_object *devices = json_object_object_get(root, "devices");

	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *args =
			json_object_object_get(json_object_array_get_idx(devices, i), "args");

		for (size_t j = 0; args && j < json_object_array_length(args); j++) {
			struct json_object *arg = json_object_array_get_idx(args, j);
			const char *other = json_object_is_type(arg, json_type_object)
						    ? typed_text(arg, "id")
						    : NULL;

			if (other && strlen(other) == len && !memcmp(other, id, len)) {
				return true;
			}
		}
	}
	return false;
}

/* "pci.0", "pcie.0", "ide.1", "isa.0", "usb-bus.0". */
bool typed_is_own_bus(const char *name)
{
	static const char *const own[] = {"pci.", "pcie.", "ide.", "isa.", "usb-bus.", "scsi."};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (!strncmp(name, own[i], strlen(own[i]))) {
			return true;
		}
	}
	return false;
}

/* A machine's own bus, or that of a device: its id, perhaps with the number of the bus behind it.
 */
static bool is_bus(struct json_object *root, const char *name)
{
	const char *dot = strrchr(name, '.');
	size_t len = dot && dot[1] && !dot[1 + strspn(dot + 1, "0123456789")] ? (size_t)(dot - name)
									      : strlen(name);

	return typed_is_own_bus(name) || has_id(root, "devices", "id", name, strlen(name)) ||
	       has_id(root, "devices", "id", name, len) || in_raw(root, name, len);
}

static bool is_chardev(struct json_object *root, const char *name)
{
	struct json_object *devices = json_object_object_get(root, "devices");

	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *o = json_object_array_get_idx(devices, i);
		const char *kind = typed_text(o, "kind");
		const char *id = typed_text(o, !strcmp(kind, "char") ? "id" : "char_dev_id");

		if (id && (!strcmp(kind, "char") || !strcmp(kind, "vhost_user")) &&
			!strcmp(id, name)) {
			return true;
		}
	}
	return in_raw(root, name, strlen(name));
}

static int check_reference(const struct json_node *root, const struct json_node *node,
	enum typed_refers refers, struct err *err)
{
	const char *name = json_object_get_string(node->value);
	bool found = true;

	switch (refers) {
	case TYPED_REFERS_NOT:
		break;
	case TYPED_REFERS_BUS:
		found = is_bus(root->value, name);
		break;
	case TYPED_REFERS_IOTHREAD:
		found = has_id(root->value, "iothreads", "id", name, strlen(name)) ||
			in_raw(root->value, name, strlen(name));
		break;
	case TYPED_REFERS_CHARDEV:
		found = is_chardev(root->value, name);
		break;
	}
	if (found || strchr(name, '$')) {
		return 0;
	}
	return json_fail(node, -EINVAL, err, "nothing here is called \"%.64s\"", name);
}

/* "16" is decimal: QEMU is told 10. */
static int check_slot(const struct json_node *node, struct err *err)
{
	const char *text = json_object_get_string(node->value);
	const char *slot = strrchr(text, ':') ? strrchr(text, ':') + 1 : text;
	bool decimal = !text[strspn(text, "0123456789")];

	if (!strchr(text, '$') && strtoul(slot, NULL, decimal ? 10 : 16) >= SLOTS) {
		return json_fail(node, -EINVAL, err, "a bus has the places 0 to %d", SLOTS - 1);
	}
	return 0;
}

static int check_device(
	const struct json_node *root, const struct json_node *device, struct err *err)
{
	const struct typed_kind *kind = typed_find_kind(typed_text(device->value, "kind"));
	struct json_node node;
	int r = 0;

	for (const struct typed_field *f = kind->table.fields; r == 0 && f->key; f++) {
		if (!json_member(device, f->key, &node)) {
			continue;
		}
		r = check_reference(root, &node, f->refers, err);
		if (r == 0 && f->form == TYPED_ADDR) {
			r = check_slot(&node, err);
		}
	}
	return r;
}

/* An NVDIMM and memory that is plugged in sit in slots. */
static int check_slots(
	const struct json_node *root, const struct json_node *device, struct err *err)
{
	const char *driver = typed_text(device->value, "driver");
	struct json_object *memory = json_object_object_get(root->value, "memory");
	struct json_node node;

	if (!driver || (strcmp(driver, "nvdimm") && strcmp(driver, "pc-dimm")) ||
		typed_int(memory, "slots", 0)) {
		return 0;
	}
	json_member(device, "driver", &node);
	return json_fail(&node, -EINVAL, err, "needs \"slots\" and \"max_mem\" in \"memory\"");
}

/* The supervisor must keep hold of the process, and clean up what it leaves. */
static int check_supervised(const struct json_node *root, struct err *err)
{
	static const char *const files[] = {"pid_file", "log_file"};
	struct json_node knobs, node;

	if (json_member(root, "knobs", &knobs) && typed_has(&knobs, "daemonize")) {
		json_member(&knobs, "daemonize", &node);
		return json_fail(&node, -EINVAL, err,
			"the process would leave its supervision; xendmd runs it in the background "
			"anyway");
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (json_member(root, files[i], &node) &&
			strncmp(json_object_get_string(node.value), "$RUN_DIR/", 9) != 0 &&
			strncmp(json_object_get_string(node.value), "${RUN_DIR}/", 11) != 0 &&
			root->doc->text) {
			return json_fail(&node, -EINVAL, err,
				"must lie under $RUN_DIR, which is cleaned when the domain ends");
		}
	}
	return 0;
}

int typed_check_references(const struct json_node *root, struct err *err)
{
	struct json_node devices;
	int r = check_supervised(root, err);

	if (r < 0 || !json_member(root, "devices", &devices)) {
		return r;
	}
	for (size_t i = 0; r == 0 && i < json_length(&devices); i++) {
		struct json_node device = json_element(&devices, i);

		r = check_device(root, &device, err);
		if (r == 0) {
			r = check_slots(root, &device, err);
		}
	}
	return r;
}
