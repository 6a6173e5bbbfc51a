/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An error that a person will read: an errno code and one sentence in a fixed buffer. It never
 * allocates, so it works when memory is what failed. Functions take it as last parameter, return
 * the same code, and touch it only when they fail.
 */
#define ERR_TEXT_MAX 512

struct err {
	int code; /* negative errno, 0 when empty */
	char text[ERR_TEXT_MAX];
};

/* Sets code and text; returns CODE (negative errno). ERR may be NULL. Longer text is cut. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set() with ": " and the errno's text behind. */
int err_set_errno(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "WHAT: " before the text; returns err->code (or -EINVAL when ERR is NULL). */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
