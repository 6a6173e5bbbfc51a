/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/helpers/dm-handoff.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/helpers/standin.h"
#include "lib/cleanup.h"
#include "lib/parse.h"
#include "lib/utf8.h"

static int collect_fds(int except_fd, struct handoff_request *ret, struct err *err)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	ret->fds = calloc(HANDOFF_FDS_MAX + 1, sizeof(int));
	if (!dir || !ret->fds) {
		return err_set_errno(err, dir ? -ENOMEM : -errno, "/proc/self/fd");
	}
	while ((entry = readdir(dir))) {
		uint32_t fd;

		if (parse_u32(entry->d_name, INT32_MAX, &fd) < 0 || (int)fd == dirfd(dir) ||
			(int)fd == except_fd) {
			continue;
		}
		if (ret->fds_len == HANDOFF_FDS_MAX) {
			return err_set(
				err, -E2BIG, "more than %d open descriptors", HANDOFF_FDS_MAX);
		}
		ret->fds[ret->fds_len++] = fd;
	}
	ret->fds[ret->fds_len] = except_fd;
	return 0;
}

static void collect_environment(struct handoff_request *ret)
{
	for (char **item = environ; *item; item++) {
		if (utf8_valid(*item, strlen(*item))) {
			strv_add(&ret->env, *item);
		} else {
			standin_say("environment variable %.*s is left out: not valid UTF-8",
				(int)strcspn(*item, "="), *item);
		}
	}
}

int helper_collect(int except_fd, struct handoff_request *ret, struct err *err)
{
	int r = collect_fds(except_fd, ret, err);

	if (r < 0) {
		return r;
	}
	collect_environment(ret);
	ret->directory = getcwd(NULL, 0);
	if (!ret->directory) {
		return err_set_errno(err, -errno, "the working directory");
	}
	if (strv_status(&ret->argv) < 0 || strv_status(&ret->env) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	return handoff_check(ret, err);
}
