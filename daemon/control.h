/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The control socket: varlink (https://varlink.org), contract section 5. Owns listener, clients,
 * buffers and limits; knows the daemon only through struct control_backend (two users: manager and
 * test). Reads with recvmsg from the start, because descriptors may come with a message.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/config.h"
#include "lib/err.h"

struct loop;
struct events;
struct control;
struct proxy;
struct handoff;
struct migrate_request;
struct received;
struct strv;

/* A call that is answered later. It outlives its client; completing it then does nothing. */
struct control_call;
/* PARAMETERS (may be NULL) is taken over. Each call is completed exactly once. */
void control_complete(struct control_call *call, struct json_object *parameters);
/* The first of several answers: the call was accepted. */
void control_accept(struct control_call *call);
/* One more of several answers, PARAMETERS (taken over), where the caller asked for such. Its client
 * may be gone after it, and CALL be completed by what control_on_gone() named. */
void control_progress(struct control_call *call, struct json_object *parameters);
/* For a call that was taken: its client went away before it was completed. FN may complete it. */
void control_on_gone(struct control_call *call, void (*fn)(void *ctx), void *ctx);
/* Ends the client without an answer to CALL, which is freed. */
void control_drop(struct control_call *call);
/* CODE maps to the interface's errors: -ENOENT NoSuchDomain, -EINVAL InvalidDefinition, -EALREADY
 * AlreadyRunning, -ESRCH NotRunning, -EPERM Denied, -ETIMEDOUT Timeout, -ENOBUFS LimitReached, all
 * others Failed; the text becomes "message". */
void control_fail(struct control_call *call, const struct err *err);

/* Functions return 0 or -errno with ERR. WHO is a domid, a name or a uuid. RET is the caller's. */
struct control_backend {
	/* Array of status objects (contract 4.1); WHO NULL: all. */
	int (*list)(void *ctx, const char *who, struct json_object **ret, struct err *err);
	/* show --json: the status object plus argv, environment, phases, limits, confinement,
	 * warnings, log_tail */
	int (*describe)(void *ctx, const char *who, struct json_object **ret, struct err *err);
	/* Path of the log (malloc'd); -ENODATA where there is none. */
	int (*log_path)(void *ctx, const char *who, char **ret, struct err *err);
	/* These take CALL over when they return 0 and complete it later. TEXT NULL: the matching
	 * definition. FILES (may be NULL) are taken over, also on failure. */
	int (*start)(void *ctx, const char *who, const char *text, size_t len,
		struct received *files, struct control_call *call, struct err *err);
	int (*stop)(
		void *ctx, const char *who, bool force, struct control_call *call, struct err *err);
	/* HANDOFF is taken over when 0 is returned; its call is the one to complete. */
	int (*handoff)(void *ctx, struct handoff *handoff, struct err *err);
	/* As handoff, with PROXY. */
	int (*proxy)(void *ctx, struct proxy *proxy, struct err *err);
	/* One QMP command; completes with {"return": …}. -EPERM: not for who may only look. */
	int (*qmp)(void *ctx, const char *who, bool root, const char *command,
		struct json_object *arguments, struct control_call *call, struct err *err);
	/* FD is taken over, also on failure. */
	int (*save)(void *ctx, const char *who, int fd, struct control_call *call, struct err *err);
	/* A migration (daemon/domain.h). REQUEST's descriptor is taken over, also on failure. */
	int (*migrate)(void *ctx, const char *who, struct migrate_request *request,
		struct control_call *call, struct err *err);
	int (*migrate_cancel)(
		void *ctx, const char *who, struct control_call *call, struct err *err);
	/* These complete with {"return": …}. */
	int (*balloon)(void *ctx, const char *who, uint64_t mib, struct control_call *call,
		struct err *err);
	int (*query)(void *ctx, const char *who, bool root, const char *what,
		struct control_call *call, struct err *err);
	/* As domain_device_add(): of FDS, one for each of NAMES, those that are taken become -1. */
	int (*device_add)(void *ctx, const char *who, struct json_object *device,
		const struct strv *names, int *fds, struct control_call *call, struct err *err);
	int (*device_remove)(void *ctx, const char *who, const char *id, uint64_t timeout_s,
		struct control_call *call, struct err *err);
	int (*device_list)(void *ctx, const char *who, struct json_object **ret, struct err *err);
	int (*restart)(void *ctx, const char *who, struct control_call *call, struct err *err);
	/* {"definitions":N,"errors":[{"path":…,"message":…}]} */
	int (*reload)(void *ctx, struct json_object **ret, struct err *err);
	/* The search places for Render. */
	const struct config *(*config)(void *ctx);
};

/* LISTEN_FD (from systemd) is taken over; -1: binds PATH itself (0660, group xendmd if it exists; a
 * dead socket file is replaced, a living one is -EADDRINUSE). */
int control_new(struct control **ret, struct loop *loop, struct events *events, int listen_fd,
	const char *path, const struct config *config, const struct control_backend *backend,
	void *ctx, struct err *err);
/* New limits, for clients that come from now on; those who are there stay. */
void control_configure(struct control *control, const struct config *config);
/* What the backend's list tells has changed: those who watch it are told soon. */
void control_list_changed(struct control *control);
struct control *control_free(struct control *control);
