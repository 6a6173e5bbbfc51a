/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/control_private.h"

struct control_fds *control_fds_free(struct control_fds *fds)
{
	for (unsigned i = 0; fds && i < fds->len; i++) {
		close(fds->fds[i]);
	}
	free(fds);
	return NULL;
}

static void keep(struct control_fds *fds, int fd)
{
	if (fds && fds->len < LIMIT_CONTROL_FDS) {
		fds->fds[fds->len++] = fd;
		return;
	}
	close(fd);
	if (fds) {
		fds->lost = true;
	}
}

static void take_descriptors(struct msghdr *msg, struct control_fds *fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t len = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		for (size_t i = 0; i < len; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			keep(fds, fd);
		}
	}
}

/* What did not fit (MSG_CTRUNC: the message's room, or our table of descriptors) the kernel has
 * closed. */
ssize_t control_receive(int fd, char *buf, size_t len, struct control_fds **fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(LIMIT_CONTROL_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0) {
		return -errno;
	}
	if (fds && !*fds && (msg.msg_controllen || msg.msg_flags & MSG_CTRUNC)) {
		*fds = calloc(1, sizeof(**fds));
	}
	take_descriptors(&msg, fds ? *fds : NULL);
	if (fds && *fds && msg.msg_flags & MSG_CTRUNC) {
		(*fds)->lost = true;
	}
	return n;
}
