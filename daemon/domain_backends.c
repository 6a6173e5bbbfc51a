/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backends of a PV guest whose QEMU is started once more. QEMU takes up a backend only in state
 * 1 ("Initialising"), and what a dead one left says 4 ("Connected"). The node is the backend's own,
 * so while there is no QEMU we say for it what its successor needs to read.
 *
 * Only where the successor can go on: rings of consoles, framebuffer and keyboard carry their own
 * positions. Those of disks do not: QEMU begins them anew at their first slot, and what it finds in
 * the slots of a ring in use are requests of the past, among them writes. So a connected disk is
 * left as it is, and told of; its toolstack can detach it. One that never got so far is taken up.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/events.h"
#include "lib/cleanup.h"
#include "lib/limits.h"

#define INITIALISING "1"

static const struct type {
	const char *name;
	bool goes_on; /* also where it was connected */
} types[] = {
	{"console", true},
	{"vfb", true},
	{"vkbd", true},
	{"qdisk", false},
	{"9pfs", false},
	{"qusb", false},
};

static void type_path(const struct domain *d, const struct type *t, char ret[XENLAYOUT_PATH_MAX])
{
	snprintf(ret, XENLAYOUT_PATH_MAX, "/local/domain/0/backend/%s/%u", t->name, d->dom.domid);
}

/* A store that does not answer leaves the backends as they are; the start itself waits for it. */
static void go_on(struct domain *d)
{
	strv_fini(&d->backend_paths);
	domain_submit_before_start(d);
}

static void reset(struct domain *d, const char *path, const char *state)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);
	char mark[XENLAYOUT_PATH_MAX];

	xenlayout_xendmd(d->dom.domid, "uuid", mark);
	xs_batch_require(batch, mark, d->uuid);
	xs_batch_require(batch, path, state); /* a toolstack may be detaching it */
	xs_batch_write(batch, path, INITIALISING);
	store_submit_detached(
		d->s->store, batch, d->s->config->xenstore_timeout_ms, "state of a backend");
}

static void tell_left(struct domain *d, const char *path)
{
	static const char prefix[] = "/local/domain/0/backend/", suffix[] = "/state";
	char text[256];

	snprintf(text, sizeof(text),
		"backend %.*s was connected and can't be taken up again: what the guest asks of "
		"it is not answered until it is detached and attached",
		(int)(strlen(path) - strlen(prefix) - strlen(suffix)), path + strlen(prefix));
	domain_warn(d, text);
}

static const struct type *type_of(const char *path)
{
	const char *name = path + strlen("/local/domain/0/backend/");

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		size_t len = strlen(types[i].name);

		if (!strncmp(name, types[i].name, len) && name[len] == '/') {
			return &types[i];
		}
	}
	return NULL;
}

/* 2: waits for its frontend, 3: unused by QEMU, 4: connected, 5 and 6: on its way out. */
static void decide(struct domain *d, const char *path, const char *state)
{
	const struct type *t = type_of(path);

	if (!t || !state || !state[0] || state[1] || state[0] < '2' || state[0] > '4') {
		return;
	}
	if (state[0] == '4' && !t->goes_on) {
		tell_left(d, path);
	} else {
		reset(d, path, state);
	}
}

static void on_states(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;

	d->xs_request = 0;
	for (size_t i = 0; status == 0 && i < d->backend_paths.len; i++) {
		decide(d, d->backend_paths.items[i], xs_results_value(results, i));
	}
	go_on(d);
}

static void note_paths(struct domain *d, const struct xs_results *results)
{
	char path[XENLAYOUT_PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		size_t len = 0;
		const char *const *names = xs_results_list(results, i, &len);

		type_path(d, &types[i], path);
		for (size_t k = 0; names && k < len && d->backend_paths.len < LIMIT_BACKENDS; k++) {
			strv_addf(&d->backend_paths, "%s/%.32s/state", path, names[k]);
		}
	}
}

static void on_lists(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;
	struct xs_batch *batch;

	d->xs_request = 0;
	if (status == 0) {
		note_paths(d, results);
	}
	if (strv_status(&d->backend_paths) < 0 || !d->backend_paths.len) {
		go_on(d);
		return;
	}
	batch = xs_batch_new(0);
	STRV_FOREACH (path, &d->backend_paths) {
		xs_batch_read(batch, path);
	}
	if (domain_xs(d, batch, d->s->config->xenstore_timeout_ms, on_states) < 0) {
		go_on(d);
	}
}

void domain_reset_backends(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(0);
	char path[XENLAYOUT_PATH_MAX];

	strv_fini(&d->backend_paths);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		type_path(d, &types[i], path);
		xs_batch_list(batch, path);
	}
	if (domain_xs(d, batch, d->s->config->xenstore_timeout_ms, on_lists) < 0) {
		go_on(d);
	}
}
