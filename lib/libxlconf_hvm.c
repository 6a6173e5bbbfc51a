/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* An HVM guest's part of b_info, and screens. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "lib/libxlconf_impl.h"
#include "lib/libxldiff.h"

#define MIB 1024		      /* in KiB */
#define MMIO_HOLE_MIN_KIB (256 * MIB) /* xl.cfg(5) */
#define MMIO_HOLE_MAX_KIB (3840 * MIB)
#define USBREDIRECTION_MAX 4

static const char *const bios_names[] = {"unknown", "rombios", "seabios", "ovmf", NULL};
enum { BIOS_UNKNOWN, BIOS_ROMBIOS };
static const char *const vga_names[] = {"unknown", "cirrus", "std", "none", "qxl", NULL};
static const char *const hdtype_names[] = {"ide", "ahci", NULL};
static const char *const gfx_names[] = {"default", "igd", NULL};
static const char *const vendor_device_names[] = {"none", "xenserver", NULL};
static const char *const sound_devices[] = {
	"ac97", "adlib", "cs4231a", "es1370", "gus", "hda", "sb16", NULL};

/* Video memory in MiB: what a card has by default and at least. */
static const struct {
	const char *name;
	unsigned traditional, traditional_min, qemu, qemu_min;
} cards[] = {
	[LIBXL_VGA_CIRRUS] = {"cirrus", 4, 0, 8, 8},
	[LIBXL_VGA_STD] = {"std", 8, 8, 16, 16},
	[LIBXL_VGA_NONE] = {"none", 0, 0, 0, 0},
	[LIBXL_VGA_QXL] = {"qxl", 0, 0, 128, 128},
};

static bool is_ipv6(const char *listen)
{
	struct in6_addr address;
	char plain[64];
	size_t len = strlen(listen);

	if (len >= sizeof(plain)) {
		return false;
	}
	memcpy(plain, listen, len + 1);
	if (*plain == '[' && len > 1 && plain[len - 1] == ']') {
		plain[len - 1] = '\0';
		return inet_pton(AF_INET6, plain + 1, &address) == 1;
	}
	return inet_pton(AF_INET6, plain, &address) == 1;
}

static int read_vnc(const struct json_node *object, bool unused, bool as_libxl,
	struct libxl_vnc *vnc, struct err *err)
{
	static const struct libxljson_field fields[] = {FIELD(struct libxl_vnc, enable, DEFBOOL),
		FIELD(struct libxl_vnc, findunused, DEFBOOL),
		FIELD_INT(struct libxl_vnc, display, 0, 65535 - 5900),
		FIELD(struct libxl_vnc, listen, STRING), FIELD(struct libxl_vnc, passwd, STRING)};
	struct json_node node;
	int r;

	vnc->enable = vnc->findunused = true;
	if (libxljson_object(object, "vnc", &node, &r, err)) {
		r = libxljson_read(&node, fields, ARRAY_SIZE(fields), vnc, err);
	}
	if (r < 0) {
		return r;
	}
	if (!vnc->listen) {
		vnc->listen = "127.0.0.1";
	}
	if (!unused && vnc->enable && vnc->display && strchr(vnc->listen, ':') &&
		!(libxldiff_ours(as_libxl, LIBXLDIFF_VNC_IPV6) && is_ipv6(vnc->listen))) {
		return libxlconf_refuse(&node, "display", err,
			"not possible beside \"listen\": \"%.64s\", which has a display already",
			vnc->listen);
	}
	return 0;
}

int libxlconf_read_display(const struct json_node *object, bool unused, bool as_libxl,
	struct libxl_display *ret, struct err *err)
{
	static const struct libxljson_field keymap[] = {
		FIELD(struct libxl_display, keymap, STRING)};
	static const struct libxljson_field sdl[] = {FIELD(struct libxl_sdl, enable, DEFBOOL),
		FIELD(struct libxl_sdl, opengl, DEFBOOL), FIELD(struct libxl_sdl, display, STRING),
		FIELD(struct libxl_sdl, xauthority, STRING)};
	struct json_node node;
	int r = libxljson_read(object, keymap, ARRAY_SIZE(keymap), ret, err);

	if (r == 0) {
		r = read_vnc(object, unused, as_libxl, &ret->vnc, err);
	}
	if (r == 0 && libxljson_object(object, "sdl", &node, &r, err)) {
		r = libxljson_read(&node, sdl, ARRAY_SIZE(sdl), &ret->sdl, err);
	}
	return r;
}

static int check_spice(const struct libxl_spice *s, const struct json_node *node, struct err *err)
{
	if (!s->enable) {
		return 0;
	}
	if (!s->port && !s->tls_port) {
		return libxlconf_refuse(
			node, "port", err, "is missing: spice needs \"port\" or \"tls_port\"");
	}
	if (!s->disable_ticketing && (!s->passwd || !*s->passwd)) {
		return libxlconf_refuse(node, "passwd", err,
			"is missing: spice needs a password or \"disable_ticketing\"");
	}
	return 0;
}

/* Inside a stub domain and with qemu-dm there is no spice. */
static int read_spice(const struct libxlconf *c, const struct json_node *hvm, struct libxl_spice *s,
	struct err *err)
{
	static const struct libxljson_field fields[] = {FIELD(struct libxl_spice, enable, DEFBOOL),
		FIELD(struct libxl_spice, disable_ticketing, DEFBOOL),
		FIELD(struct libxl_spice, agent_mouse, DEFBOOL),
		FIELD(struct libxl_spice, vdagent, DEFBOOL),
		FIELD(struct libxl_spice, clipboard_sharing, DEFBOOL),
		FIELD_INT(struct libxl_spice, port, 0, 65535),
		FIELD_INT(struct libxl_spice, tls_port, 0, 65535),
		FIELD_INT(struct libxl_spice, usbredirection, INT32_MIN, INT32_MAX),
		FIELD(struct libxl_spice, host, STRING), FIELD(struct libxl_spice, passwd, STRING),
		FIELD(struct libxl_spice, image_compression, STRING),
		FIELD(struct libxl_spice, streaming_video, STRING)};
	struct json_node node;
	int r;

	s->agent_mouse = true;
	if (!libxljson_object(hvm, "spice", &node, &r, err)) {
		return r;
	}
	r = libxljson_read(&node, fields, ARRAY_SIZE(fields), s, err);
	if (r == 0 && !s->enable && s->usbredirection > 0) {
		s->usbredirection = 0; /* libxl warns */
	}
	if (r < 0 || c->stubdom || c->version == LIBXL_DM_TRADITIONAL) {
		return r;
	}
	return check_spice(s, &node, err);
}

static int check_usb(const struct libxlconf *c, struct libxl_hvm *hvm, const struct json_node *node,
	struct err *err)
{
	bool old = hvm->usb || hvm->usbdevice || hvm->usbdevices.len;
	int64_t redirection = hvm->spice.usbredirection;

	if (hvm->usbdevice && hvm->usbdevices.len) {
		return libxlconf_refuse(node, "usbdevice_list", err, "beside \"usbdevice\"");
	}
	if (old && (hvm->usbversion || redirection)) {
		return libxlconf_refuse(node, "usbversion", err,
			"\"usbversion\" and \"usbredirection\" are not possible beside \"usb\", "
			"\"usbdevice\" and \"usbdevice_list\"");
	}
	if (!hvm->usbversion && redirection > 0) {
		hvm->usbversion = 2;
	}
	if (!hvm->usbversion || c->version == LIBXL_DM_TRADITIONAL) {
		return 0;
	}
	if (hvm->usbversion < 1 || hvm->usbversion > 3) {
		return libxlconf_refuse(node, "usbversion", err, "must be from 1 to 3, is %lld",
			(long long)hvm->usbversion);
	}
	if (redirection < 0 || redirection > USBREDIRECTION_MAX) {
		return libxlconf_refuse(node, "spice", err,
			"\"usbredirection\" must be from 0 to %d, is %lld", USBREDIRECTION_MAX,
			(long long)redirection);
	}
	return 0;
}

/* qemu-dm takes every name as it is. */
static int check_sound(const struct libxlconf *c, struct libxl_hvm *hvm,
	const struct json_node *node, struct err *err)
{
	struct json_node soundhw;
	unsigned which;

	if (!hvm->soundhw || c->version == LIBXL_DM_TRADITIONAL) {
		return 0;
	}
	for (unsigned i = 0; sound_devices[i]; i++) {
		if (!strcasecmp(sound_devices[i], hvm->soundhw)) {
			hvm->sound_device = sound_devices[i];
			return 0;
		}
	}
	json_member(node, "soundhw", &soundhw);
	return json_enum(&soundhw, sound_devices, &which, err);
}

static int check_bios(const struct libxlconf *c, const struct json_node *node, struct err *err)
{
	bool traditional = c->version == LIBXL_DM_TRADITIONAL;

	if (c->hvm.bios != BIOS_UNKNOWN && traditional != (c->hvm.bios == BIOS_ROMBIOS)) {
		return libxlconf_refuse(node, "bios", err,
			traditional ? "must be \"rombios\" with qemu_xen_traditional, is \"%s\""
				    : "\"%s\" is only for qemu_xen_traditional",
			bios_names[c->hvm.bios]);
	}
	return 0;
}

const char *libxlconf_bios(const struct libxlconf *c)
{
	if (c->hvm.bios != BIOS_UNKNOWN) {
		return bios_names[c->hvm.bios];
	}
	return c->version == LIBXL_DM_TRADITIONAL ? "rombios" : "seabios";
}

/* NODE is b_info. */
static int set_video(struct libxlconf *c, const struct json_node *node, struct err *err)
{
	bool traditional = c->version == LIBXL_DM_TRADITIONAL;
	unsigned vga = c->hvm.vga,
		 min = traditional ? cards[vga].traditional_min : cards[vga].qemu_min;

	if (traditional && vga == LIBXL_VGA_QXL) {
		return libxlconf_refuse(node, "type.hvm", err,
			"\"vga\": qxl needs \"device_model_version\": \"qemu_xen\"");
	}
	if (c->video_kib < 0) {
		c->video_kib =
			MIB * (int64_t)(traditional ? cards[vga].traditional : cards[vga].qemu);
	}
	if (c->video_kib < MIB * (int64_t)min) {
		return libxlconf_refuse(node, "video_memkb", err,
			"a %s card needs at least %u (%u MiB), is %lld", cards[vga].name, min * MIB,
			min, (long long)c->video_kib);
	}
	return 0;
}

static int check_boot(const struct libxlconf *c, const struct json_node *b_info, struct err *err)
{
	if (c->kernel && c->version == LIBXL_DM_TRADITIONAL) {
		return libxlconf_refuse(
			b_info, "kernel", err, "qemu_xen_traditional can't boot a kernel directly");
	}
	if (!c->kernel && (c->ramdisk || c->cmdline)) {
		return libxlconf_refuse(
			b_info, c->ramdisk ? "ramdisk" : "cmdline", err, "only beside \"kernel\"");
	}
	return 0;
}

static int check_mmio_hole(
	const struct libxlconf_reader *r, const struct json_node *node, struct err *err)
{
	int64_t hole = r->c->hvm.mmio_hole_kib;

	if (hole && libxldiff_ours(r->as_libxl, LIBXLDIFF_MMIO_HOLE) &&
		(hole < MMIO_HOLE_MIN_KIB || hole > MMIO_HOLE_MAX_KIB)) {
		return libxlconf_refuse(node, "mmio_hole_memkb", err,
			"must be from %d to %d, is %lld", MMIO_HOLE_MIN_KIB, MMIO_HOLE_MAX_KIB,
			(long long)hole);
	}
	return 0;
}

static int read_fields(struct libxlconf *c, const struct json_node *node, struct err *err)
{
	static const struct libxljson_field fields[] = {FIELD(struct libxl_hvm, acpi, DEFBOOL),
		FIELD(struct libxl_hvm, nographic, DEFBOOL),
		FIELD(struct libxl_hvm, gfx_passthru, DEFBOOL),
		FIELD(struct libxl_hvm, usb, DEFBOOL),
		FIELD(struct libxl_hvm, xen_platform_pci, DEFBOOL),
		{"bios", LIBXLJSON_ENUM, offsetof(struct libxl_hvm, bios), 0, 0, bios_names},
		{"hdtype", LIBXLJSON_ENUM, offsetof(struct libxl_hvm, hdtype), 0, 0, hdtype_names},
		{"gfx_passthru_kind", LIBXLJSON_ENUM, offsetof(struct libxl_hvm, gfx_kind), 0, 0,
			gfx_names},
		{"vendor_device", LIBXLJSON_ENUM, offsetof(struct libxl_hvm, vendor_device), 0, 0,
			vendor_device_names},
		{"mmio_hole_memkb", LIBXLJSON_INT, offsetof(struct libxl_hvm, mmio_hole_kib), 0,
			INT64_MAX / MIB},
		FIELD_INT(struct libxl_hvm, usbversion, INT32_MIN, INT32_MAX),
		FIELD(struct libxl_hvm, serial, STRING),
		{"serial_list", LIBXLJSON_STRINGS, offsetof(struct libxl_hvm, serials)},
		FIELD(struct libxl_hvm, boot, STRING), FIELD(struct libxl_hvm, usbdevice, STRING),
		{"usbdevice_list", LIBXLJSON_STRINGS, offsetof(struct libxl_hvm, usbdevices)},
		FIELD(struct libxl_hvm, soundhw, STRING)};
	static const struct libxljson_field vga[] = {
		{"kind", LIBXLJSON_ENUM, offsetof(struct libxl_hvm, vga), 0, 0, vga_names}};
	struct libxl_hvm *hvm = &c->hvm;
	struct json_node member;
	int r = libxljson_read(node, fields, ARRAY_SIZE(fields), hvm, err);

	if (r == 0 && libxljson_object(node, "vga", &member, &r, err)) {
		r = libxljson_read(&member, vga, ARRAY_SIZE(vga), hvm, err);
	}
	if (hvm->vga == LIBXL_VGA_UNKNOWN) {
		hvm->vga = LIBXL_VGA_CIRRUS;
	}
	if (!hvm->boot) {
		hvm->boot = "cda";
	}
	return r;
}

int libxlconf_read_hvm(struct libxlconf_reader *r, const struct json_node *b_info, struct err *err)
{
	struct libxlconf *c = r->c;
	struct json_node node, empty = *b_info;
	const struct json_node *hvm = &node;
	int status;

	c->hvm.acpi = c->hvm.xen_platform_pci = true;
	if (!libxljson_object(b_info, "type.hvm", &node, &status, err)) {
		if (status < 0) {
			return status;
		}
		empty.value = json_object_new_object();
		if (!empty.value) {
			return json_fail(b_info, -ENOMEM, err, "out of memory");
		}
		hvm = &empty;
	}
	c->has_display = true;
	if ((status = read_fields(c, hvm, err)) == 0 &&
		(status = libxlconf_read_display(hvm, false, r->as_libxl, &c->display, err)) == 0 &&
		(status = read_spice(c, hvm, &c->hvm.spice, err)) == 0 &&
		(status = check_usb(c, &c->hvm, hvm, err)) == 0 &&
		(status = check_sound(c, &c->hvm, hvm, err)) == 0 &&
		(status = check_bios(c, hvm, err)) == 0 &&
		(status = check_mmio_hole(r, hvm, err)) == 0 &&
		(status = check_boot(c, b_info, err)) == 0 &&
		(status = set_video(c, b_info, err)) == 0 && c->hvm.serial && c->hvm.serials.len) {
		status = libxlconf_refuse(hvm, "serial_list", err, "beside \"serial\"");
	}
	if (hvm == &empty) {
		json_object_put(empty.value);
	}
	return status;
}
