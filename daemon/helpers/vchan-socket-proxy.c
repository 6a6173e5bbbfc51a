/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stands in the place of Xen's program of that name, with its command line: asks xendmd to serve
 * the QMP of a guest whose device model is in a stub domain, and stays until the toolstack has seen
 * it served and let go. Its end before that takes the request back.
 *
 * What only the original can do (the server's side, standard input and output) the original does,
 * and all of it where the daemon is away and proxy_fallback in xendmd.json says so.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "daemon/helpers/daemoncall.h"
#include "daemon/helpers/standin.h"
#include "lib/build.h"
#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/parse.h"
#include "lib/readfile.h"
#include "proto/proxy.h"

#define RECONNECT_MS 500
#define ASK_AGAIN_MS 10000
#define LET_GO_MS 10000 /* how long the daemon may take once nobody waits any more */
#define VERSION_DIR "/sys/hypervisor/version"

const char standin_name[] = PROXY_PROGRAM " (xendmd)";
const char *argp_program_version = PROXY_PROGRAM " (xendmd) " PROJECT_VERSION;

struct options {
	char **argv;
	bool server;
	const char *state_path, *domid, *node, *socket;
};

static const struct argp_option option_table[] = {
	{"mode", 'm', "MODE", 0, "client (default), or server: Xen's own program does that", 0},
	{"state-path", 's', "XSPATH", 0, "write \"running\" there when it listens", 0},
	{"verbose", 'v', NULL, 0, "taken, and without effect: see the log of xendmd", 0},
	{0},
};

static error_t parse_argument(struct options *o, const char *arg, struct argp_state *state)
{
	const char **const places[] = {&o->domid, &o->node, &o->socket};

	if (state->arg_num >= ARRAY_SIZE(places)) {
		return ARGP_ERR_UNKNOWN;
	}
	*places[state->arg_num] = arg;
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'm':
		o->server = !strcmp(arg, "server");
		if (!o->server && strcmp(arg, "client")) {
			argp_error(state, "mode \"%s\" is neither client nor server", arg);
		}
		return 0;
	case 's':
		o->state_path = arg;
		return 0;
	case 'v':
		return 0;
	case ARGP_KEY_ARG:
		return parse_argument(o, arg, state);
	case ARGP_KEY_END:
		if (!o->socket) {
			argp_usage(state);
		}
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = option_table,
	.parser = parse_option,
	.args_doc = "DOMID XS-NODE-PATH {SOCKET-PATH|FD|-}",
	.doc = "Serves the QMP of a device model in a stub domain, through xendmd(8).",
};

static int read_version(const char *name, unsigned *ret)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	struct err err;
	size_t len;
	uint32_t number;
	int r;

	snprintf(path, sizeof(path), "%s/%s", VERSION_DIR, name);
	r = readfile_any(path, 64, &text, &len, &err);
	if (r < 0) {
		return r;
	}
	text[strcspn(text, "\n")] = '\0';
	r = parse_u32(text, 1000, &number);
	*ret = number;
	return r;
}

/* The original by the running hypervisor's version; what xendmd-setup put aside under its new name
 * is Debian's wrapper, which goes by its own name, or on other systems the original. */
static int run_original(char **argv)
{
	char by_version[PATH_MAX] = "";
	const char *const places[] = {getenv("XENDMD_XEN_PROXY"), by_version, PROXY_ASIDE};
	unsigned major, minor;

	if (read_version("major", &major) == 0 && read_version("minor", &minor) == 0) {
		snprintf(by_version, sizeof(by_version), "/usr/lib/xen-%u.%u/bin/" PROXY_PROGRAM,
			major, minor);
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (!places[i] || !*places[i] || access(places[i], X_OK) < 0 ||
			standin_is_myself(places[i])) {
			continue;
		}
		argv[0] = (char *)places[i];
		execv(places[i], argv);
		standin_say("execute \"%s\": %s", places[i], strerror(errno));
		return EXIT_FAILURE;
	}
	standin_say("Xen's own " PROXY_PROGRAM " is neither \"%s\" nor \"%s\"",
		*by_version ? by_version : VERSION_DIR, PROXY_ASIDE);
	return EXIT_FAILURE;
}

/* A number is a listening socket that was left open for us. */
static int fill_request(
	const struct options *o, struct proxy_request *ret, int *ret_fd, struct err *err)
{
	uint32_t fd;
	int r;

	if (parse_domid(o->domid, &ret->stub) < 0) {
		return err_set(err, -EINVAL, "\"%.32s\" is no domain's number", o->domid);
	}
	r = proxy_parse_node(o->node, ret->stub, &ret->guest, err);
	if (r < 0) {
		return r;
	}
	if (parse_u32(o->socket, INT_MAX, &fd) == 0) {
		*ret_fd = fd;
	} else if (!(ret->socket = strdup(o->socket))) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (o->state_path && !(ret->state_path = strdup(o->state_path))) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	return proxy_check(ret, err);
}

/* Its answer may cross our end: what it can't have accepted any more may be done elsewhere. */
static int ask_until_accepted(struct daemoncall *call, int64_t until_ms, struct varlink_reply *ret)
{
	int r = daemoncall_ask_on(call, until_ms, ret);

	return r < 0 && daemoncall_last(call, ret) == 0 ? 0 : r;
}

static int refused(const struct varlink_reply *reply)
{
	standin_refused(reply);
	return EXIT_FAILURE;
}

/* Accepted: for as long as the toolstack's process lives, which has limits of its own; then until
 * the daemon has taken our place in xenstore. It may go, and the next one take it up. */
static int stay(struct daemoncall *call)
{
	int64_t until_ms = INT64_MAX;

	for (;;) {
		_cleanup_(varlink_reply_fini) struct varlink_reply reply = {0};
		int r = daemoncall_next(call, until_ms, &reply);

		if (daemoncall_was_cut_off(r)) {
			standin_say("xendmd went away; waiting for the next one");
		}
		while (r < 0 && r != -ECHILD && until_ms == INT64_MAX) {
			poll(NULL, 0, RECONNECT_MS);
			r = daemoncall_ask(call, daemoncall_now_ms() + ASK_AGAIN_MS, &reply);
		}
		if (r == -ECHILD) {
			call->watched = -1;
			until_ms = daemoncall_now_ms() + LET_GO_MS;
			continue;
		}
		if (r == 0 && reply.error) {
			return refused(&reply);
		}
		if (r < 0 || !reply.continues) {
			return EXIT_SUCCESS; /* without a daemon: the next one finds its record */
		}
	}
}

static int fall_back(const struct options *o, const struct config *config, const char *why)
{
	if (strcmp(config->proxy_fallback, CONFIG_FALLBACK_RUN)) {
		standin_say("%s; nothing serves QMP (proxy_fallback in xendmd.json)", why);
		return EXIT_FAILURE;
	}
	standin_say("%s; running Xen's own program without it", why);
	return run_original(o->argv);
}

static int serve(const struct options *o, const struct config *config, struct daemoncall *call)
{
	_cleanup_(varlink_reply_fini) struct varlink_reply reply = {0};
	int r = ask_until_accepted(
		call, daemoncall_now_ms() + (int64_t)config->handoff_timeout_s * 1000, &reply);
	char why[256];

	if (r == -ECHILD) {
		standin_say("the toolstack's process has gone: nobody waits");
		return EXIT_FAILURE;
	}
	if (r == -EACCES || r == -EPERM) {
		standin_say("the control socket of xendmd: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	if (r < 0) {
		daemoncall_end(call);
		snprintf(why, sizeof(why), "xendmd can't be reached: %s", strerror(-r));
		return fall_back(o, config, why);
	}
	if (reply.error) {
		return refused(&reply);
	}
	return reply.continues ? stay(call) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	pid_t parent = getppid();
	int parent_fd = pidfd_open(parent, 0), fds[2], listen_fd = -1;
	struct proxy_request request = {0};
	struct options options = {.argv = argv};
	struct daemoncall call = {.sock = -1,
		.watched = parent_fd,
		.method = VARLINK_INTERFACE ".ProxyVchan",
		.fds = fds};
	struct config config;
	struct err err;
	int status = EXIT_FAILURE;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
	if (options.server || !strcmp(options.socket, "-")) {
		return run_original(argv);
	}
	if (standin_load_config(&config) < 0) {
		return EXIT_FAILURE;
	}
	if (fill_request(&options, &request, &listen_fd, &err) < 0) {
		standin_say("%s", err.text);
	} else if (parent_fd < 0 || getppid() != parent) {
		standin_say("the toolstack's process has gone: nobody waits");
	} else {
		if (listen_fd >= 0) {
			fds[call.fds_len++] = listen_fd;
		}
		fds[call.fds_len++] = parent_fd;
		call.parameters = proxy_encode(&request);
		standin_heed_signals();
		status = serve(&options, &config, &call);
	}
	daemoncall_end(&call);
	json_object_put(call.parameters);
	proxy_request_fini(&request);
	config_fini(&config);
	return status;
}
