/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/devicelist.h"

#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/limits.h"

static const char *const states[_DEVICE_STATE_MAX] = {
	[DEVICE_PRESENT] = "present",
	[DEVICE_ADDING] = "adding",
	[DEVICE_UNDOING] = "undoing",
	[DEVICE_REMOVING] = "removing",
	[DEVICE_CLEANING] = "cleaning",
	[DEVICE_LEFT] = "left",
};

const char *device_state_name(enum device_state state)
{
	return states[state];
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *value = json_object_object_get(o, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

struct json_object *device_entry_new(const char *id, struct json_object *device, bool added)
{
	struct json_object *entry = json_object_new_object();
	const char *kind = text_of(device, "kind");

	if (!entry) {
		return NULL;
	}
	json_object_object_add(entry, "id", id ? json_object_new_string(id) : NULL);
	json_object_object_add(entry, "kind", json_object_new_string(kind ? kind : ""));
	device_entry_set_state(entry, DEVICE_PRESENT);
	json_object_object_add(entry, "added", json_object_new_boolean(added));
	json_object_object_add(entry, "device", json_object_get(device));
	return entry;
}

void device_entry_set_steps(struct json_object *entry, struct json_object *steps, bool has_device)
{
	json_object_object_add(entry, "has_device", json_object_new_boolean(has_device));
	json_object_object_add(entry, "steps", json_object_get(steps));
}

const char *device_entry_id(struct json_object *entry)
{
	return text_of(entry, "id");
}

const char *device_entry_kind(struct json_object *entry)
{
	const char *kind = text_of(entry, "kind");

	return kind ? kind : "";
}

enum device_state device_entry_state(struct json_object *entry)
{
	const char *name = text_of(entry, "state");

	for (int i = 0; name && i < _DEVICE_STATE_MAX; i++) {
		if (!strcmp(states[i], name)) {
			return i;
		}
	}
	return DEVICE_PRESENT;
}

void device_entry_set_state(struct json_object *entry, enum device_state state)
{
	json_object_object_add(entry, "state", json_object_new_string(states[state]));
}

bool device_entry_flag(struct json_object *entry, const char *key)
{
	return json_object_get_boolean(json_object_object_get(entry, key));
}

void device_entry_set_text(struct json_object *entry, const char *key, const char *text)
{
	json_object_object_add(entry, key, json_object_new_string(text));
}

size_t device_entry_steps(struct json_object *entry)
{
	struct json_object *steps = json_object_object_get(entry, "steps");

	return json_object_is_type(steps, json_type_array) ? json_object_array_length(steps) : 0;
}

struct json_object *device_entry_step(struct json_object *entry, size_t index)
{
	return json_object_array_get_idx(json_object_object_get(entry, "steps"), index);
}

size_t device_entry_done(struct json_object *entry)
{
	int64_t done = json_object_get_int64(json_object_object_get(entry, "done"));
	size_t steps = device_entry_steps(entry);

	return done < 0 ? 0 : (size_t)done > steps ? steps : (size_t)done;
}

void device_entry_set_done(struct json_object *entry, size_t done)
{
	json_object_object_add(entry, "done", json_object_new_int64((int64_t)done));
}

const char *device_step(struct json_object *step, bool undo, struct json_object **ret_arguments)
{
	if (undo && json_object_get_boolean(json_object_object_get(step, "undone"))) {
		return NULL;
	}
	step = undo ? json_object_object_get(step, "undo") : step;
	*ret_arguments = json_object_object_get(step, "arguments");
	return text_of(step, "execute");
}

int device_step_fd(struct json_object *step)
{
	struct json_object *fd;

	return json_object_object_get_ex(step, "fd", &fd) ? json_object_get_int(fd) : -1;
}

void device_step_text(struct json_object *step, bool undo, char *ret, size_t size)
{
	static const char *const keys[] = {"id", "node-name", "fdname"};
	struct json_object *arguments = NULL;
	const char *command = device_step(step, undo, &arguments), *id = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(keys) && !id; i++) {
		id = text_of(arguments, keys[i]);
	}
	snprintf(ret, size, "%.60s%s%.100s", command ? command : "?", id ? " " : "", id ? id : "");
}

struct json_object *devicelist_find(struct json_object *list, const char *id)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);
		const char *other = device_entry_id(entry);

		if (other && !strcmp(other, id)) {
			return entry;
		}
	}
	return NULL;
}

void devicelist_drop(struct json_object *list, struct json_object *entry)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		if (json_object_array_get_idx(list, i) == entry) {
			json_object_array_del_idx(list, i, 1);
			return;
		}
	}
}

/* What is done with the contents of a step is said to QEMU, which judges it. */
static bool entry_is_valid(struct json_object *entry)
{
	size_t steps = device_entry_steps(entry);

	if (!json_object_is_type(entry, json_type_object) || !text_of(entry, "state") ||
		!json_object_is_type(json_object_object_get(entry, "device"), json_type_object)) {
		return false;
	}
	for (size_t i = 0; i < steps; i++) {
		if (!text_of(device_entry_step(entry, i), "execute")) {
			return false;
		}
	}
	return true;
}

bool devicelist_is_valid(struct json_object *list)
{
	if (!json_object_is_type(list, json_type_array) ||
		json_object_array_length(list) > LIMIT_DEVICES) {
		return false;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (!entry_is_valid(json_object_array_get_idx(list, i))) {
			return false;
		}
	}
	return true;
}

static struct json_object *show(struct json_object *entry)
{
	static const char *const keys[] = {"id", "kind", "state", "added", "pty", "left", "device"};
	struct json_object *shown = json_object_new_object(), *value;

	for (size_t i = 0; shown && i < ARRAY_SIZE(keys); i++) {
		if (json_object_object_get_ex(entry, keys[i], &value)) {
			json_object_object_add(shown, keys[i], json_object_get(value));
		}
	}
	return shown;
}

struct json_object *devicelist_show(struct json_object *list)
{
	struct json_object *shown = json_object_new_array();

	for (size_t i = 0; shown && list && i < json_object_array_length(list); i++) {
		json_object_array_add(shown, show(json_object_array_get_idx(list, i)));
	}
	return shown;
}
