/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Machines as a whole: what typed_check() takes as parts of one and typed_check_whole() refuses.
 * Each refusal is QEMU 7.2's as well, but those that keep a process supervised or a device in
 * sight. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/typed.h"
#include "lib/typed_impl.h"

static const struct {
	const char *text, *error;
} bad[] = {
	{"{\"devices\": [{\"kind\": \"scsi_controller\", \"id\": \"s\", \"iothread\": \"io1\"}]}",
		"devices[0].iothread: nothing here is called \"io1\""},
	{"{\"devices\": [{\"kind\": \"legacy_serial\", \"chardev\": \"c\"}]}",
		"devices[0].chardev: nothing here is called \"c\""},
	{"{\"devices\": [{\"kind\": \"vfio\", \"bdf\": \"03:00.0\", \"bus\": \"rp0\"}]}",
		"devices[0].bus: nothing here is called \"rp0\""},
	{"{\"devices\": [{\"kind\": \"balloon\", \"id\": \"b\", \"bus\": \"pcie.0\"}], "
	 "\"machine\": {\"type\": \"pc\"}}",
		"devices[0].bus: nothing here is called \"pcie.0\""},
	{"{\"devices\": [{\"kind\": \"balloon\", \"id\": \"b\", \"bus\": \"pci.0\"}], \"machine\": "
	 "{\"type\": \"q35\"}}",
		"devices[0].bus: nothing here is called \"pci.0\""},
	{"{\"devices\": [{\"kind\": \"balloon\", \"id\": \"b\", \"bus\": \"pci.0\", \"transport\": "
	 "\"pci\"}], \"machine\": {\"type\": \"microvm\"}}",
		"devices[0].bus: nothing here is called \"pci.0\""},
	{"{\"devices\": [{\"kind\": \"balloon\", \"id\": \"b\", \"addr\": \"255\"}]}",
		"devices[0].addr: a bus has the places 0 to 31"},
	{"{\"devices\": [{\"kind\": \"balloon\", \"id\": \"b\"}, {\"kind\": \"scsi_controller\", "
	 "\"id\": \"b\"}]}",
		"devices[1].id: a second device has the id \"b\""},
	{"{\"devices\": [{\"kind\": \"rng\", \"id\": \"r\"}, {\"kind\": \"memory_object\", "
	 "\"type\": \"memory-backend-ram\", \"id\": \"r\", \"size\": \"1M\", \"driver\": "
	 "\"pc-dimm\", \"device_id\": \"dx\"}], \"memory\": {\"size\": \"1G\", \"slots\": 1, "
	 "\"max_mem\": \"2G\"}}",
		"devices[1].id: a second object has the id \"r\""},
	{"{\"devices\": [{\"kind\": \"rng\", \"id\": \"r\"}], \"iothreads\": [{\"id\": \"r\"}]}",
		"devices[0].id: a second object has the id \"r\""},
	{"{\"devices\": [{\"kind\": \"rng\", \"id\": \"dimm1\"}], \"memory\": {\"size\": \"64M\"}, "
	 "\"knobs\": {\"mem_prealloc\": true}}",
		"devices[0].id: a second object has the id \"dimm1\""},
	{"{\"devices\": [{\"kind\": \"rng\", \"id\": \"numa-mem1\"}], \"memory\": {\"size\": "
	 "\"1G\"}, \"smp\": {\"cpus\": 2}, \"numa_nodes\": [{\"mem_size\": \"512M\"}, "
	 "{\"mem_size\": \"512M\"}]}",
		"devices[0].id: a second object has the id \"numa-mem1\""},
	{"{\"devices\": [{\"kind\": \"balloon\", \"id\": \"b\"}, {\"kind\": \"raw\", \"args\": "
	 "[\"-device\", {\"driver\": \"edu\", \"id\": \"b\"}]}]}",
		"devices[1].args[1].id: a second device has the id \"b\""},
	{"{\"devices\": [{\"kind\": \"balloon\", \"id\": \"b\"}, {\"kind\": \"raw\", \"args\": "
	 "[\"-device\", \"edu,id=b\"]}]}",
		"devices[1].args[1]: a second device has the id \"b\""},
	{"{\"devices\": [{\"kind\": \"raw\", \"args\": [\"--object\", {\"qom-type\": \"iothread\", "
	 "\"id\": \"1\"}]}]}",
		"devices[0].args[1].id: the id \"1\" must be a letter, then letters, digits, "
		"\"-\", \".\" and \"_\""},
	{"{\"devices\": [{\"kind\": \"net\", \"type\": \"tap\", \"id\": \"n\", \"if_name\": "
	 "\"t\"}, {\"kind\": \"net\", \"type\": \"tap\", \"id\": \"n\", \"if_name\": \"u\"}]}",
		"devices[1].id: a second netdev has the id \"n\""},
	{"{\"devices\": [{\"kind\": \"block\", \"driver\": \"virtio-blk\", \"id\": \"b\", "
	 "\"file\": \"/f\"}, {\"kind\": \"block\", \"driver\": \"virtio-blk\", \"id\": \"b\", "
	 "\"file\": \"/f\", \"read_only\": true}]}",
		"devices[1].id: a second drive has the id \"b\""},
	{"{\"devices\": [{\"kind\": \"serial\", \"driver\": \"virtio-serial\", \"id\": \"s\"}, "
	 "{\"kind\": \"char\", \"backend\": \"pty\", \"driver\": \"virtconsole\", \"id\": \"c\", "
	 "\"device_id\": \"x\"}, {\"kind\": \"char\", \"backend\": \"pty\", \"driver\": "
	 "\"virtconsole\", \"id\": \"c\", \"device_id\": \"y\"}]}",
		"devices[2].id: a second chardev has the id \"c\""},
	{"{\"devices\": [{\"kind\": \"rng\", \"id\": \"r\", \"addr\": \"0\"}], \"machine\": "
	 "{\"type\": \"q35\"}}",
		"devices[0].addr: the machine has the host bridge there"},
	{"{\"devices\": [{\"kind\": \"rng\", \"id\": \"r\", \"addr\": \"31\"}], \"machine\": "
	 "{\"type\": \"q35\"}}",
		"devices[0].addr: the machine has the ISA bridge there"},
	{"{\"devices\": [{\"kind\": \"rng\", \"id\": \"r\", \"addr\": \"1.0\"}], \"machine\": "
	 "{\"type\": \"pc\"}}",
		"devices[0].addr: the machine has the ISA bridge there"},
	{"{\"devices\": [{\"kind\": \"rng\", \"id\": \"r\", \"addr\": \"4\"}, {\"kind\": "
	 "\"balloon\", \"id\": \"b\", \"addr\": \"0x4\"}], \"machine\": {\"type\": \"q35\"}}",
		"devices[1].addr: devices[0] is there already"},
	{"{\"devices\": [{\"kind\": \"rng\", \"id\": \"r\", \"addr\": \"4\", \"bus\": \"pcie.0\"}, "
	 "{\"kind\": \"balloon\", \"id\": \"b\", \"addr\": \"04.0\"}], \"machine\": {\"type\": "
	 "\"q35\"}}",
		"devices[1].addr: devices[0] is there already"},
	{"{\"devices\": [{\"kind\": \"rng\", \"id\": \"r\", \"addr\": \"4\"}, {\"kind\": "
	 "\"balloon\", \"id\": \"b\", \"addr\": \"4.1\"}], \"machine\": {\"type\": \"q35\"}}",
		"devices[1].addr: devices[0] has that place without \"multifunction\""},
	{"{\"devices\": [{\"kind\": \"rng\", \"id\": \"r\", \"addr\": \"4.9\"}], \"machine\": "
	 "{\"type\": \"q35\"}}",
		"devices[0].addr: a place has the functions 0 to 7"},
	{"{\"devices\": [{\"kind\": \"pcie_root_port\", \"id\": \"p\", \"chassis\": 1}, {\"kind\": "
	 "\"rng\", \"id\": \"r\", \"bus\": \"p\", \"addr\": \"3\"}], \"machine\": {\"type\": "
	 "\"q35\"}}",
		"devices[1].addr: behind a port of PCI Express a guest sees the place 0 alone"},
	{"{\"devices\": [{\"kind\": \"pcie_root_port\", \"id\": \"p\", \"chassis\": 1}, {\"kind\": "
	 "\"rng\", \"id\": \"r\", \"bus\": \"p\"}, {\"kind\": \"balloon\", \"id\": \"b\", \"bus\": "
	 "\"p\"}], \"machine\": {\"type\": \"q35\"}}",
		"devices[2].bus: devices[1] is behind that port, which has place for one"},
	{"{\"devices\": [{\"kind\": \"pcie_root_port\", \"id\": \"p\", \"chassis\": 1}, {\"kind\": "
	 "\"pcie_root_port\", \"id\": \"q\", \"chassis\": \"0x1\"}], \"machine\": {\"type\": "
	 "\"q35\"}}",
		"devices[1]: devices[0] has the same \"chassis\" and \"slot\""},
	{"{\"devices\": [{\"kind\": \"pcie_root_port\", \"id\": \"p\", \"chassis\": 1}], "
	 "\"machine\": {\"type\": \"pc\"}}",
		"devices[0].kind: needs PCI Express: a machine as \"q35\", which \"pc\" is not"},
	{"{\"devices\": [{\"kind\": \"iommu\"}]}",
		"devices[0].kind: needs PCI Express: a machine as \"q35\", which \"pc\" is not"},
	{"{\"devices\": [{\"kind\": \"char\", \"backend\": \"pty\", \"driver\": \"virtconsole\", "
	 "\"id\": \"c\", \"device_id\": \"x\"}]}",
		"devices[0].driver: needs a device of the kind \"serial\" before it"},
	{"{\"devices\": [{\"kind\": \"block\", \"driver\": \"scsi-hd\", \"id\": \"b\", \"file\": "
	 "\"/f\"}]}",
		"devices[0].driver: needs a device of the kind \"scsi_controller\" before it"},
	{"{\"devices\": [{\"kind\": \"serial\", \"driver\": \"virtio-serial\", \"id\": \"s\"}, "
	 "{\"kind\": \"char\", \"backend\": \"pty\", \"driver\": \"virtconsole\", \"id\": \"c\", "
	 "\"device_id\": \"x\"}, {\"kind\": \"legacy_serial\", \"chardev\": \"c\"}]}",
		"devices[2]: devices[1] has the chardev \"c\" already"},
	{"{\"devices\": [{\"kind\": \"net\", \"type\": \"tap\", \"id\": \"n\", \"fds\": [\"@a\", "
	 "\"@b\"], \"driver\": \"e1000\"}]}",
		"devices[0].driver: has one queue, where there are several: use \"virtio-net\""},
	{"{\"devices\": [{\"kind\": \"block\", \"driver\": \"virtio-blk\", \"id\": \"a\", "
	 "\"file\": \"/f\"}, {\"kind\": \"block\", \"driver\": \"virtio-blk\", \"id\": \"b\", "
	 "\"file\": \"/f\"}]}",
		"devices[1].file: devices[0] writes to it as well; QEMU allows that with "
		"\"read_only\" or \"share_rw\" alone"},
	{"{\"fw_cfg\": [{\"name\": \"opt/a\", \"str\": \"x\"}, {\"name\": \"opt/a\", \"str\": "
	 "\"y\"}]}",
		"fw_cfg[1].name: fw_cfg[0] has it already"},
	{"{\"devices\": [{\"kind\": \"memory_object\", \"type\": \"memory-backend-ram\", \"id\": "
	 "\"m0\", \"size\": \"1M\", \"driver\": \"nvdimm\", \"device_id\": \"d0\"}]}",
		"devices[0].driver: needs \"slots\" and \"max_mem\" in \"memory\""},
	{"{\"devices\": [{\"kind\": \"memory_object\", \"type\": \"memory-backend-ram\", \"id\": "
	 "\"m0\", \"size\": \"1M\", \"driver\": \"nvdimm\", \"device_id\": \"d0\"}], \"memory\": "
	 "{\"size\": \"1G\", \"slots\": 1, \"max_mem\": \"2G\"}}",
		"devices[0].driver: needs \"options\": \"nvdimm=on\" in \"machine\""},
	{"{\"devices\": [{\"kind\": \"memory_object\", \"type\": \"memory-backend-ram\", \"id\": "
	 "\"m0\", \"size\": \"1M\", \"driver\": \"pc-dimm\", \"device_id\": \"d0\"}, {\"kind\": "
	 "\"memory_object\", \"type\": \"memory-backend-ram\", \"id\": \"m1\", \"size\": \"1M\", "
	 "\"driver\": \"pc-dimm\", \"device_id\": \"d1\"}], \"memory\": {\"size\": \"1G\", "
	 "\"slots\": 1, \"max_mem\": \"2G\"}}",
		"devices[1]: has no slot left (\"memory.slots\")"},
	{"{\"devices\": [{\"kind\": \"memory_object\", \"type\": \"memory-backend-ram\", \"id\": "
	 "\"m0\", \"size\": \"1025M\", \"driver\": \"pc-dimm\", \"device_id\": \"d0\"}], "
	 "\"memory\": {\"size\": \"1G\", \"slots\": 1, \"max_mem\": \"2G\"}}",
		"devices[0]: is more than \"memory.max_mem\" leaves beside what is there"},
	{"{\"memory\": {\"size\": \"1G\"}, \"smp\": {\"cpus\": 2}, \"numa_nodes\": [{\"mem_size\": "
	 "\"512M\"}, {\"mem_size\": \"256M\"}]}",
		"numa_nodes: have 768 MiB together, where the machine's \"memory\" has 1024"},
	{"{\"memory\": {\"size\": \"1G\"}, \"smp\": {\"cpus\": 2}, \"numa_nodes\": [{\"mem_size\": "
	 "\"512M\"}, {\"mem_size\": \"512M\", \"node_id\": 0}]}",
		"numa_nodes[1]: numa_nodes[0] has the same \"node_id\""},
	{"{\"memory\": {\"size\": \"1G\"}, \"smp\": {\"cpus\": 2}, \"numa_nodes\": [{\"mem_size\": "
	 "\"512M\", \"node_id\": 1}, {\"mem_size\": \"512M\", \"node_id\": 2}]}",
		"numa_nodes: their numbers begin with 0 and leave none out: there is no node 0"},
	{"{\"memory\": {\"size\": \"1G\"}, \"smp\": {\"cpus\": 2}, \"numa_nodes\": [{\"mem_size\": "
	 "\"512M\"}, {\"mem_size\": \"512M\"}], \"numa_dists\": [{\"src\": 0, \"dst\": 2, \"val\": "
	 "20}]}",
		"numa_dists[0].dst: there is no such node"},
	{"{\"memory\": {\"size\": \"1G\"}, \"smp\": {\"cpus\": 2}, \"numa_nodes\": [{\"mem_size\": "
	 "\"512M\"}, {\"mem_size\": \"512M\"}], \"numa_dists\": [{\"src\": 1, \"dst\": 1, \"val\": "
	 "20}]}",
		"numa_dists[0].val: from a node to itself it is 10"},
	{"{\"devices\": [{\"kind\": \"pxb_pcie\", \"id\": \"p\", \"bus_nr\": 32}], \"machine\": "
	 "{\"type\": \"q35\"}}",
		"devices[0]: its \"numa_node\" 0 is none of the machine's (\"numa_nodes\", or a "
		"knob as \"mem_prealloc\" for a single one)"},
	{"{\"knobs\": {\"daemonize\": true}}",
		"knobs.daemonize: the process would leave its supervision; xendmd runs it in the "
		"background anyway"},
	{"{\"devices\": [{\"kind\": \"raw\", \"args\": [\"--daemonize\"]}]}",
		"devices[0].args[0]: the process would leave its supervision; xendmd runs it in "
		"the background anyway"},
	{"{\"pid_file\": \"/run/pid\"}", "pid_file: must be a file right under $RUN_DIR, which is "
					 "cleaned when the domain ends"},
	{"{\"log_file\": \"$RUN_DIR/../x\"}", "log_file: must be a file right under $RUN_DIR, "
					      "which is cleaned when the domain ends"},
	{"{\"log_file\": \"$RUN_DIR/$NAME\"}", "log_file: must be a file right under $RUN_DIR, "
					       "which is cleaned when the domain ends"},
	{"{\"pid_file\": \"${RUN_DIR}/record.json\"}",
		"pid_file: \"record.json\" is taken in $RUN_DIR"},
};

static const char *const good[] = {
	"{\"pid_file\": \"$RUN_DIR/pid\", \"iothreads\": [{\"id\": \"io1\"}], \"machine\": "
	"{\"type\": \"q35\"}, \"devices\": [{\"kind\": \"pcie_root_port\", \"id\": \"rp0\", "
	"\"chassis\": 1}, {\"kind\": \"scsi_controller\", \"id\": \"s\", \"iothread\": \"io1\", "
	"\"bus\": \"rp0\"}, {\"kind\": \"block\", \"driver\": \"scsi-hd\", \"id\": \"d\", "
	"\"file\": \"/f\", \"bus\": \"s.0\"}, {\"kind\": \"raw\", \"args\": [\"-chardev\", "
	"{\"backend\": \"null\", \"id\": \"c\"}]}, {\"kind\": \"legacy_serial\", \"chardev\": "
	"\"c\"}]}",
	"{\"devices\": [{\"kind\": \"pcie_root_port\", \"id\": \"a\", \"chassis\": 1, \"addr\": "
	"\"3.0\", \"multifunction\": true}, {\"kind\": \"pcie_root_port\", \"id\": \"b\", "
	"\"chassis\": 2, \"addr\": \"3.1\"}, {\"kind\": \"rng\", \"id\": \"r\", \"bus\": \"a\"}, "
	"{\"kind\": \"balloon\", \"id\": \"z\", \"bus\": \"b\", \"addr\": \"0\"}], \"machine\": "
	"{\"type\": \"q35\"}}",
	"{\"devices\": [{\"kind\": \"rng\", \"id\": \"r\", \"addr\": \"1.2\"}, {\"kind\": "
	"\"balloon\", \"id\": \"b\", \"addr\": \"$DOMID\"}], \"machine\": {\"type\": \"pc\"}}",
	"{\"devices\": [{\"kind\": \"rng\", \"id\": \"r\"}, {\"kind\": \"balloon\", \"id\": "
	"\"r\"}, {\"kind\": \"raw\", \"args\": [\"-device\", \"x,a=1,,id=r\", \"-set\", "
	"\"device.r.id=r\"]}]}",
	"{\"devices\": [{\"kind\": \"memory_object\", \"type\": \"memory-backend-ram\", \"id\": "
	"\"m0\", \"size\": \"1G\", \"driver\": \"pc-dimm\", \"device_id\": \"d0\"}], \"machine\": "
	"{\"type\": \"q35\", \"options\": \"nvdimm=on\"}, \"memory\": {\"size\": \"1G\", "
	"\"slots\": 2, \"max_mem\": \"3G\"}}",
	"{\"devices\": [{\"kind\": \"pxb_pcie\", \"id\": \"p\", \"bus_nr\": 32, \"numa_node\": 1}, "
	"{\"kind\": \"pcie_root_port\", \"id\": \"q\", \"chassis\": 1, \"bus\": \"p\"}], "
	"\"memory\": {\"size\": \"1G\"}, \"smp\": {\"cpus\": 2}, \"numa_nodes\": [{\"mem_size\": "
	"\"512M\"}, {\"mem_size\": \"512M\", \"node_id\": 1}], \"machine\": {\"type\": \"q35\"}}",
	"{\"devices\": [{\"kind\": \"block\", \"driver\": \"virtio-blk\", \"id\": \"a\", \"file\": "
	"\"/f\", \"share_rw\": true}, {\"kind\": \"block\", \"driver\": \"virtio-blk\", \"id\": "
	"\"b\", \"file\": \"/f\", \"share_rw\": true}, {\"kind\": \"block\", \"driver\": "
	"\"virtio-blk\", \"id\": \"c\", \"file\": \"$RUN_DIR/x\"}, {\"kind\": \"block\", "
	"\"driver\": \"virtio-blk\", \"id\": \"d\", \"file\": \"$RUN_DIR/x\"}]}",
	"{\"devices\": [{\"kind\": \"balloon\", \"id\": \"b\", \"bus\": \"pcie.0\"}], \"machine\": "
	"{\"type\": \"microvm\", \"options\": \"pcie=on\"}}",
	"{\"devices\": [{\"kind\": \"balloon\", \"id\": \"b\", \"addr\": \"4\"}, {\"kind\": "
	"\"balloon\", \"id\": \"c\", \"bus\": \"pb\", \"addr\": \"4\"}, {\"kind\": \"bridge\", "
	"\"type\": \"pci\", \"bus\": \"pci.0\", \"id\": \"pb\", \"chassis\": 1}]}",
};

static struct json_node parse(struct json_doc *doc, const char *text)
{
	struct err err = {0};

	if (json_doc_parse(doc, "d", text, strlen(text), &err) < 0) {
		fail_msg("%s: %s", text, err.text);
	}
	return json_doc_root(doc);
}

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_json_doc_ struct json_doc doc = {0};
		struct json_node root = parse(&doc, bad[i].text);
		struct err err = {0};

		if (typed_check(&root, &err) < 0) {
			fail_msg("%s: no part of a machine: %s", bad[i].text, err.text);
		}
		if (typed_check_whole(&root, &err) != -EINVAL) {
			fail_msg("%s: is taken", bad[i].text);
		}
		assert_true(!strncmp(err.text, "d:1: ", 5));
		assert_string_equal(err.text + 5, bad[i].error);
	}
}

static void test_good(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_json_doc_ struct json_doc doc = {0};
		struct json_node root = parse(&doc, good[i]);
		struct err err = {0};

		if (typed_check_whole(&root, &err) < 0) {
			fail_msg("%s: %s", good[i], err.text);
		}
	}
}

static void test_versions(void **state)
{
	static const struct {
		const char *text;
		unsigned version;
		const char *error;
	} cases[] = {
		{"{\"machine\": {\"type\": \"xenpvh\"}}", 902, NULL},
		{"{\"machine\": {\"type\": \"xenpvh\"}}", 0, NULL},
		{"{\"machine\": {\"type\": \"xenpvh\"}}", 702,
			"d:1: machine.type: QEMU knows this since 9.2, and this one is 7.2"},
		{"{\"devices\": [{\"kind\": \"vfio\", \"bdf\": \"03:00.0\", \"id\": \"v\", "
		 "\"devfs_dev\": \"/dev/vfio/devices/vfio0\"}]}",
			801,
			"d:1: devices[0].devfs_dev: QEMU knows this since 9.0, and this one is "
			"8.1"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_doc_ struct json_doc doc = {0};
		struct json_node root = parse(&doc, cases[i].text);
		struct err err = {0};
		int r = typed_check_version(&root, cases[i].version, &err);

		assert_int_equal(r, cases[i].error ? -EINVAL : 0);
		assert_string_equal(err.text, cases[i].error ? cases[i].error : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad), cmocka_unit_test(test_good),
		cmocka_unit_test(test_versions)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
