/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whom QEMU becomes: libxl's rule (reference/libxl.md 3.1). Users are looked up in the passwd file
 * alone and not by way of NSS, whose servers may be away while the daemon's loop has to go on.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/libxlplan_impl.h"

#define PASSWD "/etc/passwd"
#define RANGE_BASE "xen-qemuuser-range-base"
#define SHARED "xen-qemuuser-shared"
#define PASSWD_LINE_MAX 4096

struct user {
	char name[LIBXLUSER_MAX];
	uid_t uid;
	gid_t gid;
};

static const char *passwd_path(void)
{
	const char *path = secure_getenv("XENDMD_PASSWD");

	return path && *path ? path : PASSWD;
}

/* By NAME, or with NAME NULL by UID. 0, -ENOENT when there is none, or what reading failed with. */
static int find_user(const char *name, uid_t uid, struct user *ret)
{
	_cleanup_fclose_ FILE *f = fopen(passwd_path(), "re");
	char buffer[PASSWD_LINE_MAX];
	struct passwd entry, *found;
	int r;

	if (!f) {
		return -errno;
	}
	while ((r = fgetpwent_r(f, &entry, buffer, sizeof(buffer), &found)) == 0) {
		if (name ? !strcmp(found->pw_name, name) : found->pw_uid == uid) {
			*ret = (struct user){.uid = found->pw_uid, .gid = found->pw_gid};
			snprintf(ret->name, sizeof(ret->name), "%s", found->pw_name);
			return 0;
		}
	}
	return -r;
}

static int failed(int r, const char *what, struct err *err)
{
	return err_set_errno(err, r == -ENOENT ? -EIO : r, "%s: %s", what, passwd_path());
}

/* A name that the configuration gives. */
static int named(const char *name, char ret[LIBXLUSER_MAX], struct err *err)
{
	struct user user;
	int r = find_user(name, 0, &user);

	if (r == -ENOENT || strlen(name) >= LIBXLUSER_MAX) {
		return err_set(err, -EINVAL, "b_info.device_model_user: no user \"%.64s\" in %s",
			name, passwd_path());
	}
	if (r < 0) {
		return failed(r, "b_info.device_model_user", err);
	}
	if (user.uid == 0) {
		return err_set(err, -EINVAL, "b_info.device_model_user: \"%s\" is root", name);
	}
	snprintf(ret, LIBXLUSER_MAX, "%s", name);
	return 0;
}

/* A user id of its own for each domain. */
static int of_range(
	const struct user *base, uint32_t domid, char ret[LIBXLUSER_MAX], struct err *err)
{
	uid_t uid = base->uid + domid;
	struct user other;
	int r = find_user(NULL, uid, &other);

	if (r == 0) {
		return err_set(err, -EINVAL,
			"b_info.dm_restrict: uid %u (" RANGE_BASE " + %u) is taken by user \"%s\"",
			uid, domid, other.name);
	}
	if (r != -ENOENT) {
		return failed(r, "b_info.dm_restrict", err);
	}
	if (uid == 0) {
		return err_set(err, -EINVAL, "b_info.dm_restrict: " RANGE_BASE " leads to uid 0");
	}
	snprintf(ret, LIBXLUSER_MAX, "%u:%u", uid, base->gid);
	return 0;
}

static int restricted(uint32_t domid, char ret[LIBXLUSER_MAX], struct err *err)
{
	struct user user;
	int r = find_user(RANGE_BASE, 0, &user);

	if (r == 0) {
		return of_range(&user, domid, ret, err);
	}
	if (r == -ENOENT) {
		r = find_user(SHARED, 0, &user);
	}
	if (r == -ENOENT) {
		return err_set(err, -EINVAL,
			"b_info.dm_restrict: neither " RANGE_BASE " nor " SHARED " is in %s",
			passwd_path());
	}
	if (r < 0) {
		return failed(r, "b_info.dm_restrict", err);
	}
	if (user.uid == 0) {
		return err_set(err, -EINVAL, "b_info.dm_restrict: " SHARED " is root");
	}
	snprintf(ret, LIBXLUSER_MAX, "%s", SHARED);
	return 0;
}

int libxluser_choose(
	const struct libxlconf *c, uint32_t domid, char ret[LIBXLUSER_MAX], struct err *err)
{
	*ret = '\0';
	if (c->device_model_user) {
		return named(c->device_model_user, ret, err);
	}
	return c->dm_restrict ? restricted(domid, ret, err) : 0;
}
