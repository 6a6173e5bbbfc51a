/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where things are in xenstore: libxl's layout (docs/misc/xenstore-paths.pandoc of the Xen tree;
 * reference/libxl.md section 10) and ours (contract section 6). Pure.
 */
#include <stdint.h>

#define XENLAYOUT_PATH_MAX 256
#define XENLAYOUT_XENDMD_ROOT "/local/domain/0/xendmd"

/* /local/domain/G[/KEY] */
void xenlayout_domain(uint32_t domid, const char *key, char ret[XENLAYOUT_PATH_MAX]);
/* /local/domain/0/device-model/G[/KEY] */
void xenlayout_dm(uint32_t domid, const char *key, char ret[XENLAYOUT_PATH_MAX]);
/* /local/domain/0/xendmd/G[/KEY] */
void xenlayout_xendmd(uint32_t domid, const char *key, char ret[XENLAYOUT_PATH_MAX]);
/* /libxl/G[/KEY]: there when libxl made the domain */
void xenlayout_libxl(uint32_t domid, const char *key, char ret[XENLAYOUT_PATH_MAX]);

/* "PREFIX/7" or "PREFIX/7/KEY" -> 7; PREFIX may be "@releaseDomain". -EINVAL for any other path,
 * -ERANGE for a number that no domain has. */
int xenlayout_domid_of(const char *path, const char *prefix, uint32_t *ret);
/* The value of image/device-model-pid: decimal, 1..INT_MAX. -ENOENT for NULL, -EINVAL, -ERANGE. */
int xenlayout_parse_pid(const char *text, int *ret);
