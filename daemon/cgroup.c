/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/* The cgroup side of scope.h: files of the unified hierarchy (cgroups(7), the kernel's
 * cgroup-v2.rst). No connection needed, so it works while systemd does not answer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/scope.h"
#include "lib/cleanup.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"
#define CGROUP_MOUNT_HYBRID "/sys/fs/cgroup/unified" /* version 1 beside it */
#define CGROUP_FILE_BYTES 4096

void scope_unit_name(uint32_t domid, char ret[SCOPE_UNIT_NAME_MAX])
{
	snprintf(ret, SCOPE_UNIT_NAME_MAX, "xendmd-dm-%u.scope", domid);
}

/* Files there are short and come whole. */
static int read_file(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0) {
		return -errno;
	}
	len = read(fd, buf, size - 1);
	if (len < 0) {
		return -errno;
	}
	buf[len] = '\0';
	return 0;
}

/* The unified hierarchy's line reads "0::PATH". */
static const char *unified_line(const char *text)
{
	while (text) {
		if (!strncmp(text, "0::/", 4)) {
			return text + 3;
		}
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return NULL;
}

int scope_parse_cgroup(uint32_t domid, const char *text, char *ret, unsigned ret_size)
{
	const char *path = unified_line(text), *last = NULL;
	char unit[SCOPE_UNIT_NAME_MAX];
	size_t len;

	if (!path) {
		return -ENOENT;
	}
	len = strcspn(path, "\n");
	for (size_t i = 0; i < len; i++) {
		last = path[i] == '/' ? path + i + 1 : last;
	}
	scope_unit_name(domid, unit);
	if ((size_t)(path + len - last) != strlen(unit) || strncmp(last, unit, strlen(unit))) {
		return -ENOENT;
	}
	if (len >= ret_size) {
		return -ENAMETOOLONG;
	}
	memcpy(ret, path, len);
	ret[len] = '\0';
	return 0;
}

int scope_cgroup_of(uint32_t domid, pid_t pid, char *ret, unsigned ret_size)
{
	char file[64], text[CGROUP_FILE_BYTES], path[CGROUP_FILE_BYTES];
	const char *mount;
	int r;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	r = read_file(file, text, sizeof(text));
	if (r == 0) {
		r = scope_parse_cgroup(domid, text, path, sizeof(path));
	}
	if (r < 0) {
		return r == -ENAMETOOLONG ? r : -ENOENT;
	}
	mount = access(CGROUP_MOUNT "/cgroup.controllers", F_OK) == 0 ? CGROUP_MOUNT
								      : CGROUP_MOUNT_HYBRID;
	r = snprintf(ret, ret_size, "%s%s", mount, path);
	return r < 0 || (unsigned)r >= ret_size ? -ENAMETOOLONG : 0;
}

int scope_kill(const char *cgroup)
{
	char path[CGROUP_FILE_BYTES];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/cgroup.kill", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		/* the directory without the file: a kernel before 5.14 */
		return errno == ENOENT && access(cgroup, F_OK) == 0 ? -EOPNOTSUPP : -errno;
	}
	if (write(fd, "1", 1) < 0) {
		return errno == ENODEV ? -ENOENT : -errno; /* ENODEV: removed meanwhile */
	}
	return 0;
}

bool scope_is_empty(const char *cgroup)
{
	char path[CGROUP_FILE_BYTES], text[CGROUP_FILE_BYTES];
	int r;

	snprintf(path, sizeof(path), "%s/cgroup.events", cgroup);
	r = read_file(path, text, sizeof(text));
	if (r == -ENOENT || r == -ENODEV) {
		return true;
	}
	return r == 0 && strstr(text, "populated 0") != NULL;
}
