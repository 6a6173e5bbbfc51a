/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A libxl domain configuration, as far as a device model knows of it: parsed, with the defaults of
 * libxl 4.17 filled in, and refused where libxl refuses it (reference/libxl.md sections 1 and 2;
 * libxl_create.c and libxl_dm.c of Xen 4.17). All that can be wrong in the text is found here,
 * with its place; what depends on the host (users, PCI devices, programs) is the planner's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/definition.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/strv.h"

#define LIBXLCONF_VCPUS_MAX 1024   /* libxl's own bound for the bitmap */
#define LIBXLCONF_DEVICES_MAX 1024 /* of one kind */

enum libxl_type { LIBXL_HVM, LIBXL_PV, LIBXL_PVH };
enum libxl_dm_version { LIBXL_DM_UNKNOWN, LIBXL_DM_TRADITIONAL, LIBXL_DM_QEMU_XEN };
enum libxl_vga {
	LIBXL_VGA_UNKNOWN,
	LIBXL_VGA_CIRRUS,
	LIBXL_VGA_STD,
	LIBXL_VGA_NONE,
	LIBXL_VGA_QXL
};
enum libxl_hdtype { LIBXL_HDTYPE_IDE, LIBXL_HDTYPE_AHCI };
enum libxl_gfx_kind { LIBXL_GFX_DEFAULT, LIBXL_GFX_IGD };
enum libxl_backend {
	LIBXL_BACKEND_UNKNOWN,
	LIBXL_BACKEND_PHY,
	LIBXL_BACKEND_TAP,
	LIBXL_BACKEND_QDISK,
	LIBXL_BACKEND_STANDALONE
};
enum libxl_format {
	LIBXL_FORMAT_UNKNOWN,
	LIBXL_FORMAT_QCOW,
	LIBXL_FORMAT_QCOW2,
	LIBXL_FORMAT_VHD,
	LIBXL_FORMAT_RAW,
	LIBXL_FORMAT_EMPTY,
	LIBXL_FORMAT_QED
};
enum libxl_specification {
	LIBXL_SPECIFICATION_UNKNOWN,
	LIBXL_SPECIFICATION_XEN,
	LIBXL_SPECIFICATION_VIRTIO /* its backend is none of the device model's */
};
enum libxl_nictype { LIBXL_NIC_UNKNOWN, LIBXL_NIC_VIF_IOEMU, LIBXL_NIC_VIF };
enum libxl_usbctrl_type {
	LIBXL_USBCTRL_AUTO,
	LIBXL_USBCTRL_PV,
	LIBXL_USBCTRL_DEVICEMODEL,
	LIBXL_USBCTRL_QUSB
};

/* Strings are borrowed from the configuration's JSON; NULL: not given. */
struct libxl_vnc {
	bool enable, findunused;
	int64_t display;
	const char *listen, *passwd;
};
struct libxl_sdl {
	bool enable, opengl;
	const char *display, *xauthority;
};
struct libxl_spice {
	bool enable, disable_ticketing, agent_mouse, vdagent, clipboard_sharing;
	int64_t port, tls_port, usbredirection;
	const char *host, *passwd, *image_compression, *streaming_video;
};
/* A screen: an HVM guest's own, or a PV guest's first vfb. */
struct libxl_display {
	struct libxl_vnc vnc;
	struct libxl_sdl sdl;
	const char *keymap;
};

struct libxl_hvm {
	bool acpi, nographic, gfx_passthru, usb, xen_platform_pci;
	unsigned bios, hdtype, vga, gfx_kind, vendor_device;
	int64_t mmio_hole_kib, usbversion;
	const char *serial, *boot, *usbdevice, *soundhw;
	const char *sound_device; /* soundhw as QEMU writes it; NULL: none */
	struct strv serials, usbdevices;
	struct libxl_spice spice;
};

struct libxl_disk {
	const char *path, *vdev, *backend_domname, *script;
	unsigned backend, format, specification;
	int64_t backend_domid;
	bool cdrom, writable, colo;
	bool has_index; /* a purely numeric vdev and a virtio disk have none: not emulated */
	unsigned index, number;
};
struct libxl_nic {
	int64_t devid;
	const char *model, *bridge, *mac_text;
	uint8_t mac[6];
	unsigned type;
};
struct libxl_channel {
	int64_t devid, backend_domid;
	const char *backend_domname;
	const char *path; /* NULL: a pty */
};
struct libxl_pci {
	int64_t domain, bus, dev, func, vdevfn;
	bool permissive;
};
struct libxl_usbctrl {
	int64_t devid, version, ports, backend_domid;
	const char *backend_domname;
	unsigned type;
};
struct libxl_usbdev {
	int64_t ctrl, port, hostbus, hostaddr;
};

struct libxlconf {
	struct json_object *json; /* owns the strings */
	unsigned type;		  /* enum libxl_type */
	const char *name;
	const char *uuid;

	bool stubdom; /* device_model_stubdomain; only HVM guests have one */
	unsigned version;
	const char *device_model, *device_model_user;
	bool dm_restrict, acpi;
	int64_t max_vcpus, max_kib, video_kib;
	unsigned vcpus_online, vcpus_end; /* bits set; 1 + the highest */
	uint8_t vcpus[LIBXLCONF_VCPUS_MAX / 8];
	const char *kernel, *ramdisk, *cmdline;
	struct strv extra, extra_pv, extra_hvm;

	bool has_display; /* false: a PV guest without vfb */
	struct libxl_display display;
	struct libxl_hvm hvm;

	struct libxl_disk *disks;
	struct libxl_nic *nics;
	struct libxl_channel *channels;
	struct libxl_pci *pcidevs;
	struct libxl_usbctrl *usbctrls;
	struct libxl_usbdev *usbdevs;
	size_t disks_len, nics_len, channels_len, pcidevs_len, usbctrls_len, usbdevs_len;
	size_t vfbs_len, p9s_len;
};

/* NODE is the configuration, or an element of "xl list -l" that has it under "config". AS_LIBXL:
 * also what only libxl refuses is refused, and what only we refuse is taken (libxldiff.h). */
int libxlconf_parse(
	const struct json_node *node, bool as_libxl, struct libxlconf **ret, struct err *err);
struct libxlconf *libxlconf_free(struct libxlconf *c); /* returns NULL */
static inline void libxlconf_free_p(struct libxlconf **c)
{
	libxlconf_free(*c);
}
#define _cleanup_libxlconf_ __attribute__((cleanup(libxlconf_free_p)))

/* A disk that QEMU can open itself, where it emulates it. */
bool libxl_disk_has_local_path(const struct libxl_disk *disk);

/* The key whose value decided on the kind, for messages. */
#define LIBXLCONF_KIND_KEY(c)                                                                      \
	((c)->stubdom ? "b_info.device_model_stubdomain" : "b_info.device_model_version")
/* What hvmloader is to run: "seabios", "ovmf" or "rombios". */
const char *libxlconf_bios(const struct libxlconf *c);
/* What kind of device model it asks for; DEFINITION_NO_DM where libxl starts none. */
enum definition_kind libxlconf_kind(const struct libxlconf *c);

/* Is it served by the domain that libxl runs in? Its name goes before its number. */
static inline bool libxl_backend_is_local(int64_t domid, const char *domname)
{
	return domname ? !strcmp(domname, "0") || !strcmp(domname, "Domain-0") : domid == 0;
}
