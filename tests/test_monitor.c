/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's QMP client against a peer that keeps the rules, and against peers that don't. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/loop.h"
#include "daemon/monitor.h"
#include "lib/cleanup.h"
#include "lib/limits.h"
#include "tests/loop_until.h"

#define GREETING                                                                                   \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 1, \"minor\": 2, \"major\": 7}, "          \
	"\"package\": "                                                                            \
	"\"\"}, \"capabilities\": []}}\r\n"
#define CAPABLE "{\"return\": {}, \"id\": 1}\r\n"

/* Answers line N of its clients with answers[N]; NULL closes the connection. */
struct world {
	struct loop *loop;
	struct monitor *monitor;
	char path[64];
	int listener, client;
	struct loop_io io, client_io;
	const char *greeting;
	const char *answers[4];
	unsigned lines, connections;

	unsigned ready, lost, replies;
	int reply_code;
	char text[ERR_TEXT_MAX]; /* of the last error */
	char status[32];
	bool free_when_ready;
};

static void hang_up(struct world *w)
{
	loop_io_stop(&w->client_io);
	close_p(&w->client);
}

static void say(struct world *w, const char *text)
{
	if (!text) {
		hang_up(w);
	} else if (*text) {
		assert_int_equal(send(w->client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	}
}

static void on_client(void *arg, unsigned events)
{
	struct world *w = arg;
	char text[4096];
	ssize_t n = recv(w->client, text, sizeof(text), MSG_DONTWAIT);

	if (n <= 0) {
		hang_up(w);
		return;
	}
	for (ssize_t i = 0; i < n && w->client >= 0; i++) {
		if (text[i] == '\n') {
			assert_true(w->lines < ARRAY_SIZE(w->answers));
			say(w, w->answers[w->lines++]);
		}
	}
}

static void on_listener(void *arg, unsigned events)
{
	struct world *w = arg;

	hang_up(w);
	w->client = accept(w->listener, NULL, NULL);
	assert_true(w->client >= 0);
	w->connections++;
	w->lines = 0;
	assert_int_equal(
		loop_io_start(w->loop, &w->client_io, w->client, LOOP_READ, on_client, w), 0);
	say(w, w->greeting);
}

static void on_reply(void *ctx, struct json_object *body, const struct err *err)
{
	struct world *w = ctx;
	struct json_object *status;

	w->replies++;
	w->reply_code = err ? err->code : 0;
	snprintf(w->text, sizeof(w->text), "%s", err ? err->text : "");
	if (body && json_object_object_get_ex(body, "status", &status)) {
		snprintf(w->status, sizeof(w->status), "%s", json_object_get_string(status));
	}
}

static void on_ready(void *ctx)
{
	struct world *w = ctx;

	w->ready++;
	if (w->free_when_ready) {
		w->monitor = monitor_free(w->monitor);
		return;
	}
	assert_int_equal(monitor_send(w->monitor, "query-status", NULL, on_reply, w), 0);
	assert_int_equal(monitor_send(w->monitor, "query-status", NULL, on_reply, w), -EBUSY);
}

static void on_lost(void *ctx, const struct err *err)
{
	struct world *w = ctx;

	w->lost++;
	snprintf(w->text, sizeof(w->text), "%s", err->text);
}

static const struct monitor_ops ops = {.on_ready = on_ready, .on_lost = on_lost};

static void open_world(struct world *w, const char *greeting, int64_t timeout_ms)
{
	struct err err;

	*w = (struct world){.listener = -1, .client = -1, .greeting = greeting};
	snprintf(w->path, sizeof(w->path), "/tmp/test_monitor.%d", getpid());
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(monitor_listen(w->path, &w->listener, &err), 0);
	assert_int_equal(loop_io_start(w->loop, &w->io, w->listener, LOOP_READ, on_listener, w), 0);
	assert_int_equal(monitor_new(&w->monitor, w->loop, w->path, timeout_ms, &ops, w), 0);
	assert_int_equal(monitor_send(w->monitor, "quit", NULL, on_reply, w), -ENOTCONN);
}

static void close_world(struct world *w)
{
	monitor_free(w->monitor);
	hang_up(w);
	loop_io_stop(&w->io);
	close_p(&w->listener);
	unlink(w->path);
	loop_free(w->loop);
}

static bool is_over(void *arg)
{
	struct world *w = arg;

	return w->replies || w->lost || !w->monitor;
}

static bool is_ready(void *arg)
{
	return ((struct world *)arg)->ready > 0;
}

static bool is_lost(void *arg)
{
	return ((struct world *)arg)->lost;
}

static void test_good(void **state)
{
	struct world w;

	open_world(&w, GREETING, UNTIL_DEADLINE_MS);
	w.answers[0] = "{\"event\": \"RESUME\", \"timestamp\": {}}\r\n" CAPABLE;
	/* An answer to nobody's question comes first. */
	w.answers[1] = "{\"return\": {\"status\": \"no\"}, \"id\": 77}\r\n"
		       "{\"return\": {\"status\": \"running\"}, \"id\": 2}\r\n";
	assert_true(loop_until(w.loop, is_over, &w));
	assert_int_equal(w.ready, 1);
	assert_int_equal(w.replies, 1);
	assert_int_equal(w.reply_code, 0);
	assert_string_equal(w.status, "running");
	assert_int_equal(w.lost, 0);
	close_world(&w);
}

static void test_error_reply(void **state)
{
	struct world w;

	open_world(&w, GREETING, UNTIL_DEADLINE_MS);
	w.answers[0] = CAPABLE;
	w.answers[1] = "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no way\"}, \"id\": "
		       "2}\r\n";
	assert_true(loop_until(w.loop, is_over, &w));
	assert_int_equal(w.reply_code, -EREMOTEIO);
	assert_non_null(strstr(w.text, "no way"));
	close_world(&w);
}

static void test_unknown_command(void **state)
{
	struct world w;

	open_world(&w, GREETING, UNTIL_DEADLINE_MS);
	w.answers[0] = CAPABLE;
	w.answers[1] = "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"what?\"}, "
		       "\"id\": 2}\r\n";
	assert_true(loop_until(w.loop, is_over, &w));
	assert_int_equal(w.reply_code, -EOPNOTSUPP);
	close_world(&w);
}

/* The answer to the first command comes late and is nobody's. */
static void test_forgotten(void **state)
{
	struct json_object *arguments = json_tokener_parse("{\"a\": \"\\\"\\n\"}");
	struct world w;

	open_world(&w, GREETING, UNTIL_DEADLINE_MS);
	w.answers[0] = CAPABLE;
	w.answers[1] = "";
	w.answers[2] = "{\"return\": {\"status\": \"late\"}, \"id\": 2}\r\n"
		       "{\"return\": {\"status\": \"mine\"}, \"id\": 3}\r\n";
	assert_true(loop_until(w.loop, is_ready, &w));
	monitor_forget(w.monitor);
	assert_int_equal(monitor_send(w.monitor, "stop", arguments, on_reply, &w), 0);
	assert_true(loop_until(w.loop, is_over, &w));
	assert_int_equal(w.replies, 1);
	assert_string_equal(w.status, "mine");
	monitor_forget(w.monitor); /* nothing is in flight */
	close_world(&w);
	json_object_put(arguments);
}

static void test_large_arguments(void **state)
{
	struct json_object *arguments = json_object_new_object();
	char *text = calloc(1, LIMIT_QMP_REQUEST_BYTES + 1);
	struct world w;

	memset(text, 'x', LIMIT_QMP_REQUEST_BYTES);
	json_object_object_add(arguments, "a", json_object_new_string(text));
	open_world(&w, GREETING, UNTIL_DEADLINE_MS);
	w.answers[0] = CAPABLE;
	w.answers[1] = "";
	assert_true(loop_until(w.loop, is_ready, &w));
	monitor_forget(w.monitor);
	assert_int_equal(monitor_send(w.monitor, "stop", arguments, on_reply, &w), -E2BIG);
	close_world(&w);
	json_object_put(arguments);
	free(text);
}

static void test_freed_in_callback(void **state)
{
	struct world w;

	open_world(&w, GREETING, UNTIL_DEADLINE_MS);
	w.free_when_ready = true;
	w.answers[0] = CAPABLE CAPABLE;
	assert_true(loop_until(w.loop, is_over, &w));
	assert_int_equal(w.ready, 1);
	assert_int_equal(w.lost, 0);
	close_world(&w);
}

/* Rules broken for good: the connection is not made again. */
static void test_rules(void **state)
{
	static const char *const greetings[] = {
		"hello\r\n", "\r\n", "[]\r\n", "{\"QMP\": \r\n", "\001\377\r\n", "{}\r\n"};

	for (size_t i = 0; i < ARRAY_SIZE(greetings); i++) {
		struct world w;

		open_world(&w, greetings[i], UNTIL_DEADLINE_MS);
		assert_true(loop_until(w.loop, is_over, &w));
		assert_int_equal(w.lost, 1);
		assert_int_equal(w.ready, 0);
		assert_int_equal(w.connections, 1);
		assert_true(*w.text);
		close_world(&w);
	}
}

/* A peer that closes, or greets and then says nothing, is tried again a few times. */
static void test_tries(void **state)
{
	static const struct {
		const char *greeting;
		int64_t timeout_ms;
		const char *text;
	} cases[] = {
		{NULL, UNTIL_DEADLINE_MS, "closed its QMP connection before it answered"},
		{GREETING, 50, "no answer within 50 ms"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		open_world(&w, cases[i].greeting, cases[i].timeout_ms);
		w.answers[0] = "";
		assert_true(loop_until(w.loop, is_lost, &w));
		assert_int_equal(w.lost, 1);
		assert_true(w.connections > 1 && w.connections < 10);
		assert_non_null(strstr(w.text, cases[i].text));
		close_world(&w);
	}
}

/* One that is long in coming is waited for, with the one connection. */
static void test_late_greeting(void **state)
{
	struct world w;

	open_world(&w, "", 20);
	assert_false(loop_until_for(w.loop, is_lost, &w, 500));
	assert_int_equal(w.connections, 1);
	w.answers[0] = CAPABLE;
	w.answers[1] = "";
	say(&w, GREETING);
	assert_true(loop_until(w.loop, is_ready, &w));
	close_world(&w);
}

static void test_no_answer(void **state)
{
	struct world w;

	open_world(&w, GREETING, 300);
	w.answers[0] = CAPABLE;
	w.answers[1] = "";
	assert_true(loop_until(w.loop, is_over, &w));
	assert_int_equal(w.replies, 1);
	assert_int_equal(w.reply_code, -ETIMEDOUT);
	assert_non_null(strstr(w.text, "no answer within 300 ms"));
	close_world(&w);
}

static void test_huge_line(void **state)
{
	char *block = malloc(LIMIT_QMP_LINE_BYTES / 16 + 1);
	struct world w;

	assert_non_null(block);
	memset(block, 'x', LIMIT_QMP_LINE_BYTES / 16);
	block[LIMIT_QMP_LINE_BYTES / 16] = 0;
	open_world(&w, block, UNTIL_DEADLINE_MS);
	for (unsigned i = 0; i < 100000 && !w.lost; i++) {
		loop_until_for(w.loop, is_lost, &w, 2);
		if (w.client >= 0) {
			send(w.client, block, LIMIT_QMP_LINE_BYTES / 16,
				MSG_NOSIGNAL | MSG_DONTWAIT);
		}
	}
	assert_int_equal(w.lost, 1);
	assert_non_null(strstr(w.text, "a message of more than"));
	free(block);
	close_world(&w);
}

static void test_no_socket(void **state)
{
	struct world w;
	char path[200];
	struct err err;
	int fd;

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	assert_int_equal(monitor_listen(path, &fd, &err), -ENAMETOOLONG);
	assert_int_equal(monitor_listen("/nonexistent/monitor", &fd, &err), -ENOENT);
	open_world(&w, GREETING, UNTIL_DEADLINE_MS);
	unlink(w.path);
	assert_true(loop_until(w.loop, is_lost, &w));
	assert_int_equal(w.connections, 0);
	assert_non_null(strstr(w.text, w.path));
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_error_reply),
		cmocka_unit_test(test_unknown_command),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_large_arguments),
		cmocka_unit_test(test_freed_in_callback),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_tries),
		cmocka_unit_test(test_late_greeting),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_huge_line),
		cmocka_unit_test(test_no_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
