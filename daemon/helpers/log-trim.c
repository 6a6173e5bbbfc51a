/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/* log-trim PATH MAX-BYTES: logtrim_file() in a process of its own, where it may wait for the disk.
 */
#include <stdio.h>

#include "daemon/logtrim.h"
#include "lib/parse.h"

int main(int argc, char *argv[])
{
	uint64_t max, dropped;
	struct err err;

	if (argc != 3 || parse_u64(argv[2], UINT64_MAX, &max) < 0) {
		fprintf(stderr, "usage: log-trim PATH MAX-BYTES\n");
		return 2;
	}
	if (logtrim_file(argv[1], max, &dropped, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	return 0;
}
