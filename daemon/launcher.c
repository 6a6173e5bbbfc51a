/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "lib/cleanup.h"
#include "lib/hash.h"
#include "lib/limits.h"
#include "lib/childproc.h"
#include "proto/launchspec.h"

/*
 * The helper's end of the socketpair is CLOEXEC: its EOF after the release, without an error
 * before it, is the exec. The EOF and the pidfd may become readable in the same turn in either
 * order, so the process's hook drains the socket before anybody hears of the exit.
 */
enum phase { PHASE_PREPARING, PHASE_PREPARED, PHASE_RELEASED, PHASE_ENDED };

struct launcher {
	struct loop *loop;
	enum phase phase;
	int sock;
	struct process *process; /* the caller's; valid while hook.process */
	struct process_hook hook;
	const struct launcher_ops *ops;
	void *ctx;
	struct proc_id expected; /* for a program that ended before it could be looked at */
	unsigned looks;
	bool freed;
	struct loop_io io;
	struct loop_timer timer;
	struct loop_deferred release;
};

static void close_sock(struct launcher *l)
{
	loop_io_stop(&l->io);
	close_p(&l->sock);
}

static void fail(struct launcher *l, const struct err *err)
{
	l->phase = PHASE_ENDED;
	close_sock(l);
	loop_timer_stop(&l->timer);
	l->ops->on_failed(l->ctx, err);
}

/* The helper does not do what it is there for: it must not go on to execute anything either. */
static void fail_and_kill(struct launcher *l, const struct err *err)
{
	if (l->hook.process) {
		process_signal(l->process, SIGKILL);
	}
	fail(l, err);
}

static void executed(struct launcher *l, const struct proc_id *id)
{
	l->phase = PHASE_ENDED;
	close_sock(l);
	loop_timer_stop(&l->timer);
	l->ops->on_executed(l->ctx, id);
}

/* The kernel closes CLOEXEC descriptors before it sets up the new command line, so right after the
 * EOF /proc may still show none: look again shortly. */
static void look(void *arg)
{
	struct launcher *l = arg;
	struct proc_id id;
	int r = procinfo_read(l->expected.pid, &id);

	if (r == 0 && id.argv_hash != HASH_FNV_START) {
		executed(l, &id);
		return;
	}
	if (++l->looks < LIMIT_EXEC_LOOKS && (r == 0 || r == -ESRCH) && l->hook.process &&
		loop_timer_start(l->loop, &l->timer, 1, look, l) == 0) {
		return;
	}
	executed(l, &l->expected);
}

static void on_silence(void *arg)
{
	struct launcher *l = arg;
	struct err err;

	err_set(&err, -EPROTO, "dm-launch closed its socket but did not end");
	fail_and_kill(l, &err);
}

static void on_eof(struct launcher *l)
{
	close_sock(l);
	if (l->phase == PHASE_RELEASED) {
		look(l);
		return;
	}
	/* It ended: the hook tells how. */
	if (loop_timer_start(l->loop, &l->timer, LIMIT_HELPER_EXIT_MS, on_silence, l) < 0) {
		on_silence(l);
	}
}

static void on_message(struct launcher *l, const char *msg, size_t len)
{
	struct err err;
	int r = launch_msg_parse(msg, len, &err);

	if (r == 0 && l->phase != PHASE_PREPARING) {
		r = err_set(&err, -EBADMSG, "dm-launch reported twice that it is prepared");
	}
	if (r == -EBADMSG) {
		fail_and_kill(l, &err);
		return;
	}
	if (r < 0) {
		fail(l, &err);
		return;
	}
	l->phase = PHASE_PREPARED;
	l->ops->on_prepared(l->ctx, l->expected.pid);
}

/* Reads what is there; stops when a callback freed the launcher or the end was told. */
static void drain(struct launcher *l)
{
	char msg[LAUNCH_MSG_MAX + 1];

	while (!l->freed && l->sock >= 0) {
		ssize_t n = recv(l->sock, msg, sizeof(msg), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			return;
		}
		if (n <= 0) {
			on_eof(l); /* also an error: nothing more will come */
			return;
		}
		on_message(l, msg, n);
	}
}

static void on_socket(void *arg, unsigned events)
{
	drain(arg);
}

static void on_process_end(void *arg, const struct exit_info *exit)
{
	struct launcher *l = arg;
	struct err err;
	char how[48];

	l->process = NULL;
	drain(l);
	if (l->freed || l->phase == PHASE_ENDED) {
		return;
	}
	if (l->phase == PHASE_RELEASED) {
		/* Executed and ended before it could be looked at. */
		executed(l, &l->expected);
		return;
	}
	err_set(&err, -ECHILD, "dm-launch ended before the device model was executed (%s)",
		exit_info_text(exit, how));
	fail(l, &err);
}

static int sealed_file(const char *text, size_t len, int *ret)
{
	_cleanup_close_ int fd = memfd_create("dm-launch", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0) {
		return -errno;
	}
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, text + done, len - done, done);

		if (n < 0) {
			return -errno;
		}
		done += n;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
		return -errno;
	}
	*ret = TAKE_FD(fd);
	return 0;
}

static int make_spec(const struct launch_params *params, int *ret, struct err *err)
{
	struct launchspec_fd fds[LAUNCHSPEC_FDS_MAX];
	struct launchspec_rlimit rlimits[LAUNCHSPEC_RLIMITS_MAX];
	/* only read: the lists stay the caller's */
	struct launchspec spec = {.binary = (char *)params->binary,
		.argv = *params->argv,
		.env = *params->env,
		.fds = fds,
		.fds_len = params->fds_len,
		.files = params->files,
		.rlimits = rlimits,
		.rlimits_len = params->rlimits_len,
		.oom_score_adj = params->oom_score_adj,
		.directory = (char *)params->directory,
		.own_mounts = params->own_mounts,
		.own_ipc = params->own_ipc,
		.ignore_xfsz = params->ignore_xfsz};
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	if (params->fds_len > ARRAY_SIZE(fds) || params->rlimits_len > ARRAY_SIZE(rlimits)) {
		return err_set(err, -E2BIG, "too many descriptors or limits for one device model");
	}
	for (unsigned i = 0; i < params->fds_len; i++) {
		fds[i] = (struct launchspec_fd){params->fds[i].fd, params->fds[i].target};
	}
	for (unsigned i = 0; i < params->rlimits_len; i++) {
		rlimits[i] = (struct launchspec_rlimit){
			params->rlimits[i].resource, params->rlimits[i].value};
	}
	r = launchspec_encode(&spec, &text, &len, err);
	if (r < 0) {
		return r;
	}
	r = sealed_file(text, len, ret);
	return r < 0 ? err_set_errno(err, r, "memory file for dm-launch") : 0;
}

static int spawn_launch(const struct launch_params *params, int spec, int sock, pid_t *ret_pid,
	int *ret_pidfd, struct err *err)
{
	struct childproc_fd fds[LAUNCHSPEC_FDS_MAX + 2] = {{spec, spec}, {sock, sock}};
	char spec_text[16], sock_text[16];
	char *argv[] = {(char *)params->helper, spec_text, sock_text, NULL};
	char *env[] = {NULL};
	struct childproc_params spawn = {.path = params->helper,
		.argv = argv,
		.env = env,
		.fds = fds,
		.fds_len = params->fds_len + 2};

	for (unsigned i = 0; i < params->fds_len; i++) {
		fds[i + 2] = (struct childproc_fd){params->fds[i].fd, params->fds[i].fd};
	}
	snprintf(spec_text, sizeof(spec_text), "%d", spec);
	snprintf(sock_text, sizeof(sock_text), "%d", sock);
	return childproc_spawn(&spawn, ret_pid, ret_pidfd, err);
}

static void note_expected(struct launcher *l, pid_t pid, const struct launch_params *params)
{
	struct proc_id helper;

	l->expected = (struct proc_id){.pid = pid, .argv_hash = strv_hash(params->argv)};
	if (procinfo_read(pid, &helper) == 0) {
		l->expected.start_ticks = helper.start_ticks; /* an exec keeps it */
	}
}

int launcher_new(struct launcher **ret, struct process **ret_process, struct loop *loop,
	const struct launch_params *params, const struct launcher_ops *ops, process_exit_fn on_exit,
	void *ctx, struct err *err)
{
	_cleanup_close_ int spec = -1, ours = -1, theirs = -1;
	struct launcher *l;
	int pair[2], pidfd, r;
	pid_t pid;

	r = make_spec(params, &spec, err);
	if (r < 0) {
		return r;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return err_set_errno(err, -errno, "socketpair for dm-launch");
	}
	ours = pair[0];
	theirs = pair[1];
	l = calloc(1, sizeof(*l));
	if (!l) {
		return err_set_errno(err, -ENOMEM, "launcher");
	}
	*l = (struct launcher){.loop = loop, .sock = -1, .ops = ops, .ctx = ctx};
	r = loop_io_start(loop, &l->io, ours, LOOP_READ, on_socket, l);
	if (r == 0) {
		r = spawn_launch(params, spec, theirs, &pid, &pidfd, err);
	} else {
		err_set_errno(err, r, "launcher");
	}
	if (r < 0) {
		loop_io_stop(&l->io);
		free(l);
		return r;
	}
	l->sock = TAKE_FD(ours);
	note_expected(l, pid, params);
	r = process_new(&l->process, loop, pid, pidfd, true, on_exit, ctx);
	if (r < 0) {
		launcher_free(l); /* the helper reads EOF and leaves */
		return err_set_errno(err, r, "launcher");
	}
	process_hook_set(&l->hook, l->process, on_process_end, l);
	*ret_process = l->process;
	*ret = l;
	return 0;
}

int launcher_release(struct launcher *l)
{
	char msg = LAUNCH_MSG_RELEASE;

	if (l->phase != PHASE_PREPARED || l->sock < 0) {
		return -EINVAL;
	}
	if (send(l->sock, &msg, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		return -errno;
	}
	l->phase = PHASE_RELEASED;
	return 0;
}

static void destroy(void *arg)
{
	free(arg);
}

struct launcher *launcher_free(struct launcher *l)
{
	if (!l) {
		return NULL;
	}
	l->freed = true;
	process_hook_remove(&l->hook);
	close_sock(l);
	loop_timer_stop(&l->timer);
	loop_defer(l->loop, &l->release, destroy, l);
	return NULL;
}
