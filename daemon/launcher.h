/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Starts one device model through dm-launch: posix_spawn of the small helper, which prepares
 * session, signals, limits, user and file descriptors and then waits on a socketpair; once the
 * owner has written its record and the scope is made, launcher_release() lets it exec. If the
 * daemon dies first the helper reads EOF and leaves without executing anything.
 */
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/openfile.h"
#include "lib/strv.h"
#include "daemon/process.h"

struct loop;
struct launcher;

struct launch_fd {
	int fd;		  /* borrowed; in the daemon */
	int target;	  /* its number in the device model */
	const char *what; /* for the journal line: "log", "monitor (listening)" */
};

struct launch_rlimit {
	int resource; /* RLIMIT_* */
	uint64_t value;
};

struct launch_params {
	const char *helper;	     /* path of dm-launch */
	const char *binary;	     /* absolute path of the device model */
	const struct strv *argv;     /* with argv[0] */
	const struct strv *env;	     /* the whole environment */
	const struct launch_fd *fds; /* 0, 1 and 2 among them */
	unsigned fds_len;
	struct openfiles files; /* borrowed; for dm-launch to open */
	const struct launch_rlimit *rlimits;
	unsigned rlimits_len;
	int oom_score_adj;
	const char *directory;	  /* NULL: "/" */
	bool own_mounts, own_ipc; /* new namespaces of that kind */
	bool ignore_xfsz;	  /* SIGXFSZ */
};

/* Each at most once, in this order, from the loop; the launcher may be freed inside any of them. */
struct launcher_ops {
	/* Prepared, waits for launcher_release(). */
	void (*on_prepared)(void *ctx, pid_t pid);
	/* The device model's program runs. If it ended before anybody could look at it, ID lacks
	 * the executable (0), and its exit is told next. */
	void (*on_executed)(void *ctx, const struct proc_id *id);
	/* It could not be executed; ERR names the step and the file. The process is gone or goes.
	 */
	void (*on_failed)(void *ctx, const struct err *err);
};

/* The process object (its exit is told to ON_EXIT, also when it is the helper's) belongs to the
 * caller and outlives the launcher. -errno with ERR. */
int launcher_new(struct launcher **ret, struct process **ret_process, struct loop *loop,
	const struct launch_params *params, const struct launcher_ops *ops, process_exit_fn on_exit,
	void *ctx, struct err *err);
int launcher_release(struct launcher *l);
/* Before the release this ends the helper (EOF); after on_executed() it only frees. Returns NULL.
 */
struct launcher *launcher_free(struct launcher *l);
