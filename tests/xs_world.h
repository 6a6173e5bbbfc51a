/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/limits.h"
#include "lib/strv.h"
#include "lib/xs.h"

/*
 * A world for the tests of lib/xs: the real libxenstore against fakexs, which is a child of ours.
 * FAKEXS names the program. What would wait for ever waits GENEROUS_MS and then fails.
 */
#define GENEROUS_MS 20000

extern char **environ;

struct answer {
	bool came;
	int status;
	unsigned len;
	int statuses[16];
	char *values[16];
	char names[256];
};

struct world {
	char dir[64], socket[96];
	pid_t server;
	struct xs_link *link;
	unsigned ups, downs;
	unsigned fired;		/* events of token "t" */
	unsigned fired_special; /* and of "intro" */
	char last_path[128];
};

static inline int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static inline void on_watch(void *ctx, const char *path, const char *token)
{
	struct world *w = ctx;

	snprintf(w->last_path, sizeof(w->last_path), "%s", path);
	w->fired += !strcmp(token, "t");
	w->fired_special += !strcmp(token, "intro");
}

static inline void on_connection(void *ctx, bool up)
{
	struct world *w = ctx;

	if (up) {
		w->ups++;
	} else {
		w->downs++;
	}
}

static const struct xs_link_ops ops = {.on_watch = on_watch, .on_connection = on_connection};

static inline void server_start(struct world *w)
{
	char *argv[] = {getenv("FAKEXS"), w->socket, NULL};
	posix_spawn_file_actions_t actions;
	char ready[8] = "";
	int fds[2];

	assert_non_null(argv[0]);
	assert_int_equal(pipe(fds), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	posix_spawn_file_actions_addclose(&actions, fds[0]);
	posix_spawn_file_actions_addclose(&actions, fds[1]);
	assert_int_equal(posix_spawn(&w->server, argv[0], &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	assert_int_equal(read(fds[0], ready, 6), 6);
	close(fds[0]);
}

/* Returns when it has stopped: kill() alone doesn't wait for that. */
static inline void server_stop(struct world *w)
{
	int status = 0;

	kill(w->server, SIGSTOP);
	assert_int_equal(waitpid(w->server, &status, WUNTRACED), w->server);
	assert_true(WIFSTOPPED(status));
}

static inline void server_kill(struct world *w)
{
	kill(w->server, SIGKILL);
	waitpid(w->server, NULL, 0);
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	snprintf(w->dir, sizeof(w->dir), "/tmp/test-xs-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->socket, sizeof(w->socket), "%s/socket", w->dir);
	setenv("XENSTORED_PATH", w->socket, 1);
	server_start(w);
	assert_int_equal(xs_link_new(&w->link, &ops, w), 0);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	xs_link_free(w->link);
	kill(w->server, SIGCONT);
	server_kill(w);
	unlink(w->socket);
	rmdir(w->dir);
	free(w);
	return 0;
}

/* One turn of a loop: waits for the link or its next deadline. */
static inline void turn(struct world *w, int64_t at_most_ms)
{
	struct pollfd p = {.fd = xs_link_fd(w->link), .events = POLLIN};
	int64_t deadline = xs_link_next_deadline_ms(w->link);

	if (deadline >= 0 && deadline < at_most_ms) {
		at_most_ms = deadline;
	}
	poll(&p, 1, at_most_ms);
	xs_link_dispatch(w->link);
}

#define WAIT_UNTIL(w, condition)                                                                   \
	do {                                                                                       \
		int64_t _end = now_ms() + GENEROUS_MS;                                             \
		while (!(condition)) {                                                             \
			assert_true(now_ms() < _end);                                              \
			turn(w, 100);                                                              \
		}                                                                                  \
	} while (0)

static inline void run_for(struct world *w, int64_t ms)
{
	for (int64_t end = now_ms() + ms; now_ms() < end;) {
		turn(w, end - now_ms());
	}
}

static inline void on_done(void *ctx, int status, const struct xs_results *results)
{
	struct answer *a = ctx;

	assert_false(a->came); /* once */
	assert_true((status == 0) == (results != NULL));
	a->came = true;
	a->status = status;
	for (unsigned i = 0; results && i < a->len; i++) {
		const char *value = xs_results_value(results, i);
		size_t n;
		const char *const *names = xs_results_list(results, i, &n);

		a->statuses[i] = xs_results_status(results, i);
		a->values[i] = value ? strdup(value) : NULL;
		for (size_t j = 0; j < n; j++) {
			strncat(a->names, names[j], sizeof(a->names) - strlen(a->names) - 2);
			strcat(a->names, " ");
		}
	}
}

static inline void answer_clear(struct answer *a)
{
	for (unsigned i = 0; i < 16; i++) {
		free(a->values[i]);
	}
	*a = (struct answer){0};
}

/* Submits a batch of LEN operations and waits for its end. */
static inline void ask(struct world *w, struct xs_batch *batch, unsigned len, struct answer *ret)
{
	answer_clear(ret);
	ret->len = len;
	assert_int_equal(
		xs_link_submit(w->link, batch, LIMIT_XS_DEADLINE_MS, on_done, ret, NULL), 0);
	assert_false(ret->came);
	WAIT_UNTIL(w, ret->came);
}

static inline void node_is(struct world *w, const char *path, const char *value)
{
	struct xs_batch *batch = xs_batch_new(0);
	struct answer a = {0};

	xs_batch_read(batch, path);
	ask(w, batch, 1, &a);
	assert_int_equal(a.status, 0);
	if (value) {
		assert_int_equal(a.statuses[0], 0);
		assert_string_equal(a.values[0], value);
	} else {
		assert_int_equal(a.statuses[0], -ENOENT);
		assert_null(a.values[0]);
	}
	answer_clear(&a);
}

static inline void put(struct world *w, const char *path, const char *value)
{
	struct xs_batch *batch = xs_batch_new(0);
	struct answer a = {0};

	xs_batch_write(batch, path, value);
	ask(w, batch, 1, &a);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.statuses[0], 0);
	answer_clear(&a);
}

#define XS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
