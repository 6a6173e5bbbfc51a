/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The hostile peer of the lab: a program that is the whole of a stub domain (stubdomain_ramdisk of
 * an xl.cfg: /init, and Xen's modules). To libxl it is a device model that runs; it serves QMP over
 * vchan and nothing else, so its guest is to stay paused. What it does is told by dom0 in xenstore,
 * at /local/domain/STUB:
 *
 *   data/attack   a name of evil.c (begins with EVIL_TRIGGER), one of ring.c (begins at once), or
 *                 anything else: behave
 *   data/did      its answer: the word it has taken up
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Has no include guard: it comes from here only. */
#include <libxenvchan.h>
#include <xenstore.h>

#include "tests/fake/evil.h"

#define PEER_OUT_BYTES (512 * 1024)

struct peer {
	struct xs_handle *xs;
	char path[72], attack[48], did[48]; /* in xenstore */
	char word[64];
	int64_t looked_ms; /* for it */
	struct libxenvchan *vchan;
	bool open; /* a client is there */
	const struct evil_attack *wanted;
	struct evil evil;
	const struct peer_ring_attack *ring;
	int64_t ring_until_ms;
	unsigned ring_turns;
	bool deaf, mute;
	size_t in_len, out_at, out_len;
	char in[64 * 1024], out[PEER_OUT_BYTES];
};

int64_t peer_now_ms(void);
/* 0: the default size. */
void peer_serve(struct peer *p, size_t read_min, size_t write_min);
void peer_stop(struct peer *p);
/* Whatever there is to be read and written. */
void peer_talk(struct peer *p);

struct peer_ring_attack {
	const char *name;
	int64_t ms;	    /* it goes on so long, unless it is told otherwise */
	const char *client; /* what one gets that asks: fine, error, late, any */
	const char *event;  /* a pattern of what is told when the connection ends; "": it stays or
			     * ends without a word; NULL: anything */
	void (*begin)(struct peer *p);
	void (*turn)(struct peer *p); /* as often as possible */
	void (*end)(struct peer *p);
};
extern const struct peer_ring_attack peer_ring_attacks[]; /* ends with a name of NULL */
const struct peer_ring_attack *peer_ring_find(const char *name);
