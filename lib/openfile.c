/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/openfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define BACKLOG 32
#define MODE 0600 /* of what is made */

static const char *const names[_OPENFILE_MAX] = {
	[OPENFILE_READ] = "read",
	[OPENFILE_WRITE] = "write",
	[OPENFILE_READ_WRITE] = "read-write",
	[OPENFILE_APPEND] = "append",
	[OPENFILE_TAP] = "tap",
	[OPENFILE_TAP_QUEUE] = "tap-queue",
	[OPENFILE_MACVTAP] = "macvtap",
	[OPENFILE_LISTEN] = "listen",
	[OPENFILE_RECEIVED] = "received",
};

const char *openfile_how_name(enum openfile_how how)
{
	return names[how];
}

int openfile_how_parse(const char *name, enum openfile_how *ret)
{
	for (unsigned i = 0; i < _OPENFILE_MAX; i++) {
		if (!strcmp(names[i], name)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

int openfiles_add(struct openfiles *files, enum openfile_how how, const char *name)
{
	struct openfile *grown = reallocarray(files->items, files->len + 1, sizeof(*grown));
	char *copy = strdup(name);

	files->items = grown ? grown : files->items;
	if (!grown || !copy) {
		free(copy);
		return -ENOMEM;
	}
	files->items[files->len++] = (struct openfile){how, copy};
	return 0;
}

void openfiles_fini(struct openfiles *files)
{
	for (size_t i = 0; i < files->len; i++) {
		free(files->items[i].name);
	}
	free(files->items);
	*files = (struct openfiles){0};
}

static int open_path(const struct openfile *file, struct err *err)
{
	static const int flags[] = {
		[OPENFILE_READ] = O_RDONLY,
		[OPENFILE_WRITE] = O_WRONLY | O_CREAT | O_TRUNC,
		[OPENFILE_READ_WRITE] = O_RDWR,
		[OPENFILE_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
	};
	int fd = open(file->name, flags[file->how] | O_CLOEXEC | O_NOCTTY, MODE);

	return fd < 0 ? err_set(err, -errno, "open \"%s\"", file->name) : fd;
}

/* QEMU asks the descriptor for the rest (TUNGETIFF). */
static int open_tap(const struct openfile *file, struct err *err)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		return err_set(err, -errno, "open \"/dev/net/tun\"");
	}
	if (strlen(file->name) >= sizeof(request.ifr_name)) {
		return err_set(err, -ENAMETOOLONG, "tap interface \"%s\"", file->name);
	}
	memcpy(request.ifr_name, file->name, strlen(file->name) + 1);
	if (file->how == OPENFILE_TAP_QUEUE) {
		request.ifr_flags |= IFF_MULTI_QUEUE;
	}
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		return err_set(err, -errno, "tap interface \"%s\"", file->name);
	}
	return TAKE_FD(fd);
}

/* Its device has the number that the interface has. */
static int open_macvtap(const struct openfile *file, struct err *err)
{
	char path[64 + IFNAMSIZ];
	unsigned index = 0;
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%.*s/ifindex", IFNAMSIZ, file->name);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%u", &index) != 1) {
		int r = err_set(err, f ? -EIO : -errno, "macvtap interface \"%s\"", file->name);

		if (f) {
			fclose(f);
		}
		return r;
	}
	fclose(f);
	snprintf(path, sizeof(path), "/dev/tap%u", index);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? err_set(err, -errno, "macvtap interface \"%s\": open \"%s\"", file->name,
				path)
		      : fd;
}

static int open_listening(const struct openfile *file, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(file->name) >= sizeof(address.sun_path)) {
		return err_set(err, -ENAMETOOLONG, "listen at \"%s\"", file->name);
	}
	memcpy(address.sun_path, file->name, strlen(file->name) + 1);
	if (fd < 0 || (unlink(file->name) < 0 && errno != ENOENT) ||
		bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, BACKLOG) < 0) {
		return err_set(err, -errno, "listen at \"%s\"", file->name);
	}
	return TAKE_FD(fd);
}

int openfile_open(const struct openfile *file, int *ret_fd, struct err *err)
{
	int fd;

	switch (file->how) {
	case OPENFILE_RECEIVED:
		return err_set(err, -EBADF, "\"%s\" is to be received", file->name);
	case OPENFILE_TAP:
	case OPENFILE_TAP_QUEUE:
		fd = open_tap(file, err);
		break;
	case OPENFILE_MACVTAP:
		fd = open_macvtap(file, err);
		break;
	case OPENFILE_LISTEN:
		fd = open_listening(file, err);
		break;
	default:
		fd = open_path(file, err);
		break;
	}
	if (fd < 0) {
		return fd;
	}
	*ret_fd = fd;
	return 0;
}
