/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stands for a device model in test_launcher: writes what it finds of itself to descriptor 1, one
 * "key=value" a line, and exits with the status given as first argument (or waits for EOF on
 * descriptor 5 with "wait").
 */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void print_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");

	for (struct dirent *d; (d = readdir(dir));) {
		int fd = strtol(d->d_name, NULL, 10);
		char path[64], target[256] = "";

		if (d->d_name[0] == '.' || fd == dirfd(dir)) {
			continue;
		}
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) < 0) {
			target[0] = '\0';
		}
		printf("fd=%d %s%s\n", fd, target,
			fcntl(fd, F_GETFD) & FD_CLOEXEC ? " cloexec" : "");
	}
	closedir(dir);
}

/* As the kernel sees them: libc hides two signals of its own. */
static void print_signals(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "SigBlk:", 7) || !strncmp(line, "SigIgn:", 7)) {
			fputs(line, stdout);
		}
	}
	if (f) {
		fclose(f);
	}
}

int main(int argc, char *argv[])
{
	char cwd[256] = "", line[64] = "";
	struct rlimit limit;
	mode_t mask = umask(0);
	FILE *f;
	char c;

	for (int i = 0; i < argc; i++) {
		printf("arg=%s\n", argv[i]);
	}
	for (char **e = environ; *e; e++) {
		printf("env=%s\n", *e);
	}
	print_fds();
	print_signals();
	printf("session=%s\n", getsid(0) == getpid() ? "own" : "other");
	printf("groups=%d\n", getgroups(0, NULL));
	printf("cwd=%s\n", getcwd(cwd, sizeof(cwd)));
	printf("umask=%03o\n", (unsigned)mask);
	getrlimit(RLIMIT_MSGQUEUE, &limit);
	printf("msgqueue=%llu/%llu\n", (unsigned long long)limit.rlim_cur,
		(unsigned long long)limit.rlim_max);
	f = fopen("/proc/self/oom_score_adj", "re");
	if (f && fgets(line, sizeof(line), f)) {
		printf("oom=%s", line);
	}
	if (f) {
		fclose(f);
	}
	fflush(stdout);
	if (argc > 1 && !strcmp(argv[1], "wait")) {
		return read(5, &c, 1) == 0 ? 0 : 1;
	}
	return argc > 1 ? strtol(argv[1], NULL, 10) : 0;
}
