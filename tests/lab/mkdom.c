/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in the lab for a toolstack of one's own: creates the smallest HVM domain there is, with
 * everything that a toolstack gives it (memory with hvmloader and SeaBIOS in it, store and console
 * rings, xenstore nodes) except a device model.
 *
 * This is the hypervisor's side and the command line; mkdom_store.c writes xenstore.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#define XC_WANT_COMPAT_MAP_FOREIGN_API
#include <xenctrl.h>
#include <xenguest.h>
#include <xen/hvm/hvm_info_table.h>
#include <xen/hvm/params.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "mkdom.h"

#define MEMORY_MIB_DEFAULT 40
#define MEMORY_MIB_MIN 24
#define MEMORY_MIB_MAX 2048
#define LATE_NAME_MS_DEFAULT 1500
#define SLACK_KIB 1024 /* what libxl allows a domain above its maximum */
#define LOW_MEMORY_START 0x100000ULL
#define MMIO_START 0xf0000000ULL
#define VGA_HOLE_PAGES 0x20
#define SEABIOS "/usr/share/seabios/bios-256k.bin"

struct handles {
	xentoollog_logger *log;
	xc_interface *xc;
	struct xs_handle *xs;
};

static int complain(const char *what, int error)
{
	fprintf(stderr, "mkdom: %s: %s\n", what, strerror(-error));
	return error;
}

static uint64_t ram_bytes(const struct mkdom *m)
{
	return (uint64_t)(m->memory_mib - MKDOM_VIDEO_MIB) << 20;
}

/* Paging memory as libxl reckons it: 1 MiB a CPU and 8 KiB a MiB, in whole MiB. */
static uint64_t paging_bytes(const struct mkdom *m)
{
	uint64_t kib = 4 * (256 + 2 * (uint64_t)m->memory_mib);

	return (kib + 1023) / 1024 << 20;
}

static int domain_limits(xc_interface *xc, const struct mkdom *m)
{
	struct e820entry ram = {
		.addr = LOW_MEMORY_START,
		.size = ram_bytes(m) - LOW_MEMORY_START,
		.type = E820_RAM,
	};

	if (xc_domain_max_vcpus(xc, m->domid, 1) < 0) {
		return complain("cpus", -errno);
	}
	if (xc_domain_setmaxmem(xc, m->domid, m->memory_mib * 1024ULL + SLACK_KIB) < 0) {
		return complain("maximum of memory", -errno);
	}
	if (xc_set_paging_mempool_size(xc, m->domid, paging_bytes(m)) < 0) {
		return complain("paging memory", -errno);
	}
	if (xc_domain_set_memory_map(xc, m->domid, &ram, 1) < 0) {
		return complain("memory map", -errno);
	}
	if (xc_hvm_param_set(xc, m->domid, HVM_PARAM_TIMER_MODE, 1) < 0) {
		return complain("timer mode", -errno);
	}
	return 0;
}

static int domain_ports(xc_interface *xc, struct mkdom *m)
{
	int store = xc_evtchn_alloc_unbound(xc, m->domid, 0);
	int cons = xc_evtchn_alloc_unbound(xc, m->domid, 0);

	if (store < 0 || cons < 0) {
		return complain("event channels", -errno);
	}
	m->store_port = store;
	m->console_port = cons;
	if (xc_hvm_param_set(xc, m->domid, HVM_PARAM_STORE_EVTCHN, store) < 0 ||
		xc_hvm_param_set(xc, m->domid, HVM_PARAM_CONSOLE_EVTCHN, cons) < 0) {
		return complain("event channels", -errno);
	}
	return 0;
}

static int domain_make(xc_interface *xc, struct mkdom *m)
{
	struct xen_domctl_createdomain config = {
		.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
		.max_vcpus = 1,
		.max_evtchn_port = 1023,
		.max_grant_frames = -1,
		.max_maptrack_frames = -1,
		.grant_opts = XEN_DOMCTL_GRANT_version(2),
		.arch.emulation_flags = XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI,
	};

	memcpy(config.handle, m->uuid, sizeof(m->uuid));
	if (xc_domain_create(xc, &m->domid, &config) < 0) {
		return complain("create", -errno);
	}
	return 0;
}

/* A whole file in memory that lives as long as DOM; NULL with errno set. */
static void *load_file(struct xc_dom_image *dom, const char *path, size_t *ret_size)
{
	return xc_dom_malloc_filemap(dom, path, ret_size, 16 << 20);
}

/* hvmloader lies where the running Xen's version says. */
static int load_firmware(struct xc_dom_image *dom, xc_interface *xc)
{
	int version = xc_version(xc, XENVER_version, NULL);
	size_t size = 0;
	char path[64];

	snprintf(path, sizeof(path), "/usr/lib/xen-%d.%d/boot/hvmloader", version >> 16,
		version & 0xffff);
	if (xc_dom_kernel_file(dom, path) < 0) {
		return complain(path, -errno);
	}
	dom->system_firmware_module.data = load_file(dom, SEABIOS, &size);
	if (!dom->system_firmware_module.data) {
		return complain(SEABIOS, -ENOENT);
	}
	dom->system_firmware_module.length = size;
	return 0;
}

static int build_image(struct xc_dom_image *dom, xc_interface *xc, struct mkdom *m)
{
	dom->container_type = XC_DOM_HVM_CONTAINER;
	dom->device_model = true;
	dom->max_vcpus = 1;
	dom->target_pages = ram_bytes(m) >> XC_PAGE_SHIFT;
	dom->lowmem_end = ram_bytes(m);
	dom->mmio_start = MMIO_START;
	dom->mmio_size = (1ULL << 32) - MMIO_START;
	dom->vga_hole_size = VGA_HOLE_PAGES;
	dom->xenstore_evtchn = m->store_port;
	dom->console_evtchn = m->console_port;

	if (load_firmware(dom, xc) < 0) {
		return -EIO;
	}
	if (xc_dom_boot_xen_init(dom, xc, m->domid) < 0 || xc_dom_parse_image(dom) < 0 ||
		xc_dom_mem_init(dom, ram_bytes(m) >> 20) < 0 || xc_dom_boot_mem_init(dom) < 0 ||
		xc_dom_build_image(dom) < 0 || xc_dom_boot_image(dom) < 0) {
		return complain("build", -EIO);
	}
	m->store_gfn = dom->xenstore_pfn;
	m->console_gfn = dom->console_pfn;
	if (xc_dom_gnttab_init(dom) < 0) {
		return complain("grant table", -EIO);
	}
	return 0;
}

static int domain_build(xc_interface *xc, struct mkdom *m)
{
	struct xc_dom_image *dom = xc_dom_allocate(xc, NULL, NULL);
	int r;

	if (!dom) {
		return complain("build", -ENOMEM);
	}
	r = build_image(dom, xc, m);
	xc_dom_release(dom);
	return r;
}

/* The builder leaves the CPUs in hvmloader's table to us; the bytes of the table add up to 0. */
static int domain_cpus(xc_interface *xc, const struct mkdom *m)
{
	uint8_t *page = xc_map_foreign_range(
		xc, m->domid, XC_PAGE_SIZE, PROT_READ | PROT_WRITE, HVM_INFO_PFN);
	struct hvm_info_table *info;
	uint8_t sum = 0;

	if (!page) {
		return complain("hvmloader's table", -errno);
	}
	info = (struct hvm_info_table *)(void *)(page + HVM_INFO_OFFSET);
	info->apic_mode = 1;
	info->nr_vcpus = 1;
	info->vcpu_online[0] = 1;
	info->checksum = 0;
	for (uint32_t i = 0; i < info->length; i++) {
		sum += ((uint8_t *)info)[i];
	}
	info->checksum = -sum;
	munmap(page, XC_PAGE_SIZE);
	return 0;
}

static int domain_destroy(xc_interface *xc, uint32_t domid)
{
	while (xc_domain_destroy(xc, domid) < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			return complain("destroy", -errno);
		}
	}
	return 0;
}

static int store(const char *what, int r)
{
	return r < 0 ? complain(what, r) : 0;
}

static int late_name(struct handles *h, const struct mkdom *m)
{
	struct timespec delay = {
		.tv_sec = m->late_name_ms / 1000,
		.tv_nsec = m->late_name_ms % 1000 * 1000000L,
	};

	if (m->late_name_ms == 0) {
		return 0;
	}
	nanosleep(&delay, NULL);
	return store("xenstore, name", mkdom_store_name(h->xs, m));
}

static int fill_domain(struct handles *h, struct mkdom *m)
{
	if (store("xenstore", mkdom_store_begin(h->xs, m)) < 0 || domain_limits(h->xc, m) < 0 ||
		domain_ports(h->xc, m) < 0 || domain_build(h->xc, m) < 0 ||
		domain_cpus(h->xc, m) < 0 ||
		store("xenstore, introduce", mkdom_store_introduce(h->xs, m)) < 0 ||
		store("xenstore, console", mkdom_store_console(h->xs, m)) < 0 ||
		store("xenstore, firmware", mkdom_store_firmware(h->xs, m)) < 0 ||
		late_name(h, m) < 0) {
		return -EIO;
	}
	if (m->running && xc_domain_unpause(h->xc, m->domid) < 0) {
		return complain("unpause", -errno);
	}
	return 0;
}

static int create(struct handles *h, struct mkdom *m)
{
	if (domain_make(h->xc, m) < 0) {
		return -EIO;
	}
	if (fill_domain(h, m) < 0) {
		mkdom_store_remove(h->xs, m->domid);
		domain_destroy(h->xc, m->domid);
		return -EIO;
	}
	printf("%u\n", m->domid);
	return 0;
}

static int destroy(struct handles *h, uint32_t domid)
{
	int r;

	if (xc_domain_pause(h->xc, domid) < 0) {
		return complain("no such domain", -errno);
	}
	r = store("xenstore", mkdom_store_remove(h->xs, domid));
	return domain_destroy(h->xc, domid) < 0 ? -EIO : r;
}

static int handles_open(struct handles *h)
{
	h->log = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
	h->xc = h->log ? xc_interface_open(h->log, h->log, 0) : NULL;
	if (!h->xc) {
		return complain("hypervisor", -errno);
	}
	h->xs = xs_open(0);
	return h->xs ? 0 : complain("xenstore", -errno);
}

static void handles_close(struct handles *h)
{
	if (h->xs) {
		xs_close(h->xs);
	}
	if (h->xc) {
		xc_interface_close(h->xc);
	}
	if (h->log) {
		xtl_logger_destroy(h->log);
	}
}

_Noreturn static void usage(void)
{
	fprintf(stderr,
		"usage: mkdom create NAME [--uuid UUID] [--memory MIB] [--running] [--as-libxl]\n"
		"                    [--late-name[=MS]]\n"
		"       mkdom destroy DOMID\n");
	exit(2);
}

static unsigned number(const char *text, unsigned min, unsigned max)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < min || value > max) {
		fprintf(stderr, "mkdom: \"%s\" is not a number from %u to %u\n", text, min, max);
		exit(2);
	}
	return value;
}

static void parse_uuid(const char *text, uint8_t *ret_uuid)
{
	for (unsigned i = 0; i < 16; i++) {
		char digits[3] = "";
		char *end;

		if (*text == '-' && (i == 4 || i == 6 || i == 8 || i == 10)) {
			text++;
		}
		digits[0] = text[0];
		digits[1] = text[0] ? text[1] : '\0';
		ret_uuid[i] = strtoul(digits, &end, 16);
		if (end != digits + 2) {
			usage();
		}
		text += 2;
	}
	if (*text) {
		usage();
	}
}

static void random_uuid(uint8_t *ret_uuid)
{
	if (getrandom(ret_uuid, 16, 0) != 16) {
		exit(complain("random numbers", -errno) != 0);
	}
	ret_uuid[6] = (ret_uuid[6] & 0x0f) | 0x40;
	ret_uuid[8] = (ret_uuid[8] & 0x3f) | 0x80;
}

static void parse_create(int argc, char **argv, struct mkdom *m)
{
	static const struct option options[] = {
		{"uuid", required_argument, NULL, 'u'},
		{"memory", required_argument, NULL, 'm'},
		{"running", no_argument, NULL, 'r'},
		{"as-libxl", no_argument, NULL, 'x'},
		{"late-name", optional_argument, NULL, 'l'},
		{0},
	};
	int c;

	m->memory_mib = MEMORY_MIB_DEFAULT;
	random_uuid(m->uuid);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'u':
			parse_uuid(optarg, m->uuid);
			break;
		case 'm':
			m->memory_mib = number(optarg, MEMORY_MIB_MIN, MEMORY_MIB_MAX);
			break;
		case 'r':
			m->running = true;
			break;
		case 'x':
			m->as_libxl = true;
			break;
		case 'l':
			m->late_name_ms = optarg ? number(optarg, 1, 60000) : LATE_NAME_MS_DEFAULT;
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1) {
		usage();
	}
	m->name = argv[optind];
}

int main(int argc, char **argv)
{
	struct handles h = {0};
	struct mkdom m = {0};
	int r;

	if (argc < 3) {
		usage();
	}
	if (strcmp(argv[1], "create") == 0) {
		parse_create(argc - 1, argv + 1, &m);
		r = handles_open(&h);
		r = r < 0 ? r : create(&h, &m);
	} else if (strcmp(argv[1], "destroy") == 0 && argc == 3) {
		m.domid = number(argv[2], 1, DOMID_FIRST_RESERVED - 1);
		r = handles_open(&h);
		r = r < 0 ? r : destroy(&h, m.domid);
	} else {
		usage();
	}
	handles_close(&h);
	return r < 0 ? 1 : 0;
}
