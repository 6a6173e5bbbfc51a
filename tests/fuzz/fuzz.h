/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libFuzzer's entry point, which each fuzz target of this folder defines. A failed check aborts. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* --- variants.c: runs the target without libFuzzer, once with DATA as it is, then with it cut and
 * bent at places that it decides itself, so that a run is the same every time. DATA is as before.
 */
void fuzz_variants(uint8_t *data, size_t size);
