/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File names begin with the time, so that their order is their age: TIME-DOMID-UUID.json. Once the
 * limit is reached each write reads the directory: a thousand names, a device model's end apart.
 */
#include "daemon/exits.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "lib/cleanup.h"
#include "lib/fsutil.h"
#include "lib/parse.h"

struct exits {
	char *dir;
	unsigned kept, count;
};

static int is_record(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && !strcmp(entry->d_name + len - 5, ".json");
}

/* Removes the oldest beyond the limit and counts what stays. */
static void prune(struct exits *exits)
{
	struct dirent **names = NULL;
	char path[PATH_MAX];
	int n = scandir(exits->dir, &names, is_record, alphasort);

	for (int i = 0; i < n; i++) {
		if (i < n - (int)exits->kept) {
			snprintf(path, sizeof(path), "%s/%s", exits->dir, names[i]->d_name);
			unlink(path);
		}
		free(names[i]);
	}
	free(names);
	exits->count = n > (int)exits->kept ? exits->kept : n > 0 ? n : 0;
}

int exits_new(struct exits **ret, const char *state_dir, unsigned kept)
{
	struct exits *exits = calloc(1, sizeof(*exits));

	if (!exits || asprintf(&exits->dir, "%s/exits", state_dir) < 0) {
		free(exits);
		return -ENOMEM;
	}
	exits->kept = kept;
	mkdir(exits->dir, 0750);
	prune(exits);
	*ret = exits;
	return 0;
}

struct exits *exits_free(struct exits *exits)
{
	if (exits) {
		free(exits->dir);
		free(exits);
	}
	return NULL;
}

int exits_write(struct exits *exits, uint32_t domid, const char *uuid, struct json_object *json,
	struct err *err)
{
	const char *text = json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	char path[PATH_MAX], time[TIME_TEXT_LEN + 1];
	int r;

	if (!text) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	time_format_ms(loop_realtime_ms(), time);
	snprintf(path, sizeof(path), "%s/%s-%u-%s.json", exits->dir, time, domid, uuid);
	/* Not synced: a record of the past may be lost with the power, the loop may not wait for a
	 * disk. */
	r = fsutil_write_atomic(path, text, strlen(text), 0640, false, err);
	if (r == 0 && ++exits->count > exits->kept) {
		prune(exits);
	}
	return r;
}
