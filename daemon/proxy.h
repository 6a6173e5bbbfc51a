/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The QMP of a guest whose device model is in a stub domain: a session over vchan that we own in
 * place of a vchan-socket-proxy, for which a toolstack asks through our helper of that name. Loop
 * thread only. It belongs to its guest from the call until the guest or the stub domain goes down.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/loop.h"
#include "proto/proxy.h"

struct control_call;
struct manager;
struct process;

struct proxy {
	struct proxy_record r;
	struct control_call *call; /* NULL: the helper has gone, or an earlier daemon took it */
	int listen_fd;		   /* the helper's, until it is served; -1: none */
	int parent_fd;		   /* pidfd, until watched */

	struct process *parent; /* libxl's intermediate process; or the helper, which outlives it */
	bool parent_gone;
	bool taken_up; /* from an earlier daemon */
	bool serving;  /* others may use the session */
	bool told;     /* the toolstack, that it listens */
	bool named;    /* image/qmp-proxy-pid names us */
	bool watched;  /* that node */
	bool last_try;
	uint64_t xs_request; /* 0: none in flight */
	struct loop_timer retry;
	struct manager *manager; /* while it is linked there */
	TAILQ_ENTRY(proxy) link; /* manager::proxies, while a domain is not known yet */
};

struct proxy *proxy_new(void); /* NULL: out of memory */
/* Its call must have been answered. NULL allowed; returns NULL. */
struct proxy *proxy_free(struct proxy *p);

/* May a socket be made at PATH? -EADDRINUSE: somebody listens there, -EEXIST: it is no socket; 0:
 * nothing is there, or the socket of one who is gone. */
int proxy_check_socket(const char *path);
