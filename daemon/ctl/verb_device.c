/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices of a running machine. What a device has open is opened here, as the client's user. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/defparts.h"
#include "lib/json.h"
#include "lib/openfile.h"
#include "lib/parse.h"
#include "lib/passfd.h"
#include "lib/strv.h"
#include "lib/subst.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/openfd.h"
#include "daemon/ctl/print.h"
#include "daemon/ctl/text.h"

struct addition {
	struct json_object *device, *files; /* files as in a definition */
	struct strv names;		    /* of the descriptors */
	int fds[PASSFD_MAX];
	unsigned fds_len;
};

static void addition_fini(struct addition *a)
{
	for (unsigned i = 0; i < a->fds_len; i++) {
		close_p(&a->fds[i]);
	}
	strv_fini(&a->names);
	json_object_put(a->device);
	json_object_put(a->files);
}

/* A device, or {"device": …, "files": …}. */
static int read_addition(const char *path, struct addition *a)
{
	_cleanup_json_doc_ struct json_doc doc = {0};
	_cleanup_free_ char *text = NULL;
	static const char *const keys[] = {"device", "files", NULL};
	struct json_node root, node;
	struct err err = {0};
	size_t len;
	int r = ctl_read_file(path, &text, &len);

	if (r != CTL_DONE) {
		return r;
	}
	if (json_doc_parse(&doc, path, text, len, &err) < 0) {
		return ctl_fail(CTL_FAILED, "%s", err.text);
	}
	root = json_doc_root(&doc);
	if (!json_member(&root, "device", &node)) {
		node = root;
	} else if (json_check_keys(&root, keys, &err) < 0 ||
		   json_check_type(&node, json_type_object, &err) < 0) {
		return ctl_fail(CTL_FAILED, "%s", err.text);
	}
	a->device = json_object_get(node.value);
	a->files = node.key && json_member(&root, "files", &node) ? json_object_get(node.value)
								  : json_object_new_object();
	return CTL_DONE;
}

static struct json_object *file_of(const char *key, const char *path, bool read_only)
{
	struct json_object *file = json_object_new_object();

	if (!path) {
		json_object_object_add(file, key, json_object_new_boolean(true));
		return file;
	}
	json_object_object_add(file, key, json_object_new_string(path));
	json_object_object_add(file, "mode", json_object_new_string(read_only ? "r" : "rw"));
	return file;
}

/* --fd NAME=PATH is short for a file of that path; NAME=NUMBER is a descriptor that is there. */
static int add_given(struct addition *a, const char *given)
{
	const char *spec = strchr(given, '=') + 1;
	bool read_only = json_object_get_boolean(json_object_object_get(a->device, "read_only"));
	_cleanup_free_ char *name = strndup(given, spec - given - 1);
	char path[PATH_MAX];
	uint64_t number;
	int r;

	if (parse_u64(spec, INT_MAX, &number) == 0) {
		json_object_object_add(a->files, name, file_of("received", NULL, false));
		strv_add(&a->names, name);
		r = openfd_open(spec, &a->fds[a->fds_len]);
		a->fds_len += r == CTL_DONE;
		return r;
	}
	if (!realpath(spec, path)) {
		return ctl_fail(CTL_FAILED, "\"%s\": %s", spec, strerror(errno));
	}
	json_object_object_add(a->files, name, file_of("path", path, read_only));
	return CTL_DONE;
}

/* As a definition with this device would be checked. */
static int check_files(struct addition *a)
{
	_cleanup_json_ struct json_object *root = json_object_new_object();
	const struct json_doc doc = {.root = root};
	const struct json_node top = json_doc_root(&doc);
	struct json_object *qemu = json_object_new_object(), *devices = json_object_new_array();
	struct err err = {0};

	json_object_array_add(devices, json_object_get(a->device));
	json_object_object_add(qemu, "devices", devices);
	json_object_object_add(root, "qemu", qemu);
	json_object_object_add(root, "files", json_object_get(a->files));
	return defparts_files(&top, &err) < 0 ? ctl_fail(CTL_FAILED, "%s", err.text) : CTL_DONE;
}

static int open_one(struct addition *a, const char *name, const struct openfile *file)
{
	struct err err = {0};

	if (a->fds_len == PASSFD_MAX) {
		return ctl_fail(CTL_FAILED, "more than %d descriptors", PASSFD_MAX);
	}
	if (openfile_open(file, &a->fds[a->fds_len], &err) < 0) {
		return ctl_fail(
			CTL_FAILED, "files.%s: %s: %s", name, err.text, strerror(-err.code));
	}
	a->fds_len++;
	strv_add(&a->names, name);
	return CTL_DONE;
}

/* All but those that are there. */
static int open_files(struct addition *a)
{
	_cleanup_(openfiles_fini) struct openfiles files = {0};
	_cleanup_(strv_fini) struct strv names = {0};
	const struct subst_values none = {0};
	struct err err = {0};
	int r = CTL_DONE;

	json_object_object_foreach (a->files, name, file) {
		if (!json_object_object_get_ex(file, "received", NULL)) {
			defparts_number_file(a->files, name, &names);
		}
	}
	if (defparts_resolve_files(a->files, &names, &none, &files, &err) < 0) {
		return ctl_fail(CTL_FAILED, "%s", err.text);
	}
	for (size_t i = 0; r == CTL_DONE && i < files.len; i++) {
		r = open_one(a, names.items[i], &files.items[i]);
	}
	return r;
}

static struct json_object *parameters_of(
	const struct ctl_options *options, const struct addition *a)
{
	struct json_object *parameters = json_object_new_object(), *names = json_object_new_array();

	STRV_FOREACH (name, &a->names) {
		json_object_array_add(names, json_object_new_string(name));
	}
	json_object_object_add(parameters, "domain", json_object_new_string(options->args[1]));
	json_object_object_add(parameters, "device", json_object_get(a->device));
	json_object_object_add(parameters, "files", names);
	return parameters;
}

static int device_add(const struct ctl_options *options)
{
	_cleanup_(addition_fini) struct addition a = {0};
	struct json_object *reply = NULL;
	int r = read_addition(options->args[2], &a);

	for (unsigned i = 0; r == CTL_DONE && i < options->fds.len; i++) {
		r = add_given(&a, options->fds.items[i]);
	}
	if (r == CTL_DONE) {
		r = check_files(&a);
	}
	if (r == CTL_DONE) {
		r = open_files(&a);
	}
	if (r == CTL_DONE) {
		r = ctl_call_with_fds(options, "DeviceAdd", parameters_of(options, &a), a.fds,
			a.fds_len, CTL_NO_TIMEOUT, &reply);
	}
	if (r == CTL_DONE && options->json) {
		print_json(reply);
	} else if (r == CTL_DONE) {
		text_put(stdout, ctl_member(reply, "id") ? ctl_member(reply, "id") : "-");
		if (ctl_member(reply, "pty")) {
			putchar(' ');
			text_put(stdout, ctl_member(reply, "pty"));
		}
		putchar('\n');
	}
	json_object_put(reply);
	return r;
}

static int device_remove(const struct ctl_options *options)
{
	struct json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, "domain", json_object_new_string(options->args[1]));
	json_object_object_add(parameters, "id", json_object_new_string(options->args[2]));
	if (options->has_timeout) {
		json_object_object_add(
			parameters, "timeout", json_object_new_uint64(options->timeout));
	}
	return ctl_call(options, "DeviceRemove", parameters, CTL_NO_TIMEOUT, NULL);
}

static void print_devices(struct json_object *devices)
{
	static const char *const headings[] = {"ID", "KIND", "STATE", "SINCE", "NOTE"};
	struct table *table = table_new(headings, ARRAY_SIZE(headings));
	size_t len = json_object_is_type(devices, json_type_array)
			     ? json_object_array_length(devices)
			     : 0;

	for (size_t i = 0; i < len; i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		bool added = json_object_get_boolean(json_object_object_get(device, "added"));
		const char *left = ctl_member(device, "left");
		const char *const cells[] = {ctl_member(device, "id"), ctl_member(device, "kind"),
			ctl_member(device, "state"), added ? "added" : "start",
			left ? left : ctl_member(device, "pty")};

		table_add(table, cells, 0, NULL);
	}
	table_print(table, stdout, false);
	table_free(table);
}

static int device_list(const struct ctl_options *options)
{
	struct json_object *parameters = json_object_new_object(), *reply = NULL, *devices;
	int r;

	json_object_object_add(parameters, "domain", json_object_new_string(options->args[1]));
	r = ctl_call(options, "DeviceList", parameters, CTL_TIMEOUT_MS, &reply);
	devices = json_object_object_get(reply, "devices");
	if (r == CTL_DONE && options->json) {
		print_json(devices);
	} else if (r == CTL_DONE) {
		print_devices(devices);
	}
	json_object_put(reply);
	return r;
}

int verb_device(const struct ctl_options *options)
{
	static const struct {
		const char *name;
		int args;
		int (*fn)(const struct ctl_options *options);
	} verbs[] = {
		{"add", 3, device_add},
		{"remove", 3, device_remove},
		{"list", 2, device_list},
	};

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(options->args[0], verbs[i].name)) {
			return options->args_len == verbs[i].args
				       ? verbs[i].fn(options)
				       : ctl_fail(CTL_USAGE,
						 "device add DOMAIN FILE, device remove DOMAIN ID, "
						 "device list DOMAIN");
		}
	}
	return ctl_fail(
		CTL_USAGE, "device takes add, remove or list, not \"%s\"", options->args[0]);
}
