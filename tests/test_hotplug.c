/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan of each kind of device for a running machine: commands, what undoes them, refusals. */
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
#include "lib/hotplug.h"
#include "lib/json.h"

#define PC "qemu -machine pc,accel=tcg -m 1G,slots=2,maxmem=2G -object iothread,id=io0"
#define Q35                                                                                        \
	"qemu -machine q35 -device pcie-root-port,id=rp1,bus=pcie.0 -chardev null,id=c0 -device "  \
	"{\"driver\":\"virtio-serial-pci\",\"id\":\"vs\"} -object "                                \
	"memory-backend-memfd,id=ram0,size=1G,share=on"

static struct json_object *parse(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	if (!o) {
		fail_msg("no JSON: %s", text);
	}
	return o;
}

static void split(const char *text, struct strv *ret)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;

	while ((word = strsep(&rest, " "))) {
		strv_add(ret, word);
	}
}

/* "execute {arguments}[ fd N] | undo {arguments}" a line. */
static char *print(const struct hotplug_plan *plan)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for (size_t i = 0; i < json_object_array_length(plan->steps); i++) {
		struct json_object *step = json_object_array_get_idx(plan->steps, i), *v;

		fprintf(f, "%s%s", i ? "\n" : "",
			json_object_get_string(json_object_object_get(step, "execute")));
		if (json_object_object_get_ex(step, "arguments", &v)) {
			fprintf(f, " %s",
				json_object_to_json_string_ext(v,
					JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		}
		if (json_object_object_get_ex(step, "fd", &v)) {
			fprintf(f, " fd %d", json_object_get_int(v));
		}
		if (json_object_object_get_ex(step, "undo", &v)) {
			fprintf(f, " | %s",
				json_object_get_string(json_object_object_get(v, "execute")));
		}
	}
	fclose(f);
	return text;
}

static int plan_of(const char *argv, const char *device, const char *files, unsigned version,
	bool from_start, struct hotplug_plan *ret, struct err *err)
{
	_cleanup_(strv_fini) struct strv args = {0};
	_cleanup_json_ struct json_object *d = parse(device), *f = files ? parse(files) : NULL;
	const struct hotplug_context c = {.argv = &args,
		.files = f,
		.qemu_version = version,
		.serial = 7,
		.from_start = from_start};

	split(argv, &args);
	return hotplug_plan(d, &c, ret, err);
}

static const struct {
	const char *argv, *device, *files, *id, *steps;
} good[] = {
	{PC,
		"{\"kind\": \"block\", \"driver\": \"virtio-blk\", \"id\": \"d\", \"file\": "
		"\"/a,b\", "
		"\"format\": \"qcow2\", \"iothread\": \"io0\", \"addr\": 16}",
		NULL, "d",
		"blockdev-add {\"driver\":\"qcow2\",\"node-name\":\"d\",\"file\":{\"driver\":"
		"\"file\",\"filename\":\"/a,b\"}} | blockdev-del\n"
		"device_add {\"driver\":\"virtio-blk-pci\",\"drive\":\"d\",\"config-wce\":false,"
		"\"addr\":\"10\",\"iothread\":\"io0\",\"id\":\"d\"}"},
	{PC,
		"{\"kind\": \"block\", \"driver\": \"scsi-hd\", \"id\": \"d\", \"device_id\": "
		"\"x\", "
		"\"file\": \"/dev/sda\", \"format\": \"raw\", \"cache\": \"directsync\", \"aio\": "
		"\"native\", \"read_only\": true, \"share_rw\": true, \"discard_unmap\": true}",
		NULL, "x",
		"blockdev-add {\"driver\":\"raw\",\"node-name\":\"d\",\"discard\":\"unmap\","
		"\"read-only\":true,\"cache\":{\"direct\":true,\"no-flush\":false},\"file\":{"
		"\"driver\":\"host_device\",\"filename\":\"/dev/sda\",\"aio\":\"native\","
		"\"discard\":\"unmap\",\"cache\":{\"direct\":true,\"no-flush\":false}}} | "
		"blockdev-del\n"
		"device_add {\"driver\":\"scsi-hd\",\"id\":\"x\",\"drive\":\"d\",\"share-rw\":true,"
		"\"serial\":\"d\",\"write-cache\":\"off\"}"},
	{PC,
		"{\"kind\": \"block\", \"driver\": \"virtio-blk\", \"id\": \"d\", \"file\": "
		"\"@disk\", "
		"\"format\": \"raw\", \"wce\": true}",
		"{\"disk\": {\"block\": true}}", "d",
		"add-fd {\"fdset-id\":268435463,\"opaque\":\"xendmd\"} fd 0 | remove-fd\n"
		"blockdev-add {\"driver\":\"raw\",\"node-name\":\"d\",\"file\":{\"driver\":"
		"\"host_device\",\"filename\":\"/dev/fdset/268435463\"}} | blockdev-del\n"
		"device_add {\"driver\":\"virtio-blk-pci\",\"drive\":\"d\",\"id\":\"d\"}"},
	{PC,
		"{\"kind\": \"net\", \"type\": \"tap\", \"id\": \"n\", \"if_name\": \"vif1.0\", "
		"\"script\": \"no\", \"mac_address\": \"00:16:3e:00:00:01\", \"queues\": 2}",
		NULL, "n",
		"netdev_add {\"type\":\"tap\",\"id\":\"n\",\"ifname\":\"vif1.0\",\"script\":\"no\","
		"\"queues\":2} | netdev_del\n"
		"device_add {\"driver\":\"virtio-net-pci\",\"netdev\":\"n\",\"mac\":"
		"\"00:16:3e:00:00:01\",\"mq\":true,\"vectors\":6,\"id\":\"n\"}"},
	{PC,
		"{\"kind\": \"net\", \"type\": \"macvtap\", \"id\": \"n\", \"device_id\": \"x\", "
		"\"fds\": [\"@t\"], \"vhost\": true, \"vhost_fds\": [\"@v\", \"@w\"]}",
		"{\"t\": {\"tap\": \"-\", \"queues\": 2}}", "x",
		"getfd {\"fdname\":\"xendmd7-3\"} fd 0 | closefd\n"
		"getfd {\"fdname\":\"xendmd7-4\"} fd 1 | closefd\n"
		"getfd {\"fdname\":\"xendmd7-5\"} fd 2 | closefd\n"
		"getfd {\"fdname\":\"xendmd7-6\"} fd 3 | closefd\n"
		"netdev_add {\"type\":\"tap\",\"id\":\"n\",\"vhost\":true,\"vhostfds\":"
		"\"xendmd7-3:xendmd7-4\",\"fds\":\"xendmd7-5:xendmd7-6\"} | netdev_del\n"
		"device_add {\"driver\":\"virtio-net-pci\",\"id\":\"x\",\"netdev\":\"n\",\"mq\":"
		"true,\"vectors\":6}"},
	{Q35,
		"{\"kind\": \"net\", \"type\": \"vhost-user\", \"id\": \"n\", \"chardev\": \"c0\", "
		"\"bus\": \"rp1\"}",
		NULL, "n",
		"netdev_add {\"type\":\"vhost-user\",\"id\":\"n\",\"chardev\":\"c0\"} | "
		"netdev_del\n"
		"device_add {\"driver\":\"virtio-net-pci\",\"netdev\":\"n\",\"bus\":\"rp1\",\"id\":"
		"\"n\"}"},
	{PC, "{\"kind\": \"net\", \"type\": \"vfio\", \"id\": \"n\", \"bdf\": \"03:00.0\"}", NULL,
		"n", "device_add {\"driver\":\"vfio-pci\",\"host\":\"03:00.0\",\"id\":\"n\"}"},
	{PC,
		"{\"kind\": \"memory_object\", \"type\": \"memory-backend-file\", \"id\": \"m\", "
		"\"size\": \"128M\", \"mem_path\": \"/m\", \"share\": true, \"driver\": "
		"\"pc-dimm\", "
		"\"device_id\": \"x\"}",
		NULL, "x",
		"object-add {\"qom-type\":\"memory-backend-file\",\"id\":\"m\",\"mem-path\":\"/m\","
		"\"size\":134217728,\"share\":true} | object-del\n"
		"device_add {\"driver\":\"pc-dimm\",\"id\":\"x\",\"memdev\":\"m\"}"},
	{PC,
		"{\"kind\": \"memory_object\", \"type\": \"memory-backend-ram\", \"id\": \"m\", "
		"\"size\": 65536}",
		NULL, "m",
		"object-add {\"qom-type\":\"memory-backend-ram\",\"id\":\"m\",\"size\":65536} | "
		"object-del"},
	{PC, "{\"kind\": \"cpu\", \"id\": \"x\", \"core_id\": 2}", NULL, "x",
		"query-hotpluggable-cpus\ndevice_add {\"id\":\"x\",\"core-id\":2}"},
	{PC,
		"{\"kind\": \"vfio\", \"bdf\": \"0000:03:00.0\", \"id\": \"x\", \"vendor_id\": "
		"\"0x8086\"}",
		NULL, "x",
		"device_add {\"driver\":\"vfio-pci\",\"host\":\"0000:03:00.0\",\"id\":\"x\","
		"\"x-pci-vendor-id\":32902}"},
	{PC,
		"{\"kind\": \"vfio\", \"sysfs_dev\": \"/s\", \"devfs_dev\": "
		"\"/dev/vfio/devices/0\", "
		"\"id\": \"x\"}",
		NULL, "x",
		"object-add {\"qom-type\":\"iommufd\",\"id\":\"iommufdx\"} | object-del\n"
		"device_add {\"driver\":\"vfio-pci\",\"sysfsdev\":\"/s\",\"id\":\"x\",\"iommufd\":"
		"\"iommufdx\"}"},
	{Q35,
		"{\"kind\": \"vhost_user\", \"vhost_user_type\": \"virtio-net\", \"socket_path\": "
		"\"/s\", \"char_dev_id\": \"c\", \"type_dev_id\": \"n\", \"address\": "
		"\"00:16:3e:00:00:01\", \"bus\": \"rp1\"}",
		NULL, "n",
		"chardev-add {\"id\":\"c\",\"backend\":{\"type\":\"socket\",\"data\":{\"addr\":{"
		"\"type\":\"unix\",\"data\":{\"path\":\"/s\"}},\"server\":false}}} | "
		"chardev-remove\n"
		"netdev_add {\"type\":\"vhost-user\",\"id\":\"n\",\"chardev\":\"c\",\"vhostforce\":"
		"true} | netdev_del\n"
		"device_add {\"driver\":\"virtio-net-pci\",\"netdev\":\"n\",\"mac\":"
		"\"00:16:3e:00:00:01\",\"bus\":\"rp1\",\"id\":\"n\"}"},
	{Q35,
		"{\"kind\": \"vhost_user\", \"vhost_user_type\": \"vhost-user-fs\", "
		"\"socket_path\": "
		"\"/s\", \"char_dev_id\": \"c\", \"tag\": \"t\", \"queue_size\": 512, \"bus\": "
		"\"rp1\"}",
		NULL, "c",
		"chardev-add {\"id\":\"c\",\"backend\":{\"type\":\"socket\",\"data\":{\"addr\":{"
		"\"type\":\"unix\",\"data\":{\"path\":\"/s\"}},\"server\":false}}} | "
		"chardev-remove\n"
		"device_add {\"driver\":\"vhost-user-fs-pci\",\"chardev\":\"c\",\"tag\":\"t\","
		"\"queue-size\":512,\"bus\":\"rp1\",\"id\":\"c\"}"},
	{Q35,
		"{\"kind\": \"char\", \"backend\": \"socket\", \"driver\": \"virtserialport\", "
		"\"id\": \"c\", \"device_id\": \"x\", \"path\": \"/s\", \"name\": \"n.0\", "
		"\"bus\": "
		"\"vs.0\"}",
		NULL, "x",
		"chardev-add {\"id\":\"c\",\"backend\":{\"type\":\"socket\",\"data\":{\"addr\":{"
		"\"type\":\"unix\",\"data\":{\"path\":\"/s\"}},\"server\":true,\"wait\":false}}} | "
		"chardev-remove\n"
		"device_add "
		"{\"driver\":\"virtserialport\",\"bus\":\"vs.0\",\"chardev\":\"c\",\"id\":"
		"\"x\",\"name\":\"n.0\"}"},
	{PC,
		"{\"kind\": \"char\", \"backend\": \"tty\", \"driver\": \"serial\", \"id\": \"c\", "
		"\"path\": \"/dev/ttyS0\"}",
		NULL, "c",
		"chardev-add {\"id\":\"c\",\"backend\":{\"type\":\"serial\",\"data\":{\"device\":"
		"\"/dev/ttyS0\"}}} | chardev-remove"},
	{PC, "{\"kind\": \"char\", \"backend\": \"pty\", \"driver\": \"serial\", \"id\": \"c\"}",
		NULL, "c",
		"chardev-add {\"id\":\"c\",\"backend\":{\"type\":\"pty\",\"data\":{}}} | "
		"chardev-remove"},
	{PC,
		"{\"kind\": \"char\", \"backend\": \"file\", \"driver\": \"serial\", \"id\": "
		"\"c\", "
		"\"path\": \"/f\"}",
		NULL, "c",
		"chardev-add {\"id\":\"c\",\"backend\":{\"type\":\"file\",\"data\":{\"out\":"
		"\"/f\"}}} | chardev-remove"},
	{PC,
		"{\"kind\": \"rng\", \"id\": \"r\", \"filename\": \"/dev/urandom\", \"max_bytes\": "
		"20, \"period\": 500}",
		NULL, "r",
		"object-add {\"qom-type\":\"rng-random\",\"id\":\"r\",\"filename\":"
		"\"/dev/urandom\"} | object-del\n"
		"device_add {\"driver\":\"virtio-rng-pci\",\"rng\":\"r\",\"max-bytes\":20,"
		"\"period\":500,\"id\":\"r\"}"},
	{PC,
		"{\"kind\": \"balloon\", \"id\": \"b\", \"deflate_on_oom\": true, \"rom_file\": "
		"\"/r\"}",
		NULL, "b",
		"device_add {\"driver\":\"virtio-balloon-pci\",\"id\":\"b\",\"romfile\":\"/r\","
		"\"deflate-on-oom\":true}"},
	{PC, "{\"kind\": \"scsi_controller\", \"id\": \"s\", \"disable_modern\": true}", NULL, "s",
		"device_add {\"driver\":\"virtio-scsi-pci\",\"id\":\"s\",\"disable-modern\":true}"},
	{PC,
		"{\"kind\": \"serial\", \"driver\": \"virtio-serial\", \"id\": \"s\", "
		"\"max_ports\": "
		"2}",
		NULL, "s",
		"device_add {\"driver\":\"virtio-serial-pci\",\"id\":\"s\",\"max_ports\":2}"},
	{PC, "{\"kind\": \"vsock\", \"id\": \"v\", \"context_id\": 3, \"vhost_fd\": \"@v\"}", NULL,
		"v",
		"getfd {\"fdname\":\"xendmd7-3\"} fd 0 | closefd\n"
		"device_add {\"driver\":\"vhost-vsock-pci\",\"id\":\"v\",\"vhostfd\":"
		"\"xendmd7-3\",\"guest-cid\":3}"},
	{PC,
		"{\"kind\": \"bridge\", \"type\": \"pci\", \"bus\": \"pci.0\", \"id\": \"b\", "
		"\"chassis\": 1, \"io_reserve\": \"4K\"}",
		NULL, "b",
		"device_add {\"driver\":\"pci-bridge\",\"bus\":\"pci.0\",\"id\":\"b\","
		"\"chassis_nr\":1,\"shpc\":false,\"io-reserve\":4096}"},
	{Q35, "{\"kind\": \"pcie_switch_upstream_port\", \"id\": \"u\", \"bus\": \"rp1\"}", NULL,
		"u", "device_add {\"driver\":\"x3130-upstream\",\"id\":\"u\",\"bus\":\"rp1\"}"},
	{PC,
		"{\"kind\": \"raw\", \"args\": [\"-device\", {\"driver\": \"edu\", \"id\": \"e\", "
		"\"dma_mask\": 255, \"multifunction\": true}]}",
		NULL, "e",
		"device_add {\"driver\":\"edu\",\"id\":\"e\",\"dma_mask\":255,\"multifunction\":"
		"true}"},
};

static void test_good(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_(hotplug_plan_fini) struct hotplug_plan plan = {0};
		_cleanup_free_ char *text = NULL;
		struct err err = {0};

		if (plan_of(good[i].argv, good[i].device, good[i].files, 1000, false, &plan, &err) <
			0) {
			fail_msg("%s: %s", good[i].device, err.text);
		}
		text = print(&plan);
		assert_string_equal(text, good[i].steps);
		assert_string_equal(plan.id, good[i].id);
		assert_int_equal(plan.has_device, strstr(text, "device_add") != NULL);
	}
}

#define DISK "{\"kind\": \"block\", \"driver\": \"virtio-blk\", \"id\": \"d\", \"file\": \"/f\""
static const struct {
	const char *argv, *device, *error;
} bad[] = {
	{PC, "{}", "device.kind: is missing"},
	{PC, "{\"kind\": 3}", "device.kind: is missing, or no text"},
	{PC, "{\"kind\": \"toaster\"}", "device.kind: no kind of device is called \"toaster\""},
	{PC, DISK ", \"color\": 1}", "device.color: "},
	{PC, DISK "}", "device.format: is missing: \"raw\""},
	{PC, "{\"kind\": \"block\", \"driver\": \"virtio-blk\", \"id\": \"d,e\", \"file\": \"/f\"}",
		"device.id: must be a letter"},
	{PC, DISK ", \"format\": \"raw\", \"iothread\": \"io1\"}",
		"device.iothread: nothing in the machine is called \"io1\""},
	{PC, DISK ", \"format\": \"raw\", \"bus\": \"rp9\"}",
		"device.bus: nothing in the machine is called \"rp9\""},
	{Q35, DISK ", \"format\": \"raw\"}", "device.bus: is missing: a free \"pcie_root_port\""},
	{Q35, DISK ", \"format\": \"raw\", \"bus\": \"pcie.0\"}",
		"device.bus: nothing can be plugged into pcie.0"},
	{Q35,
		"{\"kind\": \"serial\", \"driver\": \"virtio-serial\", \"id\": \"vs\", \"bus\": "
		"\"rp1\"}",
		"device.id: the machine has a device called \"vs\" already"},
	{Q35, "{\"kind\": \"char\", \"backend\": \"pty\", \"driver\": \"serial\", \"id\": \"c0\"}",
		"device.id: the machine has a chardev called \"c0\" already"},
	{Q35,
		"{\"kind\": \"memory_object\", \"type\": \"memory-backend-ram\", \"id\": \"m\", "
		"\"size\": 1, \"driver\": \"pc-dimm\", \"device_id\": \"x\"}",
		"device.driver: the machine has no slots for memory"},
	{PC,
		"{\"kind\": \"vhost_user\", \"vhost_user_type\": \"vhost-user-blk\", "
		"\"socket_path\": \"/s\", \"char_dev_id\": \"c\"}",
		"device: the guest's memory is not shared"},
	{PC, "{\"kind\": \"vfio\", \"bdf\": \"03:00.0\"}", "device.id: is missing: the name"},
	{PC, "{\"kind\": \"vfio\", \"bdf\": \"03:00.0\", \"id\": \"x\", \"devfs_dev\": \"/d\"}",
		"device.devfs_dev: QEMU has an iommufd from 9.0 on, this one is 7.2"},
	{PC,
		"{\"kind\": \"fs\", \"driver\": \"virtio-9p\", \"fs_driver\": \"local\", \"id\": "
		"\"f\", \"path\": \"/p\", \"mount_tag\": \"t\", \"security_model\": \"none\"}",
		"device: a \"fs\": QEMU can't plug in 9p"},
	{PC, "{\"kind\": \"legacy_serial\", \"chardev\": \"c\"}", "device: a \"legacy_serial\": "},
	{PC, "{\"kind\": \"loader\", \"file\": \"/f\", \"id\": \"l\"}", "device: a \"loader\": "},
	{PC, "{\"kind\": \"pvpanic\"}", "device: a \"pvpanic\": "},
	{PC, "{\"kind\": \"iommu\"}", "device: a \"iommu\": "},
	{PC, "{\"kind\": \"pxb_pcie\", \"id\": \"p\", \"bus_nr\": 3}", "device: a \"pxb_pcie\": "},
	{PC, "{\"kind\": \"pcie_root_port\", \"id\": \"p\"}", "device: a \"pcie_root_port\": "},
	{PC,
		"{\"kind\": \"pcie_switch_downstream_port\", \"id\": \"p\", \"bus\": \"u\", "
		"\"chassis\": 1, \"slot\": 1}",
		"device: a \"pcie_switch_downstream_port\": "},
	{PC, "{\"kind\": \"char\", \"backend\": \"stdio\", \"driver\": \"serial\", \"id\": \"c\"}",
		"device.backend: a \"stdio\" can't be plugged in"},
	{PC, "{\"kind\": \"raw\", \"args\": [\"-S\"]}", "device.id: is missing"},
	{PC,
		"{\"kind\": \"raw\", \"args\": [\"-device\", {\"driver\": \"edu\", \"id\": \"e\"}, "
		"\"-S\"]}",
		"device: \"-S\" can't be said to a machine that runs"},
	{PC,
		"{\"kind\": \"raw\", \"args\": [\"-device\", {\"driver\": \"edu\", \"id\": \"e\"}, "
		"\"-device\", {\"driver\": \"edu\", \"id\": \"f\"}]}",
		"device: must be one device"},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(hotplug_plan_fini) struct hotplug_plan plan = {0};
		struct err err = {0};
		int r = plan_of(bad[i].argv, bad[i].device, NULL, 702, false, &plan, &err);

		if (r >= 0 || strncmp(err.text, bad[i].error, strlen(bad[i].error))) {
			fail_msg("%s: %d \"%s\", not \"%s\"", bad[i].device, r, err.text,
				bad[i].error);
		}
		assert_true(r == -EINVAL || r == -EOPNOTSUPP);
	}
}

/* What stands on the command line: how it is taken out. */
static const struct {
	const char *device, *id, *steps;
} from_start[] = {
	{DISK ", \"device_id\": \"x\"}", "x",
		"blockdev-add {\"node-name\":\"d\"}\n"
		"device_add {\"driver\":\"virtio-blk-pci\",\"id\":\"x\",\"drive\":\"d\","
		"\"config-wce\":false}"},
	{DISK "}", NULL, "it has no id by which QEMU could be told of it"},
	{"{\"kind\": \"net\", \"type\": \"tap\", \"id\": \"n\", \"device_id\": \"x\", \"fds\": "
	 "[\"@t\"]}",
		"x",
		"netdev_add {\"type\":\"tap\",\"id\":\"n\",\"fds\":\"xendmd7-3\"} | netdev_del\n"
		"device_add {\"driver\":\"virtio-net-pci\",\"id\":\"x\",\"netdev\":\"n\",\"mq\":"
		"true,\"vectors\":4}"},
	{"{\"kind\": \"loader\", \"file\": \"/f\", \"id\": \"l\"}", "l", "a \"loader\": "},
};

static void test_from_start(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(from_start); i++) {
		_cleanup_(hotplug_plan_fini) struct hotplug_plan plan = {0};
		_cleanup_json_ struct json_object *device = parse(from_start[i].device);
		_cleanup_free_ char *text = NULL, *id = hotplug_id(device);
		struct err err = {0};
		int r = plan_of(PC, from_start[i].device, NULL, 702, true, &plan, &err);

		if (r < 0) {
			assert_int_equal(r, -EOPNOTSUPP);
			assert_non_null(strstr(err.text, from_start[i].steps));
		} else {
			text = print(&plan);
			assert_string_equal(text, from_start[i].steps);
		}
		if (from_start[i].id) {
			assert_string_equal(id, from_start[i].id);
		} else {
			assert_null(id);
		}
	}
}

/* What was added is there, what was taken out is not. */
static void test_changed(void **state)
{
	_cleanup_json_ struct json_object *added = parse(
		"[{\"steps\": [{\"execute\": \"blockdev-add\", \"arguments\": {\"node-name\": "
		"\"d\"}}]}, {}]");
	_cleanup_json_ struct json_object *disk = parse(DISK ", \"format\": \"raw\"}"),
					  *controller = parse("{\"kind\": \"serial\", \"driver\": "
							      "\"virtio-serial\", \"id\": \"vs\", "
							      "\"bus\": \"rp1\"}");
	_cleanup_(strv_fini) struct strv argv = {0}, gone = {0};
	_cleanup_(hotplug_plan_fini) struct hotplug_plan plan = {0};
	struct hotplug_context c = {.argv = &argv, .added = added, .gone = &gone};
	struct err err = {0};

	split(PC, &argv);
	assert_int_equal(hotplug_plan(disk, &c, &plan, &err), -EINVAL);
	assert_string_equal(err.text, "device.id: the machine has a block called \"d\" already");
	strv_fini(&argv);
	split(Q35, &argv);
	strv_add(&gone, "netdev:vs");
	assert_int_equal(hotplug_plan(controller, &c, &plan, &err), -EINVAL);
	strv_add(&gone, "device:vs");
	assert_int_equal(hotplug_plan(controller, &c, &plan, &err), 0);
}

static void test_cpu(void **state)
{
	_cleanup_json_ struct json_object *cpus = parse(
		"[7, {\"type\": \"a\"}, {\"type\": \"a\", \"props\": {\"core-id\": 2, "
		"\"thread-id\": 0, \"x\": \"y\"}}, {\"type\": \"a\", \"props\": {\"core-id\": "
		"1, \"thread-id\": 0}}, {\"type\": \"a\", \"qom-path\": \"/m\", \"props\": "
		"{\"core-id\": 0, \"thread-id\": 0}}]");
	static const struct {
		const char *arguments, *becomes;
	} cases[] = {
		{"{\"id\":\"x\"}", "{\"id\":\"x\",\"driver\":\"a\",\"core-id\":1,\"thread-id\":0}"},
		{"{\"id\":\"x\",\"core-id\":2}",
			"{\"id\":\"x\",\"core-id\":2,\"driver\":\"a\",\"thread-id\":0}"},
		{"{\"id\":\"x\",\"core-id\":0}", NULL},
		{"{\"driver\":\"b\",\"id\":\"x\"}", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *step = json_object_new_object();
		struct err err = {0};
		int r;

		json_object_object_add(step, "arguments", parse(cases[i].arguments));
		r = hotplug_choose_cpu(step, cpus, &err);
		assert_int_equal(r, cases[i].becomes ? 0 : -ENOENT);
		if (cases[i].becomes) {
			assert_string_equal(json_object_to_json_string_ext(
						    json_object_object_get(step, "arguments"),
						    JSON_C_TO_STRING_PLAIN),
				cases[i].becomes);
		} else {
			assert_non_null(strstr(err.text, "none of the free CPUs"));
		}
		assert_int_equal(hotplug_choose_cpu(step, NULL, &err), -ENOENT);
		assert_non_null(strstr(err.text, "no place for another CPU"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_from_start),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
