/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define VARIANTS 200
#define LARGE (64 * 1024) /* of these fewer, for the time that they take */
#define VARIANTS_LARGE 8

static uint32_t step(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void run(const uint8_t *data, size_t size)
{
	/* Its own, so that ASan sees what is read past it. */
	uint8_t *copy = calloc(1, size ? size : 1);

	CHECK(copy);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

void fuzz_variants(uint8_t *data, size_t size)
{
	int variants = size > LARGE ? VARIANTS_LARGE : VARIANTS;
	uint32_t state = size;

	for (size_t i = 0; i < size; i++) {
		state = state * 31 + data[i];
	}
	run(data, size);
	for (int i = 0; size > 0 && i < variants; i++) {
		size_t at = step(&state) % size;
		uint8_t before = data[at];

		data[at] = i % 3 ? (uint8_t)step(&state) : "{}[]\",:\\"[step(&state) % 8];
		run(data, i % 4 ? size : at + 1);
		data[at] = before;
	}
}
