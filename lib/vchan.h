/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The client end of a vchan whose server is another domain that may be hostile: byte streams over
 * two rings in pages that it grants us. The only user of libxenvchan. The protocol is
 * xen/io/libxenvchan.h of the Xen tree.
 *
 * Nothing here waits but vchan_open(), which asks xenstore: it runs on the thread of lib/xs
 * (xs_link_connect_vchan). Everything else belongs to the loop's thread; one handle is never used
 * by two.
 *
 * An event carries no reason and is announced once. Whoever reads less than there is, or has
 * something left to write, must come again by itself: the peer tells of new data only after a
 * vchan_read() that found less than was asked for, and of new room only after a vchan_write() that
 * took less than it was given.
 *
 * Nothing tells that the peer's domain was destroyed. While the handle is open the hypervisor keeps
 * that domain's memory: close it at the first sign.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

struct vchan;

/* libxenvchan cuts longer ones. */
#define VCHAN_PATH_MAX 49

/* PATH is the xenstore directory with "ring-ref" and "event-channel", which DOMID wrote. Waits for
 * xenstore. -ENAMETOOLONG; -EPROTO: rings that are larger than LIMIT_VCHAN_RING_ORDER; else -errno
 * with libxenvchan's own words where it has some. */
int vchan_open(struct vchan **ret, uint32_t domid, const char *path, struct err *err);
/* Gives the peer's pages back. No event source may be left on its fd. Returns NULL. */
struct vchan *vchan_close(struct vchan *v);

/* Readable when an event came. Borrowed. */
int vchan_fd(const struct vchan *v);
/* To be called once for each time the fd is readable, before anything else: takes the event and
 * lets the next one come. -EAGAIN when there was none; -errno. */
int vchan_take_event(struct vchan *v);

/* Bytes read or taken, 0: none now. -EPROTO: the ring's indices can't be (never sent or taken by
 * anybody); -EPIPE: closed by the peer, for read also: and empty. Both are for good. */
ssize_t vchan_read(struct vchan *v, void *buf, size_t size);
ssize_t vchan_write(struct vchan *v, const void *buf, size_t size);
