/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does it matter which QEMU gets a command line? It is made for the oldest and for the newest. */
#include <string.h>

#include "lib/cleanup.h"
#include "lib/definition.h"
#include "lib/qemuopt.h"

static int build_for(unsigned version, const struct definition *d,
	const struct plan_context *context, const struct plan_config *config, struct plan *ret)
{
	struct plan_config of_version = *config;
	struct err err;

	of_version.qemu_version = version;
	return plan_build(d, context, &of_version, ret, &err);
}

static bool is_same(const struct strv *a, const struct strv *b)
{
	for (size_t i = 0; i < a->len && i < b->len; i++) {
		if (strcmp(a->items[i], b->items[i])) {
			return false;
		}
	}
	return a->len == b->len;
}

bool plan_depends_on_version(const struct definition *d, const struct plan_context *context,
	const struct plan_config *config, char **ret_program)
{
	_cleanup_(plan_fini) struct plan old = {0}, new = {0};
	int old_status, new_status;

	old_status = build_for(QEMUOPT_OLDEST, d, context, config, &old);
	new_status = build_for(QEMUOPT_NEWEST, d, context, config, &new);
	if (new_status < 0 || !new.binary || (old_status == 0 && is_same(&old.argv, &new.argv))) {
		return false;
	}
	*ret_program = TAKE_PTR(new.binary);
	return true;
}
