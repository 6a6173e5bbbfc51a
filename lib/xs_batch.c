/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/xs_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "lib/limits.h"

/*
 * Lists of operations and their answers; no connection here. Paths and sizes are checked when an
 * operation is appended, for two reasons: a bad path is then this side's error, told before
 * anything happened, and the server's EINVAL can only mean an error word that libxenstore doesn't
 * know (see xs_conn.c).
 */
#define BATCH_OPS_MAX 4096

struct xs_batch *xs_batch_new(unsigned flags)
{
	struct xs_batch *batch = calloc(1, sizeof(*batch));

	if (batch) {
		batch->flags = flags;
	}
	return batch;
}

static void op_reset(struct xs_op *op)
{
	op->status = 0;
	free(op->value);
	free(op->list);
	op->value = NULL;
	op->list = NULL;
	op->list_len = 0;
}

void xs_batch_reset(struct xs_batch *batch)
{
	for (unsigned i = 0; i < batch->ops.len; i++) {
		op_reset(&batch->ops.ops[i]);
	}
}

struct xs_batch *xs_batch_free(struct xs_batch *batch)
{
	if (!batch) {
		return NULL;
	}
	xs_batch_reset(batch);
	for (unsigned i = 0; i < batch->ops.len; i++) {
		free(batch->ops.ops[i].path);
		free(batch->ops.ops[i].arg);
	}
	free(batch->ops.ops);
	free(batch);
	return NULL;
}

struct xs_job *xs_job_free(struct xs_job *job)
{
	if (job) {
		xs_batch_free(job->batch);
		xs_connect_free(job->connect);
		free(job);
	}
	return NULL;
}

int xs_path_check(const char *path, bool special)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-/_@";
	size_t len = strlen(path);

	if (special && path[0] == '@') {
		return len <= XENSTORE_REL_PATH_MAX && !path[strspn(path, allowed)] ? 0 : -EINVAL;
	}
	if (path[0] != '/' || len > XENSTORE_ABS_PATH_MAX || path[strspn(path, allowed)] ||
		strstr(path, "//") || (len > 1 && path[len - 1] == '/')) {
		return -EINVAL;
	}
	return 0;
}

static int grow(struct xs_batch *batch)
{
	unsigned cap = batch->cap ? batch->cap * 2 : 8;
	struct xs_op *ops;

	if (batch->ops.len < batch->cap) {
		return 0;
	}
	if (cap > BATCH_OPS_MAX) {
		return -E2BIG;
	}
	ops = realloc(batch->ops.ops, cap * sizeof(*ops));
	if (!ops) {
		return -ENOMEM;
	}
	batch->ops.ops = ops;
	batch->cap = cap;
	return 0;
}

static int check_sizes(const char *path, const char *arg)
{
	int r = xs_path_check(path, false);

	if (r < 0) {
		return r;
	}
	/* path and NUL travel in the same message as the value */
	if (arg && strlen(path) + 1 + strlen(arg) > XENSTORE_PAYLOAD_MAX) {
		return -E2BIG;
	}
	return 0;
}

static unsigned append(struct xs_batch *batch, enum xs_op_kind kind, const char *path,
	const char *arg, uint32_t reader)
{
	struct xs_op op = {.kind = kind, .reader = reader};
	int r;

	if (!batch || batch->error) {
		return 0;
	}
	r = check_sizes(path, arg);
	if (r >= 0) {
		r = grow(batch);
	}
	if (r < 0) {
		batch->error = r;
		return 0;
	}
	op.path = strdup(path);
	op.arg = arg ? strdup(arg) : NULL;
	if (!op.path || (arg && !op.arg)) {
		free(op.path);
		free(op.arg);
		batch->error = -ENOMEM;
		return 0;
	}
	batch->ops.ops[batch->ops.len] = op;
	return batch->ops.len++;
}

unsigned xs_batch_read(struct xs_batch *batch, const char *path)
{
	return append(batch, XS_OP_READ, path, NULL, 0);
}

unsigned xs_batch_list(struct xs_batch *batch, const char *path)
{
	return append(batch, XS_OP_LIST, path, NULL, 0);
}

unsigned xs_batch_write(struct xs_batch *batch, const char *path, const char *value)
{
	return append(batch, XS_OP_WRITE, path, value, 0);
}

unsigned xs_batch_write_if_absent(struct xs_batch *batch, const char *path, const char *value)
{
	return append(batch, XS_OP_WRITE_IF_ABSENT, path, value, 0);
}

unsigned xs_batch_mkdir(struct xs_batch *batch, const char *path)
{
	return append(batch, XS_OP_MKDIR, path, NULL, 0);
}

unsigned xs_batch_rm(struct xs_batch *batch, const char *path)
{
	return append(batch, XS_OP_RM, path, NULL, 0);
}

unsigned xs_batch_rm_if_equals(struct xs_batch *batch, const char *path, const char *value)
{
	return append(batch, XS_OP_RM_IF_EQUALS, path, value, 0);
}

unsigned xs_batch_require(struct xs_batch *batch, const char *path, const char *value)
{
	return append(batch, XS_OP_REQUIRE, path, value, 0);
}

unsigned xs_batch_require_exists(struct xs_batch *batch, const char *path)
{
	return append(batch, XS_OP_REQUIRE_EXISTS, path, NULL, 0);
}

unsigned xs_batch_set_perms(struct xs_batch *batch, const char *path, uint32_t reader)
{
	return append(batch, XS_OP_SET_PERMS, path, NULL, reader);
}

int xs_results_status(const struct xs_results *results, unsigned index)
{
	return results && index < results->len ? results->ops[index].status : -EINVAL;
}

const char *xs_results_value(const struct xs_results *results, unsigned index)
{
	return results && index < results->len ? results->ops[index].value : NULL;
}

const char *const *xs_results_list(
	const struct xs_results *results, unsigned index, size_t *ret_len)
{
	if (!results || index >= results->len || !results->ops[index].list) {
		*ret_len = 0;
		return NULL;
	}
	*ret_len = results->ops[index].list_len;
	return (const char *const *)results->ops[index].list;
}
