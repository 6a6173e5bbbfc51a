/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text) {
		return -EINVAL;
	}
	for (; *text; text++) {
		unsigned digit = (unsigned)*text - '0';

		if (digit > 9) {
			return -EINVAL;
		}
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, digit, &value) || value > max) {
			return -ERANGE;
		}
	}
	*ret = value;
	return 0;
}

int parse_u32(const char *text, uint32_t max, uint32_t *ret)
{
	uint64_t value;
	int r = parse_u64(text, max, &value);

	if (r == 0) {
		*ret = value;
	}
	return r;
}

int parse_domid(const char *text, uint32_t *ret)
{
	return parse_u32(text, DOMID_FIRST_RESERVED - 1, ret);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (isxdigit((unsigned char)c)) {
		return tolower((unsigned char)c) - 'a' + 10;
	}
	return -1;
}

int parse_uuid(const char *text, uint8_t ret[16])
{
	uint8_t uuid[16];

	if (strlen(text) != UUID_TEXT_LEN) {
		return -EINVAL;
	}
	for (int byte = 0; byte < 16; byte++) {
		int high, low;

		if ((byte == 4 || byte == 6 || byte == 8 || byte == 10) && *text++ != '-') {
			return -EINVAL;
		}
		high = hex_value(*text++);
		low = hex_value(*text++);
		if (high < 0 || low < 0) {
			return -EINVAL;
		}
		uuid[byte] = high << 4 | low;
	}
	memcpy(ret, uuid, sizeof(uuid));
	return 0;
}

void uuid_format(const uint8_t u[16], char ret[UUID_TEXT_LEN + 1])
{
	snprintf(ret, UUID_TEXT_LEN + 1,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
		u[15]);
}

bool uuid_is_null(const uint8_t uuid[16])
{
	static const uint8_t null[16];

	return !memcmp(uuid, null, sizeof(null));
}

void time_format_ms(int64_t realtime_ms, char ret[TIME_TEXT_LEN + 1])
{
	time_t seconds = realtime_ms / 1000;
	unsigned ms = (uint64_t)realtime_ms % 1000;
	struct tm tm;
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(ret, TIME_TEXT_LEN + 1 - 5, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret + len, TIME_TEXT_LEN + 1 - len, ".%03uZ", ms % 1000);
}
