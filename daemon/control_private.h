/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shared by control*.c alone (and by the test that turns its knobs). control.c: listener and
 * limits; control_client.c: bytes of one client; control_methods.c: what a call does;
 * control_stream.c and control_logs.c: calls that are answered many times.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/acceptor.h"
#include "daemon/control.h"
#include "daemon/loop.h"
#include "lib/bytes.h"
#include "lib/limits.h"
#include "proto/varlink.h"

struct client;

/* Descriptors that came from a client and belong to no call yet. */
struct control_fds {
	int fds[LIMIT_CONTROL_FDS];
	unsigned len;
	bool lost; /* more came, or there was no room in our table */
};

TAILQ_HEAD(client_list, client);

struct control {
	struct loop *loop;
	struct events *events;
	const struct control_backend *backend;
	void *ctx;
	int listen_fd;
	char *path; /* of a socket that we made; NULL: systemd's */
	struct acceptor acceptor;
	struct client_list clients; /* owner of the clients */
	unsigned clients_len, clients_max;
	size_t message_max, queue_max;
	int64_t idle_ms;
	bool told_full;
	uid_t (*peer_uid)(int fd); /* the test's hook */
};

/* A call that is being answered. Owned by its client while the control module answers it, by the
 * backend (taken) from the moment that one took it. */
struct control_call {
	struct client *client; /* NULL: went away */
	bool oneway, more, taken;
	bool endless; /* its end is the client's end */
	/* Set by a call that streams. SEND: the client has room (asked again and again). RELEASE,
	 * once: let go of all that could call back; STREAM itself is freed afterwards. */
	void (*send)(struct control_call *call);
	void (*release)(struct control_call *call);
	void *stream;
	struct control_fds *fds; /* came with it; NULL: none */
	/* Set by a backend that took the call. */
	void (*on_gone)(void *ctx);
	void *gone_ctx;
};

struct client {
	TAILQ_ENTRY(client) entry; /* control::clients */
	struct control *control;   /* NULL once dropped */
	int fd;
	uid_t uid;
	struct loop_io io;
	unsigned io_events;
	struct loop_timer half;	  /* a message is half sent */
	struct loop_timer stall;  /* replies stay unread */
	struct loop_timer resume; /* work left over from this turn */
	struct varlink_framer in;
	struct control_fds *fds; /* for the next call that begins; NULL: none */
	struct bytes out;
	struct control_call *call; /* the one being answered; the next ones wait */
	bool closing;		   /* after what is queued */
	bool eof;		   /* the peer sends nothing more */
	struct loop_deferred deferred;
};

/* control_client.c. Takes FD over, also on failure. */
int client_new(struct control *control, int fd);
/* Everything but the memory goes at once; that follows on the next turn. */
void client_drop(struct client *client);
static inline bool client_dropped(const struct client *client)
{
	return !client->control;
}
/* Queues JSON (taken over; NULL drops the client). It may be dropped by this. */
void client_queue(struct client *client, struct json_object *json);
/* Goes on with CLIENT on a later turn. */
void client_resume(struct client *client);

/* control_receive.c: recvmsg(); bytes read, 0 at the end, -errno. Descriptors that come are added
 * to *FDS (made when needed); FDS NULL: closed. */
ssize_t control_receive(int fd, char *buf, size_t len, struct control_fds **fds);
/* Closes what is left in it. Returns NULL. */
struct control_fds *control_fds_free(struct control_fds *fds);

/* control_methods.c: answers, or arranges for an answer. Owns CALL's fate. */
void control_dispatch(struct control_call *call, const struct varlink_call *request);

/* Replies. These end the call (and free it), the first one does not. */
void call_continue(struct control_call *call, struct json_object *parameters);
void call_error(struct control_call *call, struct json_object *error);
void call_error_text(
	struct control_call *call, const char *name, const char *member, const char *text);

/* For handlers. False, and CALL is answered, when the parameters are wrong. */
bool call_params(struct control_call *call, struct json_object *parameters,
	const struct varlink_param *params, size_t len);
/* Completes with {NAME: VALUE}; VALUE is taken over. */
void call_complete_with(struct control_call *call, const char *name, struct json_object *value);

/* After the backend took CALL, or refused it with R. */
void call_taken_or_failed(struct control_call *call, int r, const struct err *err);
/* The one descriptor that came with CALL, the caller's; -EBADF with ERR. */
int call_take_one_fd(struct control_call *call, struct err *err);

/* Handlers of Render and Check (control_render.c). */
void method_render(struct control_call *call, struct json_object *parameters);
void method_check(struct control_call *call, struct json_object *parameters);

/* Handlers of Migrate, MigrateIncoming, MigrateCancel, Balloon and Query (control_migrate.c). */
void method_migrate(struct control_call *call, struct json_object *parameters);
void method_migrate_incoming(struct control_call *call, struct json_object *parameters);
void method_migrate_cancel(struct control_call *call, struct json_object *parameters);
void method_balloon(struct control_call *call, struct json_object *parameters);
void method_query(struct control_call *call, struct json_object *parameters);

/* Handlers of Handoff (control_handoff.c) and ProxyVchan (control_proxy.c). */
void method_handoff(struct control_call *call, struct json_object *parameters);
void method_proxy_vchan(struct control_call *call, struct json_object *parameters);
int call_peer_pid(const struct control_call *call, pid_t *ret, struct err *err);

/* Handlers of DeviceAdd, DeviceRemove and DeviceList (control_device.c). */
void method_device_add(struct control_call *call, struct json_object *parameters);
void method_device_remove(struct control_call *call, struct json_object *parameters);
void method_device_list(struct control_call *call, struct json_object *parameters);

/* Handlers of List with more, Events (control_stream.c), Logs (control_logs.c). */
void stream_list(struct control_call *call, const char *who);
void stream_events(struct control_call *call, uint64_t since);
void stream_logs(struct control_call *call, const char *path, uint64_t lines, bool follow);
