/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* PCI: bridges, ports, and the host's own devices. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/typed_devices.h"

#define ROOT_BUS "pcie.0"

void typed_set_default_bus(struct typed_emit *e, struct json_object *o, const char *driver)
{
	const char *type = typed_text(json_object_object_get(e->root, "machine"), "type");

	if (type && (!strncmp(type, "q35", 3) || !strncmp(type, "virt", 4)) &&
		typed_is_pci(driver) && !typed_text(o, "bus")) {
		vmdesc_set(e->d, "bus", ROOT_BUS);
	}
}

/* QEMU ends with a failed assertion when one of these has a ROM. */
static int refuse_rom(const struct json_node *o, struct err *err)
{
	struct json_node rom;

	return json_member(o, "rom_file", &rom)
		       ? json_fail(&rom, -EINVAL, err, "QEMU aborts when a bridge has a ROM")
		       : 0;
}

static void set_reserves(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {{"bus-reserve", "bus_reserve"},
		{"pref64-reserve", "pref64_reserve"}, {"pref32-reserve", "pref32_reserve"},
		{"mem-reserve", "mem_reserve"}, {"io-reserve", "io_reserve"}, {NULL}};

	typed_copy_all(e, o, pairs);
}

#define RESERVE_FIELDS                                                                             \
	{"bus_reserve", TYPED_NUMBER, .max = UINT8_MAX}, {"pref64_reserve", TYPED_SIZE},           \
		{"pref32_reserve", TYPED_SIZE}, {"mem_reserve", TYPED_SIZE},                       \
	{                                                                                          \
		"io_reserve", TYPED_SIZE                                                           \
	}

/* vfio */
static int check_vfio(const struct json_node *o, struct err *err)
{
	int r = typed_exclude(o, "bdf", "sysfs_dev", err);

	if (r == 0 && !typed_has(o, "sysfs_dev")) {
		r = typed_require(o, "bdf", "the host's device, or \"sysfs_dev\"", err);
	}
	return r;
}

/* On the adjunct processor bus of s390 nothing of PCI's is known. */
static void emit_vfio(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {{"host", "bdf"}, {"sysfsdev", "sysfs_dev"},
		{"id", "id"}, {"x-pci-vendor-id", "vendor_id"}, {"x-pci-device-id", "device_id"},
		{"romfile", "rom_file"}, {"bus", "bus"}, {NULL}};
	const char *transport = typed_text(o, "transport");

	if (transport && !strcmp(transport, "ap")) {
		vmdesc_list(e->d, "-device", "driver", "vfio-ap");
		typed_copy(e, o, "sysfsdev", "sysfs_dev");
		return;
	}
	if (typed_text(o, "devfs_dev")) {
		vmdesc_list(e->d, "-object", "qom-type", "iommufd");
		vmdesc_set(e->d, "id", "iommufd%s", typed_text(o, "id"));
	}
	vmdesc_list(e->d, "-device", "driver", "vfio-%s", transport ? transport : "pci");
	typed_copy_all(e, o, pairs);
	typed_set_addr(e, o);
	typed_copy(e, o, "devno", "dev_no");
	if (typed_text(o, "devfs_dev")) {
		vmdesc_set(e->d, "iommufd", "iommufd%s", typed_text(o, "id"));
	}
}

static const char *const vfio_transports[] = {"pci", "ccw", "ap", NULL};
static const struct typed_field vfio_fields[] = {
	TYPED_KIND_FIELD,
	{"bdf", TYPED_BDF},
	{"sysfs_dev", TYPED_TEXT},
	{"devfs_dev", TYPED_TEXT},
	{"id", TYPED_ID},
	{"vendor_id", TYPED_HEX16},
	{"device_id", TYPED_HEX16},
	{"rom_file", TYPED_TEXT},
	{"dev_no", TYPED_TEXT},
	{"transport", TYPED_ENUM, .names = vfio_transports},
	TYPED_BUS_FIELDS,
	{0},
};

static int check_vfio_all(const struct json_node *o, struct err *err)
{
	int r = check_vfio(o, err);

	return r == 0 ? typed_needs(o, "devfs_dev", "id", err) : r;
}
const struct typed_kind typed_vfio = {"vfio", {vfio_fields, check_vfio_all}, emit_vfio};

/* bridge */
static const char *const bridge_types[] = {"pci", "pcie", NULL};

static int check_bridge(const struct json_node *o, struct err *err)
{
	bool pci = !strcmp(typed_text(o->value, "type"), "pci");

	if (pci) {
		int r = typed_require(
			o, "chassis", "a pci bridge needs a number of its own, 1 or more", err);

		if (r < 0) {
			return r;
		}
	}
	return refuse_rom(o, err);
}

/* pcie-pci-bridge has neither chassis nor hot-plug controller. */
static void emit_bridge(struct typed_emit *e, struct json_object *o)
{
	bool pci = !strcmp(typed_text(o, "type"), "pci");

	vmdesc_list(e->d, "-device", "driver", pci ? "pci-bridge" : "pcie-pci-bridge");
	typed_copy(e, o, "bus", "bus");
	typed_copy(e, o, "id", "id");
	if (pci) {
		typed_copy(e, o, "chassis_nr", "chassis");
		vmdesc_set_switch(e->d, "shpc", typed_flag(o, "shpc"));
	}
	typed_set_addr(e, o);
	set_reserves(e, o);
}

static const struct typed_field bridge_fields[] = {
	TYPED_KIND_FIELD,
	{"type", TYPED_ENUM, .required = true, .names = bridge_types},
	{"bus", TYPED_TEXT, .required = true, .refers = TYPED_REFERS_BUS},
	{"id", TYPED_ID, .required = true},
	{"chassis", TYPED_UINT, .min = 1, .max = UINT8_MAX},
	{"shpc", TYPED_BOOL},
	{"addr", TYPED_ADDR},
	{"rom_file", TYPED_TEXT},
	RESERVE_FIELDS,
	{0},
};
const struct typed_kind typed_bridge = {"bridge", {bridge_fields, check_bridge}, emit_bridge};

/* pcie_root_port */
static int check_root_port(const struct json_node *o, struct err *err)
{
	int r = typed_exclude(o, "pref64_reserve", "pref32_reserve", err);

	return r == 0 ? refuse_rom(o, err) : r;
}

static void emit_root_port(struct typed_emit *e, struct json_object *o)
{
	const char *bus = typed_text(o, "bus"), *chassis = typed_text(o, "chassis"),
		   *slot = typed_text(o, "slot");

	vmdesc_list(e->d, "-device", "driver", "pcie-root-port");
	typed_copy(e, o, "id", "id");
	vmdesc_set(e->d, "bus", "%s", bus ? bus : ROOT_BUS);
	vmdesc_set(e->d, "chassis", "%s", chassis ? chassis : "0");
	vmdesc_set(e->d, "slot", "%s", slot ? slot : "0");
	typed_set_addr(e, o);
	vmdesc_set_switch(e->d, "multifunction", typed_flag(o, "multifunction"));
	set_reserves(e, o);
}

static const struct typed_field root_port_fields[] = {
	TYPED_KIND_FIELD,
	{"id", TYPED_ID, .required = true},
	{"chassis", TYPED_NUMBER, .max = UINT8_MAX},
	{"slot", TYPED_NUMBER, .max = UINT16_MAX},
	{"multifunction", TYPED_BOOL},
	{"rom_file", TYPED_TEXT},
	TYPED_BUS_FIELDS,
	RESERVE_FIELDS,
	{0},
};
const struct typed_kind typed_pcie_root_port = {
	"pcie_root_port", {root_port_fields, check_root_port}, emit_root_port};

/* pcie_switch_upstream_port, pcie_switch_downstream_port */
static void emit_upstream(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {{"id", "id"}, {"bus", "bus"}, {NULL}};

	vmdesc_list(e->d, "-device", "driver", "x3130-upstream");
	typed_copy_all(e, o, pairs);
}

static const struct typed_field upstream_fields[] = {
	TYPED_KIND_FIELD,
	{"id", TYPED_ID, .required = true},
	{"bus", TYPED_TEXT, .required = true, .refers = TYPED_REFERS_BUS},
	{0},
};
const struct typed_kind typed_pcie_switch_upstream_port = {
	"pcie_switch_upstream_port", {upstream_fields, NULL}, emit_upstream};

static void emit_downstream(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {
		{"id", "id"}, {"bus", "bus"}, {"chassis", "chassis"}, {"slot", "slot"}, {NULL}};

	vmdesc_list(e->d, "-device", "driver", "xio3130-downstream");
	typed_copy_all(e, o, pairs);
}

static const struct typed_field downstream_fields[] = {
	TYPED_KIND_FIELD,
	{"id", TYPED_ID, .required = true},
	{"bus", TYPED_TEXT, .required = true, .refers = TYPED_REFERS_BUS},
	{"chassis", TYPED_NUMBER, .required = true, .max = UINT8_MAX},
	{"slot", TYPED_NUMBER, .required = true, .max = UINT16_MAX},
	{0},
};
const struct typed_kind typed_pcie_switch_downstream_port = {
	"pcie_switch_downstream_port", {downstream_fields, NULL}, emit_downstream};

/* pxb_pcie */
static void emit_pxb(struct typed_emit *e, struct json_object *o)
{
	const char *bus = typed_text(o, "bus");

	vmdesc_list(e->d, "-device", "driver", "pxb-pcie");
	typed_copy(e, o, "id", "id");
	vmdesc_set(e->d, "bus", "%s", bus ? bus : ROOT_BUS);
	vmdesc_set(e->d, "bus_nr", "%lld", (long long)typed_int(o, "bus_nr", 0));
	vmdesc_set(e->d, "numa_node", "%lld", (long long)typed_int(o, "numa_node", 0));
}

static const struct typed_field pxb_fields[] = {
	TYPED_KIND_FIELD,
	{"id", TYPED_ID, .required = true},
	{"bus", TYPED_TEXT, .refers = TYPED_REFERS_BUS},
	{"bus_nr", TYPED_UINT, .required = true, .min = 1, .max = UINT8_MAX},
	{"numa_node", TYPED_UINT, .max = 127},
	{0},
};
const struct typed_kind typed_pxb_pcie = {"pxb_pcie", {pxb_fields, NULL}, emit_pxb};
