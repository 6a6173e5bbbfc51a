/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between the parts of lib/libxlplan. Each appends its options to the description. */
#include "lib/libxldiff.h"
#include "lib/libxlplan.h"

struct libxlplan {
	const struct libxlconf *c;
	const struct libxlplan_context *context;
	struct vmdesc *d;
};

/* Do it our way? See lib/libxldiff.h. */
static inline bool ours(const struct libxlplan *p, enum libxldiff which)
{
	return libxldiff_ours(p->context->as_libxl, which);
}
/* The screen's, where it is on; else NULL. */
static inline const struct libxl_vnc *vnc_of(const struct libxlconf *c)
{
	return c->has_display && c->display.vnc.enable ? &c->display.vnc : NULL;
}
static inline const struct libxl_sdl *sdl_of(const struct libxlconf *c)
{
	return c->has_display && c->display.sdl.enable ? &c->display.sdl : NULL;
}
const char *libxlplan_name(const struct libxlplan *p);
void libxlplan_domain_id_env(const struct libxlplan *p);
void libxlplan_verbatim(const struct libxlplan *p, const struct strv *arguments);
/* libxl's arithmetic is done in 32 bits. */
int64_t libxlplan_mib(const struct libxlplan *p, int64_t kib);

/* libxlplan_display.c */
void libxlplan_display(const struct libxlplan *p);
void libxlplan_sdl_env(const struct libxlplan *p);
void libxlplan_spice(const struct libxlplan *p);
void libxlplan_vga(const struct libxlplan *p);
/* "HOST:DISPLAY"; the caller frees; NULL when out of memory, which the description knows then. */
char *libxlplan_vnc_address(const struct libxlplan *p, const struct libxl_vnc *vnc);

/* libxlplan_devices.c */
void libxlplan_serials(const struct libxlplan *p);
void libxlplan_usb(const struct libxlplan *p);
void libxlplan_sound(const struct libxlplan *p);
void libxlplan_nics(const struct libxlplan *p);

/* libxlplan_disks.c */
void libxlplan_scsi_controller(const struct libxlplan *p);
void libxlplan_disks(const struct libxlplan *p);

/* libxlplan_steps.c */
void libxlplan_steps(const struct libxlplan *p);

/* libxlplan_old.c: qemu-xen-traditional */
void libxlplan_old(const struct libxlplan *p);

/* libxluser.c: whom QEMU is to become. "" in RET: root. */
#define LIBXLUSER_MAX 256
int libxluser_choose(
	const struct libxlconf *c, uint32_t domid, char ret[LIBXLUSER_MAX], struct err *err);

/* libxligd.c: is one of the PCI devices an Intel graphics card? */
bool libxligd_among(const struct libxlconf *c);
