/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The internal method Handoff: dm-handoff's call with the descriptors that came beside it. */
#include <errno.h>
#include <sys/socket.h>

#include "daemon/control_private.h"
#include "daemon/handoff.h"
#include "lib/cleanup.h"

void control_accept(struct control_call *call)
{
	call_continue(call, NULL);
}

void control_on_gone(struct control_call *call, void (*fn)(void *ctx), void *ctx)
{
	call->on_gone = fn;
	call->gone_ctx = ctx;
}

void control_drop(struct control_call *call)
{
	call->on_gone = NULL;
	if (call->client) {
		client_drop(call->client);
	}
	control_complete(call, NULL);
}

int call_peer_pid(const struct control_call *call, pid_t *ret, struct err *err)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(call->client->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		return err_set_errno(err, -errno, "the caller's number");
	}
	*ret = cred.pid;
	return 0;
}

static int take_request(struct control_call *call, struct json_object *parameters,
	struct handoff *handoff, struct err *err)
{
	struct control_fds *fds = call->fds;
	int r;

	if (fds && fds->lost) {
		return err_set(err, -ENOBUFS,
			"descriptors that came with the call were lost: more than %d, or xendmd "
			"has too many open",
			LIMIT_CONTROL_FDS);
	}
	r = handoff_decode(parameters, fds ? fds->len : 0, &handoff->request, err);
	if (r == 0) {
		r = call_peer_pid(call, &handoff->helper, err);
	}
	if (r < 0) {
		return r;
	}
	handoff->parent_fd = fds->fds[--fds->len];
	for (unsigned i = 0; i < fds->len; i++) {
		handoff->fds[handoff->fds_len++] = fds->fds[i];
	}
	fds->len = 0;
	return 0;
}

void method_handoff(struct control_call *call, struct json_object *parameters)
{
	struct control *control = call->client->control;
	struct handoff *handoff;
	struct err err = {0};
	int r;

	if (!call->more) {
		call_error(call, varlink_error_new(VARLINK_SERVICE ".ExpectedMore", NULL));
		return;
	}
	handoff = handoff_new();
	r = handoff ? take_request(call, parameters, handoff, &err)
		    : err_set(&err, -ENOMEM, "out of memory");
	if (r == 0) {
		handoff->call = call;
		call->taken = true;
		r = control->backend->handoff(control->ctx, handoff, &err);
	}
	if (r < 0) {
		call->taken = false;
		handoff_free(handoff);
		/* Nothing about it is a definition. */
		err.code = err.code == -EINVAL || err.code == -E2BIG ? -EIO : err.code;
		control_fail(call, &err);
	}
}
