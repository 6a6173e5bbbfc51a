/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/definition.h"
#include "lib/limits.h"

/* root/a, root/b: directories of programs; root/path: what $PATH names. */
struct place {
	char root[64], dirs[200], path[100];
};

static void make(const struct place *p, const char *name, mode_t mode)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", p->root, name);
	if (S_ISDIR(mode)) {
		assert_int_equal(mkdir(path, 0700), 0);
		return;
	}
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void make_link(const struct place *p, const char *target, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", p->root, name);
	assert_int_equal(symlink(target, path), 0);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->root, "/tmp/xendmd-plan-XXXXXX");
	assert_non_null(mkdtemp(p->root));
	make(p, "a", S_IFDIR);
	make(p, "b", S_IFDIR);
	make(p, "path", S_IFDIR);
	make(p, "b/dm", 0755);
	make(p, "path/dm", 0755);
	make(p, "path/only", 0755);
	make(p, "b/plain", 0644);
	make(p, "path/plain", 0755);
	make(p, "a/dir", S_IFDIR);
	make_link(p, "dm", "b/link");
	make_link(p, "/nonexistent/dm", "a/dangling");
	make(p, "b/dangling", 0755);
	snprintf(p->dirs, sizeof(p->dirs), "%s/a:%s/b", p->root, p->root);
	snprintf(p->path, sizeof(p->path), ":%s/path:", p->root);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"a/dangling", "a/dir", "a", "b/dm", "b/plain", "b/link",
		"b/dangling", "b", "path/dm", "path/only", "path/plain", "path", ""};
	struct place *p = *state;
	char path[256];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", p->root, names[i]);
		remove(path);
	}
	free(p);
	return 0;
}

/* "@" in FORMAT stands for the root. */
static const char *at_root(const struct place *p, const char *format, char ret[1024])
{
	size_t at = 0;

	for (; *format; format++) {
		if (*format == '@') {
			at += snprintf(ret + at, 1024 - at, "%s", p->root);
		} else {
			ret[at++] = *format;
		}
	}
	ret[at] = '\0';
	return ret;
}

static void test_find_program(void **state)
{
	static const struct {
		const char *name, *found;
		int status;
		const char *error;
	} cases[] = {
		{"dm", "@/b/dm", 0, NULL},
		{"only", "@/path/only", 0, NULL},
		{"link", "@/b/link", 0, NULL},
		{"@/path/dm", "@/path/dm", 0, NULL},
		{"none", NULL, -ENOENT,
			"program \"none\" is neither in @/a:@/b nor in $PATH (:@/path:)"},
		{"@/none", NULL, -ENOENT, "\"@/none\": No such file or directory"},
		{"@/b/dm/x", NULL, -ENOTDIR, "\"@/b/dm/x\": Not a directory"},
		/* what stands first counts, also when it is no good */
		{"plain", NULL, -EACCES, "\"@/b/plain\" is not executable"},
		{"dir", NULL, -EACCES, "\"@/a/dir\" is not a regular file"},
		{"@/a", NULL, -EACCES, "\"@/a\" is not a regular file"},
		{"dangling", NULL, -ENOENT,
			"\"@/a/dangling\" is a link to \"/nonexistent/dm\": No such file or "
			"directory"},
	};
	struct place *p = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *found = NULL;
		char name[1024], want[1024];
		struct err err = {0};

		assert_int_equal(plan_find_program(at_root(p, cases[i].name, name), p->dirs,
					 p->path, &found, &err),
			cases[i].status);
		if (cases[i].found) {
			assert_string_equal(found, at_root(p, cases[i].found, want));
		} else {
			assert_null(found);
			assert_string_equal(err.text, at_root(p, cases[i].error, want));
		}
	}
}

static struct definition *parse(const char *text)
{
	struct definition *d = NULL;
	struct err err = {0};

	if (definition_parse("d.json", text, strlen(text), &d, &err) < 0) {
		fail_msg("%s", err.text);
	}
	return d;
}

static const struct plan_context context = {.domid = 7,
	.uuid = "3a9726f3-6f9e-4b76-b521-824dc667beab",
	.name = "we,b $1",
	.run_dir = "/run/xendmd/dm/7",
	.log_file = "/var/log/xen/qemu-dm-web.log",
	.qmp_socket = "/run/xendmd/dm/7/own-qmp",
	.memory_mib = 512,
	.vcpus = 2};

static void test_build(void **state)
{
	_cleanup_definition_ struct definition *d = parse(
		"{\"match\": {\"domid\": 7}, \"kind\": \"qemu\", \"binary\": \"dm\",\n"
		"\"argv\": [\"-xen-domid\", \"$DOMID\", \"-name\", \"${NAME}\", \"$$\", \"\",\n"
		" \"$UUID $QMP_SOCKET $RUN_DIR\"], \"extra_args\": [\"-m\", \"$MEMORY_MIB\"],\n"
		"\"env\": {\"A$DOMID\": \"$LOG_FILE=$VCPUS\", \"B\": \"\"}}");
	static const char *const want[] = {"-xen-domid", "7", "-name", "we,b $1", "$", "",
		"3a9726f3-6f9e-4b76-b521-824dc667beab /run/xendmd/dm/7/own-qmp /run/xendmd/dm/7",
		"-m", "512"};
	struct place *p = *state;
	struct plan_config config = {.libexec_dir = p->dirs};
	char path[1024];
	struct err err = {0};
	struct plan plan;

	assert_int_equal(plan_build(d, &context, &config, &plan, &err), 0);
	assert_string_equal(plan.binary, at_root(p, "@/b/dm", path));
	assert_int_equal(plan.argv.len, ARRAY_SIZE(want) + 1);
	assert_string_equal(plan.argv.items[0], path);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_string_equal(plan.argv.items[i + 1], want[i]);
	}
	assert_int_equal(plan.env.len, 2);
	assert_string_equal(plan.env.items[0], "A$DOMID=/var/log/xen/qemu-dm-web.log=2");
	assert_string_equal(plan.env.items[1], "B=");
	plan_fini(&plan);
}

/* A Xen machine is told its domain. */
static void test_build_typed(void **state)
{
	_cleanup_definition_ struct definition *d =
		parse("{\"match\": {\"domid\": 7}, \"kind\": \"qemu\", \"binary\": \"dm\", "
		      "\"qemu\": {\"name\": "
		      "\"$NAME\", \"machine\": {\"type\": \"xenpv\"}, \"memory\": {\"size\": "
		      "\"${MEMORY_MIB}M\"}}}");
	static const char *const want[] = {"-xen-domid", "7", "-xen-attach", "-name", "we,,b $1",
		"-machine", "xenpv", "-m", "512M"};
	struct place *p = *state;
	struct plan_config config = {.libexec_dir = p->dirs};
	struct err err = {0};
	struct plan plan;

	assert_int_equal(plan_build(d, &context, &config, &plan, &err), 0);
	assert_int_equal(plan.argv.len, ARRAY_SIZE(want) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_string_equal(plan.argv.items[i + 1], want[i]);
	}
	plan_fini(&plan);
}

/* Files have numbers in the order in which they are named, a tap one for each queue; the state to
 * restore has the one behind them. */
static void test_build_files(void **state)
{
	static const struct {
		const char *source;
		const char *argv[8];
		struct {
			enum openfile_how how;
			const char *name;
		} files[5];
	} cases[] = {
		{"\"argv\": [\"fd=@b\", \"x@a\", \"fds=@a:@b\", "
		 "\"$STUBDOM_RESTORE_INCOMING_ARG\"], "
		 "\"extra_args\": [\"@c\"]",
			{"fd=3", "x@a", "fds=4:5:3", "fd:7", "6"},
			{{OPENFILE_READ_WRITE, "/dev/vhost-net"}, {OPENFILE_TAP_QUEUE, "vif7"},
				{OPENFILE_TAP_QUEUE, "vif7"},
				{OPENFILE_APPEND, "/run/xendmd/dm/7/c"},
				{OPENFILE_READ, "/state-7"}}},
		{"\"qemu\": {\"devices\": [{\"kind\": \"net\", \"type\": \"tap\", \"id\": \"n\", "
		 "\"fds\": "
		 "[\"@a\"], \"vhost\": true, \"vhost_fds\": [\"@b\", \"@c\"]}]}",
			{"-netdev", "tap,id=n,vhost=on,vhostfds=3:4,fds=5:6", "-device",
				"virtio-net-pci,netdev=n,mq=on,vectors=6", "-incoming", "fd:7"},
			{{OPENFILE_READ_WRITE, "/dev/vhost-net"},
				{OPENFILE_APPEND, "/run/xendmd/dm/7/c"},
				{OPENFILE_TAP_QUEUE, "vif7"}, {OPENFILE_TAP_QUEUE, "vif7"},
				{OPENFILE_READ, "/state-7"}}},
	};
	struct place *p = *state;
	struct plan_config config = {.libexec_dir = p->dirs};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = NULL;
		_cleanup_definition_ struct definition *d = NULL;
		struct err err = {0};
		struct plan plan;

		assert_true(
			asprintf(&text,
				"{\"match\": {\"domid\": 7}, \"kind\": \"qemu\", \"binary\": "
				"\"dm\", %s, \"restore_from\": \"/state-$DOMID\", \"files\": "
				"{\"a\": {\"tap\": \"vif$DOMID\", \"queues\": 2}, \"b\": {\"dev\": "
				"\"vhost-net\"}, \"c\": {\"path\": \"$RUN_DIR/c\", \"mode\": "
				"\"a\"}}}",
				cases[i].source) > 0);
		d = parse(text);
		if (plan_build(d, &context, &config, &plan, &err) < 0) {
			fail_msg("%s", err.text);
		}
		for (size_t j = 0; cases[i].argv[j]; j++) {
			assert_string_equal(plan.argv.items[j + 1], cases[i].argv[j]);
		}
		assert_int_equal(plan.files.len, ARRAY_SIZE(cases[i].files));
		for (size_t j = 0; j < plan.files.len; j++) {
			assert_int_equal(plan.files.items[j].how, cases[i].files[j].how);
			assert_string_equal(plan.files.items[j].name, cases[i].files[j].name);
		}
		plan_fini(&plan);
	}
}

/* CONTEXT has neither name nor anything else but a number. */
static void test_build_fails(void **state)
{
	static const struct {
		const char *rest;
		int status;
		const char *error;
	} cases[] = {
		{"\"kind\": \"qemu\", \"argv\": [\"-S\", \"a$NAME\"]", -EINVAL,
			"d.json: argv[1]: \"$NAME\" has no value here at column 2"},
		{"\"kind\": \"qemu\", \"argv\": [\"$STUBDOM_ID\"]", -EINVAL,
			"d.json: argv[0]: \"$STUBDOM_ID\" has no value here at column 1"},
		{"\"kind\": \"qemu\", \"argv\": [], \"extra_args\": "
		 "[\"$STUBDOM_RESTORE_INCOMING_ARG"
		 "\"]",
			-EINVAL,
			"d.json: extra_args[0]: \"$STUBDOM_RESTORE_INCOMING_ARG\" has no value "
			"here at "
			"column 1"},
		{"\"kind\": \"qemu\", \"argv\": [], \"env\": {\"A\": \"1\", \"B\": "
		 "\"$MEMORY_MIB\"}",
			-EINVAL, "d.json: env.B: \"$MEMORY_MIB\" has no value here at column 1"},
		{"\"kind\": \"qemu\", \"argv\": [], \"binary\": \"plain\"", -EACCES,
			"d.json: \"@/b/plain\" is not executable"},
		{"\"kind\": \"qemu\"", -ENODATA,
			"d.json: gives no command line: it waits for a handoff"},
		{"\"kind\": \"none\", \"argv\": []", -ENODATA,
			"d.json: gives no command line: its kind is \"none\""},
		{"\"kind\": \"qemu\", \"qemu\": {\"name\": \"$NAME\"}", -EINVAL,
			"d.json: qemu: \"$NAME\": \"$NAME\" has no value here at column 1"},
		{"\"libxl\": {\"c_info\": {\"type\": \"hvm\"}, \"b_info\": {\"type.hvm\": "
		 "{\"gfx_passthru\": \"True\"}}}",
			-EINVAL,
			"d.json: b_info.type.hvm.gfx_passthru: none of \"pcidevs\" is an Intel "
			"graphics card; if one is meant all the same, say "
			"\"gfx_passthru_kind\": \"igd\""},
	};
	struct place *p = *state;
	struct plan_config config = {.default_binary = "dm", .libexec_dir = p->dirs};
	struct plan_context bare = {.domid = 7};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_definition_ struct definition *d = NULL;
		char text[512], want[1024];
		struct err err = {0};
		struct plan plan;

		snprintf(text, sizeof(text), "{\"match\": {\"domid\": 7}, %s}", cases[i].rest);
		d = parse(text);
		assert_int_equal(plan_build(d, &bare, &config, &plan, &err), cases[i].status);
		assert_string_equal(err.text, at_root(p, cases[i].error, want));
	}
}

/* A short definition must not become a long command line. */
static int build_repeated(const struct place *p, unsigned items, unsigned names, struct err *err)
{
	size_t size = 256 + (size_t)items * (names * 6 + 4), len;
	_cleanup_free_ char *text = malloc(size);
	_cleanup_definition_ struct definition *d = NULL;
	struct plan_config config = {.default_binary = "dm", .libexec_dir = p->dirs};
	struct plan_context long_name = {.domid = 1};
	char name[LIMIT_NAME_BYTES + 1];
	struct plan plan = {0};
	int r;

	memset(name, 'n', LIMIT_NAME_BYTES);
	name[LIMIT_NAME_BYTES] = '\0';
	long_name.name = name;
	len = snprintf(text, size, "{\"match\":{\"domid\":1},\"kind\":\"qemu\",\"argv\":[");
	for (unsigned i = 0; i < items; i++) {
		len += snprintf(text + len, size - len, "%s\"", i ? "," : "");
		for (unsigned n = 0; n < names; n++) {
			len += snprintf(text + len, size - len, "$NAME");
		}
		len += snprintf(text + len, size - len, "\"");
	}
	snprintf(text + len, size - len, "]}");
	d = parse(text);
	r = plan_build(d, &long_name, &config, &plan, err);
	plan_fini(&plan);
	return r;
}

static void test_size(void **state)
{
	struct place *p = *state;
	struct err err = {0};

	assert_int_equal(build_repeated(p, 2047, 1, &err), 0);
	assert_int_equal(build_repeated(p, 2048, 1, &err), -E2BIG);
	assert_string_equal(err.text, "d.json: more than 2048 arguments or variables");
	assert_int_equal(build_repeated(p, 1000, 3, &err), -E2BIG);
	assert_string_equal(
		err.text, "d.json: arguments and variables have more than 524288 bytes");
	assert_int_equal(build_repeated(p, 1, 514, &err), 0);
	assert_int_equal(build_repeated(p, 1, 515, &err), -E2BIG);
	assert_string_equal(err.text, "d.json: argv[0]: longer than 131071 bytes");
}

/* What libxl 4.17 runs for a PV guest with a qdisk disk, plus what a definition adds. */
static void test_backends(void **state)
{
	static const char *const wanted[] = {"@/b/dm", "-xen-domid", "7", "-no-shutdown",
		"-chardev", "socket,id=libxl-cmd,path=/x/qmp-libxl-7,server=on,wait=off", "-mon",
		"chardev=libxl-cmd,mode=control", "-chardev",
		"socket,id=libxenstat-cmd,path=/x/qmp-libxenstat-7,server=on,wait=off", "-mon",
		"chardev=libxenstat-cmd,mode=control", "-nodefaults", "-no-user-config",
		"-xen-attach", "-name", "web,,1", "-vnc", "none", "-display", "none", "-nographic",
		"-machine", "xenpv", "-m", "200", "-extra", "web,1"};
	static const char text[] =
		"{\"match\": {\"domid\": 7}, \"kind\": \"qemu\", "
		"\"extra_args\": [\"-extra\", \"$NAME\"], \"env\": {\"A\": \"$DOMID\"}}";
	const struct plan_context guest = {.domid = 7, .name = "web,1", .memory_mib = 200};
	const struct place *p = *state;
	const struct plan_config config = {
		.default_binary = "dm", .libexec_dir = p->dirs, .xen_run_dir = "/x"};
	struct definition *def;
	struct err err = {0};
	char buf[1024];

	assert_int_equal(definition_parse("d", text, strlen(text), &def, &err), 0);
	for (int with = 0; with < 2; with++) {
		size_t len = ARRAY_SIZE(wanted) - (with ? 0 : 2);
		struct plan plan;

		assert_int_equal(plan_backends(with ? def : NULL, &guest, &config, &plan, &err), 0);
		assert_string_equal(plan.binary, at_root(p, "@/b/dm", buf));
		assert_int_equal(plan.argv.len, len);
		for (size_t i = 0; i < len; i++) {
			assert_string_equal(plan.argv.items[i], at_root(p, wanted[i], buf));
		}
		assert_int_equal(plan.env.len, 1 + with); /* the console limit */
		plan_fini(&plan);
	}
	definition_unref(def);
}

static void test_backends_fails(void **state)
{
	const struct plan_context guest = {.domid = 7, .name = "web1", .memory_mib = 200};
	const struct place *p = *state;
	const struct plan_config config = {.default_binary = "absent", .libexec_dir = p->dirs};
	struct err err = {0};
	struct plan plan;

	assert_int_equal(plan_backends(NULL, &guest, &config, &plan, &err), -ENOENT);
	assert_non_null(strstr(err.text, "\"absent\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_build, setup, teardown),
		cmocka_unit_test_setup_teardown(test_build_typed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_build_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_build_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backends_fails, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
