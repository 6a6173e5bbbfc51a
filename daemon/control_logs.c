/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/utf8.h"
#include "daemon/control_private.h"

/*
 * Logs: the last lines of a file, then, when followed, what is appended. One block is read a turn.
 * First the place where the wanted lines begin is looked for backwards, then the file is told from
 * there. Following is by inotify on the file (growth) and on its directory (a new file of that
 * name: rotation). A file that became shorter had its head dropped or was emptied: what was told
 * last is looked for in it, and told on from there.
 */
#define BLOCK (32 * 1024)
#define GAP "xendmd: the log was shortened, lines are missing here"
#define MARK 256 /* bytes by which the place is found again in a shortened file */

struct log_stream {
	struct control_call *call;
	int fd, inotify, watch; /* WATCH: of the file */
	struct loop_io io;
	bool follow, seeking, rotated;
	off_t scan;		 /* what lies before is not looked through yet */
	off_t oldest;		 /* not looked through further back than this */
	off_t offset, end;	 /* told up to; without follow: tell up to */
	uint64_t newlines;	 /* still to find */
	struct json_object *all; /* without more: the one reply's lines */
	char mark[MARK];	 /* the last bytes before OFFSET */
	size_t mark_len;
	char partial[LIMIT_LOG_LINE_BYTES]; /* a line whose end has not come */
	size_t partial_len;
	char path[PATH_MAX];
};

static void add_line(struct json_object *lines, char *text, size_t len)
{
	utf8_make_printable(text, len);
	json_object_array_add(lines, json_object_new_string_len(text, len));
}

/* Cuts DATA into lines; the rest stays in `partial`. Overlong lines are told in pieces. */
static void add_data(struct log_stream *s, struct json_object *lines, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n') {
			s->partial[s->partial_len++] = data[i];
		}
		if (data[i] == '\n' || s->partial_len == sizeof(s->partial)) {
			add_line(lines, s->partial, s->partial_len);
			s->partial_len = 0;
		}
	}
}

static void note_mark(struct log_stream *s, const char *data, size_t len)
{
	if (len >= MARK) {
		memcpy(s->mark, data + len - MARK, MARK);
		s->mark_len = MARK;
		return;
	}
	if (s->mark_len + len > MARK) {
		size_t drop = s->mark_len + len - MARK;

		memmove(s->mark, s->mark + drop, s->mark_len - drop);
		s->mark_len -= drop;
	}
	memcpy(s->mark + s->mark_len, data, len);
	s->mark_len += len;
}

/* Ownership of LINES goes on; an empty list is not told. */
static void tell_lines(struct log_stream *s, struct json_object *lines)
{
	struct json_object *parameters;

	if (json_object_array_length(lines) == 0) {
		json_object_put(lines);
		return;
	}
	parameters = json_object_new_object();
	json_object_object_add(parameters, "lines", lines);
	call_continue(s->call, parameters);
}

static void finish(struct log_stream *s)
{
	struct json_object *parameters = json_object_new_object();
	struct json_object *lines = s->all ? TAKE_PTR(s->all) : json_object_new_array();

	if (s->partial_len > 0) {
		add_line(lines, s->partial, s->partial_len);
	}
	json_object_object_add(parameters, "lines", lines);
	control_complete(s->call, parameters);
}

static void fail(struct log_stream *s, int error, const char *what)
{
	struct err err = {0};

	err_set(&err, -EIO, "%s \"%s\": %s", what, s->path, strerror(error));
	control_fail(s->call, &err);
}

static int open_log(struct log_stream *s, struct stat *ret)
{
	_cleanup_close_ int fd = open(s->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, ret) < 0) {
		return -errno;
	}
	if (!S_ISREG(ret->st_mode)) {
		return -EINVAL;
	}
	close_p(&s->fd);
	s->fd = TAKE_FD(fd);
	return 0;
}

static void watch_file(struct log_stream *s)
{
	if (s->watch >= 0) {
		inotify_rm_watch(s->inotify, s->watch);
	}
	s->watch = inotify_add_watch(s->inotify, s->path, IN_MODIFY);
}

/* The new file of a rotation, once the old one is told to its end. */
static bool open_next(struct log_stream *s)
{
	struct stat st, old;

	s->rotated = false;
	if (fstat(s->fd, &old) < 0 || open_log(s, &st) < 0) {
		return false; /* gone again; the directory will tell */
	}
	if (st.st_ino == old.st_ino && st.st_dev == old.st_dev) {
		return false; /* made before we first looked */
	}
	watch_file(s);
	s->offset = 0;
	s->mark_len = 0;
	return true;
}

static void tell_gap(struct log_stream *s)
{
	struct json_object *lines = json_object_new_array();

	json_object_array_add(lines, json_object_new_string(GAP));
	tell_lines(s, lines);
}

/* The file is shorter than what was told of it: daemon/logtrim keeps its tail, an emptied one
 * begins anew. In a large tail where the place is not near the end, all but its last part is passed
 * over: telling it once more would be worse than a gap that is told. */
static void find_place(struct log_stream *s, off_t size)
{
	char buf[BLOCK];
	off_t from = size > (off_t)sizeof(buf) ? size - (off_t)sizeof(buf) : 0;
	ssize_t n = pread(s->fd, buf, sizeof(buf), from);
	const char *found = n > 0 && s->mark_len > 0 ? memmem(buf, n, s->mark, s->mark_len) : NULL;
	const char *line = n > 0 ? memchr(buf, '\n', n) : NULL;

	if (found) {
		s->offset = from + (found - buf) + (off_t)s->mark_len;
		return;
	}
	s->mark_len = 0;
	s->partial_len = 0;
	s->offset = from;
	if (from > 0) {
		s->offset += line ? line + 1 - buf : 0;
		tell_gap(s);
	}
}

/* Nothing to read: wait, go on with the next file, or end. */
static void at_end(struct log_stream *s)
{
	struct stat st;

	if (!s->follow) {
		finish(s);
	} else if (fstat(s->fd, &st) == 0 && st.st_size < s->offset) {
		find_place(s, st.st_size);
		client_resume(s->call->client);
	} else if (s->rotated && open_next(s)) {
		client_resume(s->call->client);
	}
}

static void tell_block(struct log_stream *s)
{
	struct client *client = s->call->client;
	struct json_object *lines;
	char buf[BLOCK];
	size_t want = sizeof(buf);
	ssize_t n;

	if (!s->follow && s->end - s->offset < (off_t)want) {
		want = s->end - s->offset;
	}
	n = want ? pread(s->fd, buf, want, s->offset) : 0;
	if (n < 0) {
		fail(s, errno, "reading");
		return;
	}
	if (n == 0) {
		at_end(s);
		return;
	}
	s->offset += n;
	note_mark(s, buf, n);
	lines = s->all ? s->all : json_object_new_array();
	add_data(s, lines, buf, n);
	if (!s->all) {
		tell_lines(s, lines);
	}
	client_resume(client);
}

/* One block backwards; the byte before the first wanted line is a newline. */
static void seek_block(struct log_stream *s)
{
	char buf[BLOCK];
	off_t from = s->scan - s->oldest > BLOCK ? s->scan - BLOCK : s->oldest;
	ssize_t n = pread(s->fd, buf, s->scan - from, from);

	if (n < 0) {
		fail(s, errno, "reading");
		return;
	}
	if (n > 0 && s->scan == s->end && buf[n - 1] != '\n') {
		s->newlines--; /* the last line has no end yet */
	}
	for (ssize_t i = n - 1; i >= 0 && s->seeking; i--) {
		if (buf[i] == '\n' && s->newlines-- == 0) {
			s->offset = from + i + 1;
			s->seeking = false;
		}
	}
	s->scan = from;
	if (s->seeking && (from == s->oldest || n == 0)) {
		s->offset = from;
		s->seeking = false;
	}
	client_resume(s->call->client);
}

static void logs_send(struct control_call *call)
{
	struct log_stream *s = call->stream;

	if (s->seeking) {
		seek_block(s);
	} else {
		tell_block(s);
	}
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* One buffer of events a turn: level-triggered, the rest comes again. */
static void on_inotify(void *arg, unsigned events)
{
	struct log_stream *s = arg;
	union {
		struct inotify_event align;
		char bytes[4096];
	} buf;
	ssize_t n = read(s->inotify, &buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(buf.bytes + at);

		if (event->mask & IN_Q_OVERFLOW ||
			(event->len > 0 && !strcmp(event->name, base_name(s->path)))) {
			s->rotated = true;
		}
		at += sizeof(*event) + event->len;
	}
	client_resume(s->call->client);
}

static int start_following(struct log_stream *s)
{
	_cleanup_free_ char *dir = strndup(s->path, base_name(s->path) - s->path);

	s->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (!dir || s->inotify < 0) {
		return dir ? -errno : -ENOMEM;
	}
	if (inotify_add_watch(s->inotify, dir[0] ? dir : ".", IN_CREATE | IN_MOVED_TO) < 0) {
		return -errno;
	}
	s->watch = inotify_add_watch(s->inotify, s->path, IN_MODIFY);
	if (s->watch < 0) {
		return -errno;
	}
	return loop_io_start(
		s->call->client->control->loop, &s->io, s->inotify, LOOP_READ, on_inotify, s);
}

static void logs_release(struct control_call *call)
{
	struct log_stream *s = call->stream;

	loop_io_stop(&s->io);
	close_p(&s->inotify);
	close_p(&s->fd);
	json_object_put(TAKE_PTR(s->all));
}

static int logs_begin(struct log_stream *s, uint64_t lines, bool more)
{
	off_t reach = more ? LIMIT_LOG_SCAN_BYTES : LIMIT_LOG_REPLY_BYTES;
	struct stat st;
	int r = 0;

	if (s->follow) {
		r = start_following(s); /* before the first look, so that nothing is missed */
	}
	if (r == 0) {
		r = open_log(s, &st);
	}
	if (r < 0) {
		return r;
	}
	s->offset = s->scan = s->end = st.st_size;
	s->oldest = st.st_size > reach ? st.st_size - reach : 0;
	s->newlines = lines < LIMIT_LOG_REPLY_LINES ? lines : LIMIT_LOG_REPLY_LINES;
	s->seeking = lines > 0;
	if (!more) {
		s->all = json_object_new_array();
	}
	return more || s->all ? 0 : -ENOMEM;
}

void stream_logs(struct control_call *call, const char *path, uint64_t lines, bool follow)
{
	struct log_stream *s = calloc(1, sizeof(*s));
	int r = s && strlen(path) < sizeof(s->path) ? 0 : -ENOMEM;

	if (r < 0) {
		struct err err = {0};

		free(s);
		err_set(&err, r, "out of memory");
		control_fail(call, &err);
		return;
	}
	s->call = call;
	s->fd = s->inotify = s->watch = -1;
	s->follow = follow;
	memcpy(s->path, path, strlen(path) + 1);
	call->stream = s;
	call->release = logs_release;
	r = logs_begin(s, lines, call->more);
	if (r < 0) {
		fail(s, -r, "opening");
		return;
	}
	call->endless = follow;
	call->send = logs_send;
	client_resume(call->client);
}
