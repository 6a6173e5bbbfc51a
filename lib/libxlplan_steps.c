/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has no argument: QMP commands that follow the start, in libxl's order (reference/libxl.md
 * 6.3): passwords as soon as QEMU answers, then USB, then PCI.
 */
#include <stdarg.h>
#include <stdio.h>

#include "lib/libxlplan_impl.h"

static void add(struct json_object *arguments, const char *key, const char *value)
{
	json_object_object_add(arguments, key, json_object_new_string(value));
}

static void add_format(struct json_object *arguments, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void add_format(struct json_object *arguments, const char *key, const char *format, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	add(arguments, key, text);
}

/* libxl 4.17 gives numbers as text; QEMU 9.2 and later insist on numbers. */
static void add_number(
	const struct libxlplan *p, struct json_object *arguments, const char *key, int64_t value)
{
	if (ours(p, LIBXLDIFF_QMP_NUMBERS)) {
		json_object_object_add(arguments, key, json_object_new_int64(value));
	} else {
		add_format(arguments, key, "%lld", (long long)value);
	}
}

static void passwords(const struct libxlplan *p)
{
	const struct libxl_spice *spice = &p->c->hvm.spice;
	const struct libxl_vnc *vnc = vnc_of(p->c);
	struct json_object *arguments;

	if (vnc && vnc->passwd && *vnc->passwd) {
		arguments = json_object_new_object();
		add(arguments, "password", vnc->passwd);
		vmdesc_step(p->d, "change-vnc-password", arguments);
	}
	if (spice->enable && !spice->disable_ticketing && ours(p, LIBXLDIFF_SPICE_PASSWORD)) {
		arguments = json_object_new_object();
		add(arguments, "protocol", "spice");
		add(arguments, "password", spice->passwd);
		vmdesc_step(p->d, "set_password", arguments);
	}
}

static void usbctrl(const struct libxlplan *p, const struct libxl_usbctrl *ctrl)
{
	static const char *const drivers[] = {NULL, "piix3-usb-uhci", "usb-ehci", "nec-usb-xhci"};
	struct json_object *arguments = json_object_new_object();

	add(arguments, "driver", drivers[ctrl->version]);
	if (ctrl->version == 3) {
		add_number(p, arguments, "p2", ctrl->ports);
		add_number(p, arguments, "p3", ctrl->ports);
	}
	add_format(arguments, "id", "xenusb-%lld", (long long)ctrl->devid);
	vmdesc_step(p->d, "device_add", arguments);
}

static bool is_emulated(const struct libxlconf *c, int64_t devid)
{
	for (size_t i = 0; i < c->usbctrls_len; i++) {
		if (c->usbctrls[i].devid == devid) {
			return c->usbctrls[i].type == LIBXL_USBCTRL_DEVICEMODEL;
		}
	}
	return false;
}

static void usbdev(const struct libxlplan *p, const struct libxl_usbdev *dev)
{
	struct json_object *arguments = json_object_new_object();

	add_format(arguments, "id", "xenusb-%lld-%lld", (long long)dev->hostbus,
		(long long)dev->hostaddr);
	add(arguments, "driver", "usb-host");
	add_format(arguments, "bus", "xenusb-%lld.0", (long long)dev->ctrl);
	add_format(arguments, "port", "%lld", (long long)dev->port);
	add_number(p, arguments, "hostbus", dev->hostbus);
	add_number(p, arguments, "hostaddr", dev->hostaddr);
	vmdesc_step(p->d, "device_add", arguments);
}

static void pci(const struct libxlplan *p, const struct libxl_pci *dev)
{
	struct json_object *arguments = json_object_new_object();

	add(arguments, "driver", "xen-pci-passthrough");
	add_format(arguments, "id", "pci-pt-%02x_%02x.%01x", (unsigned)dev->bus, (unsigned)dev->dev,
		(unsigned)dev->func);
	add_format(arguments, "hostaddr", "%04x:%02x:%02x.%01x", (unsigned)dev->domain,
		(unsigned)dev->bus, (unsigned)dev->dev, (unsigned)dev->func);
	if (dev->vdevfn) {
		add_format(arguments, "addr", "%x.%x", (unsigned)(dev->vdevfn >> 3 & 0x1f),
			(unsigned)(dev->vdevfn & 7));
	}
	if (dev->permissive) {
		json_object_object_add(arguments, "permissive", json_object_new_boolean(true));
	}
	vmdesc_step(p->d, "device_add", arguments);
}

void libxlplan_steps(const struct libxlplan *p)
{
	const struct libxlconf *c = p->c;

	/* qemu-dm is asked over xenstore; a stub domain's screen is not its QEMU's; a PV guest's
	 * devices are its kernel's. */
	if (c->version == LIBXL_DM_TRADITIONAL) {
		return;
	}
	if (!c->stubdom) {
		passwords(p);
	}
	for (size_t i = 0; c->type == LIBXL_HVM && i < c->usbctrls_len; i++) {
		if (c->usbctrls[i].type == LIBXL_USBCTRL_DEVICEMODEL) {
			usbctrl(p, &c->usbctrls[i]);
		}
	}
	for (size_t i = 0; c->type == LIBXL_HVM && i < c->usbdevs_len; i++) {
		if (is_emulated(c, c->usbdevs[i].ctrl)) {
			usbdev(p, &c->usbdevs[i]);
		}
	}
	for (size_t i = 0; c->type == LIBXL_HVM && i < c->pcidevs_len; i++) {
		pci(p, &c->pcidevs[i]);
	}
}
