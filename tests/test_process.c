/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/loop.h"
#include "daemon/process.h"
#include "lib/cleanup.h"
#include "tests/loop_until.h"

struct seen {
	unsigned exits, hooks;
	struct exit_info exit;
	struct process *free_in_exit, *free_in_hook;
};

static void on_exit_seen(void *ctx, const struct exit_info *exit)
{
	struct seen *seen = ctx;

	seen->exits++;
	seen->exit = *exit;
	process_free(TAKE_PTR(seen->free_in_exit));
}

static void on_hook(void *arg, const struct exit_info *exit)
{
	struct seen *seen = arg;

	assert_int_equal(seen->exits, 0);
	seen->hooks++;
	process_free(TAKE_PTR(seen->free_in_hook));
}

static bool has_exited(void *arg)
{
	return ((struct seen *)arg)->exits > 0;
}

/* A child that waits for a signal, or leaves at once with CODE. */
static pid_t child(int code)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGTERM, SIG_DFL);
		while (code < 0) {
			pause();
		}
		_exit(code);
	}
	return pid;
}

static struct process *watch(struct loop *loop, pid_t pid, bool is_child, struct seen *seen)
{
	struct process *p = NULL;

	assert_int_equal(
		process_new(&p, loop, pid, pidfd_open(pid, 0), is_child, on_exit_seen, seen), 0);
	assert_int_equal(process_pid(p), pid);
	return p;
}

static bool is_reaped(void *arg)
{
	return kill(*(pid_t *)arg, 0) < 0 && errno == ESRCH;
}

static void test_exit(void **state)
{
	static const struct {
		int code, signo;
		struct exit_info exit;
	} cases[] = {
		{0, 0, {EXIT_HOW_CODE, 0}},
		{1, 0, {EXIT_HOW_CODE, 1}},
		{255, 0, {EXIT_HOW_CODE, 255}},
		{-1, SIGKILL, {EXIT_HOW_SIGNAL, SIGKILL}},
		{-1, SIGTERM, {EXIT_HOW_SIGNAL, SIGTERM}},
		{-1, SIGABRT, {EXIT_HOW_SIGNAL, SIGABRT}},
	};
	struct loop *loop;

	assert_int_equal(loop_new(&loop), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen seen = {0};
		pid_t pid = child(cases[i].code);
		struct process *p = watch(loop, pid, true, &seen);

		if (cases[i].signo) {
			assert_int_equal(process_signal(p, cases[i].signo), 0);
		}
		assert_true(loop_until(loop, has_exited, &seen));
		loop_until_for(loop, NULL, NULL, 20);
		assert_int_equal(seen.exits, 1);
		assert_int_equal(seen.exit.how, cases[i].exit.how);
		assert_int_equal(seen.exit.value, cases[i].exit.value);
		assert_true(process_has_ended(p));
		assert_int_equal(process_signal(p, SIGKILL), -ESRCH);
		assert_true(is_reaped(&pid));
		process_free(p);
	}
	loop_free(loop);
}

/* One that is not our child (here: it is, but is taken as if not) tells no status and isn't reaped.
 */
static void test_foreign(void **state)
{
	struct seen seen = {0};
	struct loop *loop;
	pid_t pid = child(-1);
	struct process *p;
	int status;

	assert_int_equal(loop_new(&loop), 0);
	p = watch(loop, pid, false, &seen);
	loop_until_for(loop, NULL, NULL, 20);
	assert_int_equal(seen.exits, 0);
	assert_int_equal(process_signal(p, SIGKILL), 0);
	assert_true(loop_until(loop, has_exited, &seen));
	assert_int_equal(seen.exit.how, EXIT_HOW_UNKNOWN);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	process_free(p);
	loop_free(loop);
}

static void test_reaped_by_another(void **state)
{
	struct seen seen = {0};
	struct loop *loop;
	pid_t pid = child(3);
	struct process *p;

	assert_int_equal(loop_new(&loop), 0);
	p = watch(loop, pid, true, &seen);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(loop_until(loop, has_exited, &seen));
	assert_int_equal(seen.exit.how, EXIT_HOW_UNKNOWN);
	process_free(p);
	loop_free(loop);
}

/* Other children of ours are not touched. */
static void test_reaps_only_its_own(void **state)
{
	struct seen seen = {0};
	struct loop *loop;
	pid_t other = child(7), pid = child(0);
	struct process *p;
	int status = 0;

	assert_int_equal(loop_new(&loop), 0);
	p = watch(loop, pid, true, &seen);
	assert_true(loop_until(loop, has_exited, &seen));
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(WEXITSTATUS(status), 7);
	process_free(p);
	loop_free(loop);
}

static void test_free_leaves_no_zombie(void **state)
{
	struct seen seen = {0};
	struct loop *loop;
	pid_t pid = child(-1), left = child(-1);

	assert_int_equal(loop_new(&loop), 0);
	process_free(watch(loop, pid, true, &seen));
	process_free(watch(loop, left, true, &seen));
	loop_until_for(loop, NULL, NULL, 20);
	assert_int_equal(kill(pid, SIGKILL), 0); /* still alive */
	assert_true(loop_until(loop, is_reaped, &pid));
	assert_int_equal(seen.exits, 0);
	loop_free(loop); /* with one orphan that lives */
	assert_int_equal(kill(left, SIGKILL), 0);
	assert_int_equal(waitpid(left, NULL, 0), left);
}

static void test_free_in_callbacks(void **state)
{
	struct process_hook hook = {0};
	struct seen seen = {0};
	struct loop *loop;
	pid_t pid = child(0);

	assert_int_equal(loop_new(&loop), 0);
	seen.free_in_exit = watch(loop, pid, true, &seen);
	process_hook_set(&hook, seen.free_in_exit, on_hook, &seen);
	assert_true(loop_until(loop, has_exited, &seen));
	assert_int_equal(seen.hooks, 1);
	assert_null(hook.process);

	/* freed by the hook: the exit is told to nobody */
	seen = (struct seen){0};
	pid = child(0);
	seen.free_in_hook = watch(loop, pid, true, &seen);
	process_hook_set(&hook, seen.free_in_hook, on_hook, &seen);
	assert_true(loop_until(loop, is_reaped, &pid));
	loop_until_for(loop, NULL, NULL, 20);
	assert_int_equal(seen.hooks, 1);
	assert_int_equal(seen.exits, 0);

	/* the process goes first: the hook is empty and can be removed */
	pid = child(0);
	seen.free_in_hook = watch(loop, pid, true, &seen);
	process_hook_set(&hook, seen.free_in_hook, on_hook, &seen);
	process_free(TAKE_PTR(seen.free_in_hook));
	assert_null(hook.process);
	process_hook_remove(&hook);
	assert_true(loop_until(loop, is_reaped, &pid));
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_reaped_by_another),
		cmocka_unit_test(test_reaps_only_its_own),
		cmocka_unit_test(test_free_leaves_no_zombie),
		cmocka_unit_test(test_free_in_callbacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
