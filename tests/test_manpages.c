/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/* The manual's examples are valid, and it names every key with the default that is built in. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/limits.h"
#include "lib/readfile.h"
#include "proto/render.h"

#define FENCE "\n```\n"

static char *read_below(const char *variable, const char *name)
{
	_cleanup_free_ char *path = NULL;
	const char *root = getenv(variable);
	struct err err = {0};
	char *text = NULL;
	size_t len;

	assert_true(asprintf(&path, "%s/%s", root ? root : ".", name) > 0);
	if (readfile(AT_FDCWD, path, LIMIT_JSON_BYTES, &text, &len, &err) < 0) {
		fail_msg("%s: %s", path, err.text);
	}
	return text;
}

/* Returns how many of the page's literal blocks are JSON. */
static unsigned check_examples(const char *page)
{
	_cleanup_free_ char *text = read_below("XENDMD_TEST_SOURCE", page);
	unsigned count = 0;

	for (char *start = strstr(text, FENCE), *end; start; start = strstr(end + 4, FENCE)) {
		const char *note;
		struct err err = {0};

		start += strlen(FENCE);
		end = strstr(start, FENCE);
		assert_non_null(end);
		if (*start != '{') {
			continue;
		}
		count++;
		if (check_text("example", start, end - start, &note, &err) < 0) {
			fail_msg("%s: %s", page, err.text);
		}
	}
	return count;
}

static void test_examples(void **state)
{
	assert_int_equal(check_examples("docs/xendmd-domain.5.scd"), 4);
	assert_int_equal(check_examples("docs/xendmd.json.5.scd"), 2);
}

/* The line that introduces KEY. */
static const char *line_of(const char *text, const char *key, char ret[256])
{
	char start[64];
	const char *found;

	snprintf(start, sizeof(start), "*%s*", key);
	found = strstr(text, start);
	if (!found) {
		fail_msg("%s is not in the manual", key);
		return NULL;
	}
	snprintf(ret, 256, "%.*s", (int)strcspn(found, "\n"), found);
	return ret;
}

static void test_config_keys(void **state)
{
	_cleanup_free_ char *text = read_below("XENDMD_TEST_SOURCE", "docs/xendmd.json.5.scd");
	_cleanup_free_ char *json = read_below("XENDMD_TEST_BUILD", "conf/xendmd.json");
	_cleanup_json_ struct json_object *root = json_tokener_parse(json);

	json_object_object_foreach (root, key, value) {
		char line[256], standard[64];

		line_of(text, key, line);
		snprintf(
			standard, sizeof(standard), ", default %s)", json_object_get_string(value));
		if (json_object_is_type(value, json_type_int) && !strstr(line, standard)) {
			fail_msg("%s: not \"%s\"", line, standard);
		}
	}
}

static void test_definition_keys(void **state)
{
	static const char *const keys[] = {"match", "kind", "libxl", "qemu", "argv", "extra_args",
		"env", "binary", "files", "stubdom", "restore_from", "on_exit", "limits",
		"confinement", "name", "uuid", "domid", "path", "tap", "macvtap", "dev", "listen",
		"received", "kernel", "ramdisk", "cmdline", "memory_mib", "vcpus", "seclabel",
		"cpupool", "run_hotplug_scripts", "disks", "nics", "serials", "channels", "vfb",
		"pci", "user", "domid_restrict", "chroot", "seccomp", "namespaces"};
	_cleanup_free_ char *text = read_below("XENDMD_TEST_SOURCE", "docs/xendmd-domain.5.scd");
	_cleanup_free_ char *json = read_below("XENDMD_TEST_BUILD", "conf/xendmd.json");
	_cleanup_json_ struct json_object *root = json_tokener_parse(json);
	char line[256], standard[64];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		line_of(text, keys[i], line);
	}
	json_object_object_foreach (json_object_object_get(root, "limits"), key, value) {
		line_of(strstr(text, "*limits* (object)"), key, line);
		snprintf(standard, sizeof(standard), "default %s)",
			value ? json_object_get_string(value) : "null");
		if (!strstr(line, standard)) {
			fail_msg("%s: not \"%s\"", line, standard);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_config_keys),
		cmocka_unit_test(test_definition_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
