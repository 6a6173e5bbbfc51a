/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Devices of a running machine: a device of the typed description (lib/typed: the same kinds, the
 * same tables, the same emitters) as QMP commands in their order, each with what undoes it. Pure.
 *
 * A step is JSON, so that it is recorded as it is: {"execute", "arguments", "undo": {"execute",
 * "arguments"}, "fd": N}. "fd" is there where the N-th of the device's descriptors goes with the
 * command, "undo" where something is left of the command. The device itself comes last.
 */
#include <stdbool.h>

#include <json-c/json.h>

#include "lib/err.h"
#include "lib/strv.h"

struct hotplug_context {
	const struct strv *argv; /* of the device model */
	/* What was added since and is not removed again: a list of objects with "steps"; and what
	 * of ARGV is not there any more, as "device:ID". May be NULL. */
	struct json_object *added;
	const struct strv *gone;
	/* The open files of the device: as "files" of a definition where a name is several; a name
	 * with "block": true is a block device. NULL: none are known. */
	struct json_object *files;
	unsigned qemu_version; /* MAJOR * 100 + MINOR */
	unsigned serial;       /* tells the descriptors of one device from those of another */
	/* It stands on ARGV: the steps are not to be carried out, only undone. */
	bool from_start;
};

struct hotplug_plan {
	char *id;		   /* what it is removed by; NULL: QEMU has no name for it */
	bool has_device;	   /* the last step is device_add, of that id */
	struct json_object *steps; /* at least one */
	struct strv fds;	   /* the file of each descriptor */
};
void hotplug_plan_fini(struct hotplug_plan *plan);

/* DEVICE as a client gave it. -EINVAL with "device.KEY: sentence"; -EOPNOTSUPP for what QEMU can't
 * plug in or take out. */
int hotplug_plan(struct json_object *device, const struct hotplug_context *context,
	struct hotplug_plan *ret, struct err *err);
/* The name by which QEMU knows a device that stands on the command line; the caller frees; NULL:
 * none, or out of memory. */
char *hotplug_id(struct json_object *device);
const char *hotplug_kind(struct json_object *device); /* NULL: it has none. Borrowed. */

/* An id of a step's command, in its form of "gone": "device:ID", "netdev:ID", …; the caller frees;
 * NULL: it makes nothing that has one. */
char *hotplug_made(struct json_object *step);

/* Fills a device_add of a CPU with the first of query-hotpluggable-cpus' answer that is free and
 * has what the arguments ask for. -ENOENT. */
int hotplug_choose_cpu(struct json_object *step, struct json_object *cpus, struct err *err);
