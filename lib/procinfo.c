/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/procinfo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/hash.h"
#include "lib/limits.h"
#include "lib/parse.h"

#define STAT_BYTES 4096
#define STAT_STATE_FIELD 3 /* the first one behind the name */
#define STAT_START_FIELD 22

static int proc_open(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	if (pid <= 0) {
		return -ESRCH;
	}
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? -ESRCH : -errno;
	}
	return fd;
}

/* Reads up to SIZE bytes; files in /proc may come in pieces. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		if (n == 0) {
			break;
		}
		len += n;
	}
	return len;
}

/* A process may put blanks and parentheses into its own name (field 2), so fields are counted from
 * behind the last parenthesis. */
int procinfo_parse_stat(const char *text, char *ret_state, uint64_t *ret_start_ticks)
{
	const char *p = strrchr(text, ')');
	char number[24];
	uint64_t start;
	size_t len;
	char state;

	if (!p || p[1] != ' ' || !p[2] || p[3] != ' ') {
		return -EBADMSG;
	}
	state = p[2];
	p += 2;
	for (int field = STAT_STATE_FIELD; field < STAT_START_FIELD; field++) {
		p = strchr(p, ' ');
		if (!p) {
			return -EBADMSG;
		}
		p++;
	}
	len = strcspn(p, " \n");
	if (len >= sizeof(number)) {
		return -EBADMSG;
	}
	memcpy(number, p, len);
	number[len] = '\0';
	if (parse_u64(number, UINT64_MAX, &start) < 0) {
		return -EBADMSG;
	}
	*ret_state = state;
	*ret_start_ticks = start;
	return 0;
}

static int read_start(pid_t pid, uint64_t *ret)
{
	_cleanup_close_ int fd = proc_open(pid, "stat");
	char text[STAT_BYTES], state;
	uint64_t start;
	ssize_t len;
	int r;

	if (fd < 0) {
		return fd;
	}
	len = read_all(fd, text, sizeof(text) - 1);
	if (len < 0) {
		return len;
	}
	text[len] = '\0';
	r = procinfo_parse_stat(text, &state, &start);
	if (r < 0) {
		return r;
	}
	if (state == 'Z' || state == 'X' || state == 'x') {
		return -ESRCH;
	}
	*ret = start;
	return 0;
}

static int read_exe(pid_t pid, struct proc_id *id)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (stat(path, &st) < 0) {
		return errno == ENOENT ? -ESRCH
				       : -errno; /* ENOENT: a kernel thread, or just died */
	}
	id->exe_dev = st.st_dev;
	id->exe_ino = st.st_ino;
	return 0;
}

/* The whole of /proc/PID/cmdline in *RET (malloc'd), at most LIMIT_ARGV_BYTES. */
static int read_cmdline(pid_t pid, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = proc_open(pid, "cmdline");
	_cleanup_free_ char *text = NULL;
	size_t size = 4096, len = 0;

	if (fd < 0) {
		return fd;
	}
	for (;;) {
		char *bigger = realloc(text, size);
		ssize_t n;

		if (!bigger) {
			return -ENOMEM;
		}
		text = bigger;
		n = read_all(fd, text + len, size - len);
		if (n < 0) {
			return n;
		}
		len += n;
		if (len < size) {
			break;
		}
		if (size > LIMIT_ARGV_BYTES) {
			return -E2BIG;
		}
		size *= 2;
	}
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return len > LIMIT_ARGV_BYTES ? -E2BIG : 0;
}

int procinfo_read(pid_t pid, struct proc_id *ret)
{
	struct proc_id id = {.pid = pid};
	_cleanup_free_ char *cmdline = NULL;
	size_t len;
	int r = read_start(pid, &id.start_ticks);

	if (r < 0) {
		return r;
	}
	r = read_exe(pid, &id);
	if (r < 0) {
		return r;
	}
	r = read_cmdline(pid, &cmdline, &len);
	if (r < 0) {
		return r;
	}
	id.argv_hash = hash_fnv(HASH_FNV_START, cmdline, len);
	*ret = id;
	return 0;
}

int procinfo_cmdline(pid_t pid, struct strv *ret)
{
	_cleanup_free_ char *cmdline = NULL;
	struct strv args = {0};
	size_t len;
	int r = read_cmdline(pid, &cmdline, &len);

	if (r < 0) {
		return r;
	}
	/* A process may have overwritten its arguments, the last NUL with them: strnlen(). */
	for (size_t at = 0; at < len;) {
		size_t n = strnlen(cmdline + at, len - at);

		strv_addf(&args, "%.*s", (int)n, cmdline + at);
		at += n + 1;
	}
	r = strv_status(&args);
	if (r < 0) {
		strv_fini(&args);
		return r;
	}
	*ret = args;
	return 0;
}

int procinfo_link(pid_t pid, const char *name, char *ret, size_t size)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	len = readlink(path, ret, size - 1);
	if (len < 0) {
		return errno == ENOENT ? -ESRCH : -errno;
	}
	ret[len] = '\0';
	return 0;
}

int64_t procinfo_age_ms(const struct proc_id *id)
{
	struct timespec now;
	int64_t age;

	clock_gettime(CLOCK_BOOTTIME, &now);
	age = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 -
	      (int64_t)(id->start_ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
	return age > 0 ? age : 0;
}

static bool fits(const struct proc_id *a, const struct proc_id *b)
{
	return a->start_ticks == b->start_ticks && a->exe_dev == b->exe_dev &&
	       a->exe_ino == b->exe_ino && a->argv_hash == b->argv_hash;
}

int procinfo_open(const struct proc_id *id, int *ret_pidfd)
{
	_cleanup_close_ int fd = -1;
	struct proc_id now;
	int r;

	if (id->pid <= 0) {
		return -ESRCH;
	}
	fd = pidfd_open(id->pid, 0);
	if (fd < 0) {
		/* EINVAL: the number now belongs to a thread */
		return errno == EINVAL ? -ESRCH : -errno;
	}
	r = procinfo_read(id->pid, &now);
	if (r < 0) {
		return r == -E2BIG ? -ESTALE : r;
	}
	if (!fits(id, &now)) {
		return -ESTALE;
	}
	*ret_pidfd = TAKE_FD(fd);
	return 0;
}

int procinfo_boot_id(char ret[37])
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[37];
	uint8_t uuid[16];
	ssize_t len;

	if (fd < 0) {
		return -errno;
	}
	len = read_all(fd, text, sizeof(text));
	if (len < 0) {
		return len;
	}
	if (len < UUID_TEXT_LEN) {
		return -EBADMSG;
	}
	text[UUID_TEXT_LEN] = '\0';
	if (parse_uuid(text, uuid) < 0) {
		return -EBADMSG;
	}
	memcpy(ret, text, sizeof(text));
	return 0;
}

/* The kernel says it of a pty's master alone. */
#define TTY_INDEX "\ntty-index:\t"

static bool read_tty_index(int dir_fd, const char *fd_name, unsigned *ret)
{
	_cleanup_close_ int fd = openat(dir_fd, fd_name, O_RDONLY | O_CLOEXEC);
	char text[512], *number;
	uint32_t index;
	ssize_t len;

	len = fd < 0 ? -1 : read_all(fd, text, sizeof(text) - 1);
	if (len < 0) {
		return false;
	}
	text[len] = '\0';
	number = strstr(text, TTY_INDEX);
	if (!number) {
		return false;
	}
	number += strlen(TTY_INDEX);
	number[strcspn(number, "\n")] = '\0';
	if (parse_u32(number, INT32_MAX, &index) < 0) {
		return false;
	}
	*ret = index;
	return true;
}

int procinfo_ptys(pid_t pid, unsigned *ret, size_t max)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int fd = proc_open(pid, "fdinfo");
	struct dirent *entry;
	size_t len = 0;

	if (fd < 0) {
		return fd;
	}
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	for (int i = 0; i < LIMIT_PROC_FDS && len < max && (entry = readdir(dir)); i++) {
		if (entry->d_name[0] != '.' &&
			read_tty_index(dirfd(dir), entry->d_name, &ret[len])) {
			len++;
		}
	}
	return len;
}
