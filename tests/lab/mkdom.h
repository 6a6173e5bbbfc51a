/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct xs_handle;

/* What mkdom creates, and what is known of it afterwards. */
struct mkdom {
	const char *name;
	uint8_t uuid[16];
	unsigned memory_mib; /* video memory included, as in an xl.cfg */
	bool running;
	bool as_libxl;
	unsigned late_name_ms; /* 0: the name comes with all the rest */

	uint32_t domid;
	unsigned store_port;
	unsigned console_port;
	unsigned long store_gfn;
	unsigned long console_gfn;
};

/* Video memory that libxl takes off a guest's RAM by default; QEMU allocates it. */
#define MKDOM_VIDEO_MIB 8

/*
 * The xenstore side, in libxl's order: _begin before the domain has memory, _introduce when its
 * rings are there (it also introduces the domain), _console and _firmware after it was introduced.
 * Each returns 0 or -Exxx.
 */
int mkdom_store_begin(struct xs_handle *xs, const struct mkdom *m);
int mkdom_store_introduce(struct xs_handle *xs, const struct mkdom *m);
int mkdom_store_console(struct xs_handle *xs, const struct mkdom *m);
int mkdom_store_firmware(struct xs_handle *xs, const struct mkdom *m);
int mkdom_store_name(struct xs_handle *xs, const struct mkdom *m);

/* Removes all of the above. */
int mkdom_store_remove(struct xs_handle *xs, uint32_t domid);
