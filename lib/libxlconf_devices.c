/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lists of devices but disks. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/hash.h"
#include "lib/libxlconf_impl.h"
#include "lib/libxldiff.h"
#include "lib/parse.h"

#define DEVID_MAX 65535
#define NO_DEVID (-1)
#define PV_USB_PORTS_MAX 31 /* xen/include/public/io/usbif.h */
#define EHCI_PORTS 6
#define XHCI_PORTS_MAX 15

static const char *const nictype_names[] = {"unknown", "vif_ioemu", "vif", NULL};
static const char *const usbctrl_names[] = {"auto", "pv", "devicemodel", "qusb", NULL};

#define BACKEND_FIELDS(type)                                                                       \
	FIELD_INT(type, backend_domid, 0, DOMID_FIRST_RESERVED - 1),                               \
		FIELD(type, backend_domname, STRING)

/* Six pairs of hexadecimal digits. */
static bool parse_mac(const char *text, uint8_t ret[6])
{
	for (unsigned i = 0; i < 6; i++, text += 3) {
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) ||
			text[2] != (i < 5 ? ':' : '\0')) {
			return false;
		}
		ret[i] = (uint8_t)((isdigit((unsigned char)text[0]) ? text[0] - '0'
								    : (text[0] | 32) - 'a' + 10)
					   << 4 |
				   (isdigit((unsigned char)text[1]) ? text[1] - '0'
								    : (text[1] | 32) - 'a' + 10));
	}
	return true;
}

/* libxl makes one up at random. So that a guest keeps its address over restarts of its device
 * model, it follows from the guest's uuid here; Xen's vendor part, as libxl's. */
static void make_mac(const struct libxlconf *c, struct libxl_nic *nic)
{
	uint64_t hash = HASH_FNV_START;

	if (c->uuid) {
		hash = hash_fnv(hash, c->uuid, strlen(c->uuid));
	}
	hash = hash_fnv(hash, &nic->devid, sizeof(nic->devid));
	nic->mac[1] = 0x16;
	nic->mac[2] = 0x3e;
	nic->mac[3] = (uint8_t)(hash >> 16) & 0x7f;
	nic->mac[4] = (uint8_t)(hash >> 8);
	nic->mac[5] = (uint8_t)hash;
}

/* Replication has two dozen keys of its own, all of one beginning. */
static int check_no_colo(const struct json_node *nic, struct err *err)
{
	json_object_object_foreach (nic->value, key, value) {
		if (!strncmp(key, "colo", 4) && value) {
			return libxlconf_refuse(nic, key, err, "COLO is not supported by xendmd");
		}
	}
	return 0;
}

static int read_nic(
	struct libxlconf_reader *r, const struct json_node *node, void *element, struct err *err)
{
	static const struct libxljson_field fields[] = {
		FIELD_INT(struct libxl_nic, devid, NO_DEVID, DEVID_MAX),
		FIELD(struct libxl_nic, model, STRING), FIELD(struct libxl_nic, bridge, STRING),
		{"mac", LIBXLJSON_STRING, offsetof(struct libxl_nic, mac_text)},
		{"nictype", LIBXLJSON_ENUM, offsetof(struct libxl_nic, type), 0, 0, nictype_names}};
	struct libxl_nic *nic = element;
	int status;

	*nic = (struct libxl_nic){.devid = NO_DEVID, .model = "rtl8139", .bridge = "xenbr0"};
	status = libxljson_read(node, fields, ARRAY_SIZE(fields), nic, err);
	if (status == 0) {
		status = check_no_colo(node, err);
	}
	if (status < 0) {
		return status;
	}
	if (nic->mac_text && !parse_mac(nic->mac_text, nic->mac)) {
		return libxlconf_refuse(node, "mac", err,
			"must be six pairs of hexadecimal digits with colons, is \"%.64s\"",
			nic->mac_text);
	}
	if (r->c->type != LIBXL_HVM && nic->type == LIBXL_NIC_VIF_IOEMU) {
		return libxlconf_refuse(
			node, "nictype", err, "a PV or PVH guest can't have an emulated interface");
	}
	if (nic->type == LIBXL_NIC_UNKNOWN) {
		nic->type = r->c->type == LIBXL_HVM ? LIBXL_NIC_VIF_IOEMU : LIBXL_NIC_VIF;
	}
	nic->model = nic->model ? nic->model : "rtl8139";
	nic->bridge = nic->bridge ? nic->bridge : "xenbr0";
	return 0;
}

static bool has_mac(const struct libxl_nic *nic)
{
	static const uint8_t none[6];

	return memcmp(nic->mac, none, sizeof(none)) != 0;
}

/* Those that have no number yet count on from the highest one. */
static void number_nics(struct libxlconf *c)
{
	int64_t next = 0;

	for (size_t i = 0; i < c->nics_len; i++) {
		if (c->nics[i].devid >= next) {
			next = c->nics[i].devid + 1;
		}
	}
	for (size_t i = 0; i < c->nics_len; i++) {
		if (c->nics[i].devid == NO_DEVID) {
			c->nics[i].devid = next++;
		}
		if (!has_mac(&c->nics[i])) {
			make_mac(c, &c->nics[i]);
		}
	}
}

static int read_vfb(
	struct libxlconf_reader *r, const struct json_node *node, void *element, struct err *err)
{
	int status = libxlconf_read_display(node, r->vfb_read, r->as_libxl, element, err);

	r->vfb_read = true;
	return status;
}

/* A PV guest's screen is that of its first vfb. */
static int read_vfbs(struct libxlconf_reader *r, const struct json_node *root, struct err *err)
{
	struct libxl_display *displays = NULL;
	int status = libxlconf_read_list(
		r, root, "vfbs", sizeof(*displays), read_vfb, &displays, &r->c->vfbs_len, err);

	if (r->c->type != LIBXL_HVM && status == 0 && r->c->vfbs_len) {
		r->c->display = displays[0];
		r->c->has_display = true;
	}
	free(displays);
	return status;
}

static int read_channel(
	struct libxlconf_reader *r, const struct json_node *node, void *element, struct err *err)
{
	static const struct libxljson_field fields[] = {
		FIELD_INT(struct libxl_channel, devid, NO_DEVID, DEVID_MAX),
		BACKEND_FIELDS(struct libxl_channel)};
	static const struct libxljson_field socket_fields[] = {
		FIELD(struct libxl_channel, path, STRING)};
	struct libxl_channel *channel = element;
	const char *name = NULL;
	struct json_node connection;
	int status;

	channel->devid = NO_DEVID;
	status = libxljson_read(node, fields, ARRAY_SIZE(fields), channel, err);
	if (status == 0) {
		status = json_get_text(node, "name", &name, err);
	}
	if (status < 0) {
		return status;
	}
	if (!name) {
		return json_fail_missing(node, "name", err, "is missing");
	}
	if (libxljson_object(node, "connection.socket", &connection, &status, err)) {
		status = libxljson_read(&connection, socket_fields, 1, channel, err);
		if (status == 0 && (!channel->path || !*channel->path)) {
			return json_fail_missing(&connection, "path", err, "is missing");
		}
		return status;
	}
	if (status == 0 && !libxljson_object(node, "connection.pty", &connection, &status, err) &&
		status == 0) {
		return json_fail(
			node, -EINVAL, err, "has no \"connection.pty\" or \"connection.socket\"");
	}
	return status;
}

static int read_pci(
	struct libxlconf_reader *r, const struct json_node *node, void *element, struct err *err)
{
	static const struct libxljson_field fields[] = {
		FIELD_INT(struct libxl_pci, domain, 0, 0xffff),
		FIELD_INT(struct libxl_pci, bus, 0, 0xff),
		FIELD_INT(struct libxl_pci, dev, 0, 0x1f), FIELD_INT(struct libxl_pci, func, 0, 7),
		FIELD_INT(struct libxl_pci, vdevfn, 0, UINT32_MAX),
		FIELD(struct libxl_pci, permissive, FLAG)};

	(void)r;
	return libxljson_read(node, fields, ARRAY_SIZE(fields), element, err);
}

/* Ports of an emulated controller of each version: how many there are, 0: as many as asked for. */
static int check_ports(const struct json_node *node, struct libxl_usbctrl *ctrl, struct err *err)
{
	static const unsigned fixed[] = {0, 2, EHCI_PORTS, 0};
	bool emulated = ctrl->type == LIBXL_USBCTRL_DEVICEMODEL;
	unsigned max = emulated ? XHCI_PORTS_MAX : PV_USB_PORTS_MAX;

	if (ctrl->version < 1 || ctrl->version > (emulated ? 3 : 2)) {
		return libxlconf_refuse(node, "version", err, "must be from 1 to %d, is %lld",
			emulated ? 3 : 2, (long long)ctrl->version);
	}
	if (emulated && fixed[ctrl->version]) {
		max = fixed[ctrl->version];
	}
	if (!ctrl->ports) {
		ctrl->ports = emulated && fixed[ctrl->version] ? max : 8;
	}
	if (ctrl->ports < 1 || ctrl->ports > max ||
		(emulated && fixed[ctrl->version] && ctrl->ports != max)) {
		return libxlconf_refuse(node, "ports", err,
			"a controller of version %lld has %s%u, is %lld", (long long)ctrl->version,
			max == XHCI_PORTS_MAX || max == PV_USB_PORTS_MAX ? "at most " : "", max,
			(long long)ctrl->ports);
	}
	return 0;
}

static int check_usbctrl(const struct libxlconf *c, const struct json_node *node,
	struct libxl_usbctrl *ctrl, struct err *err)
{
	if (c->type != LIBXL_HVM && ctrl->type == LIBXL_USBCTRL_DEVICEMODEL) {
		return libxlconf_refuse(
			node, "type", err, "a PV or PVH guest can't have an emulated controller");
	}
	return check_ports(node, ctrl, err);
}

static int read_usbctrl(
	struct libxlconf_reader *r, const struct json_node *node, void *element, struct err *err)
{
	static const struct libxljson_field fields[] = {
		FIELD_INT(struct libxl_usbctrl, devid, NO_DEVID, DEVID_MAX),
		FIELD_INT(struct libxl_usbctrl, version, 0, INT32_MAX),
		FIELD_INT(struct libxl_usbctrl, ports, 0, INT32_MAX),
		{"type", LIBXLJSON_ENUM, offsetof(struct libxl_usbctrl, type), 0, 0, usbctrl_names},
		BACKEND_FIELDS(struct libxl_usbctrl)};
	struct libxl_usbctrl *ctrl = element;
	int status;
	bool ours;

	ctrl->devid = NO_DEVID;
	status = libxljson_read(node, fields, ARRAY_SIZE(fields), ctrl, err);
	if (status < 0) {
		return status;
	}
	ours = libxldiff_ours(r->as_libxl, LIBXLDIFF_USB_CONTROLLERS);
	if (ctrl->type == LIBXL_USBCTRL_AUTO && r->c->type == LIBXL_HVM) {
		ctrl->type = LIBXL_USBCTRL_DEVICEMODEL;
	} else if (ctrl->type == LIBXL_USBCTRL_AUTO && ours) {
		ctrl->type = LIBXL_USBCTRL_QUSB;
	}
	ctrl->version = ctrl->version ? ctrl->version : 2;
	status = check_usbctrl(r->c, node, ctrl, err);
	if (status == 0 || ours) {
		return status;
	}
	/* libxl sees it when the device model runs: no command follows. */
	r->usb_err = *err;
	if (ctrl->type == LIBXL_USBCTRL_DEVICEMODEL) {
		ctrl->type = LIBXL_USBCTRL_AUTO;
	}
	return 0;
}

static int read_usbdev(
	struct libxlconf_reader *r, const struct json_node *node, void *element, struct err *err)
{
	static const struct libxljson_field fields[] = {
		FIELD_INT(struct libxl_usbdev, ctrl, NO_DEVID, DEVID_MAX),
		FIELD_INT(struct libxl_usbdev, port, 0, PV_USB_PORTS_MAX)};
	static const struct libxljson_field host[] = {
		FIELD_INT(struct libxl_usbdev, hostbus, 1, UINT8_MAX),
		FIELD_INT(struct libxl_usbdev, hostaddr, 1, UINT8_MAX)};
	struct libxl_usbdev *dev = element;
	struct json_node device;
	int status;

	(void)r;
	dev->ctrl = NO_DEVID;
	status = libxljson_read(node, fields, ARRAY_SIZE(fields), dev, err);
	if (status == 0 && libxljson_object(node, "type.hostdev", &device, &status, err)) {
		status = libxljson_read(&device, host, ARRAY_SIZE(host), dev, err);
	}
	if (status == 0 && (!dev->hostbus || !dev->hostaddr)) {
		return json_fail(node, -EINVAL, err,
			"needs \"type.hostdev\" with \"hostbus\" and \"hostaddr\"");
	}
	return status;
}

/* Controllers without a number get the next free one. */
static void number_usbctrls(struct libxlconf *c)
{
	int64_t next = 0;

	for (size_t i = 0; i < c->usbctrls_len; i++) {
		if (c->usbctrls[i].devid >= next) {
			next = c->usbctrls[i].devid + 1;
		}
	}
	for (size_t i = 0; i < c->usbctrls_len; i++) {
		if (c->usbctrls[i].devid == NO_DEVID) {
			c->usbctrls[i].devid = next++;
		}
	}
}

static bool port_is_free(const struct libxlconf *c, int64_t ctrl, int64_t port)
{
	for (size_t i = 0; i < c->usbdevs_len; i++) {
		if (c->usbdevs[i].ctrl == ctrl && c->usbdevs[i].port == port) {
			return false;
		}
	}
	return true;
}

static void find_port(const struct libxlconf *c, struct libxl_usbdev *dev)
{
	for (size_t i = 0; i < c->usbctrls_len && !dev->port; i++) {
		const struct libxl_usbctrl *ctrl = &c->usbctrls[i];

		if (dev->ctrl != NO_DEVID && dev->ctrl != ctrl->devid) {
			continue;
		}
		for (int64_t port = 1; port <= ctrl->ports && !dev->port; port++) {
			if (port_is_free(c, ctrl->devid, port)) {
				dev->ctrl = ctrl->devid;
				dev->port = port;
			}
		}
	}
}

/* libxl makes a controller for a device that names none and finds none. A PV guest's would come
 * too late to be a reason for QEMU, which has to serve it. */
static int add_usbctrl(struct libxlconf *c)
{
	struct libxl_usbctrl *all = realloc(c->usbctrls, (c->usbctrls_len + 1) * sizeof(*all));

	if (!all) {
		return -ENOMEM;
	}
	c->usbctrls = all;
	all[c->usbctrls_len++] = (struct libxl_usbctrl){.devid = NO_DEVID,
		.version = 2,
		.ports = EHCI_PORTS,
		.type = LIBXL_USBCTRL_DEVICEMODEL};
	number_usbctrls(c);
	return 0;
}

static int place_usbdevs(
	const struct libxlconf_reader *r, const struct json_node *root, struct err *err)
{
	struct libxlconf *c = r->c;
	struct json_node list, node;

	for (size_t i = 0; i < c->usbdevs_len; i++) {
		struct libxl_usbdev *dev = &c->usbdevs[i];

		find_port(c, dev);
		if (!dev->port && dev->ctrl == NO_DEVID && c->type == LIBXL_HVM &&
			add_usbctrl(c) == 0) {
			find_port(c, dev);
		}
		if ((dev->port && dev->ctrl != NO_DEVID) ||
			!libxldiff_ours(r->as_libxl, LIBXLDIFF_USB_CONTROLLERS)) {
			continue;
		}
		json_member(root, "usbdevs", &list);
		node = json_element(&list, i);
		return json_fail(&node, -EINVAL, err,
			"no controller in \"usbctrls\" has a free port for it");
	}
	return 0;
}

static int count_p9s(struct libxlconf *c, const struct json_node *root, struct err *err)
{
	struct json_node list, type;
	size_t len;
	int r = libxljson_array(root, "p9s", LIBXLCONF_DEVICES_MAX, &list, &len, err);

	for (size_t i = 0; i < len && r == 0; i++) {
		struct json_node node = json_element(&list, i);

		r = json_check_type(&node, json_type_object, err);
		/* 4.19 and later have a backend of their own beside QEMU. */
		if (r == 0 && (!json_member(&node, "type", &type) ||
				      !json_object_is_type(type.value, json_type_string) ||
				      strcmp(json_object_get_string(type.value), "xen_9pfsd"))) {
			c->p9s_len++;
		}
	}
	return r;
}

static void number_channels(struct libxlconf *c)
{
	for (size_t i = 0; i < c->channels_len; i++) {
		if (c->channels[i].devid == NO_DEVID) {
			c->channels[i].devid = (int64_t)i + 1;
		}
	}
}

int libxlconf_read_devices(
	struct libxlconf_reader *r, const struct json_node *root, struct err *err)
{
	struct libxlconf *c = r->c;
	const struct {
		const char *key;
		size_t size;
		libxlconf_element_fn read;
		void *ret;
		size_t *ret_len;
	} lists[] = {
		{"nics", sizeof(*c->nics), read_nic, &c->nics, &c->nics_len},
		{"channels", sizeof(*c->channels), read_channel, &c->channels, &c->channels_len},
		{"pcidevs", sizeof(*c->pcidevs), read_pci, &c->pcidevs, &c->pcidevs_len},
		{"usbctrls", sizeof(*c->usbctrls), read_usbctrl, &c->usbctrls, &c->usbctrls_len},
		{"usbdevs", sizeof(*c->usbdevs), read_usbdev, &c->usbdevs, &c->usbdevs_len},
	};
	int status = read_vfbs(r, root, err);

	for (size_t i = 0; i < ARRAY_SIZE(lists) && status == 0; i++) {
		status = libxlconf_read_list(r, root, lists[i].key, lists[i].size, lists[i].read,
			lists[i].ret, lists[i].ret_len, err);
	}
	if (status == 0) {
		status = count_p9s(c, root, err);
	}
	number_nics(c);
	number_channels(c);
	number_usbctrls(c);
	return status < 0 ? status : place_usbdevs(r, root, err);
}
