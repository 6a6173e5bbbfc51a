/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/process.h"
#include "lib/cleanup.h"

struct proxy *proxy_new(void)
{
	struct proxy *p = calloc(1, sizeof(*p));

	if (p) {
		p->listen_fd = p->parent_fd = -1;
	}
	return p;
}

struct proxy *proxy_free(struct proxy *p)
{
	if (p) {
		close_p(&p->listen_fd);
		close_p(&p->parent_fd);
		if (p->parent) {
			process_free(p->parent);
		}
		proxy_record_fini(&p->r);
		free(p);
	}
	return NULL;
}

static int is_socket(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		return -errno;
	}
	return S_ISSOCK(st.st_mode) ? 0 : -EEXIST;
}

int proxy_check_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	int r = is_socket(path);

	if (r < 0) {
		return r == -ENOENT ? 0 : r;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
		errno == EAGAIN) {
		return -EADDRINUSE;
	}
	return errno == ECONNREFUSED || errno == ENOENT ? 0 : -errno;
}
