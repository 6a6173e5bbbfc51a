/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/qmplink.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/qmplink_private.h"
#include "lib/cleanup.h"

void qmp_link_init(struct qmp_link *link, const struct qmp_link_kind *kind, struct loop *loop,
	const struct qmp_link_ops *ops, void *ctx)
{
	*link = (struct qmp_link){.kind = kind, .loop = loop, .ops = ops, .ctx = ctx};
	link->out_end = &link->out;
}

void qmp_link_drop(struct qmp_link *link)
{
	while (link->out) {
		struct qmp_chunk *next = link->out->next;

		close_p(&link->out->fd);
		free(link->out);
		link->out = next;
	}
	link->out_end = &link->out;
}

void qmp_link_sent(struct qmp_link *link, size_t n)
{
	struct qmp_chunk *c = link->out;

	c->at += n;
	if (c->at == c->len) {
		link->out = c->next;
		link->out_end = link->out ? link->out_end : &link->out;
		close_p(&c->fd);
		free(c);
	}
}

void qmp_link_connect(struct qmp_link *link)
{
	link->kind->connect(link);
}

void qmp_link_disconnect(struct qmp_link *link)
{
	link->up = false;
	link->kind->disconnect(link);
	qmp_link_drop(link);
}

void qmp_link_down(struct qmp_link *link, const struct err *err, bool rules)
{
	qmp_link_disconnect(link);
	link->ops->on_down(link->ctx, err, rules);
}

bool qmp_link_is_up(const struct qmp_link *link)
{
	return link->up;
}

void qmp_link_send(struct qmp_link *link, const char *text, size_t len, int fd)
{
	struct qmp_chunk *c = link->up && len > 0 ? malloc(sizeof(*c) + len) : NULL;

	if (!c) {
		close_p(&fd);
		return;
	}
	*c = (struct qmp_chunk){.fd = fd, .len = len};
	memcpy(c->text, text, len);
	*link->out_end = c;
	link->out_end = &c->next;
	link->kind->queued(link);
}

static void release(void *arg)
{
	struct qmp_link *link = arg;

	link->kind->free(link);
}

struct qmp_link *qmp_link_free(struct qmp_link *link)
{
	if (link) {
		qmp_link_disconnect(link);
		loop_defer(link->loop, &link->release, release, link);
	}
	return NULL;
}
