/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/xenlayout.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/parse.h"

static void build(char *ret, const char *root, uint32_t domid, const char *key)
{
	snprintf(ret, XENLAYOUT_PATH_MAX, "%s/%u%s%s", root, domid, key ? "/" : "", key ? key : "");
}

void xenlayout_domain(uint32_t domid, const char *key, char ret[XENLAYOUT_PATH_MAX])
{
	build(ret, "/local/domain", domid, key);
}

void xenlayout_dm(uint32_t domid, const char *key, char ret[XENLAYOUT_PATH_MAX])
{
	build(ret, "/local/domain/0/device-model", domid, key);
}

void xenlayout_xendmd(uint32_t domid, const char *key, char ret[XENLAYOUT_PATH_MAX])
{
	build(ret, XENLAYOUT_XENDMD_ROOT, domid, key);
}

void xenlayout_libxl(uint32_t domid, const char *key, char ret[XENLAYOUT_PATH_MAX])
{
	build(ret, "/libxl", domid, key);
}

int xenlayout_domid_of(const char *path, const char *prefix, uint32_t *ret)
{
	char number[8];
	size_t len = strlen(prefix);

	if (strncmp(path, prefix, len) || path[len] != '/') {
		return -EINVAL;
	}
	path += len + 1;
	len = strcspn(path, "/");
	if (len >= sizeof(number)) {
		return -EINVAL;
	}
	memcpy(number, path, len);
	number[len] = 0;
	return parse_domid(number, ret);
}

int xenlayout_parse_pid(const char *text, int *ret)
{
	uint32_t pid;
	int r = text ? parse_u32(text, INT_MAX, &pid) : -ENOENT;

	if (r < 0) {
		return r;
	}
	if (pid == 0) {
		return -EINVAL;
	}
	*ret = pid;
	return 0;
}
