/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/build.h"
#include "lib/cleanup.h"
#include "proto/varlink.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/openfd.h"
#include "daemon/ctl/print.h"
#include "daemon/ctl/text.h"

/* PARAMETERS get the domain. What changes something may take as long as a device model takes; the
 * daemon has a deadline for each of its steps. */
static int act_with_fds(const struct ctl_options *options, const char *method,
	struct json_object *parameters, const int *fds, unsigned fds_len)
{
	struct json_object *reply = NULL;
	int r;

	json_object_object_add(parameters, "domain", json_object_new_string(options->args[0]));
	r = ctl_call_with_fds(options, method, parameters, fds, fds_len, CTL_NO_TIMEOUT, &reply);
	if (r == CTL_DONE && options->json) {
		print_json(reply);
	}
	json_object_put(reply);
	return r;
}

static int act(
	const struct ctl_options *options, const char *method, struct json_object *parameters)
{
	return act_with_fds(options, method, parameters, NULL, 0);
}

int verb_start(const struct ctl_options *options)
{
	_cleanup_(openfds_fini) struct openfds files = {0};
	_cleanup_free_ char *text = NULL;
	struct json_object *parameters;
	size_t len = 0;
	int r;

	if (options->definition) {
		r = ctl_read_file(options->definition, &text, &len);
		if (r != CTL_DONE) {
			return r;
		}
	}
	r = openfds_open(&files, &options->fds);
	if (r != CTL_DONE) {
		return r;
	}
	parameters = json_object_new_object();
	if (files.len) {
		json_object_object_add(parameters, "files", openfds_names(&options->fds));
	}
	if (text) {
		json_object_object_add(
			parameters, "definition", json_object_new_string_len(text, len));
	}
	return act_with_fds(options, "Start", parameters, files.fds, files.len);
}

int verb_stop(const struct ctl_options *options)
{
	struct json_object *parameters = json_object_new_object();

	if (options->force) {
		json_object_object_add(parameters, "force", json_object_new_boolean(true));
	}
	return act(options, "Stop", parameters);
}

int verb_qmp(const struct ctl_options *options)
{
	struct json_object *parameters = json_object_new_object(), *arguments = NULL, *reply = NULL;
	struct err err = {0};
	int r;

	json_object_object_add(parameters, "domain", json_object_new_string(options->args[0]));
	json_object_object_add(parameters, "command", json_object_new_string(options->args[1]));
	if (options->args_len > 2) {
		if (varlink_json_parse(
			    options->args[2], strlen(options->args[2]), &arguments, &err) < 0) {
			json_object_put(parameters);
			return ctl_fail(
				CTL_USAGE, "the arguments are no JSON object: %s", err.text);
		}
		json_object_object_add(parameters, "arguments", arguments);
	}
	r = ctl_call(options, "Qmp", parameters, CTL_NO_TIMEOUT, &reply);
	if (r == CTL_DONE) {
		print_json(json_object_object_get(reply, "return"));
	}
	json_object_put(reply);
	return r;
}

/* The file is opened here: the daemon opens nothing for its clients. One that did not get all is
 * taken back, if it was made for this. */
int verb_save(const struct ctl_options *options)
{
	const char *path = options->args[1];
	bool is_new = access(path, F_OK) < 0;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct json_object *parameters;
	int r;

	if (fd < 0) {
		return ctl_fail(CTL_FAILED, "\"%s\": %s", path, strerror(errno));
	}
	parameters = json_object_new_object();
	json_object_object_add(parameters, "domain", json_object_new_string(options->args[0]));
	r = ctl_call_with_fds(options, "Save", parameters, &fd, 1, CTL_NO_TIMEOUT, NULL);
	if (r != CTL_DONE && is_new) {
		unlink(path);
	}
	return r;
}

int verb_restart(const struct ctl_options *options)
{
	return act(options, "Restart", json_object_new_object());
}

static void tell_reload(struct json_object *reply)
{
	struct json_object *errors = json_object_object_get(reply, "errors");
	size_t len =
		json_object_is_type(errors, json_type_array) ? json_object_array_length(errors) : 0;

	for (size_t i = 0; i < len; i++) {
		const char *message = ctl_member(json_object_array_get_idx(errors, i), "message");

		text_put(stderr, message ? message : "-");
		fputc('\n', stderr);
	}
	printf("%d definitions, %zu with errors\n",
		json_object_get_int(json_object_object_get(reply, "definitions")), len);
}

int verb_reload(const struct ctl_options *options)
{
	struct json_object *reply = NULL;
	int r = ctl_call(options, "Reload", NULL, CTL_TIMEOUT_MS, &reply);

	if (r == CTL_DONE && options->json) {
		print_json(reply);
	} else if (r == CTL_DONE) {
		tell_reload(reply);
	}
	json_object_put(reply);
	return r;
}

/* Its own version is told even when there is no daemon. */
int verb_version(const struct ctl_options *options)
{
	struct json_object *reply = NULL, *both;
	int r = ctl_call(options, CTL_SERVICE ".GetInfo", NULL, CTL_TIMEOUT_MS, &reply);
	const char *daemon = ctl_member(reply, "version");

	if (options->json) {
		both = json_object_new_object();
		json_object_object_add(both, "dmctl", json_object_new_string(PROJECT_VERSION));
		json_object_object_add(
			both, "xendmd", daemon ? json_object_new_string(daemon) : NULL);
		print_json(both);
		json_object_put(both);
	} else {
		printf("dmctl %s\n", PROJECT_VERSION);
		if (daemon) {
			fputs("xendmd ", stdout);
			text_put(stdout, daemon);
			putchar('\n');
		}
	}
	json_object_put(reply);
	return r;
}
