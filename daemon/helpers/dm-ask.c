/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dm-ask vnc-password BINARY: can this QEMU ask for a VNC password? It is run without a machine and
 * without a socket, with a password, and told to quit. Exits 0: it can; 3: it can't, and stderr
 * says why in QEMU's words; 1: it could not be found out; 2: a wrong call.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/childproc.h"
#include "lib/cleanup.h"
#include "lib/utf8.h"

#define DEADLINE_MS 40000 /* a QEMU on a busy host takes long to load */
#define STDERR_BYTES 2048

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until it closes its stderr; what is beyond SIZE is dropped. False: not in time. */
static bool read_stderr(int fd, char *text, size_t size)
{
	int64_t end = now_ms() + DEADLINE_MS;
	size_t len = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - now_ms();
		char buffer[512];
		ssize_t n;

		if (left <= 0 || poll(&p, 1, left) <= 0) {
			return false;
		}
		n = read(fd, buffer, sizeof(buffer));
		if (n <= 0) {
			break;
		}
		n = (size_t)n < size - 1 - len ? n : (ssize_t)(size - 1 - len);
		memcpy(text + len, buffer, n);
		len += n;
	}
	text[len] = '\0';
	return true;
}

static int run(const char *binary, char *text, size_t size, int *ret_status)
{
	static const char quit[] = "quit\n";
	const char *const argv[] = {binary, "-S", "-no-user-config", "-nodefaults", "-display",
		"none", "-machine", "none,accel=xen", "-vnc", "none,password=on", "-monitor",
		"stdio", NULL};
	_cleanup_close_ int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC), pidfd = -1;
	_cleanup_close_ int in = -1, out = -1;
	int stdin_pipe[2], stderr_pipe[2];
	struct err err;
	pid_t pid;
	bool in_time;

	if (null_fd < 0 || pipe2(stdin_pipe, O_CLOEXEC) < 0 || pipe2(stderr_pipe, O_CLOEXEC) < 0) {
		return -errno;
	}
	in = stdin_pipe[0];
	out = stderr_pipe[1];
	if (write(stdin_pipe[1], quit, strlen(quit)) < 0) {
		return -errno;
	}
	close(stdin_pipe[1]);
	const struct childproc_fd fds[] = {{in, 0}, {null_fd, 1}, {out, 2}};
	const struct childproc_params params = {
		.path = binary, .argv = (char *const *)argv, .fds = fds, .fds_len = 3};
	if (childproc_spawn(&params, &pid, &pidfd, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return err.code;
	}
	close_p(&out);
	in_time = read_stderr(stderr_pipe[0], text, size);
	if (!in_time) {
		kill(pid, SIGKILL);
	}
	if (waitpid(pid, ret_status, 0) < 0) {
		return -errno;
	}
	return in_time ? 0 : -ETIMEDOUT;
}

int main(int argc, char **argv)
{
	char text[STDERR_BYTES] = "", *last;
	int status, r;

	if (argc != 3 || strcmp(argv[1], "vnc-password")) {
		fprintf(stderr, "usage: dm-ask vnc-password BINARY\n");
		return 2;
	}
	r = run(argv[2], text, sizeof(text), &status);
	text[strlen(text) - (*text && text[strlen(text) - 1] == '\n')] = '\0';
	last = strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text; /* warnings come first */
	utf8_make_printable(text, strlen(text));
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", argv[2], strerror(-r));
		return 1;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		return 0;
	}
	fprintf(stderr, "%s\n", *last ? last : "it ends without a word");
	/* Its words for it; any other failure says nothing of passwords. */
	return strstr(last, "DES algorithm") || strstr(last, "password auth disabled") ? 3 : 1;
}
