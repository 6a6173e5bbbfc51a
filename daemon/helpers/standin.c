/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/helpers/standin.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

void standin_say(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dprintf(STDERR_FILENO, "%s: %s\n", standin_name, text);
}

int standin_load_config(struct config *ret)
{
	char path[PATH_MAX];
	struct paths paths;
	struct err err;

	paths_init(&paths);
	snprintf(path, sizeof(path), "%s/xendmd.json", paths.conf_dir);
	if (config_load(ret, path, &err) < 0) {
		standin_say("%s; using what is built in", err.text);
		config_defaults(ret);
	}
	if (!ret->default_binary || !ret->libexec_dir || !ret->handoff_fallback ||
		!ret->proxy_fallback) {
		standin_say("out of memory");
		return -ENOMEM;
	}
	return 0;
}

void standin_heed_signals(void)
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

void standin_refused(const struct varlink_reply *reply)
{
	struct json_object *message;

	if (json_object_object_get_ex(reply->parameters, "message", &message)) {
		standin_say("xendmd: %s", json_object_get_string(message));
	} else {
		standin_say("xendmd refuses: %s", reply->error);
	}
}

bool standin_is_myself(const char *path)
{
	struct stat own, other;

	return stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0 &&
	       own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}
