/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/loop.h"

/*
 * One pidfd in the loop. Only waitid(P_PIDFD) of this very child reaps, so nothing here can take
 * away an exit status that somebody else waits for. A child whose owner lost interest stays as an
 * orphan of the loop until it ended: no zombie is left.
 */
struct process {
	struct loop *loop;
	pid_t pid;
	int pidfd; /* -1 once it ended */
	bool child, ended;
	process_exit_fn on_exit; /* NULL: told, or nobody asks any more */
	void *ctx;
	struct process_hook *hook; /* NULL: none; its owner's */
	struct loop_io io;
	struct loop_orphan orphan;
	struct loop_deferred release;
};

static void destroy(void *arg)
{
	struct process *p = arg;

	loop_orphan_remove(&p->orphan);
	loop_io_stop(&p->io);
	if (p->pidfd >= 0) {
		close(p->pidfd);
	}
	free(p);
}

/* 0 with RET, -EAGAIN while it lives. */
static int collect(struct process *p, struct exit_info *ret)
{
	siginfo_t si = {0};

	*ret = (struct exit_info){.how = EXIT_HOW_UNKNOWN};
	if (!p->child) {
		return 0; /* a readable pidfd: all its threads have ended */
	}
	if (waitid(P_PIDFD, p->pidfd, &si, WEXITED | WNOHANG) < 0) {
		return errno == EINTR ? -EAGAIN : 0; /* ECHILD: status lost, the end is certain */
	}
	if (!si.si_pid) {
		return -EAGAIN;
	}
	ret->how = si.si_code == CLD_EXITED ? EXIT_HOW_CODE : EXIT_HOW_SIGNAL;
	ret->value = si.si_status;
	return 0;
}

static void on_ended(struct process *p, const struct exit_info *exit)
{
	struct process_hook *hook = p->hook;
	process_exit_fn on_exit;

	p->ended = true;
	loop_io_stop(&p->io);
	close(p->pidfd);
	p->pidfd = -1;
	if (p->orphan.link) {
		loop_orphan_remove(&p->orphan);
		loop_defer(p->loop, &p->release, destroy, p);
		return;
	}
	if (hook) {
		process_hook_remove(hook);
		hook->fn(hook->arg, exit);
	}
	/* P is still memory: process_free() defers. */
	on_exit = p->on_exit;
	p->on_exit = NULL;
	if (on_exit) {
		on_exit(p->ctx, exit);
	}
}

static void on_pidfd(void *arg, unsigned events)
{
	struct process *p = arg;
	struct exit_info exit;

	if (collect(p, &exit) == 0) {
		on_ended(p, &exit);
	}
}

int process_new(struct process **ret, struct loop *loop, pid_t pid, int pidfd, bool child,
	process_exit_fn on_exit, void *ctx)
{
	struct process *p = calloc(1, sizeof(*p));
	int r;

	if (!p) {
		close(pidfd);
		return -ENOMEM;
	}
	*p = (struct process){.loop = loop,
		.pid = pid,
		.pidfd = pidfd,
		.child = child,
		.on_exit = on_exit,
		.ctx = ctx};
	r = loop_io_start(loop, &p->io, pidfd, LOOP_READ, on_pidfd, p);
	if (r < 0) {
		destroy(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct process *process_free(struct process *p)
{
	if (!p) {
		return NULL;
	}
	p->on_exit = NULL;
	if (p->hook) {
		process_hook_remove(p->hook);
	}
	if (p->child && !p->ended) {
		loop_orphan_add(p->loop, &p->orphan, destroy, p);
	} else {
		loop_io_stop(&p->io);
		loop_defer(p->loop, &p->release, destroy, p);
	}
	return NULL;
}

void process_hook_set(struct process_hook *hook, struct process *p,
	void (*fn)(void *arg, const struct exit_info *exit), void *arg)
{
	process_hook_remove(hook);
	*hook = (struct process_hook){.process = p, .fn = fn, .arg = arg};
	p->hook = hook;
}

void process_hook_remove(struct process_hook *hook)
{
	if (hook->process) {
		hook->process->hook = NULL;
		hook->process = NULL;
	}
}

pid_t process_pid(const struct process *p)
{
	return p->pid;
}

bool process_has_ended(const struct process *p)
{
	return p->ended;
}

int process_signal(struct process *p, int signo)
{
	if (p->ended) {
		return -ESRCH;
	}
	return pidfd_send_signal(p->pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}
