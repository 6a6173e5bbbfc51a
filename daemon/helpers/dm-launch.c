/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * dm-launch SPEC-FD SOCKET-FD: becomes a device model. Prepares everything that does not depend on
 * the daemon's answer, says so, waits for the release and execs. If the daemon goes away first
 * (EOF) it leaves without having executed anything. It never outlives its purpose: after the exec
 * the process is the device model, with the same pid.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/parse.h"
#include "proto/launchspec.h"

static void say(int sock, const char *msg, size_t len)
{
	while (send(sock, msg, len, MSG_NOSIGNAL) < 0 && errno == EINTR) {
	}
}

__attribute__((noreturn, format(printf, 3, 4))) static void die(
	int sock, int code, const char *fmt, ...)
{
	char step[LAUNCH_MSG_MAX - 16], msg[LAUNCH_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(step, sizeof(step), fmt, ap);
	va_end(ap);
	say(sock, msg, launch_msg_format_error(code, step, msg));
	_exit(LAUNCH_EXIT_FAILED);
}

static void read_spec(int sock, int fd, struct launchspec *ret)
{
	struct err err;
	struct stat st;
	void *text;

	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > LAUNCHSPEC_BYTES_MAX) {
		die(sock, -EINVAL, "launch specification");
	}
	text = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED) {
		die(sock, -errno, "launch specification");
	}
	if (launchspec_decode(text, st.st_size, ret, &err) < 0) {
		die(sock, err.code, "%s", err.text);
	}
	munmap(text, st.st_size);
	close(fd);
}

/* What the daemon ignores or blocks is none of the device model's business: a QEMU that ignores
 * SIGPIPE or SIGXFSZ behaves differently from one that a toolstack started. */
static void reset_signals(int sock, bool ignore_xfsz)
{
	/* The kernel's struct sigaction, larger than any: SIG_DFL, no flags, empty mask. Not libc's
	 * call: that refuses the two signals of its own, which posix_spawn left ignored. */
	static const unsigned long by_default[32];
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++) {
		syscall(SYS_rt_sigaction, signo, by_default, NULL, NSIG / 8); /* not SIGKILL */
	}
	if (ignore_xfsz) {
		signal(SIGXFSZ, SIG_IGN);
	}
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0) {
		die(sock, -errno, "reset the signal mask");
	}
}

static void set_session(int sock)
{
	/* Fails only for a process group leader, which a spawned child is not. */
	if (setsid() < 0) {
		die(sock, -errno, "new session");
	}
	/* Not the daemon's own, stricter one: toolstacks run with 022, and libxl and xentop open
	 * the sockets that QEMU makes. */
	umask(022);
}

/* In this order: a relative name means what it meant to who handed the command line over. */
static void enter(int sock, const struct launchspec *spec)
{
	const char *directory = spec->directory ? spec->directory : "/";
	int flags = (spec->own_mounts ? CLONE_NEWNS : 0) | (spec->own_ipc ? CLONE_NEWIPC : 0);

	if (chdir(directory) < 0) {
		die(sock, -errno, "change to \"%s\"", directory);
	}
	if (flags && unshare(flags) < 0) {
		die(sock, -errno, "new mount and ipc namespaces");
	}
}

static void drop_groups(int sock)
{
	/* Without CAP_SETGID (tests as an ordinary user) there is no privilege to drop. */
	if (setgroups(0, NULL) < 0 && !(errno == EPERM && geteuid() != 0)) {
		die(sock, -errno, "drop supplementary groups");
	}
}

static void set_oom_score(int sock, int score)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", score);
	_cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, len) != len) {
		die(sock, -errno, "set oom_score_adj to %d", score);
	}
}

static void set_rlimits(int sock, const struct launchspec *spec)
{
	for (unsigned i = 0; i < spec->rlimits_len; i++) {
		uint64_t value = spec->rlimits[i].value;
		rlim_t limit = value == UINT64_MAX ? RLIM_INFINITY : (rlim_t)value;
		struct rlimit both = {.rlim_cur = limit, .rlim_max = limit};

		if (setrlimit(spec->rlimits[i].resource, &both) < 0) {
			die(sock, -errno, "set limit %d to %llu", spec->rlimits[i].resource,
				(unsigned long long)value);
		}
	}
}

/* They join the descriptors that came from the daemon. */
static void open_files(int sock, struct launchspec *spec)
{
	struct launchspec_fd *grown =
		reallocarray(spec->fds, spec->fds_len + spec->files.len + 1, sizeof(*grown));

	if (!grown) {
		die(sock, -ENOMEM, "open files");
	}
	spec->fds = grown;
	for (size_t i = 0; i < spec->files.len; i++) {
		struct launchspec_fd *next = &spec->fds[spec->fds_len];
		struct err err;

		if (spec->files.items[i].how == OPENFILE_RECEIVED) {
			continue;
		}
		if (openfile_open(&spec->files.items[i], &next->from, &err) < 0) {
			die(sock, err.code, "%s", err.text);
		}
		next->to = OPENFILE_FIRST_FD + (int)i;
		spec->fds_len++;
	}
}

static int highest_target(const struct launchspec *spec)
{
	int max = STDERR_FILENO;

	for (unsigned i = 0; i < spec->fds_len; i++) {
		max = spec->fds[i].to > max ? spec->fds[i].to : max;
	}
	return max;
}

static bool is_target(const struct launchspec *spec, int fd)
{
	for (unsigned i = 0; i < spec->fds_len; i++) {
		if (spec->fds[i].to == fd) {
			return true;
		}
	}
	return false;
}

static int move_above(int sock, int fd, int max)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, max + 1);

	if (moved < 0) {
		die(sock, -errno, "move descriptor %d above %d", fd, max);
	}
	return moved;
}

/* Targets may be the present numbers of other descriptors, so all go above the highest target
 * first, then each to its place. Returns where the socket is now. */
static int place_fds(int sock, struct launchspec *spec)
{
	int max = highest_target(spec), null;

	for (unsigned i = 0; i < spec->fds_len; i++) {
		spec->fds[i].from = move_above(sock, spec->fds[i].from, max);
	}
	sock = move_above(sock, sock, max);
	if (close_range(0, max, 0) < 0) {
		die(sock, -errno, "close descriptors up to %d", max);
	}
	/* The three standard ones are never closed: the next open() would become one. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC); /* is 0 */
	if (null < 0) {
		die(sock, -errno, "open /dev/null");
	}
	null = move_above(sock, null, max);
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (!is_target(spec, fd) && dup2(null, fd) < 0) {
			die(sock, -errno, "descriptor %d", fd);
		}
	}
	for (unsigned i = 0; i < spec->fds_len; i++) {
		if (dup2(spec->fds[i].from, spec->fds[i].to) < 0) {
			die(sock, -errno, "descriptor %d", spec->fds[i].to);
		}
	}
	/* Numbers up to MAX that are no targets were closed above. */
	if (sock > max + 1 && close_range(max + 1, sock - 1, 0) < 0) {
		die(sock, -errno, "close other descriptors");
	}
	if (close_range(sock + 1, ~0U, 0) < 0) {
		die(sock, -errno, "close other descriptors");
	}
	return sock;
}

static void wait_for_release(int sock)
{
	char msg = LAUNCH_MSG_PREPARED;
	ssize_t n;

	say(sock, &msg, 1);
	do {
		n = recv(sock, &msg, 1, 0);
	} while (n < 0 && errno == EINTR);
	if (n != 1 || msg != LAUNCH_MSG_RELEASE) {
		_exit(0);
	}
}

static int parse_fd(const char *text)
{
	uint32_t fd;

	return parse_u32(text, INT32_MAX, &fd) == 0 && fcntl(fd, F_GETFD) >= 0 ? (int)fd : -1;
}

int main(int argc, char *argv[])
{
	struct launchspec spec = {0};
	int spec_fd = argc == 3 ? parse_fd(argv[1]) : -1;
	int sock = argc == 3 ? parse_fd(argv[2]) : -1;

	if (spec_fd < 0 || sock < 0) {
		fprintf(stderr, "dm-launch is run by xendmd only\n");
		return 2;
	}
	fcntl(sock, F_SETFD, FD_CLOEXEC);
	read_spec(sock, spec_fd, &spec);
	set_session(sock);
	enter(sock, &spec);
	reset_signals(sock, spec.ignore_xfsz);
	set_oom_score(sock, spec.oom_score_adj);
	open_files(sock, &spec);
	drop_groups(sock);
	sock = place_fds(sock, &spec);
	set_rlimits(sock, &spec);
	wait_for_release(sock);
	execve(spec.binary, strv_vector(&spec.argv), strv_vector(&spec.env));
	die(sock, -errno, "execute \"%s\"", spec.binary);
}
