/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rules P1 to P6 by their names: what passes, for whom, with what peer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "proto/qmpfilter.h"
#include "proto/qmppolicy.h"

#define LIBXL QMP_CLASS_LIBXL
#define STATS QMP_CLASS_STATS
#define MONITOR QMP_CLASS_MONITOR
#define ADMIN QMP_CLASS_ADMIN
#define DOM0 QMP_PEER_DOM0
#define VCHAN QMP_PEER_VCHAN
#define OBJ(...) "{" __VA_ARGS__ "}"

struct request_case {
	enum qmp_class class;
	enum qmp_peer peer;
	const char *command, *arguments;
	bool fd;
	enum qmp_verdict want;
};

static const struct qmp_seen seen = {.types = {"qemu32-i386-cpu"}, .len = 1};

static void check_requests(const struct request_case *cases, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const struct qmpfilter f = {
			.class = cases[i].class, .peer = cases[i].peer, .seen = &seen};
		struct qmp_request r = {.command = cases[i].command,
			.arguments =
				cases[i].arguments ? json_tokener_parse(cases[i].arguments) : NULL};
		struct qmpfilter_result result;
		enum qmp_verdict got = qmpfilter_request(&f, &r, cases[i].fd, &result);

		if (got != cases[i].want) {
			fail_msg("case %zu: %s %s: %d, not %d: %s", i, cases[i].command,
				cases[i].arguments ? cases[i].arguments : "", got, cases[i].want,
				result.text);
		}
		if (got == QMP_REFUSE) {
			assert_string_equal(result.error_class, "GenericError");
			assert_true(*result.text);
		}
		json_object_put(r.arguments);
	}
}

/* Allow-list of commands and of the shape of their arguments. */
static void test_p1_commands(void **state)
{
	static const struct request_case cases[] = {
		{LIBXL, VCHAN, "qmp_capabilities", NULL, false, QMP_ANSWER},
		{LIBXL, VCHAN, "query-status", NULL, false, QMP_PASS},
		{LIBXL, VCHAN, "stop", "{}", false, QMP_PASS},
		{LIBXL, VCHAN, "stop", OBJ("\"a\":1"), false, QMP_REFUSE},
		{LIBXL, VCHAN, "migrate", OBJ("\"uri\":\"exec:x\""), false, QMP_REFUSE},
		{LIBXL, DOM0, "migrate", OBJ("\"uri\":\"exec:x\""), false, QMP_REFUSE},
		{LIBXL, DOM0, "query-block", NULL, false, QMP_REFUSE},
		{LIBXL, DOM0, "x-anything", NULL, false, QMP_REFUSE},
		{LIBXL, DOM0, "x-blockdev-change", OBJ("\"parent\":\"a\""), false, QMP_PASS},
		{STATS, DOM0, "query-block", NULL, false, QMP_PASS},
		{STATS, DOM0, "query-blockstats", NULL, false, QMP_PASS},
		{STATS, DOM0, "query-status", NULL, false, QMP_REFUSE},
		{STATS, DOM0, "stop", NULL, false, QMP_REFUSE},
		{MONITOR, DOM0, "query-status", NULL, false, QMP_PASS},
		{MONITOR, DOM0, "query-qmp-schema", NULL, false, QMP_PASS},
		{MONITOR, DOM0, "stop", NULL, false, QMP_REFUSE},
		{MONITOR, DOM0, "query-unheard-of", NULL, false, QMP_REFUSE},
		{MONITOR, DOM0, "quit", NULL, false, QMP_REFUSE},
		{ADMIN, DOM0, "query-unheard-of", OBJ("\"a\":{}"), false, QMP_PASS},
		{ADMIN, DOM0, "netdev_add", OBJ("\"a\":{}"), false, QMP_PASS},
		{ADMIN, DOM0, "stop", OBJ("\"a\":1"), false, QMP_PASS},
		{ADMIN, VCHAN, "stop", OBJ("\"a\":1"), false, QMP_REFUSE},
		{ADMIN, DOM0, "x-anything", NULL, false, QMP_REFUSE},
		{ADMIN, DOM0, "", NULL, false, QMP_REFUSE},
		{ADMIN, DOM0, "a b", NULL, false, QMP_REFUSE},
		{ADMIN, DOM0, "\xc3\xa4", NULL, false, QMP_REFUSE},
		{ADMIN, DOM0,
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			NULL, false, QMP_REFUSE},
	};

	check_requests(cases, ARRAY_SIZE(cases));
}

/* That socket is root's; nobody else speaks to the human monitor. */
static void test_p1_human_monitor(void **state)
{
	static const char args[] = OBJ("\"command-line\":\"info pci\"");
	static const struct request_case cases[] = {
		{LIBXL, VCHAN, "human-monitor-command", args, false, QMP_PASS},
		{LIBXL, DOM0, "human-monitor-command", args, false, QMP_PASS},
		{ADMIN, DOM0, "human-monitor-command", args, false, QMP_PASS},
		{STATS, DOM0, "human-monitor-command", args, false, QMP_REFUSE},
		{MONITOR, DOM0, "human-monitor-command", args, false, QMP_REFUSE},
		{LIBXL, DOM0, "human-monitor-command", NULL, false, QMP_REFUSE},
		{LIBXL, DOM0, "human-monitor-command", OBJ("\"command-line\":1"), false,
			QMP_REFUSE},
	};
	static const char policy_text[] = "{\"monitor\":{\"add\":[\"human-monitor-command\"]}}";
	const struct qmp_command *command = qmp_command_find("human-monitor-command");
	struct qmp_policy *policy = NULL;
	struct qmpfilter_result result;
	struct err err;
	struct qmp_request r = {.command = command->name, .arguments = json_tokener_parse(args)};

	check_requests(cases, ARRAY_SIZE(cases));
	assert_int_equal(command->deadline_ms, 30000);
	/* no policy gives it to others */
	assert_int_equal(
		qmp_policy_parse(&policy, "p", policy_text, strlen(policy_text), &err), -EINVAL);
	assert_null(policy);
	const struct qmpfilter f = {.class = MONITOR};
	assert_int_equal(qmpfilter_request(&f, &r, false, &result), QMP_REFUSE);
	json_object_put(r.arguments);
}

static void test_p2_patterns(void **state)
{
	static const struct request_case cases[] = {
		{LIBXL, VCHAN, "xen-save-devices-state", OBJ("\"filename\":\"/dev/fdset/1\""),
			false, QMP_PASS},
		{LIBXL, VCHAN, "xen-save-devices-state", OBJ("\"filename\":\"/etc/passwd\""), false,
			QMP_REFUSE},
		{LIBXL, VCHAN, "xen-save-devices-state", OBJ("\"filename\":\"/dev/fdset/1x\""),
			false, QMP_REFUSE},
		{LIBXL, VCHAN, "xen-save-devices-state", OBJ("\"filename\":\"/dev/fdset/\""), false,
			QMP_REFUSE},
		{LIBXL, VCHAN, "xen-save-devices-state", NULL, false, QMP_REFUSE},
		{LIBXL, DOM0, "xen-save-devices-state",
			OBJ("\"filename\":\"/var/lib/xen/qemu-save.3\",\"live\":true"), false,
			QMP_PASS},
		{LIBXL, VCHAN, "device_del", OBJ("\"id\":\"pci-pt-03_10.1\""), false, QMP_PASS},
		{LIBXL, VCHAN, "device_del", OBJ("\"id\":\"xenusb-0-1\""), false, QMP_PASS},
		{LIBXL, VCHAN, "device_del", OBJ("\"id\":\"anything\""), false, QMP_REFUSE},
		{LIBXL, VCHAN, "device_del", OBJ("\"id\":\"ide-../..\""), false, QMP_REFUSE},
		{LIBXL, VCHAN, "eject", OBJ("\"id\":\"ide-5632\",\"force\":true"), false, QMP_PASS},
		{LIBXL, VCHAN, "device_add",
			OBJ("\"driver\":\"xen-pci-passthrough\",\"id\":\"pci-pt-03_10.1\","
			    "\"hostaddr\":\"0000:03:10.1\",\"permissive\":true"),
			false, QMP_PASS},
		{LIBXL, VCHAN, "device_add",
			OBJ("\"driver\":\"xen-pci-passthrough\",\"hostaddr\":\"a/b\""), false,
			QMP_REFUSE},
		{LIBXL, VCHAN, "device_add", OBJ("\"driver\":\"vfio-pci\""), false, QMP_REFUSE},
		{LIBXL, VCHAN, "device_add",
			OBJ("\"driver\":\"qemu32-i386-cpu\",\"id\":\"cpu-1\",\"socket-id\":1,"
			    "\"core-id\":0,\"thread-id\":0"),
			false, QMP_PASS},
		{LIBXL, VCHAN, "device_add", OBJ("\"driver\":\"qemu64-x86_64-cpu\""), false,
			QMP_REFUSE}, /* never named by the peer */
		{LIBXL, VCHAN, "device_add", OBJ("\"id\":\"cpu-1\""), false, QMP_REFUSE},
		{LIBXL, VCHAN, "cpu-add", OBJ("\"id\":4096"), false, QMP_REFUSE},
		{LIBXL, VCHAN, "cpu-add", OBJ("\"id\":1"), false, QMP_PASS},
		{LIBXL, VCHAN, "remove-fd", OBJ("\"fdset-id\":-1"), false, QMP_REFUSE},
		{LIBXL, VCHAN, "remove-fd", OBJ("\"fdset-id\":\"1\""), false, QMP_REFUSE},
	};

	check_requests(cases, ARRAY_SIZE(cases));
}

/* What the peer names may become a driver, if it looks like one. */
static void test_p2_seen(void **state)
{
	struct json_object *body =
		json_tokener_parse("[{\"type\":\"host-x86_64-cpu\"},{\"type\":\"host-x86_64-cpu\"},"
				   "{\"type\":\"vfio-pci\"},"
				   "{\"type\":\"a b-cpu\"},{\"type\":7},{},7,{\"type\":\"-cpu\"}]");
	struct qmp_seen got;

	qmp_seen_take(&got, body);
	assert_int_equal(got.len, 1);
	assert_string_equal(got.types[0], "host-x86_64-cpu");
	json_object_put(body);
	qmp_seen_take(&got, NULL);
	assert_int_equal(got.len, 0);
}

static void test_p3_replies(void **state)
{
	static const struct {
		enum qmp_class class;
		const char *command, *body, *want; /* NULL: refused */
	} cases[] = {
		{LIBXL, "stop", "{\"a\":1}", "{}"},
		{LIBXL, "device_add", "\"x\"", "{}"},
		{ADMIN, "stop", "{\"a\":1}", "{\"a\":1}"},
		{LIBXL, "query-status", "{\"status\":\"running\",\"x\":{},\"running\":true}",
			"{\"status\":\"running\",\"running\":true}"},
		{LIBXL, "query-status", "{\"status\":7}", NULL},
		{LIBXL, "query-status", "[]", NULL},
		{LIBXL, "query-status", "null", NULL},
		{LIBXL, "query-pci",
			"[{\"bus\":0,\"devices\":[{\"slot\":31,\"function\":7,\"qdev_id\":\"a\","
			"\"regions\":[]}]}]",
			"[{\"bus\":0,\"devices\":[{\"slot\":31,\"function\":7,\"qdev_id\":\"a\"}]}"
			"]"},
		{LIBXL, "query-pci", "[{\"bus\":0,\"devices\":[{\"slot\":32}]}]", NULL},
		{LIBXL, "query-pci", "[{\"bus\":0,\"devices\":[{\"function\":8}]}]", NULL},
		{LIBXL, "query-pci", "[{\"bus\":256}]", NULL},
		{LIBXL, "query-pci", "[7]", NULL},
		{LIBXL, "query-cpus-fast", "[{\"cpu-index\":4095,\"props\":{}}]",
			"[{\"cpu-index\":4095}]"},
		{LIBXL, "query-cpus-fast", "[{\"cpu-index\":4096}]", NULL},
		{LIBXL, "query-fdsets", "[{\"fdset-id\":2147483647,\"fds\":[]}]",
			"[{\"fdset-id\":2147483647,\"fds\":[]}]"},
		{LIBXL, "query-fdsets", "[{\"fdset-id\":2147483648}]", NULL},
		{LIBXL, "query-fdsets", "[{\"fdset-id\":-1}]", NULL},
		{LIBXL, "query-fdsets", "[{\"fdset-id\":18446744073709551615}]", NULL},
		{LIBXL, "query-hotpluggable-cpus",
			"[{\"type\":\"a-cpu\",\"vcpus-count\":1,\"props\":{\"socket-id\":1,\"x\":1}"
			"}]",
			"[{\"type\":\"a-cpu\",\"vcpus-count\":1,\"props\":{\"socket-id\":1}}]"},
		{STATS, "query-blockstats",
			"[{\"device\":\"a\",\"stats\":{\"rd_bytes\":5,\"x\":[]}}]",
			"[{\"device\":\"a\",\"stats\":{\"rd_bytes\":5}}]"},
		{STATS, "query-blockstats", "[{\"stats\":{\"rd_bytes\":-5}}]", NULL},
		{MONITOR, "query-pci", "[{\"bus\":256}]", "[{\"bus\":256}]"},
		{LIBXL, "human-monitor-command", "\"text\"", "\"text\""},
		{ADMIN, "human-monitor-command", "{}", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct qmpfilter f = {.class = cases[i].class};
		const struct qmp_command *command = qmp_command_find(cases[i].command);
		struct json_object *body = json_tokener_parse(cases[i].body), *ret = NULL;
		struct qmpfilter_result why;
		enum qmp_verdict got = qmpfilter_return(&f, command, body, &ret, &why);

		if (got != (cases[i].want ? QMP_PASS : QMP_REFUSE)) {
			fail_msg("case %zu: %s: %d %s", i, cases[i].body, got, why.text);
		}
		if (ret) {
			assert_string_equal(
				json_object_to_json_string_ext(ret, JSON_C_TO_STRING_PLAIN),
				cases[i].want);
		}
		json_object_put(ret);
		json_object_put(body);
	}
}

/* No paths of the host from a stub domain, no descriptors into it; all of it for a QEMU in dom0. */
static void test_p4_p7_descriptors(void **state)
{
	static const struct request_case cases[] = {
		{LIBXL, VCHAN, "query-chardev", NULL, false, QMP_REFUSE},
		{ADMIN, VCHAN, "query-chardev", NULL, false, QMP_REFUSE},
		{LIBXL, DOM0, "query-chardev", NULL, false, QMP_PASS},
		{LIBXL, VCHAN, "query-vnc", NULL, false, QMP_REFUSE},
		{LIBXL, DOM0, "query-vnc", NULL, false, QMP_PASS},
		{LIBXL, VCHAN, "add-fd", NULL, true, QMP_REFUSE},
		{ADMIN, VCHAN, "getfd", OBJ("\"fdname\":\"a\""), true, QMP_REFUSE},
		{ADMIN, VCHAN, "query-status", NULL, true, QMP_REFUSE},
		{LIBXL, DOM0, "add-fd", OBJ("\"fdset-id\":1"), true, QMP_PASS},
		{LIBXL, DOM0, "add-fd", OBJ("\"fdset-id\":1"), false, QMP_REFUSE},
		{LIBXL, DOM0, "add-fd", OBJ("\"fdset-id\":\"a\""), true, QMP_REFUSE},
		{ADMIN, DOM0, "getfd", OBJ("\"fdname\":\"a\""), true, QMP_PASS},
		{MONITOR, DOM0, "add-fd", NULL, true, QMP_REFUSE},
	};

	check_requests(cases, ARRAY_SIZE(cases));
}

static void test_p5_errors(void **state)
{
	static const struct {
		enum qmp_class class;
		const char *command, *error_class, *desc, *want_class, *want_desc;
	} cases[] = {
		{LIBXL, "stop", "CommandNotFound", "x", "GenericError", "x"},
		{LIBXL, "query-cpus-fast", "CommandNotFound", "x", "CommandNotFound", "x"},
		{LIBXL, "query-hotpluggable-cpus", "CommandNotFound", "x", "CommandNotFound", "x"},
		{ADMIN, "stop", "CommandNotFound", "x", "CommandNotFound", "x"},
		{LIBXL, "stop", "DeviceNotFound", "x", "DeviceNotFound", "x"},
		{LIBXL, "stop", "Whatever", "\x1b[31m\xc2\x9b\xff", "GenericError", "?[31m???"},
		{ADMIN, "stop", "Whatever", "x", "GenericError", "x"},
	};
	char desc[2000];
	struct qmpfilter_result got;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct qmpfilter f = {.class = cases[i].class};

		qmpfilter_error(&f, qmp_command_find(cases[i].command), cases[i].error_class,
			cases[i].desc, &got);
		assert_string_equal(got.error_class, cases[i].want_class);
		assert_string_equal(got.text, cases[i].want_desc);
	}
	memset(desc, 'x', sizeof(desc));
	desc[sizeof(desc) - 1] = '\0';
	qmpfilter_error(&(struct qmpfilter){0}, qmp_command_find("stop"), "a", desc, &got);
	assert_int_equal(strlen(got.text), 511);
}

static void test_p6_events(void **state)
{
	static const struct {
		enum qmp_class class;
		enum qmp_peer peer;
		const char *name;
		bool want;
	} cases[] = {
		{ADMIN, DOM0, "STOP", true},
		{ADMIN, VCHAN, "RTC_CHANGE", true},
		{ADMIN, DOM0, "BLOCK_JOB_COMPLETED", true},
		{ADMIN, VCHAN, "BLOCK_JOB_COMPLETED", false},
		{ADMIN, DOM0, "UNHEARD_OF", false},
		{LIBXL, DOM0, "STOP", false},
		{STATS, DOM0, "STOP", false},
		{MONITOR, DOM0, "STOP", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct qmpfilter f = {.class = cases[i].class, .peer = cases[i].peer};

		assert_int_equal(qmpfilter_event(&f, cases[i].name), cases[i].want);
	}
}

/* Each row keeps the bounds that the others rely on. */
static void test_table(void **state)
{
	const struct qmp_command *c;

	for (size_t i = 0; (c = qmp_command_at(i)); i++) {
		assert_ptr_equal(qmp_command_find(c->name), c); /* none twice */
		assert_true(c->classes & QMP_ADMIN);
		assert_true(c->reply_max > 0 && c->reply_max < 1000000);
		assert_true(c->deadline_ms > 0 && c->deadline_ms <= LIMIT_QMP_LONG_COMMAND_MS);
		/* libxl gives up after 10 s; S5. */
		if (c->classes & QMP_LIBXL && !strncmp(c->name, "query-", 6)) {
			assert_true(c->deadline_ms < 10000);
		}
		assert_false(c->flags & QMP_NO_DATA && c->reply);
		assert_false(c->classes & QMP_MONITOR && !(c->flags & QMP_READS));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_p1_commands),
		cmocka_unit_test(test_p1_human_monitor),
		cmocka_unit_test(test_p2_patterns),
		cmocka_unit_test(test_p2_seen),
		cmocka_unit_test(test_p3_replies),
		cmocka_unit_test(test_p4_p7_descriptors),
		cmocka_unit_test(test_p5_errors),
		cmocka_unit_test(test_p6_events),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
