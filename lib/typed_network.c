/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What talks to something outside: network cards, character devices, vhost-user. */
#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/defparts.h"
#include "lib/limits.h"
#include "lib/typed_devices.h"

/* net */
enum net_type { NET_TAP, NET_MACVTAP, NET_IPVTAP, NET_VETHTAP, NET_VHOST_USER, NET_VFIO };
static const char *const net_types[] = {
	"tap", "macvtap", "ipvtap", "vethtap", "vhost-user", "vfio", NULL};

static enum net_type net_type_of(struct json_object *o)
{
	const char *name = typed_text(o, "type");
	unsigned i = 0;

	while (strcmp(name, net_types[i])) {
		i++;
	}
	return i;
}

/* Descriptors that the list KEY names: a tap with queues is several. */
static size_t count_fds(const struct json_node *o, const char *key)
{
	struct json_object *files = json_object_object_get(o->doc->root, "files"), *list;
	size_t count = 0;

	if (!json_object_object_get_ex(o->value, key, &list)) {
		return 0;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		count += defparts_file_fds(
			files, json_object_get_string(json_object_array_get_idx(list, i)) + 1);
	}
	return count;
}

/* Scripts are for an interface that QEMU opens by its name; "no" says that there is none. */
static int check_scripts(const struct json_node *o, struct err *err)
{
	static const char *const keys[] = {"script", "down_script"};
	struct json_node node;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (json_member(o, keys[i], &node) &&
			strcmp(json_object_get_string(node.value), "no") != 0) {
			return json_fail(&node, -EINVAL, err,
				"not run for an interface that is open already (\"fds\")");
		}
	}
	return 0;
}

static int check_tap_fds(const struct json_node *o, struct err *err)
{
	size_t fds = count_fds(o, "fds"), vhost_fds = count_fds(o, "vhost_fds");
	struct json_node node;
	int r = 0;

	if (!json_member(o, "fds", &node)) {
		return typed_needs(o, "vhost_fds", "fds", err);
	}
	if (!fds) {
		return json_fail(&node, -EINVAL, err, "is empty");
	}
	if (json_member(o, "vhost_fds", &node)) {
		if (vhost_fds != fds) {
			return json_fail(&node, -EINVAL, err,
				"has %zu where \"fds\" has %zu: one for each", vhost_fds, fds);
		}
		r = typed_needs(o, "vhost_fds", "vhost", err);
	}
	if (r == 0) {
		r = typed_exclude(o, "fds", "queues", err);
	}
	return r == 0 ? check_scripts(o, err) : r;
}

static int check_net(const struct json_node *o, struct err *err)
{
	enum net_type type = net_type_of(o->value);
	int r = 0;

	switch (type) {
	case NET_TAP:
		if (!typed_has(o, "fds")) {
			r = typed_require(o, "if_name", "the interface, or \"fds\"", err);
		}
		break;
	case NET_MACVTAP:
	case NET_IPVTAP:
	case NET_VETHTAP:
		r = typed_require(o, "fds", "QEMU can't open such an interface by its name", err);
		break;
	case NET_VHOST_USER:
		r = typed_require(o, "chardev", "the id of the \"char\" device to talk to", err);
		break;
	case NET_VFIO:
		return typed_require(o, "bdf", "the host's device", err);
	}
	if (r == 0) {
		r = typed_require(o, "id", "the netdev's id", err);
	}
	if (r == 0) {
		r = check_tap_fds(o, err);
	}
	return r == 0 ? typed_virtio_check(o, typed_text(o->value, "driver"), err) : r;
}

/* How many queues it has; 0: as many as the card likes. */
static size_t emit_tap(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {{"ifname", "if_name"}, {"downscript", "down_script"},
		{"script", "script"}, {"queues", "queues"}, {NULL}};
	size_t queues = (size_t)typed_int(o, "queues", 0);
	struct json_object *fds, *vhost_fds;

	vmdesc_list(e->d, "-netdev", "type", "tap");
	typed_copy(e, o, "id", "id");
	typed_copy(e, o, "vhost", "vhost");
	if (json_object_object_get_ex(o, "vhost_fds", &vhost_fds)) {
		typed_set_fds(e, "vhostfds", vhost_fds);
	}
	if (json_object_object_get_ex(o, "fds", &fds)) {
		queues = typed_set_fds(e, "fds", fds);
	} else {
		typed_copy_all(e, o, pairs);
	}
	return queues;
}

static void emit_vhost_user_netdev(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {
		{"id", "id"}, {"chardev", "chardev"}, {"queues", "queues"}, {NULL}};

	vmdesc_list(e->d, "-netdev", "type", "vhost-user");
	typed_copy_all(e, o, pairs);
}

/* Several queues need a card that has them, with two vectors each and two for the rest. */
static void set_queues(struct typed_emit *e, size_t queues, const char *driver)
{
	if (!queues || strncmp(driver, "virtio-net", 10) != 0) {
		return;
	}
	vmdesc_set_switch(e->d, "mq", true);
	if (typed_is_pci(driver)) {
		vmdesc_set(e->d, "vectors", "%zu", 2 * queues + 2);
		vmdesc_is_number(e->d);
	}
}

static void emit_card(struct typed_emit *e, struct json_object *o, size_t queues)
{
	const char *name = typed_text(o, "driver");
	char driver[TYPED_DRIVER_MAX];

	typed_virtio_driver(e, o, name ? name : "virtio-net", driver);
	vmdesc_list(e->d, "-device", "driver", "%s", driver);
	typed_copy(e, o, "id", "device_id");
	typed_copy(e, o, "netdev", "id");
	typed_copy(e, o, "mac", "mac_address");
	typed_set_default_bus(e, o, driver);
	typed_virtio_common(e, o, driver);
	set_queues(e, queues, driver);
}

static void emit_net_vfio(struct typed_emit *e, struct json_object *o)
{
	vmdesc_list(e->d, "-device", "driver", "vfio-pci");
	typed_copy(e, o, "host", "bdf");
	typed_copy(e, o, "id", "id");
	typed_virtio_common(e, o, "vfio-pci");
}

static void emit_net(struct typed_emit *e, struct json_object *o)
{
	size_t queues = (size_t)typed_int(o, "queues", 0);

	switch (net_type_of(o)) {
	case NET_VFIO:
		emit_net_vfio(e, o);
		return;
	case NET_VHOST_USER:
		emit_vhost_user_netdev(e, o);
		break;
	default:
		queues = emit_tap(e, o);
		break;
	}
	emit_card(e, o, queues);
}

static const struct typed_field net_fields[] = {
	TYPED_KIND_FIELD,
	{"type", TYPED_ENUM, .required = true, .names = net_types},
	{"driver", TYPED_TEXT},
	{"id", TYPED_ID},
	{"device_id", TYPED_ID},
	{"if_name", TYPED_TEXT},
	{"script", TYPED_TEXT},
	{"down_script", TYPED_TEXT},
	{"fds", TYPED_FILES},
	{"vhost", TYPED_BOOL},
	{"vhost_fds", TYPED_FILES},
	{"queues", TYPED_UINT, .min = 1, .max = 256}, /* the kernel's MAX_TAP_QUEUES */
	{"chardev", TYPED_TEXT, .refers = TYPED_REFERS_CHARDEV},
	{"bdf", TYPED_BDF},
	{"mac_address", TYPED_MAC},
	TYPED_BUS_FIELDS,
	TYPED_VIRTIO_FIELDS,
	{0},
};
const struct typed_kind typed_net = {"net", {net_fields, check_net}, emit_net};

/* char */
enum char_backend {
	CHAR_PIPE,
	CHAR_SOCKET,
	CHAR_CONSOLE,
	CHAR_SERIAL,
	CHAR_TTY,
	CHAR_PTY,
	CHAR_FILE,
	CHAR_STDIO
};
static const char *const char_backends[] = {
	"pipe", "socket", "console", "serial", "tty", "pty", "file", "stdio", NULL};

static enum char_backend backend_of(struct json_object *o)
{
	const char *name = typed_text(o, "backend");
	unsigned i = 0;

	while (strcmp(name, char_backends[i])) {
		i++;
	}
	return i;
}

static bool has_path(enum char_backend backend)
{
	return backend != CHAR_PTY && backend != CHAR_STDIO;
}

/* The chardev alone, for a legacy_serial. */
static bool is_plain(struct json_object *o)
{
	return !strcmp(typed_text(o, "driver"), "serial");
}

static int check_backend(const struct json_node *o, struct err *err)
{
	enum char_backend backend = backend_of(o->value);
	struct json_node node;

	if (backend == CHAR_CONSOLE) {
		json_member(o, "backend", &node);
		return json_fail(&node, -EINVAL, err,
			"QEMU has \"console\" on Windows alone; use \"stdio\" or \"serial\"");
	}
	if (has_path(backend)) {
		return typed_require(o, "path", "where the other side is", err);
	}
	if (json_member(o, "path", &node)) {
		return json_fail(&node, -EINVAL, err, "a \"%s\" has none", char_backends[backend]);
	}
	return 0;
}

static int check_char(const struct json_node *o, struct err *err)
{
	struct json_node node;
	int r = check_backend(o, err);

	if (r == 0 && backend_of(o->value) != CHAR_SOCKET && json_member(o, "client", &node)) {
		r = json_fail(&node, -EINVAL, err, "only a \"socket\" has one");
	}
	if (r == 0 && !is_plain(o->value)) {
		r = typed_require(o, "device_id", "the device's id", err);
	}
	return r == 0 ? typed_virtio_check(o, typed_text(o->value, "driver"), err) : r;
}

static void emit_chardev(struct typed_emit *e, struct json_object *o)
{
	enum char_backend backend = backend_of(o);

	vmdesc_list(e->d, "-chardev", "backend", "%s",
		char_backends[backend == CHAR_TTY ? CHAR_SERIAL : backend]);
	typed_copy(e, o, "id", "id");
	typed_copy(e, o, "path", "path");
	if (backend == CHAR_SOCKET && !typed_flag(o, "client")) {
		vmdesc_set_switch(e->d, "server", true);
		vmdesc_set_switch(e->d, "wait", false);
	}
}

static void emit_char(struct typed_emit *e, struct json_object *o)
{
	char driver[TYPED_DRIVER_MAX];

	if (!is_plain(o)) {
		typed_virtio_driver(e, o, typed_text(o, "driver"), driver);
		vmdesc_list(e->d, "-device", "driver", "%s", driver);
		typed_virtio_common(e, o, driver);
		typed_copy(e, o, "chardev", "id");
		typed_copy(e, o, "id", "device_id");
		typed_copy(e, o, "name", "name");
	}
	emit_chardev(e, o);
}

static const struct typed_field char_fields[] = {
	TYPED_KIND_FIELD,
	{"backend", TYPED_ENUM, .required = true, .names = char_backends},
	{"driver", TYPED_TEXT, .required = true},
	{"id", TYPED_ID, .required = true},
	{"device_id", TYPED_ID},
	{"path", TYPED_TEXT},
	{"client", TYPED_BOOL},
	{"name", TYPED_TEXT},
	TYPED_BUS_FIELDS,
	TYPED_VIRTIO_FIELDS,
	{0},
};
const struct typed_kind typed_char = {"char", {char_fields, check_char}, emit_char};

/* vhost_user. The first version's names have the transport in them. */
static const char *const vhost_user_names[] = {"virtio-net", "virtio-net-pci", "vhost-user-scsi",
	"vhost-user-scsi-pci", "vhost-user-blk", "vhost-user-blk-pci", "vhost-user-fs",
	"vhost-user-fs-pci", NULL};

static bool is_type(struct json_object *o, const char *type)
{
	return !strncmp(typed_text(o, "vhost_user_type"), type, strlen(type));
}

/* Fields that belong to one type, and where it can't do without. */
static int check_vhost_user(const struct json_node *o, struct err *err)
{
	static const struct {
		const char *key, *type;
		bool required;
	} rules[] = {
		{"address", "virtio-net", true},
		{"tag", "vhost-user-fs", true},
		{"queue_size", "vhost-user-fs", false},
	};
	struct json_node node;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		bool has = json_member(o, rules[i].key, &node),
		     is = is_type(o->value, rules[i].type);

		if (has && !is) {
			return json_fail(
				&node, -EINVAL, err, "only a \"%s\" has one", rules[i].type);
		}
		if (!has && is && rules[i].required) {
			return typed_require(o, rules[i].key, "this type needs one", err);
		}
	}
	if (is_type(o->value, "virtio-net") || is_type(o->value, "vhost-user-scsi")) {
		r = typed_require(o, "type_dev_id", "this type needs one", err);
		if (r < 0) {
			return r;
		}
	}
	if (typed_has(o, "disable_modern") && is_type(o->value, "vhost-user-fs")) {
		json_member(o, "disable_modern", &node);
		return json_fail(&node, -EINVAL, err, "vhost-user-fs is modern alone");
	}
	return typed_virtio_check(o, typed_text(o->value, "vhost_user_type"), err);
}

static void emit_vhost_user(struct typed_emit *e, struct json_object *o)
{
	static const char *const fs[][2] = {{"tag", "tag"}, {"queue-size", "queue_size"}, {NULL}};
	static const char *const socket[][2] = {
		{"id", "char_dev_id"}, {"path", "socket_path"}, {NULL}};
	char driver[TYPED_DRIVER_MAX];
	bool net = is_type(o, "virtio-net");

	typed_virtio_driver(e, o, typed_text(o, "vhost_user_type"), driver);
	vmdesc_list(e->d, "-chardev", "backend", "socket");
	typed_copy_all(e, o, socket);
	if (net) {
		vmdesc_list(e->d, "-netdev", "type", "vhost-user");
		typed_copy(e, o, "id", "type_dev_id");
		typed_copy(e, o, "chardev", "char_dev_id");
		vmdesc_set_switch(e->d, "vhostforce", true);
	}
	vmdesc_list(e->d, "-device", "driver", "%s", driver);
	typed_copy(e, o, net ? "netdev" : "id", "type_dev_id");
	if (net) {
		typed_copy(e, o, "mac", "address");
	} else {
		typed_copy(e, o, "chardev", "char_dev_id");
	}
	typed_copy_all(e, o, fs);
	typed_set_default_bus(e, o, driver);
	typed_virtio_common(e, o, driver);
}

static const struct typed_field vhost_user_fields[] = {
	TYPED_KIND_FIELD,
	{"vhost_user_type", TYPED_ENUM, .required = true, .names = vhost_user_names},
	{"socket_path", TYPED_TEXT, .required = true},
	{"char_dev_id", TYPED_ID, .required = true},
	{"type_dev_id", TYPED_ID},
	{"address", TYPED_MAC},
	{"tag", TYPED_TEXT},
	{"queue_size", TYPED_UINT, .min = 2, .max = 1024},
	TYPED_BUS_FIELDS,
	TYPED_VIRTIO_FIELDS,
	{0},
};
const struct typed_kind typed_vhost_user = {
	"vhost_user", {vhost_user_fields, check_vhost_user}, emit_vhost_user};
