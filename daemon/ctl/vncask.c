/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/ctl/vncask.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/childproc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/strv.h"
#include "lib/vncpass.h"
#include "proto/render.h"

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

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The first line, up to the end of the stream or the deadline; what is beyond SIZE is dropped. */
static void read_answer(int fd, char *text, size_t size)
{
	long long end = now_ms() + VNCASK_DEADLINE_MS;
	size_t len = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		long long left = end - now_ms();
		char dropped[ANSWER_BYTES];
		bool full = len == size - 1;
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0) {
			break;
		}
		n = full ? read(fd, dropped, sizeof(dropped))
			 : read(fd, text + len, size - 1 - len);
		if (n <= 0) {
			break;
		}
		len += full ? 0 : (size_t)n;
	}
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

/* Why BINARY can't; "" in RET when it can or it could not be found out. */
static void ask(const char *binary, char *ret, size_t size)
{
	char helper[PATH_MAX];
	char *const argv[] = {(char *)"dm-ask", (char *)"vnc-password", (char *)binary, NULL};
	_cleanup_close_ int in = -1, null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), pidfd = -1;
	int out[2], status;
	struct paths paths;
	struct err err;
	pid_t pid;

	*ret = '\0';
	paths_init(&paths);
	snprintf(helper, sizeof(helper), "%s/dm-ask", paths.helper_dir);
	if (null_fd < 0 || access(helper, X_OK) < 0 || pipe2(out, O_CLOEXEC) < 0) {
		return;
	}
	in = out[0];
	const struct childproc_fd fds[] = {{null_fd, 0}, {null_fd, 1}, {out[1], 2}};
	const struct childproc_params params = {
		.path = helper, .argv = argv, .fds = fds, .fds_len = ARRAY_SIZE(fds)};
	status = childproc_spawn(&params, &pid, &pidfd, &err);
	close(out[1]);
	if (status < 0) {
		return;
	}
	read_answer(in, ret, size);
	kill(pid, SIGKILL); /* it has closed its stderr, or is late */
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
		WEXITSTATUS(status) != CANNOT_EXIT) {
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
