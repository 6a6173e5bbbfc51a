/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/launcher.h"
#include "daemon/loop.h"
#include "lib/cleanup.h"
#include "proto/launchspec.h"
#include "tests/loop_until.h"

/* One launch and all that was told of it. */
struct run {
	struct loop *loop;
	struct launcher *launcher;
	struct process *process;
	struct strv argv, env;
	struct launch_fd fds[8];
	struct launch_params params;
	char helper[512], binary[512];
	int out; /* a file that becomes descriptor 1 */
	unsigned prepared, executed, failed, exits;
	bool release, free_launcher_in_callback;
	struct proc_id id;
	struct err err;
	struct exit_info exit;
};

static void maybe_free(struct run *run)
{
	if (run->free_launcher_in_callback) {
		run->launcher = launcher_free(run->launcher);
	}
}

static void on_prepared(void *ctx, pid_t pid)
{
	struct run *run = ctx;

	assert_int_equal(run->executed + run->failed + run->exits, 0);
	assert_int_equal(pid, process_pid(run->process));
	run->prepared++;
	if (run->release) {
		assert_int_equal(launcher_release(run->launcher), 0);
		assert_int_equal(launcher_release(run->launcher), -EINVAL);
	} else {
		maybe_free(run);
	}
}

static void on_executed(void *ctx, const struct proc_id *id)
{
	struct run *run = ctx;

	assert_int_equal(run->prepared, 1);
	assert_int_equal(run->failed + run->exits, 0);
	run->executed++;
	run->id = *id;
	maybe_free(run);
}

static void on_failed(void *ctx, const struct err *err)
{
	struct run *run = ctx;

	assert_int_equal(run->executed + run->exits, 0);
	run->failed++;
	run->err = *err;
	maybe_free(run);
}

static void on_exit_told(void *ctx, const struct exit_info *exit)
{
	struct run *run = ctx;

	run->exits++;
	run->exit = *exit;
}

static const struct launcher_ops ops = {on_prepared, on_executed, on_failed};

static bool is_prepared(void *arg)
{
	return ((struct run *)arg)->prepared > 0;
}
static bool is_executed(void *arg)
{
	return ((struct run *)arg)->executed > 0;
}
static bool has_exited(void *arg)
{
	return ((struct run *)arg)->exits > 0;
}

static void setup(struct run *run, const char *arg)
{
	*run = (struct run){.release = true};
	assert_int_equal(loop_new(&run->loop), 0);
	build_path("tests/test_launcher_child", run->binary, sizeof(run->binary));
	build_path("daemon/helpers/dm-launch", run->helper, sizeof(run->helper));
	run->out = memfd_create("out", MFD_CLOEXEC);
	assert_true(run->out >= 0);
	strv_add(&run->argv, "dm argv0");
	strv_add(&run->argv, arg);
	run->fds[0] = (struct launch_fd){run->out, 1, "out"};
	run->fds[1] = (struct launch_fd){run->out, 2, "err"};
	run->params = (struct launch_params){.helper = run->helper,
		.binary = run->binary,
		.argv = &run->argv,
		.env = &run->env,
		.fds = run->fds,
		.fds_len = 2,
		.oom_score_adj = 100};
}

static int start(struct run *run)
{
	return launcher_new(&run->launcher, &run->process, run->loop, &run->params, &ops,
		on_exit_told, run, &run->err);
}

static void finish(struct run *run)
{
	launcher_free(run->launcher);
	process_free(run->process);
	strv_fini(&run->argv);
	strv_fini(&run->env);
	close(run->out);
	loop_free(run->loop);
}

/* What the child printed. */
static const char *output(struct run *run)
{
	static char text[16384];
	ssize_t len = pread(run->out, text, sizeof(text) - 1, 0);

	assert_true(len >= 0);
	text[len] = '\0';
	return text;
}

static void assert_line(const char *text, const char *line)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s\n", line);
	if (!strstr(text, whole)) {
		fail_msg("no line \"%s\" in:\n%s", line, text);
	}
}

static unsigned count(const char *text, const char *part)
{
	unsigned n = 0;

	for (; (text = strstr(text, part)); text++) {
		n++;
	}
	return n;
}

static void test_environment(void **state)
{
	struct launch_rlimit limit = {RLIMIT_MSGQUEUE, 4096};
	struct sigaction saved[2], ignore = {.sa_handler = SIG_IGN};
	sigset_t block, saved_mask;
	struct run run;
	const char *out;

	setup(&run, "3");
	strv_setenv(&run.env, "A", "b c");
	strv_setenv(&run.env, "UMLAUT", "\303\244\"\\\n");
	run.params.rlimits = &limit;
	run.params.rlimits_len = 1;
	sigaction(SIGPIPE, &ignore, &saved[0]);
	sigaction(SIGXFSZ, &ignore, &saved[1]);
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &saved_mask);
	umask(077);
	assert_int_equal(start(&run), 0);
	sigprocmask(SIG_SETMASK, &saved_mask, NULL);
	sigaction(SIGPIPE, &saved[0], NULL);
	sigaction(SIGXFSZ, &saved[1], NULL);
	umask(022);
	assert_true(loop_until(run.loop, has_exited, &run));
	assert_int_equal(run.executed, 1);
	assert_int_equal(run.failed, 0);
	assert_int_equal(run.exit.how, EXIT_HOW_CODE);
	assert_int_equal(run.exit.value, 3);

	out = output(&run);
	assert_line(out, "arg=dm argv0");
	assert_line(out, "arg=3");
	assert_int_equal(count(out, "arg="), 2);
	assert_line(out, "env=A=b c");
	assert_line(out, "env=UMLAUT=\303\244\"\\\n");
	assert_int_equal(count(out, "env="), 2);
	assert_line(out, "fd=0 /dev/null");
	assert_line(out, "fd=1 /memfd:out (deleted)");
	assert_line(out, "fd=2 /memfd:out (deleted)");
	assert_int_equal(count(out, "fd="), 3);
	assert_int_equal(count(out, "cloexec"), 0);
	assert_line(out, "SigBlk:\t0000000000000000");
	assert_line(out, "SigIgn:\t0000000000000000");
	assert_line(out, "session=own");
	assert_line(out, "groups=0");
	assert_line(out, "cwd=/");
	assert_line(out, "umask=022");
	assert_line(out, "msgqueue=4096/4096");
	assert_line(out, "oom=100");
	finish(&run);
}

/* What a handed-over command line asks for. */
static void test_handed_over(void **state)
{
	struct run run;
	const char *out;

	setup(&run, "0");
	run.params.directory = "/proc";
	run.params.ignore_xfsz = true;
	assert_int_equal(start(&run), 0);
	assert_true(loop_until(run.loop, has_exited, &run));
	out = output(&run);
	assert_line(out, "cwd=/proc");
	assert_line(out, "SigIgn:\t0000000001000000");
	finish(&run);
	setup(&run, "0");
	run.params.directory = "/nowhere";
	assert_int_equal(start(&run), 0);
	assert_true(loop_until(run.loop, has_exited, &run));
	assert_int_equal(run.executed, 0);
	assert_int_equal(run.failed, 1);
	assert_non_null(strstr(run.err.text, "change to \"/nowhere\""));
	finish(&run);
}

/* Targets that are the numbers of other sources, in a circle, and gaps. */
static void test_descriptors_collide(void **state)
{
	int a = open("/dev/zero", O_RDONLY | O_CLOEXEC),
	    b = open("/dev/full", O_RDONLY | O_CLOEXEC);
	int leak = open("/", O_RDONLY | O_DIRECTORY); /* no CLOEXEC: must be closed all the same */
	struct run run;
	const char *out;
	char line[64];

	assert_true(a >= 0 && b >= 0 && leak >= 0);
	setup(&run, "0");
	run.fds[2] = (struct launch_fd){a, b, "a at b's number"};
	run.fds[3] = (struct launch_fd){b, a, "b at a's number"};
	run.fds[4] = (struct launch_fd){a, 0, "a as standard input"};
	run.fds[5] = (struct launch_fd){a, 200, "far away"};
	run.params.fds_len = 6;
	assert_int_equal(start(&run), 0);
	assert_true(loop_until(run.loop, has_exited, &run));
	assert_int_equal(run.executed, 1);
	out = output(&run);
	snprintf(line, sizeof(line), "fd=%d /dev/zero", b);
	assert_line(out, line);
	snprintf(line, sizeof(line), "fd=%d /dev/full", a);
	assert_line(out, line);
	assert_line(out, "fd=0 /dev/zero");
	assert_line(out, "fd=200 /dev/zero");
	assert_int_equal(count(out, "fd="), 6);
	finish(&run);
	close(a);
	close(b);
	close(leak);
}

/* dm-launch opens them, in order, below what comes from the daemon. */
static void test_files(void **state)
{
	struct openfiles files = {0};
	struct run run;
	const char *out;

	setup(&run, "0");
	assert_int_equal(openfiles_add(&files, OPENFILE_READ, "/dev/zero"), 0);
	assert_int_equal(openfiles_add(&files, OPENFILE_READ_WRITE, "/dev/full"), 0);
	run.params.files = files;
	run.fds[2] = (struct launch_fd){run.out, 5, "monitor"};
	run.params.fds_len = 3;
	assert_int_equal(start(&run), 0);
	assert_true(loop_until(run.loop, has_exited, &run));
	out = output(&run);
	assert_line(out, "fd=3 /dev/zero");
	assert_line(out, "fd=4 /dev/full");
	assert_int_equal(count(out, "fd="), 6);
	finish(&run);
	openfiles_fini(&files);
}

/* What can't be opened is the start's failure, with its name. */
static void test_files_fail(void **state)
{
	struct openfiles files = {0};
	struct run run;

	setup(&run, "0");
	assert_int_equal(openfiles_add(&files, OPENFILE_READ, "/nowhere/state"), 0);
	run.params.files = files;
	assert_int_equal(start(&run), 0);
	assert_true(loop_until(run.loop, has_exited, &run));
	assert_int_equal(run.failed, 1);
	assert_string_equal(run.err.text, "open \"/nowhere/state\": No such file or directory");
	finish(&run);
	openfiles_fini(&files);
}

/* The identity is the program's, not the helper's, and finds it again. */
static void test_identity(void **state)
{
	struct run run;
	struct stat st;
	int pipefd[2], fd = -1;

	setup(&run, "wait");
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	run.fds[2] = (struct launch_fd){pipefd[0], 5, "end"};
	run.params.fds_len = 3;
	assert_int_equal(start(&run), 0);
	assert_true(loop_until(run.loop, is_executed, &run));
	assert_int_equal(stat(run.binary, &st), 0);
	assert_true(run.id.exe_ino == st.st_ino);
	assert_true(run.id.exe_dev == st.st_dev);
	assert_true(run.id.argv_hash == strv_hash(&run.argv));
	assert_int_equal(procinfo_open(&run.id, &fd), 0);
	close(fd);
	run.launcher = launcher_free(run.launcher); /* only frees */
	loop_until_for(run.loop, NULL, NULL, 50);
	assert_int_equal(run.exits, 0);
	close(pipefd[1]);
	assert_true(loop_until(run.loop, has_exited, &run));
	assert_int_equal(run.exit.value, 0);
	close(pipefd[0]);
	finish(&run);
}

static void make_file(const char *path, mode_t mode, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static void test_exec_fails(void **state)
{
	static const struct {
		const char *name, *text;
		mode_t mode;
		int code;
	} cases[] = {
		{"missing", NULL, 0, -ENOENT}, {"not-executable", "#!/bin/sh\n", 0600, -EACCES},
		{"no-program", "nothing that could be run\n", 0700, -ENOEXEC},
		{"empty", "", 0700, -ENOEXEC}, {"no-interpreter", "#!/nowhere/sh\n", 0700, -ENOENT},
		{"", NULL, 0, -EACCES}, /* a directory */
	};
	char dir[] = "/tmp/test_launcher.XXXXXX";

	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run run;

		setup(&run, "0");
		snprintf(run.binary, sizeof(run.binary), "%s/%s", dir, cases[i].name);
		if (cases[i].text) {
			make_file(run.binary, cases[i].mode, cases[i].text);
		}
		assert_int_equal(start(&run), 0);
		assert_true(loop_until(run.loop, has_exited, &run));
		assert_int_equal(run.prepared, 1);
		assert_int_equal(run.failed, 1);
		assert_int_equal(run.executed, 0);
		assert_int_equal(run.err.code, cases[i].code);
		assert_non_null(strstr(run.err.text, run.binary));
		assert_int_equal(run.exit.how, EXIT_HOW_CODE);
		assert_int_equal(run.exit.value, LAUNCH_EXIT_FAILED);
		if (cases[i].text) {
			unlink(run.binary);
		}
		finish(&run);
	}
	rmdir(dir);
}

static void test_preparation_fails(void **state)
{
	struct launch_rlimit bad = {9999, 0};
	struct run run;

	setup(&run, "0");
	run.params.rlimits = &bad;
	run.params.rlimits_len = 1;
	assert_int_equal(start(&run), 0);
	assert_true(loop_until(run.loop, has_exited, &run));
	assert_int_equal(run.prepared, 0);
	assert_int_equal(run.failed, 1);
	assert_non_null(strstr(run.err.text, "set limit 9999"));
	assert_string_equal(output(&run), "");
	finish(&run);
}

static void test_refused_at_once(void **state)
{
	struct run run;

	setup(&run, "\377");
	assert_int_equal(start(&run), -EILSEQ);
	assert_non_null(strstr(run.err.text, "argv[1]"));
	finish(&run);

	setup(&run, "0");
	snprintf(run.binary, sizeof(run.binary), "relative");
	assert_int_equal(start(&run), -EINVAL);
	finish(&run);

	setup(&run, "0");
	run.fds[1].target = 1; /* twice */
	assert_int_equal(start(&run), -EINVAL);
	finish(&run);

	setup(&run, "0");
	snprintf(run.helper, sizeof(run.helper), "/nowhere/dm-launch");
	assert_int_equal(start(&run), -ENOENT);
	assert_non_null(strstr(run.err.text, "/nowhere/dm-launch"));
	finish(&run);

	setup(&run, "0");
	run.fds[2] = (struct launch_fd){9999, 7, "closed"};
	run.params.fds_len = 3;
	assert_true(start(&run) < 0);
	finish(&run);
}

/* The owner lets go before the release: nothing is executed. */
static void test_cancelled(void **state)
{
	for (int in_callback = 0; in_callback < 2; in_callback++) {
		struct run run;

		setup(&run, "0");
		run.release = false;
		run.free_launcher_in_callback = in_callback;
		assert_int_equal(start(&run), 0);
		if (in_callback) {
			assert_true(loop_until(run.loop, is_prepared, &run));
			assert_null(run.launcher);
		} else {
			run.launcher = launcher_free(run.launcher);
		}
		assert_true(loop_until(run.loop, has_exited, &run));
		assert_int_equal(run.executed, 0);
		assert_int_equal(run.failed, 0);
		assert_string_equal(output(&run), "");
		finish(&run);
	}
}

static void test_helper_killed(void **state)
{
	for (int prepared = 0; prepared < 2; prepared++) {
		struct run run;

		setup(&run, "0");
		run.release = false;
		assert_int_equal(start(&run), 0);
		if (prepared) {
			assert_true(loop_until(run.loop, is_prepared, &run));
		}
		assert_int_equal(process_signal(run.process, SIGKILL), 0);
		assert_true(loop_until(run.loop, has_exited, &run));
		assert_int_equal(run.failed, 1);
		assert_int_equal(run.executed, 0);
		assert_int_equal(run.exits, 1);
		assert_non_null(strstr(run.err.text, "SIGKILL"));
		assert_string_equal(output(&run), "");
		finish(&run);
	}
}

/* Helpers that are none. */
static void test_strange_helpers(void **state)
{
	static const struct {
		const char *script, *text;
	} cases[] = {
		{"#!/bin/sh\nexit 3\n", "exit code 3"},
		{"#!/bin/sh\nkill -SEGV $$\n", "SIGSEGV"},
		{"#!/bin/bash\neval \"printf nonsense >&$2\"\nexec sleep 100\n", "no message"},
		{"#!/bin/bash\neval \"printf P >&$2; printf P >&$2\"\nexec sleep 100\n", "twice"},
		{"#!/bin/bash\neval \"printf 'E99999999 x' >&$2\"\nexec sleep 100\n", "no message"},
		{"#!/bin/bash\neval \"printf 'E2 \\033[31mx' >&$2\"\n", "?[31mx: No such file"},
		{"#!/bin/bash\neval \"exec $2>&-\"\nexec sleep 100\n", "closed its socket"},
	};
	char dir[] = "/tmp/test_launcher.XXXXXX";

	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run run;

		setup(&run, "0");
		run.release = false;
		snprintf(run.helper, sizeof(run.helper), "%s/helper", dir);
		make_file(run.helper, 0700, cases[i].script);
		assert_int_equal(start(&run), 0);
		assert_true(loop_until(run.loop, has_exited, &run));
		assert_int_equal(run.failed, 1);
		assert_int_equal(run.exits, 1);
		if (!strstr(run.err.text, cases[i].text)) {
			fail_msg("case %zu: \"%s\"", i, run.err.text);
		}
		unlink(run.helper);
		finish(&run);
	}
	rmdir(dir);
}

/* A program that ends before anybody could look at it still counts as executed, then as ended. */
static void test_ends_at_once(void **state)
{
	for (int i = 0; i < 30; i++) {
		struct run run;

		setup(&run, "0");
		snprintf(run.binary, sizeof(run.binary), "/bin/false");
		run.free_launcher_in_callback = i % 2;
		assert_int_equal(start(&run), 0);
		assert_true(loop_until(run.loop, has_exited, &run));
		assert_int_equal(run.executed, 1);
		assert_int_equal(run.failed, 0);
		assert_int_equal(run.exit.how, EXIT_HOW_CODE);
		assert_int_equal(run.exit.value, 1);
		assert_true(run.id.start_ticks != 0);
		assert_true(run.id.argv_hash == strv_hash(&run.argv));
		finish(&run);
	}
}

/* What the helper is told, encoded and read back. */
static void test_spec(void **state)
{
	struct launchspec_fd fds[] = {{17, 3}, {3, 17}};
	struct launchspec_rlimit rlimits[] = {{RLIMIT_CORE, UINT64_MAX}, {RLIMIT_NOFILE, 1024}};
	struct launchspec spec = {.binary = (char *)"/bin/x",
		.fds = fds,
		.fds_len = 2,
		.rlimits = rlimits,
		.rlimits_len = 2,
		.oom_score_adj = -17,
		.directory = (char *)"/d",
		.own_ipc = true,
		.ignore_xfsz = true};
	struct launchspec back = {0};
	struct err err;
	char *text;
	size_t len;

	strv_add(&spec.argv, "x");
	strv_add(&spec.argv, "");
	strv_add(&spec.argv, "\"\\\n\t\001\303\244/");
	strv_add(&spec.env, "A=");
	assert_int_equal(launchspec_encode(&spec, &text, &len, &err), 0);
	assert_int_equal(launchspec_decode(text, len, &back, &err), 0);
	assert_string_equal(back.binary, "/bin/x");
	assert_true(strv_hash(&back.argv) == strv_hash(&spec.argv));
	assert_true(strv_hash(&back.env) == strv_hash(&spec.env));
	assert_int_equal(back.fds_len, 2);
	assert_memory_equal(back.fds, fds, sizeof(fds));
	assert_int_equal(back.rlimits_len, 2);
	assert_true(back.rlimits[0].value == UINT64_MAX);
	assert_int_equal(back.rlimits[1].resource, RLIMIT_NOFILE);
	assert_true(back.rlimits[1].value == 1024);
	assert_int_equal(back.oom_score_adj, -17);
	assert_string_equal(back.directory, "/d");
	assert_true(back.own_ipc && back.ignore_xfsz && !back.own_mounts);
	launchspec_fini(&back);
	for (size_t cut = 0; cut < len; cut++) {
		assert_true(launchspec_decode(text, cut, &back, &err) < 0);
	}
	free(text);
	strv_fini(&spec.argv);
	strv_fini(&spec.env);
}

/* Broken forms of it. */
static void test_bad_specs(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"version\":2,\"binary\":\"/b\",\"argv\":[\"a\"]}",
		"{\"version\":1,\"binary\":\"b\",\"argv\":[\"a\"]}",
		"{\"version\":1,\"argv\":[\"a\"]}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[]}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":\"a\"}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[1]}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[\"a\\u0000b\"]}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[\"a\"],\"fds\":[[1]]}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[\"a\"],\"fds\":[[1,-1]]}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[\"a\"],\"fds\":[[1,4096]]}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[\"a\"],\"fds\":[[1,3],[2,3]]}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[\"a\"],\"fds\":{}}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[\"a\"],\"rlimits\":[[1,\"x\"]]}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[\"a\"],\"oom_score_adj\":1001}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[\"a\"],\"seccomp\":true}",
		"{\"version\":1,\"binary\":\"/b\",\"argv\":[\"a\"]} x",
		"{\"version\":1,\"binary\":\"/\377\",\"argv\":[\"a\"]}",
	};
	struct launchspec back = {0};
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (launchspec_decode(bad[i], strlen(bad[i]), &back, &err) == 0) {
			fail_msg("taken: %s", bad[i]);
		}
		assert_null(back.binary);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spec),
		cmocka_unit_test(test_bad_specs),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_handed_over),
		cmocka_unit_test(test_descriptors_collide),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_files_fail),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_exec_fails),
		cmocka_unit_test(test_preparation_fails),
		cmocka_unit_test(test_refused_at_once),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_helper_killed),
		cmocka_unit_test(test_strange_helpers),
		cmocka_unit_test(test_ends_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
