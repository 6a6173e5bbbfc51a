/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/libxlconf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "lib/libxlconf_impl.h"
#include "lib/libxldiff.h"
#include "lib/limits.h"

#define MEMORY_DEFAULT_KIB (32 * 1024)
#define OLD_STUBDOM "stubdom-dm" /* as "device_model", before Xen 4.2 */

static const char *const type_names[] = {"hvm", "pv", "pvh", NULL};
static const char *const version_names[] = {"qemu_xen_traditional", "qemu_xen", NULL};

int libxlconf_refuse(
	const struct json_node *object, const char *key, struct err *err, const char *fmt, ...)
{
	struct json_node node = {.doc = object->doc, .parent = object, .key = key};
	char message[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	return json_fail(&node, -EINVAL, err, "%s", message);
}

int libxlconf_read_list(struct libxlconf_reader *r, const struct json_node *root, const char *key,
	size_t size, libxlconf_element_fn read, void *ret, size_t *ret_len, struct err *err)
{
	struct json_node list;
	size_t len;
	char *elements;
	int status = libxljson_array(root, key, LIBXLCONF_DEVICES_MAX, &list, &len, err);

	if (status < 0 || len == 0) {
		return status;
	}
	elements = calloc(len, size);
	if (!elements) {
		return json_fail(&list, -ENOMEM, err, "out of memory");
	}
	memcpy(ret, &elements, sizeof(elements)); /* a pointer to a pointer of any type */
	*ret_len = len;
	for (size_t i = 0; i < len && status == 0; i++) {
		struct json_node node = json_element(&list, i);

		status = read(r, &node, elements + i * size, err);
	}
	return status;
}

static int read_c_info(struct libxlconf *c, const struct json_node *root, struct err *err)
{
	static const struct libxljson_field fields[] = {FIELD(struct libxlconf, name, STRING),
		FIELD(struct libxlconf, uuid, STRING),
		{"type", LIBXLJSON_ENUM, offsetof(struct libxlconf, type), 0, 0, type_names}};
	struct json_node c_info, type;
	int r;

	if (!json_member(root, "c_info", &c_info)) {
		return json_fail_missing(root, "c_info", err,
			"is missing: this is no libxl configuration (\"xl create -n\", \"xl list "
			"-l\")");
	}
	r = libxljson_read(&c_info, fields, ARRAY_SIZE(fields), c, err);
	if (r == 0 && !json_member(&c_info, "type", &type)) {
		return json_fail_missing(&c_info, "type", err, "is missing");
	}
	if (r == 0 && c->name && strlen(c->name) > LIMIT_NAME_BYTES) {
		return libxlconf_refuse(
			&c_info, "name", err, "a name has at most %d bytes", LIMIT_NAME_BYTES);
	}
	return r;
}

/* The union in b_info has the type in its key. */
static int check_union(const struct libxlconf *c, const struct json_node *b_info, struct err *err)
{
	static const char *const keys[] = {"type.hvm", "type.pv", "type.pvh"};
	struct json_node node;

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (json_member(b_info, keys[i], &node) && i != c->type) {
			return json_fail(&node, -EINVAL, err,
				"does not fit \"c_info.type\": \"%s\"", type_names[c->type]);
		}
	}
	return 0;
}

/* What asked for a stub domain long ago would now be run as a program. */
static int check_device_model(
	const struct libxlconf *c, const struct json_node *b_info, struct err *err)
{
	size_t len = c->device_model ? strlen(c->device_model) : 0, tail = strlen(OLD_STUBDOM);

	if (len >= tail && !strcmp(c->device_model + len - tail, OLD_STUBDOM)) {
		return libxlconf_refuse(b_info, "device_model", err,
			"\"%.128s\" is how one asked for a stub domain before Xen 4.2; today it is "
			"\"device_model_stubdomain\": \"True\" (xl.cfg: "
			"device_model_stubdomain_override)",
			c->device_model);
	}
	if (c->device_model && !*c->device_model) {
		return libxlconf_refuse(b_info, "device_model", err, "must not be empty");
	}
	return 0;
}

static int read_version(struct libxlconf *c, const struct json_node *b_info, struct err *err)
{
	struct json_node node;
	unsigned which;
	int r;

	/* 4.17: a stub domain without a version is MiniOS. */
	c->version = c->stubdom ? LIBXL_DM_TRADITIONAL : LIBXL_DM_QEMU_XEN;
	if (!json_member(b_info, "device_model_version", &node) || !node.value) {
		return 0;
	}
	/* Newer toolstacks say so where no QEMU is installed; PV guests don't mind. */
	if (c->type != LIBXL_HVM && json_object_is_type(node.value, json_type_string) &&
		!strcasecmp(json_object_get_string(node.value), "unknown")) {
		return 0;
	}
	for (which = 0; json_object_is_type(node.value, json_type_string) && version_names[which];
		which++) {
		if (!strcasecmp(version_names[which], json_object_get_string(node.value))) {
			c->version = LIBXL_DM_TRADITIONAL + which;
			return 0;
		}
	}
	r = json_enum(&node, version_names, &which, err);
	return r;
}

static int read_vcpus(struct libxlconf *c, const struct json_node *b_info, struct err *err)
{
	c->vcpus_online = c->vcpus_end = 1;
	c->vcpus[0] = 1;
	return libxljson_bitmap(b_info, "avail_vcpus", LIBXLCONF_VCPUS_MAX, &c->vcpus_online,
		&c->vcpus_end, c->vcpus, err);
}

/* What both kinds of guest have. */
static int read_build_info(
	struct libxlconf_reader *reader, const struct json_node *b_info, struct err *err)
{
	struct libxlconf *c = reader->c;
	static const struct libxljson_field fields[] = {
		{"device_model_stubdomain", LIBXLJSON_DEFBOOL, offsetof(struct libxlconf, stubdom)},
		FIELD(struct libxlconf, device_model, STRING),
		FIELD(struct libxlconf, device_model_user, STRING),
		FIELD(struct libxlconf, dm_restrict, DEFBOOL),
		FIELD(struct libxlconf, acpi, DEFBOOL),
		FIELD_INT(struct libxlconf, max_vcpus, 0, LIBXLCONF_VCPUS_MAX),
		{"max_memkb", LIBXLJSON_INT, offsetof(struct libxlconf, max_kib), 0,
			LIBXLCONF_KIB_MAX},
		{"video_memkb", LIBXLJSON_INT, offsetof(struct libxlconf, video_kib), 0,
			LIBXLCONF_KIB_MAX},
		FIELD(struct libxlconf, kernel, STRING), FIELD(struct libxlconf, ramdisk, STRING),
		FIELD(struct libxlconf, cmdline, STRING), FIELD(struct libxlconf, extra, STRINGS),
		FIELD(struct libxlconf, extra_pv, STRINGS),
		FIELD(struct libxlconf, extra_hvm, STRINGS)};
	int r;

	c->acpi = true;
	c->max_kib = MEMORY_DEFAULT_KIB;
	c->video_kib = -1;
	r = libxljson_read(b_info, fields, ARRAY_SIZE(fields), c, err);
	if (r < 0) {
		return r;
	}
	reader->pv_stubdom = c->stubdom && c->type != LIBXL_HVM;
	c->stubdom = c->stubdom && c->type == LIBXL_HVM;
	c->max_vcpus = c->max_vcpus ? c->max_vcpus : 1;
	if ((r = check_device_model(c, b_info, err)) < 0 ||
		(r = read_version(c, b_info, err)) < 0) {
		return r;
	}
	if (c->dm_restrict && c->version == LIBXL_DM_TRADITIONAL) {
		return libxlconf_refuse(b_info, "dm_restrict", err,
			"not possible with \"device_model_version\": \"qemu_xen_traditional\"");
	}
	return read_vcpus(c, b_info, err);
}

static int check_memory(
	const struct libxlconf_reader *r, const struct json_node *b_info, struct err *err)
{
	struct libxlconf *c = r->c;

	if (c->video_kib < 0) {
		c->video_kib = 0;
	}
	if (c->video_kib >= c->max_kib && libxldiff_ours(r->as_libxl, LIBXLDIFF_VIDEO_MEMORY)) {
		return libxlconf_refuse(b_info, "max_memkb", err,
			"%lld KiB leave nothing beside the video memory (%lld KiB)",
			(long long)c->max_kib, (long long)c->video_kib);
	}
	return 0;
}

static int read_b_info(struct libxlconf_reader *r, const struct json_node *root, struct err *err)
{
	struct libxlconf *c = r->c;
	struct json_node b_info;
	int status;

	if (!json_member(root, "b_info", &b_info)) {
		return json_fail_missing(root, "b_info", err, "is missing");
	}
	status = json_check_type(&b_info, json_type_object, err);
	if (status < 0 || (status = check_union(c, &b_info, err)) < 0 ||
		(status = read_build_info(r, &b_info, err)) < 0) {
		return status;
	}
	if (c->type == LIBXL_HVM) {
		status = libxlconf_read_hvm(r, &b_info, err);
	}
	return status < 0 ? status : check_memory(r, &b_info, err);
}

static int read_config(struct libxlconf_reader *r, const struct json_node *root, struct err *err)
{
	int status = json_check_type(root, json_type_object, err);

	if (status < 0 || (status = read_c_info(r->c, root, err)) < 0 ||
		(status = read_b_info(r, root, err)) < 0 ||
		(status = libxlconf_read_disks(r, root, err)) < 0) {
		return status;
	}
	status = libxlconf_read_devices(r, root, err);
	return status < 0 ? status : libxlconf_check_domain(r, root, err);
}

int libxlconf_parse(
	const struct json_node *node, bool as_libxl, struct libxlconf **ret, struct err *err)
{
	_cleanup_libxlconf_ struct libxlconf *c = calloc(1, sizeof(*c));
	struct libxlconf_reader reader = {.c = c, .as_libxl = as_libxl};
	struct json_node config;
	int r;

	if (!c) {
		return json_fail(node, -ENOMEM, err, "out of memory");
	}
	c->json = json_object_get(node->value);
	if (json_object_is_type(node->value, json_type_object) &&
		json_member(node, "config", &config)) {
		r = read_config(&reader, &config, err);
	} else {
		r = read_config(&reader, node, err);
	}
	if (r == 0) {
		*ret = TAKE_PTR(c);
	}
	return r;
}

struct libxlconf *libxlconf_free(struct libxlconf *c)
{
	if (!c) {
		return NULL;
	}
	strv_fini(&c->extra);
	strv_fini(&c->extra_pv);
	strv_fini(&c->extra_hvm);
	strv_fini(&c->hvm.serials);
	strv_fini(&c->hvm.usbdevices);
	free(c->disks);
	free(c->nics);
	free(c->channels);
	free(c->pcidevs);
	free(c->usbctrls);
	free(c->usbdevs);
	json_object_put(c->json);
	free(c);
	return NULL;
}

/* A PV guest's QEMU serves backends, where the kernel or xenconsoled does not. */
static bool needs_xenpv(const struct libxlconf *c)
{
	bool needed = c->vfbs_len || c->p9s_len;

	for (size_t i = 0; i < c->disks_len; i++) {
		needed |= c->disks[i].backend == LIBXL_BACKEND_QDISK &&
			  libxl_backend_is_local(
				  c->disks[i].backend_domid, c->disks[i].backend_domname);
	}
	for (size_t i = 0; i < c->usbctrls_len; i++) {
		needed |= c->usbctrls[i].type == LIBXL_USBCTRL_QUSB &&
			  libxl_backend_is_local(
				  c->usbctrls[i].backend_domid, c->usbctrls[i].backend_domname);
	}
	for (size_t i = 0; i < c->channels_len; i++) {
		needed |= libxl_backend_is_local(
			c->channels[i].backend_domid, c->channels[i].backend_domname);
	}
	return needed;
}

enum definition_kind libxlconf_kind(const struct libxlconf *c)
{
	if (c->type != LIBXL_HVM) {
		return needs_xenpv(c) ? DEFINITION_QEMU : DEFINITION_NO_DM;
	}
	if (!c->stubdom) {
		return DEFINITION_QEMU;
	}
	return c->version == LIBXL_DM_TRADITIONAL ? DEFINITION_STUBDOM_MINIOS
						  : DEFINITION_STUBDOM_LINUX;
}
