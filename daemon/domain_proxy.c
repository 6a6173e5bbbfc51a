/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Steps: checked (xenstore names guest and stub domain as each other's), served, told (the state
 * node that libxl waits for), named (image/qmp-proxy-pid is ours), let go.
 *
 * libxl writes the helper's pid to that node from an intermediate process, which it kills as soon
 * as it has seen the state; a helper that ends before that one makes the creation fail. So the
 * helper stays until the intermediate process (whose pidfd came with the call) is gone and the
 * node, which may be written late or never, names us: what libxl signals at destroy is a process
 * that lives.
 *
 * A page of the stub domain that stays mapped keeps all of it in the hypervisor's list. Everything
 * here ends at the first sign that stub domain or guest goes, whoever tells first.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fsutil.h"
#include "lib/procinfo.h"

#define RETRY_MS 1000
#define SHUTDOWN_SUSPEND 2 /* xen/include/public/sched.h: its pages stay */

static void pid_node(const struct domain *d, char ret[XENLAYOUT_PATH_MAX])
{
	xenlayout_domain(d->proxy->r.request.stub, "image/qmp-proxy-pid", ret);
}

static void watch_node(struct domain *d, bool on)
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

/* With the run directory, unless that has more to tell. */
static void remove_record(const struct domain *d)
{
	char path[PATH_MAX];
	struct err err;

	domain_run_dir(d, d->recorded ? PROXY_RECORD : NULL, path, sizeof(path));
	if (d->recorded) {
		unlink(path);
	} else if (fsutil_remove_dir(path, &err) < 0) {
		domain_log(d, LOG_LVL_ERROR, "%s", err.text);
	}
}

static int write_record(struct domain *d, struct err *err)
{
	_cleanup_free_ char *text = proxy_record_encode(&d->proxy->r);
	char path[PATH_MAX];
	int r;

	if (!text) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	domain_run_dir(d, NULL, path, sizeof(path));
	r = fsutil_mkdir(path, 0700, err);
	if (r < 0) {
		return r;
	}
	domain_run_dir(d, PROXY_RECORD, path, sizeof(path));
	return fsutil_write_atomic(path, text, strlen(text), 0600, true, err);
}

/* What it has under way, and the object. Its call has been answered. */
static void forget(struct domain *d)
{
	struct proxy *p = d->proxy;

	store_cancel(d->s->store, p->xs_request);
	loop_timer_stop(&p->retry);
	watch_node(d, false);
	d->proxy = proxy_free(p);
}

static void answer(struct proxy *p, const struct err *err)
{
	if (p->call && err) {
		control_fail(p->call, err);
	} else if (p->call) {
		control_complete(p->call, NULL);
	}
	p->call = NULL;
}

static void end(struct domain *d, const struct err *err)
{
	struct proxy *p = d->proxy;

	if (err) {
		domain_log(d, LOG_LVL_WARNING, "QMP of its stub domain %u: %s", p->r.request.stub,
			err->text);
	}
	answer(p, err);
	if (p->serving) {
		domain_qmp_close(d);
	} else if (p->taken_up) {
		domain_proxy_remove_sockets(d->s, &p->r);
	}
	remove_record(d);
	forget(d);
	domain_changed(d);
}

static void libxenstat_socket(const struct domain *d, char *ret, size_t size)
{
	snprintf(ret, size, "%s/qmp-libxenstat-%u", d->s->paths->xen_run_dir, d->dom.domid);
}

static const struct monitor_ops session_ops;

static int open_session(struct domain *d, struct err *err)
{
	char node[PROXY_NODE_MAX];
	int r;

	proxy_node(d->proxy->r.request.stub, d->dom.domid, node);
	r = monitor_new_vchan(&d->monitor, d->s->loop, d->s->store, d->proxy->r.request.stub, node,
		d->s->config->qmp_timeout_ms, &session_ops, d);
	if (r < 0) {
		return err_set_errno(err, r, "QMP session");
	}
	monitor_set_heartbeat(d->monitor, (int64_t)d->s->config->qmp_heartbeat_s * 1000);
	return 0;
}

/* What a toolstack asked for must be there; what is our own addition is worth a word. */
static int serve(struct domain *d, struct err *err)
{
	struct proxy *p = d->proxy;
	char path[PATH_MAX];
	struct err ours;
	int r = write_record(d, err);

	if (r == 0) {
		r = open_session(d, err);
	}
	if (r < 0) {
		return r;
	}
	p->serving = true;
	r = domain_qmp_serve_fd(
		d, QMP_CLASS_LIBXL, p->r.request.socket, TAKE_FD(p->listen_fd), err);
	if (r < 0) {
		return r;
	}
	libxenstat_socket(d, path, sizeof(path));
	r = proxy_check_socket(path);
	if (r < 0) {
		err_set_errno(&ours, r, "\"%s\"", path);
	} else {
		r = domain_qmp_serve(d, QMP_CLASS_STATS, path, &ours);
	}
	if (r < 0) {
		domain_log(d, LOG_LVL_WARNING, "no QMP socket for libxenstat: %s", ours.text);
	}
	domain_qmp_open(d);
	domain_log(d, LOG_LVL_INFO, "its QMP, in stub domain %u, is served at \"%s\"",
		p->r.request.stub, p->r.request.socket);
	domain_changed(d);
	return 0;
}

static void advance(struct domain *d);

static void on_retry(void *arg)
{
	advance(arg);
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
		end(d, &err);
		return;
	}
	if (status < 0) {
		again(d, "qmp-proxy-state", status);
		return;
	}
	d->proxy->told = true;
	advance(d);
}

static void tell(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);

	if (batch) {
		require_stub(d, batch);
		xs_batch_write(batch, d->proxy->r.request.state_path, "running");
	}
	submit(d, batch, on_told);
}

static void rewrite_record(struct domain *d)
{
	struct err err;

	if (write_record(d, &err) < 0) {
		domain_log(d, LOG_LVL_WARNING, "proxy record: %s", err.text);
	}
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
			rewrite_record(d);
		}
	} else if (status != -ESTALE) {
		again(d, "qmp-proxy-pid", status);
		return;
	} else if (!p->parent_gone) {
		return; /* not written yet: the watch tells */
	}
	advance(d);
}

/* Nobody else writes the node once libxl has written it, or its process is gone. */
static void name(struct domain *d)
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

static void let_go(struct domain *d)
{
	struct proxy *p = d->proxy;

	answer(p, NULL);
	watch_node(d, false);
	p->parent = p->parent ? process_free(p->parent) : NULL;
	if (p->r.helper) {
		p->r.helper = 0;
		rewrite_record(d);
	}
}

static void check(struct domain *d);

/* Whatever came: goes on where it can. */
static void advance(struct domain *d)
{
	struct proxy *p = d->proxy;

	if (p->xs_request) {
		return;
	}
	if (!p->serving) {
		check(d);
	} else if (!p->told) {
		tell(d);
	} else if (!p->named) {
		watch_node(d, true);
		name(d);
	} else if (p->parent_gone) {
		let_go(d);
	}
}

void domain_proxy_on_node(struct domain *d)
{
	if (d->proxy) {
		advance(d);
	}
}

static void on_parent_gone(void *ctx, const struct exit_info *exit)
{
	struct domain *d = ctx;

	d->proxy->parent = process_free(d->proxy->parent);
	d->proxy->parent_gone = true;
	advance(d);
}

static int watch_parent(struct domain *d, struct proxy *p, struct err *err)
{
	int r = process_new(
		&p->parent, d->s->loop, 0, TAKE_FD(p->parent_fd), false, on_parent_gone, d);

	return r < 0 ? err_set_errno(err, r, "the helper's parent") : 0;
}

/* SIGHUP to the helper, its death, its deadline: before the toolstack was told it has given up;
 * later it is the domains' end that decides. */
static void on_helper_gone(void *ctx)
{
	struct domain *d = ctx;
	struct err err;

	err_set(&err, -ECANCELED, "its toolstack gave up (" PROXY_PROGRAM ", pid %d, ended)",
		d->proxy->r.helper);
	if (!d->proxy->told) {
		end(d, &err);
	} else {
		answer(d->proxy, &err);
	}
}

static bool is_stub(const struct domain *d, const struct toolstack_domain *dom)
{
	return dom->domid == d->proxy->r.request.stub &&
	       !memcmp(dom->uuid, d->proxy->r.stub_uuid, sizeof(dom->uuid));
}

static bool is_going(const struct toolstack_domain *stub)
{
	return stub->dying || (stub->shutdown && stub->shutdown_reason != SHUTDOWN_SUSPEND);
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
	struct toolstack_domain stub;

	if (d->gone || d->dom.dying || toolstack_get(d->s->ts, request->stub, &stub) < 0 ||
		!is_stub(d, &stub) || is_going(&stub)) {
		return err_set(err, -ENOENT, "the domain, or its stub domain, is going");
	}
	if (!names(results, OP_TARGET, request->guest) || !names(results, OP_STUB, request->stub)) {
		return err_set(err, -EPERM,
			"domain %u is not the stub domain of domain %u: /local/domain/%u/target "
			"and "
			"/local/domain/%u/image/device-model-domid don't name each other",
			request->stub, request->guest, request->stub, request->guest);
	}
	return 0;
}

static void on_checked(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;
	struct proxy *p = d->proxy;
	struct err err;
	int r;

	p->xs_request = 0;
	if (status < 0 && !p->call) { /* an earlier daemon had found it right */
		again(d, "stub domain", status);
		return;
	}
	r = status < 0 ? err_set_errno(&err, status, "xenstore") : verify(d, results, &err);
	if (r == 0 && p->call) {
		control_accept(p->call);
		if (!d->proxy) {
			return; /* went away under our answer */
		}
	}
	if (r == 0) {
		r = serve(d, &err);
	}
	if (r < 0) {
		end(d, &err);
		return;
	}
	advance(d);
}

static void check(struct domain *d)
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

/* The socket that came, by its path: a later daemon binds it again. */
static int take_socket(struct proxy *p, struct err *err)
{
	struct sockaddr_un address = {0};
	socklen_t len = sizeof(address);
	int listening = 0;
	int r;

	if (p->listen_fd < 0) {
		r = proxy_check_socket(p->r.request.socket);
		return r < 0 ? err_set_errno(err, r, "\"%s\"", p->r.request.socket) : 0;
	}
	if (getsockname(p->listen_fd, (struct sockaddr *)&address, &len) < 0 ||
		address.sun_family != AF_UNIX || address.sun_path[0] != '/' ||
		getsockopt(p->listen_fd, SOL_SOCKET, SO_ACCEPTCONN, &listening,
			&(socklen_t){sizeof(listening)}) < 0 ||
		!listening) {
		return err_set(
			err, -EINVAL, "the descriptor is no unix socket that listens at a path");
	}
	p->r.request.socket = strndup(address.sun_path, sizeof(address.sun_path));
	if (!p->r.request.socket) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	return proxy_check(&p->r.request, err);
}

/* The same helper again: the daemon that took its call is gone. */
static int resume(struct domain *d, struct proxy *p, struct err *err)
{
	struct proxy *own = d->proxy;
	int r = watch_parent(d, p, err);

	if (r < 0) {
		return r;
	}
	if (own->parent) {
		process_free(own->parent);
	}
	own->parent = TAKE_PTR(p->parent);
	own->parent_gone = own->named = false;
	own->call = TAKE_PTR(p->call);
	proxy_free(p);
	control_on_gone(own->call, on_helper_gone, d);
	control_accept(own->call);
	if (d->proxy) {
		advance(d);
	}
	return 0;
}

static int check_domains(const struct domain *d, struct proxy *p, struct err *err)
{
	struct toolstack_domain stub;
	int r = toolstack_get(d->s->ts, p->r.request.stub, &stub);

	if (r < 0) {
		return err_set_errno(
			err, r == -ESRCH ? -ENOENT : r, "domain %u", p->r.request.stub);
	}
	if (d->dom.dying || stub.dying || stub.shutdown) {
		return err_set(err, -EIO, "domain %u is going",
			d->dom.dying ? d->dom.domid : p->r.request.stub);
	}
	memcpy(p->r.stub_uuid, stub.uuid, sizeof(p->r.stub_uuid));
	memcpy(p->r.guest_uuid, d->dom.uuid, sizeof(p->r.guest_uuid));
	return 0;
}

int domain_proxy_take(struct domain *d, struct proxy *p, struct err *err)
{
	int r;

	if (d->proxy && !d->proxy->call && p->r.helper == d->proxy->r.helper &&
		p->r.request.stub == d->proxy->r.request.stub) {
		return resume(d, p, err);
	}
	if (d->proxy || d->monitor) {
		return err_set(
			err, -EALREADY, "domain %u: its QMP is served already", d->dom.domid);
	}
	if ((r = check_domains(d, p, err)) < 0 || (r = take_socket(p, err)) < 0 ||
		(r = procinfo_boot_id(p->r.boot_id)) < 0 || (r = watch_parent(d, p, err)) < 0) {
		return r;
	}
	p->told = !p->r.request.state_path;
	d->proxy = p;
	control_on_gone(p->call, on_helper_gone, d);
	check(d);
	return 0;
}

/* The helper may still be there: it outlives libxl's process. */
static void adopt_helper(struct domain *d, struct proxy *p)
{
	struct err err;

	if (p->r.helper && domain_is_our_helper(p->r.helper)) {
		p->parent_fd = pidfd_open(p->r.helper, 0);
	}
	p->parent_gone = p->parent_fd < 0 || watch_parent(d, p, &err) < 0;
}

void domain_proxy_begin_again(struct domain *d, struct proxy *p)
{
	d->proxy = p;
	p->taken_up = true;
	p->told = !p->r.helper || !p->r.request.state_path;
	adopt_helper(d, p);
	check(d);
}

void domain_proxy_end(struct domain *d)
{
	struct err err;

	if (d->proxy) {
		err_set(&err, -ENOENT, "the domain goes");
		end(d, &err);
	}
}

void domain_proxy_on_down(struct domain *d, const struct toolstack_domain *stub)
{
	struct err err;

	if (d->proxy && is_stub(d, stub) && is_going(stub)) {
		err_set(&err, -ENOENT, "the stub domain goes");
		end(d, &err);
	}
}

void domain_proxy_detach(struct domain *d)
{
	if (d->proxy) {
		/* No word: the helper tries the next daemon. */
		if (d->proxy->call) {
			control_drop(TAKE_PTR(d->proxy->call));
		}
		forget(d);
	}
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

static void on_session_ready(void *ctx)
{
	domain_changed(ctx);
}

static void on_session_absent(void *ctx)
{
	struct domain *d = ctx;

	domain_log(d, LOG_LVL_NOTICE, "its device model in stub domain %u serves no QMP",
		d->proxy->r.request.stub);
	domain_changed(d);
}

static void on_session_lost(void *ctx, const struct err *err)
{
	struct domain *d = ctx;

	domain_log(d, LOG_LVL_ERROR, "QMP session lost: %s", err->text);
	domain_drop_monitor(d);
}

static const struct monitor_ops session_ops = {.on_ready = on_session_ready,
	.on_lost = on_session_lost,
	.on_absent = on_session_absent,
	.on_quarantined = domain_qmp_quarantined,
	.on_event = domain_qmp_event,
	.on_audit = domain_qmp_audit};
