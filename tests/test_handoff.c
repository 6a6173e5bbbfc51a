/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "proto/handoff.h"

static void json_put_p(struct json_object **json)
{
	json_object_put(*json);
}

static struct strv words(const char *text)
{
	char *copy = strdup(text), *save = NULL;
	struct strv ret = {0};

	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		strv_add(&ret, word);
	}
	free(copy);
	return ret;
}

static void test_domid(void **state)
{
	static const struct {
		const char *argv;
		int code;
		uint32_t domid;
		const char *text;
	} cases[] = {
		{"qemu -xen-domid 7 -name x", 0, 7, NULL},
		{"qemu -name x --xen-domid 7", 0, 7, NULL},
		{"qemu -xen-domid 7 -xen-domid 7", 0, 7, NULL},
		{"qemu -S -machine none,accel=xen", -ENOENT, 0, "has no -xen-domid"},
		{"-xen-domid 7", -ENOENT, 0, "has no -xen-domid"}, /* that is argv[0] */
		{"qemu -xen-domid-restrict", -ENOENT, 0, "has no -xen-domid"},
		{"qemu -xen-domid", -EINVAL, 0, "has no number behind it"},
		{"qemu -xen-domid 0", -EINVAL, 0, "\"0\" is no guest's number"},
		{"qemu -xen-domid 32752", -EINVAL, 0, "is no guest's number"},
		{"qemu -xen-domid 7x", -EINVAL, 0, "is no guest's number"},
		{"qemu -xen-domid 7 -xen-domid 8", -EINVAL, 0, "given twice: 7 and 8"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(strv_fini) struct strv argv = words(cases[i].argv);
		struct err err = {0};
		uint32_t domid = 0;

		assert_int_equal(handoff_domid(&argv, &domid, &err), cases[i].code);
		if (cases[i].code == 0) {
			assert_int_equal(domid, cases[i].domid);
		} else {
			assert_non_null(strstr(err.text, cases[i].text));
		}
	}
}

static void test_monitor_is_fd(void **state)
{
	static const struct {
		const char *argv;
		bool is_fd;
	} cases[] = {
		{"q -chardev socket,id=libxl-cmd,fd=19,server=on,wait=off", true},
		{"q --chardev socket,id=libxl-cmd,fd=19", true},
		{"q -chardev socket,id=libxl-cmd,path=/var/run/xen/qmp-libxl-1,server=on", false},
		{"q -chardev socket,id=mine,fd=19 -chardev socket,id=libxl-cmd,path=/x", false},
		{"q -name socket,id=libxl-cmd,fd=19", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(strv_fini) struct strv argv = words(cases[i].argv);

		assert_int_equal(handoff_monitor_is_fd(&argv), cases[i].is_fd);
	}
}

static struct handoff_request request(const char *argv, const char *env)
{
	struct handoff_request ret = {
		.argv = words(argv), .env = words(env), .directory = strdup("/root/a b")};

	ret.fds = calloc(HANDOFF_FDS_MAX + 1, sizeof(int));
	return ret;
}

static void test_there_and_back(void **state)
{
	_cleanup_(handoff_request_fini) struct handoff_request in =
		request("dm-handoff -xen-domid 3 -name \303\244\"\\\n", "A=1 B=");
	_cleanup_(handoff_request_fini) struct handoff_request out = {0};
	_cleanup_(json_put_p) struct json_object *json = NULL;
	struct err err = {0};

	in.fds[0] = 0;
	in.fds[1] = 2;
	in.fds[2] = HANDOFF_FD_MAX;
	in.fds_len = 3;
	json = handoff_encode(&in);
	assert_non_null(json);
	if (handoff_decode(json, 4, &out, &err) < 0) {
		fail_msg("%s", err.text);
	}
	assert_int_equal(out.argv.len, 5);
	assert_string_equal(out.argv.items[4], "\303\244\"\\\n");
	assert_int_equal(out.env.len, 2);
	assert_string_equal(out.env.items[1], "B=");
	assert_string_equal(out.directory, "/root/a b");
	assert_int_equal(out.fds_len, 3);
	assert_int_equal(out.fds[2], HANDOFF_FD_MAX);
}

static void test_wrong_json(void **state)
{
#define GOOD "\"argv\":[\"q\",\"-xen-domid\",\"3\"],\"env\":[],\"directory\":\"/\""
	static const struct {
		const char *json;
		unsigned received;
		const char *text;
	} cases[] = {
		{"{" GOOD ",\"fds\":[]}", 1, NULL},
		{"{" GOOD ",\"fds\":[]}", 0, "0 descriptors came with the call, 1 were announced"},
		{"{" GOOD ",\"fds\":[0,1]}", 2, "2 descriptors came"},
		{"{" GOOD ",\"fds\":[0,1]}", 4, "4 descriptors came"},
		{"{" GOOD ",\"fds\":[1,1]}", 3, "descriptor 1 stands twice"},
		{"{" GOOD ",\"fds\":[-1]}", 2, "descriptor -1"},
		{"{" GOOD ",\"fds\":[4001]}", 2, "the highest number taken is 4000"},
		{"{" GOOD ",\"fds\":[\"1\"]}", 2, "\"fds\"[0] is no number"},
		{"{" GOOD "}", 1, "\"fds\" is no list"},
		{"{}", 1, "\"argv\" is no list of strings"},
		{"{\"argv\":[1]}", 1, "\"argv\"[0] is no string"},
		{"{\"argv\":[\"a\\u0000b\"]}", 1, "\"argv\"[0] is no string"},
		{"{\"argv\":[],\"env\":{}}", 1, "\"env\" is no list of strings"},
		{"{\"argv\":[\"q\"],\"env\":[],\"directory\":7,\"fds\":[]}", 1,
			"\"directory\" is missing or no string"},
		{"{\"argv\":[\"q\"],\"env\":[],\"directory\":\"/\",\"fds\":[]}", 1,
			"has no -xen-domid"},
		{"{\"argv\":[\"q\",\"-xen-domid\",\"3\"],\"env\":[],\"directory\":\"x\","
		 "\"fds\":[]}",
			1, "no absolute path"},
		{"{\"argv\":[\"q\",\"-xen-domid\",\"3\",\"--daemonize\"],\"env\":[],"
		 "\"directory\":\"/\",\"fds\":[]}",
			1, "-daemonize can't be supervised"},
		{"{\"argv\":[\"q\",\"-xen-domid\",\"3\",\"-daemonize\"],\"env\":[],"
		 "\"directory\":\"/\",\"fds\":[]}",
			1, "-daemonize can't be supervised"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_put_p) struct json_object *json = json_tokener_parse(cases[i].json);
		struct handoff_request out = {0};
		struct err err = {0};
		int r;

		assert_non_null(json);
		r = handoff_decode(json, cases[i].received, &out, &err);
		if (!cases[i].text) {
			assert_int_equal(r, 0);
			handoff_request_fini(&out);
			continue;
		}
		assert_true(r < 0);
		assert_int_equal(err.code, r);
		if (!strstr(err.text, cases[i].text)) {
			fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].text, err.text);
		}
		assert_null(out.argv.items);
	}
	assert_int_equal(
		handoff_decode(NULL, 0, &(struct handoff_request){0}, &(struct err){0}), -EINVAL);
}

static void test_limits(void **state)
{
	_cleanup_(handoff_request_fini) struct handoff_request many =
		request("q -xen-domid 3", "A=1");
	_cleanup_(handoff_request_fini) struct handoff_request large =
		request("q -xen-domid 3", "A=1");
	_cleanup_(handoff_request_fini) struct handoff_request fds =
		request("q -xen-domid 3", "A=1");
	_cleanup_free_ char *text = malloc(LIMIT_ARG_BYTES + 2);
	struct err err = {0};

	while (many.argv.len < LIMIT_ARGV_ITEMS) {
		strv_add(&many.argv, "x");
	}
	assert_int_equal(handoff_check(&many, &err), 0);
	strv_add(&many.argv, "x");
	assert_int_equal(handoff_check(&many, &err), -E2BIG);
	assert_string_equal(err.text, "2049 arguments; the limit is 2048");

	memset(text, 'x', LIMIT_ARG_BYTES + 1);
	text[LIMIT_ARG_BYTES] = '\0';
	for (int i = 0; i < 3; i++) {
		strv_add(&large.env, text);
		assert_int_equal(handoff_check(&large, &err), 0);
	}
	strv_add(&large.env, text);
	assert_int_equal(handoff_check(&large, &err), -E2BIG);
	assert_non_null(strstr(err.text, "arguments and environment have"));
	text[LIMIT_ARG_BYTES] = 'x';
	text[LIMIT_ARG_BYTES + 1] = '\0';
	strv_add(&fds.argv, text);
	assert_int_equal(handoff_check(&fds, &err), -E2BIG);
	assert_non_null(strstr(err.text, "argument 3 has 131072 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domid),
		cmocka_unit_test(test_monitor_is_fd),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_wrong_json),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
