/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/libxlconf.h"

#define CONFIG(type, b_info, rest)                                                                 \
	"{\"c_info\": {\"type\": \"" type "\"}, \"b_info\": {" b_info "}" rest "}"
#define HVM(members) CONFIG("hvm", "\"type.hvm\": {" members "}", "")
#define BUILD(members) CONFIG("hvm", members, "")
#define LIST(key, element) CONFIG("hvm", "", ", \"" key "\": [" element "]")
#define DISK(members) LIST("disks", "{" members "}")
#define TRADITIONAL "\"device_model_version\": \"qemu_xen_traditional\""
#define STUB "\"device_model_stubdomain\": \"True\""
#define RAW "\"pdev_path\": \"/a\", \"format\": \"raw\", \"readwrite\": 1"
#define DEFBOOL "must be \"True\", \"False\" or \"<default>\", is "

static int parse(const char *text, bool as_libxl, struct libxlconf **ret, struct err *err)
{
	_cleanup_json_doc_ struct json_doc doc = {0};
	struct json_node root;
	int r = json_doc_parse(&doc, "c", text, strlen(text), err);

	if (r < 0) {
		return r;
	}
	root = json_doc_root(&doc);
	return libxlconf_parse(&root, as_libxl, ret, err);
}

/* Refused also where libxl is to be followed, unless OURS. */
static const struct {
	const char *text, *error;
	bool ours;
} bad[] = {
	/* no configuration */
	{"{}", "c_info: is missing: this is no libxl configuration (\"xl create -n\", \"xl list "
	       "-l\")"},
	{"{\"config\": 1}", "config: must be an object, is a whole number"},
	{"{\"c_info\": []}", "c_info: must be an object, is an array"},
	{"{\"c_info\": {}}", "c_info.type: is missing"},
	{"{\"c_info\": {\"type\": \"vm\"}}",
		"c_info.type: must be \"hvm\", \"pv\" or \"pvh\", is \"vm\""},
	{"{\"c_info\": {\"type\": \"hvm\"}}", "b_info: is missing"},
	{"{\"c_info\": {\"type\": \"hvm\"}, \"b_info\": null}",
		"b_info: must be an object, is null"},
	{CONFIG("pv", "\"type.hvm\": {}", ""),
		"b_info[\"type.hvm\"]: does not fit \"c_info.type\": \"pv\""},
	/* types and ranges */
	{BUILD("\"max_memkb\": -1"), "b_info.max_memkb: must be from 0 to 4398046511104, is -1"},
	{BUILD("\"max_memkb\": 18446744073709551615"), "b_info.max_memkb: must be from 0 to "
						       "4398046511104, is 18446744073709551615"},
	{BUILD("\"max_memkb\": \"1\""), "b_info.max_memkb: must be a whole number, is a string"},
	{BUILD("\"max_memkb\": 1.5"),
		"b_info.max_memkb: must be a whole number, is a number with a fraction"},
	{BUILD("\"max_memkb\": 8192"),
		"b_info.max_memkb: 8192 KiB leave nothing beside the video memory (8192 KiB)",
		true},
	{BUILD("\"max_vcpus\": 1025"), "b_info.max_vcpus: must be from 0 to 1024, is 1025"},
	{BUILD("\"avail_vcpus\": 1"), "b_info.avail_vcpus: must be an array, is a whole number"},
	{BUILD("\"avail_vcpus\": [0, 1024]"),
		"b_info.avail_vcpus[1]: must be from 0 to 1023, is 1024"},
	{BUILD("\"acpi\": 1"), "b_info.acpi: " DEFBOOL "1"},
	{BUILD("\"acpi\": \"Yes\""), "b_info.acpi: " DEFBOOL "\"Yes\""},
	{BUILD("\"extra\": \"-S\""), "b_info.extra: must be an array, is a string"},
	{BUILD("\"extra\": [1]"), "b_info.extra[0]: must be a string, is a whole number"},
	{BUILD("\"kernel\": {}"), "b_info.kernel: must be a string, is an object"},
	{BUILD("\"type.hvm\": []"), "b_info[\"type.hvm\"]: must be an object, is an array"},
	{HVM("\"vga\": \"std\""), "b_info[\"type.hvm\"].vga: must be an object, is a string"},
	{HVM("\"vga\": {\"kind\": \"vmware\"}"),
		"b_info[\"type.hvm\"].vga.kind: must be \"unknown\", \"cirrus\", \"std\", \"none\" "
		"or \"qxl\", is \"vmware\""},
	/* the device model */
	{BUILD("\"device_model_version\": \"qemu-xen\""),
		"b_info.device_model_version: must be \"qemu_xen_traditional\" or \"qemu_xen\", is "
		"\"qemu-xen\""},
	{BUILD("\"device_model_version\": \"unknown\""),
		"b_info.device_model_version: must be \"qemu_xen_traditional\" or \"qemu_xen\", is "
		"\"unknown\""},
	{BUILD("\"device_model\": \"/usr/lib/xen/bin/stubdom-dm\""),
		"b_info.device_model: \"/usr/lib/xen/bin/stubdom-dm\" is how one asked for a stub "
		"domain before Xen 4.2; today it is \"device_model_stubdomain\": \"True\" (xl.cfg: "
		"device_model_stubdomain_override)"},
	{BUILD("\"device_model\": \"\""), "b_info.device_model: must not be empty"},
	{BUILD(TRADITIONAL ", \"dm_restrict\": \"True\""),
		"b_info.dm_restrict: not possible with \"device_model_version\": "
		"\"qemu_xen_traditional\""},
	{BUILD(TRADITIONAL ", \"kernel\": \"/k\""),
		"b_info.kernel: qemu_xen_traditional can't boot a kernel directly"},
	{BUILD(TRADITIONAL ", \"type.hvm\": {\"bios\": \"seabios\"}"),
		"b_info[\"type.hvm\"].bios: must be \"rombios\" with qemu_xen_traditional, is "
		"\"seabios\""},
	{BUILD(TRADITIONAL ", \"type.hvm\": {\"vga\": {\"kind\": \"qxl\"}}"),
		"b_info[\"type.hvm\"]: \"vga\": qxl needs \"device_model_version\": \"qemu_xen\""},
	{HVM("\"bios\": \"rombios\""),
		"b_info[\"type.hvm\"].bios: \"rombios\" is only for qemu_xen_traditional"},
	/* the machine */
	{BUILD("\"ramdisk\": \"/r\""), "b_info.ramdisk: only beside \"kernel\""},
	{BUILD("\"cmdline\": \"x\""), "b_info.cmdline: only beside \"kernel\""},
	{BUILD("\"video_memkb\": 8191"),
		"b_info.video_memkb: a cirrus card needs at least 8192 (8 MiB), is 8191"},
	{BUILD("\"video_memkb\": 16383, \"type.hvm\": {\"vga\": {\"kind\": \"std\"}}"),
		"b_info.video_memkb: a std card needs at least 16384 (16 MiB), is 16383"},
	{BUILD("\"video_memkb\": 65536, \"type.hvm\": {\"vga\": {\"kind\": \"qxl\"}}"),
		"b_info.video_memkb: a qxl card needs at least 131072 (128 MiB), is 65536"},
	{HVM("\"serial\": \"pty\", \"serial_list\": [\"pty\"]"),
		"b_info[\"type.hvm\"].serial_list: beside \"serial\""},
	{HVM("\"usbdevice\": \"a\", \"usbdevice_list\": [\"b\"]"),
		"b_info[\"type.hvm\"].usbdevice_list: beside \"usbdevice\""},
	{HVM("\"usb\": \"True\", \"usbversion\": 2"),
		"b_info[\"type.hvm\"].usbversion: \"usbversion\" and \"usbredirection\" are not "
		"possible beside \"usb\", \"usbdevice\" and \"usbdevice_list\""},
	{HVM("\"usbversion\": 4"), "b_info[\"type.hvm\"].usbversion: must be from 1 to 3, is 4"},
	{HVM("\"spice\": {\"enable\": \"True\", \"port\": 1, \"disable_ticketing\": \"True\", "
	     "\"usbredirection\": 5}"),
		"b_info[\"type.hvm\"].spice: \"usbredirection\" must be from 0 to 4, is 5"},
	{HVM("\"soundhw\": \"all\""),
		"b_info[\"type.hvm\"].soundhw: must be \"ac97\", \"adlib\", \"cs4231a\", "
		"\"es1370\", \"gus\", \"hda\" or \"sb16\", is \"all\""},
	{HVM("\"mmio_hole_memkb\": 262143"),
		"b_info[\"type.hvm\"].mmio_hole_memkb: must be from "
		"262144 to 3932160, is 262143",
		true},
	{HVM("\"vnc\": {\"listen\": \"h:1\", \"display\": 2}"),
		"b_info[\"type.hvm\"].vnc.display: not possible beside \"listen\": \"h:1\", which "
		"has a display already"},
	{HVM("\"vnc\": {\"display\": 70000}"),
		"b_info[\"type.hvm\"].vnc.display: must be from 0 to 59635, is 70000"},
	{HVM("\"spice\": {\"enable\": \"True\", \"passwd\": \"x\"}"),
		"b_info[\"type.hvm\"].spice.port: is missing: spice needs \"port\" or "
		"\"tls_port\""},
	{HVM("\"spice\": {\"enable\": \"True\", \"port\": 6000, \"passwd\": \"\"}"),
		"b_info[\"type.hvm\"].spice.passwd: is missing: spice needs a password or "
		"\"disable_ticketing\""},
	/* what libxl does not create */
	{BUILD("\"nested_hvm\": \"True\", \"altp2m\": \"mixed\""),
		"b_info.nested_hvm: not possible together with \"altp2m\""},
	{HVM("\"nested_hvm\": \"True\", \"altp2m\": \"True\""),
		"b_info.nested_hvm: not possible together with \"altp2m\""},
	{BUILD("\"altp2m\": \"external\", \"max_memkb\": 65536, \"target_memkb\": 65535"),
		"b_info.target_memkb: below \"max_memkb\" is not possible together with "
		"\"altp2m\""},
	{CONFIG("hvm", "\"max_memkb\": 65536, \"target_memkb\": 32768", ", \"pcidevs\": [{}]"),
		"b_info.target_memkb: below \"max_memkb\" is not possible together with "
		"passed-through devices"},
	{BUILD("\"max_memkb\": 65536, \"target_memkb\": 1, \"vnuma_nodes\": [{}]"),
		"b_info.target_memkb: below \"max_memkb\" is not possible together with "
		"\"vnuma_nodes\""},
	{CONFIG("pv", "\"vnuma_nodes\": [{}]", ""),
		"b_info.vnuma_nodes: a PV guest can't have virtual NUMA nodes"},
	{"{\"c_info\": {\"type\": \"hvm\", \"passthrough\": \"disabled\"}, \"b_info\": {}, "
	 "\"pcidevs\": [{}]}",
		"c_info.passthrough: is \"disabled\", but there are devices to pass through"},
	/* disks */
	{DISK("\"vdev\": \"hda\""), "disks[0].pdev_path: is missing"},
	{DISK(RAW), "disks[0].vdev: is missing"},
	{DISK(RAW ", \"vdev\": \"hdz\""),
		"disks[0].vdev: \"hdz\" names no virtual disk (xen-vbd-interface(7))"},
	{DISK("\"pdev_path\": \"/a\", \"format\": \"raw\", \"vdev\": \"hda\""),
		"disks[0].readwrite: \"hda\" is emulated as an IDE disk, and QEMU has no read-only "
		"ones"},
	{CONFIG("hvm", "\"type.hvm\": {\"hdtype\": \"ahci\"}",
		 ", \"disks\": [{\"pdev_path\": \"/a\", \"format\": \"raw\", \"vdev\": \"xvdf\"}]"),
		"disks[0].readwrite: \"xvdf\" is emulated as an AHCI disk, and QEMU has no "
		"read-only ones"},
	{DISK("\"format\": \"empty\", \"vdev\": \"hda\""),
		"disks[0].format: only a CD-ROM drive can be empty"},
	{DISK("\"format\": \"empty\", \"vdev\": \"hdc\", \"is_cdrom\": 1, \"pdev_path\": \"/a\""),
		"disks[0].pdev_path: not possible beside \"format\": \"empty\""},
	{DISK("\"format\": \"raw\", \"vdev\": \"hdc\", \"is_cdrom\": 1, \"pdev_path\": \"/a\", "
	      "\"backend\": \"phy\""),
		"disks[0].backend: a CD-ROM drive of an HVM guest needs \"qdisk\", is \"phy\""},
	{DISK(RAW ", \"vdev\": \"hda\", \"backend\": \"tap\""),
		"disks[0].backend: libxl 4.17 has no \"tap\" (blktap is gone)"},
	{DISK("\"pdev_path\": \"/a\", \"format\": \"qcow2\", \"vdev\": \"hda\", \"backend\": "
	      "\"phy\""),
		"disks[0].backend: \"phy\" takes no format but \"raw\""},
	{DISK(RAW ", \"vdev\": \"hda\", \"backend\": \"standalone\""),
		"disks[0].backend: \"standalone\" and \"specification\": \"virtio\" are only "
		"possible together"},
	{DISK(RAW ", \"vdev\": \"hda\", \"backend\": \"qdisk\", \"specification\": \"virtio\""),
		"disks[0].backend: \"standalone\" and \"specification\": \"virtio\" are only "
		"possible together"},
	{DISK(RAW ", \"vdev\": \"hda\", \"backend\": \"qdisk\", \"script\": \"s\""),
		"disks[0].script: not possible with the backend \"qdisk\""},
	{DISK("\"vdev\": \"hda\", \"readwrite\": \"w\""),
		"disks[0].readwrite: must be true or false, or a number"},
	{DISK(RAW ", \"vdev\": \"hda\", \"colo_enable\": \"True\""),
		"disks[0].colo_enable: COLO is not supported by xendmd"},
	{LIST("disks", "{" RAW ", \"vdev\": \"hda\"}, {" RAW ", \"vdev\": \"hda\"}"),
		"disks[1].vdev: \"hda\" is the same device as disks[0] (\"hda\")"},
	{CONFIG("hvm", STUB,
		 ", \"disks\": [{" RAW ", \"vdev\": \"sdb\"}, {" RAW ", \"vdev\": \"xvdb\"}]"),
		"disks[1].vdev: \"xvdb\" is the same device as disks[0] (\"sdb\") in a stub domain",
		true},
	{LIST("disks", "1"), "disks[0]: must be an object, is a whole number"},
	/* other devices */
	{LIST("nics", "{\"mac\": \"00:16:3e:00:00\"}"),
		"nics[0].mac: must be six pairs of hexadecimal digits with colons, is "
		"\"00:16:3e:00:00\""},
	{LIST("nics", "{\"mac\": \"00:16:3e:00:00:0g\"}"),
		"nics[0].mac: must be six pairs of hexadecimal digits with colons, is "
		"\"00:16:3e:00:00:0g\""},
	{LIST("nics", "{\"colo_checkpoint_host\": \"h\"}"),
		"nics[0].colo_checkpoint_host: COLO is not supported by xendmd"},
	{LIST("nics", "{\"devid\": 65536}"), "nics[0].devid: must be from -1 to 65535, is 65536"},
	{CONFIG("pv", "", ", \"nics\": [{\"nictype\": \"vif_ioemu\"}]"),
		"nics[0].nictype: a PV or PVH guest can't have an emulated interface"},
	{LIST("channels", "{}"), "channels[0].name: is missing"},
	{LIST("channels", "{\"name\": \"a\"}"),
		"channels[0]: has no \"connection.pty\" or \"connection.socket\""},
	{LIST("channels", "{\"name\": \"a\", \"connection.socket\": {}}"),
		"channels[0][\"connection.socket\"].path: is missing"},
	{LIST("pcidevs", "{\"dev\": 32}"), "pcidevs[0].dev: must be from 0 to 31, is 32"},
	{LIST("usbctrls", "{\"version\": 4}"), "usbctrls[0].version: must be from 1 to 3, is 4",
		true},
	{LIST("usbctrls", "{\"version\": 1, \"ports\": 3}"),
		"usbctrls[0].ports: a controller of version 1 has 2, is 3", true},
	{LIST("usbctrls", "{\"version\": 3, \"ports\": 16}"),
		"usbctrls[0].ports: a controller of version 3 has at most 15, is 16", true},
	{LIST("usbdevs", "{}"),
		"usbdevs[0]: needs \"type.hostdev\" with \"hostbus\" and \"hostaddr\""},
	{LIST("usbdevs", "{\"type.hostdev\": {\"hostbus\": 1, \"hostaddr\": 256}}"),
		"usbdevs[0][\"type.hostdev\"].hostaddr: must be from 1 to 255, is 256"},
	{LIST("usbdevs", "{\"ctrl\": 1, \"type.hostdev\": {\"hostbus\": 1, \"hostaddr\": 2}}"),
		"usbdevs[0]: no controller in \"usbctrls\" has a free port for it", true},
	{LIST("usbdevs", "{\"port\": 1, \"type.hostdev\": {\"hostbus\": 1, \"hostaddr\": 2}}"),
		"usbdevs[0]: no controller in \"usbctrls\" has a free port for it", true},
	{CONFIG("pv", "", ", \"usbdevs\": [{\"type.hostdev\": {\"hostbus\": 1, \"hostaddr\": 2}}]"),
		"usbdevs[0]: no controller in \"usbctrls\" has a free port for it", true},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		for (unsigned as_libxl = 0; as_libxl < 2; as_libxl++) {
			_cleanup_libxlconf_ struct libxlconf *c = NULL;
			struct err err = {0};
			char want[512];
			int r = parse(bad[i].text, as_libxl, &c, &err);

			if (as_libxl && bad[i].ours) {
				assert_int_equal(r, 0);
				continue;
			}
			snprintf(want, sizeof(want), "c:1: %s", bad[i].error);
			assert_string_equal(err.text, want);
			assert_int_equal(r, -EINVAL);
		}
	}
}

/* Every combination of issue 3. */
static void test_kind(void **state)
{
	static const struct {
		const char *text;
		enum definition_kind kind;
	} cases[] = {
		{BUILD(""), DEFINITION_QEMU},
		{BUILD("\"device_model_version\": \"qemu_xen\""), DEFINITION_QEMU},
		{BUILD("\"device_model_version\": \"QEMU_XEN\", " STUB), DEFINITION_STUBDOM_LINUX},
		{BUILD(TRADITIONAL ", " STUB), DEFINITION_STUBDOM_MINIOS},
		{BUILD(STUB), DEFINITION_STUBDOM_MINIOS},
		{BUILD("\"device_model_stubdomain\": \"<default>\""), DEFINITION_QEMU},
		{BUILD(TRADITIONAL), DEFINITION_QEMU},
		{CONFIG("pv", "", ""), DEFINITION_NO_DM},
		{CONFIG("pv", "\"device_model_version\": \"unknown\"", ""), DEFINITION_NO_DM},
		{CONFIG("pvh", STUB, ""), DEFINITION_NO_DM},
		{CONFIG("pv", "", ", \"vfbs\": [{\"backend_domid\": 3}]"), DEFINITION_QEMU},
		{CONFIG("pv", "", ", \"vkbs\": [{}]"), DEFINITION_NO_DM},
		{CONFIG("pv", "", ", \"p9s\": [{\"tag\": \"t\"}]"), DEFINITION_QEMU},
		{CONFIG("pv", "", ", \"p9s\": [{\"type\": \"xen_9pfsd\"}]"), DEFINITION_NO_DM},
		{CONFIG("pv", "", ", \"usbctrls\": [{\"type\": \"pv\"}]"), DEFINITION_NO_DM},
		{CONFIG("pv", "", ", \"usbctrls\": [{\"type\": \"qusb\"}]"), DEFINITION_QEMU},
		{CONFIG("pvh", "", ", \"disks\": [{" RAW ", \"vdev\": \"xvda\"}]"),
			DEFINITION_NO_DM},
		{CONFIG("pvh", "",
			 ", \"disks\": [{" RAW ", \"vdev\": \"xvda\", \"backend\": \"qdisk\"}]"),
			DEFINITION_QEMU},
		{CONFIG("pv", "",
			 ", \"disks\": [{\"pdev_path\": \"/dev/v/l\", \"format\": \"raw\", "
			 "\"vdev\": \"xvda\"}]"),
			DEFINITION_NO_DM},
		{CONFIG("pv", "",
			 ", \"disks\": [{" RAW ", \"vdev\": \"xvda\", \"backend\": "
			 "\"qdisk\", \"backend_domid\": 2}]"),
			DEFINITION_NO_DM},
		{CONFIG("pv", "",
			 ", \"disks\": [{" RAW ", \"vdev\": \"xvda\", \"backend\": "
			 "\"qdisk\", \"backend_domname\": \"dd\"}]"),
			DEFINITION_NO_DM},
		{CONFIG("pv", "",
			 ", \"disks\": [{" RAW ", \"vdev\": \"xvda\", \"backend\": "
			 "\"qdisk\", \"backend_domname\": \"Domain-0\"}]"),
			DEFINITION_QEMU},
		{CONFIG("pv", "",
			 ", \"disks\": [{" RAW
			 ", \"vdev\": \"xvda\", \"specification\": \"virtio\"}]"),
			DEFINITION_NO_DM},
		{CONFIG("pv", "", ", \"channels\": [{\"name\": \"a\", \"connection.pty\": {}}]"),
			DEFINITION_QEMU},
		{CONFIG("pv", "",
			 ", \"channels\": [{\"name\": \"a\", \"connection.pty\": {}, "
			 "\"backend_domname\": \"0\"}]"),
			DEFINITION_QEMU},
		{CONFIG("pv", "",
			 ", \"channels\": [{\"name\": \"a\", \"connection.pty\": {}, "
			 "\"backend_domname\": \"dd\"}]"),
			DEFINITION_NO_DM},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_libxlconf_ struct libxlconf *c = NULL;
		struct err err = {0};

		if (parse(cases[i].text, false, &c, &err) < 0 ||
			libxlconf_kind(c) != cases[i].kind) {
			fail_msg("%s: %s", cases[i].text,
				c ? definition_kind_name(libxlconf_kind(c)) : err.text);
		}
	}
}

/* What newer and other versions write is taken; what is null is not given. */
static void test_tolerant(void **state)
{
	static const char *const good[] = {
		"{\"domid\": 4, \"config\": " BUILD("") "}",
		CONFIG("HVM",
			"\"newer\": {\"x\": 1}, \"kernel\": null, \"extra\": null, "
			"\"acpi\": true, \"type.hvm\": null",
			", \"disks\": null, \"virtios\": [{}]"),
		LIST("nics", "{\"mac\": \"00:16:3E:AB:cd:EF\", \"type\": 5}"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_libxlconf_ struct libxlconf *c = NULL;
		struct err err = {0};

		if (parse(good[i], false, &c, &err) < 0) {
			fail_msg("%s: %s", good[i], err.text);
		}
	}
}

/* A raw image is for the kernel to serve, be it a file or a block device. */
static void test_raw_backend(void **state)
{
	static const char *const texts[] = {DISK(RAW ", \"vdev\": \"hda\", \"backend\": \"phy\""),
		DISK(RAW ", \"vdev\": \"hda\"")};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_libxlconf_ struct libxlconf *c = NULL;
		struct err err = {0};

		assert_int_equal(parse(texts[i], true, &c, &err), 0);
		assert_int_equal(c->disks[0].backend, LIBXL_BACKEND_PHY);
	}
}

/* As many controllers as the devices that name none have need of. */
static void test_usb(void **state)
{
	char text[1024] = "{\"c_info\": {\"type\": \"hvm\"}, \"b_info\": {}, \"usbdevs\": [";
	_cleanup_libxlconf_ struct libxlconf *c = NULL;
	struct err err = {0};

	for (unsigned i = 0; i < 7; i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			"%s{\"type.hostdev\": {\"hostbus\": 1, \"hostaddr\": %u}}", i ? "," : "",
			i + 1);
	}
	strcat(text, "]}");
	assert_int_equal(parse(text, false, &c, &err), 0);
	assert_int_equal(c->usbctrls_len, 2);
	assert_int_equal(c->usbctrls[1].devid, 1);
	assert_int_equal(c->usbdevs[5].ctrl, 0);
	assert_int_equal(c->usbdevs[5].port, 6);
	assert_int_equal(c->usbdevs[6].ctrl, 1);
	assert_int_equal(c->usbdevs[6].port, 1);
}

static void test_nics(void **state)
{
	static const char text[] =
		"{\"c_info\": {\"type\": \"hvm\", \"uuid\": \"u\"}, \"b_info\": {}, "
		"\"nics\": [{}, {\"devid\": 3}, {}]}";
	_cleanup_libxlconf_ struct libxlconf *c = NULL, *again = NULL;
	struct err err = {0};

	assert_int_equal(parse(text, false, &c, &err), 0);
	assert_int_equal(parse(text, false, &again, &err), 0);
	assert_int_equal(c->nics[0].devid, 4);
	assert_int_equal(c->nics[1].devid, 3);
	assert_int_equal(c->nics[2].devid, 5);
	for (size_t i = 0; i < 3; i++) {
		assert_memory_equal(c->nics[i].mac, "\x00\x16\x3e", 3);
		assert_memory_equal(c->nics[i].mac, again->nics[i].mac, 6);
		assert_memory_not_equal(c->nics[i].mac, c->nics[(i + 1) % 3].mac, 6);
	}
}

static void test_many(void **state)
{
	char text[8192] = "{\"c_info\": {\"type\": \"hvm\"}, \"b_info\": {}, \"disks\": [";
	_cleanup_libxlconf_ struct libxlconf *c = NULL;
	struct err err = {0};

	for (unsigned i = 0; i < 30; i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			"%s{" RAW ", \"vdev\": \"xvd%s%c\"}", i ? "," : "", i < 26 ? "" : "a",
			(int)('a' + i % 26));
	}
	strcat(text, "]}");
	assert_int_equal(parse(text, false, &c, &err), 0);
	assert_int_equal(c->disks_len, 30);
	assert_int_equal(c->disks[29].index, 29);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad), cmocka_unit_test(test_kind),
		cmocka_unit_test(test_tolerant), cmocka_unit_test(test_raw_backend),
		cmocka_unit_test(test_usb), cmocka_unit_test(test_nics),
		cmocka_unit_test(test_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
