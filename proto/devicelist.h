/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The devices of a machine as its record has them: a JSON list of entries, each a device of the
 * typed description, its state, and the steps (lib/hotplug) that made it or undo it. Pure.
 *
 *   {"id": ID or null, "kind", "state", "added": bool, "has_device": bool, "device": {…},
 *    "steps": […], "done": N, "pty": PATH, "left": TEXT}
 *
 * "done": so many of the steps may have been done. A step that was undone has "undone": true.
 * "left": what could not be undone, and why.
 */
#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

#include "lib/err.h"

enum device_state {
	DEVICE_PRESENT,
	DEVICE_ADDING,	 /* steps are under way */
	DEVICE_UNDOING,	 /* one has failed */
	DEVICE_REMOVING, /* the guest is asked to let go */
	DEVICE_CLEANING, /* the guest has, and what stood behind the device goes */
	DEVICE_LEFT,	 /* is not there any more, but something of it could not be undone */
	_DEVICE_STATE_MAX
};
const char *device_state_name(enum device_state state);

/* An entry; the caller's. ID, DEVICE and STEPS (may be NULL) are borrowed. NULL: out of memory. */
struct json_object *device_entry_new(const char *id, struct json_object *device, bool added);
void device_entry_set_steps(struct json_object *entry, struct json_object *steps, bool has_device);

const char *device_entry_id(struct json_object *entry);	  /* NULL: none */
const char *device_entry_kind(struct json_object *entry); /* never NULL */
enum device_state device_entry_state(struct json_object *entry);
void device_entry_set_state(struct json_object *entry, enum device_state state);
bool device_entry_flag(struct json_object *entry, const char *key);
void device_entry_set_text(struct json_object *entry, const char *key, const char *text);

size_t device_entry_steps(struct json_object *entry);
struct json_object *device_entry_step(struct json_object *entry, size_t index);
size_t device_entry_done(struct json_object *entry); /* at most all of them */
void device_entry_set_done(struct json_object *entry, size_t done);

/* Of a step: its command or (UNDO) what undoes it; RET_ARGUMENTS may become NULL. NULL: none, or
 * it was done already. Borrowed. */
const char *device_step(struct json_object *step, bool undo, struct json_object **ret_arguments);
int device_step_fd(struct json_object *step); /* -1: none */
/* "netdev_add n0"; of the arguments only the id. */
void device_step_text(struct json_object *step, bool undo, char *ret, size_t size);

/* LIST may be NULL: empty. */
struct json_object *devicelist_find(struct json_object *list, const char *id); /* borrowed */
void devicelist_drop(struct json_object *list, struct json_object *entry);
/* Has a list of an earlier daemon the form of one? */
bool devicelist_is_valid(struct json_object *list);
/* What clients are told: without steps. The caller's. */
struct json_object *devicelist_show(struct json_object *list);
