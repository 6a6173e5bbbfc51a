/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The set of domains and everything they share; what main() makes and ends. */
#include <stdbool.h>

#include "lib/config.h"
#include "lib/err.h"

struct loop;
struct manager;

struct manager_params {
	struct loop *loop;
	const char *config_path;
	int control_fd;	       /* from systemd, taken over; -1: bind it ourselves */
	struct config *config; /* taken over */
};

/* Opens everything, takes up records, begins to watch. -errno with ERR. */
int manager_new(struct manager **ret, const struct manager_params *params, struct err *err);
/* A clean stop begins: takes out of xenstore what names this process. FN comes once, perhaps from
 * within, at most a few seconds later; then manager_free(). */
void manager_leave(struct manager *m, void (*fn)(void *ctx), void *ctx);
/* Leaves every device model running. Returns NULL. */
struct manager *manager_free(struct manager *m);

/* SIGHUP: look at all domains again. */
void manager_look(struct manager *m);
/* Domains and running device models, for sd_notify's STATUS. */
void manager_counts(const struct manager *m, unsigned *ret_domains, unsigned *ret_running);
/* Called when the counts may have changed or a reload begins (true) and ends (false). */
void manager_on_change(struct manager *m, void (*fn)(void *ctx),
	void (*reloading)(void *ctx, bool begins), void *ctx);
