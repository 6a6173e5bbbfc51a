/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/dmopt.h"

#include <ctype.h>
#include <string.h>

#include "lib/cleanup.h"

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

/* Later "-machine" only add to the first one's type, or name it again. */
bool dmopt_is_xen(const struct strv *argv)
{
	return dmopt_has(argv, "-xen-domid") || dmopt_has(argv, "-xen-attach");
}

bool dmopt_is_xenpv(const struct strv *argv)
{
	for (size_t i = 1; i + 1 < argv->len; i++) {
		const char *value = argv->items[i + 1];

		value += strncmp(value, "type=", 5) ? 0 : 5;
		if ((dmopt_is(argv->items[i], "-machine") || dmopt_is(argv->items[i], "-M")) &&
			!strncmp(value, "xenpv", 5) && (!value[5] || value[5] == ',')) {
			return true;
		}
	}
	return false;
}

static bool names_fd(const char *arg)
{
	static const char *const forms[] = {"fd=", "fds=", "fd:", "/dev/fd/"};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const char *at = strstr(arg, forms[i]);

		for (; at; at = strstr(at + 1, forms[i])) {
			if (isdigit((unsigned char)at[strlen(forms[i])])) {
				return true;
			}
		}
	}
	return false;
}

const char *dmopt_inherited(const struct strv *argv)
{
	for (size_t i = 1; i < argv->len; i++) {
		if (names_fd(argv->items[i])) {
			return argv->items[i];
		}
	}
	return NULL;
}
