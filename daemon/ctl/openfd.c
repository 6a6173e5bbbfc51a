/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/ctl/openfd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/cleanup.h"
#include "lib/parse.h"
#include "daemon/ctl/ctl.h"

static int fail(const char *spec, int error)
{
	return ctl_fail(CTL_FAILED, "\"%s\": %s", spec, strerror(error));
}

int openfd_connect(const char *path, int *ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		return fail(path, ENAMETOOLONG);
	}
	memcpy(address.sun_path, path, strlen(path));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return fail(path, errno);
	}
	*ret = TAKE_FD(fd);
	return CTL_DONE;
}

static int open_inherited(const char *spec, int number, int *ret)
{
	*ret = fcntl(number, F_DUPFD_CLOEXEC, 3);
	return *ret < 0 ? ctl_fail(CTL_FAILED, "descriptor %s: %s", spec, strerror(errno))
			: CTL_DONE;
}

static int open_path(const char *path, int *ret)
{
	static const int modes[] = {O_RDWR, O_RDONLY, O_WRONLY};
	int error = 0;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		*ret = open(path, modes[i] | O_CLOEXEC | O_NOCTTY);
		if (*ret >= 0) {
			return CTL_DONE;
		}
		error = error ? error : errno; /* the first one is the reason */
		if (errno != EACCES && errno != EROFS && errno != ETXTBSY && errno != EISDIR) {
			break;
		}
	}
	return fail(path, error);
}

int openfd_open(const char *spec, int *ret)
{
	struct stat st;
	uint64_t number;

	if (parse_u64(spec, INT_MAX, &number) == 0) {
		return open_inherited(spec, (int)number, ret);
	}
	return stat(spec, &st) == 0 && S_ISSOCK(st.st_mode) ? openfd_connect(spec, ret)
							    : open_path(spec, ret);
}

int openfds_open(struct openfds *ret, const struct strv *list)
{
	if (list->len > ARRAY_SIZE(ret->fds)) {
		return ctl_fail(CTL_USAGE, "more than %zu descriptors", ARRAY_SIZE(ret->fds));
	}
	for (size_t i = 0; i < list->len; i++) {
		int r = openfd_open(strchr(list->items[i], '=') + 1, &ret->fds[ret->len]);

		if (r != CTL_DONE) {
			return r;
		}
		ret->len++;
	}
	return CTL_DONE;
}

void openfds_fini(struct openfds *files)
{
	while (files->len) {
		close_p(&files->fds[--files->len]);
	}
}

struct json_object *openfds_names(const struct strv *list)
{
	struct json_object *names = json_object_new_array();

	for (size_t i = 0; i < list->len; i++) {
		json_object_array_add(names, json_object_new_string_len(list->items[i],
						     strchr(list->items[i], '=') - list->items[i]));
	}
	return names;
}
