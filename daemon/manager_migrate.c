/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which domain a migration, a balloon's size or a query is for. */
#include "daemon/manager_impl.h"
#include "lib/cleanup.h"

int manager_migrate(void *ctx, const char *who, struct migrate_request *request,
	struct control_call *call, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	if (r < 0) {
		close_p(&request->fd);
		return r;
	}
	return domain_migrate(d, request, call, err);
}

int manager_migrate_cancel(void *ctx, const char *who, struct control_call *call, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	return r < 0 ? r : domain_migrate_cancel(d, call, err);
}

int manager_balloon(
	void *ctx, const char *who, uint64_t mib, struct control_call *call, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	return r < 0 ? r : domain_balloon(d, mib, call, err);
}

int manager_query(void *ctx, const char *who, bool root, const char *what,
	struct control_call *call, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	return r < 0 ? r : domain_query(d, root, what, call, err);
}
