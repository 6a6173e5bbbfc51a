/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/handoff.h"

#include <stdlib.h>

#include "daemon/process.h"
#include "lib/cleanup.h"

struct handoff *handoff_new(void)
{
	struct handoff *handoff = calloc(1, sizeof(*handoff));

	if (handoff) {
		handoff->parent_fd = -1;
	}
	return handoff;
}

void handoff_close_fds(struct handoff *handoff)
{
	while (handoff->fds_len) {
		close_p(&handoff->fds[--handoff->fds_len]);
	}
}

struct handoff *handoff_free(struct handoff *handoff)
{
	if (!handoff) {
		return NULL;
	}
	handoff_close_fds(handoff);
	close_p(&handoff->parent_fd);
	if (handoff->parent) {
		process_free(handoff->parent);
	}
	handoff_request_fini(&handoff->request);
	free(handoff);
	return NULL;
}
