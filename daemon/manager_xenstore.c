/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xenstore tells the manager: whom a watch concerns, and what a new connection has to catch up
 * with.
 */
#include "daemon/manager_impl.h"

#include <errno.h>
#include <string.h>

#include "daemon/store.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "proto/xenlayout.h"

#define DM_ROOT "/local/domain/0/device-model"
#define TOKEN_INTRODUCE "introduce"
#define TOKEN_RELEASE "release"
#define TOKEN_DM "dm"

enum { LIST_OURS, LIST_DOMAINS }; /* operations of the batch that a new connection begins with */

/* A new connection: what changed without one is not told. */
static void look_at_starting(struct manager *m)
{
	struct manager_entry *entry;

	TAILQ_FOREACH (entry, &m->all, order) {
		if (domain_state(entry->d) == DOMAIN_PROBING) {
			domain_on_dm_node(entry->d);
		}
	}
}

static void on_watch(void *ctx, const char *path, const char *token)
{
	struct manager *m = ctx;
	struct manager_entry *entry;
	uint32_t domid;

	if (!strcmp(token, TOKEN_INTRODUCE) || !strcmp(token, TOKEN_RELEASE)) {
		/* With watch depth the path ends in the domid: "@releaseDomain/7". */
		if (xenlayout_domid_of(path, "@introduceDomain", &domid) < 0 &&
			xenlayout_domid_of(path, "@releaseDomain", &domid) < 0) {
			domid = WATCHER_ALL;
		}
		watcher_look(m->watcher, domid);
		return;
	}
	if (xenlayout_domid_of(token, DOMAIN_TOKEN_IMAGE, &domid) == 0) {
		entry = manager_find(m, domid);
		if (entry) {
			domain_on_image(entry->d);
		}
	} else if (xenlayout_domid_of(token, DOMAIN_TOKEN_PROXY, &domid) == 0) {
		entry = manager_find(m, domid);
		if (entry) {
			domain_proxy_on_node(entry->d);
		}
	} else if (!strcmp(token, TOKEN_DM) && !strcmp(path, DM_ROOT)) {
		look_at_starting(m);
	} else if (!strcmp(token, TOKEN_DM) && xenlayout_domid_of(path, DM_ROOT, &domid) == 0) {
		entry = manager_find(m, domid);
		if (entry) {
			domain_on_dm_node(entry->d);
		}
	} else if (!strcmp(token, DOMAIN_TOKEN_NAME) &&
		   xenlayout_domid_of(path, "/local/domain", &domid) == 0) {
		entry = manager_find(m, domid);
		if (entry) {
			domain_on_name(entry->d);
		}
	}
}

/* Nodes of ours whose domain went away while no daemon ran, without a record that speaks of it. */
static void sweep_nodes(struct manager *m, const struct xs_results *results)
{
	char path[XENLAYOUT_PATH_MAX];
	struct toolstack_domain dom;
	size_t len = 0;
	const char *const *names = xs_results_list(results, LIST_OURS, &len);

	for (size_t i = 0; names && i < len; i++) {
		struct xs_batch *batch;
		uint32_t domid;

		if (parse_domid(names[i], &domid) < 0 || manager_find(m, domid) ||
			toolstack_get(m->s.ts, domid, &dom) != -ESRCH) {
			continue;
		}
		batch = xs_batch_new(XS_BATCH_TRANSACTION);
		if (batch) {
			/* A start that was cut off has made the device model's node too. */
			xenlayout_xendmd(domid, "uuid", path);
			xs_batch_require_exists(batch, path);
			xenlayout_dm(domid, NULL, path);
			xs_batch_rm(batch, path);
			xenlayout_xendmd(domid, NULL, path);
			xs_batch_rm(batch, path);
		}
		store_submit_detached(m->s.store, batch, m->config.xenstore_timeout_ms, "old node");
	}
}

/* A xenstored that died and came back has forgotten the domains: see watcher_unheralded(). */
static void find_the_forgotten(struct manager *m, const struct xs_results *results)
{
	uint8_t there[DOMID_FIRST_RESERVED / 8 + 1] = {0};
	struct manager_entry *entry;
	const char *const *names;
	size_t len = 0;
	unsigned forgotten = 0;
	uint32_t domid;
	int status = xs_results_status(results, LIST_DOMAINS);

	/* No list (too long, refused) is no word about any domain; only an empty store is. */
	if (status < 0 && status != -ENOENT) {
		return;
	}
	names = status == 0 ? xs_results_list(results, LIST_DOMAINS, &len) : NULL;
	for (size_t i = 0; names && i < len; i++) {
		if (parse_domid(names[i], &domid) == 0) {
			there[domid / 8] |= 1u << domid % 8;
		}
	}
	TAILQ_FOREACH (entry, &m->all, order) {
		domid = domain_domid(entry->d);
		if (!(there[domid / 8] & 1u << domid % 8)) {
			forgotten++;
			watcher_unheralded(m->watcher, domid);
		}
	}
	if (forgotten) {
		log_warning("xenstore knows nothing of %u domains; they are watched by themselves",
			forgotten);
	}
}

static void on_lists(void *ctx, int status, const struct xs_results *results)
{
	if (status == 0) {
		sweep_nodes(ctx, results);
		find_the_forgotten(ctx, results);
	}
}

static void read_lists(struct manager *m)
{
	struct xs_batch *batch = xs_batch_new(0);

	if (batch) {
		xs_batch_list(batch, XENLAYOUT_XENDMD_ROOT); /* LIST_OURS */
		xs_batch_list(batch, "/local/domain");	     /* LIST_DOMAINS */
		store_submit(m->s.store, batch, m->config.xenstore_timeout_ms, on_lists, m, NULL);
	}
}

static void on_connection(void *ctx, bool up)
{
	struct manager *m = ctx;

	if (up) {
		log_notice("xenstore: connected");
		watcher_look(m->watcher, WATCHER_ALL);
		read_lists(m);
	} else {
		log_error(
			"xenstore: connection lost; device models are watched, nothing is cleaned "
			"up because of it");
	}
}

const struct xs_link_ops manager_xs_ops = {
	.on_watch = on_watch,
	.on_connection = on_connection,
};

int manager_watch_xenstore(struct manager *m)
{
	int r;

	if ((r = store_watch(m->s.store, "@introduceDomain", TOKEN_INTRODUCE)) < 0 ||
		(r = store_watch(m->s.store, "@releaseDomain", TOKEN_RELEASE)) < 0) {
		return r;
	}
	return store_watch(m->s.store, DM_ROOT, TOKEN_DM);
}
