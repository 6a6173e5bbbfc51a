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
#include "proto/proxy.h"

static void json_put_p(struct json_object **json)
{
	json_object_put(*json);
}

static void test_node(void **state)
{
	static const struct {
		const char *node;
		uint32_t stub;
		int code;
		uint32_t guest;
	} cases[] = {
		{"/local/domain/8/device-model/7/qmp-vchan", 8, 0, 7},
		{"/local/domain/32751/device-model/32750/qmp-vchan", 32751, 0, 32750},
		{"/local/domain/9/device-model/7/qmp-vchan", 8, -EINVAL, 0},
		{"/local/domain/8/device-model/0/qmp-vchan", 8, -EINVAL, 0},
		{"/local/domain/8/device-model/32752/qmp-vchan", 8, -EINVAL, 0},
		{"/local/domain/8/device-model/07/qmp-vchan", 8, -EINVAL, 0},
		{"/local/domain/8/device-model/7/qmp-vchan/", 8, -EINVAL, 0},
		{"/local/domain/8/device-model//qmp-vchan", 8, -EINVAL, 0},
		{"/local/domain/8/device-model/7", 8, -EINVAL, 0},
		{"/local/domain/8//device-model/7/qmp-vchan", 8, -EINVAL, 0},
		{"/local/domain/8/device-model/123456789012/qmp-vchan", 8, -EINVAL, 0},
		{"data/vchan", 8, -EINVAL, 0},
		{"", 8, -EINVAL, 0},
		{"/local/domain/0/device-model/7/qmp-vchan", 0, -EINVAL, 0},
		{"/local/domain/32752/device-model/7/qmp-vchan", 32752, -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};
		uint32_t guest = 0;

		assert_int_equal(proxy_parse_node(cases[i].node, cases[i].stub, &guest, &err),
			cases[i].code);
		if (cases[i].code == 0) {
			assert_int_equal(guest, cases[i].guest);
		} else {
			assert_non_null(strstr(err.text, "device-model/GUEST/qmp-vchan"));
		}
	}
}

/* The longest there is fits into what libxenvchan takes. */
static void test_node_length(void **state)
{
	char node[PROXY_NODE_MAX];

	proxy_node(32751, 32750, node);
	assert_string_equal(node, "/local/domain/32751/device-model/32750/qmp-vchan");
}

static struct json_object *parse(const char *text)
{
	struct json_object *json = json_tokener_parse(text);

	assert_non_null(json);
	return json;
}

static void test_decode(void **state)
{
	static const struct {
		const char *json;
		unsigned received;
		int code;
		const char *text;
	} cases[] = {
		{"{\"stub\": 8, \"guest\": 7, \"socket\": \"/run/xen/qmp-libxl-7\"}", 1, 0, NULL},
		{"{\"stub\": 8, \"guest\": 7, \"socket\": null, \"state_path\": null}", 2, 0, NULL},
		{"{\"stub\": 8, \"guest\": 7, \"socket\": \"/s\", \"state_path\": \"/a/b\"}", 1, 0,
			NULL},
		{"{\"guest\": 7}", 1, -EINVAL, "\"stub\""},
		{"{\"stub\": 8}", 1, -EINVAL, "\"guest\""},
		{"{\"stub\": \"8\", \"guest\": 7}", 2, -EINVAL, "\"stub\""},
		{"{\"stub\": -1, \"guest\": 7}", 2, -EINVAL, "\"stub\""},
		{"{\"stub\": 4294967296, \"guest\": 7}", 2, -EINVAL, "\"stub\""},
		{"{\"stub\": 8.5, \"guest\": 7}", 2, -EINVAL, "\"stub\""},
		{"{\"stub\": 0, \"guest\": 7}", 2, -EINVAL, "domain 0 is no guest"},
		{"{\"stub\": 8, \"guest\": 0}", 2, -EINVAL, "domain 0 is no guest"},
		{"{\"stub\": 8, \"guest\": 32752}", 2, -EINVAL, "domain 32752 is no guest"},
		{"{\"stub\": 8, \"guest\": 8}", 2, -EINVAL, "its own stub domain"},
		{"{\"stub\": 8, \"guest\": 7, \"socket\": \"run\"}", 1, -EINVAL,
			"no absolute path"},
		{"{\"stub\": 8, \"guest\": 7, \"socket\": \"/\"}", 1, -EINVAL, "no absolute path"},
		{"{\"stub\": 8, \"guest\": 7, \"socket\": \"/a/\"}", 1, -EINVAL,
			"no absolute path"},
		{"{\"stub\": 8, \"guest\": 7, \"socket\": \"\"}", 1, -EINVAL, "no absolute path"},
		{"{\"stub\": 8, \"guest\": 7, \"socket\": \"/a\\u0000b\"}", 1, -EINVAL,
			"no string"},
		{"{\"stub\": 8, \"guest\": 7, \"socket\": 3}", 1, -EINVAL, "no string"},
		{"{\"stub\": 8, \"guest\": 7, \"socket\": \"/a\", \"state_path\": \"b\"}", 1,
			-EINVAL, "the state path"},
		{"{\"stub\": 8, \"guest\": 7, \"socket\": \"/a\"}", 0, -EINVAL,
			"0 descriptors came"},
		{"{\"stub\": 8, \"guest\": 7, \"socket\": \"/a\"}", 2, -EINVAL,
			"2 descriptors came"},
		{"{\"stub\": 8, \"guest\": 7}", 1, -EINVAL, "a listening socket are expected"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_put_p) struct json_object *json = parse(cases[i].json);
		struct proxy_request request = {0};
		struct err err = {0};

		assert_int_equal(
			proxy_decode(json, cases[i].received, &request, &err), cases[i].code);
		if (cases[i].text) {
			assert_non_null(strstr(err.text, cases[i].text));
		}
		proxy_request_fini(&request);
	}
}

static void test_decode_nothing(void **state)
{
	struct proxy_request request = {0};
	struct err err;

	assert_int_equal(proxy_decode(NULL, 1, &request, &err), -EINVAL);
}

static void test_too_long(void **state)
{
	char path[PROXY_SOCKET_MAX + 2] = "/";
	struct proxy_request request = {.stub = 8, .guest = 7, .socket = path};
	struct err err;

	memset(path + 1, 'a', PROXY_SOCKET_MAX - 1);
	assert_int_equal(proxy_check(&request, &err), 0);
	path[PROXY_SOCKET_MAX] = 'a';
	assert_int_equal(proxy_check(&request, &err), -EINVAL);
}

static void test_request_round_trip(void **state)
{
	const struct proxy_request in = {
		.stub = 8, .guest = 7, .socket = (char *)"/s", .state_path = (char *)"/a/b"};
	_cleanup_(json_put_p) struct json_object *json = proxy_encode(&in);
	struct proxy_request out = {0};
	struct err err;

	assert_int_equal(proxy_decode(json, 1, &out, &err), 0);
	assert_int_equal(out.stub, 8);
	assert_int_equal(out.guest, 7);
	assert_string_equal(out.socket, "/s");
	assert_string_equal(out.state_path, "/a/b");
	proxy_request_fini(&out);
}

static void test_record_round_trip(void **state)
{
	struct proxy_record in = {.boot_id = "0f2e7d39-95cb-4d7a-a0b8-4e3f33ee2b1a",
		.guest_uuid = {1, 2, 3},
		.stub_uuid = {4, 5, 6},
		.request = {.stub = 8, .guest = 7, .socket = (char *)"/run/xen/qmp-libxl-7"},
		.helper = 4712,
		.named = true};
	_cleanup_free_ char *text = proxy_record_encode(&in);
	struct proxy_record out = {0};
	struct err err;

	assert_int_equal(proxy_record_decode(text, strlen(text), &out, &err), 0);
	assert_string_equal(out.boot_id, in.boot_id);
	assert_memory_equal(out.guest_uuid, in.guest_uuid, 16);
	assert_memory_equal(out.stub_uuid, in.stub_uuid, 16);
	assert_int_equal(out.request.stub, 8);
	assert_int_equal(out.request.guest, 7);
	assert_string_equal(out.request.socket, in.request.socket);
	assert_null(out.request.state_path);
	assert_int_equal(out.helper, 4712);
	assert_true(out.named);
	proxy_record_fini(&out);
}

static void test_bad_records(void **state)
{
#define GOOD                                                                                       \
	"\"version\":1,\"named\":false,\"stub\":8,\"guest\":7,\"socket\":\"/"                      \
	"s\",\"boot_id\":\"x\","                                                                   \
	"\"guest_uuid\":\"01020300-0000-0000-0000-000000000000\","                                 \
	"\"stub_uuid\":\"01020300-0000-0000-0000-000000000000\""
	static const char *const cases[] = {"", "[]", "{", "{}", "{" GOOD "}",
		"{" GOOD ",\"helper\":-1}", "{" GOOD ",\"helper\":\"1\"}",
		"{" GOOD ",\"helper\":2147483648}", "{" GOOD ",\"helper\":0} x"};
	static const struct {
		const char *from, *to;
	} changes[] = {{"\"version\":1", "\"version\":2"}, {"\"/s\"", "null"}, {"\"x\"", "null"},
		{"\"x\"", "\"0123456789012345678901234567890123456789\""},
		{"\"stub\":8", "\"stub\":7"}, {"\"named\":false", "\"named\":0"},
		{"\"stub_uuid\":\"0", "\"stub_uuid\":\"g"}, {"\"guest_uuid\"", "\"gest_uuid\""}};
	static const char good[] = "{" GOOD ",\"helper\":0}";
	struct proxy_record record = {0};
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(
			proxy_record_decode(cases[i], strlen(cases[i]), &record, &err), -EBADMSG);
	}
	assert_int_equal(proxy_record_decode(good, strlen(good), &record, &err), 0);
	proxy_record_fini(&record);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		const char *at = strstr(good, changes[i].from);
		char text[1024];

		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, changes[i].to,
			at + strlen(changes[i].from));
		assert_int_equal(proxy_record_decode(text, strlen(text), &record, &err), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_node_length),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_nothing),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_request_round_trip),
		cmocka_unit_test(test_record_round_trip),
		cmocka_unit_test(test_bad_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
