/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks. libxl asks the file system whether an image is there, and whether it is a file or a block
 * device; not so here, so that a configuration means the same on every host and nobody waits for a
 * dead file server.
 */
#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/libxlconf_impl.h"
#include "lib/libxldiff.h"
#include "lib/libxlvdev.h"
#include "lib/parse.h"

#define IDE_DISKS 4
#define AHCI_DISKS 6

static const char *const backend_names[] = {"unknown", "phy", "tap", "qdisk", "standalone", NULL};
static const char *const format_names[] = {
	"unknown", "qcow", "qcow2", "vhd", "raw", "empty", "qed", NULL};
static const char *const specification_names[] = {"unknown", "xen", "virtio", NULL};

static int read_vdev(
	bool as_libxl, struct libxl_disk *disk, const struct json_node *node, struct err *err)
{
	struct libxlvdev vdev;

	if (!disk->vdev) {
		return json_fail_missing(node, "vdev", err, "is missing");
	}
	if (libxlvdev_parse(disk->vdev, &vdev) < 0) {
		return libxlconf_refuse(node, "vdev", err,
			"\"%.64s\" names no virtual disk (xen-vbd-interface(7))", disk->vdev);
	}
	disk->number = vdev.number;
	disk->has_index =
		vdev.has_index && (disk->specification != LIBXL_SPECIFICATION_VIRTIO ||
					  !libxldiff_ours(as_libxl, LIBXLDIFF_VIRTIO_DISK));
	disk->index = vdev.index;
	return 0;
}

static int check_image(const struct libxl_disk *disk, const struct json_node *node, struct err *err)
{
	bool has_path = disk->path && *disk->path;

	if (disk->format != LIBXL_FORMAT_EMPTY) {
		return has_path ? 0 : json_fail_missing(node, "pdev_path", err, "is missing");
	}
	if (!disk->cdrom) {
		return libxlconf_refuse(node, "format", err, "only a CD-ROM drive can be empty");
	}
	if (has_path) {
		return libxlconf_refuse(
			node, "pdev_path", err, "not possible beside \"format\": \"empty\"");
	}
	return 0;
}

/* A backend that the configuration names. */
static int check_backend(const struct libxlconf_reader *r, const struct libxl_disk *disk,
	const struct json_node *node, struct err *err)
{
	bool cdrom = disk->cdrom && r->c->type == LIBXL_HVM;

	if (disk->backend == LIBXL_BACKEND_TAP) {
		return libxlconf_refuse(
			node, "backend", err, "libxl 4.17 has no \"tap\" (blktap is gone)");
	}
	if (cdrom && disk->backend != LIBXL_BACKEND_QDISK) {
		return libxlconf_refuse(node, "backend", err,
			"a CD-ROM drive of an HVM guest needs \"qdisk\", is \"%s\"",
			backend_names[disk->backend]);
	}
	if (disk->backend == LIBXL_BACKEND_PHY && disk->format != LIBXL_FORMAT_RAW) {
		return libxlconf_refuse(
			node, "backend", err, "\"phy\" takes no format but \"raw\"");
	}
	if ((disk->backend == LIBXL_BACKEND_STANDALONE) !=
		(disk->specification == LIBXL_SPECIFICATION_VIRTIO)) {
		return libxlconf_refuse(node, "backend", err,
			"\"standalone\" and \"specification\": \"virtio\" are only possible "
			"together");
	}
	return 0;
}

static int choose_backend(const struct libxlconf_reader *r, struct libxl_disk *disk,
	const struct json_node *node, struct err *err)
{
	int status;

	if (disk->backend == LIBXL_BACKEND_UNKNOWN) {
		if (disk->specification == LIBXL_SPECIFICATION_VIRTIO) {
			disk->backend = LIBXL_BACKEND_STANDALONE;
		} else if (!(disk->cdrom && r->c->type == LIBXL_HVM) &&
			   disk->format == LIBXL_FORMAT_RAW) {
			disk->backend = LIBXL_BACKEND_PHY;
		} else {
			disk->backend = LIBXL_BACKEND_QDISK;
		}
	}
	status = check_backend(r, disk, node, err);
	if (status == 0 && disk->backend == LIBXL_BACKEND_QDISK && disk->script) {
		return libxlconf_refuse(
			node, "script", err, "not possible with the backend \"qdisk\"");
	}
	return status;
}

/* Where QEMU would be the one that reads from it. */
bool libxl_disk_has_local_path(const struct libxl_disk *disk)
{
	return !disk->backend_domname && ((disk->format == LIBXL_FORMAT_RAW && !disk->script) ||
						 disk->backend == LIBXL_BACKEND_QDISK);
}

/* IDE and AHCI disks can't be read-only: QEMU has no such drive. */
static int check_writable(const struct libxlconf *c, const struct libxl_disk *disk,
	const struct json_node *node, struct err *err)
{
	unsigned slots = c->hvm.hdtype == LIBXL_HDTYPE_AHCI ? AHCI_DISKS : IDE_DISKS;

	if (c->type != LIBXL_HVM || c->version == LIBXL_DM_TRADITIONAL || disk->cdrom ||
		disk->writable || !disk->has_index || disk->index >= slots ||
		!strncmp(disk->vdev, "sd", 2) ||
		!(c->stubdom || (libxl_disk_has_local_path(disk) &&
					disk->format != LIBXL_FORMAT_UNKNOWN))) {
		return 0;
	}
	return libxlconf_refuse(node, "readwrite", err,
		"\"%s\" is emulated as an %s disk, and QEMU has no read-only ones", disk->vdev,
		slots == AHCI_DISKS ? "AHCI" : "IDE");
}

static int read_disk(
	struct libxlconf_reader *r, const struct json_node *node, void *element, struct err *err)
{
	static const struct libxljson_field fields[] = {
		{"pdev_path", LIBXLJSON_STRING, offsetof(struct libxl_disk, path)},
		FIELD(struct libxl_disk, vdev, STRING), FIELD(struct libxl_disk, script, STRING),
		FIELD(struct libxl_disk, backend_domname, STRING),
		FIELD_INT(struct libxl_disk, backend_domid, 0, DOMID_FIRST_RESERVED - 1),
		{"backend", LIBXLJSON_ENUM, offsetof(struct libxl_disk, backend), 0, 0,
			backend_names},
		{"format", LIBXLJSON_ENUM, offsetof(struct libxl_disk, format), 0, 0, format_names},
		{"specification", LIBXLJSON_ENUM, offsetof(struct libxl_disk, specification), 0, 0,
			specification_names},
		{"is_cdrom", LIBXLJSON_FLAG, offsetof(struct libxl_disk, cdrom)},
		{"readwrite", LIBXLJSON_FLAG, offsetof(struct libxl_disk, writable)},
		{"colo_enable", LIBXLJSON_DEFBOOL, offsetof(struct libxl_disk, colo)}};
	struct libxl_disk *disk = element;
	int status = libxljson_read(node, fields, ARRAY_SIZE(fields), disk, err);

	if (status < 0 || (status = read_vdev(r->as_libxl, disk, node, err)) < 0 ||
		(status = check_image(disk, node, err)) < 0 ||
		(status = choose_backend(r, disk, node, err)) < 0 ||
		(status = check_writable(r->c, disk, node, err)) < 0) {
		return status;
	}
	return disk->colo ? libxlconf_refuse(
				    node, "colo_enable", err, "COLO is not supported by xendmd")
			  : 0;
}

/* In a stub domain hda, sda and xvda are all /dev/xvda: libxl does not mind. */
static bool clashes(const struct libxlconf_reader *r, const struct libxl_disk *disk,
	const struct libxl_disk *other)
{
	return disk->number == other->number ||
	       (libxldiff_ours(r->as_libxl, LIBXLDIFF_DISK_CLASH) && r->c->stubdom &&
		       disk->has_index && other->has_index && disk->index == other->index);
}

static int check_clash(
	const struct libxlconf_reader *r, const struct json_node *list, size_t at, struct err *err)
{
	const struct libxl_disk *disks = r->c->disks, *disk = &disks[at];

	for (size_t i = 0; i < at; i++) {
		struct json_node node = json_element(list, at);

		if (clashes(r, disk, &disks[i])) {
			return libxlconf_refuse(&node, "vdev", err,
				"\"%.64s\" is the same device as disks[%zu] (\"%.64s\")%s",
				disk->vdev, i, disks[i].vdev,
				disk->number == disks[i].number ? "" : " in a stub domain");
		}
	}
	return 0;
}

int libxlconf_read_disks(struct libxlconf_reader *r, const struct json_node *root, struct err *err)
{
	struct libxlconf *c = r->c;
	struct json_node list;
	int status = libxlconf_read_list(
		r, root, "disks", sizeof(*c->disks), read_disk, &c->disks, &c->disks_len, err);

	if (!c->disks_len) {
		return status;
	}
	json_member(root, "disks", &list);
	for (size_t i = 1; i < c->disks_len && status == 0; i++) {
		status = check_clash(r, &list, i, err);
	}
	return status;
}
