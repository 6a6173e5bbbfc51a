/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the two programs share that a toolstack runs in the place of another one (dm-handoff for
 * QEMU, vchan-socket-proxy for Xen's): they speak on stderr, the toolstack's log. */
#include <stdbool.h>

#include "lib/config.h"
#include "proto/varlink.h"

/* What its lines begin with; each program has its own. */
extern const char standin_name[];

__attribute__((format(printf, 1, 2))) void standin_say(const char *fmt, ...);
/* xendmd.json, or what is built in, which is told. -ENOMEM. */
int standin_load_config(struct config *ret);
/* SIGHUP, SIGTERM and SIGINT end it, whatever the toolstack itself ignores. */
void standin_heed_signals(void);
/* The daemon's error, in its own words where there are some. */
void standin_refused(const struct varlink_reply *reply);
bool standin_is_myself(const char *path);
