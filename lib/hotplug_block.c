/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A disk that is plugged in: -drive has no QMP command, blockdev-add takes its place. What -drive
 * guesses has to be said there, and a disk's format is not guessed from what a guest wrote.
 */
#include "lib/hotplug_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/defparts.h"
#include "lib/openfile.h"
#include "lib/typed_impl.h"

#define FDSET_FIRST 0x10000000 /* above what QEMU gives out, which counts from 0 */

static struct json_object *cache_of(const struct vmdesc_option *drive)
{
	const char *cache = vmdesc_get(drive, "cache");
	bool direct = vmdesc_get(drive, "cache.direct") ||
		      (cache && (!strcmp(cache, "none") || !strcmp(cache, "directsync")));
	bool unsafe = cache && !strcmp(cache, "unsafe");
	struct json_object *o = cache || direct ? json_object_new_object() : NULL;

	if (o) {
		json_object_object_add(o, "direct", json_object_new_boolean(direct));
		json_object_object_add(o, "no-flush", json_object_new_boolean(unsafe));
	}
	return o;
}

/* QEMU opens one as "file" and the other as "host_device", and refuses what it is not. */
static bool is_host_device(const struct hotplug_build *b, const char *file)
{
	if (*file == '@') {
		return typed_flag(json_object_object_get(b->context->files, file + 1), "block");
	}
	return !strncmp(file, "/dev/", 5) && strncmp(file, "/dev/shm/", 9) != 0 &&
	       strncmp(file, "/dev/fdset/", 11) != 0;
}

static void copy(struct json_object *to, const char *property, const char *value)
{
	if (value) {
		json_object_object_add(to, property, json_object_new_string(value));
	}
}

static struct json_object *file_node(const struct hotplug_build *b,
	const struct vmdesc_option *drive, const char *file, const char *filename)
{
	struct json_object *o =
		hotplug_one("driver", is_host_device(b, file) ? "host_device" : "file");
	struct json_object *cache = cache_of(drive);

	copy(o, "filename", filename);
	copy(o, "aio", vmdesc_get(drive, "aio"));
	copy(o, "discard", vmdesc_get(drive, "discard"));
	if (cache) {
		json_object_object_add(o, "cache", cache);
	}
	return o;
}

static struct json_object *format_node(const struct vmdesc_option *drive, struct json_object *file)
{
	struct json_object *o = hotplug_one("driver", vmdesc_get(drive, "format"));
	struct json_object *cache = cache_of(drive);

	copy(o, "node-name", vmdesc_get(drive, "id"));
	copy(o, "discard", vmdesc_get(drive, "discard"));
	if (vmdesc_get(drive, "readonly")) {
		json_object_object_add(o, "read-only", json_object_new_boolean(true));
	}
	if (cache) {
		json_object_object_add(o, "cache", cache);
	}
	json_object_object_add(o, "file", file);
	return o;
}

/* The descriptor stays in its set until the disk goes: QEMU takes it from there again when it
 * opens the file once more. */
static void pass_fd(const struct hotplug_build *b, const char *file, unsigned fdset)
{
	struct json_object *arguments = json_object_new_object(), *undo = json_object_new_object();
	struct json_object *step;
	unsigned fd = defparts_number_file(b->context->files, file + 1, &b->plan->fds) -
		      OPENFILE_FIRST_FD;

	json_object_object_add(arguments, "fdset-id", json_object_new_int64(fdset));
	json_object_object_add(arguments, "opaque", json_object_new_string("xendmd"));
	json_object_object_add(undo, "fdset-id", json_object_new_int64(fdset));
	step = hotplug_step(b->plan, "add-fd", arguments, "remove-fd", undo);
	json_object_object_add(step, "fd", json_object_new_int64(fd));
}

int hotplug_block(const struct hotplug_build *b, const struct vmdesc_option *drive, struct err *err)
{
	unsigned fdset = FDSET_FIRST + b->context->serial;
	const char *file = vmdesc_get(drive, "file");
	char path[48];
	int r;

	if (b->context->from_start) {
		/* What -drive made goes with its device. */
		hotplug_step(b->plan, "blockdev-add",
			hotplug_one("node-name", vmdesc_get(drive, "id")), NULL, NULL);
		return 0;
	}
	r = typed_require(b->node, "format",
		"\"raw\", \"qcow2\", …; that of a disk that is plugged in is not guessed", err);
	if (r < 0) {
		return r;
	}
	if (*file == '@') {
		snprintf(path, sizeof(path), "/dev/fdset/%u", fdset);
		pass_fd(b, file, fdset);
	}
	hotplug_step(b->plan, "blockdev-add",
		format_node(drive, file_node(b, drive, file, *file == '@' ? path : file)),
		"blockdev-del", hotplug_one("node-name", vmdesc_get(drive, "id")));
	return 0;
}
