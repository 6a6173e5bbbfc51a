/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a running machine has: by its command line, less what was taken out, and what was added.
 * QEMU keeps a list of names for each sort of thing; here "SORT:ID". */
#include "lib/hotplug_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"
#include "lib/optread.h"
#include "lib/typed_impl.h"

static const struct {
	const char *sort, *option, *command, *key;
} sorts[] = {
	{"device", "-device", HOTPLUG_ADD, "id"},
	{"netdev", "-netdev", "netdev_add", "id"},
	{"chardev", "-chardev", "chardev-add", "id"},
	{"object", "-object", "object-add", "id"},
	{"block", "-drive", "blockdev-add", "node-name"},
	{"block", "-blockdev", "blockdev-add", "node-name"},
};

/* The id in an option's value, in any of its notations; the caller frees; NULL: none. */
static char *id_in(const char *value, const char *option)
{
	const char *key = strcmp(option, "-blockdev") ? "id" : "node-name";
	_cleanup_json_ struct json_object *json = *value == '{' ? json_tokener_parse(value) : NULL;
	struct optread_value found;

	if (json) {
		const char *id =
			json_object_is_type(json, json_type_object) ? typed_text(json, key) : NULL;

		return id ? strdup(id) : NULL;
	}
	return optread_find(value, NULL, key, &found) ? optread_text(&found) : NULL;
}

static bool is_gone(const struct strv *gone, const char *sort, const char *id)
{
	size_t len = strlen(sort);

	for (size_t i = 0; gone && i < gone->len; i++) {
		const char *item = gone->items[i];

		if (!strncmp(item, sort, len) && item[len] == ':' && !strcmp(item + len + 1, id)) {
			return true;
		}
	}
	return false;
}

static bool on_command_line(const struct strv *argv, const char *sort, const char *id)
{
	for (size_t i = 1; i + 1 < argv->len; i++) {
		for (size_t s = 0; s < ARRAY_SIZE(sorts); s++) {
			_cleanup_free_ char *other = NULL;

			if (strcmp(sorts[s].sort, sort) ||
				!dmopt_is(argv->items[i], sorts[s].option)) {
				continue;
			}
			other = id_in(argv->items[i + 1], sorts[s].option);
			if (other && !strcmp(other, id)) {
				return true;
			}
		}
	}
	return false;
}

char *hotplug_made(struct json_object *step)
{
	const char *command = typed_text(step, "execute"), *id;
	struct json_object *arguments = json_object_object_get(step, "arguments");
	char *text;

	for (size_t s = 0; command && s < ARRAY_SIZE(sorts); s++) {
		if (!strcmp(sorts[s].command, command)) {
			id = typed_text(arguments, sorts[s].key);
			return id && asprintf(&text, "%s:%s", sorts[s].sort, id) >= 0 ? text : NULL;
		}
	}
	return NULL;
}

static bool was_added(struct json_object *added, const char *sort, const char *id)
{
	for (size_t i = 0; added && i < json_object_array_length(added); i++) {
		struct json_object *steps =
			json_object_object_get(json_object_array_get_idx(added, i), "steps");

		for (size_t j = 0; steps && j < json_object_array_length(steps); j++) {
			_cleanup_free_ char *made =
				hotplug_made(json_object_array_get_idx(steps, j));
			size_t len = strlen(sort);

			if (made && !strncmp(made, sort, len) && made[len] == ':' &&
				!strcmp(made + len + 1, id)) {
				return true;
			}
		}
	}
	return false;
}

bool hotplug_has(const struct hotplug_context *c, const char *sort, const char *id)
{
	return (on_command_line(c->argv, sort, id) && !is_gone(c->gone, sort, id)) ||
	       was_added(c->added, sort, id);
}

/* The machine's own, or a device's: its id, perhaps with the number of the bus behind it. */
static bool has_bus(const struct hotplug_context *c, const char *name)
{
	const char *dot = strrchr(name, '.');
	_cleanup_free_ char *id = NULL;

	if (typed_is_own_bus(name) || hotplug_has(c, "device", name)) {
		return true;
	}
	id = dot && dot[1] && !dot[1 + strspn(dot + 1, "0123456789")] ? strndup(name, dot - name)
								      : NULL;
	return id && hotplug_has(c, "device", id);
}

static bool has_referred(
	const struct hotplug_context *c, enum typed_refers refers, const char *name)
{
	switch (refers) {
	case TYPED_REFERS_NOT:
		break;
	case TYPED_REFERS_BUS:
		return has_bus(c, name);
	case TYPED_REFERS_IOTHREAD:
		return hotplug_has(c, "object", name);
	case TYPED_REFERS_CHARDEV:
		return hotplug_has(c, "chardev", name);
	}
	return true;
}

int hotplug_check_references(
	const struct hotplug_context *c, const struct json_node *device, struct err *err)
{
	const struct typed_field *f =
		typed_find_kind(typed_text(device->value, "kind"))->table.fields;
	struct json_node node;

	for (; f->key; f++) {
		const char *name = f->refers ? typed_text(device->value, f->key) : NULL;

		if (name && !has_referred(c, f->refers, name)) {
			json_member(device, f->key, &node);
			return json_fail(&node, -EINVAL, err,
				"nothing in the machine is called \"%.64s\"", name);
		}
	}
	return 0;
}

/* The member of the device that ID stands in. */
static struct json_node member_with(const struct json_node *device, const char *id)
{
	json_object_object_foreach (device->value, key, value) {
		struct json_node member;

		if (json_object_is_type(value, json_type_string) &&
			!strcmp(json_object_get_string(value), id) &&
			json_member(device, key, &member)) {
			return member;
		}
	}
	return *device;
}

int hotplug_check_new(const struct hotplug_context *c, const struct json_node *device,
	struct json_object *steps, struct err *err)
{
	for (size_t i = 0; i < json_object_array_length(steps); i++) {
		_cleanup_free_ char *made = hotplug_made(json_object_array_get_idx(steps, i));
		char *id = made ? strchr(made, ':') : NULL;
		struct json_node node;

		if (!id) {
			continue;
		}
		*id++ = '\0';
		if (hotplug_has(c, made, id)) {
			node = member_with(device, id);
			return json_fail(&node, -EINVAL, err,
				"the machine has a %s called \"%.64s\" already", made, id);
		}
	}
	return 0;
}
