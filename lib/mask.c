/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/mask.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define MASK "***"

static const char *const keys[] = {"password", "passwd", "data"};

/* "data" is secret only in a secret object: everywhere else it may be anything. */
static bool is_secret_object(const char *arg)
{
	return !strncmp(arg, "secret", 6) || strstr(arg, "qom-type=secret") ||
	       (strstr(arg, "\"qom-type\"") && strstr(arg, "\"secret"));
}

/* KEY as a whole word at AT: not the end of "my-password". */
static bool key_at(const char *start, const char *at, const char *key)
{
	bool begins =
		at == start || (!isalnum((unsigned char)at[-1]) && at[-1] != '-' && at[-1] != '_');

	return begins && !strncmp(at, key, strlen(key));
}

/* Where the value of the key=value form ends: at a comma that is not doubled. */
static const char *end_of_plain(const char *value)
{
	for (; *value; value++) {
		if (*value == ',') {
			if (value[1] != ',') {
				break;
			}
			value++;
		}
	}
	return value;
}

static const char *end_of_json(const char *value)
{
	for (; *value && *value != '"'; value++) {
		if (*value == '\\' && value[1]) {
			value++;
		}
	}
	return value;
}

/* If a secret's value begins behind the key at AT: its start and end. */
static bool find_value(
	const char *at, const char *key, const char **ret_start, const char **ret_end)
{
	at += strlen(key);
	if (*at == '=') {
		*ret_start = at + 1;
		*ret_end = end_of_plain(at + 1);
		return true;
	}
	if (*at != '"') {
		return false;
	}
	at += 1 + strspn(at + 1, " \t");
	if (*at != ':') {
		return false;
	}
	at += 1 + strspn(at + 1, " \t");
	if (*at != '"') {
		return false;
	}
	*ret_start = at + 1;
	*ret_end = end_of_json(at + 1);
	return true;
}

static bool secret_at(const char *arg, const char *at, const char **ret_start, const char **ret_end)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (key_at(arg, at, keys[i]) &&
			(strcmp(keys[i], "data") || is_secret_object(arg)) &&
			find_value(at, keys[i], ret_start, ret_end)) {
			return true;
		}
	}
	return false;
}

char *mask_secrets(const char *arg)
{
	const char *at = arg, *copied = arg, *start, *end;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		return NULL;
	}
	while (*at) {
		/* "password=on" of -vnc and a secret's name are no secrets. */
		if (!secret_at(arg, at, &start, &end) ||
			(end - start == 2 && !strncmp(start, "on", 2)) ||
			(end - start == 3 && !strncmp(start, "off", 3))) {
			at++;
			continue;
		}
		fwrite(copied, 1, start - copied, f);
		fputs(MASK, f);
		at = copied = end;
	}
	fputs(copied, f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void mask_argv(const struct strv *argv, struct strv *ret)
{
	for (size_t i = 0; i < argv->len; i++) {
		_cleanup_free_ char *masked = mask_secrets(argv->items[i]);

		if (!masked) {
			ret->status = -ENOMEM;
			return;
		}
		strv_add(ret, masked);
	}
}
