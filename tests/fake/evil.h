/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a hostile device model says in QMP: a table of attacks, and a generator that gives their
 * bytes in portions. One and the same for the multiplexer without I/O (tests/test_qmphostile.c),
 * for a QEMU on a unix socket (fakedm's evil=FILE) and for a server behind a real vchan
 * (tests/lab/evilpeer.c). An attack begins when EVIL_TRIGGER is asked.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVIL_TRIGGER "query-mice"

/* What the client that asked gets. */
enum evil_client { EVIL_FINE, EVIL_ERROR, EVIL_LATE };
/* What becomes of the connection. */
enum evil_link { EVIL_STAYS, EVIL_ENDS };

struct evil_attack {
	const char *name;
	/* BEFORE once, UNIT so often as TIMES says (-1: for ever), AFTER once. "$" is the id that
	 * was asked with, "@" the next one, "\x02" a NUL. NULL: nothing. */
	const char *before, *unit;
	int64_t times;
	const char *after;
	unsigned portion; /* at most so many bytes at once; 0: any number */
	enum evil_client client;
	enum evil_link link[2]; /* of a QEMU in dom0, of one behind vchan */
	const char *text;	/* in the error that the client gets; NULL: any */
};

extern const struct evil_attack evil_attacks[]; /* ends with a name of NULL */
const struct evil_attack *evil_find(const char *name);

struct evil {
	const struct evil_attack *attack;
	int64_t id, done;
	unsigned part;	     /* 0 before, 1 unit, 2 after, 3 nothing more */
	char text[4096 + 1]; /* a piece of it, of which AT to LEN is not given yet */
	size_t at, len;
};

void evil_begin(struct evil *e, const struct evil_attack *attack, int64_t id);
/* The next bytes, at most SIZE; 0: it has said all. */
size_t evil_say(struct evil *e, char *buf, size_t size);
/* It is in the middle of a piece: nothing else may be said now, if messages are to stay whole. */
static inline bool evil_is_halfway(const struct evil *e)
{
	return e->at < e->len;
}
