/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dm-ask vnc-password BINARY: can this QEMU ask for a VNC password? It is run without a machine and
 * without a socket, with a password, and told to quit. Exits 0: it can; 3: it can't, and stderr
 * says why in QEMU's words; 1: it could not be found out; 2: a wrong call.
 *
 * dm-ask version BINARY: which QEMU is it? Exits 0, with "MAJOR.MINOR" on stderr, which is what the
 * daemon reads of its helpers; 1: it is none, or says nothing.
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
#define SAID_BYTES 2048

/* What a QEMU is run with, and which of its streams is read. */
struct question {
	const char *const *argv; /* without argv[0] */
	const char *input;
	int stream;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until it closes the stream; what is beyond SIZE is dropped. False: not in time. */
static bool read_said(int fd, char *text, size_t size)
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

#define QUESTION_ARGS 16

static int spawn(const char *binary, const struct question *q, int in, int out, int null_fd,
	pid_t *ret_pid, int *ret_pidfd)
{
	const char *argv[QUESTION_ARGS + 2] = {binary};
	const struct childproc_fd fds[] = {
		{in, 0}, {q->stream == 1 ? out : null_fd, 1}, {q->stream == 2 ? out : null_fd, 2}};
	const struct childproc_params params = {.path = binary,
		.argv = (char *const *)argv,
		.fds = fds,
		.fds_len = ARRAY_SIZE(fds)};
	struct err err;

	for (size_t i = 0; i < QUESTION_ARGS && q->argv[i]; i++) {
		argv[i + 1] = q->argv[i];
	}
	if (childproc_spawn(&params, ret_pid, ret_pidfd, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return err.code;
	}
	return 0;
}

static int run(
	const char *binary, const struct question *q, char *text, size_t size, int *ret_status)
{
	_cleanup_close_ int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC), pidfd = -1;
	_cleanup_close_ int in = -1, out = -1;
	int in_pipe[2], out_pipe[2], r;
	bool in_time;
	pid_t pid;

	if (null_fd < 0 || pipe2(in_pipe, O_CLOEXEC) < 0 || pipe2(out_pipe, O_CLOEXEC) < 0) {
		return -errno;
	}
	in = in_pipe[0];
	out = out_pipe[1];
	if (write(in_pipe[1], q->input, strlen(q->input)) < 0) {
		return -errno;
	}
	close(in_pipe[1]);
	r = spawn(binary, q, in, out, null_fd, &pid, &pidfd);
	if (r < 0) {
		return r;
	}
	close_p(&out);
	in_time = read_said(out_pipe[0], text, size);
	if (!in_time) {
		kill(pid, SIGKILL);
	}
	if (waitpid(pid, ret_status, 0) < 0) {
		return -errno;
	}
	return in_time ? 0 : -ETIMEDOUT;
}

/* 1, which is said. */
static int not_found_out(const char *binary, int r)
{
	fprintf(stderr, "%s: %s\n", binary, strerror(-r));
	return 1;
}

static int ask_vnc_password(const char *binary)
{
	static const char *const argv[] = {"-S", "-no-user-config", "-nodefaults", "-display",
		"none", "-machine", "none,accel=xen", "-vnc", "none,password=on", "-monitor",
		"stdio", NULL};
	static const struct question question = {argv, "quit\n", 2};
	char text[SAID_BYTES] = "", *last;
	int status, r = run(binary, &question, text, sizeof(text), &status);

	text[strlen(text) - (*text && text[strlen(text) - 1] == '\n')] = '\0';
	last = strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text; /* warnings come first */
	utf8_make_printable(text, strlen(text));
	if (r < 0) {
		return not_found_out(binary, r);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		return 0;
	}
	fprintf(stderr, "%s\n", *last ? last : "it ends without a word");
	/* Its words for it; any other failure says nothing of passwords. */
	return strstr(last, "DES algorithm") || strstr(last, "password auth disabled") ? 3 : 1;
}

static int ask_version(const char *binary)
{
	static const char *const argv[] = {"--version", NULL};
	static const struct question question = {argv, "", 1};
	char text[SAID_BYTES] = "";
	unsigned major, minor;
	int status, r = run(binary, &question, text, sizeof(text), &status);
	const char *version = strstr(text, "version ");

	if (r < 0) {
		return not_found_out(binary, r);
	}
	if (!version || sscanf(version, "version %3u.%2u", &major, &minor) != 2) {
		fprintf(stderr, "%s: --version names no version\n", binary);
		return 1;
	}
	fprintf(stderr, "%u.%u\n", major, minor);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "vnc-password")) {
		return ask_vnc_password(argv[2]);
	}
	if (argc == 3 && !strcmp(argv[1], "version")) {
		return ask_version(argv[2]);
	}
	fprintf(stderr, "usage: dm-ask vnc-password|version BINARY\n");
	return 2;
}
