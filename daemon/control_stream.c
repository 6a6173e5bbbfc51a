/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "daemon/control_private.h"
#include "daemon/events.h"

/*
 * List with more, and Events. A watcher of the list is told of each change of it, also of those
 * that are no event, but at most every LIMIT_CONTROL_WATCH_MS and only while it reads, so a slow
 * one skips lists; a follower of events misses none or is dropped by its queue's limit and comes
 * back with `since`.
 */

static void fail_memory(struct control_call *call)
{
	struct err err = {0};

	err_set(&err, -ENOMEM, "out of memory");
	control_fail(call, &err);
}

struct list_stream {
	struct loop_timer soon;
	bool dirty;
	char *who; /* NULL: all */
};

static void list_send(struct control_call *call)
{
	struct list_stream *stream = call->stream;
	struct control *control = call->client->control;
	struct json_object *list = NULL, *parameters;
	struct err err = {0};

	if (!stream->dirty || stream->soon.event) {
		return;
	}
	stream->dirty = false;
	if (control->backend->list(control->ctx, stream->who, &list, &err) < 0) {
		control_fail(call, &err);
		return;
	}
	parameters = json_object_new_object();
	json_object_object_add(parameters, "domains", list);
	call_continue(call, parameters);
}

static void on_soon(void *arg)
{
	struct control_call *call = arg;

	client_resume(call->client);
}

/* From within the backend: what it has to tell may be half done, so only note it. */
static void note_change(struct control_call *call)
{
	struct list_stream *stream = call->stream;

	if (stream->dirty) {
		return;
	}
	stream->dirty = true;
	if (loop_timer_start(call->client->control->loop, &stream->soon, LIMIT_CONTROL_WATCH_MS,
		    on_soon, call) < 0) {
		client_drop(call->client);
	}
}

void control_list_changed(struct control *control)
{
	struct client *client, *next;

	for (client = TAILQ_FIRST(&control->clients); client; client = next) {
		next = TAILQ_NEXT(client, entry);
		if (client->call && client->call->send == list_send) {
			note_change(client->call);
		}
	}
}

static void list_release(struct control_call *call)
{
	struct list_stream *stream = call->stream;

	loop_timer_stop(&stream->soon);
	/* STREAM may still be in use up the stack, WHO isn't looked at any more. */
	free(TAKE_PTR(stream->who));
}

void stream_list(struct control_call *call, const char *who)
{
	struct list_stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		fail_memory(call);
		return;
	}
	call->stream = stream;
	call->release = list_release;
	stream->who = who ? strdup(who) : NULL;
	if (who && !stream->who) {
		fail_memory(call);
		return;
	}
	call->endless = true;
	call->send = list_send;
	stream->dirty = true;
	list_send(call);
}

struct event_stream {
	struct events_reader *reader;
	struct json_object *batch; /* collects what is kept; NULL once that is told */
	size_t batch_bytes, max;
	bool full;
};

static void tell_event(struct control_call *call, const char *event, size_t len)
{
	struct json_object *parameters = json_object_new_object();
	struct json_object *list = json_object_new_array();

	json_object_array_add(list, varlink_raw_new(event, len));
	json_object_object_add(parameters, "events", list);
	call_continue(call, parameters);
}

static void on_event(void *ctx, const char *event, size_t len)
{
	struct control_call *call = ctx;
	struct event_stream *stream = call->stream;

	if (!stream->batch) {
		tell_event(call, event, len);
		return;
	}
	stream->full = stream->full || stream->batch_bytes + len > stream->max;
	if (!stream->full) {
		stream->batch_bytes += len + 1;
		json_object_array_add(stream->batch, varlink_raw_new(event, len));
	}
}

static void events_release(struct control_call *call)
{
	struct event_stream *stream = call->stream;

	stream->reader = events_reader_free(stream->reader);
	json_object_put(TAKE_PTR(stream->batch));
}

/* One reply of what is kept: one that doesn't fit ends at its oldest part, and the client asks
 * again with `since`. */
static void tell_batch(struct control_call *call)
{
	struct event_stream *stream = call->stream;
	struct json_object *parameters = json_object_new_object();
	bool any = json_object_array_length(stream->batch) > 0;

	json_object_object_add(parameters, "events", TAKE_PTR(stream->batch));
	if (!call->more) {
		control_complete(call, parameters);
	} else if (any) {
		call_continue(call, parameters);
	} else {
		json_object_put(parameters);
	}
}

void stream_events(struct control_call *call, uint64_t since)
{
	struct control *control = call->client->control;
	struct event_stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		fail_memory(call);
		return;
	}
	call->stream = stream;
	call->release = events_release;
	call->endless = call->more;
	stream->max = control->queue_max / 2;
	stream->batch = json_object_new_array();
	if (!stream->batch || events_read(control->events, since, call->more, on_event, call,
				      &stream->reader) < 0) {
		fail_memory(call);
		return;
	}
	tell_batch(call);
}
