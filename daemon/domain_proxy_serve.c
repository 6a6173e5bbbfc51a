/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a proxy serves: its record, the session with the stub domain, the sockets of others. */
#include "daemon/domain_proxy_private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fsutil.h"

/* With the run directory, unless that has more to tell. */
void domain_proxy_remove_record(const struct domain *d)
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

void domain_proxy_rewrite_record(struct domain *d)
{
	struct err err;

	if (write_record(d, &err) < 0) {
		domain_log(d, LOG_LVL_WARNING, "proxy record: %s", err.text);
	}
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

static void libxenstat_socket(const struct domain *d, char *ret, size_t size)
{
	snprintf(ret, size, "%s/qmp-libxenstat-%u", d->s->paths->xen_run_dir, d->dom.domid);
}

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
int domain_proxy_serve(struct domain *d, struct err *err)
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
