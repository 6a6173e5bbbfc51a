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
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "daemon/helpers/daemoncall.h"
#include "daemon/helpers/standin.h"
#include "lib/config.h"
#include "proto/status.h"

#define RECONNECT_MS 500
#define STATUS_SIGNAL 128 /* as a shell tells of a signal */

const char standin_name[] = HANDOFF_PROGRAM;

static struct {
	char **argv;
	struct daemoncall call;
	int parent_fd; /* pidfd of libxl's process */
	bool accepted; /* by a daemon, perhaps one that is gone since */
	bool done;     /* all that is left is to exit with STATUS */
	int status;
	int64_t deadline_ms;
	struct config config;
	struct handoff_request request;
} me = {.call = {.sock = -1, .method = VARLINK_INTERFACE ".Handoff"}};

/* For a caller to return: nothing goes on after it. */
static int finish(int status)
{
	me.done = true;
	me.status = status;
	return -ESHUTDOWN;
}

/* The daemon is not there, or does not answer. */
static int fall_back(const char *why)
{
	if (strcmp(me.config.handoff_fallback, CONFIG_FALLBACK_RUN)) {
		standin_say("%s; the device model is not started (handoff_fallback in xendmd.json)",
			why);
		return finish(EXIT_FAILURE);
	}
	standin_say("%s; running \"%s\" without it", why, me.config.default_binary);
	helper_run_real(&me.config, me.argv);
	return finish(EXIT_FAILURE);
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
		standin_say("the device model ended with exit code %d", status);
	} else if (json_object_object_get_ex(exit_json, "signal", &value)) {
		status = STATUS_SIGNAL + signal_of(json_object_get_string(value));
		standin_say("the device model was ended by %s", json_object_get_string(value));
	}
	return finish(status);
}

/* 0: it goes on; REPLY is given back. */
static int on_reply(struct varlink_reply *reply)
{
	struct json_object *exit_json = NULL;
	int r = 0;

	if (reply->error) {
		standin_refused(reply);
		r = finish(EXIT_FAILURE);
	} else if (reply->continues) {
		me.accepted = true;
	} else if (json_object_object_get_ex(reply->parameters, "exit", &exit_json) && exit_json) {
		r = end_as(exit_json);
	} else {
		r = finish(EXIT_SUCCESS); /* libxl has let go */
	}
	varlink_reply_fini(reply);
	return r;
}

/* Its answer may cross our end: only what it can't have accepted any more may be run elsewhere.
 * Once it can't send one it launches nothing. */
static int give_up_offer(const char *why)
{
	struct varlink_reply reply = {0};

	if (daemoncall_last(&me.call, &reply) == 0 && on_reply(&reply) < 0) {
		return -ESHUTDOWN;
	}
	if (me.accepted) {
		standin_say("xendmd accepted the device model too late");
		return finish(EXIT_FAILURE);
	}
	return fall_back(why);
}

static int parent_is_gone(void)
{
	standin_say("libxl's process has gone: nobody waits for the device model");
	return finish(EXIT_FAILURE);
}

static int offer_fails(int error)
{
	char why[256];

	if (error == -ECHILD) {
		return parent_is_gone();
	}
	if (error == -EACCES || error == -EPERM) {
		standin_say("the control socket of xendmd: %s", strerror(-error));
		return finish(EXIT_FAILURE);
	}
	if (error == -ETIMEDOUT) {
		snprintf(why, sizeof(why), "xendmd did not accept the device model within %u s",
			me.config.handoff_timeout_s);
	} else {
		snprintf(why, sizeof(why), "xendmd can't be reached: %s", strerror(-error));
	}
	return give_up_offer(why);
}

static int hand_over(void)
{
	struct varlink_reply reply = {0};
	int r = daemoncall_ask_on(&me.call,
		daemoncall_now_ms() + (int64_t)me.config.handoff_timeout_s * 1000, &reply);

	return r < 0 ? offer_fails(r) : on_reply(&reply);
}

/* The daemon went away after it had accepted: QEMU may run. The next daemon takes it up, or starts
 * it if it was not started, when we call again. */
static int hand_over_again(struct varlink_reply *ret)
{
	int r;

	standin_say("xendmd went away; waiting for the next one");
	do {
		if (poll(&(struct pollfd){.fd = me.parent_fd, .events = POLLIN}, 1, RECONNECT_MS) >
			0) {
			return finish(EXIT_SUCCESS); /* libxl has let go, or given up */
		}
		r = daemoncall_ask(&me.call, me.deadline_ms, ret);
	} while (r < 0 && daemoncall_now_ms() < me.deadline_ms);
	return r < 0 ? -ETIMEDOUT : 0;
}

/* libxl's process may go: the daemon says when it has let go of us. */
static void stay(void)
{
	int r;

	me.call.watched = -1;
	do {
		struct varlink_reply reply = {0};

		r = daemoncall_next(&me.call, me.deadline_ms, &reply);
		if (daemoncall_was_cut_off(r)) {
			r = hand_over_again(&reply);
		}
		r = r < 0 ? r : on_reply(&reply);
	} while (r == 0);
	if (!me.done && r != -ETIMEDOUT) {
		standin_say("xendmd: %s", strerror(-r));
		finish(EXIT_FAILURE);
	} else if (!me.done) {
		standin_say("libxl has not let go after %d s", HANDOFF_DEADLINE_S);
		finish(EXIT_FAILURE);
	}
}

int main(int argc, char *argv[])
{
	pid_t parent = getppid();
	struct err err;
	uint32_t domid;
	int r;

	me.parent_fd = me.call.watched = pidfd_open(parent, 0);
	me.deadline_ms = daemoncall_now_ms() + HANDOFF_DEADLINE_S * 1000;
	me.argv = argv;
	for (int i = 0; i < argc; i++) {
		strv_add(&me.request.argv, argv[i]);
	}
	if (standin_load_config(&me.config) < 0) {
		return EXIT_FAILURE;
	}
	r = handoff_domid(&me.request.argv, &domid, &err);
	if (r == -ENOENT) {
		helper_run_probe(&me.config, me.argv);
		return EXIT_FAILURE;
	}
	if (r == 0 && (me.parent_fd < 0 || getppid() != parent)) {
		parent_is_gone();
		return me.status;
	}
	if (r == 0) {
		r = helper_collect(me.parent_fd, &me.request, &err);
	}
	if (r < 0) {
		standin_say("%s", err.text);
		return EXIT_FAILURE;
	}
	me.call.parameters = handoff_encode(&me.request);
	me.call.fds = me.request.fds;
	me.call.fds_len = me.request.fds_len + 1;
	standin_heed_signals();
	if (hand_over() == 0) {
		stay();
	}
	return me.status;
}
