/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/vncpass.h"

#include <string.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"

static bool is_password(const char *word, size_t len)
{
	static const char *const words[] = {
		"password", "password=on", "password=yes", "password=true", "password=y"};
	static const char secret[] = "password-secret=";

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (len == strlen(words[i]) && !strncmp(word, words[i], len)) {
			return true;
		}
	}
	return len >= strlen(secret) && !strncmp(word, secret, strlen(secret));
}

/* The first word is the address. A doubled comma belongs to its word, which then is none of ours.
 */
static bool has_password(const char *value)
{
	const char *word = value + strcspn(value, ",");

	while (*word) {
		size_t len = strcspn(++word, ",");

		if (is_password(word, len)) {
			return true;
		}
		word += len;
	}
	return false;
}

bool vncpass_wanted(const struct strv *argv)
{
	for (size_t i = 1; i + 1 < argv->len; i++) {
		const char *option = argv->items[i], *value = argv->items[i + 1];

		if ((dmopt_is(option, "-vnc") ||
			    (dmopt_is(option, "-display") && !strncmp(value, "vnc=", 4))) &&
			has_password(value)) {
			return true;
		}
	}
	return false;
}
