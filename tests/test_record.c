/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "proto/record.h"

static struct record sample(void)
{
	struct record r = {
		.domid = 7,
		.uuid = {1, 2, 3},
		.unique_id = UINT64_C(0x7fffffffffffffff),
		.name = strdup("web1"),
		.boot_id = "0b1c",
		.kind = DM_KIND_QEMU,
		.state = DM_RUNNING,
		.released = true,
		.source = strdup("definition:/etc/x.json"),
		.on_exit = ON_EXIT_CRASH,
		.limits = {.cpu_weight = 100,
			.pids_max = 256,
			.log_max_mib = 16,
			.start_timeout_s = 60},
		.process = {.pid = 4711,
			.start_ticks = 99,
			.exe_dev = 1,
			.exe_ino = 2,
			.argv_hash = 3},
		.exit = {EXIT_HOW_SIGNAL, 9},
		.start_ms = -1,
	};

	r.following = true;
	r.steps = json_tokener_parse("[{\"execute\":\"cont\"}]");
	r.all_steps = json_tokener_parse("[{\"execute\":\"stop\"},{\"execute\":\"cont\"}]");
	r.devices = json_tokener_parse("[{\"id\":\"x\",\"state\":\"adding\",\"device\":{},"
				       "\"steps\":[{\"execute\":\"device_add\"}]}]");
	r.device_serial = 5;
	strv_add(&r.gone, "device:y");
	r.by_libxl = r.restarting = true;
	r.restarts = 3;
	r.directory = strdup("/root");
	strv_add(&r.env, "LANG=C");
	strv_add(&r.nodes, "serial/0/tty=/dev/pts/3");
	strv_add(&r.warnings, "query-vnc: no");
	strv_add(&r.argv, "qemu");
	strv_add(&r.argv, "-name\t\"x\"");
	return r;
}

static void test_round_trip(void **state)
{
	struct record r = sample(), back;
	char *text = record_encode(&r), *again;
	struct err err = {0};

	assert_int_equal(record_decode(text, strlen(text), &back, &err), 0);
	again = record_encode(&back);
	assert_string_equal(text, again);
	assert_int_equal(back.process.pid, 4711);
	assert_int_equal(back.exit.value, 9);
	assert_null(back.reason);
	assert_true(back.following);
	assert_int_equal(json_object_array_length(back.steps), 1);
	assert_int_equal(json_object_array_length(back.all_steps), 2);
	assert_int_equal(json_object_array_length(back.devices), 1);
	assert_string_equal(back.gone.items[0], "device:y");
	assert_int_equal(back.device_serial, 5);
	assert_true(back.by_libxl && back.restarting);
	assert_int_equal(back.restarts, 3);
	assert_string_equal(back.directory, "/root");
	assert_string_equal(back.env.items[0], "LANG=C");
	assert_string_equal(back.nodes.items[0], "serial/0/tty=/dev/pts/3");
	assert_int_equal(back.warnings.len, 1);
	assert_int_equal(back.start_ms, -1);
	free(text);
	free(again);
	record_fini(&r);
	record_fini(&back);
}

/* A record may be cut off anywhere, when the disk was full or the host lost power. */
static void test_truncated(void **state)
{
	struct record r = sample(), back;
	char *text = record_encode(&r);

	/* The last two bytes are the closing brace and a newline. */
	for (size_t len = 0; len < strlen(text) - 2; len++) {
		struct err err = {0};

		assert_int_equal(record_decode(text, len, &back, &err), -EBADMSG);
		assert_int_not_equal(strlen(err.text), 0);
	}
	free(text);
	record_fini(&r);
}

static void replace_and_decode(const char *from, const char *to, int want)
{
	struct record r = sample(), back = {0};
	char *text = record_encode(&r), *at = strstr(text, from), *changed = NULL;
	struct err err = {0};

	assert_non_null(at);
	assert_true(
		asprintf(&changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	assert_int_equal(record_decode(changed, strlen(changed), &back, &err), want);
	record_fini(&back);
	record_fini(&r);
	free(changed);
	free(text);
}

static void test_corrupt(void **state)
{
	replace_and_decode("\"version\":1", "\"version\":2", -EPROTONOSUPPORT);
	replace_and_decode("\"version\":1", "\"verzion\":1", -EBADMSG);
	replace_and_decode("\"domid\":7", "\"domid\":-7", -EBADMSG);
	replace_and_decode("\"domid\":7", "\"domid\":\"7\"", -EBADMSG);
	replace_and_decode("\"pid\":4711", "\"pid\":99999999999", -EBADMSG);
	replace_and_decode("\"state\":\"running\"", "\"state\":\"flying\"", -EBADMSG);
	replace_and_decode("\"on_exit\":\"crash\"", "\"on_exit\":7", -EBADMSG);
	replace_and_decode("\"released\":true", "\"released\":1", -EBADMSG);
	replace_and_decode("\"name\":\"web1\"", "\"name\":[]", -EBADMSG);
	replace_and_decode("\"argv\":[", "\"argv\":[5,", -EBADMSG);
	replace_and_decode("\"steps\":[", "\"steps\":7,\"x\":[", -EBADMSG);
	replace_and_decode("\"nodes\":[", "\"nodes\":[5,", -EBADMSG);
	replace_and_decode("\"nodes\":", "\"nodes\":null,\"x\":", -EBADMSG);
	replace_and_decode("\"warnings\":[", "\"warnings\":[{},", -EBADMSG);
	/* An earlier daemon's has none of them. */
	replace_and_decode("\"following\":", "\"x1\":", 0);
	replace_and_decode("\"steps\":", "\"x2\":", 0);
	replace_and_decode("\"nodes\":", "\"x3\":", 0);
	replace_and_decode("\"warnings\":", "\"x4\":", 0);
	replace_and_decode("\"boot_id\":\"0b1c\"",
		"\"boot_id\":\"0123456789012345678901234567890123456789\"", -EBADMSG);
	replace_and_decode("\"exit_how\":2", "\"exit_how\":9", -EBADMSG);
	replace_and_decode("\"name\":\"web1\"", "\"name\":null", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_corrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
