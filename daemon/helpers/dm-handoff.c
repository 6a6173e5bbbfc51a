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
#include "daemon/helpers/dm-handoff.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "proto/status.h"

#define RECONNECT_MS 500
#define STATUS_SIGNAL 128 /* as a shell tells of a signal */

static struct {
	char **argv;
	struct helper_call call;
	bool accepted; /* by a daemon, perhaps one that is gone since */
	bool done;     /* all that is left is to exit with STATUS */
	int status;
	int64_t deadline_ms;
	struct config config;
	struct handoff_request request;
} me = {.call.sock = -1};

void helper_say(const char *fmt, ...)
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

int64_t helper_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The daemon is not there, or does not answer. */
static int fall_back(const char *why)
{
	if (strcmp(me.config.handoff_fallback, CONFIG_FALLBACK_RUN)) {
		helper_say("%s; the device model is not started (handoff_fallback in xendmd.json)",
			why);
		return finish(EXIT_FAILURE);
	}
	helper_say("%s; running \"%s\" without it", why, me.config.default_binary);
	helper_run_real(&me.config, me.argv);
	return finish(EXIT_FAILURE);
}

static int load_config(void)
{
	char path[4096];
	struct paths paths;
	struct err err;

	paths_init(&paths);
	snprintf(path, sizeof(path), "%s/xendmd.json", paths.conf_dir);
	if (config_load(&me.config, path, &err) < 0) {
		helper_say("%s; using what is built in", err.text);
		config_defaults(&me.config);
	}
	if (!me.config.default_binary || !me.config.libexec_dir || !me.config.handoff_fallback) {
		helper_say("out of memory");
		return finish(EXIT_FAILURE);
	}
	return 0;
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
		helper_say("the device model ended with exit code %d", status);
	} else if (json_object_object_get_ex(exit_json, "signal", &value)) {
		status = STATUS_SIGNAL + signal_of(json_object_get_string(value));
		helper_say("the device model was ended by %s", json_object_get_string(value));
	}
	return finish(status);
}

static int refused(const struct varlink_reply *reply)
{
	struct json_object *message;

	if (json_object_object_get_ex(reply->parameters, "message", &message)) {
		helper_say("xendmd: %s", json_object_get_string(message));
	} else {
		helper_say("xendmd refuses: %s", reply->error);
	}
	return finish(EXIT_FAILURE);
}

static int on_reply(const char *text, size_t len)
{
	_cleanup_(varlink_reply_fini) struct varlink_reply reply = {0};
	struct json_object *exit_json = NULL;
	struct err err;

	if (varlink_reply_parse(text, len, &reply, &err) < 0) {
		helper_say("xendmd's answer: %s", err.text);
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

/* Its answer may cross our end: only what it can't have accepted any more may be run elsewhere.
 * After the shutdown it can't send one, and launches nothing without. */
static int give_up_offer(const char *why)
{
	if (me.call.sock >= 0) {
		shutdown(me.call.sock, SHUT_RDWR);
		while (helper_call_receive(&me.call, on_reply) == 0) {
		}
	}
	helper_call_close(&me.call);
	if (me.done) {
		return -ESHUTDOWN;
	}
	if (me.accepted) {
		helper_say("xendmd accepted the device model too late");
		return finish(EXIT_FAILURE);
	}
	return fall_back(why);
}

static int parent_is_gone(void)
{
	helper_say("libxl's process has gone: nobody waits for the device model");
	return finish(EXIT_FAILURE);
}

static int offer_and_wait(int64_t until_ms)
{
	int r = helper_call_offer(&me.call, &me.request, until_ms);

	while (r == 0 && !me.accepted) {
		r = helper_call_wait(&me.call, until_ms, true);
		if (r == 0) {
			r = helper_call_receive(&me.call, on_reply);
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
	int64_t until_ms = helper_now_ms() + (int64_t)me.config.handoff_timeout_s * 1000;
	char why[256];
	int r = offer_and_wait(until_ms);

	/* A daemon that is being restarted, and its socket is systemd's. */
	while (was_cut_off(r) && !me.accepted && helper_now_ms() < until_ms) {
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
		helper_say("the control socket of xendmd: %s", strerror(-r));
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
	helper_say("xendmd went away; waiting for the next one");
	do {
		if (poll(&(struct pollfd){.fd = me.call.parent_fd, .events = POLLIN}, 1,
			    RECONNECT_MS) > 0) {
			return finish(EXIT_SUCCESS); /* libxl has let go, or given up */
		}
		if (helper_now_ms() >= me.deadline_ms) {
			return -ETIMEDOUT;
		}
	} while (helper_call_offer(&me.call, &me.request, me.deadline_ms) < 0);
	return 0;
}

static int stay(void)
{
	int r;

	do {
		r = helper_call_wait(&me.call, me.deadline_ms, false);
		if (r == 0) {
			r = helper_call_receive(&me.call, on_reply);
		}
		if (r == -ENOTCONN) {
			r = hand_over_again();
		}
	} while (r != -ESHUTDOWN && helper_now_ms() < me.deadline_ms);
	if (r != -ESHUTDOWN) {
		helper_say("libxl has not let go after %d s", HANDOFF_DEADLINE_S);
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

	me.call.parent_fd = pidfd_open(parent, 0);
	me.deadline_ms = helper_now_ms() + HANDOFF_DEADLINE_S * 1000;
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
		helper_run_probe(&me.config, me.argv);
		return EXIT_FAILURE;
	}
	if (r == 0 && (me.call.parent_fd < 0 || getppid() != parent)) {
		parent_is_gone();
		return me.status;
	}
	if (r == 0) {
		r = helper_collect(me.call.parent_fd, &me.request, &err);
	}
	if (r < 0) {
		helper_say("%s", err.text);
		return EXIT_FAILURE;
	}
	heed_signals();
	if (hand_over() == 0) {
		stay();
	}
	return me.status;
}
