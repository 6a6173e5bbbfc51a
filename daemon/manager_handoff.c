/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To which domain a handoff goes. It may come before the watcher has told of its domain (the daemon
 * was started a moment ago, and systemd kept the call for it): then it waits, not accepted yet, at
 * most as long as its helper does.
 */
#include <errno.h>
#include <string.h>

#include "daemon/manager_impl.h"
#include "lib/cleanup.h"
#include "lib/log.h"

static void unlink_handoff(struct handoff *handoff)
{
	TAILQ_REMOVE(&handoff->manager->handoffs, handoff, link);
	handoff->manager = NULL;
}

static void on_helper_gone(void *ctx)
{
	struct handoff *handoff = ctx;

	unlink_handoff(handoff);
	control_complete(TAKE_PTR(handoff->call), NULL);
	handoff_free(handoff);
}

static void wait_for_domain(struct manager *m, struct handoff *handoff, uint32_t domid)
{
	handoff->manager = m;
	TAILQ_INSERT_TAIL(&m->handoffs, handoff, link);
	control_on_gone(handoff->call, on_helper_gone, handoff);
	watcher_look(m->watcher, domid);
}

int manager_handoff(void *ctx, struct handoff *handoff, struct err *err)
{
	struct manager *m = ctx;
	struct toolstack_domain dom;
	struct manager_entry *entry;
	uint32_t domid;
	int r = handoff_domid(&handoff->request.argv, &domid, err);

	if (r < 0) {
		return r;
	}
	r = toolstack_get(m->s.ts, domid, &dom);
	if (r == -ESRCH) {
		return err_set(err, -ENOENT, "there is no domain %u", domid);
	}
	if (r < 0) {
		return err_set_errno(err, r == -EINVAL ? -EIO : r, "domain %u", domid);
	}
	entry = manager_find(m, domid);
	if (entry && !domain_is_going(entry->d) &&
		!memcmp(domain_uuid(entry->d), dom.uuid, sizeof(dom.uuid))) {
		return domain_handoff(entry->d, handoff, err);
	}
	wait_for_domain(m, handoff, domid);
	return 0;
}

void manager_give_handoff(struct manager *m, struct domain *d)
{
	struct handoff *handoff, *next;
	struct control_call *call;
	uint32_t domid;
	struct err err;

	for (handoff = TAILQ_FIRST(&m->handoffs); handoff; handoff = next) {
		next = TAILQ_NEXT(handoff, link);
		if (handoff_domid(&handoff->request.argv, &domid, &err) < 0 ||
			domid != domain_domid(d)) {
			continue;
		}
		unlink_handoff(handoff);
		call = handoff->call;
		control_on_gone(call, NULL, NULL);
		if (domain_handoff(d, handoff, &err) < 0) {
			handoff_free(handoff);
			control_fail(call, &err);
		}
	}
}

void manager_drop_handoffs(struct manager *m)
{
	struct handoff *handoff;

	while ((handoff = TAILQ_FIRST(&m->handoffs))) {
		unlink_handoff(handoff);
		control_drop(TAKE_PTR(handoff->call));
		handoff_free(handoff);
	}
}
