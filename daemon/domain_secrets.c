/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Passwords that libxl leaves where the guest can read them. Domain 0 alone needs them: clients
 * there, and the QEMU that runs there. Permissions stay with a node when its value changes, so
 * each is closed before the guest can run:
 *
 * - the VNC password of a framebuffer, which libxl writes into its backend's node before it starts
 *   the device model;
 * - /vm/UUID/vncpasswd, which libxl writes then as well, for whatever QEMU;
 * - console/vnc-pass, which libxl writes when it sees the device model run: made here before that,
 *   empty and closed.
 *
 * Once more at an adoption, for what a daemon left open that did not do this yet.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/dmopt.h"
#include "lib/limits.h"
#include "lib/vncpass.h"
#include "proto/follow.h"

static void vfb_path(const struct domain *d, char ret[XENLAYOUT_PATH_MAX])
{
	snprintf(ret, XENLAYOUT_PATH_MAX, "/local/domain/0/backend/vfb/%u", d->dom.domid);
}

static void note_vfbs(struct domain *d, const struct xs_results *results)
{
	size_t len = 0;
	const char *const *names = xs_results_list(results, 0, &len);
	char path[XENLAYOUT_PATH_MAX];

	vfb_path(d, path);
	strv_fini(&d->secrets.paths);
	for (size_t i = 0; names && i < len && i < LIMIT_BACKENDS; i++) {
		strv_addf(&d->secrets.paths, "%s/%.32s/vncpasswd", path, names[i]);
	}
}

static int list_vfbs(struct domain *d, xs_done_fn done)
{
	struct xs_batch *batch = xs_batch_new(0);
	char path[XENLAYOUT_PATH_MAX];

	vfb_path(d, path);
	xs_batch_list(batch, path);
	return store_submit(d->s->store, batch, d->s->config->xenstore_timeout_ms, done, d,
		&d->secrets.xs_request);
}

static void fail_start(struct domain *d, int r)
{
	struct err err;

	err_set_errno(&err, r, "xenstore, the framebuffers of the domain");
	domain_start_failed(d, &err);
}

static void on_vfbs_to_start(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;

	d->secrets.xs_request = 0;
	if (status == 0) {
		note_vfbs(d, results);
		status = strv_status(&d->secrets.paths);
	}
	if (status < 0) {
		fail_start(d, status);
	} else {
		domain_prepared_secrets(d);
	}
}

void domain_prepare_secrets(struct domain *d)
{
	int r;

	if (!dmopt_is_xenpv(&d->r.argv)) { /* nobody else has a framebuffer */
		domain_prepared_secrets(d);
		return;
	}
	r = list_vfbs(d, on_vfbs_to_start);
	if (r < 0) {
		fail_start(d, r);
	}
}

void domain_close_secrets(const struct domain *d, struct xs_batch *batch)
{
	char path[XENLAYOUT_PATH_MAX];

	if (domain_handoff_is_source(d) && vncpass_wanted(&d->r.argv)) {
		xenlayout_domain(d->dom.domid, FOLLOW_PASSWORD_KEY, path);
		xs_batch_write_if_absent(batch, path, "");
		xs_batch_set_perms(batch, path, 0);
		snprintf(path, sizeof(path), "/vm/%s/vncpasswd", d->uuid);
		xs_batch_set_perms(batch, path, 0);
	}
	STRV_FOREACH (vncpasswd, &d->secrets.paths) {
		xs_batch_set_perms(batch, vncpasswd, 0);
	}
}

void domain_remove_secrets(const struct domain *d, struct xs_batch *batch)
{
	char path[XENLAYOUT_PATH_MAX];

	if (domain_handoff_is_source(d) && vncpass_wanted(&d->r.argv)) {
		xenlayout_domain(d->dom.domid, FOLLOW_PASSWORD_KEY, path);
		xs_batch_rm_if_equals(batch, path, "");
	}
}

static void on_vfbs_to_adopt(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;
	struct xs_batch *batch;
	char path[XENLAYOUT_PATH_MAX];

	d->secrets.xs_request = 0;
	if (status < 0) {
		domain_log(d, LOG_LVL_WARNING, "xenstore, passwords: %s", strerror(-status));
		return;
	}
	note_vfbs(d, results);
	batch = xs_batch_new(XS_BATCH_TRANSACTION);
	xenlayout_xendmd(d->dom.domid, "uuid", path);
	xs_batch_require(batch, path, d->uuid);
	xenlayout_domain(d->dom.domid, NULL, path);
	xs_batch_require_exists(batch, path);
	domain_close_secrets(d, batch);
	store_submit_detached(
		d->s->store, batch, d->s->config->xenstore_timeout_ms, "passwords of a domain");
}

void domain_adopt_secrets(struct domain *d)
{
	if (vncpass_wanted(&d->r.argv) || dmopt_is_xenpv(&d->r.argv)) {
		list_vfbs(d, on_vfbs_to_adopt);
	}
}

void domain_drop_secrets(struct domain *d)
{
	store_cancel(d->s->store, d->secrets.xs_request);
	d->secrets.xs_request = 0;
}
