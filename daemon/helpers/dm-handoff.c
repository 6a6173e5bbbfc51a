/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * dm-handoff ARGUMENTS…: what stock toolstacks run as device_model_override. Gives its arguments,
 * environment and every descriptor it has inherited to xendmd, which launches QEMU with them, and
 * stands for QEMU until libxl has let go: it ends as QEMU ends, and its own end (SIGHUP from libxl,
 * its deadline) closes the connection, by which the daemon knows that the start was given up.
 *
 * A call without -xen-domid is libxl's question for QEMU's options: QEMU itself answers it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/limits.h"
#include "lib/parse.h"
#include "lib/utf8.h"
#include "proto/handoff.h"
#include "proto/status.h"
#include "proto/varlink.h"

#define RECONNECT_MS 500
#define BACKLOG_MS 20
#define STATUS_SIGNAL 128 /* as a shell tells of a signal */

static struct {
	char **argv;
	int parent_fd; /* pidfd */
	int sock;
	bool accepted; /* by a daemon, perhaps one that is gone since */
	bool done;     /* all that is left is to exit with STATUS */
	int status;
	int64_t deadline_ms;
	struct config config;
	struct handoff_request request;
	struct varlink_framer in;
} me = {.sock = -1};

/* libxl's log of the device model. */
__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dprintf(STDERR_FILENO, "dm-handoff: %s\n", text);
}

/* For a caller to return: nothing goes on after it. */
static int finish(int status)
{
	me.done = true;
	me.status = status;
	return -ESHUTDOWN;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool is_myself(const char *path)
{
	struct stat own, other;

	return stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0 &&
	       own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

/* QEMU in our place, without the daemon. Our own descriptors are CLOEXEC. */
static int run_real(void)
{
	struct err err;
	char *binary;

	if (plan_find_program(
		    me.config.default_binary, me.config.libexec_dir, NULL, &binary, &err) < 0) {
		say("%s", err.text);
		return finish(EXIT_FAILURE);
	}
	if (is_myself(binary)) {
		say("\"%s\", the configured default_binary, is dm-handoff itself", binary);
		return finish(EXIT_FAILURE);
	}
	me.argv[0] = binary;
	execv(binary, me.argv);
	say("execute \"%s\": %s", binary, strerror(errno));
	return finish(EXIT_FAILURE);
}

/* The daemon is not there, or does not answer. */
static int fall_back(const char *why)
{
	if (strcmp(me.config.handoff_fallback, CONFIG_FALLBACK_RUN)) {
		say("%s; the device model is not started (handoff_fallback in xendmd.json)", why);
		return finish(EXIT_FAILURE);
	}
	say("%s; running \"%s\" without it", why, me.config.default_binary);
	return run_real();
}

static int load_config(void)
{
	char path[4096];
	struct paths paths;
	struct err err;

	paths_init(&paths);
	snprintf(path, sizeof(path), "%s/xendmd.json", paths.conf_dir);
	if (config_load(&me.config, path, &err) < 0) {
		say("%s; using what is built in", err.text);
		config_defaults(&me.config);
	}
	if (!me.config.default_binary || !me.config.libexec_dir || !me.config.handoff_fallback) {
		say("out of memory");
		return finish(EXIT_FAILURE);
	}
	return 0;
}

static int collect_fds(struct err *err)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	me.request.fds = calloc(HANDOFF_FDS_MAX + 1, sizeof(int));
	if (!dir || !me.request.fds) {
		return err_set_errno(err, dir ? -ENOMEM : -errno, "/proc/self/fd");
	}
	while ((entry = readdir(dir))) {
		uint32_t fd;

		if (parse_u32(entry->d_name, INT32_MAX, &fd) < 0 || (int)fd == dirfd(dir) ||
			(int)fd == me.parent_fd) {
			continue;
		}
		if (me.request.fds_len == HANDOFF_FDS_MAX) {
			return err_set(
				err, -E2BIG, "more than %d open descriptors", HANDOFF_FDS_MAX);
		}
		me.request.fds[me.request.fds_len++] = fd;
	}
	return 0;
}

static void collect_environment(void)
{
	for (char **item = environ; *item; item++) {
		if (utf8_valid(*item, strlen(*item))) {
			strv_add(&me.request.env, *item);
		} else {
			say("environment variable %.*s is left out: not valid UTF-8",
				(int)strcspn(*item, "="), *item);
		}
	}
}

static int collect(struct err *err)
{
	int r = collect_fds(err);

	if (r < 0) {
		return r;
	}
	collect_environment();
	me.request.directory = getcwd(NULL, 0);
	if (!me.request.directory) {
		return err_set_errno(err, -errno, "the working directory");
	}
	if (strv_status(&me.request.argv) < 0 || strv_status(&me.request.env) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	return handoff_check(&me.request, err);
}

static void disconnect(void)
{
	close_p(&me.sock);
	varlink_framer_fini(&me.in);
	me.in = (struct varlink_framer){.max = LIMIT_CONTROL_MESSAGE_BYTES};
}

/* Waits for EVENTS on the socket. -ETIMEDOUT, -ECHILD: the parent is gone. */
static int wait_for(short events, int64_t until_ms, bool heed_parent)
{
	for (;;) {
		struct pollfd fds[2] = {{.fd = me.sock, .events = events},
			{.fd = heed_parent ? me.parent_fd : -1, .events = POLLIN}};
		int64_t left = until_ms - now_ms();
		int r = poll(fds, 2, left > 0 ? (int)left : 0);

		if (r < 0 && errno != EINTR) {
			return -errno;
		}
		if (r > 0 && fds[1].revents) {
			return -ECHILD;
		}
		if (r > 0) {
			return 0;
		}
		if (left <= 0) {
			return -ETIMEDOUT;
		}
	}
}

/* A backlog that is full (EAGAIN) is a slow daemon. */
static int connect_daemon(int64_t until_ms)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct paths paths;

	paths_init(&paths);
	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control", paths.run_dir) >=
		(int)sizeof(addr.sun_path)) {
		return -ENAMETOOLONG;
	}
	disconnect();
	me.sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (me.sock < 0) {
		return -errno;
	}
	while (connect(me.sock, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			return -errno;
		}
		poll(NULL, 0, BACKLOG_MS);
		if (now_ms() >= until_ms) {
			return -ETIMEDOUT;
		}
	}
	return 0;
}

/* The descriptors go with the first bytes. */
static ssize_t send_part(const char *text, size_t len, bool first)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE((HANDOFF_FDS_MAX + 1) * sizeof(int))];
	} control = {0};
	unsigned n = me.request.fds_len;
	struct iovec iov = {.iov_base = (char *)text, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (first) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE((n + 1) * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((n + 1) * sizeof(int));
		memcpy(CMSG_DATA(c), me.request.fds, n * sizeof(int));
		memcpy(CMSG_DATA(c) + n * sizeof(int), &me.parent_fd, sizeof(int));
	}
	return sendmsg(me.sock, &msg, MSG_NOSIGNAL);
}

static int send_call(const char *text, size_t len, int64_t until_ms)
{
	size_t done = 0;
	int r;

	while (done < len) {
		ssize_t n = send_part(text + done, len - done, done == 0);

		if (n > 0) {
			done += n;
		} else if (errno == EAGAIN) {
			r = wait_for(POLLOUT, until_ms, true);
			if (r < 0) {
				return r;
			}
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static int offer(int64_t until_ms)
{
	struct json_object *call =
		varlink_call_new(VARLINK_INTERFACE ".Handoff", handoff_encode(&me.request), true);
	size_t len = 0;
	const char *text = call ? varlink_encode(call, &len) : NULL;
	int r = text ? connect_daemon(until_ms) : -ENOMEM;

	if (r == 0) {
		r = send_call(text, len, until_ms);
	}
	json_object_put(call);
	return r;
}

static int signal_of(const char *name)
{
	for (int signo = 1; signo < NSIG; signo++) {
		const char *known = sigabbrev_np(signo);

		if (known && !strncmp(name, "SIG", 3) && !strcmp(name + 3, known)) {
			return signo;
		}
	}
	return 0;
}

/* QEMU ended while libxl still waited: so do we, in the same way. */
static int end_as(struct json_object *exit_json)
{
	struct json_object *value;
	int status = EXIT_FAILURE;

	if (json_object_object_get_ex(exit_json, "code", &value)) {
		status = json_object_get_int(value);
		say("the device model ended with exit code %d", status);
	} else if (json_object_object_get_ex(exit_json, "signal", &value)) {
		status = STATUS_SIGNAL + signal_of(json_object_get_string(value));
		say("the device model was ended by %s", json_object_get_string(value));
	}
	return finish(status);
}

static int refused(const struct varlink_reply *reply)
{
	struct json_object *message;

	if (json_object_object_get_ex(reply->parameters, "message", &message)) {
		say("xendmd: %s", json_object_get_string(message));
	} else {
		say("xendmd refuses: %s", reply->error);
	}
	return finish(EXIT_FAILURE);
}

static int on_reply(const char *text, size_t len)
{
	_cleanup_(varlink_reply_fini) struct varlink_reply reply = {0};
	struct json_object *exit_json = NULL;
	struct err err;

	if (varlink_reply_parse(text, len, &reply, &err) < 0) {
		say("xendmd's answer: %s", err.text);
		return finish(EXIT_FAILURE);
	}
	if (reply.error) {
		return refused(&reply);
	}
	if (reply.continues) {
		me.accepted = true;
		return 0;
	}
	if (json_object_object_get_ex(reply.parameters, "exit", &exit_json) && exit_json) {
		return end_as(exit_json);
	}
	return finish(EXIT_SUCCESS); /* libxl has let go */
}

/* What has come. -EAGAIN: nothing; -ENOTCONN: and nothing more will; -ESHUTDOWN: finish() was
 * called. */
static int receive(void)
{
	char buf[4096];
	const char *text;
	size_t len;
	ssize_t n = recv(me.sock, buf, sizeof(buf), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		return -ENOTCONN;
	}
	if (n > 0 && varlink_feed(&me.in, buf, n) < 0) {
		return -ENOTCONN;
	}
	while (varlink_next(&me.in, &text, &len)) {
		int r = on_reply(text, len);

		if (r < 0) {
			return r;
		}
	}
	return n > 0 ? 0 : -EAGAIN;
}

/* Its answer may cross our end: only what it can't have accepted any more may be run elsewhere.
 * After the shutdown it can't send one, and launches nothing without. */
static int give_up_offer(const char *why)
{
	if (me.sock >= 0) {
		shutdown(me.sock, SHUT_RDWR);
		while (receive() == 0) {
		}
	}
	disconnect();
	if (me.done) {
		return -ESHUTDOWN;
	}
	if (me.accepted) {
		say("xendmd accepted the device model too late");
		return finish(EXIT_FAILURE);
	}
	return fall_back(why);
}

static int parent_is_gone(void)
{
	say("libxl's process has gone: nobody waits for the device model");
	return finish(EXIT_FAILURE);
}

static int offer_and_wait(int64_t until_ms)
{
	int r = offer(until_ms);

	while (r == 0 && !me.accepted) {
		r = wait_for(POLLIN, until_ms, true);
		if (r == 0) {
			r = receive();
			r = r == -EAGAIN ? 0 : r;
		}
	}
	return r;
}

static bool was_cut_off(int r)
{
	return r == -ENOTCONN || r == -EPIPE || r == -ECONNRESET;
}

static int hand_over(void)
{
	int64_t until_ms = now_ms() + (int64_t)me.config.handoff_timeout_s * 1000;
	char why[256];
	int r = offer_and_wait(until_ms);

	/* A daemon that is being restarted, and its socket is systemd's. */
	while (was_cut_off(r) && !me.accepted && now_ms() < until_ms) {
		poll(NULL, 0, RECONNECT_MS);
		r = offer_and_wait(until_ms);
	}
	if (me.done) {
		return -ESHUTDOWN;
	}
	if (me.accepted) {
		return 0;
	}
	if (r == -ECHILD) {
		return parent_is_gone();
	}
	if (r == -EACCES || r == -EPERM) {
		say("the control socket of xendmd: %s", strerror(-r));
		return finish(EXIT_FAILURE);
	}
	if (r == -ETIMEDOUT) {
		snprintf(why, sizeof(why), "xendmd did not accept the device model within %u s",
			me.config.handoff_timeout_s);
	} else {
		snprintf(why, sizeof(why), "xendmd can't be reached: %s", strerror(-r));
	}
	return give_up_offer(why);
}

/* The daemon went away after it had accepted: QEMU may run. The next daemon takes it up, or starts
 * it if it was not started, when we call again. */
static int hand_over_again(void)
{
	say("xendmd went away; waiting for the next one");
	do {
		if (poll(&(struct pollfd){.fd = me.parent_fd, .events = POLLIN}, 1, RECONNECT_MS) >
			0) {
			return finish(EXIT_SUCCESS); /* libxl has let go, or given up */
		}
		if (now_ms() >= me.deadline_ms) {
			return -ETIMEDOUT;
		}
	} while (offer(me.deadline_ms) < 0);
	return 0;
}

static int stay(void)
{
	int r;

	do {
		r = wait_for(POLLIN, me.deadline_ms, false);
		if (r == 0) {
			r = receive();
		}
		if (r == -ENOTCONN) {
			r = hand_over_again();
		}
	} while (r != -ESHUTDOWN && now_ms() < me.deadline_ms);
	if (r != -ESHUTDOWN) {
		say("libxl has not let go after %d s", HANDOFF_DEADLINE_S);
		finish(EXIT_FAILURE);
	}
	return -ESHUTDOWN;
}

/* Their default action, our end, is what is wanted, whatever the toolstack itself ignores. */
static void heed_signals(void)
{
	static const int wanted[] = {SIGHUP, SIGTERM, SIGINT};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		signal(wanted[i], SIG_DFL);
		sigaddset(&set, wanted[i]);
	}
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(int argc, char *argv[])
{
	pid_t parent = getppid();
	struct err err;
	uint32_t domid;
	int r;

	me.parent_fd = pidfd_open(parent, 0);
	me.deadline_ms = now_ms() + HANDOFF_DEADLINE_S * 1000;
	me.argv = argv;
	for (int i = 0; i < argc; i++) {
		strv_add(&me.request.argv, argv[i]);
	}
	r = load_config();
	if (r < 0) {
		return me.status;
	}
	r = handoff_domid(&me.request.argv, &domid, &err);
	if (r == -ENOENT) {
		run_real();
		return me.status;
	}
	if (r == 0 && (me.parent_fd < 0 || getppid() != parent)) {
		parent_is_gone();
		return me.status;
	}
	if (r == 0) {
		r = collect(&err);
	}
	if (r < 0) {
		say("%s", err.text);
		return EXIT_FAILURE;
	}
	heed_signals();
	if (hand_over() == 0) {
		stay();
	}
	return me.status;
}
