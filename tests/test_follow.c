/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replies as QEMU 7.2 and 10.0 give them, and as somebody gives them who has taken one over. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "proto/follow.h"

#define REAL                                                                                       \
	"[{\"frontend-open\": true, \"filename\": \"pty:/dev/pts/3\", \"label\": \"serial0\"},"    \
	" {\"frontend-open\": true, \"filename\": \"null\", \"label\": \"serial1\"},"              \
	" {\"frontend-open\": true, \"filename\": \"pty:/dev/pts/5\", \"label\": \"serial2\"},"    \
	" {\"frontend-open\": true, \"filename\": \"vc\", \"label\": \"parallel0\"},"              \
	" {\"frontend-open\": true, \"filename\": \"unix:/x\", \"label\": \"libxl-cmd\"}]"
#define ENTRY(label, filename) "{\"label\": \"" label "\", \"filename\": \"" filename "\"}"

static const unsigned ptys[] = {3, 5, 7};

/* The nodes in one line. */
static void join(const struct strv *nodes, char *ret, size_t size)
{
	size_t len = 0;

	*ret = '\0';
	STRV_FOREACH (node, nodes) {
		len += snprintf(ret + len, size - len, "%s%s", len ? " " : "", node);
	}
}

static void test_serials(void **state)
{
	static const struct {
		const char *reply, *nodes;
		int status;
		const char *sentence;
	} cases[] = {
		{REAL, "serial/0/tty=/dev/pts/3 serial/2/tty=/dev/pts/5", 0, NULL},
		{"[]", "", 0, NULL},
		{"{}", "", -EBADMSG, "not a list"},
		{"null", "", -EBADMSG, "not a list"},
		{"\"serial0\"", "", -EBADMSG, "not a list"},
		{"[null]", "", -EBADMSG, "without label"},
		{"[5]", "", -EBADMSG, "without label"},
		{"[[]]", "", -EBADMSG, "without label"},
		{"[{}]", "", -EBADMSG, "without label"},
		{"[{\"label\": \"serial0\"}]", "", -EBADMSG, "without label or filename"},
		{"[{\"label\": 0, \"filename\": \"pty:/dev/pts/3\"}]", "", -EBADMSG, "without"},
		{"[{\"label\": \"serial0\", \"filename\": {}}]", "", -EBADMSG, "without"},
		{"[" ENTRY("serial0", "pty:/dev/pts/3\\u0000x") "]", "", -EBADMSG, "without"},
		/* not ports of QEMU's own naming */
		{"[" ENTRY("serial", "pty:/dev/pts/3") "]", "", 0, NULL},
		{"[" ENTRY("serialx", "pty:/dev/pts/3") "]", "", 0, NULL},
		{"[" ENTRY("serial-1", "pty:/dev/pts/3") "]", "", 0, NULL},
		{"[" ENTRY("serial0/../../x", "pty:/dev/pts/3") "]", "", 0, NULL},
		{"[" ENTRY("myserial0", "pty:/dev/pts/3") "]", "", 0, NULL},
		{"[" ENTRY("serial0", "PTY:/dev/pts/3") "]", "", 0, NULL},
		/* a number that grows the store */
		{"[" ENTRY("serial63", "pty:/dev/pts/3") "]", "serial/63/tty=/dev/pts/3", 0, NULL},
		{"[" ENTRY("serial64", "pty:/dev/pts/3") "]", "", -EBADMSG, "more than 64"},
		{"[" ENTRY("serial99999999999", "pty:/dev/pts/3") "]", "", -EBADMSG, "more than"},
		{"[" ENTRY("serial0", "pty:/dev/pts/3") "," ENTRY("serial0", "pty:/dev/pts/5") "]",
			"serial/0/tty=/dev/pts/3", -EBADMSG, "serial0 is there twice"},
		{"[" ENTRY("serial0", "pty:/dev/pts/3") "," ENTRY("serial00", "pty:/dev/pts/5") "]",
			"serial/0/tty=/dev/pts/3", -EBADMSG, "twice"},
		/* what is no terminal of its own */
		{"[" ENTRY("serial0", "pty:/dev/tty1") "]", "", -EBADMSG, "no pseudo-terminal"},
		{"[" ENTRY("serial0", "pty:") "]", "", -EBADMSG, "no pseudo-terminal"},
		{"[" ENTRY("serial0", "pty:/dev/pts/") "]", "", -EBADMSG, "no pseudo-terminal"},
		{"[" ENTRY("serial0", "pty:/dev/pts/3/") "]", "", -EBADMSG, "no pseudo-terminal"},
		{"[" ENTRY("serial0", "pty:/dev/pts/../3") "]", "", -EBADMSG, "no pseudo-terminal"},
		{"[" ENTRY("serial0", "pty:/dev/pts/-3") "]", "", -EBADMSG, "no pseudo-terminal"},
		{"[" ENTRY("serial0", "pty:/dev/pts/99999999999") "]", "", -EBADMSG, "no pseudo"},
		{"[" ENTRY("serial0", "pty:/dev/pts/3\\n") "]", "", -EBADMSG, "no pseudo-terminal"},
		{"[" ENTRY("serial0", "pty:/dev/pts/4") "]", "", -EBADMSG,
			"serial0: /dev/pts/4 is not the device model's"},
		{"[" ENTRY("serial0", "pty:/dev/pts/0") "]", "", -EBADMSG,
			"not the device model's"},
		/* the others are told all the same */
		{"[5," ENTRY("serial0", "pty:/dev/pts/9") "," ENTRY(
			 "serial1", "pty:/dev/pts/7") "]",
			"serial/1/tty=/dev/pts/7", -EBADMSG, "without label"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_object *reply = json_tokener_parse(cases[i].reply);
		struct strv nodes = {0};
		struct err err = {0};
		char text[512];

		assert_int_equal(follow_serials(reply, ptys, ARRAY_SIZE(ptys), &nodes, &err),
			cases[i].status);
		join(&nodes, text, sizeof(text));
		assert_string_equal(text, cases[i].nodes);
		if (cases[i].sentence && !strstr(err.text, cases[i].sentence)) {
			fail_msg("%s: \"%s\"", cases[i].reply, err.text);
		}
		strv_fini(&nodes);
		json_object_put(reply);
	}
}

static void test_many_chardevs(void **state)
{
	struct json_object *reply = json_object_new_array();
	struct strv nodes = {0};
	struct err err;

	for (int i = 0; i < LIMIT_QMP_CHARDEVS; i++) {
		json_object_array_add(
			reply, json_tokener_parse(ENTRY("compat_monitor0", "unix:/x")));
	}
	json_object_array_put_idx(reply, 7, json_tokener_parse(ENTRY("serial0", "pty:/dev/pts/3")));
	assert_int_equal(follow_serials(reply, ptys, ARRAY_SIZE(ptys), &nodes, &err), 0);
	assert_int_equal(nodes.len, 1);
	strv_fini(&nodes);
	json_object_array_add(reply, NULL);
	assert_int_equal(follow_serials(reply, ptys, ARRAY_SIZE(ptys), &nodes, &err), -EBADMSG);
	assert_int_equal(nodes.len, 0);
	json_object_put(reply);
}

#define VNC(host, service)                                                                         \
	"{\"enabled\": true, \"auth\": \"none\", \"family\": \"ipv4\", \"clients\": [],"           \
	" \"host\": \"" host "\", \"service\": \"" service "\"}"

static void test_vnc(void **state)
{
	static const struct {
		const char *reply, *nodes;
		int status;
		const char *sentence;
	} cases[] = {
		{VNC("127.0.0.1", "5900"), "console/vnc-listen=127.0.0.1 console/vnc-port=5900", 0,
			NULL},
		{VNC("::", "5901"), "console/vnc-listen=:: console/vnc-port=5901", 0, NULL},
		{VNC("fe80::1%eth0", "65535"),
			"console/vnc-listen=fe80::1%eth0 console/vnc-port=65535", 0, NULL},
		{VNC("dom0.example-1.org", "1"),
			"console/vnc-listen=dom0.example-1.org console/vnc-port=1", 0, NULL},
		{"{\"enabled\": false}", "", 0, NULL},
		{"{\"enabled\": true, \"auth\": \"none\"}", "", 0, NULL}, /* no address */
		{"{\"enabled\": true, \"family\": \"unix\", \"host\": \"\", \"service\": \"/x\"}",
			"", 0, NULL},
		{"{\"enabled\": false, \"host\": \"\", \"service\": \"\"}", "", 0, NULL},
		{"{}", "", -EBADMSG, "whether it is enabled"},
		{"[]", "", -EBADMSG, "whether it is enabled"},
		{"null", "", -EBADMSG, "whether it is enabled"},
		{"{\"enabled\": 1}", "", -EBADMSG, "whether it is enabled"},
		{"{\"enabled\": \"true\"}", "", -EBADMSG, "whether it is enabled"},
		{"{\"enabled\": true, \"service\": \"5900\"}", "", -EBADMSG, "is no host"},
		{"{\"enabled\": true, \"host\": 5, \"service\": \"5900\"}", "", -EBADMSG,
			"no host"},
		{"{\"enabled\": true, \"host\": \"::1\", \"service\": 5900}", "", -EBADMSG,
			"no port"},
		{VNC("", "5900"), "", -EBADMSG, "no host"},
		{VNC("-via evil", "5900"), "", -EBADMSG, "no host"},
		{VNC("-listen", "5900"), "", -EBADMSG, "no host"},
		{VNC("a b", "5900"), "", -EBADMSG, "no host"},
		{VNC("a\\nb", "5900"), "", -EBADMSG, "no host"},
		{VNC("a/b", "5900"), "", -EBADMSG, "no host"},
		{VNC("$(x)", "5900"), "", -EBADMSG, "no host"},
		{VNC("::1\\u0000", "5900"), "", -EBADMSG, "no host"},
		{VNC("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "5900"),
			"", -EBADMSG, "no host"},
		{VNC("::1", "0"), "", -EBADMSG, "no port"},
		{VNC("::1", "65536"), "", -EBADMSG, "no port"},
		{VNC("::1", "-1"), "", -EBADMSG, "no port"},
		{VNC("::1", "5900 "), "", -EBADMSG, "no port"},
		{VNC("::1", ""), "", -EBADMSG, "no port"},
		{VNC("::1", "vnc"), "", -EBADMSG, "no port"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_object *reply = json_tokener_parse(cases[i].reply);
		struct strv nodes = {0};
		struct err err = {0};
		char text[512];

		assert_int_equal(follow_vnc(reply, &nodes, &err), cases[i].status);
		join(&nodes, text, sizeof(text));
		assert_string_equal(text, cases[i].nodes);
		if (cases[i].sentence && !strstr(err.text, cases[i].sentence)) {
			fail_msg("%s: \"%s\"", cases[i].reply, err.text);
		}
		strv_fini(&nodes);
		json_object_put(reply);
	}
}

static void test_steps(void **state)
{
	static const struct {
		const char *step, *name, *password, *hint;
		bool arguments;
	} cases[] = {
		{"{\"execute\": \"cont\"}", "cont", NULL, NULL, false},
		{"{\"execute\": \"change-vnc-password\", \"arguments\": {\"password\": "
		 "\"geheim\"}}",
			"change-vnc-password", "geheim", NULL, true},
		{"{\"execute\": \"change-vnc-password\", \"arguments\": {\"password\": 5}}",
			"change-vnc-password", NULL, NULL, true},
		{"{\"execute\": \"change-vnc-password\"}", "change-vnc-password", NULL, NULL,
			false},
		/* spice's is no key of libxl's */
		{"{\"execute\": \"set_password\", \"arguments\": {\"protocol\": \"spice\","
		 " \"password\": \"geheim\"}}",
			"set_password", NULL, NULL, true},
		{"{\"execute\": \"device_add\", \"arguments\": {\"driver\": "
		 "\"xen-pci-passthrough\"}}",
			"device_add", NULL, "pciback", true},
		{"{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"usb-host\"}}",
			"device_add", NULL, "free", true},
		{"{\"execute\": \"device_add\", \"arguments\": {\"driver\": 5}}", "device_add",
			NULL, NULL, true},
		{"{\"execute\": 5}", NULL, NULL, NULL, false},
		{"{}", NULL, NULL, NULL, false},
		{"[]", NULL, NULL, NULL, false},
		{"null", NULL, NULL, NULL, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_object *step = json_tokener_parse(cases[i].step), *arguments;
		const char *name = follow_step(step, &arguments), *hint = follow_hint(step);
		const char *password = follow_password(step);

		assert_true(!name == !cases[i].name && (!name || !strcmp(name, cases[i].name)));
		assert_true(!arguments == !cases[i].arguments);
		assert_true(!password == !cases[i].password &&
			    (!password || !strcmp(password, cases[i].password)));
		assert_true(!hint == !cases[i].hint && (!hint || strstr(hint, cases[i].hint)));
		json_object_put(step);
	}
}

static void test_nodes(void **state)
{
	char path[XENLAYOUT_PATH_MAX];

	assert_string_equal(follow_node("serial/0/tty=/dev/pts/3", 7, path), "/dev/pts/3");
	assert_string_equal(path, "/local/domain/7/serial/0/tty");
	assert_string_equal(follow_node("console/vnc-listen=a=b", 7, path), "a=b");
	assert_string_equal(path, "/local/domain/7/console/vnc-listen");
	assert_null(follow_node(FOLLOW_PASSWORD_KEY, 32751, path));
	assert_string_equal(path, "/local/domain/32751/console/vnc-pass");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serials),
		cmocka_unit_test(test_many_chardevs),
		cmocka_unit_test(test_vnc),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
