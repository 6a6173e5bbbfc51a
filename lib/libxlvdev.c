/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/libxlvdev.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define XVD_DISKS (1u << 20)

/* Both forms of a PV disk's number: the first 16 disks and partitions have the old one. */
static unsigned xvd_number(unsigned disk, unsigned part)
{
	return disk <= 15 && part <= 15 ? 202u << 8 | disk << 4 | part
					: 1u << 28 | disk << 8 | part;
}

static unsigned hd_number(unsigned disk, unsigned part)
{
	return (disk < 2 ? 3u : 22u) << 8 | (disk & 1) << 6 | part;
}

static unsigned sd_number(unsigned disk, unsigned part)
{
	return 8u << 8 | disk << 4 | part;
}

static const struct family {
	const char *prefix;
	unsigned disk_max, part_max;
	unsigned (*number)(unsigned disk, unsigned part);
} families[] = {
	{"xvd", XVD_DISKS - 1, 255, xvd_number},
	{"hd", 3, 63, hd_number},
	{"sd", 15, 15, sd_number},
};

/* a is 0, z is 25, aa is 26. Returns what follows the letters, NULL when it is no disk. */
static const char *read_letters(const char *text, unsigned max, unsigned *ret)
{
	unsigned value = 0;
	const char *p = text;

	for (; *p >= 'a' && *p <= 'z'; p++) {
		value = (p == text ? 0 : (value + 1) * 26) + (unsigned)(*p - 'a');
		if (value > max) {
			return NULL;
		}
	}
	*ret = value;
	return p == text ? NULL : p;
}

/* Decimal digits up to the end or to STOP. */
static const char *read_number(const char *text, unsigned max, char stop, unsigned *ret)
{
	unsigned long value;
	char *end;

	if (!isdigit((unsigned char)*text)) {
		return NULL;
	}
	value = strtoul(text, &end, 10);
	*ret = (unsigned)value;
	return value <= max && *end == stop ? end : NULL;
}

static bool parse_family(const struct family *f, const char *name, struct libxlvdev *ret)
{
	const char *p = name + strlen(f->prefix);
	unsigned disk, part = 0;

	if (strncmp(name, f->prefix, strlen(f->prefix))) {
		return false;
	}
	p = read_letters(p, f->disk_max, &disk);
	if (!p || *p == '0' || (*p && !read_number(p, f->part_max, '\0', &part))) {
		return false;
	}
	*ret = (struct libxlvdev){f->number(disk, part), true, disk};
	return true;
}

/* d<disk>p<partition> */
static bool parse_plain(const char *name, struct libxlvdev *ret)
{
	unsigned disk, part;
	const char *p = *name == 'd' ? read_number(name + 1, XVD_DISKS - 1, 'p', &disk) : NULL;

	if (!p || !read_number(p + 1, 255, '\0', &part)) {
		return false;
	}
	*ret = (struct libxlvdev){xvd_number(disk, part), true, disk};
	return true;
}

static bool parse_numeric(const char *name, struct libxlvdev *ret)
{
	unsigned long value;
	char *end;

	if (!isdigit((unsigned char)*name)) {
		return false;
	}
	errno = 0;
	value = strtoul(name, &end, 0);
	*ret = (struct libxlvdev){.number = (unsigned)value};
	return !errno && !*end && value <= INT32_MAX;
}

int libxlvdev_parse(const char *name, struct libxlvdev *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (parse_family(&families[i], name, ret)) {
			return 0;
		}
	}
	return parse_plain(name, ret) || parse_numeric(name, ret) ? 0 : -EINVAL;
}
