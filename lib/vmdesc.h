/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A machine description: what a device model is told, as an ordered list of options with typed
 * values, not as text. Planners (lib/libxlplan*) only build it; lib/qemuopt alone knows how QEMU
 * wants it written. Order is kept, because QEMU gives out PCI slots in the order of its devices.
 *
 * A builder appends to the last option it began. Where memory runs out nothing more is appended
 * and the failure stays (vmdesc_status()), so that a builder checks once at its end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/strv.h"

enum vmdesc_kind {
	VMDESC_SWITCH,	/* "-S": no value */
	VMDESC_TEXT,	/* "-kernel PATH": one value that QEMU takes as it is */
	VMDESC_LIST,	/* "-device DRIVER,id=…": properties, in QemuOpts' or keyval's syntax */
	VMDESC_VERBATIM /* an argument that somebody else wrote */
};

/* What JSON has in place of the text, where it is told over QMP (lib/hotplug). A command line has
 * texts alone. */
enum vmdesc_type { VMDESC_STRING, VMDESC_BOOL, VMDESC_NUMBER };

struct vmdesc_property {
	char *key, *value;
	enum vmdesc_type type;
	bool implied; /* the first one may stand without its key: "-device DRIVER" */
};

struct vmdesc_option {
	enum vmdesc_kind kind;
	char *name;	    /* "-device"; NULL: verbatim */
	const char *prefix; /* what stands before a list: "unix:"; NULL: nothing */
	char *text;
	struct vmdesc_property *properties;
	size_t properties_len;
};

struct vmdesc {
	struct vmdesc_option *options;
	size_t len;
	struct strv env; /* NAME=VALUE */
	struct json_object
		*devices; /* of a typed description, placeholders replaced; may be NULL */
	struct json_object
		*qmp_steps; /* what follows the start, in order: [{"execute", "arguments"}] */
	int status;	    /* 0 or -ENOMEM, sticky */
};

void vmdesc_fini(struct vmdesc *d);
static inline int vmdesc_status(const struct vmdesc *d)
{
	return d->status ? d->status : strv_status(&d->env);
}

void vmdesc_switch(struct vmdesc *d, const char *name);
void vmdesc_text(struct vmdesc *d, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vmdesc_verbatim(struct vmdesc *d, const char *argument);

/* Begins a list; KEY is the one that QEMU implies for a first value without a key. */
void vmdesc_list(struct vmdesc *d, const char *name, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The same for an option whose first property has its key as well. */
void vmdesc_list_keyed(struct vmdesc *d, const char *name);
/* A list behind a PREFIX (static): "-qmp unix:path=…". */
void vmdesc_list_prefixed(struct vmdesc *d, const char *name, const char *prefix);
/* A further property of the list that was begun last. */
void vmdesc_set(struct vmdesc *d, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vmdesc_set_switch(struct vmdesc *d, const char *key, bool on); /* "on" or "off" */
/* The property that was set last is a number: decimal, with "0x", or with a unit. */
void vmdesc_is_number(struct vmdesc *d);

/* Takes ARGUMENTS over (NULL: none), also when it fails. */
void vmdesc_step(struct vmdesc *d, const char *command, struct json_object *arguments);

/* The value of KEY in an option, NULL when it has none. */
const char *vmdesc_get(const struct vmdesc_option *option, const char *key);
