/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/libxljson.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/limits.h"

static int read_string(const struct json_node *node, const char **ret, struct err *err)
{
	if (!node->value) {
		*ret = NULL;
		return 0;
	}
	return json_string(node, ret, err);
}

static int read_strings(const struct json_node *node, struct strv *ret, struct err *err)
{
	const char *text;
	int r;

	if (!node->value) {
		return 0;
	}
	r = json_check_type(node, json_type_array, err);
	if (r == 0 && json_length(node) > LIMIT_ARGV_ITEMS) {
		return json_fail(node, -EINVAL, err, "more than %d items", LIMIT_ARGV_ITEMS);
	}
	for (size_t i = 0; r == 0 && i < json_length(node); i++) {
		struct json_node element = json_element(node, i);

		r = json_string(&element, &text, err);
		if (r == 0) {
			strv_add(ret, text);
		}
	}
	if (r == 0 && strv_status(ret) < 0) {
		return json_fail(node, -ENOMEM, err, "out of memory");
	}
	return r;
}

static int read_defbool(const struct json_node *node, bool *ret, struct err *err)
{
	const char *text;

	if (!node->value) {
		return 0;
	}
	if (json_object_is_type(node->value, json_type_boolean)) {
		*ret = json_object_get_boolean(node->value);
		return 0;
	}
	text = json_object_is_type(node->value, json_type_string)
		       ? json_object_get_string(node->value)
		       : "";
	if (!strcasecmp(text, "True") || !strcasecmp(text, "False")) {
		*ret = !strcasecmp(text, "True");
		return 0;
	}
	if (!strcasecmp(text, LIBXLJSON_DEFAULT)) {
		return 0;
	}
	return json_fail(node, -EINVAL, err,
		"must be \"True\", \"False\" or \"<default>\", is %.64s",
		json_object_to_json_string_ext(node->value, JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int read_flag(const struct json_node *node, bool *ret, struct err *err)
{
	if (json_object_is_type(node->value, json_type_int)) {
		*ret = json_object_get_int64(node->value) != 0;
		return 0;
	}
	if (json_object_is_type(node->value, json_type_boolean)) {
		*ret = json_object_get_boolean(node->value);
		return 0;
	}
	return json_fail(node, -EINVAL, err, "must be true or false, or a number");
}

static int read_int(
	const struct json_node *node, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	int r = json_check_type(node, json_type_int, err);
	int64_t value;

	if (r < 0) {
		return r;
	}
	/* What is above INT64_MAX saturates there, above every limit. */
	value = json_object_get_int64(node->value);
	if (value < min || value > max) {
		return json_fail(node, -EINVAL, err, "must be from %lld to %lld, is %s",
			(long long)min, (long long)max, json_object_to_json_string(node->value));
	}
	*ret = value;
	return 0;
}

static int read_enum(
	const struct json_node *node, const char *const *names, unsigned *ret, struct err *err)
{
	const char *text;
	int r = json_string(node, &text, err);

	for (unsigned i = 0; r == 0 && names[i]; i++) {
		if (!strcasecmp(names[i], text)) {
			*ret = i;
			return 0;
		}
	}
	/* Not found: the error with the list of names. */
	return r < 0 ? r : json_enum(node, names, ret, err);
}

static int read_field(
	const struct json_node *node, const struct libxljson_field *f, char *at, struct err *err)
{
	switch (f->type) {
	case LIBXLJSON_STRING:
		return read_string(node, (const char **)at, err);
	case LIBXLJSON_STRINGS:
		return read_strings(node, (struct strv *)at, err);
	case LIBXLJSON_DEFBOOL:
		return read_defbool(node, (bool *)at, err);
	case LIBXLJSON_FLAG:
		return read_flag(node, (bool *)at, err);
	case LIBXLJSON_INT:
		return read_int(node, f->min, f->max, (int64_t *)at, err);
	case LIBXLJSON_ENUM:
		return read_enum(node, f->names, (unsigned *)at, err);
	}
	return 0;
}

int libxljson_read(const struct json_node *object, const struct libxljson_field *fields, size_t len,
	void *base, struct err *err)
{
	int r = json_check_type(object, json_type_object, err);

	for (size_t i = 0; i < len && r == 0; i++) {
		struct json_node node;

		if (json_member(object, fields[i].key, &node)) {
			r = read_field(&node, &fields[i], (char *)base + fields[i].offset, err);
		}
	}
	return r;
}

int libxljson_array(const struct json_node *object, const char *key, size_t max,
	struct json_node *ret, size_t *ret_len, struct err *err)
{
	int r;

	*ret_len = 0;
	if (!json_member(object, key, ret) || !ret->value) {
		return 0;
	}
	r = json_check_type(ret, json_type_array, err);
	if (r == 0 && json_length(ret) > max) {
		return json_fail(ret, -EINVAL, err, "more than %zu items", max);
	}
	if (r == 0) {
		*ret_len = json_length(ret);
	}
	return r;
}

bool libxljson_object(const struct json_node *object, const char *key, struct json_node *ret,
	int *ret_status, struct err *err)
{
	*ret_status = 0;
	if (!json_member(object, key, ret) || !ret->value) {
		return false;
	}
	*ret_status = json_check_type(ret, json_type_object, err);
	return *ret_status == 0;
}

int libxljson_bitmap(const struct json_node *object, const char *key, unsigned max,
	unsigned *ret_count, unsigned *ret_end, uint8_t *ret_bits, struct err *err)
{
	struct json_node node;
	int r;

	if (!json_member(object, key, &node) || !node.value) {
		return 0;
	}
	r = json_check_type(&node, json_type_array, err);
	if (r < 0 || json_length(&node) == 0) {
		return r;
	}
	*ret_count = *ret_end = 0;
	memset(ret_bits, 0, (max + 7) / 8);
	for (size_t i = 0; r == 0 && i < json_length(&node); i++) {
		struct json_node element = json_element(&node, i);
		unsigned bit;

		r = json_unsigned(&element, 0, max - 1, &bit, err);
		if (r < 0 || ret_bits[bit / 8] & 1u << bit % 8) {
			continue;
		}
		ret_bits[bit / 8] |= 1u << bit % 8;
		(*ret_count)++;
		*ret_end = bit + 1 > *ret_end ? bit + 1 : *ret_end;
	}
	return r;
}
