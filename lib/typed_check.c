/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks the form of a typed description by its tables. */
#include "lib/typed_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/parse.h"
#include "lib/qemuopt.h"

#define FILE_NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
#define KEYS_MAX 40

/* What a placeholder brings is looked at when it is there. */
static bool is_open(const char *text)
{
	return strchr(text, '$') != NULL;
}

static bool is_hex(const char *text, size_t min, size_t max)
{
	size_t len = strspn(text, "0123456789abcdefABCDEF");

	return len >= min && len <= max && !text[len];
}

static bool is_decimal(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len && len <= 19 && !text[len];
}

/* MASK: 'h' stands for a hexadecimal digit, all else for itself. */
static bool fits(const char *text, const char *mask)
{
	for (; *mask && *text; mask++, text++) {
		if (*mask == 'h' ? !isxdigit((unsigned char)*text) : *mask != *text) {
			return false;
		}
	}
	return !*mask && !*text;
}

static bool is_mac(const char *text)
{
	return fits(text, "hh:hh:hh:hh:hh:hh");
}

static bool is_uuid(const char *text)
{
	uint8_t uuid[16];

	return parse_uuid(text, uuid) == 0;
}

static bool is_addr(const char *text)
{
	return is_decimal(text) || (!strncmp(text, "0x", 2) && is_hex(text + 2, 1, 2)) ||
	       fits(text, "h.h") || fits(text, "hh.h") || fits(text, "hh:hh.h");
}

static bool is_bdf(const char *text)
{
	return fits(text, "hh:hh.h") || fits(text, "hhhh:hh:hh.h");
}

static bool is_hex16(const char *text)
{
	return !strncmp(text, "0x", 2) && is_hex(text + 2, 1, 4);
}

static bool is_file(const char *text)
{
	size_t len = *text == '@' ? strspn(text + 1, FILE_NAME_CHARS) : 0;

	return len && !text[1 + len];
}

uint64_t typed_size(const char *text)
{
	static const char suffixes[] = "kmgtpe";
	const char *suffix;
	uint64_t value;
	char *end;

	if (is_open(text)) {
		return UINT64_MAX;
	}
	errno = 0;
	value = strtoull(text, &end, 10);
	suffix = *end ? strchr(suffixes, tolower((unsigned char)*end)) : NULL;
	if (!isdigit((unsigned char)*text) || errno || !suffix || end[1]) {
		return 0;
	}
	for (const char *s = suffixes; s <= suffix; s++) {
		if (value > UINT64_MAX / 1024) {
			return 0;
		}
		value *= 1024;
	}
	return value;
}

static bool is_size(const char *text)
{
	return typed_size(text) != 0;
}

/* Forms that are a text, with what is said of one that does not fit. */
static const struct {
	bool (*fits)(const char *text);
	const char *wanted;
} texts[] = {
	[TYPED_ID] = {qemuopt_is_id, "a letter, then letters, digits, \"-\", \".\" and \"_\""},
	[TYPED_UUID] = {is_uuid, "a uuid"},
	[TYPED_MAC] = {is_mac, "an Ethernet address as \"00:16:3e:01:02:03\""},
	[TYPED_ADDR] = {is_addr,
		"a place on the bus: \"4\" (decimal), \"0x4\", or \"4.0\" with the function"},
	[TYPED_BDF] = {is_bdf, "a PCI device of the host as \"0000:03:00.0\""},
	[TYPED_HEX16] = {is_hex16, "\"0x\" and up to four hexadecimal digits"},
	[TYPED_FILE] = {is_file, "\"@\" and the name of an open file"},
	[TYPED_SIZE] = {is_size,
		"a number with its unit, as \"512M\" (QEMU takes a bare one for bytes here and "
		"for MiB there)"},
};

static int check_text(const struct json_node *node, enum typed_form form, struct err *err)
{
	const char *text;
	int r = json_text(node, &text, err);

	if (r < 0 || form == TYPED_TEXT || is_open(text)) {
		return r;
	}
	if (!texts[form].fits(text)) {
		return json_fail(
			node, -EINVAL, err, "must be %s, is \"%.64s\"", texts[form].wanted, text);
	}
	return 0;
}

static uint64_t max_of(const struct typed_field *f)
{
	return f->max ? f->max : INT64_MAX;
}

static int check_number(const struct json_node *node, const struct typed_field *f, struct err *err)
{
	const char *text;
	uint64_t value;
	bool hex;

	if (!json_object_is_type(node->value, json_type_string)) {
		return json_u64(node, f->min, max_of(f), &value, err);
	}
	text = json_object_get_string(node->value);
	if (is_open(text)) {
		return 0;
	}
	hex = !strncmp(text, "0x", 2);
	if (!(hex ? is_hex(text + 2, 1, 15) : is_decimal(text))) {
		return json_fail(node, -EINVAL, err,
			"must be a number, decimal or with \"0x\", is \"%.64s\"", text);
	}
	value = strtoull(text, NULL, hex ? 16 : 10);
	if (value < f->min || value > max_of(f)) {
		return json_fail(node, -EINVAL, err, "must be from %llu to %llu, is %.64s",
			(unsigned long long)f->min, (unsigned long long)max_of(f), text);
	}
	return 0;
}

static int check_each(const struct json_node *node, const struct typed_field *f,
	int (*check)(const struct json_node *, const struct typed_field *, struct err *),
	struct err *err)
{
	int r = json_check_type(node, json_type_array, err);

	if (r == 0 && json_length(node) > LIMIT_ARGV_ITEMS) {
		r = json_fail(node, -EINVAL, err, "more than %d elements", LIMIT_ARGV_ITEMS);
	}
	for (size_t i = 0; r == 0 && i < json_length(node); i++) {
		struct json_node element = json_element(node, i);

		r = check(&element, f, err);
	}
	return r;
}

static int check_file_element(
	const struct json_node *node, const struct typed_field *f, struct err *err)
{
	(void)f;
	return check_text(node, TYPED_FILE, err);
}

static int check_text_element(
	const struct json_node *node, const struct typed_field *f, struct err *err)
{
	(void)f;
	return check_text(node, TYPED_TEXT, err);
}

static int check_object_element(
	const struct json_node *node, const struct typed_field *f, struct err *err)
{
	return typed_check_object(node, f->table, err);
}

static int check_device(const struct json_node *node, const struct typed_field *f, struct err *err)
{
	const struct typed_kind *kind;
	struct json_node name;
	const char *text;
	int r = json_check_type(node, json_type_object, err);

	(void)f;
	if (r < 0) {
		return r;
	}
	if (!json_member(node, "kind", &name)) {
		return json_fail_missing(node, "kind", err, "is missing");
	}
	r = json_text(&name, &text, err);
	if (r < 0) {
		return r;
	}
	kind = typed_find_kind(text);
	if (!kind) {
		return json_fail(&name, -EINVAL, err,
			"no kind of device is called \"%.64s\" (what has no kind yet can be given "
			"as \"raw\")",
			text);
	}
	return typed_check_object(node, &kind->table, err);
}

/* An argument as it stands, or an object: an option's properties. */
static int check_argument(
	const struct json_node *node, const struct typed_field *f, struct err *err)
{
	(void)f;
	if (!json_object_is_type(node->value, json_type_object)) {
		return check_text(node, TYPED_TEXT, err);
	}
	json_object_object_foreach (node->value, key, value) {
		struct json_node member = {
			.doc = node->doc, .parent = node, .key = key, .value = value};

		if (strpbrk(key, "=,") || !*key) {
			return json_fail(&member, -EINVAL, err, "no property has such a name");
		}
		if (!value || json_object_is_type(value, json_type_object) ||
			json_object_is_type(value, json_type_array)) {
			return json_fail(
				&member, -EINVAL, err, "must be a text, a number, true or false");
		}
	}
	return 0;
}

/* A word without "=" is a flag that QEMU no longer takes that way; the first may be a name. */
static int check_properties(const struct json_node *node, struct err *err)
{
	const char *text, *p;
	int r = json_text(node, &text, err);

	for (p = text; r == 0 && !is_open(text); p++) {
		size_t len = strcspn(p, ",");

		if (!len || (!memchr(p, '=', len) && p != text)) {
			return json_fail_at(node, p - text, err,
				"must be NAME=VALUE and so on (\"%.*s=on\" switches something on)",
				len > 32 ? 32 : (int)len, p);
		}
		p += len;
		if (!*p) {
			break;
		}
	}
	return r;
}

static int check_field(const struct json_node *node, const struct typed_field *f, struct err *err)
{
	unsigned index;
	uint64_t value;
	bool flag;
	int r;

	switch (f->form) {
	case TYPED_BOOL:
		return json_boolean(node, &flag, err);
	case TYPED_UINT:
		return json_u64(node, f->min, max_of(f), &value, err);
	case TYPED_NUMBER:
		return check_number(node, f, err);
	case TYPED_BYTES:
		return json_object_is_type(node->value, json_type_string)
			       ? check_text(node, TYPED_SIZE, err)
			       : json_u64(node, 1, INT64_MAX, &value, err);
	case TYPED_ADDR:
		return json_object_is_type(node->value, json_type_int)
			       ? json_u64(node, 0, UINT8_MAX, &value, err)
			       : check_text(node, f->form, err);
	case TYPED_ENUM:
		return json_enum(node, f->names, &index, err);
	case TYPED_FILES:
		return check_each(node, f, check_file_element, err);
	case TYPED_TEXTS:
		return check_each(node, f, check_text_element, err);
	case TYPED_PROPERTIES:
		return check_properties(node, err);
	case TYPED_OBJECT:
		r = json_check_type(node, json_type_object, err);
		return r < 0 ? r : typed_check_object(node, f->table, err);
	case TYPED_OBJECTS:
		return check_each(node, f, check_object_element, err);
	case TYPED_DEVICES:
		return check_each(node, f, check_device, err);
	case TYPED_ARGUMENTS:
		return check_each(node, f, check_argument, err);
	default:
		return check_text(node, f->form, err);
	}
}

static int check_keys(
	const struct json_node *node, const struct typed_field *fields, struct err *err)
{
	const char *known[KEYS_MAX + 1] = {0};

	for (size_t i = 0; i < KEYS_MAX && fields[i].key; i++) {
		known[i] = fields[i].key;
	}
	return json_check_keys(node, known, err);
}

int typed_check_object(
	const struct json_node *node, const struct typed_table *table, struct err *err)
{
	int r = json_check_type(node, json_type_object, err);

	if (r == 0) {
		r = check_keys(node, table->fields, err);
	}
	for (const struct typed_field *f = table->fields; r == 0 && f->key; f++) {
		struct json_node member;

		if (json_member(node, f->key, &member)) {
			r = check_field(&member, f, err);
		} else if (f->required) {
			r = json_fail_missing(node, f->key, err, "is missing");
		}
	}
	return r == 0 && table->check ? table->check(node, err) : r;
}

bool typed_has(const struct json_node *object, const char *key)
{
	struct json_node member;

	if (!json_member(object, key, &member)) {
		return false;
	}
	return !json_object_is_type(member.value, json_type_boolean) ||
	       json_object_get_boolean(member.value);
}

int typed_exclude(
	const struct json_node *object, const char *one, const char *other, struct err *err)
{
	struct json_node member;

	if (!typed_has(object, one) || !typed_has(object, other)) {
		return 0;
	}
	json_member(object, other, &member);
	return json_fail(&member, -EINVAL, err, "not possible beside \"%s\"", one);
}

int typed_needs(const struct json_node *object, const char *key, const char *needs, struct err *err)
{
	struct json_node member;

	if (!typed_has(object, key) || typed_has(object, needs)) {
		return 0;
	}
	json_member(object, key, &member);
	return json_fail(&member, -EINVAL, err, "needs \"%s\" beside it", needs);
}

int typed_require(const struct json_node *object, const char *key, const char *why, struct err *err)
{
	char message[160];

	if (typed_has(object, key)) {
		return 0;
	}
	snprintf(message, sizeof(message), "is missing: %s", why);
	return json_fail_missing(object, key, err, message);
}

int typed_check(const struct json_node *qemu, struct err *err)
{
	return typed_check_object(qemu, &typed_root, err);
}

int typed_check_whole(const struct json_node *qemu, struct err *err)
{
	static int (*const checks[])(const struct json_node *, struct err *) = {
		typed_check_references, typed_check_ids, typed_check_places, typed_check_fit,
		typed_check_memory_whole};
	int r = typed_check(qemu, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++) {
		r = checks[i](qemu, err);
	}
	return r;
}
