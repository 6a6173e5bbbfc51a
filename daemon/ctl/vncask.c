/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/ctl/vncask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/strv.h"
#include "lib/vncpass.h"
#include "proto/render.h"
#include "daemon/ctl/askdm.h"

#define ANSWER_BYTES 512
#define CANNOT_EXIT 3 /* of dm-ask */

struct vncask {
	const struct config *config;
	struct strv asked;   /* binaries */
	struct strv answers; /* of each: why it can't; "": it can, or nobody knows */
};

struct vncask *vncask_new(const struct config *config)
{
	struct vncask *v = calloc(1, sizeof(*v));

	if (v) {
		v->config = config;
	}
	return v;
}

void vncask_free(struct vncask *v)
{
	if (v) {
		strv_fini(&v->asked);
		strv_fini(&v->answers);
		free(v);
	}
}

/* Why BINARY can't; "" in RET when it can or it could not be found out. */
static void ask(const char *binary, char *ret, size_t size)
{
	if (askdm("vnc-password", binary, ret, size) != CANNOT_EXIT) {
		*ret = '\0';
	}
}

static const char *why_not(struct vncask *v, const char *binary)
{
	char answer[ANSWER_BYTES];

	for (size_t i = 0; i < v->asked.len; i++) {
		if (!strcmp(v->asked.items[i], binary)) {
			return v->answers.items[i];
		}
	}
	ask(binary, answer, sizeof(answer));
	strv_add(&v->asked, binary);
	strv_add(&v->answers, answer);
	return strv_status(&v->asked) < 0 || strv_status(&v->answers) < 0
		       ? ""
		       : v->answers.items[v->answers.len - 1];
}

static void take_argv(struct json_object *result, struct strv *ret)
{
	struct json_object *argv = json_object_object_get(result, "argv");

	strv_add(ret, ""); /* argv[0] */
	for (size_t i = 0; argv && i < json_object_array_length(argv); i++) {
		strv_add(ret, json_object_get_string(json_object_array_get_idx(argv, i)));
	}
}

char *vncask_warning(struct vncask *v, const char *file, const char *text, size_t len)
{
	const struct render_params params = {
		.file = file, .text = text, .len = len, .domid = RENDER_DOMID, .config = v->config};
	_cleanup_json_ struct json_object *result = NULL;
	_cleanup_(strv_fini) struct strv argv = {0};
	const char *binary, *why;
	char *sentence = NULL;
	struct err err;

	if (render_definition(&params, &result, &err) < 0) {
		return NULL;
	}
	binary = json_object_get_string(json_object_object_get(result, "argv0"));
	take_argv(result, &argv);
	if (strv_status(&argv) < 0 || !binary || *binary != '/' || access(binary, X_OK) < 0 ||
		!vncpass_wanted(&argv)) {
		return NULL;
	}
	why = why_not(v, binary);
	if (*why && asprintf(&sentence, VNCPASS_CANNOT, binary, why) < 0) {
		return NULL;
	}
	return sentence;
}
