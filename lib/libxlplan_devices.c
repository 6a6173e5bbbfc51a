/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* An HVM guest's devices but cards and disks: reference/libxl.md 2.1, 2.4 to 2.6. */
#include <string.h>

#include "lib/libxlplan_impl.h"

#define FIRST_SERIAL_CONSOLE 3 /* of a stub domain: /dev/hvc3 */
#define AUDIODEV "libxl-audio"
#define UHCI_COMPANIONS 3

static void serial(const struct libxlplan *p, const char *backend, size_t index)
{
	if (p->c->stubdom) {
		vmdesc_text(p->d, "-serial", "/dev/hvc%zu", FIRST_SERIAL_CONSOLE + index);
	} else {
		vmdesc_text(p->d, "-serial", "%s", backend);
	}
}

void libxlplan_serials(const struct libxlplan *p)
{
	if (p->c->hvm.serial) {
		serial(p, p->c->hvm.serial, 0);
	}
	for (size_t i = 0; i < p->c->hvm.serials.len; i++) {
		serial(p, p->c->hvm.serials.items[i], i);
	}
}

/* The old way: QEMU's own controller, and its devices by name. */
static void old_usb(const struct libxlplan *p)
{
	vmdesc_switch(p->d, "-usb");
	if (p->c->hvm.usbdevice) {
		vmdesc_text(p->d, "-usbdevice", "%s", p->c->hvm.usbdevice);
	}
	STRV_FOREACH (device, &p->c->hvm.usbdevices) {
		vmdesc_text(p->d, "-usbdevice", "%s", device);
	}
}

/* USB 2 with a companion controller for each pair of its ports. */
static void ehci(struct vmdesc *d)
{
	static const char *const functions[UHCI_COMPANIONS] = {"0x1d.0", "0x1d.0x1", "0x1d.0x2"};

	vmdesc_list(d, "-device", "driver", "ich9-usb-ehci1");
	vmdesc_set(d, "id", "usb");
	vmdesc_set(d, "addr", "0x1d.0x7");
	vmdesc_set_switch(d, "multifunction", true);
	for (int i = 0; i < UHCI_COMPANIONS; i++) {
		vmdesc_list(d, "-device", "driver", "ich9-usb-uhci%d", i + 1);
		vmdesc_set(d, "masterbus", "usb.0");
		vmdesc_set(d, "firstport", "%d", 2 * i);
		vmdesc_set(d, "addr", "%s", functions[i]);
		vmdesc_set_switch(d, "multifunction", true);
	}
}

static void redirection(struct vmdesc *d, int64_t channels)
{
	for (int i = 1; i <= channels; i++) {
		vmdesc_list(d, "-chardev", "backend", "spicevmc");
		vmdesc_set(d, "name", "usbredir");
		vmdesc_set(d, "id", "usbrc%d", i);
		vmdesc_list(d, "-device", "driver", "usb-redir");
		vmdesc_set(d, "chardev", "usbrc%d", i);
		vmdesc_set(d, "id", "usbrc%d", i);
	}
}

void libxlplan_usb(const struct libxlplan *p)
{
	const struct libxl_hvm *hvm = &p->c->hvm;

	if (hvm->usb || hvm->usbdevice || hvm->usbdevices.len) {
		old_usb(p);
		return;
	}
	switch (hvm->usbversion) {
	case 0:
		return;
	case 2:
		ehci(p->d);
		break;
	default:
		vmdesc_list(p->d, "-device", "driver",
			hvm->usbversion == 1 ? "piix3-usb-uhci" : "nec-usb-xhci");
		vmdesc_set(p->d, "id", "usb");
		break;
	}
	redirection(p->d, hvm->spice.usbredirection);
}

/* Where the sound goes: to whoever sees the screen. */
static const char *audio_driver(const struct libxlconf *c)
{
	if (c->hvm.spice.enable && !c->stubdom) {
		return "spice";
	}
	return sdl_of(c) && !c->stubdom ? "sdl" : "none";
}

void libxlplan_sound(const struct libxlplan *p)
{
	bool backend = ours(p, LIBXLDIFF_AUDIO_BACKEND);
	const char *device = p->c->hvm.sound_device;

	if (!device) {
		return;
	}
	if (backend) {
		vmdesc_list(p->d, "-audiodev", "driver", "%s", audio_driver(p->c));
		vmdesc_set(p->d, "id", AUDIODEV);
	}
	if (!strcmp(device, "hda")) {
		vmdesc_list(p->d, "-device", "driver", "intel-hda");
		device = "hda-duplex";
	}
	vmdesc_list(p->d, "-device", "driver", "%s", device);
	if (backend) {
		vmdesc_set(p->d, "audiodev", AUDIODEV);
	}
}

static void nic(const struct libxlplan *p, const struct libxl_nic *nic)
{
	long long devid = nic->devid;
	const uint8_t *m = nic->mac;

	vmdesc_list(p->d, "-device", "driver", "%s", nic->model);
	vmdesc_set(p->d, "id", "nic%lld", devid);
	vmdesc_set(p->d, "netdev", "net%lld", devid);
	vmdesc_set(
		p->d, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	vmdesc_list_keyed(p->d, "-netdev");
	vmdesc_set(p->d, "type", "tap");
	vmdesc_set(p->d, "id", "net%lld", devid);
	/* A name that the configuration gives is the vif script's business. */
	vmdesc_set(p->d, "ifname", "vif%u.%lld-emu", p->context->domid, devid);
	vmdesc_set(p->d, "br", "%s", nic->bridge);
	vmdesc_set(p->d, "script", "no");
	vmdesc_set(p->d, "downscript", "no");
}

void libxlplan_nics(const struct libxlplan *p)
{
	size_t emulated = 0;

	for (size_t i = 0; i < p->c->nics_len; i++) {
		if (p->c->nics[i].type == LIBXL_NIC_VIF_IOEMU) {
			nic(p, &p->c->nics[i]);
			emulated++;
		}
	}
	if (!emulated) {
		vmdesc_text(p->d, "-net", "none");
	}
}
