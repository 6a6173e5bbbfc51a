/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real control module on a real socket, with a fake backend, all in one loop of this process.
 */
#include "daemon/control_private.h"
#include "daemon/events.h"
#include "daemon/loop.h"
#include "proto/varlink.h"
#include "tests/fake/control_backend.h"

#define DEADLINE_MS 20000
#define IFACE "io.xendmd.DeviceModels"
#define CALL(method) "{\"method\":\"" IFACE "." method "\"}"
#define CALL_P(method, parameters)                                                                 \
	"{\"method\":\"" IFACE "." method "\",\"parameters\":" parameters "}"
#define CALL_MORE(method, parameters)                                                              \
	"{\"method\":\"" IFACE "." method "\",\"more\":true,\"parameters\":" parameters "}"

struct fixture {
	char dir[32], path[64], log[64];
	struct loop *loop;
	struct events *events;
	struct control *control;
	struct fake_backend fake;
};

struct peer {
	int fd;
	struct varlink_framer in;
	struct loop_io io;
};

int control_setup(void **state);
int control_teardown(void **state);
void spin(struct fixture *f, int ms);
struct peer peer_open(struct fixture *f);
void peer_close(struct peer *peer);
/* False when the daemon's end is closed. */
bool send_bytes(struct fixture *f, struct peer *peer, const char *data, size_t len);
void send_call(struct fixture *f, struct peer *peer, const char *text);
/* The next message (the caller's), NULL when the daemon hung up. Fails at the deadline. */
struct json_object *receive(struct fixture *f, struct peer *peer);
const char *error_of(struct json_object *reply);
struct json_object *parameter(struct json_object *reply, const char *name);
void expect_error(struct fixture *f, struct peer *peer, const char *error);
void expect_eof(struct fixture *f, struct peer *peer);
/* The daemon still serves others. */
void expect_alive(struct fixture *f);
void wait_clients(struct fixture *f, unsigned len);
unsigned open_fds(void);
void publish(struct fixture *f, const char *what);
void append(const char *path, const char *text);
