/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target over the files of a folder, for test runs without libFuzzer. */
#include <dirent.h>
#include <stdio.h>

#include "lib/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define FILE_MAX (1024 * 1024)

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
	fuzz_variants(data, size);
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
