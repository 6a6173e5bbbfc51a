/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The planner beside the corpus (tests/corpus/libxl-argv): what the corpus has no case of, and
 * each difference between libxl and us.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/libxlconf.h"
#include "lib/libxldiff.h"
#include "lib/libxlplan.h"
#include "lib/qemuopt.h"
#include "tests/qemuopt_reader.h"

/* HVM: members of "type.hvm"; BUILD: of "b_info"; LIST: of the whole. */
#define CONFIG(type, members, build, rest)                                                         \
	"{\"c_info\": {\"type\": \"" type                                                          \
	"\", \"name\": \"a\"}, \"b_info\": {\"max_memkb\": 65536, "                                \
	"\"type." type "\": {" members "}" build "}" rest "}"
#define HVM(members) CONFIG("hvm", members, "", "")
#define BUILD(members) CONFIG("hvm", "", ", " members, "")
#define LIST(members) CONFIG("hvm", "", "", ", " members)
#define PV(members) CONFIG("pv", "", "", ", " members)
#define STUB "\"device_model_stubdomain\": \"True\", \"device_model_version\": \"qemu_xen\""
#define TRADITIONAL "\"device_model_version\": \"qemu_xen_traditional\""
#define MONITORS                                                                                   \
	"-chardev socket,id=libxl-cmd,path=/var/run/xen/qmp-libxl-7,server=on,wait=off -mon "      \
	"chardev=libxl-cmd,mode=control -chardev "                                                 \
	"socket,id=libxenstat-cmd,path=/var/run/xen/qmp-libxenstat-7,server=on,wait=off -mon "     \
	"chardev=libxenstat-cmd,mode=control "

static const struct libxlplan_context plain = {
	.domid = 7, .incoming_fd = -1, .run_dir = "/run/xendmd/dm/7"};
static const struct libxlplan_context libxl = {.domid = 7, .incoming_fd = -1, .as_libxl = true};

/* The arguments with blanks between them, shell-quoted; NULL with ERR. */
static char *plan(const char *text, const struct libxlplan_context *context, char **ret_steps,
	struct err *err)
{
	const struct qemuopt_style style = {.unescaped = context->as_libxl};
	_cleanup_(vmdesc_fini) struct vmdesc d = {0};
	_cleanup_(strv_fini) struct strv argv = {0};
	_cleanup_json_doc_ struct json_doc doc = {0};
	_cleanup_libxlconf_ struct libxlconf *c = NULL;
	struct json_node root;

	if (json_doc_parse(&doc, "c", text, strlen(text), err) < 0) {
		return NULL;
	}
	root = json_doc_root(&doc);
	if (libxlconf_parse(&root, context->as_libxl, &c, err) < 0 ||
		libxlplan_build(c, context, &d, err) < 0) {
		return NULL;
	}
	assert_int_equal(qemuopt_print(&d, &style, &argv, err), 0);
	if (ret_steps) {
		*ret_steps =
			d.qmp_steps
				? strdup(json_object_to_json_string_ext(d.qmp_steps,
					  JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE))
				: NULL;
	}
	return strv_join_quoted(&argv);
}

/* Each difference: what of the command line is libxl's and what is ours; NULL: refused with ERROR,
 * or (for steps) nothing. */
static const struct {
	enum libxldiff which;
	const char *text, *libxl, *ours, *error;
} differences[] = {
	{LIBXLDIFF_ESCAPING,
		LIST("\"disks\": [{\"pdev_path\": \"/a,b\", \"vdev\": \"hda\", \"format\": "
		     "\"raw\", "
		     "\"readwrite\": 1}]"),
		" file=/a,b,if=ide,", " file=/a,,b,if=ide,"},
	{LIBXLDIFF_ESCAPING, HVM("\"keymap\": \"a,b\", \"vnc\": {\"listen\": \"h:1,x\"}"),
		" -vnc h:1,x,to=99 ", " -vnc h:1,,x,to=99 "},
	{LIBXLDIFF_VNC_IPV6, HVM("\"vnc\": {\"listen\": \"::1\"}"), " -vnc ::1,to=99 ",
		" -vnc '[::1]:0,to=99' "},
	{LIBXLDIFF_VNC_IPV6, HVM("\"vnc\": {\"listen\": \"[fe80::1]\"}"),
		" -vnc '[fe80::1],to=99' ", " -vnc '[fe80::1]:0,to=99' "},
	{LIBXLDIFF_VNC_IPV6, HVM("\"vnc\": {\"listen\": \"::1\", \"display\": 3}"), NULL,
		" -vnc '[::1]:3,to=99' ",
		"c:1: b_info[\"type.hvm\"].vnc.display: not possible beside \"listen\": \"::1\", "
		"which has a display already"},
	{LIBXLDIFF_CDROM_INDEX,
		LIST("\"disks\": [{\"format\": \"empty\", \"vdev\": \"xvde\", \"is_cdrom\": 1}]"),
		" ide-cd,id=ide-51776,drive=ide-51776,bus=ide.2,unit=0", " -m 56"},
	{LIBXLDIFF_DISK_CLASH,
		CONFIG("hvm", "", ", " STUB,
			", \"disks\": [{\"pdev_path\": \"/a\", \"vdev\": \"hda\", \"format\": "
			"\"raw\", \"readwrite\": 1}, {\"pdev_path\": \"/b\", \"vdev\": \"sda\", "
			"\"format\": \"raw\", \"readwrite\": 1}]"),
		" file=/dev/xvda,id=scsi0-hd0,", NULL,
		"c:1: disks[1].vdev: \"sda\" is the same device as disks[0] (\"hda\") in a stub "
		"domain"},
	{LIBXLDIFF_NAME_SLASH,
		"{\"c_info\": {\"type\": \"hvm\", \"name\": \"a/b\"}, \"b_info\": {}}", NULL,
		" -name a/b ", "c_info.name: libxl can't open a log for \"a/b\""},
	{LIBXLDIFF_PV_STUBDOM, CONFIG("pv", "", ", " STUB, ", \"vfbs\": [{}]"), NULL,
		" -machine xenpv ",
		"c:1: b_info.device_model_stubdomain: xl dies of it with a PV or PVH guest that "
		"needs QEMU"},
	{LIBXLDIFF_USB_CONTROLLERS, LIST("\"usbctrls\": [{\"version\": 4}]"), " -m 56", NULL,
		"c:1: usbctrls[0].version: must be from 1 to 3, is 4"},
	{LIBXLDIFF_USB_CONTROLLERS,
		LIST("\"usbctrls\": [{\"version\": 1, \"ports\": 2}], \"usbdevs\": [{\"ctrl\": 7, "
		     "\"type.hostdev\": {\"hostbus\": 1, \"hostaddr\": 2}}]"),
		" -m 56", NULL,
		"c:1: usbdevs[0]: no controller in \"usbctrls\" has a free port for it"},
	{LIBXLDIFF_VIRTIO_DISK,
		LIST("\"disks\": [{\"pdev_path\": \"/a\", \"vdev\": \"xvda\", \"format\": "
		     "\"raw\", \"readwrite\": 1, \"specification\": \"virtio\"}]"),
		" -m 56 -drive file=/a,if=ide,", " -m 56"},
	{LIBXLDIFF_VIDEO_MEMORY, BUILD("\"video_memkb\": 81920"), " -m 4194288", NULL,
		"c:1: b_info.max_memkb: 65536 KiB leave nothing beside the video memory (81920 "
		"KiB)"},
	{LIBXLDIFF_RUN_AS,
		CONFIG("pv", "", ", \"device_model_user\": \"nobody\"", ", \"vfbs\": [{}]"),
		" -machine xenpv -m 64", " -machine xenpv -m 64 -runas nobody"},
	{LIBXLDIFF_XENPV_RESTRICT,
		CONFIG("pv", "", ", \"dm_restrict\": \"True\"", ", \"vfbs\": [{}]"),
		" -xen-domid-restrict -chroot /var/run/xen/qemu-root-7 -machine xenpv -m 64",
		" -display none -machine xenpv -m 64 -runas 70007:70000"},
	{LIBXLDIFF_CHROOT, BUILD("\"dm_restrict\": \"True\""),
		" -xen-domid-restrict -chroot /var/run/xen/qemu-root-7 -machine ",
		" -xen-domid-restrict -chroot /run/xendmd/dm/7/root -machine "},
	{LIBXLDIFF_SPICE_PASSWORD,
		HVM("\"spice\": {\"enable\": \"True\", \"port\": 6000, \"passwd\": \"p\"}"),
		" -spice port=6000,tls-port=0,password=p,agent-mouse=on,disable-copy-paste=on ",
		" -spice port=6000,tls-port=0,agent-mouse=on,disable-copy-paste=on "},
	{LIBXLDIFF_AUDIO_BACKEND, HVM("\"soundhw\": \"HDA\""),
		" -device intel-hda -device hda-duplex ",
		" -audiodev none,id=libxl-audio -device intel-hda -device "
		"hda-duplex,audiodev=libxl-audio "},
	{LIBXLDIFF_AUDIO_BACKEND, HVM("\"soundhw\": \"ac97\", \"sdl\": {\"enable\": \"True\"}"),
		" -device ac97 ",
		" -audiodev sdl,id=libxl-audio -device ac97,audiodev=libxl-audio "},
	{LIBXLDIFF_NO_ACPI, HVM("\"acpi\": \"False\""), " -no-acpi ",
		" -machine xenfv,suppress-vmdesc=on,acpi=off "},
	{LIBXLDIFF_CIRRUS_MEMORY, BUILD("\"video_memkb\": 32768"), " cirrus-vga,vgamem_mb=32 ",
		" cirrus-vga,vgamem_mb=16 "},
	{LIBXLDIFF_CIRRUS_MEMORY, BUILD("\"video_memkb\": 12288"), " cirrus-vga,vgamem_mb=12 ",
		" cirrus-vga,vgamem_mb=8 "},
	{LIBXLDIFF_MMIO_HOLE, HVM("\"mmio_hole_memkb\": 1024"), " xenfv,suppress-vmdesc=on ", NULL,
		"c:1: b_info[\"type.hvm\"].mmio_hole_memkb: must be from 262144 to 3932160, is "
		"1024"},
	{LIBXLDIFF_IDS, LIST("\"nics\": [{\"devid\": 1}, {\"devid\": 1}]"), " rtl8139,id=nic1,",
		NULL, "-device: the id \"nic1\" stands twice"},
	{LIBXLDIFF_STUBDOM_RESTRICT, BUILD(STUB ", \"dm_restrict\": \"True\""),
		" -xen-domid-restrict -chroot /var/run/xen/qemu-root-7 -machine ",
		" -net none -machine "},
	{LIBXLDIFF_STUBDOM_PATHS, BUILD(STUB ", \"kernel\": \"/k\""), " -kernel /k ", NULL,
		"b_info.kernel: the device model of a stub domain can't read domain 0's files"},
	{LIBXLDIFF_STUBDOM_PATHS,
		CONFIG("hvm", "", ", " STUB,
			", \"channels\": [{\"devid\": 2, \"name\": \"c\", "
			"\"connection.socket\": {\"path\": \"/s\"}}]"),
		" -chardev socket,id=libxl-channel2,path=/s,server=on,wait=off ",
		" -no-shutdown -nodefaults "},
	{LIBXLDIFF_STUBDOM_NEWLINE, CONFIG("hvm", "\"boot\": \"c\\nd\"", ", " STUB, ""),
		"order=c\nd", NULL,
		"an argument of a stub domain's device model can't have a newline"},
	{LIBXLDIFF_QMP_START, BUILD("\"dm_restrict\": \"True\""),
		" socket,id=libxl-cmd,fd=3,server=on,wait=off -S -mon ",
		" socket,id=libxl-cmd,path=/var/run/xen/qmp-libxl-7,server=on,wait=off -mon "},
};

static void check_line(const char *line, const char *want, const struct err *err, const char *error)
{
	if (!want) {
		assert_null(line);
		assert_string_equal(err->text, error);
	} else if (!line || !strstr(line, want)) {
		fail_msg("no \"%s\" in: %s", want, line ? line : err->text);
	}
}

static void test_differences(void **state)
{
	bool seen[_LIBXLDIFF_MAX] = {
		/* tested apart */
		[LIBXLDIFF_QMP_NUMBERS] = true,
		[LIBXLDIFF_BINARY] = true,
		[LIBXLDIFF_MEMORY_SIZE] = true,
	};

	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		struct err err = {0};
		_cleanup_free_ char *theirs = plan(differences[i].text, &libxl, NULL, &err);
		_cleanup_free_ char *our = NULL;

		check_line(theirs, differences[i].libxl, &err, differences[i].error);
		err = (struct err){0};
		our = plan(differences[i].text, &plain, NULL, &err);
		check_line(our, differences[i].ours, &err, differences[i].error);
		seen[differences[i].which] = true;
	}
	for (unsigned i = 0; i < _LIBXLDIFF_MAX; i++) {
		if (!seen[i]) {
			fail_msg("no case for \"%s\"", libxldiff_name(i));
		}
	}
}

/* 5 TiB do not fit into 32 bits of KiB. */
static void test_memory(void **state)
{
	static const char text[] = "{\"c_info\": {\"type\": \"hvm\"}, \"b_info\": {\"max_memkb\": "
				   "5368709120, \"type.hvm\": {\"vga\": {\"kind\": \"none\"}}}}";
	struct err err = {0};
	_cleanup_free_ char *theirs = plan(text, &libxl, NULL, &err);
	_cleanup_free_ char *our = plan(text, &plain, NULL, &err);

	assert_non_null(strstr(theirs, " -m 1048576"));
	assert_non_null(strstr(our, " -m 5242880"));
}

static const char usb_and_pci[] =
	LIST("\"usbctrls\": [{\"version\": 3, \"ports\": 4}, {\"type\": \"pv\"}, {\"devid\": 9}], "
	     "\"usbdevs\": [{\"type.hostdev\": {\"hostbus\": 1, \"hostaddr\": 2}}, {\"ctrl\": 9, "
	     "\"port\": 5, \"type.hostdev\": {\"hostbus\": 3, \"hostaddr\": 4}}], "
	     "\"pcidevs\": [{\"domain\": 1, \"bus\": 10, \"dev\": 31, \"func\": 7, \"vdevfn\": 43, "
	     "\"permissive\": true}, {\"bus\": 2}]");

static void test_steps(void **state)
{
	struct err err = {0};
	char *steps;

	free(plan(usb_and_pci, &plain, &steps, &err));
	assert_string_equal(steps,
		"[ { \"execute\": \"device_add\", \"arguments\": { \"driver\": \"nec-usb-xhci\", "
		"\"p2\": 4, \"p3\": 4, \"id\": \"xenusb-10\" } }, "
		"{ \"execute\": \"device_add\", \"arguments\": { \"driver\": \"usb-ehci\", \"id\": "
		"\"xenusb-9\" } }, "
		"{ \"execute\": \"device_add\", \"arguments\": { \"id\": \"xenusb-1-2\", "
		"\"driver\": \"usb-host\", \"bus\": \"xenusb-10.0\", \"port\": \"1\", \"hostbus\": "
		"1, \"hostaddr\": 2 } }, "
		"{ \"execute\": \"device_add\", \"arguments\": { \"id\": \"xenusb-3-4\", "
		"\"driver\": \"usb-host\", \"bus\": \"xenusb-9.0\", \"port\": \"5\", \"hostbus\": "
		"3, \"hostaddr\": 4 } }, "
		"{ \"execute\": \"device_add\", \"arguments\": { \"driver\": "
		"\"xen-pci-passthrough\", \"id\": \"pci-pt-0a_1f.7\", \"hostaddr\": "
		"\"0001:0a:1f.7\", \"addr\": \"5.3\", \"permissive\": true } }, "
		"{ \"execute\": \"device_add\", \"arguments\": { \"driver\": "
		"\"xen-pci-passthrough\", \"id\": \"pci-pt-02_00.0\", \"hostaddr\": "
		"\"0000:02:00.0\" } } ]");
	free(steps);
	free(plan(usb_and_pci, &libxl, &steps, &err));
	assert_non_null(strstr(steps, "\"hostbus\": \"3\""));
	assert_non_null(strstr(steps, "\"p2\": \"4\""));
	free(steps);
	free(plan(
		HVM("\"vnc\": {\"passwd\": \"x\"}, \"spice\": {\"enable\": \"True\", \"port\": 1, "
		    "\"passwd\": \"y\"}"),
		&plain, &steps, &err));
	assert_string_equal(steps,
		"[ { \"execute\": \"change-vnc-password\", \"arguments\": { \"password\": \"x\" } "
		"}, "
		"{ \"execute\": \"set_password\", \"arguments\": { \"protocol\": \"spice\", "
		"\"password\": \"y\" } } ]");
	free(steps);
}

/* What the corpus has no case of: reference/libxl.md sections 2 and 5. */
static const struct {
	const char *text, *want;
} lines[] = {
	{HVM("\"vnc\": {\"passwd\": \"x\", \"display\": 4}"),
		" -vnc 127.0.0.1:4,password=on,to=99 "},
	{HVM("\"vnc\": {\"enable\": \"False\"}, \"nographic\": \"True\""),
		" -display none -nographic -device cirrus-vga,"},
	{HVM("\"nographic\": \"True\""), " -display none -device cirrus-vga,"},
	{HVM("\"spice\": {\"enable\": \"True\", \"tls_port\": 6001, \"disable_ticketing\": "
	     "\"True\", \"agent_mouse\": \"False\", \"clipboard_sharing\": \"True\", \"vdagent\": "
	     "\"True\", \"image_compression\": \"lz\", \"streaming_video\": \"all\", "
	     "\"usbredirection\": 2}"),
		" -spice port=0,tls-port=6001,disable-ticketing=on,agent-mouse=off,"
		"image-compression=lz,streaming-video=all -device virtio-serial -chardev "
		"spicevmc,id=vdagent,name=vdagent -device "
		"virtserialport,chardev=vdagent,name=com.redhat.spice.0 -device "
		"cirrus-vga,vgamem_mb=8 -boot order=cda -device "
		"ich9-usb-ehci1,id=usb,addr=0x1d.0x7,multifunction=on "},
	{HVM("\"spice\": {\"enable\": \"True\", \"port\": 1, \"disable_ticketing\": \"True\", "
	     "\"usbredirection\": 1}, \"usbversion\": 3"),
		" -device nec-usb-xhci,id=usb -chardev spicevmc,name=usbredir,id=usbrc1 -device "
		"usb-redir,chardev=usbrc1,id=usbrc1 "},
	{HVM("\"spice\": {\"usbredirection\": 3}, \"usb\": \"True\""),
		" order=cda -usb -net none "},
	{HVM("\"usbversion\": 1"), " -device piix3-usb-uhci,id=usb "},
	{HVM("\"vendor_device\": \"xenserver\""), " -m 56 -device xen-pvdevice,device-id=0xc000"},
	{HVM("\"xen_platform_pci\": \"False\", \"mmio_hole_memkb\": 3932160"),
		" -machine pc,accel=xen,suppress-vmdesc=on,max-ram-below-4g=268435456 "},
	{BUILD("\"dm_restrict\": \"True\""), " -runas 70007:70000"},
	{BUILD("\"max_vcpus\": 4, \"avail_vcpus\": []"), " -smp 1,maxcpus=4 "},
	/* disks that QEMU can't get at, or that have no place */
	{LIST("\"disks\": [{\"pdev_path\": \"/a\", \"vdev\": \"hda\", \"format\": \"raw\", "
	      "\"script\": \"s\"}]"),
		" -m 56"},
	{LIST("\"disks\": [{\"pdev_path\": \"/a\", \"vdev\": \"hda\", \"format\": \"raw\", "
	      "\"backend_domname\": \"dd\"}, {\"pdev_path\": \"/a\", \"vdev\": \"832\", "
	      "\"format\": \"raw\"}, {\"pdev_path\": \"/a\", \"vdev\": \"hdc\"}]"),
		" -m 56"},
	{LIST("\"disks\": [{\"pdev_path\": \"/a.vhd\", \"vdev\": \"xvdd\", \"format\": \"vhd\", "
	      "\"readwrite\": 1}, {\"pdev_path\": \"/b\", \"vdev\": \"sdp\", \"format\": "
	      "\"qcow\"}]"),
		" -m 56 -drive file=/a.vhd,if=ide,index=3,media=disk,format=vpc,cache=writeback "
		"-drive file=/b,id=scsi0-hd15,format=qcow,if=none,readonly=on,cache=writeback "
		"-device scsi-hd,drive=scsi0-hd15,scsi-id=15"},
	{LIST("\"disks\": [{\"pdev_path\": \"/dev/vg/a\", \"vdev\": \"hdb\", \"format\": \"raw\", "
	      "\"readwrite\": true}]"),
		" -drive file=/dev/vg/a,if=ide,index=1,media=disk,format=raw,cache=writeback"},
	{LIST("\"disks\": [{\"pdev_path\": \"/a\", \"vdev\": \"xvda\", \"format\": \"raw\", "
	      "\"specification\": \"virtio\"}]"),
		" -m 56"},
	/* beyond the stub domain's letters: index 26 */
	{CONFIG("hvm", "\"hdtype\": \"ahci\"", ", " STUB,
		 ", \"disks\": [{\"pdev_path\": \"/a\", "
		 "\"vdev\": \"xvdaa\", \"format\": \"raw\", \"readwrite\": 1}]"),
		" -m 56 -device ahci,id=ahci0"},
	/* PV */
	{PV("\"vfbs\": [{\"vnc\": {\"enable\": \"False\"}, \"sdl\": {\"enable\": \"True\"}, "
	    "\"keymap\": \"de\"}, {\"keymap\": \"fr\"}]"),
		" -xen-attach -name a -vnc none -display none -display sdl -k de -machine xenpv -m "
		"64"},
	{CONFIG("pvh", "", ", \"extra_pv\": [\"-x,y\"], \"extra_hvm\": [\"-z\"]",
		 ", \"p9s\": [{}]"),
		" -display none -nographic -machine xenpv -x,y -m 64"},
	/* qemu-dm */
	{BUILD(TRADITIONAL ", \"max_vcpus\": 12, \"avail_vcpus\": [0, 1, 9]"),
		"-d 7 -domain-name a -vnc 127.0.0.1:0 -vncunused -videoram 4 -boot cda -acpi "
		"-vcpus "
		"12 -vcpu_avail 0x0203 -net none -M xenfv"},
	{CONFIG("hvm",
		 "\"vnc\": {\"passwd\": \"x\", \"findunused\": \"False\"}, \"sdl\": "
		 "{\"enable\": \"True\"}, \"keymap\": \"de\", \"serial_list\": [\"pty\", "
		 "\"null\"], \"vga\": {\"kind\": \"std\"}, \"usb\": \"True\", \"usbdevice\": "
		 "\"tablet\", \"soundhw\": \"all\", \"acpi\": \"False\", "
		 "\"gfx_passthru\": \"True\"",
		 ", " TRADITIONAL ", \"extra\": [\"-a\"], "
		 "\"extra_hvm\": [\"-b\"]",
		 ", \"nics\": [{\"mac\": \"00:16:3e:00:00:01\"}]"),
		"-d 7 -domain-name a -vnc 127.0.0.1:0,password -sdl -disable-opengl -k de -serial "
		"pty -serial null -videoram 8 -std-vga -boot cda -usb -usbdevice tablet -soundhw "
		"all -vcpu_avail 0x01 -net nic,vlan=0,macaddr=00:16:3e:00:00:01,model=rtl8139 -net "
		"tap,vlan=0,ifname=vif7.0-emu,bridge=xenbr0,script=no,downscript=no -gfx_passthru "
		"-a -M xenfv -b"},
	{CONFIG("hvm", "\"vnc\": {\"enable\": \"False\"}, \"vga\": {\"kind\": \"none\"}",
		 ", " TRADITIONAL, ""),
		"-d 7 -domain-name a -nographic -vga none -boot cda -acpi -vcpu_avail 0x01 -net "
		"none -M xenfv"},
	{CONFIG("pv", "", ", " TRADITIONAL, ", \"vfbs\": [{}]"),
		"-d 7 -domain-name a -vnc 127.0.0.1:0 -vncunused -M xenpv"},
};

static void test_lines(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct err err = {0};
		_cleanup_free_ char *line = plan(lines[i].text, &plain, NULL, &err);

		if (!line) {
			fail_msg("%s: %s", lines[i].text, err.text);
		}
		/* what begins without a blank is the whole line; what ends without one, its end */
		if (lines[i].want[0] == '-') {
			assert_string_equal(line, lines[i].want);
		} else {
			size_t len = strlen(lines[i].want), all = strlen(line);
			const char *found = strstr(line, lines[i].want);
			bool to_the_end =
				lines[i].want[len - 1] != ' ' && lines[i].want[len - 1] != ',';

			if (!found || (to_the_end && strcmp(line + all - len, lines[i].want))) {
				fail_msg("no \"%s\" in: %s", lines[i].want, line);
			}
		}
	}
}

static void test_whole(void **state)
{
	struct err err = {0};
	_cleanup_free_ char *line = plan(PV("\"vfbs\": [{}]"), &plain, NULL, &err);

	assert_string_equal(line, "-xen-domid 7 -no-shutdown " MONITORS
				  "-nodefaults -no-user-config -xen-attach -name a -vnc "
				  "127.0.0.1:0,to=99 -display none -machine xenpv -m 64");
}

static void test_incoming(void **state)
{
	const struct libxlplan_context context = {
		.domid = 7, .incoming_fd = 12, .incoming_file = "/s", .xen_run_dir = "/x"};
	struct err err = {0};
	_cleanup_free_ char *here = plan(BUILD("\"extra\": [\"-e\"]"), &context, NULL, &err);
	_cleanup_free_ char *stub = plan(BUILD(STUB), &context, NULL, &err);
	_cleanup_free_ char *old = plan(BUILD(TRADITIONAL), &context, NULL, &err);

	assert_non_null(strstr(here, " -incoming fd:12 -e -machine "));
	assert_non_null(strstr(here, ",path=/x/qmp-libxl-7,"));
	assert_non_null(strstr(stub, " -incoming '$STUBDOM_RESTORE_INCOMING_ARG' "));
	assert_non_null(strstr(old, " -loadvm /s -M xenfv"));
}

static void test_program(void **state)
{
	static const struct {
		struct libxlconf c;
		const char *theirs, *our;
	} cases[] = {
		{{.version = LIBXL_DM_QEMU_XEN}, NULL, NULL},
		{{.version = LIBXL_DM_QEMU_XEN, .device_model = "q"}, "q", "q"},
		{{.version = LIBXL_DM_QEMU_XEN, .device_model = "/l/dm-handoff"}, "/l/dm-handoff",
			NULL},
		{{.version = LIBXL_DM_TRADITIONAL}, "qemu-dm", "qemu-dm"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *theirs = libxlplan_program(&cases[i].c, true);
		const char *our = libxlplan_program(&cases[i].c, false);

		assert_string_equal(theirs ? theirs : "-", cases[i].theirs ? cases[i].theirs : "-");
		assert_string_equal(our ? our : "-", cases[i].our ? cases[i].our : "-");
	}
}

static void test_users(void **state)
{
	static const struct {
		const char *passwd, *text, *want, *error;
	} cases[] = {
		{"u:x:5:6::/:/x\n", BUILD("\"device_model_user\": \"u\""), " -runas u", NULL},
		{"u:x:5:6::/:/x\n", BUILD("\"device_model_user\": \"v\""), NULL,
			"b_info.device_model_user: no user \"v\" in "},
		{"u:x:0:6::/:/x\n", BUILD("\"device_model_user\": \"u\""), NULL,
			"b_info.device_model_user: \"u\" is root"},
		{"xen-qemuuser-range-base:x:100:50::/:/x\n", BUILD("\"dm_restrict\": \"True\""),
			" -runas 107:50", NULL},
		{"xen-qemuuser-range-base:x:100:50::/:/x\nbob:x:107:1::/:/x\n",
			BUILD("\"dm_restrict\": \"True\""), NULL,
			"b_info.dm_restrict: uid 107 (xen-qemuuser-range-base + 7) is taken by "
			"user "
			"\"bob\""},
		{"xen-qemuuser-shared:x:9:9::/:/x\n", BUILD("\"dm_restrict\": \"True\""),
			" -runas xen-qemuuser-shared", NULL},
		{"xen-qemuuser-shared:x:0:9::/:/x\n", BUILD("\"dm_restrict\": \"True\""), NULL,
			"b_info.dm_restrict: xen-qemuuser-shared is root"},
		{"", BUILD("\"dm_restrict\": \"True\""), NULL,
			"b_info.dm_restrict: neither xen-qemuuser-range-base nor "
			"xen-qemuuser-shared is in "},
	};
	char path[] = "/tmp/xendmd-passwd-XXXXXX", *before = strdup(getenv("XENDMD_PASSWD"));
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	setenv("XENDMD_PASSWD", path, 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};
		_cleanup_free_ char *line = NULL;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, cases[i].passwd, strlen(cases[i].passwd), 0),
			strlen(cases[i].passwd));
		line = plan(cases[i].text, &plain, NULL, &err);
		if (cases[i].want) {
			check_line(line, cases[i].want, &err, NULL);
		} else {
			assert_null(line);
			assert_memory_equal(err.text, cases[i].error, strlen(cases[i].error));
		}
	}
	close(fd);
	unlink(path);
	setenv("XENDMD_PASSWD", before, 1);
	free(before);
}

/* The property KEY of the N-th option NAME, as QEMU reads it. */
static const char *read_property(
	const struct strv *argv, const char *name, unsigned n, const char *implied, const char *key)
{
	static struct pair pairs[PAIRS_MAX];

	for (size_t i = 0; i + 1 < argv->len; i++) {
		if (strcmp(argv->items[i], name) || n-- > 0) {
			continue;
		}
		for (unsigned k = read_options(argv->items[i + 1], implied, pairs); k > 0; k--) {
			if (!strcmp(pairs[k - 1].key, key)) {
				return pairs[k - 1].value;
			}
		}
	}
	fail_msg("no %s of %s", key, name);
	return NULL;
}

static struct json_object *object(const char *key, struct json_object *value)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, key, value);
	return o;
}

static struct json_object *list_of(struct json_object *element)
{
	struct json_object *list = json_object_new_array();

	json_object_array_add(list, element);
	return list;
}

static void set(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

enum { NAME, DISK, BRIDGE, CHANNEL, TEXTS };

static struct json_object *make_config(char texts[TEXTS][VALUE_MAX])
{
	struct json_object *config = json_object_new_object(), *c_info = json_object_new_object();
	struct json_object *disk = json_object_new_object();
	struct json_object *channel =
		object("connection.socket", object("path", json_object_new_string(texts[CHANNEL])));

	set(c_info, "type", "hvm");
	set(c_info, "name", texts[NAME]);
	set(disk, "pdev_path", texts[DISK]);
	set(disk, "vdev", "sda");
	set(disk, "format", "raw");
	set(channel, "name", "c");
	json_object_object_add(config, "c_info", c_info);
	json_object_object_add(config, "b_info", json_object_new_object());
	json_object_object_add(config, "disks", list_of(disk));
	json_object_object_add(
		config, "nics", list_of(object("bridge", json_object_new_string(texts[BRIDGE]))));
	json_object_object_add(config, "channels", list_of(channel));
	return config;
}

static void plan_argv(const char *text, struct strv *argv)
{
	const struct qemuopt_style style = {0};
	_cleanup_(vmdesc_fini) struct vmdesc d = {0};
	_cleanup_json_doc_ struct json_doc doc = {0};
	_cleanup_libxlconf_ struct libxlconf *c = NULL;
	struct err err = {0};
	struct json_node root;

	assert_int_equal(json_doc_parse(&doc, "c", text, strlen(text), &err), 0);
	root = json_doc_root(&doc);
	if (libxlconf_parse(&root, false, &c, &err) < 0 ||
		libxlplan_build(c, &plain, &d, &err) < 0) {
		fail_msg("%s: %s", text, err.text);
	}
	assert_int_equal(qemuopt_print(&d, &style, argv, &err), 0);
}

/* Commas, quotes, newlines and all else: QEMU is told what the configuration says. */
static void test_read_back(void **state)
{
	uint64_t seed = 2463534242u;

	for (unsigned round = 0; round < 3000; round++) {
		_cleanup_(strv_fini) struct strv argv = {0};
		struct json_object *config;
		char texts[TEXTS][VALUE_MAX];

		for (unsigned i = 0; i < TEXTS; i++) {
			/* a path is not empty */
			texts[i][0] = i == DISK || i == CHANNEL ? '/' : '\0';
			make_value(&seed, texts[i] + (texts[i][0] == '/'));
		}
		config = make_config(texts);
		plan_argv(json_object_to_json_string(config), &argv);
		assert_string_equal(
			read_property(&argv, "-name", 0, "guest", "guest"), texts[NAME]);
		assert_string_equal(read_property(&argv, "-drive", 0, NULL, "file"), texts[DISK]);
		assert_string_equal(read_property(&argv, "-netdev", 0, NULL, "br"), texts[BRIDGE]);
		assert_string_equal(
			read_property(&argv, "-chardev", 2, "backend", "path"), texts[CHANNEL]);
		json_object_put(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_differences),
		cmocka_unit_test(test_memory), cmocka_unit_test(test_steps),
		cmocka_unit_test(test_lines), cmocka_unit_test(test_whole),
		cmocka_unit_test(test_incoming), cmocka_unit_test(test_program),
		cmocka_unit_test(test_users), cmocka_unit_test(test_read_back)};
	_cleanup_free_ char *passwd = NULL;

	if (asprintf(&passwd, "%s/tests/corpus/libxl-argv/passwd", getenv("XENDMD_TEST_SOURCE")) <
		0) {
		return 1;
	}
	setenv("XENDMD_PASSWD", passwd, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
