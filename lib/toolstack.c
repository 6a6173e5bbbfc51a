/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/toolstack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

#include "lib/build.h"
#ifdef HAVE_XENMANAGE
#include <xenmanage.h>
#endif

/*
 * libxenctrl's -1/errno is made -errno on the line of the call. A domain is read with
 * XEN_DOMCTL_getdomaininfo where libxenctrl has a call for it (4.18 and later); 4.17 only has the
 * list, which is asked for one entry from that number on: one hypercall too, but it is answered
 * with the next domain when the one asked for is gone.
 *
 * The unique id comes from libxenmanage (4.21 and later), a hypercall more for each domain. It
 * belongs to the number, not to the entry of the list read before: when the domain was replaced
 * between the two calls, the entry is the old one's with the new one's id, and the next look sees
 * the new uuid. Without it the id is 0.
 */
#define LIST_CHUNK 256

struct toolstack {
	xc_interface *xch;
#ifdef HAVE_XENMANAGE
	xenmanage_handle *manage; /* NULL: this hypervisor gives no unique id */
#endif
	char version[16];
};

static void read_version(struct toolstack *ts)
{
	int version = xc_version(ts->xch, XENVER_version, NULL);

	if (version >= 0) {
		snprintf(
			ts->version, sizeof(ts->version), "%d.%d", version >> 16, version & 0xffff);
	}
}

int toolstack_open(struct toolstack **ret)
{
	struct toolstack *ts = calloc(1, sizeof(*ts));

	if (!ts) {
		return -ENOMEM;
	}
	ts->xch = xc_interface_open(NULL, NULL, 0);
	if (!ts->xch) {
		int r = errno ? -errno : -EIO;

		free(ts);
		return r;
	}
#ifdef HAVE_XENMANAGE
	ts->manage = xenmanage_open(NULL, 0);
#endif
	read_version(ts);
	*ret = ts;
	return 0;
}

struct toolstack *toolstack_close(struct toolstack *ts)
{
	if (!ts) {
		return NULL;
	}
#ifdef HAVE_XENMANAGE
	if (ts->manage) {
		xenmanage_close(ts->manage);
	}
#endif
	xc_interface_close(ts->xch);
	free(ts);
	return NULL;
}

static uint64_t unique_id(struct toolstack *ts, uint32_t domid)
{
	uint64_t id = 0;

#if defined(HAVE_XENMANAGE) && defined(HAVE_XENMANAGE_CAPS)
	if (ts->manage && xenmanage_get_domain_info(ts->manage, domid, NULL, NULL, &id) < 0) {
		id = 0;
	}
#elif defined(HAVE_XENMANAGE)
	if (ts->manage && xenmanage_get_domain_info(ts->manage, domid, NULL, &id) < 0) {
		id = 0;
	}
#endif
	return id;
}

static void convert(struct toolstack *ts, const xc_domaininfo_t *info, struct toolstack_domain *ret)
{
	*ret = (struct toolstack_domain){
		.domid = info->domain,
		.unique_id = unique_id(ts, info->domain),
		.dying = info->flags & XEN_DOMINF_dying,
		.shutdown = info->flags & XEN_DOMINF_shutdown,
		.paused = info->flags & XEN_DOMINF_paused,
		.hvm = info->flags & XEN_DOMINF_hvm_guest,
		.shutdown_reason =
			(info->flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask,
		.cpu_time_ns = info->cpu_time,
		.max_memkb = info->max_pages * (XC_PAGE_SIZE / 1024),
		.vcpus = info->nr_online_vcpus,
	};
	_Static_assert(sizeof(info->handle) == sizeof(ret->uuid), "a handle is a uuid");
	memcpy(ret->uuid, info->handle, sizeof(ret->uuid));
}

int toolstack_list(struct toolstack *ts, uint32_t first, struct toolstack_domain *ret, unsigned max)
{
	xc_domaininfo_t chunk[LIST_CHUNK];
	unsigned n = 0;

	while (n < max) {
		unsigned want = max - n < LIST_CHUNK ? max - n : LIST_CHUNK;
		int got = xc_domain_getinfolist(ts->xch, first, want, chunk);

		if (got < 0) {
			return errno ? -errno : -EIO;
		}
		for (int i = 0; i < got; i++) {
			convert(ts, &chunk[i], &ret[n++]);
		}
		if ((unsigned)got < want) {
			break;
		}
		first = chunk[got - 1].domain + 1u;
	}
	return n;
}

int toolstack_get(struct toolstack *ts, uint32_t domid, struct toolstack_domain *ret)
{
	xc_domaininfo_t info;

#ifdef HAVE_XC_DOMAIN_GETINFO_SINGLE
	if (xc_domain_getinfo_single(ts->xch, domid, &info) < 0) {
		return errno ? -errno : -EIO;
	}
#else
	int got = xc_domain_getinfolist(ts->xch, domid, 1, &info);

	if (got < 0) {
		return errno ? -errno : -EIO;
	}
	if (got == 0 || info.domain != domid) {
		return -ESRCH;
	}
#endif
	convert(ts, &info, ret);
	return 0;
}

/* The domain can't be swapped between this and the call after it unless its toolstack destroys it
 * and another one takes the very number at once; libxl keeps a number unused for a minute. */
static int check_uuid(struct toolstack *ts, uint32_t domid, const uint8_t uuid[16])
{
	struct toolstack_domain dom;
	int r = toolstack_get(ts, domid, &dom);

	if (r < 0) {
		return r;
	}
	return memcmp(dom.uuid, uuid, sizeof(dom.uuid)) ? -ESTALE : 0;
}

int toolstack_pause(struct toolstack *ts, uint32_t domid, const uint8_t uuid[16])
{
	int r = check_uuid(ts, domid, uuid);

	if (r < 0) {
		return r;
	}
	return xc_domain_pause(ts->xch, domid) < 0 ? -errno : 0;
}

int toolstack_crash(struct toolstack *ts, uint32_t domid, const uint8_t uuid[16])
{
	int r = check_uuid(ts, domid, uuid);

	if (r < 0) {
		return r;
	}
	return xc_domain_shutdown(ts->xch, domid, SHUTDOWN_crash) < 0 ? -errno : 0;
}

int toolstack_destroy(struct toolstack *ts, uint32_t domid, const uint8_t uuid[16])
{
	int r = check_uuid(ts, domid, uuid);

	if (r < 0) {
		return r;
	}
	return xc_domain_destroy(ts->xch, domid) < 0 ? -errno : 0;
}

const char *toolstack_version(struct toolstack *ts)
{
	return ts->version;
}
