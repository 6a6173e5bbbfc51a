/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/ctl/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "lib/cleanup.h"
#include "lib/utf8.h"

#define ESCAPE_MAX 16 /* bytes that one character becomes at most */

static uint32_t decode(const char *text, unsigned len)
{
	static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = (unsigned char)text[0] & lead_mask[len];

	for (unsigned i = 1; i < len; i++) {
		c = c << 6 | ((unsigned char)text[i] & 0x3f);
	}
	return c;
}

static bool is_unsafe(uint32_t c)
{
	return (c < 0x20 && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Appends one character of TEXT to OUT; returns the bytes taken from TEXT. */
static unsigned escape_one(const char *text, size_t len, char *out, size_t *used)
{
	unsigned n = utf8_char_len(text, len);
	uint32_t c = n ? decode(text, n) : 0;

	if (n && !is_unsafe(c)) {
		memcpy(out + *used, text, n);
		*used += n;
		return n;
	}
	*used += snprintf(out + *used, ESCAPE_MAX, n > 2 ? "\\u%04x" : "\\x%02x",
		n ? c : (unsigned char)text[0]);
	return n ? n : 1;
}

char *text_escape(const char *text)
{
	size_t len = strlen(text), used = 0;
	char *out = malloc(len * 4 + ESCAPE_MAX);

	while (out && len > 0) {
		unsigned n = escape_one(text, len, out, &used);

		text += n;
		len -= n;
	}
	if (out) {
		out[used] = 0;
	}
	return out;
}

void text_put(FILE *out, const char *text)
{
	_cleanup_free_ char *escaped = text_escape(text);

	fputs(escaped ? escaped : "(out of memory)", out);
}

size_t text_width(const char *text)
{
	size_t len = strlen(text), width = 0;

	while (len > 0) {
		unsigned n = utf8_char_len(text, len);
		int columns = n ? wcwidth(decode(text, n)) : 1;

		width += columns > 0 ? columns : 0;
		text += n ? n : 1;
		len -= n ? n : 1;
	}
	return width;
}

bool text_colours(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(out)) && !(no_color && no_color[0]) && term && strcmp(term, "dumb");
}

struct row {
	char *cells[TABLE_COLUMNS_MAX];
	unsigned coloured;
	const char *colour;
};

struct table {
	unsigned columns, len, capacity;
	size_t widths[TABLE_COLUMNS_MAX];
	struct row *rows;
	int status;
};

struct table *table_new(const char *const *headings, unsigned columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table) {
		table->columns = columns;
		table_add(table, headings, 0, NULL);
	}
	return table;
}

struct table *table_free(struct table *table)
{
	if (!table) {
		return NULL;
	}
	for (unsigned i = 0; i < table->len; i++) {
		for (unsigned c = 0; c < table->columns; c++) {
			free(table->rows[i].cells[c]);
		}
	}
	free(table->rows);
	free(table);
	return NULL;
}

static int table_grow(struct table *table)
{
	unsigned capacity = table->capacity ? table->capacity * 2 : 32;
	struct row *rows;

	if (table->len < table->capacity) {
		return 0;
	}
	rows = reallocarray(table->rows, capacity, sizeof(*rows));
	if (!rows) {
		return -ENOMEM;
	}
	table->rows = rows;
	table->capacity = capacity;
	return 0;
}

void table_add(struct table *table, const char *const *cells, unsigned coloured, const char *colour)
{
	struct row *row;

	if (table_grow(table) < 0) {
		table->status = -ENOMEM;
		return;
	}
	row = &table->rows[table->len++];
	*row = (struct row){.coloured = coloured, .colour = colour};
	for (unsigned c = 0; c < table->columns; c++) {
		size_t width;

		row->cells[c] = text_escape(cells[c] && cells[c][0] ? cells[c] : "-");
		if (!row->cells[c]) {
			table->status = -ENOMEM;
			continue;
		}
		width = text_width(row->cells[c]);
		table->widths[c] = width > table->widths[c] ? width : table->widths[c];
	}
}

static void print_row(const struct table *table, const struct row *row, FILE *out, bool colours)
{
	for (unsigned c = 0; c < table->columns; c++) {
		bool colour = colours && row->colour && row->coloured == c;
		bool last = c + 1 == table->columns;
		size_t pad = last ? 0 : table->widths[c] - text_width(row->cells[c]) + 2;

		fprintf(out, "%s%s%s%s%s%*s", colour ? "\033[" : "", colour ? row->colour : "",
			colour ? "m" : "", row->cells[c], colour ? "\033[0m" : "", (int)pad, "");
	}
	fputc('\n', out);
}

int table_print(const struct table *table, FILE *out, bool colours)
{
	if (table->status < 0) {
		return table->status;
	}
	for (unsigned i = 0; i < table->len; i++) {
		print_row(table, &table->rows[i], out, colours);
	}
	return 0;
}
