/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A process that is watched through a pidfd: a child of ours, one taken up again after a restart of
 * the daemon, or somebody else's. A number alone never stands for a process.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "lib/procinfo.h"
#include "proto/status.h"

struct loop;
struct process;

/* Called once, from the loop. HOW is EXIT_HOW_UNKNOWN for processes that are not our children. */
typedef void (*process_exit_fn)(void *ctx, const struct exit_info *exit);

/* Takes PIDFD over in any case. CHILD: reaped by us with waitid(P_PIDFD). */
int process_new(struct process **ret, struct loop *loop, pid_t pid, int pidfd, bool child,
	process_exit_fn on_exit, void *ctx);
/* Stops watching; the process goes on. A child that was not reaped yet is reaped when it ends. */
struct process *process_free(struct process *p);

/* Somebody who must have a word before ON_EXIT is told (the launcher: what the helper still said
 * comes first). FN may free the process, ON_EXIT does not come then. HOOK lies in its owner, which
 * removes it before it goes; one a process. */
struct process_hook {
	struct process *process; /* NULL: idle */
	void (*fn)(void *arg, const struct exit_info *exit);
	void *arg;
};
void process_hook_set(struct process_hook *hook, struct process *p,
	void (*fn)(void *arg, const struct exit_info *exit), void *arg);
void process_hook_remove(struct process_hook *hook);

pid_t process_pid(const struct process *p);
bool process_has_ended(const struct process *p);
/* -ESRCH when it has ended. */
int process_signal(struct process *p, int signo);
