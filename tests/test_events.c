/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "daemon/events.h"

static char dir[] = "/tmp/test_events.XXXXXX";

static char *file(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *text)
{
	FILE *f = fopen(file("event-seq"), "w");

	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test_events.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	unlink(file("event-seq"));
	unlink(file("event-seq.bad"));
	rmdir(file("event-seq"));
	return rmdir(dir);
}

static void publish(struct events *events, const char *what)
{
	struct json_object *body = json_object_new_object();

	json_object_object_add(body, "event", json_object_new_string(what));
	events_publish(events, body);
}

/* What a reader heard: "1:a 2:b lost(3-4) 5:c ". */
struct heard {
	char text[512];
	struct events *events;
	struct events_reader *reader;
	bool free_self, publish_once;
};

static void hear(void *ctx, const char *event, size_t len)
{
	struct json_object *json = json_tokener_parse(event);
	struct heard *heard = ctx;
	size_t used = strlen(heard->text);
	const char *what;

	assert_non_null(json);
	assert_int_equal(len, strlen(event));
	assert_null(strchr(event, '\n'));
	assert_true(json_object_object_get_ex(json, "time", NULL));
	what = json_object_get_string(json_object_object_get(json, "event"));
	if (!strcmp(what, "events-lost")) {
		snprintf(heard->text + used, sizeof(heard->text) - used, "lost(%lld-%lld) ",
			(long long)json_object_get_int64(json_object_object_get(json, "first")),
			(long long)json_object_get_int64(json_object_object_get(json, "last")));
		assert_int_equal(json_object_get_int64(json_object_object_get(json, "seq")),
			json_object_get_int64(json_object_object_get(json, "last")));
	} else {
		snprintf(heard->text + used, sizeof(heard->text) - used, "%lld:%s ",
			(long long)json_object_get_int64(json_object_object_get(json, "seq")),
			what);
	}
	json_object_put(json);
	if (heard->publish_once) {
		heard->publish_once = false;
		publish(heard->events, "nested");
	}
	if (heard->free_self) {
		heard->reader = events_reader_free(heard->reader);
	}
}

static void expect_kept(struct events *events, uint64_t since, const char *expected)
{
	struct heard heard = {.events = events};

	assert_int_equal(events_read(events, since, false, hear, &heard, &heard.reader), 0);
	assert_null(heard.reader);
	assert_string_equal(heard.text, expected);
}

static void test_since_and_gaps(void **state)
{
	struct events *events = NULL;

	assert_int_equal(events_new(&events, dir, 3), 0);
	expect_kept(events, 0, "");
	publish(events, "a");
	publish(events, "b");
	expect_kept(events, 0, "1:a 2:b ");
	expect_kept(events, 1, "2:b ");
	expect_kept(events, 2, "");
	expect_kept(events, 99, "");
	publish(events, "c");
	publish(events, "d");
	publish(events, "e");
	expect_kept(events, 0, "3:c 4:d 5:e ");
	expect_kept(events, 1, "lost(2-2) 3:c 4:d 5:e ");
	expect_kept(events, 2, "3:c 4:d 5:e ");
	assert_int_equal(events_last_seq(events), 5);
	events_free(events);
}

static void test_goes_on_over_restarts(void **state)
{
	struct events *events = NULL;

	assert_int_equal(events_new(&events, dir, 8), 0);
	publish(events, "a");
	publish(events, "b");
	events_free(events);
	assert_int_equal(events_new(&events, dir, 8), 0);
	assert_int_equal(events_last_seq(events), 2);
	expect_kept(events, 2, "");
	expect_kept(events, 1, "lost(2-2) ");
	publish(events, "c");
	expect_kept(events, 2, "3:c ");
	events_free(events);
}

/* After a crash the file still has what was reserved: numbers are skipped, never given twice. */
static void test_crash_skips(void **state)
{
	struct events *events = NULL;
	char text[64] = "";
	uint64_t last;
	FILE *f;

	assert_int_equal(events_new(&events, dir, 8), 0);
	publish(events, "a");
	last = events_last_seq(events);
	f = fopen(file("event-seq"), "r");
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	events_free(events);
	write_file(text); /* as it was before the clean end */
	assert_int_equal(events_new(&events, dir, 8), 0);
	assert_true(events_last_seq(events) > last);
	events_free(events);
}

/* Many blocks: each reservation lies ahead of what is given out. */
static void test_blocks(void **state)
{
	struct events *events = NULL;

	assert_int_equal(events_new(&events, dir, 4), 0);
	for (int i = 0; i < 3000; i++) {
		long long stored = 0;
		char text[64] = "";
		FILE *f;

		publish(events, "x");
		if (i % 100) {
			continue;
		}
		f = fopen(file("event-seq"), "r");
		assert_non_null(fgets(text, sizeof(text), f));
		fclose(f);
		stored = strtoll(text, NULL, 10);
		assert_true((uint64_t)stored > events_last_seq(events));
	}
	assert_int_equal(events_last_seq(events), 3000);
	events_free(events);
}

static void test_bad_files(void **state)
{
	static const char *const texts[] = {"", "x", "-5                  \n", "12",
		"99999999999999999999999999\n", "0                   \n", "1 2x\n", "\n",
		"9007199254740993    \n"};
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct events *events = NULL;

		write_file(texts[i]);
		assert_int_equal(events_new(&events, dir, 4), 0);
		if (!strcmp(texts[i], "1 2x\n")) {
			assert_int_equal(events_last_seq(events), 0);
		} else {
			assert_true(events_last_seq(events) > UINT64_C(1700000000000));
		}
		assert_int_equal(events_store_error(events, &err), 0);
		events_free(events);
	}
}

static void test_unusable_directory(void **state)
{
	struct events *events = NULL;
	struct err err = {0};

	assert_int_equal(events_new(&events, "/nonexistent/dir", 4), 0);
	assert_int_equal(events_store_error(events, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/dir/event-seq"));
	publish(events, "a");
	assert_true(events_last_seq(events) > UINT64_C(1700000000000));
	events_free(events);
	/* A directory in the file's place is put aside. */
	assert_int_equal(mkdir(file("event-seq"), 0700), 0);
	assert_int_equal(events_new(&events, dir, 4), 0);
	assert_int_equal(events_store_error(events, &err), 0);
	events_free(events);
	rmdir(file("event-seq.bad"));
}

static void test_followers(void **state)
{
	struct heard one = {0}, two = {.free_self = true}, three = {0};
	struct events *events = NULL;

	assert_int_equal(events_new(&events, dir, 8), 0);
	one.events = two.events = three.events = events;
	publish(events, "a");
	assert_int_equal(events_read(events, 0, true, hear, &one, &one.reader), 0);
	assert_int_equal(events_read(events, 1, true, hear, &two, &two.reader), 0);
	assert_int_equal(events_read(events, 1, true, hear, &three, &three.reader), 0);
	one.publish_once = true; /* told after the one that is being told, to all, in order */
	publish(events, "b");
	assert_string_equal(one.text, "1:a 2:b 3:nested ");
	assert_string_equal(two.text, "2:b ");
	assert_null(two.reader);
	assert_string_equal(three.text, "2:b 3:nested ");
	three.reader = events_reader_free(three.reader);
	publish(events, "c");
	assert_string_equal(one.text, "1:a 2:b 3:nested 4:c ");
	assert_string_equal(three.text, "2:b 3:nested ");
	events_free(events); /* with a reader left */
}

/* A reader that frees itself while it is told what is kept. */
static void test_free_while_reading(void **state)
{
	struct heard heard = {.free_self = true};
	struct events *events = NULL;

	assert_int_equal(events_new(&events, dir, 8), 0);
	publish(events, "a");
	publish(events, "b");
	assert_int_equal(events_read(events, 0, true, hear, &heard, &heard.reader), 0);
	assert_null(heard.reader);
	publish(events, "c");
	assert_string_equal(heard.text, "1:a ");
	events_free(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_since_and_gaps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_goes_on_over_restarts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crash_skips, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unusable_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_followers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_while_reading, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
