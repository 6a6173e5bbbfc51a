/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Screens and cards: reference/libxl.md 2.2 and 2.3. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/libxlplan_impl.h"

static bool is_plain_ipv6(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET6, text, &address) == 1;
}

/* libxl takes every colon for the one before a display. */
static bool has_display_number(const struct libxlplan *p, const char *listen)
{
	size_t len = strlen(listen);

	if (ours(p, LIBXLDIFF_VNC_IPV6) &&
		(is_plain_ipv6(listen) || (*listen == '[' && len && listen[len - 1] == ']'))) {
		return false;
	}
	return strchr(listen, ':') != NULL;
}

char *libxlplan_vnc_address(const struct libxlplan *p, const struct libxl_vnc *vnc)
{
	bool bare = ours(p, LIBXLDIFF_VNC_IPV6) && is_plain_ipv6(vnc->listen);
	char *address = NULL;

	if (has_display_number(p, vnc->listen)) {
		address = strdup(vnc->listen);
	} else if (asprintf(&address, "%s%s%s:%lld", bare ? "[" : "", vnc->listen, bare ? "]" : "",
			   (long long)vnc->display) < 0) {
		address = NULL;
	}
	if (!address) {
		p->d->status = -ENOMEM;
	}
	return address;
}

static void vnc(const struct libxlplan *p)
{
	const struct libxl_vnc *vnc = vnc_of(p->c);
	_cleanup_free_ char *address = NULL;

	if (!vnc) {
		vmdesc_text(p->d, "-vnc", "none");
		return;
	}
	address = libxlplan_vnc_address(p, vnc);
	vmdesc_list(p->d, "-vnc", "vnc", "%s", address ? address : "");
	if (vnc->passwd && *vnc->passwd) {
		vmdesc_set_switch(p->d, "password", true);
	}
	if (vnc->findunused) {
		vmdesc_set(p->d, "to", "99");
	}
}

void libxlplan_sdl_env(const struct libxlplan *p)
{
	const struct libxl_sdl *sdl = sdl_of(p->c);

	if (sdl && sdl->display) {
		strv_setenv(&p->d->env, "DISPLAY", sdl->display);
	}
	if (sdl && sdl->xauthority) {
		strv_setenv(&p->d->env, "XAUTHORITY", sdl->xauthority);
	}
}

void libxlplan_display(const struct libxlplan *p)
{
	if (!p->c->stubdom) {
		vnc(p);
	}
	vmdesc_text(p->d, "-display", "none");
	if (sdl_of(p->c) && !p->c->stubdom) {
		vmdesc_text(p->d, "-display", "sdl");
		libxlplan_sdl_env(p);
	}
	if (p->c->has_display && p->c->display.keymap) {
		vmdesc_text(p->d, "-k", "%s", p->c->display.keymap);
	}
}

static void vdagent(const struct libxlplan *p)
{
	struct vmdesc *d = p->d;

	vmdesc_list(d, "-device", "driver", "virtio-serial");
	vmdesc_list(d, "-chardev", "backend", "spicevmc");
	vmdesc_set(d, "id", "vdagent");
	vmdesc_set(d, "name", "vdagent");
	vmdesc_list(d, "-device", "driver", "virtserialport");
	vmdesc_set(d, "chardev", "vdagent");
	vmdesc_set(d, "name", "com.redhat.spice.0");
}

void libxlplan_spice(const struct libxlplan *p)
{
	const struct libxl_spice *s = &p->c->hvm.spice;
	struct vmdesc *d = p->d;

	if (!s->enable || p->c->stubdom) {
		return;
	}
	vmdesc_list_keyed(d, "-spice");
	vmdesc_set(d, "port", "%lld", (long long)s->port);
	vmdesc_set(d, "tls-port", "%lld", (long long)s->tls_port);
	if (s->host) {
		vmdesc_set(d, "addr", "%s", s->host);
	}
	if (s->disable_ticketing) {
		vmdesc_set_switch(d, "disable-ticketing", true);
	} else if (!ours(p, LIBXLDIFF_SPICE_PASSWORD)) {
		vmdesc_set(d, "password", "%s", s->passwd);
	}
	vmdesc_set_switch(d, "agent-mouse", s->agent_mouse);
	if (!s->clipboard_sharing) {
		vmdesc_set_switch(d, "disable-copy-paste", true);
	}
	if (s->image_compression) {
		vmdesc_set(d, "image-compression", "%s", s->image_compression);
	}
	if (s->streaming_video) {
		vmdesc_set(d, "streaming-video", "%s", s->streaming_video);
	}
	if (s->vdagent) {
		vdagent(p);
	}
}

/* QEMU's card has 4, 8 or 16 MiB, and QEMU exits when it is to have another size. */
static long long cirrus_mib(const struct libxlplan *p, long long mib)
{
	if (!ours(p, LIBXLDIFF_CIRRUS_MEMORY)) {
		return mib;
	}
	return mib < 8 ? 4 : mib < 16 ? 8 : 16;
}

void libxlplan_vga(const struct libxlplan *p)
{
	long long mib = libxlplan_mib(p, p->c->video_kib);

	switch (p->c->hvm.vga) {
	case LIBXL_VGA_STD:
		vmdesc_list(p->d, "-device", "driver", "VGA");
		vmdesc_set(p->d, "vgamem_mb", "%lld", mib);
		break;
	case LIBXL_VGA_CIRRUS:
		vmdesc_list(p->d, "-device", "driver", "cirrus-vga");
		vmdesc_set(p->d, "vgamem_mb", "%lld", cirrus_mib(p, mib));
		break;
	case LIBXL_VGA_QXL:
		/* half of it for each of its two memories */
		vmdesc_list(p->d, "-device", "driver", "qxl-vga");
		vmdesc_set(p->d, "vram_size_mb", "%lld", (long long)(p->c->video_kib / 2 / 1024));
		vmdesc_set(p->d, "ram_size_mb", "%lld", (long long)(p->c->video_kib / 2 / 1024));
		break;
	default:
		break;
	}
}
