/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/watcher.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/loop.h"
#include "lib/log.h"

/*
 * What is known of each domain lies in an array sorted by number. A look reads the hypervisor's
 * present list into a second array, walks both side by side, tells the differences and swaps them:
 * linear, with a memcmp of 16 bytes for each domain. Whatever happened between two looks, the
 * difference of two lists gives each event once and in order.
 *
 * Cost. In the releases we run on (4.17 to 4.20) xenstore's @introduceDomain and @releaseDomain
 * don't say which domain they mean, so an event costs one pass over the list: getdomaininfolist
 * with about 130 bytes for each domain. It can't be had lower there: the hypervisor's own notice
 * (VIRQ_DOM_EXC) names no domain either and belongs to xenstored alone. From 4.21 on xenstored
 * offers watches with a depth, which say "@releaseDomain/7", and libxenmanage the state and unique
 * id of one domain; neither is in 4.20's headers. Whoever gets such an event passes the number to
 * watcher_look() and one domain is read. Many events in one turn of the loop cost one look in any
 * case.
 *
 * Dying. xenstored fires @releaseDomain when a domain shuts down and when it begins to die, but not
 * when the hypervisor has let go of its last page. While there are dying domains, and only then,
 * they are looked at one by one, at intervals from DYING_FIRST_MS doubling to DYING_LAST_MS.
 *
 * Unheralded. @releaseDomain comes only for domains that xenstored knows. The others, and only
 * while there are such, are looked at every UNHERALDED_MS.
 *
 * Incarnations. A number is somebody else's when the uuid differs, or the unique id where this Xen
 * has one, and without it when a dying domain lives again or its cpu time went back: a toolstack
 * that gives number and uuid again (reboot with a fixed number) is seen by that. Cpu time is a sum
 * over processors whose clocks may differ a little, so a small step back means nothing.
 */
#define UNHERALDED_MS 5000
#define DYING_FIRST_MS 20
#define DYING_LAST_MS 2000
#define DYING_SINGLY_MAX 32 /* more are cheaper to read as one list */
#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS 30000
#define CPU_TIME_SLACK_NS 10000000 /* 10 ms */
#define NAMED_MAX 32 /* domains named by events of one turn; more make it a full look */

struct domain_array {
	struct toolstack_domain *items;
	unsigned len, cap;
};

struct watcher {
	struct loop *loop;
	struct toolstack *ts;
	const struct watcher_ops *ops;
	void *ctx;
	struct loop_deferred turn; /* the look that is due */
	bool scheduled, released;
	bool all; /* of the look that is due */
	uint32_t named[NAMED_MAX];
	unsigned named_len;
	struct domain_array known, seen;
	struct loop_timer dying_timer;
	bool dying_armed;
	int64_t dying_delay_ms;
	uint32_t *unheralded; /* no order, each once */
	unsigned unheralded_len, unheralded_cap;
	struct loop_timer unheralded_timer;
	struct loop_timer retry_timer;
	int64_t retry_delay_ms; /* 0: the last look succeeded */
};

static int reserve(struct domain_array *array, unsigned cap)
{
	struct toolstack_domain *items;

	if (cap <= array->cap) {
		return 0;
	}
	items = realloc(array->items, cap * sizeof(*items));
	if (!items) {
		return -ENOMEM;
	}
	array->items = items;
	array->cap = cap;
	return 0;
}

/* The index of DOMID or of the first higher number. */
static unsigned find(const struct domain_array *array, uint32_t domid)
{
	unsigned low = 0, high = array->len;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (array->items[mid].domid < domid) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low;
}

static bool same_incarnation(const struct toolstack_domain *old, const struct toolstack_domain *now)
{
	if (memcmp(old->uuid, now->uuid, sizeof(old->uuid))) {
		return false;
	}
	if (old->unique_id && now->unique_id) {
		return old->unique_id == now->unique_id;
	}
	if (old->dying && !now->dying) {
		return false;
	}
	return now->cpu_time_ns + CPU_TIME_SLACK_NS >= old->cpu_time_ns;
}

static void tell_gone(struct watcher *w, const struct toolstack_domain *old)
{
	struct toolstack_domain last = *old;

	if (!old->dying) {
		last.dying = true;
		w->ops->on_dying(w->ctx, &last);
	}
	w->ops->on_gone(w->ctx, last.domid, last.uuid);
}

/* OLD is NULL for a domain that was not there. */
static void tell_state(
	struct watcher *w, const struct toolstack_domain *old, const struct toolstack_domain *now)
{
	bool was_shutdown = old && old->shutdown;
	bool was_dying = old && old->dying;

	if (was_shutdown && !now->dying &&
		(!now->shutdown || now->shutdown_reason != old->shutdown_reason)) {
		w->ops->on_resumed(w->ctx, now);
		was_shutdown = false;
	}
	if (now->shutdown && !was_shutdown) {
		w->ops->on_shutdown(w->ctx, now);
	}
	if (now->dying && !was_dying) {
		w->dying_delay_ms = DYING_FIRST_MS;
		w->dying_armed = false;
		w->ops->on_dying(w->ctx, now);
	}
}

/* The difference between two looks at one number; one of the two may be NULL. */
static void tell(
	struct watcher *w, const struct toolstack_domain *old, const struct toolstack_domain *now)
{
	if (old && (!now || !same_incarnation(old, now))) {
		tell_gone(w, old);
		old = NULL;
	}
	if (!now) {
		return;
	}
	if (!old) {
		w->ops->on_appeared(w->ctx, now);
	}
	tell_state(w, old, now);
}

/* Reads the whole list, domain 0 left out, into w->seen. */
static int read_list(struct watcher *w)
{
	uint32_t first = 1;

	w->seen.len = 0;
	for (;;) {
		int r = reserve(&w->seen, w->seen.len ? w->seen.len * 2 : w->known.len + 64);
		unsigned space;

		if (r < 0) {
			return r;
		}
		space = w->seen.cap - w->seen.len;
		r = toolstack_list(w->ts, first, &w->seen.items[w->seen.len], space);
		if (r < 0) {
			return r;
		}
		w->seen.len += r;
		if ((unsigned)r < space) {
			return 0;
		}
		first = w->seen.items[w->seen.len - 1].domid + 1;
	}
}

static int look_at_all(struct watcher *w)
{
	struct domain_array swap;
	unsigned i = 0, k = 0;
	int r = read_list(w);

	if (r < 0) {
		return r;
	}
	while (i < w->known.len || k < w->seen.len) {
		const struct toolstack_domain *old = i < w->known.len ? &w->known.items[i] : NULL;
		const struct toolstack_domain *now = k < w->seen.len ? &w->seen.items[k] : NULL;

		if (old && now && old->domid != now->domid) {
			*(old->domid < now->domid ? &now : &old) = NULL;
		}
		tell(w, old, now);
		i += old != NULL;
		k += now != NULL;
	}
	swap = w->known;
	w->known = w->seen;
	w->seen = swap;
	return 0;
}

static int look_at_one(struct watcher *w, uint32_t domid)
{
	struct domain_array *known = &w->known;
	struct toolstack_domain now, *at;
	bool is_there, was_there;
	unsigned i = find(known, domid);
	int r = toolstack_get(w->ts, domid, &now);

	if (r < 0 && r != -ESRCH) {
		return r;
	}
	is_there = r == 0;
	was_there = i < known->len && known->items[i].domid == domid;
	if (is_there && !was_there && known->len == known->cap) {
		r = reserve(known, known->cap < 32 ? 64 : known->cap * 2);
		if (r < 0) {
			return r;
		}
	}
	tell(w, was_there ? &known->items[i] : NULL, is_there ? &now : NULL);
	at = known->items ? &known->items[i] : NULL;
	if (is_there && !was_there) {
		memmove(at + 1, at, (known->len++ - i) * sizeof(*at));
	} else if (was_there && !is_there) {
		memmove(at, at + 1, (--known->len - i) * sizeof(*at));
	}
	if (is_there) {
		*at = now;
	}
	return 0;
}

static void on_dying_timer(void *arg)
{
	struct watcher *w = arg;
	unsigned dying = 0;

	w->dying_armed = false;
	w->dying_delay_ms =
		w->dying_delay_ms * 2 < DYING_LAST_MS ? w->dying_delay_ms * 2 : DYING_LAST_MS;
	for (unsigned i = 0; i < w->known.len && dying <= DYING_SINGLY_MAX; i++) {
		if (w->known.items[i].dying) {
			dying++;
			watcher_look(w, w->known.items[i].domid);
		}
	}
}

static bool any_dying(const struct watcher *w)
{
	for (unsigned i = 0; i < w->known.len; i++) {
		if (w->known.items[i].dying) {
			return true;
		}
	}
	return false;
}

/* Only while something dies is there a timer. Looks at others don't put it off; a domain that just
 * began to die brings it forward. Without memory for it, the next event looks. */
static void watch_the_dying(struct watcher *w)
{
	if (!any_dying(w)) {
		loop_timer_stop(&w->dying_timer);
		w->dying_armed = false;
	} else if (!w->dying_armed) {
		w->dying_armed = loop_timer_start(w->loop, &w->dying_timer, w->dying_delay_ms,
					 on_dying_timer, w) == 0;
	}
}

static bool is_known(const struct watcher *w, uint32_t domid)
{
	unsigned i = find(&w->known, domid);

	return i < w->known.len && w->known.items[i].domid == domid;
}

static void on_unheralded_timer(void *arg)
{
	struct watcher *w = arg;
	unsigned kept = 0;

	for (unsigned i = 0; i < w->unheralded_len; i++) {
		if (is_known(w, w->unheralded[i])) {
			w->unheralded[kept++] = w->unheralded[i];
		}
	}
	w->unheralded_len = kept;
	if (kept) {
		watcher_look(w, WATCHER_ALL);
		loop_timer_start(
			w->loop, &w->unheralded_timer, UNHERALDED_MS, on_unheralded_timer, w);
	}
}

int watcher_unheralded(struct watcher *w, uint32_t domid)
{
	for (unsigned i = 0; i < w->unheralded_len; i++) {
		if (w->unheralded[i] == domid) {
			return 0;
		}
	}
	if (!is_known(w, domid)) {
		return 0;
	}
	if (w->unheralded_len == w->unheralded_cap) {
		unsigned cap = w->unheralded_cap ? w->unheralded_cap * 2 : 16;
		uint32_t *items = realloc(w->unheralded, cap * sizeof(*items));

		if (!items) {
			return -ENOMEM;
		}
		w->unheralded = items;
		w->unheralded_cap = cap;
	}
	w->unheralded[w->unheralded_len++] = domid;
	return w->unheralded_len > 1 ? 0
				     : loop_timer_start(w->loop, &w->unheralded_timer,
					       UNHERALDED_MS, on_unheralded_timer, w);
}

static void on_retry(void *arg)
{
	watcher_look(arg, WATCHER_ALL);
}

/* What was known stays: a hypervisor that doesn't answer is no reason to call a domain gone. */
static void note_result(struct watcher *w, int status)
{
	if (status == 0 && w->retry_delay_ms) {
		log_notice("the hypervisor's domain list can be read again");
		loop_timer_stop(&w->retry_timer);
		w->retry_delay_ms = 0;
	}
	if (status == 0) {
		return;
	}
	if (!w->retry_delay_ms) {
		log_error("can't read the hypervisor's domain list (%s); trying again",
			strerror(-status));
		w->retry_delay_ms = RETRY_FIRST_MS;
	} else {
		w->retry_delay_ms = w->retry_delay_ms * 2 < RETRY_LAST_MS ? w->retry_delay_ms * 2
									  : RETRY_LAST_MS;
	}
	loop_timer_start(w->loop, &w->retry_timer, w->retry_delay_ms, on_retry, w);
}

static int look_at_named(struct watcher *w, const uint32_t *named, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		int r = look_at_one(w, named[i]);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static void watcher_release(struct watcher *w)
{
	loop_timer_stop(&w->dying_timer);
	loop_timer_stop(&w->retry_timer);
	loop_timer_stop(&w->unheralded_timer);
	free(w->unheralded);
	free(w->known.items);
	free(w->seen.items);
	free(w);
}

static void on_turn(void *arg)
{
	struct watcher *w = arg;
	uint32_t named[NAMED_MAX];
	unsigned len = w->named_len;
	bool all = w->all;

	if (w->released) {
		watcher_release(w);
		return;
	}
	/* the callbacks may ask for the next look */
	memcpy(named, w->named, sizeof(named));
	w->scheduled = w->all = false;
	w->named_len = 0;
	note_result(w, all ? look_at_all(w) : look_at_named(w, named, len));
	watch_the_dying(w);
}

static void schedule(struct watcher *w)
{
	if (!w->scheduled) {
		w->scheduled = true;
		loop_defer(w->loop, &w->turn, on_turn, w);
	}
}

void watcher_look(struct watcher *w, uint32_t domid)
{
	if (domid == 0) {
		return;
	}
	for (unsigned i = 0; i < w->named_len; i++) {
		if (w->named[i] == domid) {
			return;
		}
	}
	if (domid == WATCHER_ALL || w->named_len == NAMED_MAX) {
		w->all = true;
	} else {
		w->named[w->named_len++] = domid;
	}
	schedule(w);
}

int watcher_new(struct watcher **ret, struct loop *loop, struct toolstack *ts,
	const struct watcher_ops *ops, void *ctx)
{
	struct watcher *w = calloc(1, sizeof(*w));

	if (!w) {
		return -ENOMEM;
	}
	w->loop = loop;
	w->ts = ts;
	w->ops = ops;
	w->ctx = ctx;
	w->dying_delay_ms = DYING_FIRST_MS;
	*ret = w;
	watcher_look(w, WATCHER_ALL);
	return 0;
}

struct watcher *watcher_free(struct watcher *w)
{
	if (!w) {
		return NULL;
	}
	if (w->scheduled) {
		w->released = true; /* the due turn releases it */
	} else {
		watcher_release(w);
	}
	return NULL;
}
