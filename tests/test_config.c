/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/json.h"
#include "lib/limits.h"
#include "lib/readfile.h"

static const struct {
	const char *text, *error;
} bad[] = {
	{"", "x.json:1: column 1: the text ends where a value should stand"},
	{"[]", "x.json:1: the file must hold one JSON object"},
	{"{\n\"colour\": 1}", "x.json:2: colour: unknown key"},
	{"{\"exits_kept\": 1,\n\"exits_kept\": 1}",
		"x.json:2: exits_kept: column 1: the key stands twice, first in line 1"},
	{"{\"default_binary\": \"a/b\"}", "x.json:1: default_binary: must begin with \"/\" or be a "
					  "bare file name, is \"a/b\""},
	{"{\"default_binary\": 1}",
		"x.json:1: default_binary: must be a string, is a whole number"},
	{"{\"libexec_dir\": \"\"}", "x.json:1: libexec_dir: must not be empty"},
	{"{\"libexec_dir\": \"/a:b\"}", "x.json:1: libexec_dir: must be absolute directories with "
					"\":\" between them, has \"b\""},
	{"{\"script_dir\": \"/a:\"}", "x.json:1: script_dir: must be absolute directories with "
				      "\":\" between them, has \"\""},
	{"{\"quit_timeout_s\": 0}", "x.json:1: quit_timeout_s: must be from 1 to 3600, is 0"},
	{"{\"quit_timeout_s\": -5}", "x.json:1: quit_timeout_s: must be from 1 to 3600, is -5"},
	{"{\"term_timeout_s\": 1.5}",
		"x.json:1: term_timeout_s: must be a whole number, is a number with a fraction"},
	{"{\"kill_timeout_s\": \"5\"}",
		"x.json:1: kill_timeout_s: must be a whole number, is a string"},
	{"{\"handoff_fallback\": \"maybe\"}",
		"x.json:1: handoff_fallback: must be \"fail\" or \"run\", is \"maybe\""},
	{"{\"proxy_fallback\": \"\"}", "x.json:1: proxy_fallback: must not be empty"},
	{"{\"handoff_timeout_s\": 61}", "x.json:1: handoff_timeout_s: must be from 1 to 60, is 61"},
	{"{\"starts_at_once\": 4294967297}",
		"x.json:1: starts_at_once: must be from 1 to 1024, is 4294967297"},
	{"{\"control_clients\": null}",
		"x.json:1: control_clients: must be a whole number, is null"},
	{"{\"events_kept\": 100}", "x.json:1: events_kept: must be from 4096 to 1048576, is 100"},
	{"{\"limits\": []}", "x.json:1: limits: must be an object, is an array"},
	{"{\"limits\":\n{\"pid_max\": 1}}", "x.json:2: limits.pid_max: unknown key"},
	{"{\"limits\":\n{\"pids_max\": 0}}",
		"x.json:2: limits.pids_max: must be from 1 to 4194304, is 0"},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct config config;
		struct err err = {0};

		assert_int_equal(
			config_parse(&config, "x.json", bad[i].text, strlen(bad[i].text), &err),
			-EINVAL);
		assert_string_equal(err.text, bad[i].error);
	}
}

static void assert_same(const struct config *a, const struct config *b)
{
	struct config x = *a, y = *b;

	assert_string_equal(a->default_binary, b->default_binary);
	assert_string_equal(a->libexec_dir, b->libexec_dir);
	assert_string_equal(a->firmware_dir, b->firmware_dir);
	assert_string_equal(a->script_dir, b->script_dir);
	assert_string_equal(a->handoff_fallback, b->handoff_fallback);
	assert_string_equal(a->proxy_fallback, b->proxy_fallback);
	x.default_binary = x.libexec_dir = x.firmware_dir = x.script_dir = NULL;
	x.handoff_fallback = y.handoff_fallback = NULL;
	x.proxy_fallback = y.proxy_fallback = NULL;
	y.default_binary = y.libexec_dir = y.firmware_dir = y.script_dir = NULL;
	/* without the padding behind the last field */
	assert_memory_equal(
		&x, &y, offsetof(struct config, qmp_timeout_ms) + sizeof(x.qmp_timeout_ms));
}

static void test_defaults(void **state)
{
	struct config defaults, empty;

	memset(&defaults, 0, sizeof(defaults));
	memset(&empty, 0, sizeof(empty));
	config_defaults(&defaults);
	assert_int_equal(defaults.limits.pids_max, 256);
	assert_int_equal(defaults.limits.cpu_weight, 100);
	assert_int_equal(defaults.limits.log_max_mib, 16);
	assert_int_equal(defaults.limits.start_timeout_s, 60);
	assert_int_equal(defaults.limits.memory_max_mib, 0);
	assert_int_equal(defaults.toolstack_stop_timeout_s, 60);
	assert_int_equal(defaults.name_timeout_s, 5);
	assert_int_equal(defaults.events_kept, 4096);
	assert_int_equal(defaults.exits_kept, 1000);
	assert_int_equal(config_parse(&empty, "x", "{}", 2, NULL), 0);
	assert_same(&defaults, &empty);
	config_fini(&defaults);
	config_fini(&empty);
}

static void test_values(void **state)
{
	const char *text = "{\"default_binary\": \"q\", \"libexec_dir\": \"/a:/b\", "
			   "\"handoff_fallback\": \"run\", \"quit_timeout_s\": 3600, "
			   "\"exits_kept\": 0, \"qmp_timeout_ms\": 100, "
			   "\"limits\": {\"memory_max_mib\": 5, \"pids_max\": 6}}";
	struct config config;

	assert_int_equal(config_parse(&config, "x", text, strlen(text), NULL), 0);
	assert_string_equal(config.default_binary, "q");
	assert_string_equal(config.libexec_dir, "/a:/b");
	assert_string_equal(config.handoff_fallback, CONFIG_FALLBACK_RUN);
	assert_int_equal(config.quit_timeout_s, 3600);
	assert_int_equal(config.exits_kept, 0);
	assert_int_equal(config.qmp_timeout_ms, 100);
	assert_int_equal(config.limits.memory_max_mib, 5);
	assert_int_equal(config.limits.pids_max, 6);
	assert_int_equal(config.limits.cpu_weight, 100);
	config_fini(&config);
}

static char *installed_path(void)
{
	const char *build = getenv("XENDMD_TEST_BUILD");
	char *path = NULL;

	assert_true(asprintf(&path, "%s/conf/xendmd.json", build ? build : ".") > 0);
	return path;
}

/* The installed file gives every key its default: an administrator sees them all. */
static void test_installed_file(void **state)
{
	_cleanup_free_ char *path = installed_path(), *text = NULL;
	_cleanup_json_ struct json_object *root = NULL;
	struct config defaults, config;
	struct err err = {0};
	unsigned keys = 0;
	size_t len;

	memset(&config, 0, sizeof(config));
	assert_int_equal(readfile(AT_FDCWD, path, LIMIT_JSON_BYTES, &text, &len, &err), 0);
	config_defaults(&defaults);
	assert_int_equal(config_load(&config, path, &err), 0);
	assert_same(&defaults, &config);
	root = json_tokener_parse(text);
	json_object_object_foreach (root, key, value) {
		(void)value;
		keys += config_has_key(key);
	}
	assert_int_equal(keys, config_key_count());
	assert_int_equal(json_object_object_length(root), keys + 1);
	assert_int_equal(json_object_object_length(json_object_object_get(root, "limits")), 5);
	config_fini(&defaults);
	config_fini(&config);
}

static void test_load(void **state)
{
	char dir[] = "/tmp/xendmd-config-XXXXXX";
	struct config config, defaults;
	struct err err = {0};
	char path[64], want[128];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.json", dir);
	config_defaults(&defaults);
	assert_int_equal(config_load(&config, path, &err), 0);
	assert_same(&config, &defaults);
	config_fini(&config);
	config_fini(&defaults);
	assert_int_equal(config_load(&config, dir, &err), -EISDIR);
	snprintf(want, sizeof(want), "%s: is a directory", dir);
	assert_string_equal(err.text, want);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(config_load(&config, path, &err), -EINVAL);
	snprintf(want, sizeof(want), "%s: is not a regular file", path);
	assert_string_equal(err.text, want);
	unlink(path);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(config_load(&config, path, &err), -ENOLINK);
	snprintf(want, sizeof(want), "%s: is a link to \"nowhere\", which does not exist", path);
	assert_string_equal(err.text, want);
	unlink(path);
	rmdir(dir);
}

static void test_paths(void **state)
{
	struct paths paths;

	unsetenv("XENDMD_RUNDIR");
	unsetenv("XENDMD_CONFDIR");
	unsetenv("XENDMD_STATEDIR");
	unsetenv("XENDMD_LOGDIR");
	setenv("XENDMD_XENRUNDIR", "", 1);
	paths_init(&paths);
	assert_string_equal(paths.run_dir, "/run/xendmd");
	assert_string_equal(paths.conf_dir, "/etc/xendmd");
	assert_string_equal(paths.state_dir, "/var/lib/xendmd");
	assert_string_equal(paths.log_dir, "/var/log/xen");
	assert_string_equal(paths.xen_run_dir, "/var/run/xen");
	setenv("XENDMD_RUNDIR", "/r", 1);
	setenv("XENDMD_CONFDIR", "/c", 1);
	setenv("XENDMD_STATEDIR", "/s", 1);
	setenv("XENDMD_LOGDIR", "/l", 1);
	setenv("XENDMD_XENRUNDIR", "/x", 1);
	paths_init(&paths);
	assert_string_equal(paths.run_dir, "/r");
	assert_string_equal(paths.conf_dir, "/c");
	assert_string_equal(paths.state_dir, "/s");
	assert_string_equal(paths.log_dir, "/l");
	assert_string_equal(paths.xen_run_dir, "/x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_installed_file),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
