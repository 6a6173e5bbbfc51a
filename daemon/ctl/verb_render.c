/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/limits.h"
#include "lib/qemuopt.h"
#include "lib/readfile.h"
#include "proto/render.h"
#include "daemon/ctl/askdm.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/print.h"
#include "daemon/ctl/text.h"
#include "daemon/ctl/vncask.h"

/* Without the daemon: what these verbs know is in the files they are given. */

/* The search places of this host's xendmd.json; one that is wrong or unreadable is told. */
static void load_config(struct config *config)
{
	_cleanup_free_ char *path = NULL;
	struct err err = {0};
	struct paths paths;

	paths_init(&paths);
	if (asprintf(&path, "%s/xendmd.json", paths.conf_dir) < 0) {
		path = NULL;
		config_defaults(config);
	} else if (config_load(config, path, &err) < 0) {
		ctl_fail(CTL_FAILED, "%s; going on with the defaults", err.text);
		config_defaults(config);
	}
}

/* A newline inside an argument would make two of it. */
static void print_arguments(struct json_object *result)
{
	struct json_object *dm_argv = json_object_object_get(result, "dm_argv");
	struct json_object *argv = dm_argv ? dm_argv : json_object_object_get(result, "argv");
	const char *argv0 = ctl_member(result, "argv0");

	if (argv0) {
		text_put(stdout, argv0);
		putchar('\n');
	}
	for (size_t i = 0; argv && i < json_object_array_length(argv); i++) {
		text_put(stdout, json_object_get_string(json_object_array_get_idx(argv, i)));
		putchar('\n');
	}
}

/* As this host's daemon would start it. */
static unsigned version_here(const struct render_params *params)
{
	_cleanup_free_ char *program = render_asks_version(params);
	char answer[64];

	return program && *program == '/' && access(program, X_OK) == 0 &&
			       askdm("version", program, answer, sizeof(answer)) == 0
		       ? qemuopt_version(answer)
		       : 0;
}

int verb_render(const struct ctl_options *options)
{
	_cleanup_(config_fini) struct config config = {0};
	_cleanup_free_ char *text = NULL;
	struct render_params params = {.file = options->args[0],
		.as_libxl = options->as_libxl,
		.domid = options->domid ? options->domid : RENDER_DOMID,
		.stubdom_id = options->stubdom_id,
		.config = &config};
	struct json_object *result = NULL;
	struct err err = {0};
	int r = ctl_read_file(options->args[0], &text, &params.len);

	if (r != CTL_DONE) {
		return r;
	}
	load_config(&config);
	params.text = text;
	params.qemu_version = options->qemu_version ? options->qemu_version : version_here(&params);
	if (render_definition(&params, &result, &err) < 0) {
		return ctl_fail(CTL_FAILED, "%s", err.text);
	}
	if (options->json) {
		print_json(result);
	} else {
		print_arguments(result);
	}
	json_object_put(result);
	return CTL_DONE;
}

static void tell_file(
	struct json_object *list, const char *file, const char *kind, const char *text)
{
	struct json_object *item;

	if (!list) {
		text_put(stdout, text);
		putchar('\n');
		return;
	}
	item = json_object_new_object();
	json_object_object_add(item, "file", json_object_new_string(file));
	json_object_object_add(item, kind, json_object_new_string(text));
	json_object_array_add(list, item);
}

/* What is right, and of what somebody should still know. */
static void tell_warning(struct vncask *vncask, const char *file, const char *text, size_t len,
	struct json_object *list)
{
	_cleanup_free_ char *warning = vncask ? vncask_warning(vncask, file, text, len) : NULL;
	_cleanup_free_ char *line = NULL;

	if (warning && asprintf(&line, "%s: warning: %s", file, warning) < 0) {
		line = NULL;
	}
	if (line) {
		tell_file(list, file, "warning", list ? warning : line);
	}
}

static int check_file(const char *file, struct vncask *vncask, struct json_object *list)
{
	_cleanup_free_ char *text = NULL, *line = NULL;
	const char *note = NULL;
	struct err err = {0};
	size_t len;
	int r = readfile_any(file, LIMIT_JSON_BYTES, &text, &len, &err);

	if (r < 0) {
		err_wrap(&err, "%s", file);
	} else {
		r = check_text(file, text, len, &note, &err);
	}
	if (r < 0) {
		tell_file(list, file, "message", err.text);
		return CTL_FAILED;
	}
	if (note && asprintf(&line, "%s: note: %s", file, note) < 0) {
		line = NULL;
	}
	if (line) {
		tell_file(list, file, "note", list ? note : line);
	}
	tell_warning(vncask, file, text, len, list);
	return CTL_DONE;
}

int verb_check(const struct ctl_options *options)
{
	struct json_object *list = options->json ? json_object_new_array() : NULL;
	_cleanup_(config_fini) struct config config = {0};
	struct vncask *vncask;
	int status = CTL_DONE;

	load_config(&config);
	vncask = vncask_new(&config);

	for (int i = 0; i < options->args_len; i++) {
		if (check_file(options->args[i], vncask, list) != CTL_DONE) {
			status = CTL_FAILED;
		}
	}
	vncask_free(vncask);
	if (list) {
		print_json(list);
	}
	json_object_put(list);
	return status;
}
