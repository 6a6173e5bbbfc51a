/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/xs_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/vchan.h"

struct xs_connect *xs_connect_new(uint32_t domid, const char *path)
{
	struct xs_connect *k = calloc(1, sizeof(*k));

	if (!k) {
		return NULL;
	}
	k->domid = domid;
	k->path = strdup(path);
	return k->path ? k : xs_connect_free(k);
}

struct xs_connect *xs_connect_free(struct xs_connect *k)
{
	if (k) {
		vchan_close(k->vchan);
		free(k->path);
		free(k);
	}
	return NULL;
}

/* libxenvchan would not say what is missing. */
struct xs_batch *xs_connect_batch(const char *path)
{
	static const char *const nodes[] = {"ring-ref", "event-channel"};
	struct xs_batch *batch = xs_batch_new(0);
	char node[VCHAN_PATH_MAX + 16];

	for (size_t i = 0; i < 2; i++) {
		snprintf(node, sizeof(node), "%.*s/%s", VCHAN_PATH_MAX, path, nodes[i]);
		xs_batch_require_exists(batch, node);
	}
	return batch;
}

int xs_connect_run(struct xs_connect *k)
{
	int r = vchan_open(&k->vchan, k->domid, k->path, &k->err);

	/* -ENOENT is "nobody announces one", which was looked at before. */
	return r == -ENOENT ? -ENXIO : r;
}

const struct err *xs_connect_err(struct xs_connect *k, int status)
{
	if (status == -ESTALE) {
		err_set(&k->err, -ENOENT, "domain %u has no vchan server at \"%s\"", k->domid,
			k->path);
	} else if (!k->err.code) {
		err_set_errno(&k->err, status, "vchan \"%s\" of domain %u", k->path, k->domid);
	}
	k->err.code = status == -ESTALE ? -ENOENT : status;
	return &k->err;
}
