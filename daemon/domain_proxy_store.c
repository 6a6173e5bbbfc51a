/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a proxy asks of xenstore, one thing at a time, each until it is answered: who the domains
 * are, the state that libxl waits for, the pid that libxl signals.
 */
#include "daemon/domain_proxy_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RETRY_MS 1000

static void pid_node(const struct domain *d, char ret[XENLAYOUT_PATH_MAX])
{
	xenlayout_domain(d->proxy->r.request.stub, "image/qmp-proxy-pid", ret);
}

void domain_proxy_watch_node(struct domain *d, bool on)
{
	char path[XENLAYOUT_PATH_MAX], token[32];

	if (on == d->proxy->watched) {
		return;
	}
	d->proxy->watched = on;
	pid_node(d, path);
	snprintf(token, sizeof(token), DOMAIN_TOKEN_PROXY "/%u", d->dom.domid);
	if (on) {
		store_watch(d->s->store, path, token);
	} else {
		store_unwatch(d->s->store, path, token);
	}
}

static void on_retry(void *arg)
{
	domain_proxy_advance(arg);
}

static void again(struct domain *d, const char *what, int status)
{
	domain_log(d, LOG_LVL_WARNING, "%s: xenstore: %s; trying again", what, strerror(-status));
	loop_timer_start(d->s->loop, &d->proxy->retry, RETRY_MS, on_retry, d);
}

static void submit(struct domain *d, struct xs_batch *batch, xs_done_fn done)
{
	struct proxy *p = d->proxy;
	int r = batch ? store_submit(d->s->store, batch, d->s->config->xenstore_timeout_ms, done, d,
				&p->xs_request)
		      : -ENOMEM;

	if (r < 0) {
		again(d, "qmp-proxy", r);
	}
}

static void require_stub(const struct domain *d, struct xs_batch *batch)
{
	char path[XENLAYOUT_PATH_MAX];

	xenlayout_domain(d->proxy->r.request.stub, NULL, path);
	xs_batch_require_exists(batch, path);
}

static void on_told(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;
	struct err err;

	d->proxy->xs_request = 0;
	if (status == -ESTALE) {
		err_set(&err, -ENOENT, "xenstore does not know stub domain %u any more",
			d->proxy->r.request.stub);
		domain_proxy_stop(d, &err);
		return;
	}
	if (status < 0) {
		again(d, "qmp-proxy-state", status);
		return;
	}
	d->proxy->told = true;
	domain_proxy_advance(d);
}

void domain_proxy_tell(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);

	if (batch) {
		require_stub(d, batch);
		xs_batch_write(batch, d->proxy->r.request.state_path, "running");
	}
	submit(d, batch, on_told);
}

static void on_named(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;
	struct proxy *p = d->proxy;

	p->xs_request = 0;
	if (status == 0 || (status == -ESTALE && p->last_try)) {
		p->named = true; /* or the stub domain's tree has gone */
		if (!p->r.named) {
			p->r.named = true;
			domain_proxy_rewrite_record(d);
		}
	} else if (status != -ESTALE) {
		again(d, "qmp-proxy-pid", status);
		return;
	} else if (!p->parent_gone) {
		return; /* not written yet: the watch tells */
	}
	domain_proxy_advance(d);
}

/* Nobody else writes the node once libxl has written it, or its process is gone. */
void domain_proxy_name(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);
	struct proxy *p = d->proxy;
	char path[XENLAYOUT_PATH_MAX], ours[16], theirs[16];

	p->last_try = p->parent_gone || p->r.named;
	snprintf(ours, sizeof(ours), "%d", getpid());
	snprintf(theirs, sizeof(theirs), "%d", p->r.helper);
	pid_node(d, path);
	if (batch) {
		require_stub(d, batch);
		if (!p->last_try) {
			xs_batch_require(batch, path, theirs);
		}
		xs_batch_write(batch, path, ours);
	}
	submit(d, batch, on_named);
}

enum check_op { OP_TARGET, OP_STUB };

static bool names(const struct xs_results *results, enum check_op op, uint32_t domid)
{
	const char *value = xs_results_value(results, op);
	uint32_t named;

	return value && parse_domid(value, &named) == 0 && named == domid;
}

/* 0: xenstore and hypervisor agree that it is this guest's living stub domain. */
static int verify(const struct domain *d, const struct xs_results *results, struct err *err)
{
	const struct proxy_request *request = &d->proxy->r.request;

	if (!domain_proxy_stub_lives(d)) {
		return err_set(err, -ENOENT, "the domain, or its stub domain, is going");
	}
	if (!names(results, OP_TARGET, request->guest) || !names(results, OP_STUB, request->stub)) {
		return err_set(err, -EPERM,
			"domain %u is not the stub domain of domain %u: /local/domain/%u/target "
			"and /local/domain/%u/image/device-model-domid don't name each other",
			request->stub, request->guest, request->stub, request->guest);
	}
	return 0;
}

static void on_checked(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;
	struct err err;
	int r;

	d->proxy->xs_request = 0;
	if (status < 0 && !d->proxy->call) { /* an earlier daemon had found it right */
		again(d, "stub domain", status);
		return;
	}
	r = status < 0 ? err_set_errno(&err, status, "xenstore") : verify(d, results, &err);
	domain_proxy_checked(d, r < 0 ? &err : NULL);
}

void domain_proxy_check(struct domain *d)
{
	const struct proxy_request *request = &d->proxy->r.request;
	struct xs_batch *batch = xs_batch_new(0);
	char path[XENLAYOUT_PATH_MAX];

	if (batch) {
		xenlayout_domain(request->stub, "target", path);
		xs_batch_read(batch, path);
		xenlayout_domain(request->guest, "image/device-model-domid", path);
		xs_batch_read(batch, path);
	}
	submit(d, batch, on_checked);
}

bool domain_proxy_leave(const struct domain *d, struct xs_batch *batch)
{
	char path[XENLAYOUT_PATH_MAX], ours[16];

	if (!d->proxy) {
		return false;
	}
	snprintf(ours, sizeof(ours), "%d", getpid());
	pid_node(d, path);
	xs_batch_rm_if_equals(batch, path, ours);
	return true;
}
