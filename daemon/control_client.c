/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "daemon/control_private.h"

/*
 * One client: its bytes, queues and deadlines. A turn reads a bounded part, begins a bounded number
 * of calls and writes what the socket takes. Calls are answered one after the other, in order;
 * while one is being answered the next ones wait in the input buffer. Nothing here waits for the
 * peer: one that doesn't read gets no new calls begun, then runs into the stall deadline or the
 * queue's limit.
 */

static void on_io(void *arg, unsigned events);

static void client_destroy(void *arg)
{
	struct client *client = arg;

	if (client->call) {
		control_fds_free(client->call->fds);
		free(client->call->stream);
		free(client->call);
	}
	control_fds_free(client->fds);
	varlink_framer_fini(&client->in);
	bytes_fini(&client->out);
	free(client);
}

void client_drop(struct client *client)
{
	struct control *control = client->control;
	struct control_call *call = client->call;

	if (!control) {
		return;
	}
	if (call && call->release) {
		call->release(call);
		call->release = NULL;
	}
	if (call && call->taken) {
		call->client = NULL; /* freed by its completion */
		client->call = NULL;
	}
	loop_io_stop(&client->io);
	loop_timer_stop(&client->half);
	loop_timer_stop(&client->stall);
	loop_timer_stop(&client->resume);
	close_p(&client->fd);
	TAILQ_REMOVE(&control->clients, client, entry);
	control->clients_len--;
	client->control = NULL;
	loop_defer(control->loop, &client->deferred, client_destroy, client);
	if (call && call->taken && call->on_gone) {
		call->on_gone(call->gone_ctx); /* last: it may complete the call */
	}
}

static size_t unread(const struct client *client)
{
	return bytes_held(&client->out);
}

static bool has_room(const struct client *client)
{
	return unread(client) < LIMIT_CONTROL_QUEUE_SOFT_BYTES;
}

/* READ stays on while a call is being answered, so that a hang-up is seen. */
static void client_arm(struct client *client)
{
	bool left_over = !client->call && varlink_pending(&client->in);
	unsigned events = 0;

	if (!client->closing && !client->eof && !left_over) {
		events |= LOOP_READ;
	}
	if (unread(client) > 0) {
		events |= LOOP_WRITE;
	}
	if (events == client->io_events) {
		return;
	}
	client->io_events = events;
	loop_io_stop(&client->io);
	if (events && loop_io_start(client->control->loop, &client->io, client->fd, events, on_io,
			      client) < 0) {
		client_drop(client);
	}
}

static void on_stall(void *arg)
{
	struct client *client = arg;

	log_warning("control client of uid %u left %zu bytes unread: dropped", client->uid,
		unread(client));
	client_drop(client);
}

static void on_half(void *arg)
{
	struct client *client = arg;

	log_warning("control client of uid %u sent half a message: dropped", client->uid);
	client_drop(client);
}

static void keep_timer(
	struct client *client, struct loop_timer *timer, bool wanted, void (*fn)(void *arg))
{
	if (!wanted) {
		loop_timer_stop(timer);
	} else if (!timer->event && loop_timer_start(client->control->loop, timer,
					    client->control->idle_ms, fn, client) < 0) {
		client_drop(client);
	}
}

/* Ends each turn: what is waited for next, and until when. */
static void client_settle(struct client *client)
{
	bool idle = !client->call && !varlink_pending(&client->in);
	bool endless = client->call && client->call->endless;

	if (unread(client) == 0 && (client->closing || (client->eof && (idle || endless)))) {
		client_drop(client);
		return;
	}
	client_arm(client);
	if (!client_dropped(client)) {
		keep_timer(client, &client->half, idle && varlink_held(&client->in) > 0, on_half);
	}
	if (!client_dropped(client)) {
		keep_timer(client, &client->stall, unread(client) > 0, on_stall);
	}
}

void client_queue(struct client *client, struct json_object *json)
{
	size_t len = 0;
	const char *text = json ? varlink_encode(json, &len) : NULL;

	if (client_dropped(client)) {
		json_object_put(json);
		return;
	}
	if (!text || unread(client) + len > client->control->queue_max ||
		bytes_append(&client->out, text, len) < 0) {
		log_warning("control client of uid %u: %s: dropped", client->uid,
			text ? "its queue is full" : "out of memory");
		client_drop(client);
		json_object_put(json);
		return;
	}
	json_object_put(json);
	client_settle(client);
}

/* What the socket takes, bounded by the queue's limit. */
static void client_flush(struct client *client)
{
	ssize_t n;

	while (unread(client) > 0) {
		n = send(client->fd, bytes_head(&client->out), unread(client),
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR) {
				client_drop(client);
			}
			return;
		}
		bytes_take(&client->out, n);
		loop_timer_stop(&client->stall); /* progress; client_settle() starts it again */
	}
	bytes_trim(&client->out, LIMIT_CONTROL_QUEUE_SOFT_BYTES);
}

/* A peer that has closed both ways reads no answer either. */
static void client_eof(struct client *client)
{
	struct pollfd pfd = {.fd = client->fd};

	client->eof = true;
	if ((poll(&pfd, 1, 0) == 1 && pfd.revents & (POLLHUP | POLLERR)) ||
		(client->call && client->call->endless)) {
		client_drop(client);
	}
}

static void client_too_large(struct client *client)
{
	log_warning("control client of uid %u sent more than %zu bytes at once: dropped",
		client->uid, client->control->message_max);
	client->closing = true;
	client_queue(client, varlink_error_text(VARLINK_INTERFACE ".LimitReached", "message",
				     "the message is too large"));
}

static void client_read(struct client *client)
{
	char buf[LIMIT_CONTROL_READ_BYTES];
	/* Only root's calls take descriptors: others can't fill our table with theirs. */
	ssize_t n = control_receive(
		client->fd, buf, sizeof(buf), client->uid == 0 ? &client->fds : NULL);
	int r;

	if (n == -EAGAIN || n == -EINTR) {
		return;
	}
	if (n == 0) {
		client_eof(client);
		return;
	}
	if (n < 0) {
		client_drop(client);
		return;
	}
	r = varlink_feed(&client->in, buf, n);
	if (r == 0 && varlink_held(&client->in) > client->control->message_max + sizeof(buf)) {
		r = -EMSGSIZE; /* calls piled up behind one that is being answered */
	}
	if (r == -EMSGSIZE) {
		client_too_large(client);
	} else if (r < 0) {
		client_drop(client);
	}
}

static void refuse_message(struct client *client, const struct err *err)
{
	char text[ERR_TEXT_MAX + 32];

	snprintf(text, sizeof(text), "not a varlink call: %s", err->text);
	client->closing = true; /* what follows can't be trusted either */
	client_queue(client, varlink_error_text(VARLINK_INTERFACE ".Failed", "message", text));
}

static void begin_call(struct client *client, const char *text, size_t len)
{
	_cleanup_(varlink_call_fini) struct varlink_call request = {0};
	struct control_call *call;
	struct err err = {0};

	if (varlink_call_parse(text, len, &request, &err) < 0) {
		refuse_message(client, &err);
		return;
	}
	call = calloc(1, sizeof(*call));
	if (!call) {
		client_drop(client);
		return;
	}
	*call = (struct control_call){.client = client,
		.oneway = request.oneway,
		.more = request.more,
		.fds = TAKE_PTR(client->fds)};
	client->call = call;
	control_dispatch(call, &request);
}

static void begin_calls(struct client *client)
{
	const char *text;
	size_t len;

	for (int i = 0; i < LIMIT_CONTROL_CALLS_PER_TURN; i++) {
		if (client_dropped(client) || client->closing || client->call ||
			!has_room(client) || !varlink_next(&client->in, &text, &len)) {
			return;
		}
		begin_call(client, text, len);
	}
	if (!client_dropped(client)) {
		client_resume(client); /* the others' turn */
	}
}

static void client_turn(struct client *client)
{
	begin_calls(client);
	if (!client_dropped(client) && client->call && client->call->send && has_room(client)) {
		client->call->send(client->call);
	}
	if (!client_dropped(client)) {
		client_flush(client);
	}
	if (client_dropped(client)) {
		return;
	}
	if (!client->call && !client->closing && has_room(client) && varlink_pending(&client->in)) {
		client_resume(client);
	}
	if (!client_dropped(client)) {
		client_settle(client);
	}
}

static void on_io(void *arg, unsigned events)
{
	struct client *client = arg;

	if (events & LOOP_WRITE) {
		client_flush(client);
	}
	if (!client_dropped(client) && events & LOOP_READ) {
		client_read(client);
	}
	if (!client_dropped(client)) {
		client_turn(client);
	}
}

static void on_resume(void *arg)
{
	client_turn(arg);
}

void client_resume(struct client *client)
{
	if (!client_dropped(client) && !client->resume.event &&
		loop_timer_start(client->control->loop, &client->resume, 0, on_resume, client) <
			0) {
		client_drop(client);
	}
}

int client_new(struct control *control, int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return -ENOMEM;
	}
	*client = (struct client){.control = control,
		.fd = fd,
		.uid = control->peer_uid(fd),
		.in = {.max = control->message_max}};
	TAILQ_INSERT_TAIL(&control->clients, client, entry);
	control->clients_len++;
	client_arm(client);
	return 0;
}
