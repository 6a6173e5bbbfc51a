/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To which guest a proxy goes. Guest and stub domain have to be known here, so that the end of each
 * is told of; a call that comes before the watcher has told of them waits, not accepted yet, at
 * most as long as its helper does.
 */
#include <errno.h>
#include <string.h>

#include "daemon/manager_impl.h"
#include "daemon/store.h"
#include "lib/cleanup.h"

#define LEAVE_MS 2000

static void unlink_proxy(struct proxy *p)
{
	TAILQ_REMOVE(&p->manager->proxies, p, link);
	p->manager = NULL;
}

static void on_helper_gone(void *ctx)
{
	struct proxy *p = ctx;

	unlink_proxy(p);
	control_complete(TAKE_PTR(p->call), NULL);
	proxy_free(p);
}

/* NULL: not known here, or known as one that is gone. */
static struct domain *known(struct manager *m, uint32_t domid, const struct toolstack_domain *dom)
{
	struct manager_entry *entry = manager_find(m, domid);

	return entry && !domain_is_going(entry->d) &&
			       !memcmp(domain_uuid(entry->d), dom->uuid, sizeof(dom->uuid))
		       ? entry->d
		       : NULL;
}

/* RET is the guest when both are known, else NULL. */
static int find(struct manager *m, const struct proxy_request *request, struct domain **ret,
	struct err *err)
{
	const uint32_t domids[] = {request->stub, request->guest};
	struct toolstack_domain dom;

	for (size_t i = 0; i < ARRAY_SIZE(domids); i++) {
		int r = toolstack_get(m->s.ts, domids[i], &dom);

		if (r == -ESRCH) {
			return err_set(err, -ENOENT, "there is no domain %u", domids[i]);
		}
		if (r < 0) {
			return err_set_errno(err, r == -EINVAL ? -EIO : r, "domain %u", domids[i]);
		}
		*ret = known(m, domids[i], &dom);
		if (!*ret) {
			watcher_look(m->watcher, domids[i]);
			return 0;
		}
	}
	return 0;
}

int manager_proxy(void *ctx, struct proxy *p, struct err *err)
{
	struct manager *m = ctx;
	struct domain *guest;
	int r = find(m, &p->r.request, &guest, err);

	if (r < 0) {
		return r;
	}
	if (guest) {
		return domain_proxy_take(guest, p, err);
	}
	p->manager = m;
	TAILQ_INSERT_TAIL(&m->proxies, p, link);
	control_on_gone(p->call, on_helper_gone, p);
	return 0;
}

void manager_give_proxies(struct manager *m)
{
	struct proxy *p, *next;
	struct control_call *call;
	struct domain *guest;
	struct err err;
	int r;

	for (p = TAILQ_FIRST(&m->proxies); p; p = next) {
		next = TAILQ_NEXT(p, link);
		r = find(m, &p->r.request, &guest, &err);
		if (r == 0 && !guest) {
			continue;
		}
		unlink_proxy(p);
		call = p->call;
		control_on_gone(call, NULL, NULL);
		if (r < 0 || domain_proxy_take(guest, p, &err) < 0) {
			proxy_free(p);
			control_fail(call, &err);
		}
	}
}

void manager_drop_proxies(struct manager *m)
{
	struct proxy *p;

	while ((p = TAILQ_FIRST(&m->proxies))) {
		unlink_proxy(p);
		control_drop(TAKE_PTR(p->call));
		proxy_free(p);
	}
}

void manager_tell_proxies(struct manager *m, const struct toolstack_domain *stub)
{
	struct manager_entry *entry;

	TAILQ_FOREACH (entry, &m->all, order) {
		domain_proxy_on_down(entry->d, stub);
	}
}

static void on_left(void *ctx, int status, const struct xs_results *results)
{
	struct manager *m = ctx;

	m->on_left(m->left_ctx);
}

void manager_leave(struct manager *m, void (*fn)(void *ctx), void *ctx)
{
	struct xs_batch *batch = xs_batch_new(0);
	struct manager_entry *entry;
	bool any = false;

	m->on_left = fn;
	m->left_ctx = ctx;
	TAILQ_FOREACH (entry, &m->all, order) {
		any = batch && domain_proxy_leave(entry->d, batch) ? true : any;
	}
	if (!any) {
		xs_batch_free(batch);
		fn(ctx);
	} else if (store_submit(m->s.store, batch, LEAVE_MS, on_left, m, NULL) < 0) {
		fn(ctx);
	}
}
