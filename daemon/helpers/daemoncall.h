/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A call that a helper process makes of the daemon, with descriptors beside it, answered more than
 * once. Waits, at most until a time that it is given (daemoncall_now_ms()), and no longer than its
 * watched process lives.
 *
 * Each of them: -ETIMEDOUT; -ECHILD: the watched process ended; -ENOMEM; -EBADMSG: not an answer;
 * what connect() and sendmsg() say; and when the daemon went away in the middle, what
 * daemoncall_was_cut_off() knows.
 */
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "proto/varlink.h"

struct daemoncall {
	/* The caller's to fill, and to keep. */
	const char *method;
	struct json_object *parameters; /* NULL counts as no memory */
	const int *fds;
	unsigned fds_len; /* at most LIMIT_CONTROL_FDS */
	int watched;	  /* pidfd; -1: none */

	int sock; /* -1: not connected; to begin with as well */
	struct varlink_framer in;
};

int64_t daemoncall_now_ms(void);

/* Connects afresh, calls, and waits for the first answer, the caller's. */
int daemoncall_ask(struct daemoncall *c, int64_t until_ms, struct varlink_reply *ret);
/* The same, again as long as it is cut off: a daemon is being restarted. */
int daemoncall_ask_on(struct daemoncall *c, int64_t until_ms, struct varlink_reply *ret);
/* The next answer; the caller's. */
int daemoncall_next(struct daemoncall *c, int64_t until_ms, struct varlink_reply *ret);
/* As above, but only what has come already: -EAGAIN. Nothing more comes after it: the daemon can't
 * send any. */
int daemoncall_last(struct daemoncall *c, struct varlink_reply *ret);
void daemoncall_end(struct daemoncall *c);

bool daemoncall_was_cut_off(int r);
