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
#include "lib/qemuopt.h"
#include "lib/typed.h"
#include "lib/typed_impl.h"

#define DEVICE(members) "{\"devices\": [{" members "}]}"
#define BLOCK(members)                                                                             \
	DEVICE("\"kind\": \"block\", \"driver\": \"virtio-blk\", \"id\": \"b\", \"file\": "        \
	       "\"/f\"" members)
#define TAP(members) DEVICE("\"kind\": \"net\", \"type\": \"tap\", \"id\": \"n\"" members)
#define SHARED(members)                                                                            \
	"{\"memory\": {\"size\": \"1G\"}, \"knobs\": {\"mem_shared\": true}, \"devices\": [{"      \
	"\"kind\": \"vhost_user\", \"socket_path\": \"/s\", \"char_dev_id\": \"c\"" members "}]}"
#define SHARED_ARGS "-object memory-backend-ram,id=dimm1,size=1G,share=on -numa node,memdev=dimm1"

static struct json_node parse(struct json_doc *doc, const char *text)
{
	struct err err = {0};

	if (json_doc_parse(doc, "d", text, strlen(text), &err) < 0) {
		fail_msg("%s: %s", text, err.text);
	}
	return json_doc_root(doc);
}

static char *render(const char *text, const struct subst_values *values, struct err *err)
{
	const struct typed_context context = {.values = values, .incoming_fd = -1};
	const struct qemuopt_style style = {0};
	_cleanup_json_doc_ struct json_doc doc = {0};
	_cleanup_(vmdesc_fini) struct vmdesc description = {0};
	_cleanup_(strv_fini) struct strv argv = {0}, files = {0};
	struct json_node root = parse(&doc, text);
	_cleanup_free_ char *out = NULL;
	size_t size;
	FILE *f;

	if (typed_check(&root, err) < 0 ||
		typed_build(root.value, &context, &description, &files, err) < 0) {
		return NULL;
	}
	assert_int_equal(qemuopt_print(&description, &style, &argv, err), 0);
	f = open_memstream(&out, &size);
	for (size_t i = 0; i < argv.len; i++) {
		fprintf(f, "%s%s", i ? " " : "", argv.items[i]);
	}
	fclose(f);
	return TAKE_PTR(out);
}

/* All kinds, with what each property becomes. */
static const struct {
	const char *text, *argv;
} good[] = {
	{"{}", ""},
	{"{\"name\": \"a,b=c\", \"debug\": true, \"uuid\": "
	 "\"4cb19522-1e18-439a-883a-f9b2a3a95f5e\"}",
		"-name a,,b=c,debug-threads=on -uuid 4cb19522-1e18-439a-883a-f9b2a3a95f5e"},
	{"{\"machine\": {\"type\": \"q35\", \"acceleration\": \"kvm:tcg,kernel_irqchip=split\", "
	 "\"options\": \"usb=off\"}}",
		"-machine q35,accel=kvm:tcg,kernel_irqchip=split,usb=off"},
	{"{\"cpu_model\": \"max,+vmx\"}", "-cpu max,+vmx"},
	{"{\"qmp_sockets\": [{\"type\": \"unix\", \"name\": \"/a,b\", \"server\": true, "
	 "\"no_wait\": "
	 "true}, {\"type\": \"unix\", \"fd\": \"@q\", \"protocol\": \"hmp\"}, {\"type\": \"unix\", "
	 "\"name\": \"c\", \"protocol\": \"qmp-pretty\"}]}",
		"-qmp unix:path=/a,,b,server=on,wait=off -monitor unix:fd=3 -qmp-pretty "
		"unix:path=c"},
	{"{\"memory\": {\"size\": \"1G\", \"slots\": 2, \"max_mem\": \"2g\", \"path\": \"/m\"}, "
	 "\"knobs\": {\"file_backed_mem\": true, \"mem_shared\": true, \"mem_prealloc\": true}}",
		"-m 1G,slots=2,maxmem=2g -object memory-backend-file,id=dimm1,size=1G,mem-path=/m,"
		"share=on,prealloc=on -numa node,memdev=dimm1"},
	{"{\"machine\": {\"type\": \"microvm\"}, \"memory\": {\"size\": \"1G\"}, \"knobs\": "
	 "{\"huge_pages\": true}}",
		"-machine microvm -m 1G -object memory-backend-file,id=dimm1,size=1G,"
		"mem-path=/dev/hugepages -machine memory-backend=dimm1"},
	{"{\"memory\": {\"size\": \"2G\"}, \"numa_nodes\": [{\"mem_size\": \"1G\", \"cpus\": "
	 "\"0\"}, "
	 "{\"mem_size\": \"1G\", \"node_id\": 3, \"cpus\": \"1\"}], \"numa_dists\": [{\"src\": 0, "
	 "\"dst\": 3, \"val\": 20}], \"smp\": {\"cpus\": 2}}",
		"-m 2G -object memory-backend-ram,id=numa-mem0,size=1G "
		"-numa node,nodeid=0,memdev=numa-mem0,cpus=0 "
		"-object memory-backend-ram,id=numa-mem1,size=1G "
		"-numa node,nodeid=3,memdev=numa-mem1,cpus=1 -numa dist,src=0,dst=3,val=20 -smp 2"},
	{"{\"knobs\": {\"no_user_config\": true, \"no_defaults\": true, \"no_graphic\": true, "
	 "\"no_reboot\": true, \"no_shutdown\": true, \"daemonize\": true, \"mlock\": true, "
	 "\"realtime\": true, \"stopped\": true}}",
		"-no-user-config -nodefaults -nographic -no-reboot -no-shutdown -daemonize "
		"-overcommit mem-lock=on -S"},
	{"{\"kernel\": {\"path\": \"/k,1\", \"initrd_path\": \"/i\", \"params\": \"a b,c\"}, "
	 "\"bios\": "
	 "\"/b\", \"pflash\": [\"/p\"], \"vga\": \"none\", \"global_param\": \"a.b=c\", "
	 "\"globals\": "
	 "[\"d.e=f\"]}",
		"-global a.b=c -global d.e=f -pflash /p -vga none -kernel /k,1 -initrd /i -append "
		"a "
		"b,c -bios /b"},
	{"{\"iothreads\": [{\"id\": \"io0\"}], \"incoming\": {\"migration_type\": \"exec\", "
	 "\"exec\": "
	 "\"cat,x\"}, \"knobs\": {\"stopped\": true}}",
		"-S -object iothread,id=io0 -incoming exec:cat,x"},
	{"{\"pid_file\": \"/p\", \"log_file\": \"/l\", \"fw_cfg\": [{\"name\": \"opt/a\", \"str\": "
	 "\"1,2\"}, {\"name\": \"opt/b\", \"file\": \"/f\"}], \"seccomp_sandbox\": "
	 "\"on,obsolete=deny\"}",
		"-pidfile /p -D /l -fw_cfg name=opt/a,string=1,,2 -fw_cfg name=opt/b,file=/f "
		"-sandbox on,obsolete=deny"},
	{"{\"smp\": {\"cpus\": 2, \"cores\": 2, \"threads\": 1, \"sockets\": 2, \"max_cpus\": 4}}",
		"-smp 2,cores=2,threads=1,sockets=2,maxcpus=4"},
	{BLOCK(""), "-device virtio-blk-pci,drive=b,config-wce=off -drive id=b,file=/f,if=none"},
	{BLOCK(", \"aio\": \"native\", \"wce\": true, \"read_only\": true, \"discard_unmap\": "
	       "true, "
	       "\"serial\": \"x\", \"bus\": \"pcie.0\", \"addr\": 16"),
		"-device virtio-blk-pci,drive=b,bus=pcie.0,addr=10,discard=on,serial=x "
		"-drive id=b,file=/f,aio=native,readonly=on,if=none,cache.direct=on,discard=unmap"},
	{DEVICE("\"kind\": \"block\", \"driver\": \"scsi-hd\", \"id\": \"b\", \"device_id\": "
		"\"d\", "
		"\"file\": \"/a,b\", \"cache\": \"none\", \"format\": \"raw\""),
		"-device scsi-hd,id=d,drive=b "
		"-drive id=b,file=/a,,b,format=raw,cache=none,if=none"},
	{TAP(", \"if_name\": \"t0\", \"queues\": 2"),
		"-netdev tap,id=n,ifname=t0,queues=2 "
		"-device virtio-net-pci,netdev=n,mq=on,vectors=6"},
	{TAP(", \"fds\": [\"@a\", \"@b\"], \"vhost\": true, \"vhost_fds\": [\"@c\", \"@a\"], "
	     "\"mac_address\": \"00:16:3e:00:00:01\", \"script\": \"no\""),
		"-netdev tap,id=n,vhost=on,vhostfds=3:4,fds=4:5 "
		"-device virtio-net-pci,netdev=n,mac=00:16:3e:00:00:01,mq=on,vectors=6"},
	{TAP(", \"if_name\": \"t0\", \"driver\": \"e1000\", \"addr\": \"0x5\""),
		"-netdev tap,id=n,ifname=t0 -device e1000,netdev=n,addr=0x5"},
	{DEVICE("\"kind\": \"net\", \"type\": \"vfio\", \"bdf\": \"0000:03:00.0\""),
		"-device vfio-pci,host=0000:03:00.0"},
	{"{\"machine\": {\"type\": \"microvm\"}, \"devices\": [{\"kind\": \"rng\", \"id\": "
	 "\"r\"}]}",
		"-machine microvm -object rng-random,id=r -device virtio-rng-device,rng=r"},
	{"{\"devices\": [{\"kind\": \"char\", \"backend\": \"socket\", \"driver\": \"serial\", "
	 "\"id\": "
	 "\"c\", \"path\": \"/s\", \"client\": true}, {\"kind\": \"legacy_serial\", \"chardev\": "
	 "\"c\"}]}",
		"-chardev socket,id=c,path=/s -serial chardev:c"},
	{DEVICE("\"kind\": \"char\", \"backend\": \"tty\", \"driver\": \"virtconsole\", \"id\": "
		"\"c\", "
		"\"device_id\": \"d\", \"path\": \"/dev/ttyS0\", \"name\": \"n\""),
		"-device virtconsole,chardev=c,id=d,name=n -chardev serial,id=c,path=/dev/ttyS0"},
	{DEVICE("\"kind\": \"fs\", \"driver\": \"virtio-9p\", \"fs_driver\": \"local\", \"id\": "
		"\"f\", "
		"\"path\": \"/p\", \"mount_tag\": \"t\", \"security_model\": \"none\""),
		"-device virtio-9p-pci,fsdev=f,mount_tag=t "
		"-fsdev local,id=f,path=/p,security_model=none"},
	{SHARED(", \"vhost_user_type\": \"vhost-user-blk-pci\""),
		"-m 1G -chardev socket,id=c,path=/s -device "
		"vhost-user-blk-pci,chardev=c " SHARED_ARGS},
	{SHARED(", \"vhost_user_type\": \"virtio-net\", \"type_dev_id\": \"n\", \"address\": "
		"\"00:16:3e:00:00:01\""),
		"-m 1G -chardev socket,id=c,path=/s -netdev "
		"vhost-user,id=n,chardev=c,vhostforce=on "
		"-device virtio-net-pci,netdev=n,mac=00:16:3e:00:00:01 " SHARED_ARGS},
	{SHARED(", \"vhost_user_type\": \"vhost-user-fs\", \"tag\": \"t\", \"queue_size\": 512"),
		"-m 1G -chardev socket,id=c,path=/s "
		"-device vhost-user-fs-pci,chardev=c,tag=t,queue-size=512 " SHARED_ARGS},
	{DEVICE("\"kind\": \"vfio\", \"bdf\": \"02:00.0\", \"id\": \"v\", \"vendor_id\": "
		"\"0x10de\", "
		"\"bus\": \"rp0\""),
		"-device vfio-pci,host=02:00.0,id=v,x-pci-vendor-id=0x10de,bus=rp0"},
	{DEVICE("\"kind\": \"vfio\", \"sysfs_dev\": \"/sys/x\", \"devfs_dev\": "
		"\"/dev/vfio/devices/0\", "
		"\"id\": \"v\""),
		"-object iommufd,id=iommufdv "
		"-device vfio-pci,sysfsdev=/sys/x,id=v,iommufd=iommufdv"},
	{DEVICE("\"kind\": \"bridge\", \"type\": \"pci\", \"bus\": \"pci.0\", \"id\": \"b\", "
		"\"chassis\": 1, \"io_reserve\": \"4k\""),
		"-device pci-bridge,bus=pci.0,id=b,chassis_nr=1,shpc=off,io-reserve=4k"},
	{DEVICE("\"kind\": \"bridge\", \"type\": \"pcie\", \"bus\": \"pcie.0\", \"id\": \"b\", "
		"\"chassis\": 1"),
		"-device pcie-pci-bridge,bus=pcie.0,id=b"},
	{DEVICE("\"kind\": \"pcie_root_port\", \"id\": \"rp\", \"slot\": 3"),
		"-device pcie-root-port,id=rp,bus=pcie.0,chassis=0,slot=3,multifunction=off"},
	{DEVICE("\"kind\": \"pcie_switch_upstream_port\", \"id\": \"u\", \"bus\": \"rp\""),
		"-device x3130-upstream,id=u,bus=rp"},
	{DEVICE("\"kind\": \"pcie_switch_downstream_port\", \"id\": \"d\", \"bus\": \"u\", "
		"\"chassis\": 1, \"slot\": \"0x2\""),
		"-device xio3130-downstream,id=d,bus=u,chassis=1,slot=0x2"},
	{DEVICE("\"kind\": \"pxb_pcie\", \"id\": \"p\", \"bus_nr\": 32"),
		"-device pxb-pcie,id=p,bus=pcie.0,bus_nr=32,numa_node=0"},
	{DEVICE("\"kind\": \"cpu\", \"id\": \"c\", \"driver\": \"qemu64-x86_64-cpu\", "
		"\"socket_id\": 1, \"die_id\": 0, \"core_id\": 2, \"thread_id\": 0"),
		"-device qemu64-x86_64-cpu,id=c,socket-id=1,die-id=0,core-id=2,thread-id=0"},
	{DEVICE("\"kind\": \"vsock\", \"id\": \"v\", \"context_id\": 3, \"vhost_fd\": \"@f\""),
		"-device vhost-vsock-pci,id=v,vhostfd=3,guest-cid=3"},
	{DEVICE("\"kind\": \"vsock\", \"id\": \"v\", \"context_id\": 3, \"transport\": \"ccw\", "
		"\"dev_no\": \"fe.1.1\""),
		"-device vhost-vsock-ccw,id=v,guest-cid=3,devno=fe.1.1"},
	{DEVICE("\"kind\": \"balloon\", \"id\": \"b\", \"free_page_reporting\": true"),
		"-device virtio-balloon-pci,id=b,free-page-reporting=on"},
	{DEVICE("\"kind\": \"loader\", \"file\": \"/f\", \"id\": \"l\""),
		"-device loader,file=/f,id=l"},
	{DEVICE("\"kind\": \"pvpanic\", \"no_shutdown\": true"), "-device pvpanic -no-shutdown"},
	{DEVICE("\"kind\": \"iommu\", \"intremap\": true"),
		"-device intel-iommu,intremap=on,device-iotlb=off,caching-mode=off"},
	{DEVICE("\"kind\": \"serial\", \"driver\": \"virtio-serial\", \"id\": \"s\", "
		"\"max_ports\": 2"),
		"-device virtio-serial-pci,id=s,max_ports=2"},
	{DEVICE("\"kind\": \"scsi_controller\", \"id\": \"s\", \"disable_modern\": true"),
		"-device virtio-scsi-pci,id=s,disable-modern=on"},
	{DEVICE("\"kind\": \"memory_object\", \"type\": \"memory-backend-memfd\", \"id\": \"m\", "
		"\"size\": \"64M\", \"share\": true"),
		"-object memory-backend-memfd,id=m,size=64M,share=on"},
	{DEVICE("\"kind\": \"raw\", \"args\": [\"-device\", {\"driver\": \"edu\", \"x\": \"a,b\", "
		"\"y\": true, \"z\": 3}, \"-no-hpet\"]"),
		"-device driver=edu,x=a,,b,y=on,z=3 -no-hpet"},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct err err = {0};
		_cleanup_free_ char *argv = render(good[i].text, NULL, &err);

		if (!argv) {
			fail_msg("%s: %s", good[i].text, err.text);
		}
		assert_string_equal(argv, good[i].argv);
	}
}

/* No kind without a test of what becomes of it. */
static void test_each_kind_is_tested(void **state)
{
	(void)state;
	for (unsigned k = 0; typed_kinds[k]; k++) {
		char kind[64];
		bool found = false;

		snprintf(kind, sizeof(kind), "\"kind\": \"%s\"", typed_kinds[k]->name);
		for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
			found |= strstr(good[i].text, kind) != NULL;
		}
		if (!found) {
			fail_msg("no test for %s", kind);
		}
	}
}

static const struct {
	const char *text, *error;
} bad[] = {
	{"{\"machine\": 1}", "d:1: machine: must be an object, is a whole number"},
	{"{\"machines\": {}}", "d:1: machines: unknown key"},
	{"{\"machine\": {}}", "d:1: machine.type: is missing"},
	{"{\"machine\": {\"type\": \"\"}}", "d:1: machine.type: must not be empty"},
	{"{\"machine\": {\"type\": \"pc\", \"acceleration\": \"kwm\"}}",
		"d:1: machine.acceleration: QEMU has no accelerator \"kwm\""},
	{"{\"machine\": {\"type\": \"pc\", \"acceleration\": \"kvm,nvdimm\"}}",
		"d:1: machine.acceleration: must be NAME=VALUE and so on (\"nvdimm=on\" switches "
		"something on) at column 49"},
	{"{\"machine\": {\"type\": \"pseries\"}}",
		"d:1: machine.type: a machine of an architecture that Xen does not run on"},
	{"{\"uuid\": \"4cb19522\"}", "d:1: uuid: must be a uuid, is \"4cb19522\""},
	{"{\"debug\": true}", "d:1: debug: needs \"name\" beside it"},
	{"{\"memory\": {\"size\": \"256\"}}", "d:1: memory.size: must be a number with its unit, "
					      "as \"512M\" (QEMU takes a bare one "
					      "for bytes here and for MiB there), is \"256\""},
	{"{\"memory\": {\"size\": \"1G\", \"slots\": 2}}",
		"d:1: memory.slots: needs \"max_mem\" beside it"},
	{"{\"memory\": {\"size\": \"1G\", \"slots\": 2, \"max_mem\": \"512M\"}}",
		"d:1: memory.max_mem: is less than \"size\", which is 1G"},
	{"{\"knobs\": {\"mem_shared\": true}}",
		"d:1: knobs.mem_shared: needs \"memory\" with its \"size\""},
	{"{\"memory\": {\"size\": \"1G\"}, \"knobs\": {\"file_backed_mem\": true}}",
		"d:1: memory.path: is missing: \"file_backed_mem\" needs one"},
	{"{\"knobs\": {\"daemonize\": true, \"no_graphic\": true}}",
		"d:1: knobs.no_graphic: QEMU refuses this beside \"daemonize\", unless "
		"\"no_defaults\" is set"},
	{"{\"smp\": {\"cpus\": 2, \"max_cpus\": 1}}",
		"d:1: smp.max_cpus: is less than \"cpus\", which is 2"},
	{"{\"smp\": {\"cpus\": 2, \"cores\": 1, \"threads\": 2, \"sockets\": 2, \"max_cpus\": 6}}",
		"d:1: smp: sockets, cores and threads make 4 where \"max_cpus\" is 6"},
	{"{\"smp\": {\"cpus\": 3, \"cores\": 2}}",
		"d:1: smp: sockets, cores and threads make 2 where \"cpus\" is 3"},
	{"{\"rtc\": {}}", "d:1: rtc: says nothing"},
	{"{\"rtc\": {\"base\": \"bogus\"}}",
		"d:1: rtc.base: must be \"utc\", \"localtime\" or a date "
		"as \"2026-11-21T15:00:00\""},
	{"{\"qmp_sockets\": [{\"type\": \"unix\", \"name\": \"a\", \"no_wait\": true}]}",
		"d:1: qmp_sockets[0].no_wait: needs \"server\" beside it"},
	{"{\"qmp_sockets\": [{\"type\": \"unix\", \"name\": \"a\", \"fd\": \"@f\"}]}",
		"d:1: qmp_sockets[0].name: not possible beside \"fd\""},
	{"{\"kernel\": {\"initrd_path\": \"/i\"}}", "d:1: kernel.path: is missing"},
	{"{\"incoming\": {\"migration_type\": \"fd\"}}",
		"d:1: incoming.fd: is missing: what \"migration_type\" names"},
	{"{\"incoming\": {\"migration_type\": \"defer\", \"exec\": \"x\"}}",
		"d:1: incoming.exec: not possible with \"migration_type\": \"defer\""},
	{"{\"fw_cfg\": [{\"name\": \"a\", \"str\": \"b\", \"file\": \"c\"}]}",
		"d:1: fw_cfg[0].str: not possible beside \"file\""},
	{"{\"iothreads\": [{\"id\": \"0\"}]}",
		"d:1: iothreads[0].id: must be a letter, then letters, digits, \"-\", \".\" and "
		"\"_\", is \"0\""},
	{"{\"iothreads\": [{\"id\": \"a\"}, {\"id\": \"a\"}]}",
		"qemu: -object: the id \"a\" stands twice"},
	{"{\"devices\": [1]}", "d:1: devices[0]: must be an object, is a whole number"},
	{DEVICE(""), "d:1: devices[0].kind: is missing"},
	{DEVICE("\"kind\": \"floppy\""), "d:1: devices[0].kind: no kind of device is called "
					 "\"floppy\" (what has no kind yet "
					 "can be given as \"raw\")"},
	{BLOCK(", \"scsi\": true"), "d:1: devices[0].scsi: QEMU 9.1 dropped SCSI commands for "
				    "virtio-blk; use a \"scsi_controller\""},
	{BLOCK(", \"aio\": \"native\", \"cache\": \"writeback\""),
		"d:1: devices[0].aio: \"native\" needs \"cache\": \"none\" or \"directsync\""},
	{BLOCK(", \"transport\": \"mmio\", \"rom_file\": \"r\""),
		"d:1: devices[0].rom_file: only on PCI"},
	{BLOCK(", \"dev_no\": \"fe.1\""),
		"d:1: devices[0].dev_no: only with \"transport\": \"ccw\""},
	{BLOCK(", \"addr\": \"-1\""),
		"d:1: devices[0].addr: must be a place on the bus: \"4\" (decimal), \"0x4\", or "
		"\"4.0\" with the function, is \"-1\""},
	{TAP(""), "d:1: devices[0].if_name: is missing: the interface, or \"fds\""},
	{TAP(", \"fds\": []"), "d:1: devices[0].fds: is empty"},
	{TAP(", \"fds\": [\"x\"]"),
		"d:1: devices[0].fds[0]: must be \"@\" and the name of an open file, is \"x\""},
	{TAP(", \"fds\": [\"@a\"], \"vhost\": true, \"vhost_fds\": [\"@b\", \"@c\"]"),
		"d:1: devices[0].vhost_fds: has 2 where \"fds\" has 1: one for each"},
	{TAP(", \"if_name\": \"t\", \"vhost_fds\": [\"@b\"]"),
		"d:1: devices[0].vhost_fds: needs \"fds\" beside it"},
	{TAP(", \"fds\": [\"@a\"], \"script\": \"/s\""),
		"d:1: devices[0].script: not run for an interface that is open already (\"fds\")"},
	{TAP(", \"if_name\": \"t\", \"mac_address\": \"00:16\""),
		"d:1: devices[0].mac_address: must be an Ethernet address as "
		"\"00:16:3e:01:02:03\", "
		"is \"00:16\""},
	{DEVICE("\"kind\": \"net\", \"type\": \"macvtap\", \"id\": \"n\", \"if_name\": \"m\""),
		"d:1: devices[0].fds: is missing: QEMU can't open such an interface by its name"},
	{DEVICE("\"kind\": \"char\", \"backend\": \"console\", \"driver\": \"virtconsole\", "
		"\"id\": "
		"\"c\", \"device_id\": \"d\", \"path\": \"/x\""),
		"d:1: devices[0].backend: QEMU has \"console\" on Windows alone; use \"stdio\" or "
		"\"serial\""},
	{DEVICE("\"kind\": \"char\", \"backend\": \"pty\", \"driver\": \"virtconsole\", \"id\": "
		"\"c\", "
		"\"device_id\": \"d\", \"path\": \"/x\""),
		"d:1: devices[0].path: a \"pty\" has none"},
	{DEVICE("\"kind\": \"char\", \"backend\": \"pty\", \"driver\": \"virtconsole\", \"id\": "
		"\"c\", "
		"\"device_id\": \"d\", \"disable_modern\": true"),
		"d:1: devices[0].disable_modern: only a virtio device on PCI has this, "
		"\"virtconsole\" "
		"is none"},
	{DEVICE("\"kind\": \"fs\", \"driver\": \"virtio-9p\", \"fs_driver\": \"proxy\", \"id\": "
		"\"f\", "
		"\"path\": \"/p\", \"mount_tag\": \"t\", \"security_model\": \"none\""),
		"d:1: devices[0].fs_driver: QEMU 9.2 dropped it; use \"local\", or a "
		"\"vhost_user\" "
		"device for virtiofs"},
	{DEVICE("\"kind\": \"vhost_user\", \"socket_path\": \"/s\", \"char_dev_id\": \"c\", "
		"\"vhost_user_type\": \"vhost-user-blk\""),
		"d:1: devices[0]: needs the guest's memory shared: \"mem_shared\" in \"knobs\""},
	{SHARED(", \"vhost_user_type\": \"vhost-user-fs\""),
		"d:1: devices[0].tag: is missing: this type needs one"},
	{SHARED(", \"vhost_user_type\": \"vhost-user-blk\", \"address\": \"00:16:3e:00:00:01\""),
		"d:1: devices[0].address: only a \"virtio-net\" has one"},
	{DEVICE("\"kind\": \"vfio\", \"bdf\": \"x\""),
		"d:1: devices[0].bdf: must be a PCI device of "
		"the host as \"0000:03:00.0\", is \"x\""},
	{DEVICE("\"kind\": \"vfio\""),
		"d:1: devices[0].bdf: is missing: the host's device, or \"sysfs_dev\""},
	{DEVICE("\"kind\": \"bridge\", \"type\": \"pci\", \"bus\": \"pci.0\", \"id\": \"b\""),
		"d:1: devices[0].chassis: is missing: a pci bridge needs a number of its own, 1 or "
		"more"},
	{DEVICE("\"kind\": \"pcie_root_port\", \"id\": \"rp\", \"rom_file\": \"r\""),
		"d:1: devices[0].rom_file: QEMU aborts when a bridge has a ROM"},
	{DEVICE("\"kind\": \"vsock\", \"id\": \"v\", \"context_id\": 2"),
		"d:1: devices[0].context_id: must be from 3 to 4294967294, is 2"},
	{DEVICE("\"kind\": \"memory_object\", \"type\": \"memory-backend-ram\", \"id\": \"m\", "
		"\"size\": 65536, \"driver\": \"nvdimm\""),
		"d:1: devices[0].driver: needs \"device_id\" beside it"},
	{DEVICE("\"kind\": \"memory_object\", \"type\": \"tdx-guest\", \"id\": \"m\""),
		"d:1: devices[0].type: QEMU 7.2 and 10.0 know no tdx-guest"},
	{DEVICE("\"kind\": \"raw\", \"args\": [{\"driver\": \"edu\"}]"),
		"d:1: devices[0].args[0]: properties need an option before them, as \"-device\""},
	{DEVICE("\"kind\": \"raw\", \"args\": [\"-device\", {\"a,b\": \"edu\"}]"),
		"d:1: devices[0].args[1][\"a,b\"]: no property has such a name"},
	{"{\"memory\": {\"size\": \"1G\"}, \"numa_nodes\": [{\"cpus\": \"0-3\"}]}",
		"d:1: numa_nodes[0].cpus: the machine has 1 processors (\"smp\")"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = {0};
		_cleanup_free_ char *argv = render(bad[i].text, NULL, &err);

		if (argv) {
			fail_msg("%s: gives %s", bad[i].text, argv);
		}
		assert_string_equal(err.text, bad[i].error);
	}
}

/* Parts that are well, of machines that are not. */
static const struct {
	const char *text, *error;
} not_whole[] = {
	{DEVICE("\"kind\": \"scsi_controller\", \"id\": \"s\", \"iothread\": \"io1\""),
		"d:1: devices[0].iothread: nothing here is called \"io1\""},
	{DEVICE("\"kind\": \"legacy_serial\", \"chardev\": \"c\""),
		"d:1: devices[0].chardev: nothing here is called \"c\""},
	{DEVICE("\"kind\": \"vfio\", \"bdf\": \"03:00.0\", \"bus\": \"rp0\""),
		"d:1: devices[0].bus: nothing here is called \"rp0\""},
	{DEVICE("\"kind\": \"balloon\", \"id\": \"b\", \"addr\": \"255\""),
		"d:1: devices[0].addr: a bus has the places 0 to 31"},
	{DEVICE("\"kind\": \"memory_object\", \"type\": \"memory-backend-ram\", \"id\": \"m\", "
		"\"size\": 65536, \"driver\": \"nvdimm\", \"device_id\": \"d\""),
		"d:1: devices[0].driver: needs \"slots\" and \"max_mem\" in \"memory\""},
	{"{\"knobs\": {\"daemonize\": true}}", "d:1: knobs.daemonize: the process would leave its "
					       "supervision; xendmd runs it in the "
					       "background anyway"},
	{"{\"pid_file\": \"/run/pid\"}",
		"d:1: pid_file: must lie under $RUN_DIR, which is cleaned when the domain ends"},
	{"{\"pid_file\": \"$RUN_DIR/pid\", \"iothreads\": [{\"id\": \"io1\"}], \"devices\": ["
	 "{\"kind\": \"pcie_root_port\", \"id\": \"rp0\"}, {\"kind\": \"scsi_controller\", \"id\": "
	 "\"s\", \"iothread\": \"io1\", \"bus\": \"rp0\"}, {\"kind\": \"block\", \"driver\": "
	 "\"scsi-hd\", \"id\": \"d\", \"file\": \"/f\", \"bus\": \"s.0\"}, {\"kind\": \"raw\", "
	 "\"args\": [\"-chardev\", {\"backend\": \"null\", \"id\": \"c\"}]}, {\"kind\": "
	 "\"legacy_serial\", \"chardev\": \"c\"}]}",
		NULL},
};

static void test_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(not_whole); i++) {
		_cleanup_json_doc_ struct json_doc doc = {0};
		struct json_node root = parse(&doc, not_whole[i].text);
		struct err err = {0};
		int r = typed_check_whole(&root, &err);

		if (not_whole[i].error) {
			assert_string_equal(err.text, not_whole[i].error);
			assert_int_equal(typed_check(&root, &err), 0);
		}
		assert_int_equal(r, not_whole[i].error ? -EINVAL : 0);
	}
}

/* What a placeholder brings is checked like what stands there. */
static void test_placeholders(void **state)
{
	static const struct {
		const char *text, *argv, *error;
	} cases[] = {
		{"{\"name\": \"$NAME\", \"devices\": [{\"kind\": \"rng\", \"id\": \"r$DOMID\"}]}",
			"-name a,,b -object rng-random,id=r7 -device virtio-rng-pci,rng=r7", NULL},
		{"{\"iothreads\": [{\"id\": \"$DOMID\"}]}", NULL,
			"qemu.iothreads[0].id: must be a letter, then letters, digits, \"-\", "
			"\".\" and \"_\", is \"7\""},
		{"{\"name\": \"$UUID\"}", NULL,
			"qemu: \"$UUID\": \"$UUID\" has no value here at column 1"},
		{"{\"name\": \"$$\"}", "-name $", NULL},
	};
	const struct subst_values values = {.values = {[SUBST_NAME] = "a,b", [SUBST_DOMID] = "7"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};
		_cleanup_free_ char *argv = render(cases[i].text, &values, &err);

		if (cases[i].error) {
			assert_null(argv);
			assert_string_equal(err.text, cases[i].error);
		} else {
			assert_non_null(argv);
			assert_string_equal(argv, cases[i].argv);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_each_kind_is_tested),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_placeholders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
