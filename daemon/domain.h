/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One domain and its device model. The table in domain_fsm decides; this carries out what it says.
 * Loop thread only. A domain is known by (domid, uuid, unique id); its number alone means nothing.
 */
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "daemon/domain_fsm.h"
#include "lib/err.h"
#include "lib/toolstack.h"
#include "proto/status.h"

struct config;
struct control_call;
struct definition;
struct defset;
struct dmask;
struct dmlog_set;
struct domain;
struct events;
struct exits;
struct handoff;
struct loop;
struct paths;
struct proxy;
struct qmp_policy;
struct qmp_total;
struct received;
struct record;
struct scope_bus;
struct store;
struct strv;
struct xs_batch;

/* What all domains use. Owned by the manager, outlives every domain. */
struct domain_services {
	struct loop *loop;
	struct store *store;
	struct toolstack *ts;
	struct scope_bus *bus;
	struct dmlog_set *logs;
	struct events *events;
	struct exits *exits;
	struct dmask *dmask;
	const struct config *config;
	const struct paths *paths;
	struct defset *defs;
	struct qmp_total *qmp_total;
	const struct qmp_policy *qmp_policy; /* NULL: none */
};

/* The manager's side. */
struct domain_ops {
	void (*on_queue)(
		void *ctx, struct domain *d); /* wants a start slot: answer DOMAIN_EV_SLOT */
	void (*on_unqueue)(void *ctx, struct domain *d); /* does not any more */
	void (*on_slot_free)(void *ctx, struct domain *d);
	void (*on_change)(void *ctx, struct domain *d); /* what status says of it changed */
	void (*on_stub)(void *ctx, struct domain *d,
		uint32_t target); /* it is TARGET's stub domain; again when it goes down */
	void (*on_guest)(void *ctx, struct domain *d,
		uint32_t stub); /* its device model is in STUB, which may not know yet */
	void (*on_forget)(
		void *ctx, struct domain *d); /* drop it from all lists; it frees itself */
};

struct domain *domain_new(const struct domain_services *services, const struct domain_ops *ops,
	void *ctx, const struct toolstack_domain *dom);
/* For the manager's end only: detaches, leaves the device model alone. */
void domain_detach(struct domain *d);

/* Begins with a look at xenstore. */
void domain_begin(struct domain *d);
/* Begins with a record of an earlier daemon; takes its contents over. */
void domain_adopt(struct domain *d, struct record *record);

/* Events of the table from outside: SLOT, LOOK, GONE. */
void domain_post(struct domain *d, enum domain_event event);
/* The hypervisor's view changed (shutdown, resumed, dying). */
void domain_update(struct domain *d, const struct toolstack_domain *dom);
/* Something below /local/domain/0/device-model/G changed. */
void domain_on_dm_node(struct domain *d);
/* /local/domain/G/image changed, by a watch with the token DOMAIN_TOKEN_IMAGE "/G". */
#define DOMAIN_TOKEN_IMAGE "image"
#define DOMAIN_TOKEN_NAME "name"
void domain_on_image(struct domain *d);
/* /local/domain/G/name changed. */
void domain_on_name(struct domain *d);
/* Definitions were read again: looks again if another one, or none any more, is for this domain
 * under the name that is known. */
void domain_on_definitions(struct domain *d);
/* The services have another QMP policy; the old one is used for the last time. */
void domain_on_qmp_policy(struct domain *d);
/* Looks again in any case, unless there is a device model. */
void domain_look_again(struct domain *d);

/* HANDOFF is taken over when 0 is returned. -EALREADY: there is a device model, or one is being
 * handed over. */
int domain_handoff(struct domain *d, struct handoff *handoff, struct err *err);
/* DEF may be NULL for a PV guest of libxl's: its backends are served. CALL is taken over when 0 is
 * returned and completed when the device model runs or has ended. */
/* P, whose call was not accepted yet, is taken over when 0 is returned. -EALREADY: D's QMP is
 * served already. */
int domain_proxy_take(struct domain *d, struct proxy *p, struct err *err);
/* STUB changed, which may be the one that D's device model is in. */
void domain_proxy_on_down(struct domain *d, const struct toolstack_domain *stub);
/* image/qmp-proxy-pid changed, by a watch with the token DOMAIN_TOKEN_PROXY "/G". */
#define DOMAIN_TOKEN_PROXY "proxy"
void domain_proxy_on_node(struct domain *d);
/* Of a clean stop: our number out of xenstore. False: there is none of D's. */
bool domain_proxy_leave(const struct domain *d, struct xs_batch *batch);
/* At start-up, of domain DOMID's run directory, in which no domain's record is: a proxy's is, of a
 * domain that lives. If of one that does not, its sockets are removed. */
bool domain_proxy_survives(const struct domain_services *s, uint32_t domid);
/* CALL is taken over when 0 is returned and completed when the device model runs or has ended.
 * FILES (NULL: none) is taken over then as well. */
int domain_start(struct domain *d, struct definition *def, struct received *files,
	struct control_call *call, struct err *err);
int domain_stop(struct domain *d, bool force, struct control_call *call, struct err *err);

/* One QMP command. CALL as above; ROOT may send more than the members of group xendmd. */
int domain_qmp(struct domain *d, bool root, const char *command, struct json_object *arguments,
	struct control_call *call, struct err *err);

/* domain_device*.c: devices of a running machine (lib/hotplug). CALL as above, completed with
 * {"id", "pty"} or without parameters. FDS are descriptors, each of the file in NAMES; those that
 * are taken become -1, also on failure. -EINVAL with "device.KEY: sentence", -EOPNOTSUPP, -ENOBUFS.
 */
int domain_device_add(struct domain *d, struct json_object *device, const struct strv *names,
	int *fds, struct control_call *call, struct err *err);
int domain_device_remove(struct domain *d, const char *id, uint64_t timeout_s,
	struct control_call *call, struct err *err);
/* The machine's devices as they are now; a list, the caller's. */
struct json_object *domain_devices_json(const struct domain *d);

/* The device model's state into FD (taken over). CALL as above. */
int domain_save(struct domain *d, int fd, struct control_call *call, struct err *err);

/* A migration out of its machine, or (INCOMING) into one that waits for it. */
struct migrate_request {
	const char *target; /* "fd" or "exec:COMMAND" (proto/migration.h) */
	struct json_object *capabilities, *parameters; /* borrowed; may be NULL */
	int fd;					       /* -1: none */
	bool incoming;
	bool detach; /* answer as soon as it has begun */
};
/* REQUEST's descriptor is taken over in any case, CALL as above: it is told of the progress and
 * completed when the migration has ended. */
int domain_migrate(struct domain *d, struct migrate_request *request, struct control_call *call,
	struct err *err);
/* CALL is completed when it has ended; fails when it was completed first. */
int domain_migrate_cancel(struct domain *d, struct control_call *call, struct err *err);

/* One of a list of questions that change nothing (domain_query.c); answers {"return": …}. */
int domain_query(
	struct domain *d, bool root, const char *what, struct control_call *call, struct err *err);
/* Tells the balloon, and answers with what it says then: {"return": {"actual": BYTES}}. */
int domain_balloon(struct domain *d, uint64_t mib, struct control_call *call, struct err *err);

uint32_t domain_domid(const struct domain *d);
const uint8_t *domain_uuid(const struct domain *d);
const char *domain_name(const struct domain *d); /* NULL: not known */
enum domain_state domain_state(const struct domain *d);
bool domain_is_stub(const struct domain *d);
bool domain_is_dying(const struct domain *d);
bool domain_is_going(const struct domain *d);	     /* the hypervisor does not know it any more */
const char *domain_log_path(const struct domain *d); /* NULL: none */
/* STUB is its stub domain, or went down; borrowed until: */
void domain_set_stub(struct domain *d, struct domain *stub);
void domain_forget_stub(struct domain *d, const struct domain *stub);

struct json_object *domain_status_json(const struct domain *d);
struct json_object *domain_describe_json(const struct domain *d);
