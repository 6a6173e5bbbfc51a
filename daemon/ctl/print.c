/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/ctl/print.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "daemon/ctl/text.h"

void print_json(struct json_object *json)
{
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_SPACED |
							  JSON_C_TO_STRING_NOSLASHESCAPE));
}

void print_json_line(struct json_object *json)
{
	puts(json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static bool is_empty(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		return true;
	case json_type_array:
		return json_object_array_length(value) == 0;
	case json_type_object:
		return json_object_object_length(value) == 0;
	default:
		return false;
	}
}

static bool is_nested(struct json_object *value)
{
	return json_object_is_type(value, json_type_object) ||
	       json_object_is_type(value, json_type_array);
}

/* A string as it is, all else as one line of JSON. */
static void put_value(struct json_object *value)
{
	if (json_object_is_type(value, json_type_string)) {
		text_put(stdout, json_object_get_string(value));
	} else {
		text_put(stdout, json_object_to_json_string_ext(value,
					 JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	}
}

void print_members(struct json_object *object, const char *const *but)
{
	if (!json_object_is_type(object, json_type_object)) {
		return;
	}
	json_object_object_foreach (object, key, value) {
		bool skip = is_empty(value);

		for (const char *const *b = but; b && *b && !skip; b++) {
			skip = !strcmp(*b, key);
		}
		if (!skip) {
			putchar(' ');
			text_put(stdout, key);
			putchar('=');
			put_value(value);
		}
	}
}

static void print_lines(const char *text, int indent)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, len);

		printf("%*s", indent, "");
		text_put(stdout, line ? line : "(out of memory)");
		putchar('\n');
		text += len + (text[len] == '\n');
	}
}

static void print_item(struct json_object *item, int indent)
{
	printf("%*s", indent, "");
	if (json_object_is_type(item, json_type_object)) {
		printf("-");
		print_members(item, NULL);
	} else {
		put_value(item);
	}
	putchar('\n');
}

static void print_object(struct json_object *object, int indent);

static void print_member(const char *key, struct json_object *value, int indent)
{
	const char *text =
		json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

	printf("%*s", indent, "");
	text_put(stdout, key);
	if (json_object_is_type(value, json_type_object)) {
		puts(":");
		print_object(value, indent + 2);
	} else if (json_object_is_type(value, json_type_array)) {
		puts(":");
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			print_item(json_object_array_get_idx(value, i), indent + 2);
		}
	} else if (text && strchr(text, '\n')) {
		puts(":");
		print_lines(text, indent + 2);
	} else {
		fputs(": ", stdout);
		put_value(value);
		putchar('\n');
	}
}

/* What fits a line first, what takes several behind it. */
static void print_object(struct json_object *object, int indent)
{
	for (int nested = 0; nested < 2; nested++) {
		json_object_object_foreach (object, key, value) {
			if (!is_empty(value) && is_nested(value) == nested) {
				print_member(key, value, indent);
			}
		}
	}
}

void print_tree(struct json_object *object)
{
	if (json_object_is_type(object, json_type_object)) {
		print_object(object, 0);
	}
}
