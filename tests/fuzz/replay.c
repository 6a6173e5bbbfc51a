/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzz target over files, for test runs without libFuzzer: each as it is, and cut and bent
 * at a number of places that the file itself decides, so that a run is the same every time.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define FILE_MAX (1024 * 1024)
#define VARIANTS 200

static uint32_t step(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy =
		malloc(size ? size : 1); /* its own, so that ASan sees what is read past it */

	CHECK(copy);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void run_variants(uint8_t *data, size_t size)
{
	uint32_t state = size;

	for (size_t i = 0; i < size; i++) {
		state = state * 31 + data[i];
	}
	run(data, size);
	for (int i = 0; size > 0 && i < VARIANTS; i++) {
		size_t at = step(&state) % size;
		uint8_t before = data[at];

		data[at] = i % 3 ? (uint8_t)step(&state) : "{}[]\",:\\"[step(&state) % 8];
		run(data, i % 4 ? size : at + 1);
		data[at] = before;
	}
}

static int run_file(const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "rb");
	_cleanup_free_ uint8_t *data = malloc(FILE_MAX);
	size_t size;

	if (!file || !data) {
		perror(path);
		return 0;
	}
	size = fread(data, 1, FILE_MAX, file);
	run_variants(data, size);
	return 1;
}

int main(int argc, char **argv)
{
	_cleanup_closedir_ DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	char path[4096];
	int files = 0;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
			files += run_file(path);
		}
	}
	printf("%d files\n", files);
	return files > 0 ? 0 : 1;
}
