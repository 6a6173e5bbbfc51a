/*
 * SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A console's line discipline changes, echoes and swallows bytes until it is told otherwise,
 * forgets that with its last closing, and the state waits in the ring before anybody can open it.
 * What hands its bytes to the line discipline is a kernel thread of the usual priority; a stub
 * domain has one processor, so before a process of real-time priority it gets no turn between open
 * and tcsetattr.
 */
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

/* For the device: its node is there before it is. */
#define WAIT_MS 10000
#define POLL_MS 100

static void set_policy(int policy, int priority)
{
	struct sched_param param = {.sched_priority = priority};

	if (sched_setscheduler(0, policy, &param) < 0)
		perror("sched_setscheduler");
}

static int make_raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return -1;
	cfmakeraw(&t);
	return tcsetattr(fd, TCSANOW, &t);
}

static int open_raw(const char *path, int flags)
{
	int fd;

	set_policy(SCHED_FIFO, 1);
	fd = open(path, flags | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && make_raw(fd) < 0) {
		close(fd);
		fd = -1;
	}
	set_policy(SCHED_OTHER, 0);
	return fd;
}

int console_open(const char *path, int flags)
{
	int fd, tries = WAIT_MS / POLL_MS;

	while ((fd = open_raw(path, flags)) < 0 && (errno == ENODEV || errno == ENXIO) &&
		tries-- > 0)
		usleep(POLL_MS * 1000);
	return fd;
}

/* The reader has left when it has all that it wants. */
static int write_all(int fd, const char *data, ssize_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, data, len);
		if (n < 0)
			return errno == EPIPE ? 1 : -1;
		data += n;
		len -= n;
	}
	return 0;
}

int console_copy(int in, int out)
{
	char data[4096];
	long total = 0;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(in, data, sizeof(data))) > 0) {
		total += n;
		if (total > CONSOLE_STATE_MAX) {
			fputs("console: a state without an end\n", stderr);
			return 1;
		}
		r = write_all(out, data, n);
	}
	if (r == 1)
		return 0;
	perror("console");
	return 1;
}
