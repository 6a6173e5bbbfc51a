/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server's half of libxenvchan over tests/fake/fakevchan.h, so that the lab's peer
 * (tests/lab/peer) plays its attacks without Xen as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenstore.h>

#include "tests/fake/fakevchan.h"

struct fake {
	struct libxenvchan lib; /* first: what the caller has */
	struct fakevchan_server server;
};

static struct fakevchan_server *server_of(struct libxenvchan *ctrl)
{
	return &((struct fake *)ctrl)->server;
}

static void announce(const char *path, unsigned ref)
{
	static const char *const nodes[] = {"ring-ref", "event-channel"};
	struct xs_handle *xs = xs_open(0);
	char name[128], text[16];

	snprintf(text, sizeof(text), "%u", ref);
	for (int i = 0; xs && i < 2; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, nodes[i]);
		xs_write(xs, XBT_NULL, name, text, strlen(text));
	}
	if (xs) {
		xs_close(xs);
	}
}

static unsigned order_of(size_t min, unsigned least)
{
	unsigned order = least;

	while (order < 20 && (size_t)1 << order < min) {
		order++;
	}
	return order;
}

struct libxenvchan *libxenvchan_server_init(struct xentoollog_logger *logger, int domain,
	const char *xs_path, size_t read_min, size_t write_min)
{
	static unsigned count;
	struct fake *f = calloc(1, sizeof(*f));
	unsigned stub = 0, ref = (unsigned)getpid() % 10000 * 10000 + count++;

	if (!f || sscanf(xs_path, "/local/domain/%u/", &stub) != 1 ||
		fakevchan_serve(&f->server, stub, ref, order_of(read_min, 10),
			order_of(write_min, 11)) < 0) {
		free(f);
		return NULL;
	}
	f->lib.ring = f->server.page;
	f->lib.event = (xenevtchn_handle *)&f->server;
	f->lib.xs_path = strdup(xs_path);
	announce(xs_path, ref);
	return &f->lib;
}

void libxenvchan_close(struct libxenvchan *ctrl)
{
	struct xs_handle *xs = xs_open(0);

	if (xs) {
		xs_rm(xs, XBT_NULL, ctrl->xs_path);
		xs_close(xs);
	}
	fakevchan_stop(server_of(ctrl));
	free(ctrl->xs_path);
	free(ctrl);
}

int libxenvchan_read(struct libxenvchan *ctrl, void *data, size_t size)
{
	return fakevchan_get(server_of(ctrl), data, size);
}

int libxenvchan_write(struct libxenvchan *ctrl, const void *data, size_t size)
{
	return fakevchan_put(server_of(ctrl), data, size);
}

int libxenvchan_wait(struct libxenvchan *ctrl)
{
	fakevchan_take_events(server_of(ctrl));
	return 0;
}

int libxenvchan_fd_for_select(struct libxenvchan *ctrl)
{
	return server_of(ctrl)->event_fd;
}

int libxenvchan_is_open(struct libxenvchan *ctrl)
{
	return ctrl->ring->cli_live;
}

/* Its handle is the vchan's. */
int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	fakevchan_kick((struct fakevchan_server *)xce);
	return 0;
}
