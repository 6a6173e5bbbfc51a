/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ids of a whole machine: each once among its like, whoever gives it: a field, a knob that makes an
 * object of its own, or a raw argument. (lib/qemuopt looks once more at what is printed, when
 * placeholders have their values and there is no text to point into.)
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/qemuopt.h"
#include "lib/typed_impl.h"

#define ID_MAX 128

enum space {
	SPACE_DEVICE,
	SPACE_OBJECT,
	SPACE_NETDEV,
	SPACE_CHARDEV,
	SPACE_DRIVE,
	SPACE_FSDEV,
	_SPACE_MAX
};
static const char *const options[] = {
	"-device", "-object", "-netdev", "-chardev", "-drive", "-fsdev"};

/* What was seen, as the keys of an object for each space. */
struct ids {
	struct json_object *seen[_SPACE_MAX];
};

static int note(const struct ids *ids, enum space space, const char *id,
	const struct json_node *node, struct err *err)
{
	if (strchr(id, '$')) {
		return 0;
	}
	if (!qemuopt_is_id(id)) {
		return json_fail(node, -EINVAL, err,
			"the id \"%.64s\" must be a letter, then letters, digits, \"-\", \".\" and "
			"\"_\"",
			id);
	}
	if (json_object_object_get_ex(ids->seen[space], id, NULL)) {
		return json_fail(node, -EINVAL, err, "a second %s has the id \"%.64s\"",
			options[space] + 1, id);
	}
	return json_object_object_add(ids->seen[space], id, NULL) < 0 ? json_no_memory(node, err)
								      : 0;
}

static int note_member(const struct ids *ids, enum space space, const struct json_node *object,
	const char *key, struct err *err)
{
	struct json_node node;

	return json_member(object, key, &node)
		       ? note(ids, space, json_object_get_string(node.value), &node, err)
		       : 0;
}

static const struct id_field {
	const char *kind, *key;
	enum space space;
} fields[] = {
	{"memory_object", "id", SPACE_OBJECT},
	{"memory_object", "device_id", SPACE_DEVICE},
	{"fs", "id", SPACE_FSDEV},
	{"char", "id", SPACE_CHARDEV},
	{"char", "device_id", SPACE_DEVICE},
	{"net", "id", SPACE_NETDEV},
	{"net", "device_id", SPACE_DEVICE},
	{"block", "id", SPACE_DRIVE},
	{"block", "device_id", SPACE_DEVICE},
	{"vhost_user", "char_dev_id", SPACE_CHARDEV},
	{"vhost_user", "type_dev_id", SPACE_DEVICE},
	{"rng", "id", SPACE_OBJECT},
};

/* Where a kind's table has no word on it, "id" is the device's own. */
static enum space space_of(const struct json_node *device, const struct id_field *f)
{
	const char *type = typed_text(device->value, "vhost_user_type");

	if (type && f->space == SPACE_DEVICE && !strncmp(type, "virtio-net", 10)) {
		return SPACE_NETDEV;
	}
	type = typed_text(device->value, "type");
	return !strcmp(f->kind, "net") && type && !strcmp(type, "vfio") ? SPACE_DEVICE : f->space;
}

static int note_device(const struct ids *ids, const struct json_node *device, struct err *err)
{
	const char *kind = typed_text(device->value, "kind");
	bool known = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fields); i++) {
		if (!strcmp(fields[i].kind, kind)) {
			known = true;
			r = note_member(
				ids, space_of(device, &fields[i]), device, fields[i].key, err);
		}
	}
	return known || r < 0 ? r : note_member(ids, SPACE_DEVICE, device, "id", err);
}

static bool find_space(struct json_object *option, enum space *ret)
{
	const char *text =
		json_object_is_type(option, json_type_string) ? json_object_get_string(option) : "";

	for (unsigned i = 0; i < _SPACE_MAX; i++) {
		if (!strcmp(text, options[i]) || (*text == '-' && !strcmp(text + 1, options[i]))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* ",id=" of an argument that somebody has written as a text; two commas are one that ends nothing.
 */
static bool find_id(const char *text, char ret[ID_MAX])
{
	for (const char *p = text; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		if (p[0] == ',') {
			p++;
		} else if (!strncmp(p, "id=", 3)) {
			snprintf(ret, ID_MAX, "%.*s", (int)strcspn(p + 3, ","), p + 3);
			return true;
		}
	}
	return false;
}

static int note_raw(const struct ids *ids, const struct json_node *device, struct err *err)
{
	struct json_node args;
	enum space space;
	char id[ID_MAX];
	int r = 0;

	json_member(device, "args", &args);
	for (size_t i = 1; r == 0 && i < json_length(&args); i++) {
		struct json_node arg = json_element(&args, i);

		if (!find_space(json_element(&args, i - 1).value, &space)) {
			continue;
		}
		if (json_object_is_type(arg.value, json_type_object)) {
			r = note_member(ids, space, &arg, "id", err);
		} else if (find_id(json_object_get_string(arg.value), id)) {
			r = note(ids, space, id, &arg, err);
		}
	}
	return r;
}

/* Objects that nobody named. */
static int note_memory(const struct ids *ids, const struct json_node *root, struct err *err)
{
	struct json_node nodes;
	char id[32];
	int r = 0;

	if (!json_member(root, "numa_nodes", &nodes)) {
		return typed_has_memory_backend(root->value)
			       ? note(ids, SPACE_OBJECT, TYPED_BACKEND_ID, root, err)
			       : 0;
	}
	for (size_t i = 0; r == 0 && i < json_length(&nodes); i++) {
		struct json_node node = json_element(&nodes, i);

		snprintf(id, sizeof(id), TYPED_NUMA_BACKEND_ID, i);
		r = note(ids, SPACE_OBJECT, id, &node, err);
	}
	return r;
}

static int note_all(const struct ids *ids, const struct json_node *root, struct err *err)
{
	struct json_node iothreads, devices;
	int r = note_memory(ids, root, err);

	for (size_t i = 0;
		r == 0 && json_member(root, "iothreads", &iothreads) && i < json_length(&iothreads);
		i++) {
		struct json_node iothread = json_element(&iothreads, i);

		r = note_member(ids, SPACE_OBJECT, &iothread, "id", err);
	}
	for (size_t i = 0;
		r == 0 && json_member(root, "devices", &devices) && i < json_length(&devices);
		i++) {
		struct json_node device = json_element(&devices, i);
		bool raw = !strcmp(typed_text(device.value, "kind"), "raw");

		r = raw ? note_raw(ids, &device, err) : note_device(ids, &device, err);
	}
	return r;
}

int typed_check_ids(const struct json_node *root, struct err *err)
{
	struct ids ids = {0};
	int r = 0;

	for (unsigned i = 0; i < _SPACE_MAX; i++) {
		ids.seen[i] = json_object_new_object();
		r = ids.seen[i] ? r : json_no_memory(root, err);
	}
	if (r == 0) {
		r = note_all(&ids, root, err);
	}
	for (unsigned i = 0; i < _SPACE_MAX; i++) {
		json_object_put(ids.seen[i]);
	}
	return r;
}
