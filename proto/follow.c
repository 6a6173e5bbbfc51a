/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/follow.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/limits.h"
#include "lib/parse.h"

#define SERIAL_LABEL "serial"
#define PTY_PREFIX "pty:"
#define PTS_DIRECTORY "/dev/pts/"
#define KEY_MAX 64

/* The text of a string without NULs in it; else NULL. */
static const char *text_of(struct json_object *object, const char *key)
{
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(object, key, &value) ||
		!json_object_is_type(value, json_type_string)) {
		return NULL;
	}
	text = json_object_get_string(value);
	return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

static const char *behind(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) ? NULL : text + strlen(prefix);
}

static bool has_key(const struct strv *nodes, const char *key)
{
	STRV_FOREACH (node, nodes) {
		const char *rest = behind(node, key);

		if (rest && *rest == '=') {
			return true;
		}
	}
	return false;
}

static bool is_one_of(unsigned pty, const unsigned *ptys, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (ptys[i] == pty) {
			return true;
		}
	}
	return false;
}

static int check_pty(
	const char *label, const char *path, const unsigned *ptys, size_t ptys_len, struct err *err)
{
	const char *number = behind(path, PTS_DIRECTORY);
	uint32_t pty;

	if (!number || parse_u32(number, INT32_MAX, &pty) < 0) {
		return err_set(
			err, -EBADMSG, "%.20s: \"%.80s\" is no pseudo-terminal", label, path);
	}
	if (!is_one_of(pty, ptys, ptys_len)) {
		return err_set(
			err, -EBADMSG, "%.20s: %.40s is not the device model's", label, path);
	}
	return 0;
}

static int take_chardev(struct json_object *entry, const unsigned *ptys, size_t ptys_len,
	struct strv *ret, struct err *err)
{
	const char *label = text_of(entry, "label"), *filename = text_of(entry, "filename");
	const char *number, *path;
	char key[KEY_MAX];
	uint32_t serial;
	int r;

	if (!label || !filename) {
		return err_set(err, -EBADMSG, "an entry without label or filename");
	}
	number = behind(label, SERIAL_LABEL);
	path = behind(filename, PTY_PREFIX);
	/* Other labels are other devices', or chosen by who wrote the command line. */
	if (!number || !path || (r = parse_u32(number, UINT32_MAX, &serial)) == -EINVAL) {
		return 0;
	}
	if (r < 0 || serial >= LIMIT_SERIALS) {
		return err_set(
			err, -EBADMSG, "%.20s: more than %d serial ports", label, LIMIT_SERIALS);
	}
	r = check_pty(label, path, ptys, ptys_len, err);
	if (r < 0) {
		return r;
	}
	snprintf(key, sizeof(key), "serial/%u/tty", serial);
	if (has_key(ret, key)) {
		return err_set(err, -EBADMSG, "%.20s is there twice", label);
	}
	strv_addf(ret, "%s=%s", key, path);
	return strv_status(ret);
}

int follow_serials(struct json_object *body, const unsigned *ptys, size_t ptys_len,
	struct strv *ret, struct err *err)
{
	size_t len =
		json_object_is_type(body, json_type_array) ? json_object_array_length(body) : 0;
	int status = 0;

	if (!json_object_is_type(body, json_type_array)) {
		return err_set(err, -EBADMSG, "not a list");
	}
	if (len > LIMIT_QMP_CHARDEVS) {
		return err_set(err, -EBADMSG, "more than %d character devices", LIMIT_QMP_CHARDEVS);
	}
	for (size_t i = 0; i < len; i++) {
		struct err wrong;
		int r = take_chardev(
			json_object_array_get_idx(body, i), ptys, ptys_len, ret, &wrong);

		if (r < 0 && status == 0) {
			status = r;
			*err = wrong;
		}
	}
	return status;
}

/* An address, as getnameinfo() prints one or as somebody named it, and nothing that a VNC viewer
 * could take for an option. */
static bool is_host(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr(".:%_-", *p)) {
			return false;
		}
	}
	return *text && *text != '-' && strlen(text) <= LIMIT_VNC_HOST_BYTES;
}

int follow_vnc(struct json_object *body, struct strv *ret, struct err *err)
{
	const char *host, *port, *family;
	struct json_object *enabled;
	uint32_t number;

	if (!json_object_is_type(body, json_type_object) ||
		!json_object_object_get_ex(body, "enabled", &enabled) ||
		!json_object_is_type(enabled, json_type_boolean)) {
		return err_set(err, -EBADMSG, "does not say whether it is enabled");
	}
	family = text_of(body, "family");
	/* A server that waits for connections handed to it, or calls a viewer, has no address. */
	if (!json_object_get_boolean(enabled) || (family && !strcmp(family, "unix")) ||
		!json_object_object_get_ex(body, "service", NULL)) {
		return 0;
	}
	host = text_of(body, "host");
	port = text_of(body, "service");
	if (!host || !is_host(host)) {
		return err_set(err, -EBADMSG, "\"%.80s\" is no host", host ? host : "");
	}
	if (!port || parse_u32(port, UINT16_MAX, &number) < 0 || number == 0) {
		return err_set(err, -EBADMSG, "\"%.80s\" is no port", port ? port : "");
	}
	strv_addf(ret, "console/vnc-listen=%s", host);
	strv_addf(ret, "console/vnc-port=%s", port);
	return strv_status(ret);
}

const char *follow_step(struct json_object *step, struct json_object **ret_arguments)
{
	const char *name = text_of(step, "execute");

	*ret_arguments = NULL;
	if (name) {
		json_object_object_get_ex(step, "arguments", ret_arguments);
	}
	return name;
}

const char *follow_hint(struct json_object *step)
{
	struct json_object *arguments;
	const char *driver;

	follow_step(step, &arguments);
	driver = text_of(arguments, "driver");
	if (driver && !strcmp(driver, "xen-pci-passthrough")) {
		return "the toolstack has to bind the device to pciback and assign it to the "
		       "domain "
		       "(xl pci-assignable-add; xc_assign_device, I/O and interrupt permissions)";
	}
	return driver && !strcmp(driver, "usb-host")
		       ? "the device has to be there and free of domain 0's driver"
		       : NULL;
}

const char *follow_password(struct json_object *step)
{
	struct json_object *arguments;
	const char *name = follow_step(step, &arguments);

	return name && !strcmp(name, "change-vnc-password") ? text_of(arguments, "password") : NULL;
}

const char *follow_node(const char *node, uint32_t domid, char ret_path[XENLAYOUT_PATH_MAX])
{
	const char *value = strchr(node, '=');
	char key[KEY_MAX];

	snprintf(key, sizeof(key), "%.*s", value ? (int)(value - node) : (int)strlen(node), node);
	xenlayout_domain(domid, key, ret_path);
	return value ? value + 1 : NULL;
}
