/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/subst.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "lib/cleanup.h"

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

static const char *const names[] = {
	[SUBST_DOMID] = "DOMID",
	[SUBST_STUBDOM_ID] = "STUBDOM_ID",
	[SUBST_NAME] = "NAME",
	[SUBST_UUID] = "UUID",
	[SUBST_QMP_SOCKET] = "QMP_SOCKET",
	[SUBST_RUN_DIR] = "RUN_DIR",
	[SUBST_LOG_FILE] = "LOG_FILE",
	[SUBST_MEMORY_MIB] = "MEMORY_MIB",
	[SUBST_VCPUS] = "VCPUS",
	[SUBST_STUBDOM_RESTORE_INCOMING_ARG] = "STUBDOM_RESTORE_INCOMING_ARG",
};

/* A piece of text: literal bytes, a dollar, or a placeholder. */
struct piece {
	const char *text; /* literal; NULL: VAR */
	size_t len;
	enum subst_var var;
};

const char *subst_name(enum subst_var var)
{
	return (unsigned)var < _SUBST_MAX ? names[var] : NULL;
}

static int find_var(const char *name, size_t len, enum subst_var *ret)
{
	for (unsigned i = 0; i < _SUBST_MAX; i++) {
		if (strlen(names[i]) == len && !memcmp(names[i], name, len)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Reads the placeholder at P, which is a dollar; returns its length or -EINVAL. */
static ssize_t read_placeholder(const char *p, struct piece *ret, struct err *err)
{
	bool braces = p[1] == '{';
	const char *name = p + 1 + braces;
	size_t len = strspn(name, NAME_CHARS);

	if (p[1] == '$') {
		*ret = (struct piece){.text = p, .len = 1};
		return 2;
	}
	if (len == 0 && !braces) {
		return err_set(err, -EINVAL, "\"$\" without a name (a dollar is \"$$\")");
	}
	if (braces && (len == 0 || name[len] != '}')) {
		return err_set(err, -EINVAL, "\"${\" without a name and \"}\"");
	}
	*ret = (struct piece){.text = NULL};
	if (find_var(name, len, &ret->var) < 0) {
		return err_set(err, -EINVAL, "unknown placeholder \"$%.*s\"",
			len > 64 ? 64 : (int)len, name);
	}
	return name + len + braces - p;
}

/* The next piece at P, which is not the end. */
static ssize_t next_piece(const char *p, struct piece *ret, struct err *err)
{
	if (*p == '$') {
		return read_placeholder(p, ret, err);
	}
	*ret = (struct piece){.text = p, .len = strcspn(p, "$")};
	return (ssize_t)ret->len;
}

int subst_check(const char *text, size_t *ret_offset, struct err *err)
{
	struct piece piece;

	for (const char *p = text; *p;) {
		ssize_t used = next_piece(p, &piece, err);

		if (used < 0) {
			*ret_offset = p - text;
			return (int)used;
		}
		p += used;
	}
	return 0;
}

static unsigned column_of(const char *text, const char *p)
{
	unsigned column = 1;

	for (; text < p; text++) {
		column += ((unsigned char)*text & 0xc0) != 0x80;
	}
	return column;
}

static int fail_at(const char *text, const char *p, struct err *err)
{
	char message[ERR_TEXT_MAX];

	if (err) {
		memcpy(message, err->text, sizeof(message));
		err_set(err, -EINVAL, "%s at column %u", message, column_of(text, p));
	}
	return -EINVAL;
}

/* Gives a placeholder's piece its value. */
static int take_value(struct piece *piece, const struct subst_values *values, struct err *err)
{
	if (piece->text) {
		return 0;
	}
	piece->text = values->values[piece->var];
	if (!piece->text) {
		return err_set(err, -EINVAL, "\"$%s\" has no value here", names[piece->var]);
	}
	piece->len = strlen(piece->text);
	return 0;
}

int subst_expand(const char *text, const struct subst_values *values, size_t max, char **ret,
	struct err *err)
{
	_cleanup_free_ char *out = NULL;
	size_t len = 0, size = 0;
	struct piece piece;
	ssize_t used;

	for (const char *p = text; *p; p += used) {
		used = next_piece(p, &piece, err);
		if (used < 0 || take_value(&piece, values, err) < 0) {
			return fail_at(text, p, err);
		}
		if (piece.len > max - len) {
			return err_set(err, -E2BIG, "longer than %zu bytes", max);
		}
		if (len + piece.len + 1 > size) {
			char *grown = realloc(out, size = (len + piece.len + 1) * 2);

			if (!grown) {
				return err_set(err, -ENOMEM, "out of memory");
			}
			out = grown;
		}
		memcpy(out + len, piece.text, piece.len);
		len += piece.len;
	}
	if (!out && !(out = calloc(1, 1))) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	out[len] = '\0';
	*ret = TAKE_PTR(out);
	return 0;
}
