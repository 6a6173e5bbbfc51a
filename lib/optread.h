/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reads QEMU's option syntax, KEY=VALUE,KEY=VALUE, as QEMU does (opts_do_parse() in
 * util/qemu-option.c; lib/qemuopt is the side that writes). A comma in a value is written twice; a
 * first word without "=" is the value of the option's implied key; any other word without "=" is a
 * switch, "wait" for wait=on and "nowait" for wait=off; of a key that stands twice the last counts.
 * Pure.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/strv.h"

struct optread_value {
	const char *text; /* raw, within what was read; NULL: a switch */
	size_t len;
};

/* The value of KEY in TEXT; IMPLIED is the option's implied key (NULL: none). */
bool optread_find(
	const char *text, const char *implied, const char *key, struct optread_value *ret);
/* What QEMU makes of it; the caller frees. NULL: out of memory, or a switch. */
char *optread_text(const struct optread_value *value);
/* TEXT with another value in VALUE's place, written as QEMU wants it; the caller frees. NULL: out
 * of memory. */
char *optread_replace(const char *text, const struct optread_value *value, const char *by);

/* -chardev socket,id=ID,… on a device model's command line. */
struct optread_socket {
	size_t index; /* of the option's argument */
	char *path;   /* NULL: it has none */
	int fd;	      /* -1: it has none */
};
/* 0; -ENOENT: there is none, or it names neither path nor fd, or both; -ENOMEM. As lib/dmopt, it
 * does not know which words are arguments of other options. */
int optread_socket(const struct strv *argv, const char *id, struct optread_socket *ret);
void optread_socket_fini(struct optread_socket *socket);
/* -ENOENT when the socket ID has no path. */
int optread_set_socket_path(struct strv *argv, const char *id, const char *path);
