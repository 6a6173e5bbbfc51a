/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kinds of devices: the list of them, and those that have no file of their own. */
#include "lib/typed_devices.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "lib/cleanup.h"

/* serial: the controller of virtio consoles and channels */
static int check_serial(const struct json_node *o, struct err *err)
{
	return typed_virtio_check(o, typed_text(o->value, "driver"), err);
}

static void emit_serial(struct typed_emit *e, struct json_object *o)
{
	char driver[TYPED_DRIVER_MAX];

	typed_virtio_driver(e, o, typed_text(o, "driver"), driver);
	vmdesc_list(e->d, "-device", "driver", "%s", driver);
	typed_copy(e, o, "id", "id");
	typed_virtio_common(e, o, driver);
	typed_copy(e, o, "max_ports", "max_ports");
}

static const struct typed_field serial_fields[] = {
	TYPED_KIND_FIELD,
	{"driver", TYPED_TEXT, .required = true},
	{"id", TYPED_ID, .required = true},
	{"max_ports", TYPED_UINT, .min = 1, .max = 511}, /* VIRTIO_PCI's vectors allow no more */
	TYPED_BUS_FIELDS,
	TYPED_VIRTIO_FIELDS,
	{0},
};
const struct typed_kind typed_serial = {"serial", {serial_fields, check_serial}, emit_serial};

/* legacy_serial */
static void emit_legacy_serial(struct typed_emit *e, struct json_object *o)
{
	vmdesc_text(e->d, "-serial", "chardev:%s", typed_text(o, "chardev"));
}

static const struct typed_field legacy_serial_fields[] = {
	TYPED_KIND_FIELD,
	{"chardev", TYPED_TEXT, .required = true, .refers = TYPED_REFERS_CHARDEV},
	{0},
};
const struct typed_kind typed_legacy_serial = {
	"legacy_serial", {legacy_serial_fields, NULL}, emit_legacy_serial};

/* scsi_controller, and others of which govmm knows no more than their properties */
static int check_virtio(const struct json_node *o, struct err *err)
{
	return typed_virtio_check(o, NULL, err);
}

static void emit_scsi_controller(struct typed_emit *e, struct json_object *o)
{
	char driver[TYPED_DRIVER_MAX];

	typed_virtio_driver(e, o, "virtio-scsi", driver);
	vmdesc_list(e->d, "-device", "driver", "%s", driver);
	typed_copy(e, o, "id", "id");
	typed_virtio_common(e, o, driver);
	typed_copy(e, o, "iothread", "iothread");
}

static const struct typed_field scsi_controller_fields[] = {
	TYPED_KIND_FIELD,
	{"id", TYPED_ID, .required = true},
	{"iothread", TYPED_TEXT, .refers = TYPED_REFERS_IOTHREAD},
	TYPED_BUS_FIELDS,
	TYPED_VIRTIO_FIELDS,
	{0},
};
const struct typed_kind typed_scsi_controller = {
	"scsi_controller", {scsi_controller_fields, check_virtio}, emit_scsi_controller};

/* rng */
static void emit_rng(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {
		{"max-bytes", "max_bytes"}, {"period", "period"}, {NULL}};
	char driver[TYPED_DRIVER_MAX];

	vmdesc_list(e->d, "-object", "qom-type", "rng-random");
	typed_copy(e, o, "id", "id");
	typed_copy(e, o, "filename", "filename");
	typed_virtio_driver(e, o, "virtio-rng", driver);
	vmdesc_list(e->d, "-device", "driver", "%s", driver);
	typed_copy(e, o, "rng", "id");
	typed_virtio_common(e, o, driver);
	typed_copy_all(e, o, pairs);
}

static const struct typed_field rng_fields[] = {
	TYPED_KIND_FIELD,
	{"id", TYPED_ID, .required = true},
	{"filename", TYPED_TEXT},
	{"max_bytes", TYPED_UINT, .min = 1},
	{"period", TYPED_UINT, .min = 1, .max = UINT32_MAX},
	TYPED_BUS_FIELDS,
	TYPED_VIRTIO_FIELDS,
	{0},
};
const struct typed_kind typed_rng = {"rng", {rng_fields, check_virtio}, emit_rng};

/* balloon */
static void emit_balloon(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {{"deflate-on-oom", "deflate_on_oom"},
		{"free-page-reporting", "free_page_reporting"}, {NULL}};
	char driver[TYPED_DRIVER_MAX];

	typed_virtio_driver(e, o, "virtio-balloon", driver);
	vmdesc_list(e->d, "-device", "driver", "%s", driver);
	typed_copy(e, o, "id", "id");
	typed_virtio_common(e, o, driver);
	typed_copy_all(e, o, pairs);
}

static const struct typed_field balloon_fields[] = {
	TYPED_KIND_FIELD,
	{"id", TYPED_ID, .required = true},
	{"deflate_on_oom", TYPED_BOOL},
	{"free_page_reporting", TYPED_BOOL},
	TYPED_BUS_FIELDS,
	TYPED_VIRTIO_FIELDS,
	{0},
};
const struct typed_kind typed_balloon = {"balloon", {balloon_fields, check_virtio}, emit_balloon};

/* vsock: 0 to 2 are the hypervisor's, the loopback's and the host's, 2^32-1 is any */
static void emit_vsock(struct typed_emit *e, struct json_object *o)
{
	char driver[TYPED_DRIVER_MAX];

	typed_virtio_driver(e, o, "vhost-vsock", driver);
	vmdesc_list(e->d, "-device", "driver", "%s", driver);
	typed_copy(e, o, "id", "id");
	if (typed_text(o, "vhost_fd")) {
		vmdesc_set(e->d, "vhostfd", "%s%u", e->fd_prefix ? e->fd_prefix : "",
			typed_fd(e, typed_text(o, "vhost_fd")));
	}
	typed_copy(e, o, "guest-cid", "context_id");
	typed_virtio_common(e, o, driver);
}

static const struct typed_field vsock_fields[] = {
	TYPED_KIND_FIELD,
	{"id", TYPED_ID, .required = true},
	{"context_id", TYPED_UINT, .required = true, .min = 3, .max = UINT32_MAX - 1},
	{"vhost_fd", TYPED_FILE},
	TYPED_BUS_FIELDS,
	TYPED_VIRTIO_FIELDS,
	{0},
};
const struct typed_kind typed_vsock = {"vsock", {vsock_fields, check_virtio}, emit_vsock};

/* loader */
static void emit_loader(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {{"file", "file"}, {"id", "id"}, {NULL}};

	vmdesc_list(e->d, "-device", "driver", "loader");
	typed_copy_all(e, o, pairs);
}

static const struct typed_field loader_fields[] = {
	TYPED_KIND_FIELD,
	{"file", TYPED_TEXT, .required = true},
	{"id", TYPED_ID, .required = true},
	{0},
};
const struct typed_kind typed_loader = {"loader", {loader_fields, NULL}, emit_loader};

/* pvpanic */
static void emit_pvpanic(struct typed_emit *e, struct json_object *o)
{
	vmdesc_list(e->d, "-device", "driver", "pvpanic");
	if (typed_flag(o, "no_shutdown")) {
		vmdesc_switch(e->d, "-no-shutdown");
	}
}

static const struct typed_field pvpanic_fields[] = {
	TYPED_KIND_FIELD, {"no_shutdown", TYPED_BOOL}, {0}};
const struct typed_kind typed_pvpanic = {"pvpanic", {pvpanic_fields, NULL}, emit_pvpanic};

/* iommu */
static void emit_iommu(struct typed_emit *e, struct json_object *o)
{
	vmdesc_list(e->d, "-device", "driver", "intel-iommu");
	vmdesc_set_switch(e->d, "intremap", typed_flag(o, "intremap"));
	vmdesc_set_switch(e->d, "device-iotlb", typed_flag(o, "device_iotlb"));
	vmdesc_set_switch(e->d, "caching-mode", typed_flag(o, "caching_mode"));
}

static const struct typed_field iommu_fields[] = {
	TYPED_KIND_FIELD,
	{"intremap", TYPED_BOOL},
	{"device_iotlb", TYPED_BOOL},
	{"caching_mode", TYPED_BOOL},
	{0},
};
const struct typed_kind typed_iommu = {"iommu", {iommu_fields, NULL}, emit_iommu};

/* raw: "-OPTION" and then its properties as an object, or any argument as it stands. */
static int check_raw(const struct json_node *o, struct err *err)
{
	struct json_node args;

	json_member(o, "args", &args);
	for (size_t i = 0; i < json_length(&args); i++) {
		struct json_node arg = json_element(&args, i), before;

		if (!json_object_is_type(arg.value, json_type_object)) {
			continue;
		}
		before = i ? json_element(&args, i - 1) : arg;
		if (!json_object_is_type(before.value, json_type_string) ||
			*json_object_get_string(before.value) != '-') {
			return json_fail(&arg, -EINVAL, err,
				"properties need an option before them, as \"-device\"");
		}
	}
	return 0;
}

static void emit_raw_properties(struct typed_emit *e, const char *option, struct json_object *o)
{
	vmdesc_list_keyed(e->d, option);
	json_object_object_foreach (o, key, value) {
		if (json_object_is_type(value, json_type_boolean)) {
			vmdesc_set_switch(e->d, key, json_object_get_boolean(value));
			continue;
		}
		vmdesc_set(e->d, key, "%s", json_object_get_string(value));
		if (json_object_is_type(value, json_type_int)) {
			vmdesc_is_number(e->d);
		}
	}
}

static void emit_raw(struct typed_emit *e, struct json_object *o)
{
	struct json_object *args = json_object_object_get(o, "args");
	size_t len = json_object_array_length(args);

	for (size_t i = 0; i < len; i++) {
		struct json_object *arg = json_object_array_get_idx(args, i);
		struct json_object *next =
			i + 1 < len ? json_object_array_get_idx(args, i + 1) : NULL;

		if (json_object_is_type(next, json_type_object)) {
			emit_raw_properties(e, json_object_get_string(arg), next);
			i++;
		} else {
			vmdesc_verbatim(e->d, json_object_get_string(arg));
		}
	}
}

static const struct typed_field raw_fields[] = {
	TYPED_KIND_FIELD, {"args", TYPED_ARGUMENTS, .required = true}, {0}};
const struct typed_kind typed_raw = {"raw", {raw_fields, check_raw}, emit_raw};

const struct typed_kind *const typed_kinds[] = {&typed_memory_object, &typed_fs, &typed_char,
	&typed_net, &typed_serial, &typed_legacy_serial, &typed_block, &typed_vhost_user,
	&typed_vfio, &typed_scsi_controller, &typed_bridge, &typed_pcie_root_port,
	&typed_pcie_switch_upstream_port, &typed_pcie_switch_downstream_port, &typed_pxb_pcie,
	&typed_vsock, &typed_rng, &typed_balloon, &typed_loader, &typed_pvpanic, &typed_iommu,
	&typed_cpu, &typed_raw, NULL};

const struct typed_kind *typed_find_kind(const char *name)
{
	for (unsigned i = 0; typed_kinds[i]; i++) {
		if (!strcmp(typed_kinds[i]->name, name)) {
			return typed_kinds[i];
		}
	}
	return NULL;
}
