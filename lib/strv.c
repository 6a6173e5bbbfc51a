/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/strv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/hash.h"

void strv_fini(struct strv *v)
{
	for (size_t i = 0; i < v->len; i++) {
		free(v->items[i]);
	}
	free(v->items);
	*v = (struct strv){0};
}

/* Takes TEXT over, also when it fails; a NULL is the caller's failed allocation. */
static void add_taken(struct strv *v, char *text)
{
	char **items = text && !v->status ? realloc(v->items, (v->len + 2) * sizeof(*items)) : NULL;

	if (!items) {
		v->status = -ENOMEM;
		free(text);
		return;
	}
	items[v->len++] = text;
	items[v->len] = NULL;
	v->items = items;
}

void strv_add(struct strv *v, const char *text)
{
	add_taken(v, strdup(text));
}

void strv_addf(struct strv *v, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
	}
	va_end(ap);
	add_taken(v, text);
}

void strv_add_all(struct strv *v, const struct strv *from)
{
	for (size_t i = 0; i < from->len; i++) {
		strv_add(v, from->items[i]);
	}
}

void strv_setenv(struct strv *v, const char *name, const char *value)
{
	size_t len = strlen(name);
	char *text = NULL;

	if (asprintf(&text, "%s=%s", name, value) < 0) {
		v->status = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < v->len; i++) {
		if (!strncmp(v->items[i], name, len) && v->items[i][len] == '=') {
			free(v->items[i]);
			v->items[i] = text;
			return;
		}
	}
	add_taken(v, text);
}

void strv_setenv_all(struct strv *v, const struct strv *assignments)
{
	STRV_FOREACH (assignment, assignments) {
		size_t len = strcspn(assignment, "=");
		char *name = strndup(assignment, len);

		if (!name) {
			v->status = -ENOMEM;
			return;
		}
		strv_setenv(v, name, assignment[len] ? assignment + len + 1 : "");
		free(name);
	}
}

char *const *strv_vector(const struct strv *v)
{
	static char *const empty[] = {NULL};

	return v->items ? v->items : empty;
}

static bool needs_quotes(const char *text)
{
	return !*text || text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789_-+=:,./@%^")];
}

static void print_quoted(FILE *f, const char *text)
{
	if (!needs_quotes(text)) {
		fputs(text, f);
		return;
	}
	fputc('\'', f);
	for (; *text; text++) {
		if (*text == '\'') {
			fputs("'\\''", f);
		} else {
			fputc(*text, f);
		}
	}
	fputc('\'', f);
}

char *strv_join_quoted(const struct strv *v)
{
	char *line = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&line, &size);

	if (!f) {
		return NULL;
	}
	for (size_t i = 0; i < v->len; i++) {
		if (i) {
			fputc(' ', f);
		}
		print_quoted(f, v->items[i]);
	}
	if (fclose(f) != 0) {
		free(line);
		return NULL;
	}
	return line;
}

uint64_t strv_hash(const struct strv *v)
{
	uint64_t hash = HASH_FNV_START;

	for (size_t i = 0; i < v->len; i++) {
		hash = hash_fnv(hash, v->items[i], strlen(v->items[i]) + 1);
	}
	return hash;
}
