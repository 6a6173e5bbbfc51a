/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The unix socket of one class of QMP clients of one device model: many at a time, none of which
 * can hold up or grow the daemon. What they say is proto/qmpmux's business; here are connections,
 * buffers, descriptors and limits.
 */
#include "daemon/monitor.h"
#include "lib/err.h"
#include "proto/qmpfilter.h"

struct qmp_server;

/* How many clients all servers have; one of the host. */
struct qmp_total {
	unsigned clients;
};

/* Listens from now on: clients that come wait, for their greeting too, until the server is
 * attached. FD: a listening socket that is there already, bound to PATH; taken over, also by a
 * failure. -1: one is bound at PATH (0600; what stands there is replaced). */
int qmp_server_new(struct qmp_server **ret, struct loop *loop, const char *path, int fd,
	enum qmp_class class, struct qmp_total *total, struct err *err);
/* Closes all clients and removes the socket file, if it is still the one at its path. */
struct qmp_server *qmp_server_free(struct qmp_server *s);
/* The file will stay. */
void qmp_server_leave_file(struct qmp_server *s);

/* Serves the clients of MONITOR's session, which is kept (monitor_keep) and must live until: */
void qmp_server_attach(struct qmp_server *s, struct monitor *monitor);
/* Closes all clients. Nothing for a server that is not attached. */
void qmp_server_detach(struct qmp_server *s);

bool qmp_server_is_attached(const struct qmp_server *s);
const char *qmp_server_path(const struct qmp_server *s);
unsigned qmp_server_clients(const struct qmp_server *s);
