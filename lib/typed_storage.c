/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks, shared folders, memory that is a device, and guests' protection. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/typed_devices.h"

/* block */
static bool is_virtio_blk(const char *driver)
{
	return !strncmp(driver, "virtio-blk", 10);
}

/* QEMU 7.2 knows them, 10 does not, and no guest misses them. */
static int refuse_old_block(const struct json_node *o, struct err *err)
{
	const char *interface = typed_text(o->value, "interface");
	struct json_node node;

	if (typed_has(o, "scsi")) {
		json_member(o, "scsi", &node);
		return json_fail(&node, -EINVAL, err,
			"QEMU 9.1 dropped SCSI commands for virtio-blk; use a \"scsi_controller\"");
	}
	if (interface && !strcmp(interface, "scsi")) {
		json_member(o, "interface", &node);
		return json_fail(&node, -EINVAL, err,
			"a drive of a device has none but \"none\"; use a \"scsi_controller\" and "
			"the driver \"scsi-hd\"");
	}
	return 0;
}

static int check_block(const struct json_node *o, struct err *err)
{
	const char *aio = typed_text(o->value, "aio"), *cache = typed_text(o->value, "cache");
	const char *driver = typed_text(o->value, "driver");
	struct json_node node;
	int r = refuse_old_block(o, err);

	if (r == 0 && aio && !strcmp(aio, "native") && cache && strcmp(cache, "none") &&
		strcmp(cache, "directsync")) {
		json_member(o, "aio", &node);
		r = json_fail(&node, -EINVAL, err,
			"\"native\" needs \"cache\": \"none\" or \"directsync\"");
	}
	if (r == 0 && !is_virtio_blk(driver) && json_member(o, "iothread", &node)) {
		r = json_fail(&node, -EINVAL, err,
			"only \"virtio-blk\" has one (a \"scsi_controller\" has its own)");
	}
	return r == 0 ? typed_virtio_check(o, driver, err) : r;
}

/* Since govmm's first version gives a disk no serial number and its later ones its id, one that
 * uses what only those know gets it as well. */
static void set_serial(struct typed_emit *e, struct json_object *o)
{
	static const char *const later[] = {
		"rom_file", "read_only", "share_rw", "transport", "dev_no", "discard_unmap", NULL};

	if (typed_text(o, "serial")) {
		typed_copy(e, o, "serial", "serial");
		return;
	}
	for (unsigned i = 0; later[i]; i++) {
		if (json_object_object_get_ex(o, later[i], NULL)) {
			typed_copy(e, o, "serial", "id");
			return;
		}
	}
}

static void emit_drive(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {{"id", "id"}, {"file", "file"}, {"aio", "aio"},
		{"format", "format"}, {"readonly", "read_only"}, {"cache", "cache"}, {NULL}};
	const char *aio = typed_text(o, "aio");

	vmdesc_list_keyed(e->d, "-drive");
	typed_copy_all(e, o, pairs);
	vmdesc_set(e->d, "if", "none");
	if (aio && !strcmp(aio, "native") && !typed_text(o, "cache")) {
		vmdesc_set_switch(e->d, "cache.direct", true);
	}
	if (typed_flag(o, "discard_unmap")) {
		vmdesc_set(e->d, "discard", "unmap");
	}
}

static void emit_block(struct typed_emit *e, struct json_object *o)
{
	char driver[TYPED_DRIVER_MAX];

	typed_virtio_driver(e, o, typed_text(o, "driver"), driver);
	vmdesc_list(e->d, "-device", "driver", "%s", driver);
	typed_copy(e, o, "id", "device_id");
	typed_copy(e, o, "drive", "id");
	if (is_virtio_blk(driver) && !typed_flag(o, "wce")) {
		vmdesc_set_switch(e->d, "config-wce", false);
	}
	typed_virtio_common(e, o, driver);
	typed_copy(e, o, "share-rw", "share_rw");
	if (typed_flag(o, "discard_unmap") && is_virtio_blk(driver)) {
		vmdesc_set_switch(e->d, "discard", true);
	}
	typed_copy(e, o, "iothread", "iothread");
	set_serial(e, o);
	emit_drive(e, o);
}

static const char *const aios[] = {"threads", "native", "io_uring", NULL};
static const char *const caches[] = {
	"none", "writeback", "writethrough", "directsync", "unsafe", NULL};
static const char *const interfaces[] = {"none", "scsi", NULL};
static const struct typed_field block_fields[] = {
	TYPED_KIND_FIELD,
	{"driver", TYPED_TEXT, .required = true},
	{"id", TYPED_ID, .required = true},
	{"device_id", TYPED_ID},
	{"file", TYPED_TEXT, .required = true},
	{"interface", TYPED_ENUM, .names = interfaces},
	{"aio", TYPED_ENUM, .names = aios},
	{"cache", TYPED_ENUM, .names = caches},
	{"format", TYPED_TEXT},
	{"scsi", TYPED_BOOL},
	{"wce", TYPED_BOOL},
	{"read_only", TYPED_BOOL},
	{"share_rw", TYPED_BOOL},
	{"discard_unmap", TYPED_BOOL},
	{"serial", TYPED_TEXT},
	{"iothread", TYPED_TEXT, .refers = TYPED_REFERS_IOTHREAD},
	TYPED_BUS_FIELDS,
	TYPED_VIRTIO_FIELDS,
	{0},
};
const struct typed_kind typed_block = {"block", {block_fields, check_block}, emit_block};

/* fs: 9p. virtiofs is a vhost_user device. */
#define MOUNT_TAG_MAX 31

static int check_fs(const struct json_node *o, struct err *err)
{
	static const struct {
		const char *name, *sentence;
	} dropped[] = {
		{"handle", "QEMU 4.0 dropped it; use \"local\", or a \"vhost_user\" device for "
			   "virtiofs"},
		{"proxy", "QEMU 9.2 dropped it; use \"local\", or a \"vhost_user\" device for "
			  "virtiofs"},
	};
	const char *driver = typed_text(o->value, "fs_driver");
	struct json_node node;

	json_member(o, "fs_driver", &node);
	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++) {
		if (!strcmp(driver, dropped[i].name)) {
			return json_fail(&node, -EINVAL, err, "%s", dropped[i].sentence);
		}
	}
	if (strlen(typed_text(o->value, "mount_tag")) > MOUNT_TAG_MAX) {
		json_member(o, "mount_tag", &node);
		return json_fail(&node, -EINVAL, err, "longer than %d bytes", MOUNT_TAG_MAX);
	}
	return typed_virtio_check(o, typed_text(o->value, "driver"), err);
}

static void emit_fs(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {{"id", "id"}, {"path", "path"},
		{"security_model", "security_model"}, {"multidevs", "multidev"}, {NULL}};
	char driver[TYPED_DRIVER_MAX];

	typed_virtio_driver(e, o, typed_text(o, "driver"), driver);
	vmdesc_list(e->d, "-device", "driver", "%s", driver);
	typed_copy(e, o, "fsdev", "id");
	typed_copy(e, o, "mount_tag", "mount_tag");
	typed_virtio_common(e, o, driver);
	vmdesc_list(e->d, "-fsdev", "fsdriver", "%s", typed_text(o, "fs_driver"));
	typed_copy_all(e, o, pairs);
}

static const char *const fs_drivers[] = {"local", "handle", "proxy", NULL};
static const char *const security_models[] = {
	"none", "passthrough", "mapped-xattr", "mapped-file", NULL};
static const char *const multidevs[] = {"remap", "warn", "forbid", NULL};
static const struct typed_field fs_fields[] = {
	TYPED_KIND_FIELD,
	{"driver", TYPED_TEXT, .required = true},
	{"fs_driver", TYPED_ENUM, .required = true, .names = fs_drivers},
	{"id", TYPED_ID, .required = true},
	{"path", TYPED_TEXT, .required = true},
	{"mount_tag", TYPED_TEXT, .required = true},
	{"security_model", TYPED_ENUM, .required = true, .names = security_models},
	{"multidev", TYPED_ENUM, .names = multidevs},
	TYPED_BUS_FIELDS,
	TYPED_VIRTIO_FIELDS,
	{0},
};
const struct typed_kind typed_fs = {"fs", {fs_fields, check_fs}, emit_fs};

/* memory_object: memory with or without a device in front of it, and what protects a guest. */
static const struct {
	const char *type, *sentence;
} unknown_objects[] = {
	{"memory-backend-epc", "SGX memory is not described here; give it as \"raw\""},
	{"tdx-guest", "QEMU 7.2 and 10.0 know no tdx-guest"},
	{"sev-guest", "is not described here; give it as \"raw\""},
	{"sev-snp-guest", "is not described here; give it as \"raw\""},
	{"s390-pv-guest", "is not described here; give it as \"raw\""},
	{"pef-guest", "is not described here; give it as \"raw\""},
	{"rme-guest", "QEMU 7.2 and 10.0 know no rme-guest"},
};

static int check_type(const struct json_node *o, const char *type, struct err *err)
{
	struct json_node node;

	json_member(o, "type", &node);
	for (size_t i = 0; i < ARRAY_SIZE(unknown_objects); i++) {
		if (!strcmp(type, unknown_objects[i].type)) {
			return json_fail(&node, -EINVAL, err, "%s", unknown_objects[i].sentence);
		}
	}
	return 0;
}

static int check_memory_object(const struct json_node *o, struct err *err)
{
	const char *type = typed_text(o->value, "type");
	bool file = !strcmp(type, "memory-backend-file");
	struct json_node node;
	int r = check_type(o, type, err);

	if (r == 0) {
		r = typed_require(o, "size", "how large it is", err);
	}
	if (r == 0 && file) {
		r = typed_require(o, "mem_path", "memory-backend-file needs one", err);
	} else if (r == 0 && json_member(o, "mem_path", &node)) {
		r = json_fail(&node, -EINVAL, err, "only with \"memory-backend-file\"");
	}
	if (r == 0) {
		r = typed_needs(o, "driver", "device_id", err);
	}
	return r == 0 ? typed_needs(o, "device_id", "driver", err) : r;
}

static void emit_memory_object(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {{"id", "id"}, {"mem-path", "mem_path"},
		{"size", "size"}, {"share", "share"}, {"prealloc", "prealloc"},
		{"readonly", "read_only"}, {NULL}};
	const char *driver = typed_text(o, "driver");

	if (driver) {
		vmdesc_list(e->d, "-device", "driver", "%s", driver);
		typed_copy(e, o, "id", "device_id");
		typed_copy(e, o, "memdev", "id");
		if (!strcmp(driver, "nvdimm")) {
			typed_copy(e, o, "unarmed", "read_only");
		}
	}
	vmdesc_list(e->d, "-object", "qom-type", "%s", typed_text(o, "type"));
	typed_copy_all(e, o, pairs);
}

static const char *const object_types[] = {"memory-backend-file", "memory-backend-ram",
	"memory-backend-memfd", "memory-backend-epc", "tdx-guest", "sev-guest", "sev-snp-guest",
	"s390-pv-guest", "pef-guest", "rme-guest", NULL};
static const struct typed_field memory_object_fields[] = {
	TYPED_KIND_FIELD,
	{"type", TYPED_ENUM, .required = true, .names = object_types},
	{"id", TYPED_ID, .required = true},
	{"driver", TYPED_TEXT},
	{"device_id", TYPED_ID},
	{"mem_path", TYPED_TEXT},
	{"size", TYPED_BYTES},
	{"share", TYPED_BOOL},
	{"prealloc", TYPED_BOOL},
	{"read_only", TYPED_BOOL},
	{0},
};
const struct typed_kind typed_memory_object = {
	"memory_object", {memory_object_fields, check_memory_object}, emit_memory_object};
