/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/xs_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <xenstore.h>

#include "lib/cleanup.h"
#include "lib/limits.h"

/*
 * What the thread does at xenstored, all of it blocking. It has three connections:
 * - REQUEST, a libxenstore handle without watches. Such a handle has no reader thread inside, so a
 *   request is a plain write and read, and what it returns belongs to it: when the answer comes
 *   after the deadline, because xenstored was stopped, it is read to its end here and dropped by
 *   the link. Nothing can be mixed up.
 * - WATCH, a libxenstore handle for watches only. The library starts a thread of its own for it,
 *   which sleeps in read(); events are announced through xs_fileno().
 * - LIFELINE, a bare connected socket that carries nothing. The library tells nobody when xenstored
 *   dies while no request is under way: its thread closes the connection and ends. The lifeline
 *   reads EOF at that very moment, without any timer. It is made first, without blocking, and so
 *   is also the probe that keeps xs_open() from being called while nobody listens: since 4.12 it
 *   ignores XS_OPEN_SOCKETONLY and would fall back to /dev/xen/xenbus, where a request to a dead
 *   xenstored hangs for good. xs_link_new() closes the rest of that gap by naming the socket in
 *   XENSTORED_PATH. A host whose xenstored runs in a domain of its own sets XENSTORED_PATH to
 *   /dev/xen/xenbus; there is no lifeline then.
 *
 * libxenstore turns error words that it doesn't know into EINVAL. Since the arguments were checked
 * before, EINVAL to a change means oxenstored's EQUOTA: -EDQUOT.
 */
#define BREAKS_MAX 3 /* a batch that breaks that many connections is given up */

static bool is_device(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISCHR(st.st_mode);
}

/* A connected socket, or -errno when nobody listens. */
static int lifeline_open(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		return -errno;
	}
	return TAKE_FD(fd);
}

void xs_conn_close(struct xs_conn *c)
{
	close_p(&c->lifeline);
	xs_close(c->request);
	xs_close(c->watch);
	c->request = c->watch = NULL;
	c->watch_fd = -1;
	c->lost = c->doubtful = c->unsent = false;
}

bool xs_conn_open(struct xs_conn *c, const char *server)
{
	if (!is_device(server)) {
		c->lifeline = lifeline_open(server);
		if (c->lifeline < 0) {
			c->lifeline = -1;
			return false;
		}
	}
	c->request = xs_open(0);
	c->watch = xs_open(0);
	c->watch_fd = c->watch ? xs_fileno(c->watch) : -1;
	if (!c->request || c->watch_fd < 0) {
		xs_conn_close(c);
		return false;
	}
	return true;
}

/* 0, or the errno of the library call that just failed. Such a handle reports a broken connection
 * as one of these; the server has no words for them. */
static int check(struct xs_conn *c, bool ok)
{
	int e = errno;

	if (ok) {
		return 0;
	}
	c->unsent = e == EPIPE; /* only writing gives it: the server never saw the whole request */
	if (e == EBADF || e == EPIPE || e == ECONNRESET || e == ENOTCONN) {
		c->lost = true;
		return -ECONNRESET;
	}
	if (e == E2BIG) {
		c->doubtful =
			true; /* the server's word, or an answer longer than the protocol allows */
	}
	return e ? -e : -EIO;
}

static int check_change(struct xs_conn *c, bool ok)
{
	int r = check(c, ok);

	return r == -EINVAL ? -EDQUOT : r;
}

static int read_value(struct xs_conn *c, xs_transaction_t t, const char *path, char **ret)
{
	unsigned len = 0;
	_cleanup_free_ char *value = xs_read(c->request, t, path, &len);
	int r = check(c, value);

	if (r < 0) {
		return r;
	}
	if (memchr(value, 0, len)) {
		return -EBADMSG;
	}
	if (len > LIMIT_XS_VALUE_BYTES) {
		return -EMSGSIZE;
	}
	*ret = TAKE_PTR(value);
	return 0;
}

static int list_names(struct xs_conn *c, xs_transaction_t t, struct xs_op *op)
{
	unsigned len = 0;

	op->list = xs_directory(c->request, t, op->path, &len);
	op->list_len = len;
	return check(c, op->list);
}

static int remove_node(struct xs_conn *c, xs_transaction_t t, const char *path)
{
	int r = check_change(c, xs_rm(c->request, t, path));

	return r == -ENOENT ? 0 : r;
}

static int write_node(struct xs_conn *c, xs_transaction_t t, const struct xs_op *op)
{
	return check_change(c, xs_write(c->request, t, op->path, op->arg, strlen(op->arg)));
}

static int write_if_absent(struct xs_conn *c, xs_transaction_t t, const struct xs_op *op)
{
	_cleanup_free_ char *value = NULL;
	int r = read_value(c, t, op->path, &value);

	if (r == -ENOENT) {
		return write_node(c, t, op);
	}
	return r == -EBADMSG || r == -EMSGSIZE ? 0 : r; /* unreadable, but there */
}

/* 0 when the node holds the operation's value (or exists, without one). */
static int compare(struct xs_conn *c, xs_transaction_t t, const struct xs_op *op)
{
	_cleanup_free_ char *value = NULL;
	int r = read_value(c, t, op->path, &value);

	if (r == -EBADMSG || r == -EMSGSIZE) {
		return op->arg ? -ESTALE : 0;
	}
	if (r < 0) {
		return r;
	}
	return op->arg && strcmp(value, op->arg) ? -ESTALE : 0;
}

static int rm_if_equals(struct xs_conn *c, xs_transaction_t t, const struct xs_op *op)
{
	int r = compare(c, t, op);

	if (r < 0) {
		return r == -ENOENT ? 0 : r;
	}
	return remove_node(c, t, op->path);
}

static int require(struct xs_conn *c, xs_transaction_t t, const struct xs_op *op)
{
	int r = compare(c, t, op);

	return r == -ENOENT ? -ESTALE : r;
}

static int set_perms(struct xs_conn *c, xs_transaction_t t, const struct xs_op *op)
{
	struct xs_permissions perms[2] = {
		{.id = 0, .perms = XS_PERM_NONE}, {.id = op->reader, .perms = XS_PERM_READ}};

	return check_change(
		c, xs_set_permissions(c->request, t, op->path, perms, op->reader ? 2 : 1));
}

static int run_op(struct xs_conn *c, xs_transaction_t t, struct xs_op *op)
{
	switch (op->kind) {
	case XS_OP_READ:
		return read_value(c, t, op->path, &op->value);
	case XS_OP_LIST:
		return list_names(c, t, op);
	case XS_OP_WRITE:
		return write_node(c, t, op);
	case XS_OP_WRITE_IF_ABSENT:
		return write_if_absent(c, t, op);
	case XS_OP_MKDIR:
		return check_change(c, xs_mkdir(c->request, t, op->path));
	case XS_OP_RM:
		return remove_node(c, t, op->path);
	case XS_OP_RM_IF_EQUALS:
		return rm_if_equals(c, t, op);
	case XS_OP_REQUIRE:
	case XS_OP_REQUIRE_EXISTS:
		return require(c, t, op);
	case XS_OP_SET_PERMS:
		return set_perms(c, t, op);
	}
	return -EINVAL;
}

static bool op_changes(const struct xs_op *op)
{
	return op->kind != XS_OP_READ && op->kind != XS_OP_LIST && op->kind != XS_OP_REQUIRE &&
	       op->kind != XS_OP_REQUIRE_EXISTS;
}

/* Does this operation's failure end the whole batch? A node that isn't there is an answer. */
static bool ends_batch(const struct xs_batch *batch, const struct xs_op *op)
{
	if (op->status >= 0) {
		return false;
	}
	if (op->kind == XS_OP_REQUIRE || op->kind == XS_OP_REQUIRE_EXISTS) {
		return true;
	}
	if (!(batch->flags & XS_BATCH_TRANSACTION)) {
		return false;
	}
	if (op->kind == XS_OP_READ || op->kind == XS_OP_LIST || op->kind == XS_OP_SET_PERMS) {
		return op->status != -ENOENT;
	}
	return op->kind != XS_OP_RM_IF_EQUALS || op->status != -ESTALE;
}

/* RET_CHANGED: something may have been changed for good. */
static int run_ops(struct xs_conn *c, xs_transaction_t t, struct xs_batch *batch, bool *ret_changed)
{
	for (unsigned i = 0; i < batch->ops.len; i++) {
		struct xs_op *op = &batch->ops.ops[i];

		op->status = run_op(c, t, op);
		if (t == XBT_NULL && op_changes(op) && !(c->lost && c->unsent)) {
			*ret_changed = true;
		}
		if (c->lost) {
			return -ECONNRESET;
		}
		if (ends_batch(batch, op)) {
			return op->status;
		}
	}
	return 0;
}

static int run_transaction_once(
	struct xs_conn *c, struct xs_batch *batch, int64_t deadline_ms, bool *ret_changed)
{
	xs_transaction_t t = xs_transaction_start(c->request);
	int r = check_change(c, t != XBT_NULL);

	if (r < 0) {
		return r;
	}
	r = run_ops(c, t, batch, ret_changed);
	if (r == 0 && xs_now_ms() >= deadline_ms) {
		r = -ETIMEDOUT; /* the caller was told so already: nothing may happen any more */
	}
	if (r == 0) {
		r = check_change(c, xs_transaction_end(c->request, t, false));
		*ret_changed = !(c->lost && c->unsent);
		if (r == 0 || r == -EAGAIN) {
			return r; /* either way the server has closed it */
		}
	}
	if (!c->lost) {
		/* ENOENT, when a commit that failed closed it, is as good */
		int ignored = check(c, xs_transaction_end(c->request, t, true));

		(void)ignored;
	}
	return r;
}

static int run_transaction(
	struct xs_conn *c, struct xs_batch *batch, int64_t deadline_ms, bool *ret_changed)
{
	for (unsigned try = 0; try < LIMIT_XS_TRANSACTION_TRIES; try++) {
		int r = run_transaction_once(c, batch, deadline_ms, ret_changed);

		if (r != -EAGAIN) {
			return r;
		}
		*ret_changed = false;
		xs_batch_reset(batch);
		if (xs_now_ms() >= deadline_ms) {
			return -ETIMEDOUT;
		}
	}
	return -EAGAIN;
}

/* A look at the lifeline saves a batch that can't arrive any more from being half sent. */
static bool is_over(const struct xs_conn *c)
{
	struct pollfd p = {.fd = c->lifeline, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

bool xs_conn_run(struct xs_conn *c, struct xs_job *job)
{
	bool changed = false;

	if (xs_now_ms() >= job->deadline_ms) {
		job->status = -ETIMEDOUT;
		return true;
	}
	if (is_over(c)) {
		c->lost = true;
		return false;
	}
	xs_batch_reset(job->batch);
	if (job->batch->flags & XS_BATCH_TRANSACTION) {
		job->status = run_transaction(c, job->batch, job->deadline_ms, &changed);
	} else {
		job->status = run_ops(c, XBT_NULL, job->batch, &changed);
	}
	if (job->status == 0 && job->connect && xs_now_ms() >= job->deadline_ms) {
		job->status = -ETIMEDOUT;
	} else if (job->status == 0 && job->connect) {
		job->status = xs_connect_run(job->connect);
		return true;
	}
	return job->status != -ECONNRESET || changed || ++job->breaks >= BREAKS_MAX;
}
