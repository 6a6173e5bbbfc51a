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
#include <sys/wait.h>

#include <cmocka.h>

#include "daemon/helperproc.h"
#include "daemon/loop.h"
#include "lib/cleanup.h"
#include "lib/limits.h"
#include "tests/loop_until.h"

struct outcome {
	unsigned calls;
	bool failed;
	struct exit_info exit;
	struct err err;
	struct helperproc *free_it;
};

static void on_done(void *ctx, const struct exit_info *exit, const struct err *err)
{
	struct outcome *o = ctx;

	o->calls++;
	o->exit = *exit;
	o->failed = err != NULL;
	o->err = err ? *err : (struct err){0};
	helperproc_free(TAKE_PTR(o->free_it));
}

static bool is_done(void *arg)
{
	return ((struct outcome *)arg)->calls > 0;
}

static bool no_children(void *arg)
{
	siginfo_t si;

	return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void test_outcomes(void **state)
{
	static const struct {
		const char *script;
		int64_t deadline_ms;
		enum exit_how how;
		int value, code;
		const char *text;
	} cases[] = {
		{"exit 0", 20000, EXIT_HOW_CODE, 0, 0, ""},
		{"echo noise >&2; exit 0", 20000, EXIT_HOW_CODE, 0, 0, ""},
		{"echo to stdout; exit 1", 20000, EXIT_HOW_CODE, 1, -EIO, "exit code 1"},
		{"printf 'a \\033 b\\n\\n' >&2; exit 5", 20000, EXIT_HOW_CODE, 5, -EIO, "a ? b"},
		{"kill -9 $$", 20000, EXIT_HOW_SIGNAL, SIGKILL, -EIO, "SIGKILL"},
		{"exec sleep 100", 100, EXIT_HOW_SIGNAL, SIGKILL, -ETIMEDOUT, "too long"},
		{"cat; exit 3", 20000, EXIT_HOW_CODE, 3, -EIO, "exit code 3"}, /* no stdin */
		{"head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 4", 20000, EXIT_HOW_CODE, 4,
			-EIO, "x"},
		/* a leftover that holds stderr open delays nothing */
		{"sleep 3 & echo gone >&2; exit 6", 20000, EXIT_HOW_CODE, 6, -EIO, "gone"},
	};
	struct loop *loop;

	assert_int_equal(loop_new(&loop), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *argv[] = {(char *)"sh", (char *)"-c", (char *)cases[i].script, NULL};
		struct helperproc *h = NULL;
		struct outcome o = {0};
		struct err err;

		assert_int_equal(helperproc_run(&h, loop, "/bin/sh", argv, cases[i].deadline_ms,
					 on_done, &o, &err),
			0);
		if (i % 2) {
			o.free_it = TAKE_PTR(h);
		}
		assert_true(loop_until(loop, is_done, &o));
		assert_int_equal(o.calls, 1);
		assert_int_equal(o.exit.how, cases[i].how);
		assert_int_equal(o.exit.value, cases[i].value);
		assert_int_equal(o.failed, cases[i].code != 0);
		assert_int_equal(o.err.code, cases[i].code);
		if (!strstr(o.err.text, cases[i].text)) {
			fail_msg("%s: \"%s\"", cases[i].script, o.err.text);
		}
		helperproc_free(h);
	}
	loop_free(loop);
}

static void test_not_started_and_freed(void **state)
{
	char *argv[] = {(char *)"sleep", (char *)"100", NULL};
	struct helperproc *h = NULL;
	struct outcome o = {0};
	struct loop *loop;
	struct err err;

	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(
		helperproc_run(&h, loop, "/nowhere/x", argv, 1000, on_done, &o, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nowhere/x"));
	assert_null(h);
	assert_int_equal(helperproc_run(&h, loop, "/bin/sleep", argv, 20000, on_done, &o, &err), 0);
	helperproc_free(h);
	assert_true(loop_until(loop, no_children, NULL)); /* killed and reaped */
	assert_int_equal(o.calls, 0);
	helperproc_free(NULL);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_not_started_and_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
