/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The leaves of a JSON text, for lib/jsonscan: strings in their raw (escaped) form and numbers.
 * "Raw" is what stands between the quotes. RFC 8259 sections 6 and 7.
 */
#include <stdbool.h>
#include <stddef.h>

/* Bytes of RAW, from its begin, that stand for themselves: printable ASCII, no quote, no backslash.
 */
size_t jsonstr_plain_run(const char *raw, size_t len);

/* RAW starts behind the opening quote. 0 with the length up to the closing one; -EINVAL with the
 * offset of what is wrong and a static sentence. */
int jsonstr_check(
	const char *raw, size_t len, size_t *ret_len, size_t *ret_bad, const char **ret_why);

/* A number at TEXT: grammar, and that an int64, a uint64 or a double holds it. */
int jsonstr_check_number(const char *text, size_t len, size_t *ret_used, const char **ret_why);

/* These take raw strings that jsonstr_check() accepted and compare what they stand for. */
int jsonstr_compare(const char *a, size_t a_len, const char *b, size_t b_len);
bool jsonstr_equals(const char *raw, size_t len, const char *decoded);

/* It stands for a control character (C0 but tab, newline and carriage return; DEL; C1). */
bool jsonstr_has_controls(const char *raw, size_t len);

/* Where byte DECODED of the value stands in RAW. */
size_t jsonstr_raw_offset(const char *raw, size_t len, size_t decoded);
