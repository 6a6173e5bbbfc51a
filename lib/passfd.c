/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/passfd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

ssize_t passfd_send(
	int sock, const char *data, size_t len, const int *fds, unsigned fds_len, int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(PASSFD_MAX * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (char *)data, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fds_len > PASSFD_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (fds_len) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fds_len * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(fds_len * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, fds_len * sizeof(int));
	}
	return sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
}
