/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A counter that never goes back, over restarts and crashes: STATE_DIR/event-seq holds, in decimal,
 * a number that no one up to now was given. Embedded in its owner.
 */
#include <stdint.h>

#include "lib/err.h"

struct seqfile {
	char *path;	   /* owned */
	uint64_t reserved; /* numbers up to this may be given out */
	struct err error;  /* why the file can't be used; code 0: it can */
};

/* RET_LAST: the last number that may have been given out before. Only -ENOMEM fails. */
int seqfile_open(struct seqfile *seq, const char *state_dir, uint64_t *ret_last);
/* LAST was the last one given out: the file is set to exactly that. */
void seqfile_close(struct seqfile *seq, uint64_t last);
/* The number after LAST; reserves a further block first when it must. */
uint64_t seqfile_next(struct seqfile *seq, uint64_t last);
/* 0, or the file's error. */
int seqfile_error(const struct seqfile *seq, struct err *err);
