/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * xenstore without waiting. libxenstore has neither an asynchronous form nor a timeout, so one
 * thread owns the connection; requests go in, results and watch events come back through a file
 * descriptor. All functions here are called from one thread (the loop's). The protocol is
 * docs/misc/xenstore.txt of the Xen tree.
 *
 * A batch is a list of operations that belong together. With XS_BATCH_TRANSACTION it runs in one
 * transaction: EAGAIN starts it again from its first operation, at most LIMIT_XS_TRANSACTION_TRIES
 * times; every other error aborts it; no way out leaves it open. Without, the operations run one by
 * one and each has its own status.
 *
 * The connection is made by the thread and made again (with all watches) when xenstored goes away.
 * What is asked meanwhile waits until its deadline and then ends with -ETIMEDOUT. A result that
 * comes after the deadline is dropped; what had not begun by then does not happen. A batch that the
 * connection broke under runs again when nothing of it can have happened, else it ends with
 * -ECONNRESET. The thread never touches what belongs to the caller.
 *
 * The server's socket is libxenstore's (/run/xenstored/socket); XENSTORED_PATH names another one,
 * or /dev/xen/xenbus on a host whose xenstored runs in a domain.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xs_link;
struct xs_batch;
struct xs_results;
struct vchan;
struct err;

/* ctx is what xs_link_new() got. */
struct xs_link_ops {
	/* A watch fired. PATH is what changed, TOKEN the watch's. Both borrowed. */
	void (*on_watch)(void *ctx, const char *path, const char *token);
	/* The connection came (true) or went. After it came all watches fire once more. */
	void (*on_connection)(void *ctx, bool up);
};

/* Starts the thread; returns before there is a connection. Sets XENSTORED_PATH where it is unset
 * (why: xs_conn.c). 0, -ENOMEM, -errno of eventfd/pthread_create. */
int xs_link_new(struct xs_link **ret, const struct xs_link_ops *ops, void *ctx);
/* Ends the link. A thread stuck in a stopped xenstored is abandoned (it holds only memory of its
 * own), never waited for. Pending requests end without their callback. Not from within
 * a callback of the link. Returns NULL. */
struct xs_link *xs_link_free(struct xs_link *link);

/* Readable when xs_link_dispatch() has something to deliver. Borrowed. */
int xs_link_fd(const struct xs_link *link);
/* Milliseconds until the next request's deadline, -1 for none: the owner arms a timer with it. */
int64_t xs_link_next_deadline_ms(const struct xs_link *link);
/* Delivers results and watch events, in the order in which they came about: what an event told of
 * while a request was under way, the request's answer contains; what came later is told after the
 * answer. Then expired deadlines. */
void xs_link_dispatch(struct xs_link *link);
bool xs_link_is_up(const struct xs_link *link);

enum { XS_BATCH_TRANSACTION = 1 };

/* Append errors (no memory, path too long or with characters that xenstore refuses, value too long)
 * are sticky and reported by xs_link_submit(). NULL for no memory; the append functions take NULL,
 * so that only xs_link_submit() needs a check. In a transaction a read or list of an absent node,
 * or its permissions, is an answer (-ENOENT) and doesn't end it. */
struct xs_batch *xs_batch_new(unsigned flags);
struct xs_batch *xs_batch_free(struct xs_batch *batch); /* only if it was not submitted */
/* Each returns the operation's index in the results. */
unsigned xs_batch_read(struct xs_batch *batch, const char *path);
unsigned xs_batch_list(struct xs_batch *batch, const char *path);
unsigned xs_batch_write(struct xs_batch *batch, const char *path, const char *value);
unsigned xs_batch_write_if_absent(struct xs_batch *batch, const char *path, const char *value);
unsigned xs_batch_mkdir(struct xs_batch *batch, const char *path);
unsigned xs_batch_rm(struct xs_batch *batch, const char *path); /* absent is success */
/* Absent is success; another value stays and is this operation's -ESTALE, which ends nothing. */
unsigned xs_batch_rm_if_equals(struct xs_batch *batch, const char *path, const char *value);
/* Ends the batch with -ESTALE when PATH does not hold VALUE: the guard of every clean-up. */
unsigned xs_batch_require(struct xs_batch *batch, const char *path, const char *value);
/* Ends the batch with -ESTALE when PATH does not exist: nothing is created in the tree of a
 * domain that went away meanwhile. */
unsigned xs_batch_require_exists(struct xs_batch *batch, const char *path);
/* Owner 0 without access for others, and READER may read when it is not 0. */
unsigned xs_batch_set_perms(struct xs_batch *batch, const char *path, uint32_t reader);

/* STATUS: 0 or the negative errno that ended the whole batch (-ETIMEDOUT, -EAGAIN after all tries,
 * -ESTALE, -ENOSPC, -EDQUOT for EQUOTA, ...). RESULTS is borrowed, NULL when STATUS is not 0. */
typedef void (*xs_done_fn)(void *ctx, int status, const struct xs_results *results);

/* Takes BATCH over in any case (NULL is -ENOMEM). DEADLINE_MS is from now, e.g.
 * LIMIT_XS_DEADLINE_MS. RET_ID (may be NULL) is for xs_link_cancel(). The callback comes from
 * xs_link_dispatch(), never from within this call, and only when this returned 0. -ENOMEM, -ENOBUFS
 * (LIMIT_XS_PENDING), a sticky error of the batch (-EINVAL, -E2BIG). */
int xs_link_submit(struct xs_link *link, struct xs_batch *batch, int64_t deadline_ms,
	xs_done_fn done, void *ctx, uint64_t *ret_id);
/* The callback of ID will not come. The operations may still happen. Unknown ids are ignored. */
void xs_link_cancel(struct xs_link *link, uint64_t id);

/* 0, or this operation's negative errno (-ENOENT, -EACCES, ...). */
int xs_results_status(const struct xs_results *results, unsigned index);
/* A read's value (NUL-terminated, at most LIMIT_XS_VALUE_BYTES, embedded NULs are -EBADMSG); NULL
 * when it failed. Borrowed. */
const char *xs_results_value(const struct xs_results *results, unsigned index);
/* A list's names. */
const char *const *xs_results_list(
	const struct xs_results *results, unsigned index, size_t *ret_len);

/* A connection to the vchan server that DOMID announces at PATH (lib/vchan.h), made by the thread:
 * libxenvchan waits for xenstore. V is the callee's; NULL: ERR says why not, with -ENOENT when no
 * server is announced. Deadline, cancelling and the ways to fail are those of xs_link_submit(); a
 * connection that comes too late is closed by the thread. */
typedef void (*xs_vchan_fn)(void *ctx, struct vchan *v, const struct err *err);
int xs_link_connect_vchan(struct xs_link *link, uint32_t domid, const char *path,
	int64_t deadline_ms, xs_vchan_fn done, void *ctx, uint64_t *ret_id);

/* Watches survive reconnection. The same (path, token) twice is one watch. The server fires a new
 * watch once. Give each watch a token of its own. After xs_link_unwatch() no event of it comes. 0,
 * -EINVAL (a path that xenstore refuses), -ENOMEM. */
int xs_link_watch(struct xs_link *link, const char *path, const char *token);
void xs_link_unwatch(struct xs_link *link, const char *path, const char *token);
