/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest of the lab is told by its own connection to xenstore (see pv-init).
 *
 *     xs-ask read PATH…       a word each: the value, or !EACCES, !ENOENT, …
 *     xs-ask find TEXT PATH…  the nodes at and below PATH whose value has TEXT in it, and how many
 *                             could be read at all: "2 of 70: PATH PATH"
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

struct search {
	struct xs_handle *xs;
	const char *text;
	unsigned read, found;
	char paths[8192];
};

static void print_answer(struct xs_handle *xs, const char *path)
{
	unsigned len;
	char *value = xs_read(xs, XBT_NULL, path, &len);

	if (value) {
		printf("%s ", value);
	} else {
		printf("!%s ", strerrorname_np(errno));
	}
	free(value);
}

static void look_at(struct search *s, const char *path)
{
	unsigned len;
	char *value = xs_read(s->xs, XBT_NULL, path, &len);

	if (!value) {
		return;
	}
	s->read++;
	if (strstr(value, s->text)) {
		size_t used = strlen(s->paths);

		s->found++;
		snprintf(s->paths + used, sizeof(s->paths) - used, " %s", path);
	}
	free(value);
}

static void walk(struct search *s, const char *path)
{
	unsigned len = 0;
	char **names = xs_directory(s->xs, XBT_NULL, path, &len);

	look_at(s, path);
	for (unsigned i = 0; names && i < len; i++) {
		char below[3072];

		snprintf(below, sizeof(below), "%s/%s", strcmp(path, "/") ? path : "", names[i]);
		walk(s, below);
	}
	free(names);
}

int main(int argc, char **argv)
{
	struct search s = {.xs = xs_open(0), .text = argc > 2 ? argv[2] : ""};

	if (!s.xs) {
		printf("no xenstore: %s\n", strerror(errno));
		return 1;
	}
	if (argc > 2 && !strcmp(argv[1], "read")) {
		for (int i = 2; i < argc; i++) {
			print_answer(s.xs, argv[i]);
		}
		putchar('\n');
	} else if (argc > 3 && !strcmp(argv[1], "find")) {
		for (int i = 3; i < argc; i++) {
			walk(&s, argv[i]);
		}
		printf("%u of %u:%s\n", s.found, s.read, s.paths);
	} else {
		puts("usage: xs-ask read PATH... | find TEXT PATH...");
		return 2;
	}
	xs_close(s.xs);
	return 0;
}
