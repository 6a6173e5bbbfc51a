/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON on stdout: as JSON, and for people. */
#include <json-c/json.h>

/* Indented, several lines. */
void print_json(struct json_object *json);
/* One line. */
void print_json_line(struct json_object *json);
/* One member a line, "KEY: VALUE"; lists with one item a line, indented; text of several lines as
 * lines; members that are null or empty left out. */
void print_tree(struct json_object *object);
/* " KEY=VALUE" for each member but the named ones (NULL-terminated). */
void print_members(struct json_object *object, const char *const *but);
