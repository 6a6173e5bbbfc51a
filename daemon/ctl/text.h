/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Text for a terminal: names, reasons and logs come from guests' owners and from QEMU, so what
 * could steer a terminal or hide something is escaped.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Control characters and what is not UTF-8 as \xNN, marks that change the direction of writing as
 * \uNNNN, tabs stay. Caller frees; NULL: out of memory. */
char *text_escape(const char *text);
/* Writes TEXT escaped. */
void text_put(FILE *out, const char *text);
/* Columns that TEXT (escaped) takes on a terminal. */
size_t text_width(const char *text);

/* Colours are for a terminal that wants them (https://no-color.org). */
bool text_colours(FILE *out);

/* A table: columns are as wide as their widest cell, the last one is never padded. */
struct table;
#define TABLE_COLUMNS_MAX 8
struct table *table_new(const char *const *headings, unsigned columns);
struct table *table_free(struct table *table);
/* The cells of one row, escaped here; NULL is "-". COLOUR (may be NULL) is an SGR parameter for the
 * cell of column COLOURED. */
void table_add(
	struct table *table, const char *const *cells, unsigned coloured, const char *colour);
/* 0 or -ENOMEM when a cell is missing. */
int table_print(const struct table *table, FILE *out, bool colours);
