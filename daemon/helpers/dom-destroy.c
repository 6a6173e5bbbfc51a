/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib/parse.h"
#include "lib/toolstack.h"

/*
 * dom-destroy DOMID UUID: what on_exit=destroy runs. Taking a large domain apart keeps a hypercall
 * busy for seconds, which the daemon's loop can't afford. Exits 0 when that domain is gone or dying
 * for good, 1 when it could not be destroyed, 2 for a wrong call. The number alone destroys
 * nothing: it may be somebody else's by now.
 */
#define TRIES 600
#define PAUSE_MS 100

static int destroy(struct toolstack *ts, uint32_t domid, const uint8_t uuid[16])
{
	int r = -EAGAIN;

	for (unsigned i = 0; i < TRIES && (r == -EAGAIN || r == -EBUSY || r == -EINTR); i++) {
		if (i > 0) {
			poll(NULL, 0, PAUSE_MS);
		}
		r = toolstack_destroy(ts, domid, uuid);
	}
	return r == -ESRCH ? 0 : r;
}

int main(int argc, char **argv)
{
	struct toolstack *ts = NULL;
	uint8_t uuid[16];
	uint32_t domid;
	int r;

	if (argc != 3 || parse_domid(argv[1], &domid) < 0 || domid == 0 ||
		parse_uuid(argv[2], uuid) < 0) {
		fprintf(stderr, "usage: dom-destroy DOMID UUID\n");
		return 2;
	}
	r = toolstack_open(&ts);
	if (r < 0) {
		fprintf(stderr, "dom-destroy: can't reach the hypervisor: %s\n", strerror(-r));
		return 1;
	}
	r = destroy(ts, domid, uuid);
	toolstack_close(ts);
	if (r == -ESTALE) {
		fprintf(stderr, "dom-destroy: domain %u is not %s any more\n", domid, argv[2]);
	} else if (r < 0) {
		fprintf(stderr, "dom-destroy: domain %u: %s\n", domid, strerror(-r));
	}
	return r < 0 ? 1 : 0;
}
