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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>

#include "daemon/loop.h"
#include "daemon/scope.h"
#include "lib/cleanup.h"
#include "tests/loop_until.h"

static void test_names(void **state)
{
	static const struct {
		const char *text;
		uint32_t domid;
		int status;
		const char *path;
	} cases[] = {
		{"0::/xendmd.slice/xendmd-dm.slice/xendmd-dm-7.scope\n", 7, 0,
			"/xendmd.slice/xendmd-dm.slice/xendmd-dm-7.scope"},
		{"1:name=systemd:/a\n0::/x/xendmd-dm-7.scope", 7, 0, "/x/xendmd-dm-7.scope"},
		{"0::/xendmd-dm-7.scope\n", 7, 0, "/xendmd-dm-7.scope"},
		{"0::/x/xendmd-dm-70.scope\n", 7, -ENOENT, ""},
		{"0::/x/xendmd-dm-7.scope\n", 70, -ENOENT, ""},
		{"0::/x/xxendmd-dm-7.scope\n", 7, -ENOENT, ""},
		{"0::/x/xendmd-dm-7.scope/child\n", 7, -ENOENT, ""},
		{"0::/x/xendmd-dm-7.scope (deleted)\n", 7, -ENOENT, ""},
		{"1:name=systemd:/x/xendmd-dm-7.scope\n0::/\n", 7, -ENOENT, ""},
		{"10::/x/xendmd-dm-7.scope\n", 7, -ENOENT, ""},
		{"0::/\n", 7, -ENOENT, ""},
		{"0::\n", 7, -ENOENT, ""},
		{"", 7, -ENOENT, ""},
	};
	char unit[SCOPE_UNIT_NAME_MAX], path[64] = "", tiny[8];

	scope_unit_name(4294967295u, unit);
	assert_string_equal(unit, "xendmd-dm-4294967295.scope");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		path[0] = '\0';
		assert_int_equal(
			scope_parse_cgroup(cases[i].domid, cases[i].text, path, sizeof(path)),
			cases[i].status);
		assert_string_equal(path, cases[i].path);
	}
	assert_int_equal(scope_parse_cgroup(7, cases[0].text, tiny, sizeof(tiny)), -ENAMETOOLONG);
	assert_int_equal(scope_cgroup_of(7, getpid(), path, sizeof(path)), -ENOENT);
	assert_int_equal(scope_cgroup_of(7, INT32_MAX, path, sizeof(path)), -ENOENT);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* The files of a cgroup, played by ordinary ones. */
static void test_cgroup_files(void **state)
{
	char dir[] = "/tmp/test_scope.XXXXXX", path[64], text[8] = "";
	FILE *f;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(scope_kill(dir), -EOPNOTSUPP);
	assert_int_equal(scope_kill("/nowhere/at/all"), -ENOENT);
	assert_true(scope_is_empty("/nowhere/at/all"));
	write_file(dir, "cgroup.events", "populated 1\nfrozen 0\n");
	assert_false(scope_is_empty(dir));
	write_file(dir, "cgroup.events", "populated 0\nfrozen 0\n");
	assert_true(scope_is_empty(dir));
	write_file(dir, "cgroup.kill", "");
	assert_int_equal(scope_kill(dir), 0);
	snprintf(path, sizeof(path), "%s/cgroup.kill", dir);
	f = fopen(path, "re");
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, "1");
	unlink(path);
	snprintf(path, sizeof(path), "%s/cgroup.events", dir);
	unlink(path);
	rmdir(dir);
}

struct outcome {
	unsigned calls;
	struct err err;
	struct scope_bus *free_bus;
};

static void on_done(void *ctx, const struct err *err)
{
	struct outcome *o = ctx;

	o->calls++;
	o->err = err ? *err : (struct err){0};
	scope_bus_free(TAKE_PTR(o->free_bus));
}

static bool is_done(void *arg)
{
	return ((struct outcome *)arg)->calls > 0;
}

static void test_plain(void **state)
{
	struct scope_limits limits = {0};
	struct outcome o = {0}, cancelled = {0};
	struct scope_job *job = NULL;
	struct scope_bus *bus;
	struct loop *loop;

	setenv("XENDMD_SYSTEMD", "none", 1);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(scope_bus_new(&bus, loop), 0);
	assert_true(scope_bus_is_plain(bus));
	assert_int_equal(scope_start(bus, 1, "x", 1, &limits, 1000, on_done, &cancelled, &job), 0);
	scope_job_cancel(job);
	assert_int_equal(scope_start(bus, 1, "x", 1, &limits, 1000, on_done, &o, &job), 0);
	assert_int_equal(o.calls, 0); /* from the loop only */
	assert_true(loop_until(loop, is_done, &o));
	assert_int_equal(o.err.code, 0);
	assert_int_equal(cancelled.calls, 0);
	scope_stop(bus, 1);
	scope_job_cancel(NULL);
	scope_bus_free(bus);
	loop_free(loop);
}

/* What the played systemd does with a scope is chosen by its description. */
static int play_start(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	sd_bus *bus = sd_bus_message_get_bus(m);
	static unsigned jobs, exists;
	const char *unit, *mode, *key, *description;
	char path[64];

	if (!sd_bus_message_is_method_call(
		    m, "org.freedesktop.systemd1.Manager", "StartTransientUnit")) {
		return 0;
	}
	sd_bus_message_read(m, "ss", &unit, &mode);
	sd_bus_message_enter_container(m, 'a', "(sv)");
	sd_bus_message_read(m, "(sv)", &key, "s", &description);
	if (!strcmp(description, "silent")) {
		return 1;
	}
	if (!strcmp(description, "hang-up")) {
		_exit(0);
	}
	if (!strcmp(description, "refuse")) {
		return sd_bus_reply_method_errorf(
			m, "org.freedesktop.systemd1.Test", "the test says no");
	}
	if (!strcmp(description, "exists-twice") && exists++ < 2) {
		return sd_bus_reply_method_errorf(
			m, "org.freedesktop.systemd1.UnitExists", "Unit was already loaded");
	}
	snprintf(path, sizeof(path), "/org/freedesktop/systemd1/job/%u", ++jobs);
	if (!strcmp(description, "early")) {
		sd_bus_emit_signal(bus, "/org/freedesktop/systemd1",
			"org.freedesktop.systemd1.Manager", "JobRemoved", "uoss", jobs, path, unit,
			"done");
		return sd_bus_reply_method_return(m, "o", path);
	}
	sd_bus_reply_method_return(m, "o", path);
	sd_bus_emit_signal(bus, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
		"JobRemoved", "uoss", 9999, "/org/freedesktop/systemd1/job/9999", unit, "canceled");
	sd_bus_emit_signal(bus, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
		"JobRemoved", "uoss", jobs, path, unit,
		strcmp(description, "fail") ? "done" : "failed");
	return 1;
}

/* Serves one connection after the other; "hang-up" ends the process. */
__attribute__((noreturn)) static void play_systemd(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		sd_id128_t id;
		sd_bus *bus;

		sd_id128_randomize(&id);
		if (fd < 0 || sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 ||
			sd_bus_set_server(bus, 1, id) < 0 || sd_bus_set_anonymous(bus, 1) < 0 ||
			sd_bus_set_trusted(bus, 1) < 0 || sd_bus_start(bus) < 0 ||
			sd_bus_add_filter(bus, NULL, play_start, NULL) < 0) {
			_exit(1);
		}
		for (int r = 0; r >= 0;) {
			r = sd_bus_process(bus, NULL);
			if (r == 0) {
				r = sd_bus_wait(bus, UINT64_MAX);
			}
		}
		sd_bus_close_unref(bus);
	}
}

struct fixture {
	char dir[32], address[96];
	int listener;
	pid_t pid;
	struct loop *loop;
	struct scope_bus *bus;
};

static void serve(struct fixture *f)
{
	f->pid = fork();
	if (f->pid == 0) {
		/* not the test's own end of a connection, which would never be seen to close */
		close_range(3, f->listener - 1, 0);
		close_range(f->listener + 1, ~0U, 0);
		play_systemd(f->listener);
	}
	assert_true(f->pid > 0);
}

static void stop_serving(struct fixture *f)
{
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
}

static void setup(struct fixture *f)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	*f = (struct fixture){.dir = "/tmp/test_scope.XXXXXX"};
	assert_non_null(mkdtemp(f->dir));
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/bus", f->dir);
	snprintf(f->address, sizeof(f->address), "unix:path=%s/bus", f->dir);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	serve(f);
	setenv("XENDMD_SYSTEMD", f->address, 1);
	assert_int_equal(loop_new(&f->loop), 0);
	assert_int_equal(scope_bus_new(&f->bus, f->loop), 0);
	assert_false(scope_bus_is_plain(f->bus));
}

static void teardown(struct fixture *f)
{
	char path[64];

	scope_bus_free(f->bus);
	loop_free(f->loop);
	stop_serving(f);
	close(f->listener);
	snprintf(path, sizeof(path), "%s/bus", f->dir);
	unlink(path);
	rmdir(f->dir);
}

static struct scope_job *start(
	struct fixture *f, const char *description, int64_t deadline_ms, struct outcome *o)
{
	struct scope_limits limits = {1 << 20, 100, 256};
	struct scope_job *job = NULL;

	*o = (struct outcome){0};
	assert_int_equal(scope_start(f->bus, 4711, description, getpid(), &limits, deadline_ms,
				 on_done, o, &job),
		0);
	return job;
}

static void test_played(void **state)
{
	static const struct {
		const char *description;
		int64_t deadline_ms;
		int code;
		const char *text;
	} cases[] = {
		{"ok", UNTIL_DEADLINE_MS, 0, ""},
		{"early", UNTIL_DEADLINE_MS, 0, ""},
		{"fail", UNTIL_DEADLINE_MS, -EIO, "ended with \"failed\""},
		{"refuse", UNTIL_DEADLINE_MS, -EIO, "the test says no"},
		{"exists-twice", UNTIL_DEADLINE_MS, 0, ""},
		{"silent", 300, -ETIMEDOUT, "within 300 ms"},
		{"ok", UNTIL_DEADLINE_MS, 0, ""},
	};
	struct fixture f;

	setup(&f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct outcome o;

		start(&f, cases[i].description, cases[i].deadline_ms, &o);
		assert_true(loop_until(f.loop, is_done, &o));
		assert_int_equal(o.calls, 1);
		assert_int_equal(o.err.code, cases[i].code);
		if (!strstr(o.err.text, cases[i].text)) {
			fail_msg("%s: \"%s\"", cases[i].description, o.err.text);
		}
	}
	teardown(&f);
}

/* The start finds a connection: another one could not be made any more. */
static void test_expected(void **state)
{
	struct fixture f;
	struct outcome o;
	char path[64];

	setup(&f);
	scope_expect(f.bus);
	loop_until_for(f.loop, NULL, NULL, 50);
	snprintf(path, sizeof(path), "%s/bus", f.dir);
	assert_int_equal(unlink(path), 0);
	start(&f, "ok", UNTIL_DEADLINE_MS, &o);
	assert_true(loop_until(f.loop, is_done, &o));
	assert_int_equal(o.err.code, 0);
	scope_expect(f.bus); /* it is there */
	teardown(&f);
}

/* systemd goes away in the middle and comes back; and does not come back. */
static void test_lost_connection(void **state)
{
	struct fixture f;
	struct outcome o, cancelled;
	struct scope_job *job;

	setup(&f);
	start(&f, "hang-up", 400, &o);
	assert_true(loop_until(f.loop, is_done, &o)); /* nobody serves any more */
	assert_int_equal(o.err.code, -ETIMEDOUT);
	assert_non_null(strstr(o.err.text, "xendmd-dm-4711.scope"));
	waitpid(f.pid, NULL, 0);
	start(&f, "ok", UNTIL_DEADLINE_MS, &o);
	loop_until_for(f.loop, NULL, NULL, 100);
	assert_int_equal(o.calls, 0);
	serve(&f);
	assert_true(loop_until(f.loop, is_done, &o));
	assert_int_equal(o.err.code, 0);

	job = start(&f, "silent", UNTIL_DEADLINE_MS, &cancelled);
	loop_until_for(f.loop, NULL, NULL, 50);
	scope_job_cancel(job);
	scope_stop(f.bus, 4711);
	start(&f, "ok", UNTIL_DEADLINE_MS, &o);
	assert_true(loop_until(f.loop, is_done, &o));
	assert_int_equal(cancelled.calls, 0);

	start(&f, "ok", UNTIL_DEADLINE_MS, &o);
	o.free_bus = TAKE_PTR(f.bus); /* freed from within the callback */
	assert_true(loop_until(f.loop, is_done, &o));
	teardown(&f);
}

static void test_nobody_there(void **state)
{
	struct scope_limits limits = {0};
	struct outcome o = {0};
	struct scope_job *job = NULL;
	struct scope_bus *bus;
	struct loop *loop;

	setenv("XENDMD_SYSTEMD", "unix:path=/nowhere/bus", 1);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(scope_bus_new(&bus, loop), 0);
	scope_expect(bus);
	assert_int_equal(scope_start(bus, 1, "x", 1, &limits, 300, on_done, &o, &job), 0);
	scope_stop(bus, 2);
	assert_true(loop_until(loop, is_done, &o));
	assert_int_equal(o.err.code, -ETIMEDOUT);
	assert_non_null(strstr(o.err.text, "can't connect to systemd"));
	scope_bus_free(bus);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_cgroup_files),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_played),
		cmocka_unit_test(test_expected),
		cmocka_unit_test(test_lost_connection),
		cmocka_unit_test(test_nobody_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
