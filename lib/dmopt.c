/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/dmopt.h"

#include <string.h>

bool dmopt_is(const char *arg, const char *option)
{
	return !strcmp(arg[0] == '-' && arg[1] == '-' ? arg + 1 : arg, option);
}

static size_t find(const struct strv *argv, const char *option)
{
	size_t i = 1;

	while (i < argv->len && !dmopt_is(argv->items[i], option)) {
		i++;
	}
	return i;
}

bool dmopt_has(const struct strv *argv, const char *option)
{
	return find(argv, option) < argv->len;
}

const char *dmopt_value(const struct strv *argv, const char *option)
{
	size_t i = find(argv, option);

	return i + 1 < argv->len ? argv->items[i + 1] : NULL;
}
