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

/* Listens at PATH (0600; a stale socket file is replaced). MONITOR is kept (monitor_keep) and must
 * live until the server is freed. */
int qmp_server_new(struct qmp_server **ret, struct loop *loop, const char *path,
	enum qmp_class class, struct monitor *monitor, struct qmp_total *total, struct err *err);
/* Closes all clients and removes the socket. Before monitor_free(). */
struct qmp_server *qmp_server_free(struct qmp_server *s);
const char *qmp_server_path(const struct qmp_server *s);
