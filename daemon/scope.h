/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Transient systemd scopes for device models (org.freedesktop.systemd1, asynchronous sd-bus): each
 * process in xendmd-dm-<domid>.scope under xendmd-dm.slice, outside the service's cgroup. Where
 * there is no systemd (no /run/systemd/system) scope_bus_new() gives a bus that is "plain": every
 * call succeeds at once without a scope.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

struct loop;
struct scope_bus;
struct scope_job;

/* Connects lazily and again after dbus or systemd went away; never waits. XENDMD_SYSTEMD names
 * another address for the connection (tests), or "none" for the plain form. */
int scope_bus_new(struct scope_bus **ret, struct loop *loop);
struct scope_bus *scope_bus_free(struct scope_bus *bus);
bool scope_bus_is_plain(const struct scope_bus *bus);

/* A scope_start() will come soon: connects meanwhile. Can't be had: the start tries again. */
void scope_expect(struct scope_bus *bus);

struct scope_limits {
	uint64_t memory_max_bytes; /* 0: none */
	uint64_t cpu_weight;	   /* 0: default */
	uint64_t pids_max;	   /* 0: none */
};

/* ERR is NULL when the scope exists and PID is in it. */
typedef void (*scope_done_fn)(void *ctx, const struct err *err);

/* Makes the scope (mode "fail"; a dead or empty scope of an earlier domain of that number is
 * stopped/reset first) with Before=xendomains.service libvirt-guests.service xendmd.service and
 * CollectMode=inactive-or-failed. DONE comes from the loop within DEADLINE_MS. RET_JOB may be
 * cancelled until then. */
int scope_start(struct scope_bus *bus, uint32_t domid, const char *description, pid_t pid,
	const struct scope_limits *limits, int64_t deadline_ms, scope_done_fn done, void *ctx,
	struct scope_job **ret_job);
void scope_job_cancel(struct scope_job *job); /* NULL allowed; DONE will not come */

#define SCOPE_UNIT_NAME_MAX 48

/* "xendmd-dm-7.scope" */
void scope_unit_name(uint32_t domid, char ret[48]);
/* The unified cgroup directory of PID (absolute below /sys/fs/cgroup) if it is that domain's scope;
 * -ENOENT otherwise. */
int scope_cgroup_of(uint32_t domid, pid_t pid, char *ret, unsigned ret_size);
/* Pure part of it: the path in the text of /proc/PID/cgroup, without the mount point. */
int scope_parse_cgroup(uint32_t domid, const char *text, char *ret, unsigned ret_size);
/* Writes cgroup.kill of such a directory: ends forked leftovers too. -ENOENT when it is gone. */
int scope_kill(const char *cgroup);
/* True when the directory is gone or holds no process. */
bool scope_is_empty(const char *cgroup);
/* Asks systemd to drop the (empty) unit; fire and forget. */
void scope_stop(struct scope_bus *bus, uint32_t domid);
