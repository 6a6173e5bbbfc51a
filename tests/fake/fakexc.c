/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To be preloaded into stock xl 4.17 on a machine without Xen: libxenctrl's and libxenguest's
 * functions, so that libxl "creates" domains of which nothing exists but what it writes to xenstore
 * (fakexs) and the programs that it starts. What libxl asks for is granted (fakexc_granted.c); what
 * it looks at in an answer is filled in here, as on a host of four CPUs without an IOMMU.
 *
 * FAKEXC_DOMID: the number of the first domain that the process creates.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define XC_WANT_COMPAT_MAP_FOREIGN_API
#include <xenctrl.h>
#include <xen/io/protocols.h>
#include <xenevtchn.h>
#include <xenguest.h>

#define CPUS 4
#define DOMAINS_MAX 8
#define PAGES (UINT64_C(1) << 24)
#define CAPABILITIES "xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64"

static struct {
	uint32_t domid, flags;
	xen_domain_handle_t uuid;
} domains[DOMAINS_MAX] = {{0}};
static unsigned domains_len = 1; /* domain 0 */
static char anything;		 /* its address is every handle */

xc_interface *xc_interface_open(xentoollog_logger *log, xentoollog_logger *dombuild, unsigned flags)
{
	(void)log;
	(void)dombuild;
	(void)flags;
	return (xc_interface *)(void *)&anything;
}

int xc_version(xc_interface *xch, int cmd, void *arg)
{
	(void)xch;
	switch (cmd) {
	case XENVER_version:
		return 4 << 16 | 17;
	case XENVER_extraversion:
		memset(arg, 0, sizeof(xen_extraversion_t));
		return 0;
	case XENVER_compile_info:
		memset(arg, 0, sizeof(xen_compile_info_t));
		return 0;
	case XENVER_capabilities:
		memset(arg, 0, sizeof(xen_capabilities_info_t));
		memcpy(arg, CAPABILITIES, sizeof(CAPABILITIES));
		return 0;
	case XENVER_changeset:
		memset(arg, 0, sizeof(xen_changeset_info_t));
		return 0;
	case XENVER_platform_parameters:
		memset(arg, 0, sizeof(xen_platform_parameters_t));
		return 0;
	case XENVER_commandline: /* keeps xl from taking domain 0's memory */
		memset(arg, 0, sizeof(xen_commandline_t));
		memcpy(arg, "dom0_mem=512M", sizeof("dom0_mem=512M"));
		return 0;
	case XENVER_pagesize:
		return XC_PAGE_SIZE;
	default:
		return 0;
	}
}

int xc_physinfo(xc_interface *xch, xc_physinfo_t *info)
{
	(void)xch;
	*info = (xc_physinfo_t){.threads_per_core = 1,
		.cores_per_socket = CPUS,
		.nr_cpus = CPUS,
		.max_cpu_id = CPUS - 1,
		.nr_nodes = 1,
		.cpu_khz = 1000000,
		.capabilities = XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_pv |
				XEN_SYSCTL_PHYSCAP_hap | XEN_SYSCTL_PHYSCAP_shadow,
		.total_pages = PAGES,
		.free_pages = PAGES,
		.max_mfn = PAGES};
	return 0;
}

int xc_cputopoinfo(xc_interface *xch, unsigned *max_cpus, xc_cputopo_t *cputopo)
{
	(void)xch;
	for (unsigned i = 0; cputopo && i < *max_cpus && i < CPUS; i++) {
		cputopo[i] = (xc_cputopo_t){.core = i};
	}
	*max_cpus = CPUS;
	return 0;
}

int xc_numainfo(xc_interface *xch, unsigned *max_nodes, xc_meminfo_t *meminfo, uint32_t *distance)
{
	(void)xch;
	if (meminfo && *max_nodes) {
		*meminfo = (xc_meminfo_t){
			.memsize = PAGES << XC_PAGE_SHIFT, .memfree = PAGES << XC_PAGE_SHIFT};
	}
	if (distance && *max_nodes) {
		*distance = 10;
	}
	*max_nodes = 1;
	return 0;
}

int xc_get_max_cpus(xc_interface *xch)
{
	(void)xch;
	return CPUS;
}

int xc_get_online_cpus(xc_interface *xch)
{
	(void)xch;
	return CPUS;
}

int xc_get_max_nodes(xc_interface *xch)
{
	(void)xch;
	return 1;
}

int xc_sched_id(xc_interface *xch, int *sched_id)
{
	(void)xch;
	*sched_id = XEN_SCHEDULER_CREDIT;
	return 0;
}

xc_cpupoolinfo_t *xc_cpupool_getinfo(xc_interface *xch, uint32_t poolid)
{
	xc_cpupoolinfo_t *info = poolid ? NULL : calloc(1, sizeof(*info));

	(void)xch;
	if (info) {
		info->sched_id = XEN_SCHEDULER_CREDIT;
		info->cpumap = calloc(1, sizeof(uint64_t));
		*info->cpumap = (1 << CPUS) - 1;
	} else {
		errno = ENOENT;
	}
	return info;
}

void xc_cpupool_infofree(xc_interface *xch, xc_cpupoolinfo_t *info)
{
	(void)xch;
	free(info->cpumap);
	free(info);
}

int xc_domain_create(xc_interface *xch, uint32_t *pdomid, struct xen_domctl_createdomain *config)
{
	static uint32_t next;
	const char *first = getenv("FAKEXC_DOMID");

	(void)xch;
	if (domains_len == DOMAINS_MAX) {
		errno = ENOMEM;
		return -1;
	}
	if (!next) {
		next = first ? (uint32_t)strtoul(first, NULL, 10) : 1;
	}
	*pdomid = domains[domains_len].domid = next++;
	domains[domains_len].flags =
		XEN_DOMINF_paused | (config->flags & XEN_DOMCTL_CDF_hvm ? XEN_DOMINF_hvm_guest : 0);
	memcpy(domains[domains_len].uuid, config->handle, sizeof(config->handle));
	domains_len++;
	return 0;
}

int xc_domain_destroy(xc_interface *xch, uint32_t domid)
{
	(void)xch;
	for (unsigned i = 1; i < domains_len; i++) {
		if (domains[i].domid == domid) {
			memmove(&domains[i], &domains[i + 1],
				(--domains_len - i) * sizeof(domains[0]));
		}
	}
	return 0;
}

int xc_domain_getinfolist(xc_interface *xch, uint32_t first, unsigned max, xc_domaininfo_t *ret)
{
	unsigned len = 0;

	(void)xch;
	for (unsigned i = 0; i < domains_len && len < max; i++) {
		if (domains[i].domid >= first) {
			ret[len] = (xc_domaininfo_t){.domain = (domid_t)domains[i].domid,
				.flags = domains[i].flags,
				.tot_pages = 1 << 14,
				.max_pages = 1 << 14,
				.nr_online_vcpus = 1};
			memcpy(ret[len].handle, domains[i].uuid, sizeof(ret[len].handle));
			len++;
		}
	}
	return (int)len;
}

int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned max, xc_dominfo_t *ret)
{
	xc_domaininfo_t info[DOMAINS_MAX];
	int len = xc_domain_getinfolist(xch, first, max < DOMAINS_MAX ? max : DOMAINS_MAX, info);

	for (int i = 0; i < len; i++) {
		ret[i] = (xc_dominfo_t){.domid = info[i].domain,
			.paused = !!(info[i].flags & XEN_DOMINF_paused),
			.hvm = !!(info[i].flags & XEN_DOMINF_hvm_guest),
			.nr_pages = info[i].tot_pages,
			.max_memkb = 1 << 16};
	}
	return len;
}

struct xc_dom_image *xc_dom_allocate(xc_interface *xch, const char *cmdline, const char *features)
{
	static struct xc_dom_arch arch = {.page_shift = XC_PAGE_SHIFT};
	struct xc_dom_image *dom = calloc(1, sizeof(*dom));

	(void)xch;
	(void)cmdline;
	(void)features;
	if (dom) {
		dom->arch_hooks = &arch;
	}
	return dom;
}

void xc_dom_release(struct xc_dom_image *dom)
{
	free(dom);
}

char *xc_dom_guest_os(struct xc_dom_image *dom)
{
	(void)dom;
	return (char *)"linux";
}

void *xc_dom_malloc(struct xc_dom_image *dom, size_t size)
{
	(void)dom;
	return calloc(1, size); /* for as long as the process */
}

void *xc_map_foreign_range(xc_interface *xch, uint32_t dom, int size, int prot, unsigned long mfn)
{
	(void)xch;
	(void)dom;
	(void)prot;
	(void)mfn;
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

xc_evtchn_port_or_error_t xc_evtchn_alloc_unbound(
	xc_interface *xch, uint32_t dom, uint32_t remote_dom)
{
	(void)xch;
	(void)dom;
	(void)remote_dom;
	return 7;
}

const char *xc_domain_get_native_protocol(xc_interface *xch, uint32_t domid)
{
	(void)xch;
	(void)domid;
	return XEN_IO_PROTO_ABI_X86_64;
}

int xc_hvm_param_get(xc_interface *handle, uint32_t dom, uint32_t param, uint64_t *value)
{
	(void)handle;
	(void)dom;
	(void)param;
	*value = 0;
	return 0;
}

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned int flags)
{
	(void)logger;
	(void)flags;
	return (xenevtchn_handle *)(void *)&anything;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
	(void)xce;
	return eventfd(0, EFD_CLOEXEC);
}
