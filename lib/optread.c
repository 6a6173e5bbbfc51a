/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/optread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"
#include "lib/parse.h"

struct property {
	const char *key;
	size_t key_len;
	struct optread_value value;
};

/* A value ends at a comma that has no second one behind it. */
static const char *end_of_value(const char *at)
{
	while (*at && (*at != ',' || at[1] == ',')) {
		at += *at == ',' ? 2 : 1;
	}
	return at;
}

/* Reads the property at AT; returns where the next one begins. IMPLIED: for the first. */
static const char *read_property(const char *at, const char *implied, struct property *ret)
{
	size_t len = strcspn(at, "=,");
	const char *end;

	*ret = (struct property){.key = at, .key_len = len};
	if (at[len] == '=') {
		ret->value.text = at + len + 1;
	} else if (implied) {
		*ret = (struct property){
			.key = implied, .key_len = strlen(implied), .value = {.text = at}};
	}
	end = ret->value.text ? end_of_value(ret->value.text) : at + len;
	ret->value.len = ret->value.text ? end - ret->value.text : 0;
	return end + (*end == ',');
}

static bool is_key(const struct property *p, const char *key)
{
	const char *text = p->key;
	size_t len = p->key_len;

	if (!p->value.text && len > 2 && !strncmp(text, "no", 2)) {
		text += 2;
		len -= 2;
	}
	return len == strlen(key) && !strncmp(text, key, len);
}

bool optread_find(const char *text, const char *implied, const char *key, struct optread_value *ret)
{
	bool found = false;

	while (*text) {
		struct property p;

		text = read_property(text, implied, &p);
		implied = NULL;
		if (is_key(&p, key)) {
			*ret = p.value;
			found = true;
		}
	}
	return found;
}

char *optread_text(const struct optread_value *value)
{
	char *text = value->text ? malloc(value->len + 1) : NULL;
	size_t len = 0;

	for (size_t i = 0; text && i < value->len; i++) {
		text[len++] = value->text[i];
		i += value->text[i] == ','; /* the second one */
	}
	if (text) {
		text[len] = '\0';
	}
	return text;
}

char *optread_replace(const char *text, const struct optread_value *value, const char *by)
{
	char *copy = NULL;
	size_t size;
	FILE *f = open_memstream(&copy, &size);

	if (!f) {
		return NULL;
	}
	fwrite(text, 1, value->text - text, f);
	for (; *by; by++) {
		fputs(*by == ',' ? ",," : (const char[]){*by, '\0'}, f);
	}
	fputs(value->text + value->len, f);
	if (fclose(f) != 0) {
		free(copy);
		return NULL;
	}
	return copy;
}

static bool has_value(const char *text, const char *key, const char *expected)
{
	_cleanup_free_ char *value = NULL;
	struct optread_value raw;

	if (!optread_find(text, "backend", key, &raw)) {
		return false;
	}
	value = optread_text(&raw);
	return value && !strcmp(value, expected);
}

/* Where the argument of the socket's option stands; argv's length: nowhere. */
static size_t find_socket(const struct strv *argv, const char *id)
{
	size_t i = 2;

	while (i < argv->len && !(dmopt_is(argv->items[i - 1], "-chardev") &&
					has_value(argv->items[i], "backend", "socket") &&
					has_value(argv->items[i], "id", id))) {
		i++;
	}
	return i;
}

static int number_of(const struct optread_value *raw)
{
	_cleanup_free_ char *text = optread_text(raw);
	uint32_t number;

	return text && parse_u32(text, INT32_MAX, &number) == 0 ? (int)number : -1;
}

int optread_socket(const struct strv *argv, const char *id, struct optread_socket *ret)
{
	struct optread_value path, fd;
	size_t i = find_socket(argv, id);
	bool has_path, has_fd;

	*ret = (struct optread_socket){.fd = -1};
	if (i >= argv->len) {
		return -ENOENT;
	}
	has_path = optread_find(argv->items[i], "backend", "path", &path) && path.text;
	has_fd = optread_find(argv->items[i], "backend", "fd", &fd) && fd.text;
	if (has_path == has_fd) {
		return -ENOENT;
	}
	ret->index = i;
	if (has_fd) {
		ret->fd = number_of(&fd);
		return ret->fd < 0 ? -ENOENT : 0;
	}
	ret->path = optread_text(&path);
	return ret->path ? 0 : -ENOMEM;
}

void optread_socket_fini(struct optread_socket *socket)
{
	free(socket->path);
	*socket = (struct optread_socket){.fd = -1};
}

int optread_set_socket_path(struct strv *argv, const char *id, const char *path)
{
	size_t i = find_socket(argv, id);
	struct optread_value value;
	char *text;

	if (i >= argv->len || !optread_find(argv->items[i], "backend", "path", &value) ||
		!value.text) {
		return -ENOENT;
	}
	text = optread_replace(argv->items[i], &value, path);
	if (!text) {
		return -ENOMEM;
	}
	free(argv->items[i]);
	argv->items[i] = text;
	return 0;
}
