/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): a mark to compare, not a secret. */
#include <stddef.h>
#include <stdint.h>

#define HASH_FNV_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_fnv(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	}
	return hash;
}
