/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The internal method ProxyVchan: vchan-socket-proxy's call with the descriptors beside it. */
#include <errno.h>

#include "daemon/control_private.h"
#include "daemon/proxy.h"
#include "lib/cleanup.h"

static int take_request(
	struct control_call *call, struct json_object *parameters, struct proxy *p, struct err *err)
{
	struct control_fds *fds = call->fds;
	pid_t helper;
	int r;

	if (fds && fds->lost) {
		return err_set(err, -ENOBUFS, "descriptors that came with the call were lost");
	}
	r = proxy_decode(parameters, fds ? fds->len : 0, &p->r.request, err);
	if (r == 0) {
		r = call_peer_pid(call, &helper, err);
	}
	if (r < 0) {
		return r;
	}
	p->r.helper = helper;
	p->parent_fd = fds->fds[--fds->len];
	if (fds->len) {
		p->listen_fd = fds->fds[--fds->len];
	}
	return 0;
}

void method_proxy_vchan(struct control_call *call, struct json_object *parameters)
{
	struct control *control = call->client->control;
	struct proxy *p;
	struct err err = {0};
	int r;

	if (!call->more) {
		call_error(call, varlink_error_new(VARLINK_SERVICE ".ExpectedMore", NULL));
		return;
	}
	p = proxy_new();
	r = p ? take_request(call, parameters, p, &err) : err_set(&err, -ENOMEM, "out of memory");
	if (r == 0) {
		p->call = call;
		call->taken = true;
		r = control->backend->proxy(control->ctx, p, &err);
	}
	if (r < 0) {
		call->taken = false;
		proxy_free(p);
		/* Nothing about it is a definition. */
		err.code = err.code == -EINVAL ? -EIO : err.code;
		control_fail(call, &err);
	}
}
