/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A libxenvchan without Xen: the library's client functions (fakevchan.c, linked in its place, so
 * that the real lib/vchan.c runs over it) and the server's end, honest or hostile
 * (fakevchan_server.c).
 *
 * What stands for grants and event channels lies in the directory $FAKEVCHAN_DIR, so that the two
 * ends may be in one process or in two: of a server with the number REF the file "DOMID.REF" is
 * the shared page with the rings behind it, the fifos "DOMID.REF.client" and "DOMID.REF.server" are
 * the two ends of the event channel. A client finds the server as with Xen: it reads PATH/ring-ref
 * (REF) from the xenstored of XENSTORED_PATH (fakexs), which the test writes, after
 * fakevchan_serve(), together with PATH/event-channel. Without a file of that name the connection
 * fails, as with a stale node.
 *
 * Kept from the original: the layout of the page (xen/io/libxenvchan.h), one-shot notifications,
 * the masked port (events are taken together), the event that a client finds pending right after
 * connecting, `blocking` uninitialised (here: 1), the descriptor that blocks, reading what was
 * written before a close, no word about a peer that is gone without closing. Not kept: the checks
 * of orders at connect, so that any order can be offered.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Has no include guard: it comes from here only. */
#include <libxenvchan.h>

/* What the client functions of this process were called for. */
struct fakevchan_counts {
	unsigned opens, closes; /* connections made, given back */
	unsigned waits;		/* events taken, and attempts to */
};
extern struct fakevchan_counts fakevchan_counts;

struct fakevchan_server {
	/* All of it is the server's to write: indices (page->left is what the client writes,
	 * page->right what it reads), orders, live bytes, notification bits. */
	struct vchan_interface *page;
	unsigned char *in, *out; /* the rings' bytes */
	unsigned in_order, out_order;
	int event_fd; /* readable when the client notified; fakevchan_take_events() */
	int kick_fd;
	int page_fd;
	size_t size;
	char path[108];
};

/* Orders 10 and 11 lie in the page, others behind it. srv_live is 1. 0 or -errno. */
int fakevchan_serve(struct fakevchan_server *s, uint32_t domid, unsigned ref, unsigned in_order,
	unsigned out_order);
/* Closes as a server that ends: live byte, event. The files go. */
void fakevchan_stop(struct fakevchan_server *s);
/* As a domain that is destroyed: nothing is told, the files go, the memory stays as it was. */
void fakevchan_vanish(struct fakevchan_server *s);

/* As an honest server: what fits is taken, the client is notified if it asked for it. */
size_t fakevchan_put(struct fakevchan_server *s, const void *data, size_t len);
size_t fakevchan_get(struct fakevchan_server *s, void *data, size_t size);

/* An event, asked for or not. */
void fakevchan_kick(struct fakevchan_server *s);
/* Empties event_fd; true when there was an event. */
bool fakevchan_take_events(struct fakevchan_server *s);
/* The client's own word, which stays when it is killed. */
bool fakevchan_is_connected(const struct fakevchan_server *s);
/* The client holds the page: what would keep a dead domain as a zombie. */
bool fakevchan_is_mapped(const struct fakevchan_server *s);
