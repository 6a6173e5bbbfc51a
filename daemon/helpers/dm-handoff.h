/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the sources of dm-handoff share. One thread, and it may wait. */
#include <stdint.h>

#include "proto/handoff.h"
#include "proto/varlink.h"

struct config;

/* To stderr: libxl's log of the device model. */
__attribute__((format(printf, 1, 2))) void helper_say(const char *fmt, ...);
int64_t helper_now_ms(void);

/* --- handoff_collect.c */

/* What this process was given: environment, every descriptor but EXCEPT_FD, working directory.
 * RET->argv is the caller's to fill before. Checked with handoff_check(). */
int helper_collect(int except_fd, struct handoff_request *ret, struct err *err);

/* --- handoff_real.c: QEMU in our place. Both return only when it can't be executed, which is told.
 * Our own descriptors are CLOEXEC. */

void helper_run_real(const struct config *config, char *argv[]);
/* libxl's question for QEMU's options (Xen 4.20 and later). */
void helper_run_probe(const struct config *config, char *argv[]);

/* --- handoff_call.c: the call to the daemon */

struct helper_call {
	int sock;
	int parent_fd; /* pidfd of libxl's process; borrowed */
	struct varlink_framer in;
};

/* Connects afresh and sends REQUEST with its descriptors. -ECHILD: the parent is gone; -ETIMEDOUT:
 * the daemon is too slow; else what connect() or sendmsg() says. */
int helper_call_offer(
	struct helper_call *call, const struct handoff_request *request, int64_t until_ms);
/* Waits for something to receive. -ETIMEDOUT; -ECHILD where HEED_PARENT. */
int helper_call_wait(struct helper_call *call, int64_t until_ms, bool heed_parent);
/* ON_REPLY for each message that has come; what it returns below zero ends it and is returned.
 * -EAGAIN: nothing has come; -ENOTCONN: and nothing more will. */
int helper_call_receive(struct helper_call *call, int (*on_reply)(const char *text, size_t len));
void helper_call_close(struct helper_call *call);
