/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a shell can't measure well, for tests/bench/fakes and tests/bench/lab:
 *
 *   measure list SOCKET CALLS     List over one connection
 *   measure run CALLS PROGRAM…    the program as a process of its own, its output to /dev/null
 *   measure wait STATE DOMID…     until xenstore's /local/domain/0/xendmd/DOMID/state is STATE, or
 *                                 the directory isn't there ("gone"); asks the daemon nothing
 *   measure mark FILE PATH…       for tests/bench/lab: writes each change at or below the xenstore
 *                                 paths to FILE (ftrace's trace_marker), a line "PATH VALUE" each
 *
 * The first two print the median, the 99th percentile and the largest, in microseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xenstore.h>

#define CALLS_MAX 100000
#define WAIT_MS 300000
#define ROOT "/local/domain/0/xendmd"

extern char **environ;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_times(int64_t *ns, unsigned n)
{
	qsort(ns, n, sizeof(*ns), compare);
	printf("%lld %lld %lld\n", (long long)ns[n / 2] / 1000,
		(long long)ns[(uint64_t)n * 99 / 100] / 1000, (long long)ns[n - 1] / 1000);
}

/* One reply, which ends with a NUL. */
static void read_reply(int fd)
{
	static char buffer[262144];
	ssize_t n;

	do {
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n <= 0) {
			fail("reply");
		}
	} while (buffer[n - 1]);
}

static int list(const char *path, unsigned calls, int64_t *ns)
{
	static const char call[] = "{\"method\":\"io.xendmd.DeviceModels.List\"}";
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		fail(path);
	}
	for (unsigned i = 0; i < calls; i++) {
		int64_t begin = now_ns();

		if (send(fd, call, sizeof(call), MSG_NOSIGNAL) != sizeof(call)) {
			fail("call");
		}
		read_reply(fd);
		ns[i] = now_ns() - begin;
	}
	close(fd);
	print_times(ns, calls);
	return 0;
}

static int run(char **argv, unsigned calls, int64_t *ns)
{
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	for (unsigned i = 0; i < calls; i++) {
		int64_t begin = now_ns();

		errno = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
		if (errno || waitpid(pid, &status, 0) < 0) {
			fail(argv[0]);
		}
		if (status) {
			fprintf(stderr, "measure: %s failed\n", argv[0]);
			return 1;
		}
		ns[i] = now_ns() - begin;
	}
	posix_spawn_file_actions_destroy(&actions);
	print_times(ns, calls);
	return 0;
}

static bool is_reached(struct xs_handle *xs, const char *domid, const char *state)
{
	bool reached, gone = !strcmp(state, "gone");
	char path[128], *value;
	unsigned len;

	snprintf(path, sizeof(path), ROOT "/%s%s", domid, gone ? "" : "/state");
	value = xs_read(xs, XBT_NULL, path, &len);
	reached = gone ? !value : value && !strcmp(value, state);
	free(value);
	return reached;
}

static int wait_for(const char *state, char **domids)
{
	int64_t deadline = now_ns() + WAIT_MS * INT64_C(1000000);
	struct xs_handle *xs = xs_open(0);

	if (!xs || !xs_watch(xs, ROOT, "")) {
		fail("xenstore");
	}
	while (*domids) {
		struct pollfd fd = {.fd = xs_fileno(xs), .events = POLLIN};

		if (is_reached(xs, *domids, state)) {
			domids++;
			continue;
		}
		if (now_ns() > deadline) {
			fprintf(stderr, "measure: domain %s is not %s\n", *domids, state);
			return 1;
		}
		poll(&fd, 1, 1000);
		for (char **event; (event = xs_check_watch(xs)); free(event)) {
			continue;
		}
	}
	xs_close(xs);
	return 0;
}

__attribute__((noreturn)) static void mark(const char *file, char **paths)
{
	int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
	struct xs_handle *xs = xs_open(0);
	char **event, *value, line[512];
	unsigned len;

	for (; fd >= 0 && xs && *paths; paths++) {
		if (!xs_watch(xs, *paths, "")) {
			fail(*paths);
		}
	}
	while (fd >= 0 && xs && (event = xs_read_watch(xs, &len))) {
		value = event[XS_WATCH_PATH][0] == '/'
				? xs_read(xs, XBT_NULL, event[XS_WATCH_PATH], &len)
				: NULL;
		len = snprintf(line, sizeof(line), "%s %s\n", event[XS_WATCH_PATH],
			value && *value ? value : "-");
		if (len >= sizeof(line) || write(fd, line, len) != (ssize_t)len) {
			fail(file);
		}
		free(value);
		free(event);
	}
	fail(file);
}

int main(int argc, char **argv)
{
	unsigned calls = argc > 3 ? strtoul(argv[!strcmp(argv[1], "list") ? 3 : 2], NULL, 10) : 0;
	int64_t *ns = calls && calls <= CALLS_MAX ? calloc(calls, sizeof(*ns)) : NULL;
	int r = 2;

	if (argc == 4 && !strcmp(argv[1], "list") && ns) {
		r = list(argv[2], calls, ns);
	} else if (argc >= 4 && !strcmp(argv[1], "run") && ns) {
		r = run(argv + 3, calls, ns);
	} else if (argc >= 4 && !strcmp(argv[1], "wait")) {
		r = wait_for(argv[2], argv + 3);
	} else if (argc >= 4 && !strcmp(argv[1], "mark")) {
		mark(argv[2], argv + 3);
	} else {
		fprintf(stderr, "usage: measure list|run|wait|mark …\n");
	}
	free(ns);
	return r;
}
