/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What dm-handoff tells the daemon (method Handoff, internal): the call that a toolstack meant for
 * QEMU. The descriptors come beside it (SCM_RIGHTS), in the order of FDS, and last a pidfd of the
 * helper's parent. Pure; both sides use the same checks.
 */
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"
#include "lib/strv.h"

#define HANDOFF_FDS_MAX 252   /* SCM_MAX_FD is 253, and one is the parent's pidfd */
#define HANDOFF_FD_MAX 4000   /* highest number; ours come above it */
#define HANDOFF_DEADLINE_S 90 /* how long a helper stays at most; libxl waits 60 s */
#define HANDOFF_PROGRAM "dm-handoff"

struct handoff_request {
	struct strv argv, env; /* argv with argv[0] */
	char *directory;       /* absolute: where relative names of the command line begin */
	int *fds;	       /* their numbers in the helper */
	unsigned fds_len;
};

void handoff_request_fini(struct handoff_request *request);

/* The method's parameters; the caller's. NULL: out of memory. */
struct json_object *handoff_encode(const struct handoff_request *request);
/* RECEIVED descriptors came with PARAMETERS (may be NULL). -EINVAL, -E2BIG, -ENOMEM. Checks with
 * handoff_check(). */
int handoff_decode(struct json_object *parameters, unsigned received, struct handoff_request *ret,
	struct err *err);
/* Numbers, sizes, UTF-8, no option that takes the process out of supervision. */
int handoff_check(const struct handoff_request *request, struct err *err);

/* The number behind -xen-domid. -ENOENT: there is none, so the call is no device model's (libxl
 * asks QEMU for its options like that); -EINVAL: it is no domain's, or there are two that differ.
 */
int handoff_domid(const struct strv *argv, uint32_t *ret, struct err *err);

/* libxl's own monitor is a descriptor (under dm_restrict): libxl waits for its answer there and
 * gives up when it sees `state` first. */
bool handoff_monitor_is_fd(const struct strv *argv);
