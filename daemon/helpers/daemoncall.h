/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A call that a helper process makes of the daemon, with descriptors beside it. Waits, at most
 * until a time that it is given (daemoncall_now_ms()), and no longer than its watched process
 * lives.
 */
#include <stdint.h>

#include <json-c/json.h>

#include "proto/varlink.h"

struct daemoncall {
	int sock;    /* -1: not connected */
	int watched; /* pidfd, borrowed; -1: none */
	struct varlink_framer in;
};

int64_t daemoncall_now_ms(void);

/* Connects and sends METHOD with PARAMETERS (taken over) and FDS, as a call that is answered more
 * than once. What went before is closed. -ENOENT, -ECONNREFUSED, … of connect(), -ETIMEDOUT,
 * -ECHILD: the watched process ended, -ENOMEM. */
int daemoncall_begin(struct daemoncall *c, const char *method, struct json_object *parameters,
	const int *fds, unsigned fds_len, int64_t until_ms);
/* The next answer; the caller's. -ETIMEDOUT, -ECHILD, -ENOTCONN: the daemon went away, -EBADMSG. */
int daemoncall_next(struct daemoncall *c, int64_t until_ms, struct varlink_reply *ret);
/* As above, but only what has come already: -EAGAIN. Nothing more comes after it: the daemon can't
 * send any. */
int daemoncall_last(struct daemoncall *c, struct varlink_reply *ret);
void daemoncall_end(struct daemoncall *c);
