/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A growing, NULL-terminated list of strings: command lines and environments. Appending to a list
 * whose memory ran out does nothing and the failure stays (strv_status()), so that a builder checks
 * once at its end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strv {
	char **items; /* NULL-terminated when not NULL */
	size_t len;
	int status; /* 0 or -ENOMEM, sticky */
};

void strv_fini(struct strv *v);

/* Copies TEXT. */
void strv_add(struct strv *v, const char *text);
void strv_addf(struct strv *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strv_add_all(struct strv *v, const struct strv *from);

/* Sets NAME=VALUE in a list of environment assignments, replacing an earlier one. */
void strv_setenv(struct strv *v, const char *name, const char *value);
/* The same for each assignment of a list. */
void strv_setenv_all(struct strv *v, const struct strv *assignments);

/* 0, or -ENOMEM when any append failed. */
static inline int strv_status(const struct strv *v)
{
	return v->status;
}

/* The list as execve() takes it; never NULL. Borrowed. */
char *const *strv_vector(const struct strv *v);

/* One line for a log: shell-quoted where needed. Caller frees; NULL when out of memory. */
char *strv_join_quoted(const struct strv *v);

/* FNV-1a over the strings, each with its NUL: equals the hash of the bytes of /proc/PID/cmdline. */
uint64_t strv_hash(const struct strv *v);

#define STRV_FOREACH(s, v) for (char **_i = (v)->items, *s; _i && (s = *_i); _i++)
