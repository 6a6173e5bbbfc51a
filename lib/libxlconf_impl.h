/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between the parts of lib/libxlconf. */
#include "lib/libxlconf.h"
#include "lib/libxljson.h"

#define LIBXLCONF_KIB_MAX (INT64_C(1) << 42) /* 4 PiB */
#define FIELD(type, key, kind)                                                                     \
	{                                                                                          \
#key, LIBXLJSON_##kind, offsetof(type, key), 0, 0, NULL                            \
	}
#define FIELD_INT(type, key, min, max)                                                             \
	{                                                                                          \
#key, LIBXLJSON_INT, offsetof(type, key), min, max, NULL                           \
	}

struct libxlconf_reader {
	struct libxlconf *c;
	bool as_libxl;
	bool pv_stubdom; /* a stub domain is asked for, of a guest that can't have one */
	bool vfb_read;
	struct err usb_err; /* what libxl finds wrong once the device model runs */
};

/* "PATH.KEY: message" for a value that can't be; returns -EINVAL. */
int libxlconf_refuse(const struct json_node *object, const char *key, struct err *err,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* UNUSED: no device model sees it, so that only its types are checked. */
int libxlconf_read_display(const struct json_node *object, bool unused, bool as_libxl,
	struct libxl_display *ret, struct err *err);
int libxlconf_read_hvm(struct libxlconf_reader *r, const struct json_node *b_info, struct err *err);
/* The lists of devices beside b_info; after it. */
int libxlconf_read_disks(struct libxlconf_reader *r, const struct json_node *root, struct err *err);
int libxlconf_read_devices(
	struct libxlconf_reader *r, const struct json_node *root, struct err *err);

/* At last: what libxl refuses for reasons that are no device model's. */
int libxlconf_check_domain(
	const struct libxlconf_reader *r, const struct json_node *root, struct err *err);

/* Calls READ for each element of the list KEY, with an element of *RET (zeroed, SIZE each). */
typedef int (*libxlconf_element_fn)(
	struct libxlconf_reader *r, const struct json_node *node, void *element, struct err *err);
int libxlconf_read_list(struct libxlconf_reader *r, const struct json_node *root, const char *key,
	size_t size, libxlconf_element_fn read, void *ret, size_t *ret_len, struct err *err);
