/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/parse.h"
#include "lib/procinfo.h"
#include "lib/utf8.h"

#define BEFORE_START " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"

static void test_parse_stat(void **state)
{
	static const struct {
		const char *text;
		int status;
		char letter;
		uint64_t start;
	} cases[] = {
		{"12 (qemu) S" BEFORE_START " 4711 0 0\n", 0, 'S', 4711},
		{"12 (a) Z 1 (b) R" BEFORE_START " 5 0\n", 0, 'R', 5},
		{"12 (evil ) Z ) D" BEFORE_START " 18446744073709551615 0", 0, 'D', UINT64_MAX},
		{"12 (q) S" BEFORE_START " 18446744073709551616 0", -EBADMSG, 0, 0},
		{"12 (q) S" BEFORE_START " 99999999999999999999999999999999 0", -EBADMSG, 0, 0},
		{"12 (q) S" BEFORE_START " -1 0", -EBADMSG, 0, 0},
		{"12 (q) S" BEFORE_START, -EBADMSG, 0, 0},
		{"12 (q) S" BEFORE_START " ", -EBADMSG, 0, 0},
		{"12 (q) S 1 2", -EBADMSG, 0, 0},
		{"12 (q)", -EBADMSG, 0, 0},
		{"12 (q) ", -EBADMSG, 0, 0},
		{"12 q S", -EBADMSG, 0, 0},
		{"", -EBADMSG, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t start = 0;
		char letter = 0;

		assert_int_equal(
			procinfo_parse_stat(cases[i].text, &letter, &start), cases[i].status);
		assert_int_equal(letter, cases[i].letter);
		assert_true(start == cases[i].start);
	}
}

static void test_self(void **state)
{
	struct proc_id id, again;
	struct strv argv = {0};
	char boot[37];
	uint8_t uuid[16];
	int fd = -1;

	assert_int_equal(procinfo_read(getpid(), &id), 0);
	assert_int_equal(procinfo_cmdline(getpid(), &argv), 0);
	assert_true(argv.len >= 1);
	assert_true(strv_hash(&argv) == id.argv_hash);
	strv_fini(&argv);

	/* a name made to confuse */
	prctl(PR_SET_NAME, "a) Z 1 (b");
	assert_int_equal(procinfo_read(getpid(), &again), 0);
	assert_memory_equal(&id, &again, sizeof(id));
	assert_int_equal(procinfo_open(&id, &fd), 0);
	close(fd);
	fd = -1;
	again.start_ticks++;
	assert_int_equal(procinfo_open(&again, &fd), -ESTALE);
	again = id;
	again.exe_ino++;
	assert_int_equal(procinfo_open(&again, &fd), -ESTALE);
	again = id;
	again.exe_dev++;
	assert_int_equal(procinfo_open(&again, &fd), -ESTALE);
	again = id;
	again.argv_hash++;
	assert_int_equal(procinfo_open(&again, &fd), -ESTALE);
	again.pid = getppid();
	assert_int_equal(procinfo_open(&again, &fd), -ESTALE);
	assert_int_equal(fd, -1);
	assert_int_equal(procinfo_boot_id(boot), 0);
	assert_int_equal(parse_uuid(boot, uuid), 0);
}

static void test_none(void **state)
{
	struct proc_id id = {0};
	struct strv argv = {0};
	int fd = -1;
	pid_t pid;
	siginfo_t si;

	assert_int_equal(procinfo_read(0, &id), -ESRCH);
	assert_int_equal(procinfo_read(-1, &id), -ESRCH);
	assert_int_equal(procinfo_read(INT32_MAX, &id), -ESRCH);
	assert_int_equal(procinfo_cmdline(INT32_MAX, &argv), -ESRCH);
	assert_int_equal(procinfo_open(&id, &fd), -ESRCH);
	id.pid = INT32_MAX;
	assert_int_equal(procinfo_open(&id, &fd), -ESRCH);

	pid = fork();
	if (pid == 0) {
		_exit(0);
	}
	assert_int_equal(waitid(P_PID, pid, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(procinfo_read(pid, &id), -ESRCH); /* a zombie */
	id.pid = pid;
	assert_int_equal(procinfo_open(&id, &fd), -ESRCH);
	waitpid(pid, NULL, 0);
	assert_int_equal(procinfo_open(&id, &fd), -ESRCH);
}

static void test_links(void **state)
{
	char exe[PATH_MAX], link[PATH_MAX], path[32];
	struct proc_id id;
	int fd;

	assert_int_equal(procinfo_link(getpid(), "exe", exe, sizeof(exe)), 0);
	assert_string_equal(strrchr(exe, '/'), "/test_procinfo");
	assert_int_equal(procinfo_link(getpid(), "exe", link, 5), 0);
	assert_int_equal(strlen(link), 4); /* cut */
	fd = open("/dev/null", O_RDONLY);
	snprintf(path, sizeof(path), "fd/%d", fd);
	assert_int_equal(procinfo_link(getpid(), path, link, sizeof(link)), 0);
	assert_string_equal(link, "/dev/null");
	close(fd);
	assert_int_equal(procinfo_link(getpid(), path, link, sizeof(link)), -ESRCH);
	assert_int_equal(procinfo_link(INT32_MAX, "exe", link, sizeof(link)), -ESRCH);
	assert_int_equal(procinfo_read(getpid(), &id), 0);
	assert_in_range(procinfo_age_ms(&id), 0, 600000);
	id.start_ticks = UINT64_MAX / 1000;
	assert_int_equal(procinfo_age_ms(&id), 0); /* never negative */
}

static void test_ptys(void **state)
{
	unsigned ptys[8], numbers[3];
	int fds[3];

	assert_int_equal(procinfo_ptys(INT32_MAX, ptys, 8), -ESRCH);
	assert_int_equal(procinfo_ptys(getpid(), ptys, 0), 0);
	for (unsigned i = 0; i < 3; i++) {
		fds[i] = posix_openpt(O_RDWR | O_NOCTTY);
		assert_int_equal(ioctl(fds[i], TIOCGPTN, &numbers[i]), 0);
	}
	assert_int_equal(procinfo_ptys(getpid(), ptys, 2), 2);
	assert_int_equal(procinfo_ptys(getpid(), ptys, 8), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(
			ptys[0] == numbers[i] || ptys[1] == numbers[i] || ptys[2] == numbers[i]);
		close(fds[i]);
	}
	assert_int_equal(procinfo_ptys(getpid(), ptys, 8), 0);
}

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		bool valid;
		const char *printable;
	} cases[] = {
		{"", true, ""},
		{"a\tb\n", true, "a\tb\n"},
		{"\303\244\342\202\254\360\237\230\200", true,
			"\303\244\342\202\254\360\237\230\200"},
		{"\033[31m", true, "?[31m"},
		{"\177", true, "?"},
		{"\302\233x", true, "??x"},		  /* C1: CSI */
		{"\300\200", false, "??"},		  /* overlong */
		{"\340\200\200", false, "???"},		  /* overlong */
		{"\355\240\200", false, "???"},		  /* surrogate */
		{"\364\220\200\200", false, "????"},	  /* above U+10FFFF */
		{"\370\210\200\200\200", false, "?????"}, /* five bytes */
		{"a\303", false, "a?"},			  /* cut */
		{"\342\202x", false, "??x"},
		{"\200", false, "?"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[32];

		snprintf(text, sizeof(text), "%s", cases[i].text);
		assert_int_equal(utf8_valid(text, strlen(text)), cases[i].valid);
		utf8_make_printable(text, strlen(text));
		assert_string_equal(text, cases[i].printable);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_stat),
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_ptys),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
