/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sockets at which libxl and libxenstat look for QEMU (contract section 6). They have two
 * owners, one after the other:
 *
 * While the daemon runs it listens there, and QEMU at dm/G/libxl and dm/G/libxenstat, where nobody
 * connects: their paths are changed on the command line, and where libxl has bound the socket
 * itself and QEMU inherits it (dm_restrict), the daemon keeps that one and QEMU inherits another.
 * A daemon that is stopped renames QEMU's sockets to libxl's paths, which puts them in place of its
 * own at once; who connects then speaks to QEMU. The next daemon renames them back.
 *
 * After a daemon that was killed its socket files refuse connections, so libxl fails at once, until
 * the next daemon puts its own there; QEMU's are still in dm/G, which tells the two cases apart.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/optread.h"

static const struct kind {
	const char *chardev, *libxls, *qemus; /* names of chardev and files */
	enum qmp_class class;
} kinds[DOMAIN_LIBXL_SOCKETS] = {
	{"libxl-cmd", "qmp-libxl", "libxl", QMP_CLASS_LIBXL},
	{"libxenstat-cmd", "qmp-libxenstat", "libxenstat", QMP_CLASS_STATS},
};

static void libxls_path(const struct domain *d, const struct kind *k, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/%s-%u", d->s->paths->xen_run_dir, k->libxls, d->dom.domid);
}

static void qemus_path(const struct domain *d, const struct kind *k, char ret[PATH_MAX])
{
	domain_run_dir(d, k->qemus, ret, PATH_MAX);
}

static void directory_of(const char *path, char ret[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	snprintf(ret, PATH_MAX, "%.*s/.", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

/* /run/xen and /var/run/xen are one. */
static bool is_same_place(const char *a, const char *b)
{
	const char *name_a = strrchr(a, '/'), *name_b = strrchr(b, '/');
	char directory[PATH_MAX];
	struct stat st_a, st_b;

	if (!strcmp(a, b)) {
		return true;
	}
	if (!name_a || !name_b || strcmp(name_a, name_b)) {
		return false;
	}
	directory_of(a, directory);
	if (stat(directory, &st_a) < 0) {
		return false;
	}
	directory_of(b, directory);
	return stat(directory, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
	       st_a.st_ino == st_b.st_ino;
}

static bool is_listening_at(int fd, const char *path)
{
	struct sockaddr_un address = {0};
	socklen_t len = sizeof(address) - 1, size = sizeof(int);
	int listening = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening &&
	       getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
	       address.sun_family == AF_UNIX && is_same_place(address.sun_path, path);
}

/* The received descriptor that QEMU would know as NUMBER; -1: there is none. */
static int handed_over(const struct domain *d, int number)
{
	const struct handoff *h = d->handoff;

	for (unsigned i = 0; h && i < h->fds_len; i++) {
		if (h->request.fds[i] == number) {
			return h->fds[i];
		}
	}
	return -1;
}

/* QEMU gets another path, and we listen at libxl's. */
static int take_path(struct domain *d, const struct kind *k, const char *path, struct err *err)
{
	char libxls[PATH_MAX], qemus[PATH_MAX];
	int r;

	libxls_path(d, k, libxls);
	qemus_path(d, k, qemus);
	if (strcmp(path, qemus) && !is_same_place(path, libxls)) {
		return err_set(err, -EINVAL, "\"%.200s\" is not libxl's path", path);
	}
	r = domain_qmp_serve(d, k->class, libxls, err);
	if (r == 0 && strcmp(path, qemus)) { /* else it runs once more */
		r = optread_set_socket_path(&d->r.argv, k->chardev, qemus);
	}
	return r < 0 && r == -ENOMEM ? err_set(err, r, "out of memory") : r;
}

/* We keep what libxl bound, and QEMU inherits another one under its number. */
static int take_fd(struct domain *d, const struct kind *k, int number, struct err *err)
{
	char libxls[PATH_MAX], qemus[PATH_MAX];
	int theirs = handed_over(d, number), ours, other, r;

	libxls_path(d, k, libxls);
	qemus_path(d, k, qemus);
	if (theirs < 0 || !is_listening_at(theirs, libxls)) {
		return err_set(
			err, -EINVAL, "descriptor %d does not listen at libxl's path", number);
	}
	r = monitor_listen(qemus, &other, err);
	if (r < 0) {
		return r;
	}
	ours = fcntl(theirs, F_DUPFD_CLOEXEC, 3);
	r = ours < 0 ? err_set_errno(err, -errno, "descriptor %d", number)
		     : domain_qmp_serve_fd(d, k->class, libxls, ours, err);
	if (r < 0) {
		close(other);
		return r;
	}
	d->libxl_fds[k - kinds] = (struct domain_libxl_fd){.fd = other, .number = number};
	return 0;
}

static bool has_libxls_command_line(const struct domain *d)
{
	return d->handoff || d->repeat || d->backends ||
	       (d->def && d->def->source == DEFINITION_LIBXL);
}

/* A socket that can't be taken over is QEMU's alone, as without us: no reason not to start. */
void domain_libxl_take(struct domain *d)
{
	if (!has_libxls_command_line(d)) {
		return;
	}
	mkdir(d->s->paths->xen_run_dir, 0755); /* where no libxl has run since the boot */
	for (size_t i = 0; i < DOMAIN_LIBXL_SOCKETS; i++) {
		_cleanup_(optread_socket_fini) struct optread_socket socket;
		struct err err = {0};
		int r = optread_socket(&d->r.argv, kinds[i].chardev, &socket);

		if (r == 0) {
			r = socket.path ? take_path(d, &kinds[i], socket.path, &err)
					: take_fd(d, &kinds[i], socket.fd, &err);
		}
		if (r < 0 && r != -ENOENT) {
			domain_log(d, LOG_LVL_WARNING, "%s stays with the device model: %s",
				kinds[i].chardev, *err.text ? err.text : strerror(-r));
		}
	}
}

int domain_libxl_fd(const struct domain *d, int number)
{
	for (size_t i = 0; i < DOMAIN_LIBXL_SOCKETS; i++) {
		if (d->libxl_fds[i].fd >= 0 && d->libxl_fds[i].number == number) {
			return d->libxl_fds[i].fd;
		}
	}
	return -1;
}

void domain_libxl_close_fds(struct domain *d)
{
	for (size_t i = 0; i < DOMAIN_LIBXL_SOCKETS; i++) {
		close_p(&d->libxl_fds[i].fd);
	}
}

/* Of what was started before: is this socket one that we take turns with? A daemon that knew
 * nothing of this left QEMU's at libxl's path, where one that was stopped leaves them as well. */
static bool is_shared(const struct domain *d, const struct kind *k)
{
	_cleanup_(optread_socket_fini) struct optread_socket socket;
	char path[PATH_MAX];

	if (optread_socket(&d->r.argv, k->chardev, &socket) < 0) {
		return false;
	}
	qemus_path(d, k, path);
	if (socket.path && !strcmp(socket.path, path)) {
		return true;
	}
	libxls_path(d, k, path);
	return domain_handoff_is_source(d) && (!socket.path || is_same_place(socket.path, path));
}

static bool is_socket(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

void domain_libxl_resume(struct domain *d)
{
	char libxls[PATH_MAX], qemus[PATH_MAX];
	struct err err = {0};

	for (size_t i = 0; i < DOMAIN_LIBXL_SOCKETS; i++) {
		if (!is_shared(d, &kinds[i])) {
			continue;
		}
		libxls_path(d, &kinds[i], libxls);
		qemus_path(d, &kinds[i], qemus);
		if (!is_socket(qemus) && is_socket(libxls) && rename(libxls, qemus) < 0) {
			domain_log(d, LOG_LVL_WARNING, "\"%s\" stays with the device model: %m",
				libxls);
		} else if (domain_qmp_serve(d, kinds[i].class, libxls, &err) < 0) {
			domain_log(d, LOG_LVL_WARNING, "no QMP socket for libxl: %s", err.text);
		}
	}
}

void domain_libxl_hand_back(struct domain *d)
{
	char libxls[PATH_MAX], qemus[PATH_MAX];

	for (size_t i = 0; i < DOMAIN_LIBXL_SOCKETS; i++) {
		if (!d->qmp[kinds[i].class] || !is_shared(d, &kinds[i])) {
			continue;
		}
		/* What libxl bound and hands over again to the next daemon stays, too. */
		qmp_server_leave_file(d->qmp[kinds[i].class]);
		if (!d->process || process_has_ended(d->process) || d->is_helper) {
			continue;
		}
		libxls_path(d, &kinds[i], libxls);
		qemus_path(d, &kinds[i], qemus);
		if (rename(qemus, libxls) < 0 && errno != ENOENT) {
			domain_log(
				d, LOG_LVL_WARNING, "rename \"%s\" to \"%s\": %m", qemus, libxls);
		}
	}
}

/* libxl removes them itself only while image/device-model-pid says that there is a device model. */
void domain_libxl_remove(struct domain *d)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < DOMAIN_LIBXL_SOCKETS; i++) {
		if (domain_handoff_is_source(d) || is_shared(d, &kinds[i])) {
			libxls_path(d, &kinds[i], path);
			unlink(path);
		}
	}
}
