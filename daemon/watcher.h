/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which domains there are. Fed by xenstore's @introduceDomain and @releaseDomain and by what the
 * hypervisor lists; xenstore only says when to look, never that a domain is gone. Tells each change
 * once. Domain 0 is not told of. An event may come late, but a domain's events come in this order:
 * appeared, (shutdown | resumed)*, dying, gone. Dying is told also of a domain that was gone at the
 * first look after. A domain that came and went between two looks is not told of at all.
 */
#include <stdint.h>

#include "lib/toolstack.h"

struct loop;
struct watcher;

struct watcher_ops {
	void (*on_appeared)(void *ctx, const struct toolstack_domain *dom);
	void (*on_shutdown)(void *ctx, const struct toolstack_domain *dom);
	void (*on_resumed)(void *ctx,
		const struct toolstack_domain
			*dom); /* was shut down, is not now (suspend cancelled) */
	void (*on_dying)(void *ctx, const struct toolstack_domain *dom);
	void (*on_gone)(void *ctx, uint32_t domid, const uint8_t uuid[16]);
};

/* The first look, at all domains, comes by itself on the next turn. OPS (all set) and TS outlive
 * the watcher. -ENOMEM. */
int watcher_new(struct watcher **ret, struct loop *loop, struct toolstack *ts,
	const struct watcher_ops *ops, void *ctx);
/* Not from within a callback of the watcher. Returns NULL. */
struct watcher *watcher_free(struct watcher *w);

/* Something changed; the look happens on a later turn, many calls make one look. DOMID limits it to
 * one domain where the event named it (watch depth), WATCHER_ALL otherwise. */
#define WATCHER_ALL UINT32_MAX
void watcher_look(struct watcher *w, uint32_t domid);

/* Nobody tells of changes of DOMID, because this xenstored does not know it (one that died is
 * replaced by one that is empty). It is looked at every few seconds for as long as it is there; a
 * number that is not known is ignored. -ENOMEM. */
int watcher_unheralded(struct watcher *w, uint32_t domid);
