/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of struct manager, for manager*.c only. */
#include <sys/queue.h>

#include "daemon/control.h"
#include "daemon/domain.h"
#include "daemon/proxy.h"
#include "daemon/handoff.h"
#include "daemon/loop.h"
#include "daemon/manager.h"
#include "daemon/qmp_server.h"
#include "daemon/watcher.h"
#include "lib/config.h"
#include "lib/definition.h"
#include "proto/record.h"

#define MANAGER_BUCKETS 1024 /* by domid: 32752 numbers, so a bucket holds 32 at the very most */

struct manager_entry {
	LIST_ENTRY(manager_entry) link;	  /* manager::buckets */
	TAILQ_ENTRY(manager_entry) order; /* manager::all */
	TAILQ_ENTRY(manager_entry) wait;  /* manager::queue */
	bool queued, starting;
	struct domain *d;
};

struct manager_record {			 /* of an earlier daemon, not yet claimed by a domain */
	LIST_ENTRY(manager_record) link; /* manager::records */
	struct record record;
};

LIST_HEAD(manager_bucket, manager_entry);
TAILQ_HEAD(manager_list, manager_entry);

struct manager {
	struct domain_services s;
	struct config config;
	struct paths paths;
	char *config_path;
	struct watcher *watcher;
	struct defwatch *defwatch;
	struct control *control;
	struct manager_bucket buckets[MANAGER_BUCKETS];
	struct manager_list all, queue;
	LIST_HEAD(, manager_record) records;
	TAILQ_HEAD(, handoff) handoffs; /* for domains that the watcher has not told of yet */
	TAILQ_HEAD(, proxy) proxies;	/* as well */
	struct loop_timer orphans;	/* while there are records that nobody claimed */
	unsigned count, starting;
	struct qmp_total qmp_total;
	struct qmp_policy *qmp_policy; /* NULL: there is no such file */
	void (*on_change)(void *ctx);
	void (*on_reloading)(void *ctx, bool begins);
	void *change_ctx;
	void (*on_left)(void *ctx);
	void *left_ctx;
};

/* The living domain of that number, or the last of those that are still being cleaned. */
struct manager_entry *manager_find(struct manager *m, uint32_t domid);

/* manager_records.c: reads RUN/dm, sets aside what can't be read. */
int manager_load_records(struct manager *m, struct err *err);
/* Its domain is gone. Only the hypervisor's own word counts: a look that fails says nothing. */
bool manager_record_is_orphan(struct manager *m, const struct record *record);
/* The record of exactly this domain (the caller's, unlinked), NULL if there is none. */
struct manager_record *manager_claim_record(struct manager *m, const struct toolstack_domain *dom);
void manager_record_free(struct manager_record *record);
void manager_free_records(struct manager *m);

/* manager_xenstore.c */
extern const struct xs_link_ops manager_xs_ops;
int manager_watch_xenstore(struct manager *m);

/* manager_handoff.c */
int manager_handoff(void *ctx, struct handoff *handoff, struct err *err);
/* D has appeared: gives it what waits for it. */
void manager_give_handoff(struct manager *m, struct domain *d);
void manager_drop_handoffs(struct manager *m);

/* manager_proxy.c */
int manager_proxy(void *ctx, struct proxy *p, struct err *err);
/* A domain has appeared: gives those that waited for it to their guests. */
void manager_give_proxies(struct manager *m);
void manager_drop_proxies(struct manager *m);
/* STUB changed: some guest's device model may be in it. */
void manager_tell_proxies(struct manager *m, const struct toolstack_domain *stub);

/* manager_migrate.c */
int manager_migrate(void *ctx, const char *who, struct migrate_request *request,
	struct control_call *call, struct err *err);
int manager_migrate_cancel(void *ctx, const char *who, struct control_call *call, struct err *err);
int manager_balloon(
	void *ctx, const char *who, uint64_t mib, struct control_call *call, struct err *err);
int manager_query(void *ctx, const char *who, bool root, const char *what,
	struct control_call *call, struct err *err);

/* manager_control.c */
/* WHO is a domid, a name or a uuid, of no stub domain. -ENOENT, -EIO where two have that name. */
int manager_find_who(struct manager *m, const char *who, struct domain **ret, struct err *err);
extern const struct control_backend manager_backend;
void manager_load_definitions(struct manager *m, struct json_object *errors);
