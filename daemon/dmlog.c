/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/dmlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/helperproc.h"
#include "daemon/logtrim.h"
#include "daemon/loop.h"
#include "lib/cleanup.h"
#include "lib/hash.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "lib/utf8.h"

/*
 * One inotify descriptor for all logs. After its events were read nobody listens to it for
 * LIMIT_LOG_CHECK_MS, so that any flood costs at most a few looks a second, and a log that does not
 * grow costs nothing. Of all logs one is trimmed at a time, in the helper where there is one.
 */
#define DMLOG_ROTATIONS 10
#define DMLOG_PREFIX "qemu-dm-"
#define DMLOG_SUFFIX ".log"
/* of NAME_MAX, with room for prefix, suffix and ".10" */
#define DMLOG_NAME_BYTES (255 - 8 - 4 - 3)
#define EVENTS_BYTES 16384

struct dmlog {
	struct dmlog_set *set;
	LIST_ENTRY(dmlog) link; /* dmlog_set::logs */
	int wd;
	char *path;
	uint64_t max;
	bool over; /* waits to be trimmed */
};

struct dmlog_set {
	struct loop *loop;
	int fd;
	LIST_HEAD(, dmlog) logs;
	char *helper; /* NULL: trims by itself */
	struct helperproc *trim;
	struct loop_io io;
	struct loop_timer timer;
	struct loop_deferred release;
};

static void listen_again(void *arg);

/* Cut before the character that does not fit. */
static size_t cut_utf8(const char *text, size_t max)
{
	size_t len = max;

	while (len && ((unsigned char)text[len] & 0xc0) == 0x80) {
		len--;
	}
	return len;
}

char *dmlog_path(const char *dir, const char *name)
{
	size_t len = strlen(name), slash;
	char mark[20] = "", *path;

	if (len > DMLOG_NAME_BYTES) {
		snprintf(mark, sizeof(mark), "-%016" PRIx64, hash_fnv(HASH_FNV_START, name, len));
		len = cut_utf8(name, DMLOG_NAME_BYTES - strlen(mark));
	}
	if (asprintf(&path, "%s/" DMLOG_PREFIX "%.*s%s" DMLOG_SUFFIX, dir, (int)len, name, mark) <
		0) {
		return NULL;
	}
	slash = strlen(dir) + 1 + strlen(DMLOG_PREFIX);
	for (char *p = path + slash; *p; p++) {
		if (*p == '/') {
			*p = '_';
		}
	}
	return path;
}

static int move(const char *path, unsigned from, unsigned to, struct err *err)
{
	char old[4096], new[4096];

	snprintf(old, sizeof(old), from ? "%s.%u" : "%s", path, from);
	snprintf(new, sizeof(new), "%s.%u", path, to);
	if (rename(old, new) < 0 && errno != ENOENT) {
		return err_set_errno(err, -errno, "rename log \"%s\"", old);
	}
	return 0;
}

/* .9 becomes .10 (whose file goes), …, the log becomes .1; nothing moves where there is no log. */
static int rotate(const char *path, struct err *err)
{
	struct stat st;
	int r = 0;

	if (lstat(path, &st) < 0) {
		return errno == ENOENT ? 0 : err_set_errno(err, -errno, "log \"%s\"", path);
	}
	for (unsigned i = DMLOG_ROTATIONS; i-- > 0 && r == 0;) {
		r = move(path, i, i + 1, err);
	}
	return r;
}

int dmlog_open(const char *path, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (strlen(path) > 4000) {
		return err_set(err, -ENAMETOOLONG, "log \"%.64s…\": path too long", path);
	}
	r = rotate(path, err);
	if (r < 0) {
		return r;
	}
	/* O_EXCL: nobody else's file, link or pipe becomes the log. */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0) {
		return err_set_errno(err, -errno, "create log \"%s\"", path);
	}
	if (fchmod(fd, 0644) < 0) { /* whatever the umask is */
		return err_set_errno(err, -errno, "log \"%s\"", path);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void on_trimmed(void *ctx, const struct exit_info *exit, const struct err *err)
{
	struct dmlog_set *set = ctx;

	if (err) {
		log_warning("can't trim a device model's log: %s", err->text);
	}
	set->trim = helperproc_free(set->trim);
}

static void start_trim(struct dmlog_set *set, struct dmlog *log)
{
	char max[24];
	char *argv[] = {(char *)"log-trim", log->path, max, NULL};
	uint64_t dropped;
	struct err err;
	int r;

	log->over = false;
	snprintf(max, sizeof(max), "%" PRIu64, log->max);
	if (set->helper) {
		r = helperproc_run(&set->trim, set->loop, set->helper, argv, LIMIT_LOG_TRIM_MS,
			on_trimmed, set, &err);
	} else {
		r = logtrim_file(log->path, log->max, &dropped, &err);
	}
	if (r < 0) {
		log_warning("can't trim a device model's log: %s", err.text);
	}
}

/* One a turn. The order does not matter: all get theirs. */
static bool trim_next(struct dmlog_set *set)
{
	struct dmlog *log;

	LIST_FOREACH (log, &set->logs, link) {
		if (log->over) {
			if (!set->trim) {
				start_trim(set, log);
			}
			return true;
		}
	}
	return set->trim != NULL;
}

static void check(struct dmlog *log)
{
	struct stat st;

	log->over = lstat(log->path, &st) == 0 && S_ISREG(st.st_mode) &&
		    (uint64_t)st.st_size > log->max;
}

static void check_by_event(struct dmlog_set *set, const struct inotify_event *event)
{
	struct dmlog *log;

	LIST_FOREACH (log, &set->logs, link) {
		if (log->wd == event->wd || event->mask & IN_Q_OVERFLOW) {
			check(log);
		}
	}
}

static void read_events(struct dmlog_set *set)
{
	char buf[EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t len = read(set->fd, buf, sizeof(buf));

	for (ssize_t at = 0; at < len;) {
		const struct inotify_event *event = (const void *)(buf + at);

		check_by_event(set, event);
		at += sizeof(*event) + event->len;
	}
}

static void pause_then_listen(struct dmlog_set *set)
{
	loop_io_stop(&set->io);
	if (loop_timer_start(set->loop, &set->timer, LIMIT_LOG_CHECK_MS, listen_again, set) < 0) {
		log_warning("device model logs are no longer watched: out of memory");
	}
}

static void on_inotify(void *arg, unsigned events)
{
	struct dmlog_set *set = arg;

	read_events(set);
	trim_next(set);
	pause_then_listen(set);
}

static void listen_again(void *arg)
{
	struct dmlog_set *set = arg;

	if (trim_next(set)) {
		pause_then_listen(set);
		return;
	}
	if (loop_io_start(set->loop, &set->io, set->fd, LOOP_READ, on_inotify, set) < 0) {
		pause_then_listen(set);
	}
}

int dmlog_set_new(struct dmlog_set **ret, struct loop *loop)
{
	struct dmlog_set *set = calloc(1, sizeof(*set));
	int r;

	if (!set) {
		return -ENOMEM;
	}
	set->loop = loop;
	LIST_INIT(&set->logs);
	set->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	r = set->fd < 0 ? -errno
			: loop_io_start(loop, &set->io, set->fd, LOOP_READ, on_inotify, set);
	if (r < 0) {
		dmlog_set_free(set);
		return r;
	}
	*ret = set;
	return 0;
}

int dmlog_set_use_helper(struct dmlog_set *set, const char *path)
{
	char *copy = strdup(path);

	if (!copy) {
		return -ENOMEM;
	}
	free(set->helper);
	set->helper = copy;
	return 0;
}

static void set_destroy(void *arg)
{
	free(arg);
}

struct dmlog_set *dmlog_set_free(struct dmlog_set *set)
{
	if (!set) {
		return NULL;
	}
	while (!LIST_EMPTY(&set->logs)) {
		dmlog_unwatch(LIST_FIRST(&set->logs));
	}
	loop_io_stop(&set->io);
	loop_timer_stop(&set->timer);
	helperproc_free(set->trim);
	close_p(&set->fd);
	free(set->helper);
	loop_defer(set->loop, &set->release, set_destroy, set);
	return NULL;
}

int dmlog_watch(struct dmlog **ret, struct dmlog_set *set, const char *path, uint64_t max_bytes)
{
	struct dmlog *log = calloc(1, sizeof(*log));
	int r;

	if (!log) {
		return -ENOMEM;
	}
	*log = (struct dmlog){.set = set, .path = strdup(path), .max = max_bytes};
	log->wd = log->path ? inotify_add_watch(set->fd, path, IN_MODIFY | IN_DONT_FOLLOW) : -1;
	if (log->wd < 0) {
		r = log->path ? -errno : -ENOMEM;
		free(log->path);
		free(log);
		return r;
	}
	LIST_INSERT_HEAD(&set->logs, log, link);
	check(log); /* it may have grown while no daemon ran */
	if (log->over) {
		pause_then_listen(set);
	}
	*ret = log;
	return 0;
}

struct dmlog *dmlog_unwatch(struct dmlog *log)
{
	struct dmlog *other;
	bool shared = false;

	if (!log) {
		return NULL;
	}
	LIST_REMOVE(log, link);
	LIST_FOREACH (other, &log->set->logs, link) {
		shared |= other->wd == log->wd; /* the same file watched twice has one number */
	}
	if (!shared) {
		inotify_rm_watch(log->set->fd, log->wd);
	}
	free(log->path);
	free(log);
	return NULL;
}

/* Up to SIZE last bytes of PATH. *RET_CUT: there is more before. */
static ssize_t read_tail(const char *path, char *buf, size_t size, bool *ret_cut)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	off_t from;
	ssize_t n;

	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		return -EINVAL;
	}
	from = st.st_size > (off_t)size ? st.st_size - (off_t)size : 0;
	n = pread(fd, buf, size, from);
	*ret_cut = from > 0;
	return n < 0 ? -errno : n;
}

/* Where the last LINES lines of TEXT start. */
static size_t lines_start(const char *text, size_t len, unsigned lines)
{
	size_t at = len;

	while (at > 0) {
		if (text[at - 1] == '\n' && lines-- == 0) {
			break;
		}
		at--;
	}
	return at;
}

char *dmlog_tail(const char *path, unsigned lines)
{
	char *text = malloc(LIMIT_LOG_TAIL_BYTES + 1), *newline;
	bool cut = false;
	ssize_t len;
	size_t start = 0;

	if (!text) {
		return NULL;
	}
	len = read_tail(path, text, LIMIT_LOG_TAIL_BYTES, &cut);
	if (len < 0 || !lines) {
		free(text);
		return NULL;
	}
	while (len > 0 && text[len - 1] == '\n') {
		len--;
	}
	newline = cut ? memchr(text, '\n', len) : NULL;
	if (newline) {
		start = newline + 1 - text; /* the first line is not whole */
	}
	start += lines_start(text + start, len - start, lines - 1);
	len -= start;
	memmove(text, text + start, len);
	text[len] = '\0';
	utf8_make_printable(text, len);
	return text;
}
