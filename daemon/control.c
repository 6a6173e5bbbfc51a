/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "daemon/control_private.h"

/* Best effort: the socket's buffer is empty, so the message fits. */
static void refuse_client(struct control *control, int fd)
{
	struct json_object *error = varlink_error_text(
		VARLINK_INTERFACE ".LimitReached", "message", "too many clients");
	size_t len;
	const char *text = error ? varlink_encode(error, &len) : NULL;

	if (text && send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		log_debug("control socket: a refused client did not hear why");
	}
	json_object_put(error);
	if (!control->told_full) { /* once, not for each try */
		log_warning("control socket: refusing clients, there are %u", control->clients_len);
	}
	control->told_full = true;
}

/* Readers that take all the places must not keep root from acting. */
static bool is_full(const struct control *control, int fd)
{
	unsigned kept = control->clients_max / LIMIT_CONTROL_ROOT_SHARE;

	return control->clients_len >= control->clients_max ||
	       (control->clients_len >= control->clients_max - kept && control->peer_uid(fd) != 0);
}

static void on_new_client(void *arg, int fd)
{
	struct control *control = arg;

	if (is_full(control, fd)) {
		refuse_client(control, fd);
		close(fd);
		return;
	}
	control->told_full = false;
	if (client_new(control, fd) < 0) {
		log_warning("control socket: no memory for a client");
	}
}

static uid_t socket_peer_uid(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		return (uid_t)-1;
	}
	return cred.uid;
}

/* A socket file that nobody listens on is left over from a daemon that was killed. */
static int remove_stale(const char *path, const struct sockaddr_un *addr, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (lstat(path, &st) < 0) {
		return errno == ENOENT ? 0 : err_set_errno(err, -errno, "\"%s\"", path);
	}
	if (!S_ISSOCK(st.st_mode)) {
		return err_set(err, -EEXIST, "\"%s\" is there and is not a socket", path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return err_set_errno(err, -errno, "socket");
	}
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN) {
		return err_set(err, -EADDRINUSE, "another daemon serves \"%s\"", path);
	}
	if (errno != ECONNREFUSED) {
		return err_set_errno(err, -errno, "\"%s\"", path);
	}
	if (unlink(path) < 0) {
		return err_set_errno(err, -errno, "removing \"%s\"", path);
	}
	return 0;
}

static void give_to_group(const char *path)
{
	struct group *group = getgrnam("xendmd");

	if (!group) {
		log_info("no group \"xendmd\": only root can use \"%s\"", path);
	} else if (chown(path, -1, group->gr_gid) < 0) {
		log_warning("\"%s\": can't give it to group xendmd: %s", path, strerror(errno));
	}
}

static int listen_at(const char *path, int *ret, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	int r;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		return err_set(err, -ENAMETOOLONG, "\"%s\" is too long for a socket", path);
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	r = remove_stale(path, &addr, err);
	if (r < 0) {
		return r;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The mode given before bind() is the file's from its first moment (unix(7) on Linux);
	 * what the umask takes away comes back with the chmod(). */
	if (fd < 0 || fchmod(fd, 0660) < 0 ||
		bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		chmod(path, 0660) < 0) {
		return err_set_errno(err, -errno, "binding \"%s\"", path);
	}
	give_to_group(path);
	if (listen(fd, SOMAXCONN) < 0) {
		return err_set_errno(err, -errno, "listening on \"%s\"", path);
	}
	*ret = TAKE_FD(fd);
	return 0;
}

static int check_inherited(int fd, struct err *err)
{
	int listening = 0, domain = 0;
	socklen_t len = sizeof(listening);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening ||
		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_UNIX) {
		return err_set(err, -EINVAL, "descriptor %d is not a listening unix socket", fd);
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		return err_set_errno(err, -errno, "descriptor %d", fd);
	}
	return 0;
}

static int open_listener(struct control *control, const char *path, struct err *err)
{
	int r;

	if (control->listen_fd >= 0) {
		return check_inherited(control->listen_fd, err);
	}
	r = listen_at(path, &control->listen_fd, err);
	if (r < 0) {
		return r;
	}
	control->path = strdup(path);
	return control->path ? 0 : err_set(err, -ENOMEM, "out of memory");
}

void control_configure(struct control *control, const struct config *config)
{
	control->clients_max =
		config->control_clients ? config->control_clients : LIMIT_CONTROL_CLIENTS;
	control->message_max = config->control_message_kib
				       ? (size_t)config->control_message_kib * 1024
				       : LIMIT_CONTROL_MESSAGE_BYTES;
	control->queue_max = config->control_queue_kib ? (size_t)config->control_queue_kib * 1024
						       : LIMIT_CONTROL_QUEUE_BYTES;
	control->idle_ms = config->control_idle_timeout_ms ? config->control_idle_timeout_ms
							   : LIMIT_CONTROL_IDLE_MS;
}

int control_new(struct control **ret, struct loop *loop, struct events *events, int listen_fd,
	const char *path, const struct config *config, const struct control_backend *backend,
	void *ctx, struct err *err)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control) {
		close_p(&listen_fd);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*control = (struct control){.loop = loop,
		.events = events,
		.backend = backend,
		.ctx = ctx,
		.listen_fd = listen_fd,
		.peer_uid = socket_peer_uid};
	TAILQ_INIT(&control->clients);
	control_configure(control, config);
	r = open_listener(control, path, err);
	if (r < 0) {
		control_free(control);
		return r;
	}
	acceptor_start(&control->acceptor, loop, control->listen_fd, "control socket",
		on_new_client, control);
	*ret = control;
	return 0;
}

struct control *control_free(struct control *control)
{
	if (!control) {
		return NULL;
	}
	acceptor_stop(&control->acceptor);
	while (!TAILQ_EMPTY(&control->clients)) {
		client_drop(TAILQ_FIRST(&control->clients));
	}
	if (control->path) {
		unlink(control->path);
	}
	free(control->path);
	close_p(&control->listen_fd);
	free(control);
	return NULL;
}
