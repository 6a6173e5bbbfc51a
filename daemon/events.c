/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/cleanup.h"
#include "lib/parse.h"
#include "daemon/loop.h"
#include "daemon/seqfile.h"

/*
 * A ring of serialised events and a cursor for each reader. Telling is one loop that brings each
 * cursor to the end, so an event published from within a reader's function waits its turn, and a
 * reader freed meanwhile is only marked. Invariant: the kept events have the numbers
 * last - len + 1 to last; what is below the first kept one is lost for whoever asks for it.
 */
struct entry {
	unsigned refs; /* the ring's, and one while it is being told */
	size_t len;
	char text[];
};

struct events_reader {
	TAILQ_ENTRY(events_reader) node; /* events::readers */
	struct events *events;
	uint64_t cursor; /* last number told */
	events_fn fn;
	void *ctx;
	bool freed; /* while telling */
};

struct events {
	struct seqfile seq;
	uint64_t last;	     /* newest number given out */
	struct entry **ring; /* number N at N % kept */
	unsigned kept, len;
	bool telling;
	TAILQ_HEAD(, events_reader) readers;
};

static void entry_unref(struct entry *entry)
{
	if (entry && --entry->refs == 0) {
		free(entry);
	}
}

int events_new(struct events **ret, const char *state_dir, unsigned kept)
{
	struct events *events = calloc(1, sizeof(*events));
	int r;

	if (!events) {
		return -ENOMEM;
	}
	TAILQ_INIT(&events->readers);
	events->kept = kept ? kept : 1;
	events->ring = calloc(events->kept, sizeof(struct entry *));
	r = events->ring ? seqfile_open(&events->seq, state_dir, &events->last) : -ENOMEM;
	if (r < 0) {
		events_free(events);
		return r;
	}
	*ret = events;
	return 0;
}

struct events *events_free(struct events *events)
{
	if (!events) {
		return NULL;
	}
	while (!TAILQ_EMPTY(&events->readers)) {
		struct events_reader *reader = TAILQ_FIRST(&events->readers);

		TAILQ_REMOVE(&events->readers, reader, node);
		free(reader);
	}
	if (events->ring) {
		seqfile_close(&events->seq, events->last);
		for (unsigned i = 0; i < events->kept; i++) {
			entry_unref(events->ring[i]);
		}
	}
	free(events->ring);
	free(events);
	return NULL;
}

int events_store_error(const struct events *events, struct err *err)
{
	return seqfile_error(&events->seq, err);
}

uint64_t events_last_seq(const struct events *events)
{
	return events->last;
}

/* {"seq":…,"time":…} and the members of BODY behind. */
static struct entry *entry_new(uint64_t seq, struct json_object *body)
{
	struct json_object *json = json_object_new_object();
	char time[TIME_TEXT_LEN + 1];
	struct entry *entry = NULL;
	const char *text;
	size_t len;

	if (!json) {
		return NULL;
	}
	time_format_ms(loop_realtime_ms(), time);
	json_object_object_add(json, "seq", json_object_new_int64(seq));
	json_object_object_add(json, "time", json_object_new_string(time));
	json_object_object_foreach (body, name, value) {
		json_object_object_add(json, name, json_object_get(value));
	}
	text = json_object_to_json_string_length(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text) {
		entry = malloc(sizeof(*entry) + len + 1);
	}
	if (entry) {
		entry->refs = 1;
		entry->len = len;
		memcpy(entry->text, text, len + 1);
	}
	json_object_put(json);
	return entry;
}

static struct entry *lost_entry(uint64_t first, uint64_t last)
{
	struct json_object *body = json_object_new_object();
	struct entry *entry;

	if (!body) {
		return NULL;
	}
	json_object_object_add(body, "event", json_object_new_string("events-lost"));
	json_object_object_add(body, "first", json_object_new_int64(first));
	json_object_object_add(body, "last", json_object_new_int64(last));
	entry = entry_new(last, body); /* who resumes from it goes on behind the gap */
	json_object_put(body);
	return entry;
}

/* The oldest number that is kept with all its followers. A number whose event could not be stored
 * for lack of memory is a hole: told as lost. */
static uint64_t first_kept(const struct events *events)
{
	return events->last - events->len + 1;
}

static struct entry *take_next(struct events_reader *reader)
{
	struct events *events = reader->events;
	uint64_t next = reader->cursor + 1, first = first_kept(events);
	struct entry *entry;

	if (next < first) {
		reader->cursor = first - 1;
		return lost_entry(next, first - 1);
	}
	reader->cursor = next;
	entry = events->ring[next % events->kept];
	if (!entry) {
		return lost_entry(next, next);
	}
	entry->refs++;
	return entry;
}

static void tell_reader(struct events_reader *reader)
{
	while (!reader->freed && reader->cursor < reader->events->last) {
		struct entry *entry = take_next(reader);

		if (entry) {
			reader->fn(reader->ctx, entry->text, entry->len);
			entry_unref(entry);
		}
	}
}

static void remove_freed(struct events *events)
{
	struct events_reader *reader = TAILQ_FIRST(&events->readers);

	while (reader) {
		struct events_reader *next = TAILQ_NEXT(reader, node);

		if (reader->freed) {
			TAILQ_REMOVE(&events->readers, reader, node);
			free(reader);
		}
		reader = next;
	}
}

/* Until nobody is behind: FN may publish and add readers. */
static void tell_all(struct events *events)
{
	struct events_reader *reader;
	uint64_t told;

	if (events->telling) {
		return;
	}
	events->telling = true;
	do {
		told = events->last;
		TAILQ_FOREACH (reader, &events->readers, node) {
			tell_reader(reader);
		}
	} while (told != events->last);
	events->telling = false;
	remove_freed(events);
}

void events_publish(struct events *events, struct json_object *body)
{
	uint64_t seq = seqfile_next(&events->seq, events->last);
	struct entry **slot;

	if (seq != events->last + 1) {
		events->len = 0; /* the numbers jumped: what is kept no longer joins up */
	}
	slot = &events->ring[seq % events->kept];
	entry_unref(*slot);
	*slot = entry_new(seq, body);
	events->last = seq;
	if (events->len < events->kept) {
		events->len++;
	}
	json_object_put(body);
	tell_all(events);
}

int events_read(struct events *events, uint64_t since, bool follow, events_fn fn, void *ctx,
	struct events_reader **ret)
{
	struct events_reader *reader = calloc(1, sizeof(*reader));
	bool telling = events->telling;

	if (!reader) {
		return -ENOMEM;
	}
	*reader = (struct events_reader){.events = events, .fn = fn, .ctx = ctx};
	reader->cursor = since > 0 ? since : first_kept(events) - 1;
	if (reader->cursor > events->last) {
		reader->cursor = events->last;
	}
	TAILQ_INSERT_TAIL(&events->readers, reader, node);
	if (ret) {
		*ret = reader;
	}
	events->telling = true;
	tell_reader(reader);
	if (!follow || reader->freed) {
		reader->freed = true;
		if (ret) {
			*ret = NULL;
		}
	}
	events->telling = telling;
	if (!telling) {
		remove_freed(events);
		tell_all(events); /* what FN published is for the others too */
	}
	return 0;
}

struct events_reader *events_reader_free(struct events_reader *reader)
{
	if (!reader) {
		return NULL;
	}
	if (reader->events->telling) {
		reader->freed = true;
		return NULL;
	}
	TAILQ_REMOVE(&reader->events->readers, reader, node);
	free(reader);
	return NULL;
}
