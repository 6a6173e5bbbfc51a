/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/* List with more, Events, Logs. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "tests/fake/control_fixture.h"

static void test_list_more(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	struct json_object *reply;

	send_call(f, &peer, CALL_MORE("List", "{}"));
	for (int i = 0; i < 3; i++) {
		reply = receive(f, &peer);
		assert_true(json_object_get_boolean(json_object_object_get(reply, "continues")));
		assert_int_equal(json_object_array_length(parameter(reply, "domains")), 2);
		json_object_put(reply);
		assert_int_equal(f->fake.lists, i + 1);
		for (int k = 0; k < 50; k++) {
			control_list_changed(f->control); /* a burst makes one list */
		}
	}
	spin(f, 300);
	assert_int_equal(f->fake.lists, 4);
	publish(f, "qmp-event");
	spin(f, 300); /* nothing of the list happens, nothing is told */
	assert_int_equal(f->fake.lists, 4);
	peer_close(&peer);
	wait_clients(f, 0);
	control_list_changed(f->control);
	peer = peer_open(f);
	send_call(f, &peer, CALL_MORE("List", "{\"domain\":\"9\"}"));
	expect_error(f, &peer, IFACE ".NoSuchDomain");
	send_call(f, &peer, CALL("List")); /* an ended stream is over */
	expect_error(f, &peer, "");
	peer_close(&peer);
}

static int64_t seq_of(struct json_object *reply, unsigned index)
{
	struct json_object *event = json_object_array_get_idx(parameter(reply, "events"), index);

	return json_object_get_int64(json_object_object_get(event, "seq"));
}

static void test_events_more(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	struct json_object *reply;

	publish(f, "domain-appeared");
	publish(f, "device-model-starting");
	send_call(f, &peer, CALL_P("Events", "{\"since\":1}"));
	reply = receive(f, &peer);
	assert_int_equal(json_object_array_length(parameter(reply, "events")), 1);
	assert_int_equal(seq_of(reply, 0), 2);
	json_object_put(reply);
	send_call(f, &peer, CALL_MORE("Events", "{}"));
	reply = receive(f, &peer);
	assert_int_equal(json_object_array_length(parameter(reply, "events")), 2);
	json_object_put(reply);
	for (int i = 3; i < 6; i++) {
		publish(f, "device-model-running");
		reply = receive(f, &peer);
		assert_true(json_object_get_boolean(json_object_object_get(reply, "continues")));
		assert_int_equal(seq_of(reply, 0), i);
		json_object_put(reply);
	}
	peer_close(&peer);
	wait_clients(f, 0);
	publish(f, "device-model-running"); /* its reader is gone too */
}

/* All lines of the next answer with "|" behind each. */
static void expect_lines(struct fixture *f, struct peer *peer, const char *expected)
{
	struct json_object *reply = receive(f, peer), *lines;
	char text[4096] = "";

	assert_non_null(reply);
	assert_string_equal(error_of(reply), "");
	lines = parameter(reply, "lines");
	for (size_t i = 0; i < json_object_array_length(lines); i++) {
		strncat(text, json_object_get_string(json_object_array_get_idx(lines, i)), 1000);
		strncat(text, "|", 2);
	}
	assert_string_equal(text, expected);
	json_object_put(reply);
}

static void test_logs(void **state)
{
	static const struct {
		const char *content, *lines, *expected;
	} cases[] = {
		{"", "10", ""},
		{"a\nb\nc\n", "10", "a|b|c|"},
		{"a\nb\nc\n", "3", "a|b|c|"},
		{"a\nb\nc\n", "2", "b|c|"},
		{"a\nb\nc\n", "1", "c|"},
		{"a\nb\nc\n", "0", ""},
		{"a\nb\nc", "1", "c|"},
		{"a\nb\nc", "2", "b|c|"},
		{"\n\n\n", "2", "||"},
		{"x\xff\x1b[31my\n", "9", "x??[31my|"},
		{"a\nb\nc\n", "18446744073709551615", NULL},
	};
	struct fixture *f = *state;
	struct peer peer = peer_open(f);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char call[256];

		unlink(f->log);
		append(f->log, cases[i].content);
		snprintf(call, sizeof(call), CALL_P("Logs", "{\"domain\":\"3\",\"lines\":%s}"),
			cases[i].lines);
		send_call(f, &peer, call);
		if (cases[i].expected) {
			expect_lines(f, &peer, cases[i].expected);
		} else {
			json_object_put(receive(f, &peer));
		}
	}
	peer_close(&peer);
}

/* Large: told in portions with more, the last part of it in one answer without. */
static void test_logs_large(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	FILE *file = fopen(f->log, "w");
	size_t lines = 0, replies = 0;
	bool continues = true;

	for (int i = 0; i < 200000; i++) {
		fprintf(file, "this is line number %d\n", i);
	}
	fclose(file);
	send_call(f, &peer, CALL_MORE("Logs", "{\"domain\":\"3\",\"lines\":9000}"));
	while (continues) {
		struct json_object *reply = receive(f, &peer);

		continues = json_object_get_boolean(json_object_object_get(reply, "continues"));
		lines += json_object_array_length(parameter(reply, "lines"));
		replies++;
		json_object_put(reply);
	}
	assert_int_equal(lines, 9000);
	assert_true(replies > 3);
	send_call(f, &peer, CALL_P("Logs", "{\"domain\":\"3\",\"lines\":5}"));
	expect_lines(f, &peer,
		"this is line number 199995|this is line number 199996|this is line number 199997|"
		"this is line number 199998|this is line number 199999|");
	peer_close(&peer);
}

static void test_logs_follow(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	unsigned before;
	char old[80];

	snprintf(old, sizeof(old), "%s.1", f->log);
	append(f->log, "one\ntwo\n");
	before = open_fds();
	send_call(f, &peer, CALL_MORE("Logs", "{\"domain\":\"3\",\"lines\":1,\"follow\":true}"));
	expect_lines(f, &peer, "two|");
	append(f->log, "three\nfo");
	expect_lines(f, &peer, "three|");
	append(f->log, "ur\n");
	expect_lines(f, &peer, "four|");
	assert_int_equal(rename(f->log, old), 0); /* rotation */
	append(old, "late\n");
	append(f->log, "fresh\n");
	expect_lines(f, &peer, "late|");
	expect_lines(f, &peer, "fresh|");
	append(f->log, "more\n");
	expect_lines(f, &peer, "more|");
	assert_int_equal(truncate(f->log, 0), 0); /* emptied */
	append(f->log, "new\n");
	expect_lines(f, &peer, "new|");
	peer_close(&peer);
	wait_clients(f, 0);
	assert_true(open_fds() <= before);
}

/* The head of a log is dropped: what was told is not told again. */
static void test_logs_head_dropped(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	FILE *file = fopen(f->log, "w");

	for (int i = 0; i < 100; i++) {
		fprintf(file, "line %d\n", i);
	}
	fclose(file);
	send_call(f, &peer, CALL_MORE("Logs", "{\"domain\":\"3\",\"lines\":1,\"follow\":true}"));
	expect_lines(f, &peer, "line 99|");
	file = fopen(f->log, "r+");
	fputs("(head dropped)\nline 98\nline 99\nline 100\n", file);
	fflush(file);
	assert_int_equal(ftruncate(fileno(file), ftell(file)), 0);
	fclose(file);
	expect_lines(f, &peer, "line 100|");
	peer_close(&peer);
}

/* So much came meanwhile that the place is not found: the gap is told, nothing is told twice. */
static void test_logs_gap(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	FILE *file = fopen(f->log, "w");
	char last[64] = "";

	for (int i = 0; i < 20000; i++) {
		fprintf(file, "old line %d\n", i);
	}
	fclose(file);
	send_call(f, &peer, CALL_MORE("Logs", "{\"domain\":\"3\",\"lines\":1,\"follow\":true}"));
	expect_lines(f, &peer, "old line 19999|");
	file = fopen(f->log, "w");
	for (int i = 0; i < 10000; i++) {
		fprintf(file, "new line %d\n", i);
	}
	fclose(file);
	expect_lines(f, &peer, "xendmd: the log was shortened, lines are missing here|");
	while (strcmp(last, "new line 9999")) {
		struct json_object *reply = receive(f, &peer), *lines = parameter(reply, "lines");
		size_t len = json_object_array_length(lines);

		assert_in_range(len, 1, 5000);
		snprintf(last, sizeof(last), "%s",
			json_object_get_string(json_object_array_get_idx(lines, len - 1)));
		assert_memory_equal(json_object_get_string(json_object_array_get_idx(lines, 0)),
			"new line ", 9);
		json_object_put(reply);
	}
	peer_close(&peer);
}

static uid_t uid_1000(int fd)
{
	return 1000;
}

static uid_t uid_0(int fd)
{
	return 0;
}

static void test_places_for_root(void **state)
{
	const int others = LIMIT_CONTROL_CLIENTS - LIMIT_CONTROL_CLIENTS / LIMIT_CONTROL_ROOT_SHARE;
	struct peer peers[LIMIT_CONTROL_CLIENTS + 1], root;
	struct fixture *f = *state;

	f->control->peer_uid = uid_1000;
	for (int i = 0; i < others; i++) {
		peers[i] = peer_open(f);
	}
	wait_clients(f, others);
	peers[others] = peer_open(f);
	expect_error(f, &peers[others], IFACE ".LimitReached");
	f->control->peer_uid = uid_0;
	root = peer_open(f);
	send_call(f, &root, CALL("Reload"));
	expect_error(f, &root, "");
	peer_close(&root);
	for (int i = 0; i <= others; i++) {
		peer_close(&peers[i]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_list_more),
		TEST(test_events_more),
		TEST(test_logs),
		TEST(test_logs_large),
		TEST(test_logs_follow),
		TEST(test_logs_head_dropped),
		TEST(test_logs_gap),
		TEST(test_places_for_root),
	};

	log_init(LOG_LVL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
