/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu-xen-traditional: qemu-dm in domain 0, or MiniOS's ioemu. Its options are those of QEMU in
 * 2008, its disks it takes from xenstore (reference/libxl.md section 5).
 */
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/libxlplan_impl.h"

static void vnc(const struct libxlplan *p)
{
	const struct libxl_vnc *vnc = vnc_of(p->c);
	_cleanup_free_ char *address = NULL;

	if (!vnc) {
		if (!sdl_of(p->c)) {
			vmdesc_switch(p->d, "-nographic");
		}
		return;
	}
	address = libxlplan_vnc_address(p, vnc);
	vmdesc_text(p->d, "-vnc", "%s%s", address ? address : "",
		vnc->passwd && *vnc->passwd ? ",password" : "");
	if (vnc->findunused) {
		vmdesc_switch(p->d, "-vncunused");
	}
}

static void display(const struct libxlplan *p)
{
	vnc(p);
	if (sdl_of(p->c)) {
		vmdesc_switch(p->d, "-sdl");
		if (!sdl_of(p->c)->opengl) {
			vmdesc_switch(p->d, "-disable-opengl");
		}
		libxlplan_sdl_env(p);
	}
	if (p->c->has_display && p->c->display.keymap) {
		vmdesc_text(p->d, "-k", "%s", p->c->display.keymap);
	}
}

static void card(const struct libxlplan *p)
{
	if (p->c->video_kib) {
		vmdesc_text(
			p->d, "-videoram", "%lld", (long long)libxlplan_mib(p, p->c->video_kib));
	}
	if (p->c->hvm.vga == LIBXL_VGA_STD) {
		vmdesc_switch(p->d, "-std-vga");
	} else if (p->c->hvm.vga == LIBXL_VGA_NONE) {
		vmdesc_text(p->d, "-vga", "none");
	}
}

/* The VCPUs that are there from the start, as one hexadecimal number of whole bytes. */
static void vcpus(const struct libxlplan *p)
{
	char text[2 + LIBXLCONF_VCPUS_MAX / 4 + 1] = "0x";
	size_t at = 2;

	if (p->c->max_vcpus > 1) {
		vmdesc_text(p->d, "-vcpus", "%lld", (long long)p->c->max_vcpus);
	}
	for (unsigned i = (p->c->vcpus_end + 7) / 8; i > 0; i--) {
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%02x", p->c->vcpus[i - 1]);
	}
	vmdesc_text(p->d, "-vcpu_avail", "%s", text);
}

static void nic(const struct libxlplan *p, const struct libxl_nic *nic)
{
	long long devid = nic->devid;
	const uint8_t *m = nic->mac;

	vmdesc_list(p->d, "-net", "type", "nic");
	vmdesc_set(p->d, "vlan", "%lld", devid);
	vmdesc_set(p->d, "macaddr", "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
		m[5]);
	vmdesc_set(p->d, "model", "%s", nic->model);
	vmdesc_list(p->d, "-net", "type", "tap");
	vmdesc_set(p->d, "vlan", "%lld", devid);
	vmdesc_set(p->d, "ifname", "vif%u.%lld-emu", p->context->domid, devid);
	vmdesc_set(p->d, "bridge", "%s", nic->bridge);
	vmdesc_set(p->d, "script", "no");
	vmdesc_set(p->d, "downscript", "no");
}

static void nics(const struct libxlplan *p)
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

static void usb(const struct libxlplan *p)
{
	const struct libxl_hvm *hvm = &p->c->hvm;

	if (hvm->usb || hvm->usbdevice || hvm->usbdevices.len) {
		libxlplan_usb(p);
	}
}

static void serials(const struct libxlplan *p)
{
	if (p->c->hvm.serial) {
		vmdesc_text(p->d, "-serial", "%s", p->c->hvm.serial);
	}
	STRV_FOREACH (serial, &p->c->hvm.serials) {
		vmdesc_text(p->d, "-serial", "%s", serial);
	}
}

static void hvm_devices(const struct libxlplan *p)
{
	serials(p);
	if (p->c->hvm.nographic && !sdl_of(p->c) && !vnc_of(p->c)) {
		vmdesc_switch(p->d, "-nographic");
	}
	card(p);
	vmdesc_text(p->d, "-boot", "%s", p->c->hvm.boot);
	usb(p);
	if (p->c->hvm.soundhw) {
		vmdesc_text(p->d, "-soundhw", "%s", p->c->hvm.soundhw);
	}
	if (p->c->acpi && p->c->hvm.acpi) {
		vmdesc_switch(p->d, "-acpi");
	}
	vcpus(p);
	nics(p);
	if (p->c->hvm.gfx_passthru) {
		vmdesc_switch(p->d, "-gfx_passthru");
	}
}

void libxlplan_old(const struct libxlplan *p)
{
	bool hvm = p->c->type == LIBXL_HVM;

	vmdesc_text(p->d, "-d", "%u", p->context->domid);
	if (libxlplan_name(p)) {
		vmdesc_text(p->d, "-domain-name", "%s", libxlplan_name(p));
	}
	display(p);
	if (hvm) {
		libxlplan_domain_id_env(p);
		hvm_devices(p);
	} else if (!sdl_of(p->c) && !vnc_of(p->c)) {
		vmdesc_switch(p->d, "-nographic");
	}
	if (p->context->incoming_file) {
		vmdesc_text(p->d, "-loadvm", "%s", p->context->incoming_file);
	}
	libxlplan_verbatim(p, &p->c->extra);
	vmdesc_text(p->d, "-M", hvm ? "xenfv" : "xenpv");
	libxlplan_verbatim(p, hvm ? &p->c->extra_hvm : &p->c->extra_pv);
}

void libxlplan_minios_args(const struct strv *argv, struct strv *ret)
{
	static const char *const dropped[] = {"-sdl", "-M", "xenfv"};

	STRV_FOREACH (argument, argv) {
		bool drop = false;

		for (size_t i = 0; i < ARRAY_SIZE(dropped); i++) {
			drop |= !strcmp(argument, dropped[i]);
		}
		if (!drop) {
			strv_add(ret, argument);
		}
	}
}
