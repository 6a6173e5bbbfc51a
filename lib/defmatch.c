/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The key "match": which domain a definition is for. */
#include "lib/defmatch.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "lib/limits.h"
#include "lib/parse.h"

#define INCOMING "--incoming" /* what xl migrate puts behind a name */

static int match_name(const struct json_node *node, struct definition *d, struct err *err)
{
	const char *text;
	int r = json_text(node, &text, err);

	if (r < 0) {
		return r;
	}
	if (strlen(text) > LIMIT_NAME_BYTES) {
		return json_fail(
			node, -EINVAL, err, "a name has at most %d bytes", LIMIT_NAME_BYTES);
	}
	d->match = strpbrk(text, "*?[\\") ? DEFINITION_MATCH_GLOB : DEFINITION_MATCH_NAME;
	return json_copy_text(node, text, &d->match_name, err);
}

static int match_uuid(const struct json_node *node, struct definition *d, struct err *err)
{
	const char *text;
	int r = json_text(node, &text, err);

	if (r == 0 && parse_uuid(text, d->match_uuid) < 0) {
		return json_fail(node, -EINVAL, err, "must be a uuid, is \"%.64s\"", text);
	}
	d->match = DEFINITION_MATCH_UUID;
	return r;
}

static int match_domid(const struct json_node *node, struct definition *d, struct err *err)
{
	d->match = DEFINITION_MATCH_DOMID;
	return json_unsigned(node, 1, DOMID_FIRST_RESERVED - 1, &d->match_domid, err);
}

int defmatch_parse(const struct json_node *match, struct definition *d, struct err *err)
{
	static const char *const known[] = {"name", "uuid", "domid", NULL};
	static int (*const parse[])(const struct json_node *, struct definition *, struct err *) = {
		match_name, match_uuid, match_domid};
	struct json_node node;
	unsigned found = 0;
	int r = json_check_keys(match, known, err);

	if (r < 0) {
		return r;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(parse); i++) {
		found += json_member(match, known[i], &node);
	}
	if (found != 1) {
		return json_fail(match, -EINVAL, err,
			"must have exactly one of \"name\", \"uuid\" and \"domid\"");
	}
	for (unsigned i = 0; i < ARRAY_SIZE(parse) && r == 0; i++) {
		if (json_member(match, known[i], &node)) {
			r = parse[i](&node, d, err);
		}
	}
	return r;
}

size_t definition_name_len(const char *name)
{
	size_t len = strlen(name), tail = strlen(INCOMING);

	return len > tail && !strcmp(name + len - tail, INCOMING) ? len - tail : len;
}

bool definition_matches(
	const struct definition *d, uint32_t domid, const uint8_t uuid[16], const char *name)
{
	char plain[LIMIT_NAME_BYTES + 1];
	size_t len = name ? definition_name_len(name) : sizeof(plain);

	switch (d->match) {
	case DEFINITION_MATCH_ABSENT:
		return true;
	case DEFINITION_MATCH_DOMID:
		return d->match_domid == domid;
	case DEFINITION_MATCH_UUID:
		return !memcmp(d->match_uuid, uuid, sizeof(d->match_uuid));
	case DEFINITION_MATCH_NAME:
	case DEFINITION_MATCH_GLOB:
		break;
	}
	if (len >= sizeof(plain)) {
		return false;
	}
	memcpy(plain, name, len);
	plain[len] = '\0';
	return d->match == DEFINITION_MATCH_NAME ? !strcmp(d->match_name, plain)
						 : fnmatch(d->match_name, plain, 0) == 0;
}
