/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * print-schema FILE: the JSON Schema of definitions. FILE has all of it but "qemu", whose schema is
 * made from the tables that the parser goes by (lib/typed_impl.h), so that the two can't differ.
 */
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "lib/typed_impl.h"

/* What a text with a placeholder will be is not known yet. */
#define OR_OPEN(pattern) "^(" pattern "|.*\\$.*)$"

static const char *const patterns[] = {
	[TYPED_ID] = OR_OPEN("[A-Za-z][A-Za-z0-9._-]*"),
	[TYPED_SIZE] = OR_OPEN("[0-9]+[kKmMgGtTpPeE]"),
	[TYPED_UUID] = OR_OPEN("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
	[TYPED_MAC] = OR_OPEN("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}"),
	[TYPED_ADDR] = OR_OPEN(
		"[0-9]+|0x[0-9a-fA-F]{1,2}|([0-9a-fA-F]{2}:)?[0-9a-fA-F]{1,2}\\.[0-9a-fA-F]"),
	[TYPED_BDF] = OR_OPEN("([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\\.[0-9a-fA-F]"),
	[TYPED_HEX16] = OR_OPEN("0x[0-9a-fA-F]{1,4}"),
	[TYPED_FILE] = OR_OPEN("@[A-Za-z0-9_.-]+"),
	[TYPED_NUMBER] = OR_OPEN("[0-9]+|0x[0-9a-fA-F]+"),
	[TYPED_PROPERTIES] = OR_OPEN("[^,]+(,[^,=]+=[^,]*)*"),
};

static struct json_object *with(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
	return o;
}

static struct json_object *text(const char *value)
{
	return json_object_new_string(value);
}

static struct json_object *of_type(const char *type)
{
	return with(json_object_new_object(), "type", text(type));
}

static struct json_object *any_of(struct json_object *one, struct json_object *other)
{
	struct json_object *list = json_object_new_array();

	json_object_array_add(list, one);
	json_object_array_add(list, other);
	return with(json_object_new_object(), "anyOf", list);
}

static struct json_object *string_of(enum typed_form form)
{
	const char *pattern = form < sizeof(patterns) / sizeof(*patterns) ? patterns[form] : NULL;

	return pattern ? with(of_type("string"), "pattern", text(pattern))
		       : with(of_type("string"), "minLength", json_object_new_int(1));
}

static struct json_object *integer(uint64_t min, uint64_t max)
{
	struct json_object *o = with(of_type("integer"), "minimum", json_object_new_uint64(min));

	return max ? with(o, "maximum", json_object_new_uint64(max)) : o;
}

static struct json_object *list_of(struct json_object *items)
{
	return with(of_type("array"), "items", items);
}

static struct json_object *names(const char *const *values)
{
	struct json_object *list = json_object_new_array();

	for (; *values; values++) {
		json_object_array_add(list, text(*values));
	}
	return with(json_object_new_object(), "enum", list);
}

static struct json_object *object_of(const struct typed_table *table, const char *kind);

static struct json_object *devices(void)
{
	struct json_object *kinds = json_object_new_array(), *item = of_type("object");

	for (unsigned i = 0; typed_kinds[i]; i++) {
		json_object_array_add(
			kinds, object_of(&typed_kinds[i]->table, typed_kinds[i]->name));
	}
	return list_of(with(item, "oneOf", kinds));
}

static struct json_object *arguments(void)
{
	static const char *const scalars[] = {"string", "number", "boolean", NULL};
	struct json_object *types = json_object_new_array();
	struct json_object *properties = of_type("object");

	for (unsigned i = 0; scalars[i]; i++) {
		json_object_array_add(types, text(scalars[i]));
	}
	with(properties, "propertyNames",
		with(json_object_new_object(), "pattern", text("^[^=,]+$")));
	with(properties, "additionalProperties", with(json_object_new_object(), "type", types));
	return list_of(any_of(string_of(TYPED_TEXT), properties));
}

static struct json_object *field_schema(const struct typed_field *f)
{
	switch (f->form) {
	case TYPED_BOOL:
		return of_type("boolean");
	case TYPED_UINT:
		return integer(f->min, f->max);
	case TYPED_NUMBER:
		return any_of(integer(f->min, f->max), string_of(f->form));
	case TYPED_BYTES:
		return any_of(integer(1, 0), string_of(TYPED_SIZE));
	case TYPED_ADDR:
		return any_of(integer(0, UINT8_MAX), string_of(f->form));
	case TYPED_ENUM:
		return names(f->names);
	case TYPED_FILES:
		return list_of(string_of(TYPED_FILE));
	case TYPED_TEXTS:
		return list_of(string_of(TYPED_TEXT));
	case TYPED_OBJECT:
		return object_of(f->table, NULL);
	case TYPED_OBJECTS:
		return list_of(object_of(f->table, NULL));
	case TYPED_DEVICES:
		return devices();
	case TYPED_ARGUMENTS:
		return arguments();
	default:
		return string_of(f->form);
	}
}

static struct json_object *object_of(const struct typed_table *table, const char *kind)
{
	struct json_object *o = of_type("object"), *properties = json_object_new_object();
	struct json_object *required = json_object_new_array();

	for (const struct typed_field *f = table->fields; f->key; f++) {
		json_object_object_add(properties, f->key, field_schema(f));
		if (f->required) {
			json_object_array_add(required, text(f->key));
		}
	}
	if (kind) {
		with(properties, "kind", with(json_object_new_object(), "const", text(kind)));
	}
	with(o, "additionalProperties", json_object_new_boolean(false));
	with(o, "required", required);
	return with(o, "properties", properties);
}

int main(int argc, char **argv)
{
	struct json_object *schema = argc == 2 ? json_object_from_file(argv[1]) : NULL;
	struct json_object *definitions;

	if (!schema || !json_object_object_get_ex(schema, "$defs", &definitions)) {
		fprintf(stderr, "usage: print-schema FILE (JSON with \"$defs\")\n");
		return EXIT_FAILURE;
	}
	json_object_object_add(definitions, "qemu", object_of(&typed_root, NULL));
	puts(json_object_to_json_string_ext(
		schema, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(schema);
	return EXIT_SUCCESS;
}
