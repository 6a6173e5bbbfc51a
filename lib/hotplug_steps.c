/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the options of one device to QMP commands: first what stands behind it, then the device. */
#include "lib/hotplug_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/openfile.h"
#include "lib/typed_impl.h"

struct json_object *hotplug_one(const char *key, const char *value)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, key, json_object_new_string(value));
	return o;
}

struct json_object *hotplug_step(struct hotplug_plan *plan, const char *command,
	struct json_object *arguments, const char *undo, struct json_object *undo_arguments)
{
	struct json_object *step = json_object_new_object(), *back;

	json_object_object_add(step, "execute", json_object_new_string(command));
	if (arguments) {
		json_object_object_add(step, "arguments", arguments);
	}
	if (undo) {
		back = json_object_new_object();
		json_object_object_add(back, "execute", json_object_new_string(undo));
		json_object_object_add(back, "arguments", undo_arguments);
		json_object_object_add(step, "undo", back);
	}
	json_object_array_add(plan->steps, step);
	return step;
}

static struct json_object *number(const char *text)
{
	uint64_t size = typed_size(text);

	return json_object_new_int64(size ? (int64_t)size : (int64_t)strtoull(text, NULL, 0));
}

static struct json_object *value_of(const struct vmdesc_property *p)
{
	switch (p->type) {
	case VMDESC_BOOL:
		return json_object_new_boolean(!strcmp(p->value, "on"));
	case VMDESC_NUMBER:
		return number(p->value);
	case VMDESC_STRING:
		break;
	}
	return json_object_new_string(p->value);
}

struct json_object *hotplug_properties(const struct vmdesc_option *o)
{
	struct json_object *json = json_object_new_object();

	for (size_t i = 0; i < o->properties_len; i++) {
		json_object_object_add(json, o->properties[i].key, value_of(&o->properties[i]));
	}
	return json;
}

static int add_netdev(const struct hotplug_build *b, const struct vmdesc_option *o, struct err *err)
{
	(void)err;
	hotplug_step(b->plan, "netdev_add", hotplug_properties(o), "netdev_del",
		hotplug_one("id", vmdesc_get(o, "id")));
	return 0;
}

static int add_object(const struct hotplug_build *b, const struct vmdesc_option *o, struct err *err)
{
	(void)err;
	hotplug_step(b->plan, "object-add", hotplug_properties(o), "object-del",
		hotplug_one("id", vmdesc_get(o, "id")));
	return 0;
}

/* Its own undoing is device_del, which takes the guest's consent: the last step is never undone. */
static int add_device(const struct hotplug_build *b, const struct vmdesc_option *o, struct err *err)
{
	struct json_object *arguments = hotplug_properties(o);
	const char *kind = typed_text(b->node->value, "kind"),
		   *cache = typed_text(b->node->value, "cache");

	(void)err;
	if (!strcmp(kind, "cpu")) {
		hotplug_step(b->plan, "query-hotpluggable-cpus", NULL, NULL, NULL);
	}
	if (cache && (!strcmp(cache, "writethrough") || !strcmp(cache, "directsync"))) {
		json_object_object_add(arguments, "write-cache", json_object_new_string("off"));
	}
	hotplug_step(b->plan, HOTPLUG_ADD, arguments, NULL, NULL);
	return 0;
}

/* In this order, whatever the emitter's. */
static const struct {
	const char *option;
	int (*add)(const struct hotplug_build *b, const struct vmdesc_option *o, struct err *err);
} makers[] = {
	{"-object", add_object},
	{"-chardev", hotplug_chardev},
	{"-netdev", add_netdev},
	{"-drive", hotplug_block},
	{"-device", add_device},
};

static int refuse_option(
	const struct hotplug_build *b, const struct vmdesc_option *o, struct err *err)
{
	if (o->kind == VMDESC_LIST) {
		if (!vmdesc_get(o, "id")) {
			return json_fail(b->node, -EINVAL, err, "its \"%s\" has no id", o->name);
		}
		for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
			if (!strcmp(o->name, makers[i].option)) {
				return 0;
			}
		}
	}
	return json_fail(b->node, -EOPNOTSUPP, err,
		"\"%.64s\" can't be said to a machine that runs", o->name ? o->name : o->text);
}

/* Descriptors go before what uses them. Undone by closefd, which fails where they were used. */
static void pass_fds(const struct hotplug_build *b)
{
	bool disk = !strcmp(typed_text(b->node->value, "kind"), "block");

	for (size_t i = 0; i < b->plan->fds.len && !disk && !b->context->from_start; i++) {
		char name[48];
		struct json_object *step;

		snprintf(name, sizeof(name), "xendmd%u-%zu", b->context->serial,
			i + OPENFILE_FIRST_FD);
		step = hotplug_step(b->plan, "getfd", hotplug_one("fdname", name), "closefd",
			hotplug_one("fdname", name));
		json_object_object_add(step, "fd", json_object_new_int64((int64_t)i));
	}
}

int hotplug_add_steps(const struct hotplug_build *b, const struct vmdesc *d, struct err *err)
{
	int r = 0;
	unsigned devices = 0;

	for (size_t i = 0; r == 0 && i < d->len; i++) {
		r = refuse_option(b, &d->options[i], err);
		devices += d->options[i].name && !strcmp(d->options[i].name, "-device");
	}
	if (r == 0 && (devices > 1 || d->len == 0)) {
		return json_fail(b->node, -EINVAL, err, "must be one device");
	}
	if (r == 0) {
		pass_fds(b);
	}
	for (size_t m = 0; r == 0 && m < ARRAY_SIZE(makers); m++) {
		for (size_t i = 0; r == 0 && i < d->len; i++) {
			if (!strcmp(d->options[i].name, makers[m].option)) {
				r = makers[m].add(b, &d->options[i], err);
			}
		}
	}
	return r;
}
