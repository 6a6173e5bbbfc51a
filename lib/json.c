/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/jsonscan.h"
#include "lib/limits.h"
#include "lib/utf8.h"

#define MESSAGE_MAX 320

static void tokener_free_p(struct json_tokener **t)
{
	if (*t) {
		json_tokener_free(*t);
	}
}

static int build_tree(struct json_doc *doc, struct err *err)
{
	/* json-c counts one level more than there are brackets. Its strict mode would add nothing
	 * to the scan, and that of 0.18 takes every byte of a UTF-8 sequence for a control
	 * character where char is signed. */
	_cleanup_(tokener_free_p) struct json_tokener *t =
		json_tokener_new_ex(LIMIT_JSON_DEPTH + 2);

	if (!t) {
		return err_set(err, -ENOMEM, "%s: out of memory", doc->file);
	}
	doc->root = json_tokener_parse_ex(t, doc->text, (int)doc->len);
	if (json_tokener_get_error(t) != json_tokener_success) {
		return err_set(err, -EINVAL, "%s: %s", doc->file,
			json_tokener_error_desc(json_tokener_get_error(t)));
	}
	return 0;
}

int json_doc_parse(
	struct json_doc *ret, const char *file, const char *text, size_t len, struct err *err)
{
	struct json_doc doc = {.file = file, .text = text, .len = len};
	struct jsonscan_error error;
	int r = jsonscan_check(text, len, &error);

	if (r < 0) {
		return err_set(err, r, "%s:%u: %s%scolumn %u: %s", file, error.place.line,
			error.path, *error.path ? ": " : "", error.place.column, error.text);
	}
	/* A text that passed the scan has a value behind its blanks: this ends before LEN. */
	while (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n') {
		text++;
	}
	if (*text != '{') {
		return err_set(err, -EINVAL, "%s:%u: the file must hold one JSON object", file,
			jsonscan_place_at(doc.text, text - doc.text).line);
	}
	r = build_tree(&doc, err);
	if (r < 0) {
		json_doc_fini(&doc);
		return r;
	}
	*ret = doc;
	return 0;
}

void json_doc_fini(struct json_doc *doc)
{
	json_object_put(doc->root);
	doc->root = NULL;
}

struct json_node json_doc_root(const struct json_doc *doc)
{
	return (struct json_node){.doc = doc, .value = doc->root};
}

/* The steps from the root to NODE; returns how many. */
static size_t node_steps(const struct json_node *node, struct jsonscan_step *ret)
{
	size_t len = 0;

	for (const struct json_node *n = node; n->parent; n = n->parent) {
		len++;
	}
	for (size_t i = len; i-- > 0; node = node->parent) {
		ret[i] = (struct jsonscan_step){node->key, node->index};
	}
	return len;
}

static void format_path(const struct jsonscan_step *steps, size_t len, char *path)
{
	path[0] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (steps[i].key) {
			jsonscan_path_add_key(
				path, JSONSCAN_PATH_MAX, steps[i].key, strlen(steps[i].key));
		} else {
			jsonscan_path_add_index(path, JSONSCAN_PATH_MAX, steps[i].index);
		}
	}
}

/* What a value brought in may be cut within a character or be meant for a terminal. */
static void make_one_line(char *message)
{
	utf8_make_printable(message, strlen(message));
	for (; *message; message++) {
		if (*message == '\n' || *message == '\t') {
			*message = '?';
		}
	}
}

/* OFFSET: byte of the string's value that is meant, or NULL for the whole member. */
static int fail(const struct json_node *node, int code, struct err *err, const size_t *offset,
	char *message)
{
	const struct json_doc *doc = node->doc;
	struct jsonscan_step steps[LIMIT_JSON_DEPTH + 1];
	size_t len = node_steps(node, steps);
	struct jsonscan_value found = {0};
	struct jsonscan_place place;
	char path[JSONSCAN_PATH_MAX], column[32] = "";
	size_t where;

	if (!doc->text) {
		format_path(steps, len, path);
		make_one_line(message);
		return err_set(err, code, "%s: %s", path, message);
	}
	/* A member that is missing stands where its object does. */
	for (size_t known = len; jsonscan_find(doc->text, doc->len, steps, known, &found) < 0;) {
		if (known-- == 0) {
			break;
		}
	}
	where = found.where;
	if (offset) {
		where = found.offset +
			jsonscan_string_offset(doc->text + found.offset, found.len, *offset);
	}
	place = jsonscan_place_at(doc->text, where);
	if (offset) {
		snprintf(column, sizeof(column), " at column %u", place.column);
	}
	format_path(steps, len, path);
	make_one_line(message);
	return err_set(err, code, "%s:%u: %s%s%s%s", doc->file, place.line, path, *path ? ": " : "",
		message, column);
}

int json_fail(const struct json_node *node, int code, struct err *err, const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	return fail(node, code, err, NULL, message);
}

int json_fail_missing(
	const struct json_node *object, const char *key, struct err *err, const char *message)
{
	struct json_node node = {.doc = object->doc, .parent = object, .key = key};

	return json_fail(&node, -EINVAL, err, "%s", message);
}

int json_fail_at(const struct json_node *node, size_t offset, struct err *err, const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	return fail(node, -EINVAL, err, &offset, message);
}

int json_no_memory(const struct json_node *node, struct err *err)
{
	return json_fail(node, -ENOMEM, err, "out of memory");
}

int json_copy_text(const struct json_node *node, const char *text, char **ret, struct err *err)
{
	*ret = strdup(text);
	return *ret ? 0 : json_no_memory(node, err);
}

bool json_member(const struct json_node *object, const char *key, struct json_node *ret)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object->value, key, &value)) {
		return false;
	}
	*ret = (struct json_node){.doc = object->doc, .parent = object, .key = key, .value = value};
	return true;
}

struct json_node json_element(const struct json_node *array, size_t index)
{
	return (struct json_node){.doc = array->doc,
		.parent = array,
		.index = index,
		.value = json_object_array_get_idx(array->value, index)};
}

size_t json_length(const struct json_node *array)
{
	return json_object_array_length(array->value);
}

static const char *type_name(enum json_type type)
{
	switch (type) {
	case json_type_null:
		return "null";
	case json_type_boolean:
		return "true or false";
	case json_type_double:
		return "a number with a fraction";
	case json_type_int:
		return "a whole number";
	case json_type_object:
		return "an object";
	case json_type_array:
		return "an array";
	case json_type_string:
		return "a string";
	}
	return "something else";
}

int json_check_type(const struct json_node *node, enum json_type type, struct err *err)
{
	enum json_type is = json_object_get_type(node->value);

	if (is == type) {
		return 0;
	}
	return json_fail(node, -EINVAL, err, "must be %s, is %s", type_name(type), type_name(is));
}

static bool listed(const char *const *names, const char *name)
{
	for (; *names; names++) {
		if (!strcmp(*names, name)) {
			return true;
		}
	}
	return false;
}

int json_check_keys(const struct json_node *object, const char *const *known, struct err *err)
{
	int r = json_check_type(object, json_type_object, err);

	if (r < 0) {
		return r;
	}
	json_object_object_foreach (object->value, key, value) {
		struct json_node node = {
			.doc = object->doc, .parent = object, .key = key, .value = value};

		if (!listed(known, key)) {
			return json_fail(&node, -EINVAL, err, "unknown key");
		}
	}
	return 0;
}

int json_string(const struct json_node *node, const char **ret, struct err *err)
{
	int r = json_check_type(node, json_type_string, err);

	if (r == 0) {
		*ret = json_object_get_string(node->value);
	}
	return r;
}

int json_text(const struct json_node *node, const char **ret, struct err *err)
{
	const char *text;
	int r = json_string(node, &text, err);

	if (r < 0) {
		return r;
	}
	if (!*text) {
		return json_fail(node, -EINVAL, err, "must not be empty");
	}
	*ret = text;
	return 0;
}

int json_u64(
	const struct json_node *node, uint64_t min, uint64_t max, uint64_t *ret, struct err *err)
{
	int r = json_check_type(node, json_type_int, err);
	uint64_t value;

	if (r < 0) {
		return r;
	}
	value = json_object_get_uint64(node->value);
	if (value < min || value > max || json_object_get_int64(node->value) < 0) {
		return json_fail(node, -EINVAL, err, "must be from %llu to %llu, is %s",
			(unsigned long long)min, (unsigned long long)max,
			json_object_to_json_string(node->value));
	}
	*ret = value;
	return 0;
}

int json_unsigned(
	const struct json_node *node, unsigned min, unsigned max, unsigned *ret, struct err *err)
{
	uint64_t value;
	int r = json_u64(node, min, max, &value, err);

	if (r == 0) {
		*ret = (unsigned)value;
	}
	return r;
}

int json_boolean(const struct json_node *node, bool *ret, struct err *err)
{
	int r = json_check_type(node, json_type_boolean, err);

	if (r == 0) {
		*ret = json_object_get_boolean(node->value);
	}
	return r;
}

/* "one of "a", "b"" for an error. */
static void list_names(const char *const *names, char *ret, size_t size)
{
	size_t at = 0;

	ret[0] = '\0';
	for (size_t i = 0; names[i] && at < size; i++) {
		at += snprintf(ret + at, size - at, "%s\"%s\"",
			i == 0	       ? ""
			: names[i + 1] ? ", "
				       : " or ",
			names[i]);
	}
}

int json_enum(
	const struct json_node *node, const char *const *names, unsigned *ret, struct err *err)
{
	char all[MESSAGE_MAX / 2];
	const char *text;
	int r = json_string(node, &text, err);

	if (r < 0) {
		return r;
	}
	for (unsigned i = 0; names[i]; i++) {
		if (!strcmp(names[i], text)) {
			*ret = i;
			return 0;
		}
	}
	list_names(names, all, sizeof(all));
	return json_fail(node, -EINVAL, err, "must be %s, is \"%.64s\"", all, text);
}

int json_get_text(
	const struct json_node *object, const char *key, const char **ret, struct err *err)
{
	struct json_node node;

	return json_member(object, key, &node) ? json_text(&node, ret, err) : 0;
}

int json_get_unsigned(const struct json_node *object, const char *key, unsigned min, unsigned max,
	unsigned *ret, struct err *err)
{
	struct json_node node;

	return json_member(object, key, &node) ? json_unsigned(&node, min, max, ret, err) : 0;
}

int json_get_bool(const struct json_node *object, const char *key, bool *ret, struct err *err)
{
	struct json_node node;

	return json_member(object, key, &node) ? json_boolean(&node, ret, err) : 0;
}
