/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options, configuration, systemd, run, exit code; nothing else. */
#include <argp.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <systemd/sd-daemon.h>

#include "daemon/loop.h"
#include "daemon/manager.h"
#include "lib/build.h"
#include "lib/config.h"
#include "lib/err.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "proto/qmppolicy.h"

#define STATUS_DELAY_MS 1000

const char *argp_program_version = "xendmd " PROJECT_VERSION;

struct options {
	const char *config;
	enum log_level log_level;
	bool check;
};

enum { OPT_CONFIG = 256, OPT_CHECK, OPT_LOG_LEVEL };

static const struct argp_option option_table[] = {
	{"config", OPT_CONFIG, "FILE", 0,
		"configuration (default: xendmd.json in the configuration directory)", 0},
	{"check-config", OPT_CHECK, NULL, 0,
		"read the configuration, report what is wrong with it, and exit", 0},
	{"log-level", OPT_LOG_LEVEL, "LEVEL", 0, "error, warning, notice, info (default) or debug",
		0},
	{0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case OPT_CONFIG:
		options->config = arg;
		return 0;
	case OPT_CHECK:
		options->check = true;
		return 0;
	case OPT_LOG_LEVEL:
		if (log_level_parse(arg, &options->log_level) < 0) {
			argp_error(state, "unknown log level \"%s\"", arg);
		}
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = option_table,
	.parser = parse_option,
	.doc = "The device-model supervisor for Xen hosts. See xendmd(8).",
};

struct program {
	struct loop *loop;
	struct manager *manager;
	struct loop_signal term, interrupt, hangup;
	struct loop_timer watchdog, status;
	int64_t watchdog_ms;
	bool leaving;
	char told[64]; /* the last status */
};

static void on_left(void *ctx)
{
	loop_quit(((struct program *)ctx)->loop);
}

static void on_terminate(void *arg)
{
	struct program *p = arg;

	if (!p->leaving) {
		p->leaving = true;
		log_notice("stopping; device models go on");
		sd_notify(0, "STOPPING=1");
		manager_leave(p->manager, on_left, p);
	}
}

static void on_hangup(void *arg)
{
	manager_look(((struct program *)arg)->manager);
}

static void on_watchdog(void *arg)
{
	struct program *p = arg;

	sd_notify(0, "WATCHDOG=1");
	loop_timer_start(p->loop, &p->watchdog, p->watchdog_ms, on_watchdog, p);
}

static void tell_status(void *arg)
{
	struct program *p = arg;
	unsigned domains, running;
	char status[sizeof(p->told)];

	manager_counts(p->manager, &domains, &running);
	snprintf(status, sizeof(status), "%u domain%s, %u device model%s of ours running", domains,
		domains == 1 ? "" : "s", running, running == 1 ? "" : "s");
	if (strcmp(status, p->told)) {
		memcpy(p->told, status, strlen(status) + 1);
		sd_notifyf(0, "STATUS=%s", status);
	}
}

/* Many changes a moment make one message: systemd tells all who watch it of each. */
static void on_change(void *ctx)
{
	struct program *p = ctx;

	if (!p->status.event) {
		loop_timer_start(p->loop, &p->status, STATUS_DELAY_MS, tell_status, p);
	}
}

static void on_reloading(void *ctx, bool begins)
{
	struct timespec now;

	if (!begins) {
		sd_notify(0, "READY=1");
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

static int start_signals(struct program *p)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if ((r = loop_signal_start(p->loop, &p->term, SIGTERM, on_terminate, p)) < 0 ||
		(r = loop_signal_start(p->loop, &p->interrupt, SIGINT, on_terminate, p)) < 0) {
		return r;
	}
	return loop_signal_start(p->loop, &p->hangup, SIGHUP, on_hangup, p);
}

/* At most one descriptor, and it must be the control socket. */
static int take_socket(int *ret, struct err *err)
{
	int n = sd_listen_fds(1);

	*ret = -1;
	if (n <= 0) {
		return 0;
	}
	if (n > 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0) {
		return err_set(err, -EINVAL,
			"systemd passed %d descriptors; one listening unix stream socket is "
			"expected",
			n);
	}
	*ret = SD_LISTEN_FDS_START;
	return 0;
}

static int run(
	struct program *p, const struct options *options, struct config *config, struct err *err)
{
	struct manager_params params = {
		.loop = p->loop, .config_path = options->config, .config = config};
	uint64_t watchdog_us = 0;
	int r;

	r = start_signals(p);
	if (r < 0) {
		return err_set_errno(err, r, "signals");
	}
	r = take_socket(&params.control_fd, err);
	if (r == 0) {
		r = manager_new(&p->manager, &params, err);
	}
	if (r < 0) {
		return r;
	}
	manager_on_change(p->manager, on_change, on_reloading, p);
	sd_notify(0, "READY=1");
	tell_status(p);
	if (sd_watchdog_enabled(1, &watchdog_us) > 0) {
		p->watchdog_ms = watchdog_us / 2000;
		on_watchdog(p);
	}
	r = loop_run(p->loop);
	log_info("the longest turn of the loop took %llu us",
		(unsigned long long)loop_longest_turn_us(p->loop));
	return r < 0 ? err_set_errno(err, r, "event loop") : 0;
}

static void stop(struct program *p)
{
	p->manager = manager_free(p->manager);
	loop_signal_stop(&p->term);
	loop_signal_stop(&p->interrupt);
	loop_signal_stop(&p->hangup);
	loop_timer_stop(&p->watchdog);
	loop_timer_stop(&p->status);
	p->loop = loop_free(p->loop);
}

static int check_policy(const char *conf_dir, struct err *err)
{
	struct qmp_policy *policy = NULL;
	int r = qmp_policy_load(&policy, conf_dir, NULL, err);

	qmp_policy_free(policy);
	return r;
}

/* What a large answer took is there for the next one. With malloc's own limits each of 200 kB costs
 * 350 page faults, and a dom0 that is a PV domain makes hypercalls for each. */
static void keep_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, LIMIT_HEAP_KEPT_BYTES);
	mallopt(M_TRIM_THRESHOLD, LIMIT_HEAP_KEPT_BYTES);
}

int main(int argc, char **argv)
{
	struct options options = {.log_level = LOG_LVL_INFO};
	struct program program = {0};
	struct config config;
	struct paths paths;
	char path[4096];
	struct err err = {0};
	int r;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	log_init(options.log_level);
	keep_heap();
	umask(022);
	paths_init(&paths);
	snprintf(path, sizeof(path), "%s/xendmd.json", paths.conf_dir);
	options.config = options.config ? options.config : path;
	r = config_load(&config, options.config, &err);
	if (r == 0 && options.check) {
		config_fini(&config);
		r = check_policy(paths.conf_dir, &err);
	}
	if (r < 0 || options.check) {
		if (r < 0) {
			log_error("%s", err.text);
		}
		return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	r = loop_new(&program.loop);
	if (r == 0) {
		r = run(&program, &options, &config, &err);
		stop(&program);
	}
	config_fini(&config);
	if (r < 0) {
		log_error("%s", *err.text ? err.text : strerror(-r));
	}
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
