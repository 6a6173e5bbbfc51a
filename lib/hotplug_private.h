/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by hotplug*.c. */
#include "lib/hotplug.h"
#include "lib/json.h"
#include "lib/vmdesc.h"

#define HOTPLUG_ADD "device_add"

/* hotplug_steps.c: what becomes of each option. NODE is the device, for errors. */
struct hotplug_build {
	const struct json_node *node;
	const struct hotplug_context *context;
	struct hotplug_plan *plan;
};
int hotplug_add_steps(const struct hotplug_build *b, const struct vmdesc *d, struct err *err);
/* Appends a step; what is NULL is not there. ARGUMENTS and UNDO are taken over. */
struct json_object *hotplug_step(struct hotplug_plan *plan, const char *command,
	struct json_object *arguments, const char *undo, struct json_object *undo_arguments);
/* {KEY: VALUE} */
struct json_object *hotplug_one(const char *key, const char *value);
/* The properties of an option as JSON, without KEY but for its value in *RET_VALUE (borrowed). */
struct json_object *hotplug_properties(const struct vmdesc_option *o);

/* hotplug_block.c: the steps of a disk. CACHE_OFF: the device has to be told "write-cache": "off".
 */
int hotplug_block(
	const struct hotplug_build *b, const struct vmdesc_option *drive, struct err *err);
/* hotplug_chardev.c */
int hotplug_chardev(
	const struct hotplug_build *b, const struct vmdesc_option *chardev, struct err *err);

/* hotplug_ids.c: what the machine has. */
bool hotplug_has(const struct hotplug_context *c, const char *space, const char *id);
/* What the fields of the device refer to is there. */
int hotplug_check_references(
	const struct hotplug_context *c, const struct json_node *device, struct err *err);
/* What the steps make is not there yet. */
int hotplug_check_new(const struct hotplug_context *c, const struct json_node *device,
	struct json_object *steps, struct err *err);
