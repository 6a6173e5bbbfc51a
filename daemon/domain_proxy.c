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
#include "daemon/domain_proxy_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/procinfo.h"

#define SHUTDOWN_SUSPEND 2 /* xen/include/public/sched.h: its pages stay */

/* What it has under way, and the object. Its call has been answered. */
static void forget(struct domain *d)
{
	struct proxy *p = d->proxy;

	store_cancel(d->s->store, p->xs_request);
	loop_timer_stop(&p->retry);
	domain_proxy_watch_node(d, false);
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

void domain_proxy_stop(struct domain *d, const struct err *err)
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
	domain_proxy_remove_record(d);
	forget(d);
	domain_changed(d);
}

static void let_go(struct domain *d)
{
	struct proxy *p = d->proxy;

	answer(p, NULL);
	domain_proxy_watch_node(d, false);
	p->parent = p->parent ? process_free(p->parent) : NULL;
	if (p->r.helper) {
		p->r.helper = 0;
		domain_proxy_rewrite_record(d);
	}
}

/* Whatever came: goes on where it can. */
void domain_proxy_advance(struct domain *d)
{
	struct proxy *p = d->proxy;

	if (p->xs_request) {
		return;
	}
	if (!p->serving) {
		domain_proxy_check(d);
	} else if (!p->told) {
		domain_proxy_tell(d);
	} else if (!p->named) {
		domain_proxy_watch_node(d, true);
		domain_proxy_name(d);
	} else if (p->parent_gone) {
		let_go(d);
	}
}

void domain_proxy_on_node(struct domain *d)
{
	if (d->proxy) {
		domain_proxy_advance(d);
	}
}

static void on_parent_gone(void *ctx, const struct exit_info *exit)
{
	struct domain *d = ctx;

	d->proxy->parent = process_free(d->proxy->parent);
	d->proxy->parent_gone = true;
	domain_proxy_advance(d);
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
		domain_proxy_stop(d, &err);
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

bool domain_proxy_stub_lives(const struct domain *d)
{
	struct toolstack_domain stub;

	return !d->gone && !d->dom.dying &&
	       toolstack_get(d->s->ts, d->proxy->r.request.stub, &stub) == 0 && is_stub(d, &stub) &&
	       !is_going(&stub);
}

void domain_proxy_checked(struct domain *d, const struct err *why)
{
	struct err err;

	if (!why && d->proxy->call) {
		control_accept(d->proxy->call);
		if (!d->proxy) {
			return; /* went away under our answer */
		}
	}
	if (!why && domain_proxy_serve(d, &err) < 0) {
		why = &err;
	}
	if (why) {
		domain_proxy_stop(d, why);
	} else {
		domain_proxy_advance(d);
	}
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
		domain_proxy_advance(d);
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
	domain_proxy_check(d);
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
	domain_proxy_check(d);
}

void domain_proxy_end(struct domain *d)
{
	struct err err;

	if (d->proxy) {
		err_set(&err, -ENOENT, "the domain goes");
		domain_proxy_stop(d, &err);
	}
}

void domain_proxy_on_down(struct domain *d, const struct toolstack_domain *stub)
{
	struct err err;

	if (d->proxy && is_stub(d, stub) && is_going(stub)) {
		err_set(&err, -ENOENT, "the stub domain goes");
		domain_proxy_stop(d, &err);
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
