/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a program is: contract section 3. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/definition.h"

/* PATH exists in its directory; can it be executed? */
static int check_program(const char *path, struct err *err)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t len;

	if (stat(path, &st) < 0) {
		int code = -errno;

		len = readlink(path, target, sizeof(target));
		if (len < 0) {
			return err_set_errno(err, code, "\"%s\"", path);
		}
		return err_set_errno(
			err, code, "\"%s\" is a link to \"%.*s\"", path, (int)len, target);
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(err, -EACCES, "\"%s\" is not a regular file", path);
	}
	if (access(path, X_OK) < 0) {
		return err_set(err, -EACCES, "\"%s\" is not executable", path);
	}
	return 0;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* 0 with *RET, NULL when no directory of the list has an entry of that name. An empty entry (in
 * $PATH the current directory) is passed over: a daemon's means nothing. */
static int find_in(const char *dirs, const char *name, char **ret)
{
	*ret = NULL;
	while (dirs && *dirs) {
		size_t len = strcspn(dirs, ":");
		_cleanup_free_ char *path = NULL;

		if (len && asprintf(&path, "%.*s/%s", (int)len, dirs, name) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		if (path && is_there(path)) {
			*ret = TAKE_PTR(path);
			return 0;
		}
		dirs += len + (dirs[len] == ':');
	}
	return 0;
}

int plan_find_program(
	const char *name, const char *dirs, const char *path, char **ret, struct err *err)
{
	_cleanup_free_ char *found = NULL;
	int r = 0;

	if (!path) {
		path = getenv("PATH");
	}
	if (*name == '/') {
		found = strdup(name);
		r = found ? 0 : -ENOMEM;
	} else {
		r = find_in(dirs, name, &found);
		if (r == 0 && !found) {
			r = find_in(path, name, &found);
		}
	}
	if (r < 0) {
		return err_set(err, r, "out of memory");
	}
	if (!found) {
		return err_set(err, -ENOENT, "program \"%s\" is neither in %s nor in $PATH (%s)",
			name, dirs && *dirs ? dirs : "(no directories)", path ? path : "not set");
	}
	r = check_program(found, err);
	if (r == 0) {
		*ret = TAKE_PTR(found);
	}
	return r;
}
