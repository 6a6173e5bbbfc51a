/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/childproc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"

static int add_fds(posix_spawn_file_actions_t *actions, const struct childproc_params *params)
{
	int r = 0;

	for (unsigned i = 0; i < params->fds_len && !r; i++) {
		/* equal numbers: clears CLOEXEC (glibc since 2.29, POSIX-2024) */
		r = posix_spawn_file_actions_adddup2(
			actions, params->fds[i].from, params->fds[i].to);
	}
	return r;
}

static int set_signals(posix_spawnattr_t *attr)
{
	sigset_t all, none;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	r = posix_spawnattr_setsigdefault(attr, &all);
	if (!r) {
		r = posix_spawnattr_setsigmask(attr, &none);
	}
	if (!r) {
		r = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	}
	return r;
}

static int spawn(const struct childproc_params *params, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int r = posix_spawn_file_actions_init(&actions);

	if (r) {
		return -r;
	}
	r = posix_spawnattr_init(&attr);
	if (r) {
		posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	r = add_fds(&actions, params);
	if (!r) {
		r = set_signals(&attr);
	}
	if (!r) {
		r = posix_spawn(ret_pid, params->path, &actions, &attr, params->argv,
			params->env ? params->env : environ);
	}
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int childproc_spawn(
	const struct childproc_params *params, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	/* Keeps a number free for the pidfd, so that a full descriptor table is found before there
	 * is a child. */
	_cleanup_close_ int spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid_t pid;
	int fd, r;

	if (spare < 0) {
		return err_set_errno(err, -errno, "can't start \"%s\"", params->path);
	}
	r = spawn(params, &pid);
	if (r < 0) {
		return err_set_errno(err, r, "can't start \"%s\"", params->path);
	}
	close(TAKE_FD(spare));
	fd = pidfd_open(pid, 0);
	if (fd < 0) {
		r = -errno;
		/* A helper that was just started and holds nothing ends at once. */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return err_set_errno(err, r, "can't watch \"%s\"", params->path);
	}
	*ret_pid = pid;
	*ret_pidfd = fd;
	return 0;
}
