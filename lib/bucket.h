/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A rate with a burst: refilled continuously, empty when more came than the rate allows. {0} is
 * full. */
#include <stdbool.h>
#include <stdint.h>

struct bucket {
	int64_t tokens, at_ms; /* tokens in thousandths */
};

/* NOW in ms. */
static inline bool bucket_take(
	struct bucket *b, int64_t amount, int64_t burst, int64_t per_s, int64_t now)
{
	int64_t full = burst * 1000;

	/* At 0 it was never used. Capped before it is multiplied: the clock may have stood long. */
	if (!b->at_ms || now - b->at_ms >= full / per_s + 1) {
		b->tokens = full;
	} else if (now > b->at_ms) {
		b->tokens += (now - b->at_ms) * per_s;
		b->tokens = b->tokens < full ? b->tokens : full;
	}
	b->at_ms = now > 0 ? now : 1;
	if (b->tokens < amount * 1000) {
		return false;
	}
	b->tokens -= amount * 1000;
	return true;
}
