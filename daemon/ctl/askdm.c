/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/ctl/askdm.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/childproc.h"
#include "lib/cleanup.h"
#include "lib/config.h"

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The first line, up to the end of the stream or the deadline; what is beyond SIZE is dropped. */
static void read_answer(int fd, char *text, size_t size)
{
	long long end = now_ms() + ASKDM_DEADLINE_MS;
	size_t len = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		long long left = end - now_ms();
		char dropped[512];
		bool full = len == size - 1;
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0) {
			break;
		}
		n = full ? read(fd, dropped, sizeof(dropped))
			 : read(fd, text + len, size - 1 - len);
		if (n <= 0) {
			break;
		}
		len += full ? 0 : (size_t)n;
	}
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

int askdm(const char *question, const char *binary, char *text, size_t size)
{
	char helper[PATH_MAX];
	char *const argv[] = {(char *)"dm-ask", (char *)question, (char *)binary, NULL};
	_cleanup_close_ int in = -1, null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), pidfd = -1;
	int out[2], status;
	struct paths paths;
	struct err err;
	pid_t pid;

	*text = '\0';
	paths_init(&paths);
	snprintf(helper, sizeof(helper), "%s/dm-ask", paths.helper_dir);
	if (null_fd < 0 || access(helper, X_OK) < 0 || pipe2(out, O_CLOEXEC) < 0) {
		return -1;
	}
	in = out[0];
	const struct childproc_fd fds[] = {{null_fd, 0}, {null_fd, 1}, {out[1], 2}};
	const struct childproc_params params = {
		.path = helper, .argv = argv, .fds = fds, .fds_len = ARRAY_SIZE(fds)};
	status = childproc_spawn(&params, &pid, &pidfd, &err);
	close(out[1]);
	if (status < 0) {
		return -1;
	}
	read_answer(in, text, size);
	kill(pid, SIGKILL); /* it has closed its stderr, or is late */
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
