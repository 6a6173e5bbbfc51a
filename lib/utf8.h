/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character at TEXT (1 to 4), 0 if there is no valid one within LEN. */
unsigned utf8_char_len(const char *text, size_t len);
bool utf8_valid(const char *text, size_t len);
/* Makes TEXT printable in place, keeping its length: each byte of an invalid sequence and of a
 * control character (C0 but newline and tab, DEL, C1) becomes '?'. */
void utf8_make_printable(char *text, size_t len);
