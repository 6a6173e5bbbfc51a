/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/helperproc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "daemon/process.h"
#include "lib/childproc.h"
#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/utf8.h"

struct helperproc {
	struct loop *loop;
	char *path;
	struct process *process;
	int err_fd; /* read end of its stderr */
	struct loop_io io;
	struct loop_timer timer;
	bool killed;
	helperproc_fn done; /* NULL once called */
	void *ctx;
	size_t len;
	char text[LIMIT_HELPER_STDERR_BYTES + 1];
	struct loop_deferred release;
};

static void close_stderr(struct helperproc *h)
{
	loop_io_stop(&h->io);
	close_p(&h->err_fd);
}

/* Bounded, so that a helper that never stops writing costs one read a turn; what is beyond the
 * buffer is read and dropped, so that it does not block on a full pipe. */
static void read_stderr(struct helperproc *h)
{
	char rest[1024];
	size_t room = LIMIT_HELPER_STDERR_BYTES - h->len;
	ssize_t n;

	if (h->err_fd < 0) {
		return;
	}
	n = room ? read(h->err_fd, h->text + h->len, room) : read(h->err_fd, rest, sizeof(rest));
	if (n > 0 && room) {
		h->len += n;
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close_stderr(h);
	}
}

static void on_stderr(void *arg, unsigned events)
{
	read_stderr(arg);
}

static void tell(struct helperproc *h, const struct exit_info *exit, const struct err *err)
{
	helperproc_fn done = h->done;

	loop_timer_stop(&h->timer);
	close_stderr(h);
	h->done = NULL;
	if (done) {
		done(h->ctx, exit, err);
	}
}

const char *helperproc_text(struct helperproc *h)
{
	while (h->len && (h->text[h->len - 1] == '\n' || h->text[h->len - 1] == ' ')) {
		h->len--;
	}
	h->text[h->len] = '\0';
	utf8_make_printable(h->text, h->len);
	return h->text;
}

static void describe(struct helperproc *h, const struct exit_info *exit, struct err *err)
{
	char how[48];

	helperproc_text(h);
	if (h->killed) {
		err_set(err, -ETIMEDOUT, "\"%s\" took too long and was killed", h->path);
	} else if (exit->how == EXIT_HOW_CODE && h->len) {
		err_set(err, -EIO, "%s", h->text);
	} else {
		err_set(err, -EIO, "\"%s\" failed: %s%s%s", h->path, exit_info_text(exit, how),
			h->len ? ": " : "", h->text);
	}
}

static void on_end(void *ctx, const struct exit_info *exit)
{
	struct helperproc *h = ctx;
	struct err err;

	/* Its own leftovers may hold the pipe open: what is there now is all that counts. */
	read_stderr(h);
	if (exit->how == EXIT_HOW_CODE && exit->value == 0 && !h->killed) {
		tell(h, exit, NULL);
		return;
	}
	describe(h, exit, &err);
	tell(h, exit, &err);
}

static void on_stuck(void *arg)
{
	struct helperproc *h = arg;
	struct exit_info unknown = {.how = EXIT_HOW_UNKNOWN};
	struct err err;

	err_set(&err, -ETIMEDOUT, "\"%s\" took too long and could not be killed", h->path);
	h->process = process_free(h->process);
	tell(h, &unknown, &err);
}

static void on_deadline(void *arg)
{
	struct helperproc *h = arg;

	h->killed = true;
	process_signal(h->process, SIGKILL);
	if (loop_timer_start(h->loop, &h->timer, LIMIT_HELPER_EXIT_MS, on_stuck, h) < 0) {
		on_stuck(h);
	}
}

static void destroy(void *arg)
{
	struct helperproc *h = arg;

	free(h->path);
	free(h);
}

struct helperproc *helperproc_free(struct helperproc *h)
{
	if (h && h->process && !process_has_ended(h->process)) {
		process_signal(h->process, SIGKILL);
	}
	return helperproc_detach(h);
}

struct helperproc *helperproc_detach(struct helperproc *h)
{
	if (!h) {
		return NULL;
	}
	h->done = NULL;
	h->process = process_free(h->process);
	loop_timer_stop(&h->timer);
	close_stderr(h);
	loop_defer(h->loop, &h->release, destroy, h);
	return NULL;
}

static int spawn(struct helperproc *h, char *const *argv, int write_fd, struct err *err)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct childproc_fd fds[] = {{null, 0}, {null, 1}, {write_fd, 2}};
	struct childproc_params params = {
		.path = h->path, .argv = argv, .fds = fds, .fds_len = ARRAY_SIZE(fds)};
	int pidfd, r;
	pid_t pid;

	if (null < 0) {
		return err_set_errno(err, -errno, "open /dev/null");
	}
	r = childproc_spawn(&params, &pid, &pidfd, err);
	if (r < 0) {
		return r;
	}
	r = process_new(&h->process, h->loop, pid, pidfd, true, on_end, h);
	return r < 0 ? err_set_errno(err, r, "watch \"%s\"", h->path) : 0;
}

static int start(struct helperproc *h, char *const *argv, int64_t deadline_ms, struct err *err)
{
	_cleanup_close_ int write_fd = -1;
	int pair[2], r;

	if (!h->path) {
		return err_set_errno(err, -ENOMEM, "helper process");
	}
	if (pipe2(pair, O_CLOEXEC) < 0) {
		return err_set_errno(err, -errno, "pipe for \"%s\"", h->path);
	}
	h->err_fd = pair[0];
	write_fd = pair[1];
	fcntl(h->err_fd, F_SETFL, O_NONBLOCK);
	r = loop_io_start(h->loop, &h->io, h->err_fd, LOOP_READ, on_stderr, h);
	if (r == 0) {
		r = loop_timer_start(h->loop, &h->timer, deadline_ms, on_deadline, h);
	}
	if (r < 0) {
		return err_set_errno(err, r, "helper process");
	}
	return spawn(h, argv, write_fd, err);
}

int helperproc_run(struct helperproc **ret, struct loop *loop, const char *path, char *const *argv,
	int64_t deadline_ms, helperproc_fn done, void *ctx, struct err *err)
{
	struct helperproc *h = calloc(1, sizeof(*h));
	int r;

	if (!h) {
		return err_set_errno(err, -ENOMEM, "helper process");
	}
	h->loop = loop;
	h->err_fd = -1;
	h->path = strdup(path);
	h->done = done;
	h->ctx = ctx;
	r = start(h, argv, deadline_ms, err);
	if (r < 0) {
		helperproc_free(h);
		return r;
	}
	*ret = h;
	return 0;
}
