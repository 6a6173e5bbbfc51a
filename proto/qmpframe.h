/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cuts a QMP byte stream into messages. It looks for ends, not at contents: what it hands out is
 * scanned (lib/jsonscan) and parsed by json-c. A device model sends lines, of printable ASCII only;
 * a client sends objects one after the other, with or without newlines (libxenstat sends none).
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/bytes.h"

struct qmpframe {
	size_t max; /* of one message; may be changed at any time */
	bool lines; /* from a device model */

	struct bytes in;
	size_t at;	/* from the front of IN on: looked at */
	unsigned depth; /* of a client's object */
	bool in_string, escaped, skipping;
};
void qmpframe_fini(struct qmpframe *f);
void qmpframe_reset(struct qmpframe *f);

/* Appends. -ENOMEM; -EBADMSG: a byte that QEMU never sends. Callers bound what they feed at once.
 */
int qmpframe_feed(struct qmpframe *f, const char *data, size_t len);

/* 1 with the next message, borrowed until the next call on F; 0: none is whole. -EMSGSIZE: a
 * message of more than MAX bytes, which ends the stream. -EBADMSG, from a client only: something
 * else than an object, skipped to the end of its line; the stream goes on. */
int qmpframe_next(struct qmpframe *f, const char **ret, size_t *ret_len);

/* Bytes held. */
static inline size_t qmpframe_held(const struct qmpframe *f)
{
	return bytes_held(&f->in);
}
