/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Checked readers of text from xenstore, command lines and files. No leading blanks, no sign, no
 * rest. */
#include <stdbool.h>
#include <stdint.h>

#define DOMID_FIRST_RESERVED 0x7ff0u /* xen/include/public/xen.h */
#define UUID_TEXT_LEN 36

/* Decimal, 0..MAX. 0, -EINVAL, -ERANGE. */
int parse_u64(const char *text, uint64_t max, uint64_t *ret);
int parse_u32(const char *text, uint32_t max, uint32_t *ret);

/* A guest's or domain 0's number, below DOMID_FIRST_RESERVED. */
int parse_domid(const char *text, uint32_t *ret);

/* 8-4-4-4-12 hexadecimal digits, either case. */
int parse_uuid(const char *text, uint8_t ret[16]);
void uuid_format(const uint8_t uuid[16], char ret[UUID_TEXT_LEN + 1]);
bool uuid_is_null(const uint8_t uuid[16]);

/* RFC 3339 UTC with milliseconds, e.g. "2026-11-20T11:42:25.017Z". */
#define TIME_TEXT_LEN 24
void time_format_ms(int64_t realtime_ms, char ret[TIME_TEXT_LEN + 1]);
