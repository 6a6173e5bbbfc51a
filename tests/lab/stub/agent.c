/*
 * SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * agent MONITOR SAVE: what QEMU in the lab's stub domain needs handed over as descriptors: SAVE as
 * fd set 1, where libxl has the device state written to, and each disk that comes later, as a set
 * whose name libxl looks for. The connection stays: QEMU drops its fd sets with the last monitor.
 *
 * agent RESTORE: the console RESTORE, where libxl has the device state come from, to standard
 * output.
 */
#include "console.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DISKS 26
#define POLL_US 200000

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int monitor_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	return fd;
}

/* A line with one of these members is an answer; events and the greeting are passed over. */
static void read_answer(FILE *monitor, const char *wanted)
{
	char line[8192];

	while (fgets(line, sizeof(line), monitor)) {
		if (strstr(line, "\"error\"")) {
			fprintf(stderr, "agent: %s", line);
			return;
		}
		if (strstr(line, wanted))
			return;
	}
	exit(0); /* QEMU is gone */
}

static void send_with_fd(FILE *monitor, const char *text, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (char *)text, .iov_len = strlen(text)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *header;

	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	if (sendmsg(fileno(monitor), &message, MSG_NOSIGNAL) < 0)
		die("agent: sendmsg");
}

static void add_fd(FILE *monitor, int set, int fd, const char *name)
{
	char text[256];

	snprintf(text, sizeof(text),
		"{\"execute\": \"add-fd\", \"arguments\": {\"fdset-id\": %d, \"opaque\": "
		"\"%s\"}}\n",
		set, name);
	send_with_fd(monitor, text, fd);
	read_answer(monitor, "\"return\"");
}

/* The frontend's number of /dev/xvdX, as in device/vbd/N; -1 while there is none. */
static int disk_devid(int index)
{
	char path[64], target[256];
	const char *name;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/block/xvd%c/device", 'a' + index);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -1;
	target[len] = '\0';
	name = strstr(target, "vbd-");
	return name ? atoi(name + strlen("vbd-")) : -1;
}

static bool give_disk(FILE *monitor, int index, int devid)
{
	char path[32], name[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/xvd%c", 'a' + index);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	snprintf(name, sizeof(name), "stub-devid:%d", devid);
	add_fd(monitor, 2 + index, fd, name);
	close(fd);
	return true;
}

/* A disk that is there at the start is named by path in QEMU's command line. */
static void follow_disks(FILE *monitor)
{
	bool known[DISKS];
	int i, devid;

	for (i = 0; i < DISKS; i++)
		known[i] = disk_devid(i) >= 0;
	for (;;) {
		usleep(POLL_US);
		for (i = 0; i < DISKS; i++) {
			devid = disk_devid(i);
			if (devid < 0)
				known[i] = false;
			else if (!known[i])
				known[i] = give_disk(monitor, i, devid);
		}
	}
}

static int restore(const char *path)
{
	int fd = console_open(path, O_RDONLY);

	if (fd < 0)
		die(path);
	signal(SIGPIPE, SIG_IGN);
	return console_copy(fd, STDOUT_FILENO);
}

int main(int argc, char **argv)
{
	FILE *monitor;
	int save;

	if (argc == 2)
		return restore(argv[1]);
	if (argc != 3) {
		fputs("usage: agent MONITOR SAVE\n       agent RESTORE\n", stderr);
		return 2;
	}
	monitor = fdopen(monitor_connect(argv[1]), "r");
	save = console_open(argv[2], O_WRONLY);
	if (!monitor || save < 0)
		die(argv[2]);
	read_answer(monitor, "\"QMP\"");
	send_with_fd(monitor, "{\"execute\": \"qmp_capabilities\"}\n", -1);
	read_answer(monitor, "\"return\"");
	add_fd(monitor, 1, save, "stub-save");
	follow_disks(monitor);
}
