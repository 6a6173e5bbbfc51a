/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A device model in a stub domain, which its guest may have taken over. What it can do with a
 * vchan: fill it for ever (a turn is bounded, and comes again by itself, because the peer tells of
 * nothing while there is something left), send events for nothing (the event channel stays masked
 * for a while), take nothing (a deadline), bend the rings (lib/vchan finds it), write and remove
 * its node in xenstore in a loop (a rate, then a pause). It can't be heard when its domain dies:
 * somebody else has to tell.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/qmplink_private.h"
#include "daemon/store.h"
#include "lib/bucket.h"
#include "lib/limits.h"
#include "lib/vchan.h"

struct vchan_link {
	struct qmp_link base;
	struct store *store;
	uint32_t domid;
	char *path;
	/* down */
	uint64_t request; /* 0: no attempt under way */
	bool changed;	  /* the node, since the attempt began */
	int64_t tried_ms;
	struct store_watcher watcher; /* waits for a server */
	struct bucket fires;
	struct loop_timer retry;
	/* up */
	struct vchan *v;
	struct loop_io io;
	struct loop_timer again; /* there is more than one turn took, or it was paused */
	struct loop_timer stall; /* something waits to be taken */
	struct bucket wakes;	 /* that brought nothing */
};

static void attempt(struct vchan_link *l);
static void turn(struct vchan_link *l, bool event);

static void on_event(void *arg, unsigned events)
{
	turn(arg, true);
}

/* Listens; an event that came meanwhile is still there. */
static void listen(struct vchan_link *l)
{
	struct err err;

	if (!l->io.event &&
		loop_io_start(l->base.loop, &l->io, vchan_fd(l->v), LOOP_READ, on_event, l) < 0) {
		err_set(&err, -ENOMEM, "out of memory");
		qmp_link_down(&l->base, &err, false);
	}
}

static void on_again(void *arg)
{
	struct vchan_link *l = arg;

	listen(l);
	if (l->base.up) {
		turn(l, false);
	}
}

/* No event is taken either: a peer that is not listened to can't make us work. */
static void pause_for(struct vchan_link *l, int ms)
{
	if (loop_timer_start(l->base.loop, &l->again, ms, on_again, l) == 0) {
		loop_io_stop(&l->io);
	}
}

static void fail(struct vchan_link *l, int code)
{
	struct err err;

	if (code == -EPROTO) {
		err_set(&err, code, "QMP: domain %u bent the rings of its vchan", l->domid);
	} else if (code == -EPIPE) {
		err_set(&err, -ECONNRESET, "the device model closed its QMP connection");
	} else {
		err_set_errno(&err, code, "QMP: the vchan of domain %u", l->domid);
	}
	qmp_link_down(&l->base, &err, code == -EPROTO);
}

static void on_stall(void *arg)
{
	struct vchan_link *l = arg;
	struct err err;

	err_set(&err, -ETIMEDOUT, "QMP: the device model has taken nothing for %d ms",
		LIMIT_VCHAN_STALL_MS);
	qmp_link_down(&l->base, &err, true);
}

/* Bytes taken, or -EPROTO. That it is closed is found by reading. */
static ssize_t flush(struct vchan_link *l)
{
	ssize_t moved = 0, n = 0;

	while (l->base.out) {
		struct qmp_chunk *c = l->base.out;

		n = vchan_write(l->v, c->text + c->at, c->len - c->at);
		if (n <= 0) {
			break;
		}
		moved += n;
		qmp_link_sent(&l->base, n);
	}
	if (!l->base.out) {
		loop_timer_stop(&l->stall);
	} else if (moved > 0 || !l->stall.event) {
		loop_timer_start(l->base.loop, &l->stall, LIMIT_VCHAN_STALL_MS, on_stall, l);
	}
	return n == -EPROTO ? n : moved;
}

/* Until it is empty, which makes the peer tell of more, or a turn is full. RET_END: 0, or why
 * nothing more will come. */
static size_t drain(struct vchan_link *l, char *data, size_t size, int *ret_end)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < size) {
		n = vchan_read(l->v, data + len, size - len);
		len += n > 0 ? n : 0;
	}
	*ret_end = n < 0 ? (int)n : 0;
	return len;
}

/* In the order that matters: the event first, then both rings, whatever it was about. */
static void turn(struct vchan_link *l, bool event)
{
	char data[LIMIT_QMP_TURN_BYTES];
	ssize_t sent;
	size_t len;
	int r, end, pause_ms = 0;

	if (event) {
		r = vchan_take_event(l->v);
		if (r < 0 && r != -EAGAIN) {
			fail(l, r);
			return;
		}
	}
	sent = flush(l);
	if (sent < 0) {
		fail(l, sent);
		return;
	}
	len = drain(l, data, sizeof(data), &end);
	if (event && sent + len < LIMIT_VCHAN_WAKE_BYTES &&
		!bucket_take(&l->wakes, 1, LIMIT_VCHAN_WAKES, LIMIT_VCHAN_WAKES_PER_S,
			loop_monotonic_ms())) {
		pause_ms = LIMIT_VCHAN_PAUSE_MS;
	}
	if (len > 0 && end != -EPROTO) {
		r = l->base.ops->on_data(l->base.ctx, data, len);
		pause_ms = r > pause_ms ? r : pause_ms;
	}
	if (!l->base.up) {
		return;
	}
	if (end < 0) {
		fail(l, end);
	} else if (pause_ms > 0) {
		pause_for(l, pause_ms);
	} else if (len == sizeof(data)) {
		loop_timer_start(l->base.loop, &l->again, 0, on_again, l);
	}
}

static void on_retry(void *arg)
{
	attempt(arg);
}

/* A server may be there now. Also called once when the watch is set, so that none is missed. */
static void on_node(void *arg)
{
	struct vchan_link *l = arg;
	int64_t now = loop_monotonic_ms(), due = l->tried_ms + LIMIT_VCHAN_RETRY_MS;
	struct err err;

	if (!bucket_take(&l->fires, 1, LIMIT_VCHAN_FIRES, LIMIT_VCHAN_FIRES_PER_S, now)) {
		err_set(&err, -EPROTO, "QMP: domain %u writes \"%s\" again and again", l->domid,
			l->path);
		qmp_link_down(&l->base, &err, true);
	} else if (l->request) {
		l->changed = true;
	} else if (!l->retry.event) {
		loop_timer_start(l->base.loop, &l->retry, due > now ? due - now : 0, on_retry, l);
	}
}

static void wait_for_server(struct vchan_link *l)
{
	struct err err;
	int r = 0;

	if (!l->watcher.id) {
		r = store_watcher_start(l->store, &l->watcher, l->path, on_node, l);
	}
	if (r < 0) {
		err_set_errno(&err, r, "watch \"%s\"", l->path);
		qmp_link_down(&l->base, &err, false);
	} else if (l->base.ops->on_absent) {
		l->base.ops->on_absent(l->base.ctx);
	}
}

static void on_connected(void *ctx, struct vchan *v, const struct err *err)
{
	struct vchan_link *l = ctx;

	l->request = 0;
	if (!v && err->code == -ENOENT) {
		wait_for_server(l);
		if (l->changed && l->watcher.id) {
			loop_timer_start(
				l->base.loop, &l->retry, LIMIT_VCHAN_RETRY_MS, on_retry, l);
		}
		return;
	}
	if (!v) {
		qmp_link_down(&l->base, err, err->code == -EPROTO);
		return;
	}
	store_watcher_stop(&l->watcher);
	l->v = v;
	l->base.up = true;
	listen(l);
	if (l->base.up) {
		l->base.ops->on_up(l->base.ctx);
	}
}

static void attempt(struct vchan_link *l)
{
	struct err err;
	int r;

	l->tried_ms = loop_monotonic_ms();
	l->changed = false;
	r = store_connect_vchan(
		l->store, l->domid, l->path, LIMIT_XS_DEADLINE_MS, on_connected, l, &l->request);
	if (r < 0) {
		err_set_errno(&err, r, "QMP: the vchan of domain %u", l->domid);
		qmp_link_down(&l->base, &err, false);
	}
}

static void vchan_link_connect(struct qmp_link *link)
{
	attempt((struct vchan_link *)link);
}

/* The event source goes before the descriptor does. */
static void vchan_link_disconnect(struct qmp_link *link)
{
	struct vchan_link *l = (struct vchan_link *)link;

	if (l->request) {
		store_cancel(l->store, l->request);
		l->request = 0;
	}
	store_watcher_stop(&l->watcher);
	loop_timer_stop(&l->retry);
	loop_timer_stop(&l->again);
	loop_timer_stop(&l->stall);
	loop_io_stop(&l->io);
	l->v = vchan_close(l->v);
}

/* What is not taken now is tried at the next event: the peer was asked for it. */
static void vchan_link_queued(struct qmp_link *link)
{
	struct vchan_link *l = (struct vchan_link *)link;

	if (flush(l) < 0) {
		loop_timer_start(link->loop, &l->again, 0, on_again, l); /* a turn finds it too */
	}
}

static void vchan_link_free(struct qmp_link *link)
{
	struct vchan_link *l = (struct vchan_link *)link;

	free(l->path);
	free(l);
}

static const struct qmp_link_kind vchan_kind = {.connect = vchan_link_connect,
	.disconnect = vchan_link_disconnect,
	.queued = vchan_link_queued,
	.free = vchan_link_free};

int qmp_link_new_vchan(struct qmp_link **ret, struct loop *loop, struct store *store,
	uint32_t domid, const char *xs_path, const struct qmp_link_ops *ops, void *ctx)
{
	struct vchan_link *l;

	if (strlen(xs_path) > VCHAN_PATH_MAX) {
		return -ENAMETOOLONG;
	}
	l = calloc(1, sizeof(*l));
	if (!l) {
		return -ENOMEM;
	}
	qmp_link_init(&l->base, &vchan_kind, loop, ops, ctx);
	l->store = store;
	l->domid = domid;
	l->path = strdup(xs_path);
	if (!l->path) {
		free(l);
		return -ENOMEM;
	}
	*ret = &l->base;
	return 0;
}
