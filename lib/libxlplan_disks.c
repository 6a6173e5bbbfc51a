/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* An HVM guest's emulated disks: reference/libxl.md 2.7. */
#include <stdio.h>
#include <string.h>

#include "lib/libxlplan_impl.h"

#define STUB_DISKS 26 /* /dev/xvda to xvdz */
#define IDE_DISKS 4
#define AHCI_DISKS 6

static const char *const qemu_formats[] = {
	[LIBXL_FORMAT_QCOW] = "qcow",
	[LIBXL_FORMAT_QCOW2] = "qcow2",
	[LIBXL_FORMAT_VHD] = "vpc",
	[LIBXL_FORMAT_RAW] = "raw",
	[LIBXL_FORMAT_QED] = "qed",
};

/* What QEMU opens: FILE NULL is an empty drive. */
struct image {
	const char *file, *format;
	char stub_path[16];
};

static bool is_scsi(const struct libxl_disk *disk)
{
	return !strncmp(disk->vdev, "sd", 2);
}

/* False where QEMU can't get at it: then the guest has it by its PV driver only. */
static bool find_image(const struct libxlconf *c, const struct libxl_disk *disk, struct image *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (disk->format == LIBXL_FORMAT_EMPTY) {
		return disk->cdrom;
	}
	if (c->stubdom) {
		snprintf(ret->stub_path, sizeof(ret->stub_path), "/dev/xvd%c",
			(int)('a' + disk->index % STUB_DISKS));
		ret->file = ret->stub_path;
		ret->format = "host_device";
		return disk->index < STUB_DISKS;
	}
	/* Other backends understand the format themselves. */
	ret->format = disk->backend == LIBXL_BACKEND_QDISK ? qemu_formats[disk->format] : "raw";
	ret->file = disk->path;
	return ret->format && libxl_disk_has_local_path(disk);
}

static void cdrom(
	const struct libxlplan *p, const struct libxl_disk *disk, const struct image *image)
{
	/* Eject and change find it by this name, of the drive and of the device. */
	unsigned number = disk->number;
	struct vmdesc *d = p->d;

	/* libxl lets the fifth pass, for which there is no bus. */
	if (disk->index > (ours(p, LIBXLDIFF_CDROM_INDEX) ? IDE_DISKS - 1 : IDE_DISKS)) {
		return;
	}
	vmdesc_list_keyed(d, "-drive");
	vmdesc_set(d, "if", "none");
	vmdesc_set_switch(d, "readonly", true);
	vmdesc_set(d, "id", "ide-%u", number);
	if (image->file) {
		vmdesc_set(d, "file", "%s", image->file);
		vmdesc_set(d, "format", "%s", image->format);
	}
	vmdesc_list(d, "-device", "driver", "ide-cd");
	vmdesc_set(d, "id", "ide-%u", number);
	vmdesc_set(d, "drive", "ide-%u", number);
	vmdesc_set(d, "bus", "ide.%u", disk->index / 2);
	vmdesc_set(d, "unit", "%u", disk->index % 2);
}

static void scsi(
	const struct libxlplan *p, const struct libxl_disk *disk, const struct image *image)
{
	struct vmdesc *d = p->d;

	vmdesc_list_keyed(d, "-drive");
	vmdesc_set(d, "file", "%s", image->file);
	vmdesc_set(d, "id", "scsi0-hd%u", disk->index);
	vmdesc_set(d, "format", "%s", image->format);
	vmdesc_set(d, "if", "none");
	vmdesc_set_switch(d, "readonly", !disk->writable);
	vmdesc_set(d, "cache", "writeback");
	vmdesc_list(d, "-device", "driver", "scsi-hd");
	vmdesc_set(d, "drive", "scsi0-hd%u", disk->index);
	vmdesc_set(d, "scsi-id", "%u", disk->index);
}

static void ahci(
	const struct libxlplan *p, const struct libxl_disk *disk, const struct image *image)
{
	struct vmdesc *d = p->d;

	vmdesc_list_keyed(d, "-drive");
	vmdesc_set(d, "file", "%s", image->file);
	vmdesc_set(d, "if", "none");
	vmdesc_set(d, "id", "ahcidisk-%u", disk->index);
	vmdesc_set(d, "format", "%s", image->format);
	vmdesc_set(d, "cache", "writeback");
	vmdesc_list(d, "-device", "driver", "ide-hd");
	vmdesc_set(d, "bus", "ahci0.%u", disk->index);
	vmdesc_set(d, "unit", "0");
	vmdesc_set(d, "drive", "ahcidisk-%u", disk->index);
}

static void ide(const struct libxlplan *p, const struct libxl_disk *disk, const struct image *image)
{
	struct vmdesc *d = p->d;

	vmdesc_list_keyed(d, "-drive");
	vmdesc_set(d, "file", "%s", image->file);
	vmdesc_set(d, "if", "ide");
	vmdesc_set(d, "index", "%u", disk->index);
	vmdesc_set(d, "media", "disk");
	vmdesc_set(d, "format", "%s", image->format);
	vmdesc_set(d, "cache", "writeback");
}

static void emulate(const struct libxlplan *p, const struct libxl_disk *disk)
{
	struct image image;

	if (!disk->has_index || !find_image(p->c, disk, &image)) {
		return;
	}
	if (disk->cdrom) {
		cdrom(p, disk, &image);
	} else if (is_scsi(disk)) {
		scsi(p, disk, &image);
	} else if (p->c->hvm.hdtype == LIBXL_HDTYPE_AHCI && disk->index < AHCI_DISKS) {
		ahci(p, disk, &image);
	} else if (disk->index < IDE_DISKS) {
		ide(p, disk, &image);
	}
}

void libxlplan_scsi_controller(const struct libxlplan *p)
{
	for (size_t i = 0; i < p->c->disks_len; i++) {
		if (!p->c->disks[i].cdrom && is_scsi(&p->c->disks[i])) {
			vmdesc_list(p->d, "-device", "driver", "lsi53c895a");
			return;
		}
	}
}

void libxlplan_disks(const struct libxlplan *p)
{
	if (p->c->hvm.hdtype == LIBXL_HDTYPE_AHCI) {
		vmdesc_list(p->d, "-device", "driver", "ahci");
		vmdesc_set(p->d, "id", "ahci0");
	}
	for (size_t i = 0; i < p->c->disks_len; i++) {
		emulate(p, &p->c->disks[i]);
	}
}
