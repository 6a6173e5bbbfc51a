/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/toolstack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/fakehv.h"

/* The link-time twin of lib/toolstack.c, over the file of XENDMD_FAKE_HV. */
#define SHUTDOWN_REASON_CRASH 3

struct toolstack {
	struct fakehv *hv;
};

int toolstack_open(struct toolstack **ret)
{
	const char *path = getenv(FAKEHV_ENV);
	struct toolstack *ts;

	if (!path) {
		return -ENOENT; /* as on a machine without Xen */
	}
	ts = calloc(1, sizeof(*ts));
	if (!ts) {
		return -ENOMEM;
	}
	ts->hv = fakehv_map(path);
	if (!ts->hv) {
		int r = -errno;

		free(ts);
		return r;
	}
	*ret = ts;
	return 0;
}

struct toolstack *toolstack_close(struct toolstack *ts)
{
	if (ts) {
		fakehv_unmap(ts->hv);
		free(ts);
	}
	return NULL;
}

static void convert(const struct fakehv_domain *dom, struct toolstack_domain *ret)
{
	*ret = (struct toolstack_domain){.domid = dom->domid,
		.unique_id = dom->unique_id,
		.dying = dom->dying,
		.shutdown = dom->shutdown,
		.paused = dom->paused,
		.hvm = dom->hvm,
		.shutdown_reason = dom->shutdown_reason,
		.cpu_time_ns = fakehv_cpu_time_ns(dom),
		.max_memkb = dom->max_memkb,
		.vcpus = dom->vcpus};
	memcpy(ret->uuid, dom->uuid, sizeof(ret->uuid));
}

/* Domain 0 is always there, as in Xen's own list. */
static void domain_zero(struct toolstack_domain *ret)
{
	*ret = (struct toolstack_domain){.cpu_time_ns = 1, .max_memkb = 1024 * 1024, .vcpus = 2};
}

int toolstack_list(struct toolstack *ts, uint32_t first, struct toolstack_domain *ret, unsigned max)
{
	struct fakehv *hv = ts->hv;
	unsigned n = 0;
	int error;

	fakehv_lock(hv);
	hv->list_calls++;
	error = hv->list_error;
	if (first == 0 && max > 0) {
		domain_zero(&ret[n++]);
	}
	for (uint32_t i = fakehv_index(hv, first); i < hv->len && n < max; i++) {
		convert(&hv->domains[i], &ret[n++]);
	}
	fakehv_unlock(hv);
	return error ? -error : (int)n;
}

int toolstack_get(struct toolstack *ts, uint32_t domid, struct toolstack_domain *ret)
{
	struct fakehv *hv = ts->hv;
	struct fakehv_domain *dom;
	int r = 0;

	fakehv_lock(hv);
	hv->get_calls++;
	dom = fakehv_find(hv, domid);
	if (hv->list_error) {
		r = -hv->list_error;
	} else if (dom) {
		convert(dom, ret);
	} else if (domid == 0) {
		domain_zero(ret);
	} else {
		r = -ESRCH;
	}
	fakehv_unlock(hv);
	return r;
}

static int find_checked(
	struct fakehv *hv, uint32_t domid, const uint8_t uuid[16], struct fakehv_domain **ret)
{
	*ret = fakehv_find(hv, domid);
	if (!*ret) {
		return -ESRCH;
	}
	return memcmp((*ret)->uuid, uuid, sizeof((*ret)->uuid)) ? -ESTALE : 0;
}

int toolstack_pause(struct toolstack *ts, uint32_t domid, const uint8_t uuid[16])
{
	struct fakehv *hv = ts->hv;
	struct fakehv_domain *dom;
	int r;

	fakehv_lock(hv);
	hv->pause_calls++;
	r = find_checked(hv, domid, uuid, &dom);
	if (r == 0) {
		dom->paused = true;
		dom->pause_calls++;
	}
	fakehv_unlock(hv);
	return r;
}

int toolstack_crash(struct toolstack *ts, uint32_t domid, const uint8_t uuid[16])
{
	struct fakehv *hv = ts->hv;
	struct fakehv_domain *dom;
	int r;

	fakehv_lock(hv);
	hv->crash_calls++;
	r = find_checked(hv, domid, uuid, &dom);
	if (r == 0) {
		dom->shutdown = true;
		dom->shutdown_reason = SHUTDOWN_REASON_CRASH;
		dom->crash_calls++;
		fakehv_raise(hv);
	}
	fakehv_unlock(hv);
	return r;
}

int toolstack_destroy(struct toolstack *ts, uint32_t domid, const uint8_t uuid[16])
{
	struct fakehv *hv = ts->hv;
	struct fakehv_domain *dom;
	int r;

	fakehv_lock(hv);
	hv->destroy_calls++;
	r = find_checked(hv, domid, uuid, &dom);
	if (r == 0 && hv->destroy_again > 0) {
		hv->destroy_again--;
		dom->dying = true;
		r = -EAGAIN;
	} else if (r == 0) {
		fakehv_remove(hv, domid);
	}
	if (r == 0 || r == -EAGAIN) {
		fakehv_raise(hv);
	}
	fakehv_unlock(hv);
	return r;
}

const char *toolstack_version(struct toolstack *ts)
{
	return ts->hv->unique_ids ? "4.20" : "4.17";
}
