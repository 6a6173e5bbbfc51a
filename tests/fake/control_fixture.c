/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "tests/fake/control_fixture.h"

int control_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = {0};

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_control.XXXXXX");
	if (!mkdtemp(f->dir)) {
		return -1;
	}
	snprintf(f->path, sizeof(f->path), "%s/control", f->dir);
	snprintf(f->log, sizeof(f->log), "%s/dm.log", f->dir);
	fake_backend_init(&f->fake);
	snprintf(f->fake.log, sizeof(f->fake.log), "%s", f->log);
	if (loop_new(&f->loop) < 0 || events_new(&f->events, f->dir, 64) < 0) {
		return -1;
	}
	*state = f;
	return control_new(&f->control, f->loop, f->events, -1, f->path, &f->fake.config,
		&fake_control_backend, &f->fake, &err);
}

int control_teardown(void **state)
{
	struct fixture *f = *state;
	char path[128];
	int r;

	control_free(f->control);
	if (f->fake.waiting) {
		control_complete(f->fake.waiting, NULL); /* outlives client and control */
	}
	events_free(f->events);
	loop_free(f->loop);
	fake_backend_fini(&f->fake);
	unlink(f->log);
	snprintf(path, sizeof(path), "%s/dm.log.1", f->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/event-seq", f->dir);
	unlink(path);
	r = rmdir(f->dir); /* fails when the socket is left */
	free(f);
	return r;
}

static void on_quit(void *arg)
{
	loop_quit(arg);
}

void spin(struct fixture *f, int ms)
{
	struct loop_timer timer = {0};

	loop_timer_start(f->loop, &timer, ms, on_quit, f->loop);
	loop_run(f->loop);
	loop_timer_stop(&timer);
}

struct peer peer_open(struct fixture *f)
{
	struct peer peer = {.in = {.max = 64 << 20}};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	memcpy(addr.sun_path, f->path, strlen(f->path) + 1);
	peer.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(peer.fd >= 0);
	assert_int_equal(connect(peer.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return peer;
}

void peer_close(struct peer *peer)
{
	close_p(&peer->fd);
	varlink_framer_fini(&peer->in);
}

/* False when the daemon's end is closed. */
bool send_bytes(struct fixture *f, struct peer *peer, const char *data, size_t len)
{
	for (int i = 0; len > 0 && i < DEADLINE_MS; i++) {
		ssize_t n = send(peer->fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN) {
			return false;
		}
		data += n > 0 ? n : 0;
		len -= n > 0 ? n : 0;
		if (n < 0) {
			spin(f, 1);
		}
	}
	assert_int_equal(len, 0);
	return true;
}

void send_call(struct fixture *f, struct peer *peer, const char *text)
{
	assert_true(send_bytes(f, peer, text, strlen(text) + 1));
}

static void on_readable(void *arg, unsigned events)
{
	loop_quit(arg);
}

/* The next message (the caller's), NULL when the daemon hung up. Fails at the deadline. */
struct json_object *receive(struct fixture *f, struct peer *peer)
{
	int64_t deadline = loop_monotonic_ms() + DEADLINE_MS;
	struct loop_timer timer = {0};
	const char *text;
	size_t len;

	while (!varlink_next(&peer->in, &text, &len)) {
		char buf[65536];
		ssize_t n;

		assert_true(loop_monotonic_ms() < deadline);
		loop_timer_start(f->loop, &timer, DEADLINE_MS, on_quit, f->loop);
		loop_io_start(f->loop, &peer->io, peer->fd, LOOP_READ, on_readable, f->loop);
		loop_run(f->loop);
		loop_io_stop(&peer->io);
		loop_timer_stop(&timer);
		n = recv(peer->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			return NULL;
		}
		if (n > 0) {
			assert_int_equal(varlink_feed(&peer->in, buf, n), 0);
		}
	}
	return json_tokener_parse(text);
}

const char *error_of(struct json_object *reply)
{
	struct json_object *error = json_object_object_get(reply, "error");

	return error ? json_object_get_string(error) : "";
}

struct json_object *parameter(struct json_object *reply, const char *name)
{
	return json_object_object_get(json_object_object_get(reply, "parameters"), name);
}

void expect_error(struct fixture *f, struct peer *peer, const char *error)
{
	struct json_object *reply = receive(f, peer);

	assert_non_null(reply);
	assert_string_equal(error_of(reply), error);
	json_object_put(reply);
}

void expect_eof(struct fixture *f, struct peer *peer)
{
	struct json_object *reply = receive(f, peer);

	if (reply) {
		fail_msg("not the end: %.200s", json_object_to_json_string(reply));
	}
}

/* The daemon still serves others. */
void expect_alive(struct fixture *f)
{
	struct peer peer = peer_open(f);

	send_call(f, &peer, CALL("List"));
	expect_error(f, &peer, "");
	peer_close(&peer);
}

void wait_clients(struct fixture *f, unsigned len)
{
	for (int i = 0; f->control->clients_len != len && i < DEADLINE_MS / 5; i++) {
		spin(f, 5);
	}
	assert_int_equal(f->control->clients_len, len);
}

unsigned open_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++) {
		count += fcntl(fd, F_GETFD) >= 0;
	}
	return count;
}

void publish(struct fixture *f, const char *what)
{
	struct json_object *body = json_object_new_object();

	json_object_object_add(body, "event", json_object_new_string(what));
	events_publish(f->events, body);
}

void append(const char *path, const char *text)
{
	FILE *file = fopen(path, "a");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}
