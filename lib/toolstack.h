/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The hypervisor, as far as a device-model supervisor needs it. The only module besides lib/xs that
 * includes Xen headers. Every call is one or two short hypercalls and never waits for a peer;
 * toolstack_destroy() is the exception and runs in a helper process. tests/fake/toolstack.c is its
 * link-time twin. Thread: any one.
 */
#include <stdbool.h>
#include <stdint.h>

struct toolstack;

struct toolstack_domain {
	uint32_t domid;
	uint8_t uuid[16];   /* the hypervisor's handle */
	uint64_t unique_id; /* never re-used; 0 where this Xen gives none (before 4.21) */
	bool dying, shutdown, paused, hvm;
	unsigned shutdown_reason; /* SHUTDOWN_*, valid with shutdown */
	uint64_t cpu_time_ns;
	uint64_t max_memkb;
	unsigned vcpus;
};

/* -errno of opening /proc/xen/privcmd or /dev/xen/privcmd (-ENOENT: not a Xen host). */
int toolstack_open(struct toolstack **ret);
struct toolstack *toolstack_close(struct toolstack *ts);

/* Domains with domid >= FIRST in ascending order; returns how many were stored (0..MAX) or -errno.
 */
int toolstack_list(
	struct toolstack *ts, uint32_t first, struct toolstack_domain *ret, unsigned max);
/* -ESRCH when there is no such domain. */
int toolstack_get(struct toolstack *ts, uint32_t domid, struct toolstack_domain *ret);

/* Each first compares the hypervisor's uuid with UUID: -ESTALE when the number is somebody else's.
 */
int toolstack_pause(struct toolstack *ts, uint32_t domid, const uint8_t uuid[16]);
int toolstack_crash(struct toolstack *ts, uint32_t domid, const uint8_t uuid[16]);
/* May take seconds for a large domain: only for helper processes. */
int toolstack_destroy(struct toolstack *ts, uint32_t domid, const uint8_t uuid[16]);

/* "4.17" of the running hypervisor; empty when unknown. */
const char *toolstack_version(struct toolstack *ts);
