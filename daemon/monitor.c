/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a device model's one QMP session: connecting, breaking, connecting again. What is
 * said in it is proto/qmpmux's business, how the bytes travel daemon/qmplink's. The peer is QEMU,
 * which a guest may have taken over; what is written to it is bounded by the one command in flight
 * and those that were given up on. QEMU's chardev serves one client at a time and accepts the next
 * when this one leaves.
 */
#include "daemon/monitor.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/loop.h"
#include "daemon/qmplink.h"
#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "proto/qmpmux.h"

#define RECONNECT_TRIES 4 /* until somebody else uses the session */

struct monitor {
	struct loop *loop;
	struct qmp_link *link;
	bool vchan;
	const struct monitor_ops *ops;
	void *ctx;
	struct qmpmux *mux;
	const struct monitor_client_ops *client_ops; /* NULL: it has none */
	struct loop_timer connect, tick, again;
	int64_t tick_due;	  /* while it runs */
	struct loop_timer absent; /* nobody serves it yet */
	unsigned tries;
	int64_t ready_ms;	   /* 0: not now */
	bool keep;		   /* others use it, or it is behind vchan: never given up */
	struct qmpmux_client *own; /* the daemon's command; NULL: none */
	monitor_reply_fn reply;
	void *reply_ctx;
	bool dead; /* on_lost was told or monitor_free() was called: no callback comes any more */
	struct loop_deferred release;
};

static int fill_address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(ret->sun_path, path, strlen(path));
	return 0;
}

int monitor_listen(const char *path, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	int r = fill_address(path, &address);

	if (r < 0) {
		return err_set_errno(err, r, "socket \"%s\"", path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return err_set_errno(err, -errno, "socket");
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		return err_set_errno(err, -errno, "unlink \"%s\"", path);
	}
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0600) < 0 ||
		listen(fd, 4) < 0) {
		return err_set_errno(err, -errno, "listen at \"%s\"", path);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void settle(struct monitor *m);

static void on_connect(void *arg)
{
	struct monitor *m = arg;

	qmp_link_connect(m->link);
	settle(m);
}

static void lose(struct monitor *m, const struct err *err)
{
	if (!m->dead) {
		m->dead = true;
		loop_timer_stop(&m->tick);
		m->ops->on_lost(m->ctx, err);
	}
}

static int64_t back_off_ms(const struct monitor *m)
{
	int64_t ms = LIMIT_QMP_RECONNECT_MS;

	for (unsigned i = 1; i < m->tries && ms < LIMIT_QMP_RECONNECT_MAX_MS; i++) {
		ms *= 2;
	}
	return ms < LIMIT_QMP_RECONNECT_MAX_MS ? ms : LIMIT_QMP_RECONNECT_MAX_MS;
}

/* RULES: it broke them (R3). Whoever waits for an answer may free the monitor when told. */
static void broken(struct monitor *m, const struct err *err, bool rules)
{
	qmp_link_disconnect(m->link);
	loop_timer_stop(&m->absent);
	if (m->ready_ms && loop_monotonic_ms() - m->ready_ms >= LIMIT_QMP_STEADY_MS) {
		m->tries = 0;
	}
	m->ready_ms = 0;
	m->tries++;
	qmpmux_disconnected(m->mux, err, rules && m->keep, loop_monotonic_ms());
	if (m->dead) {
		return;
	}
	if (!m->keep && (rules || m->tries > RECONNECT_TRIES)) {
		lose(m, err);
		return;
	}
	if (rules && m->ops->on_quarantined) {
		m->ops->on_quarantined(m->ctx, err, back_off_ms(m));
	}
	if (!m->dead && loop_timer_start(m->loop, &m->connect, back_off_ms(m), on_connect, m) < 0) {
		lose(m, err);
	}
}

static void on_tick(void *arg);

/* Ends each turn. Each command has a later deadline than the one before it: a tick that comes too
 * early finds nothing to do and is set anew, which is less than setting it for each of them. */
static void settle(struct monitor *m)
{
	int64_t due = m->dead ? INT64_MAX : qmpmux_deadline(m->mux), now;

	if (due == INT64_MAX || (m->tick.event && m->tick_due <= due)) {
		return;
	}
	now = loop_monotonic_ms();
	m->tick_due = due;
	loop_timer_start(m->loop, &m->tick, due > now ? due - now : 0, on_tick, m);
}

static void on_tick(void *arg)
{
	struct monitor *m = arg;
	struct err err;

	/* A QEMU in dom0 may be slow (S5); what is behind vchan is not to make others wait. */
	if (qmpmux_tick(m->mux, loop_monotonic_ms(), &err) < 0 && !m->dead) {
		broken(m, &err, m->vchan);
	}
	settle(m);
}

static void op_send(void *ctx, const char *text, size_t len, void *fd_of, int fd)
{
	struct monitor *m = ctx;

	qmp_link_send(
		m->link, text, len, fd_of && m->client_ops ? m->client_ops->take_fd(fd_of) : fd);
}

static void op_reply(void *ctx, void *client, const char *text, size_t len)
{
	((struct monitor *)ctx)->client_ops->reply(client, text, len);
}

static void op_over(void *ctx, void *client)
{
	((struct monitor *)ctx)->client_ops->over(client);
}

static void op_resume(void *ctx, void *client)
{
	((struct monitor *)ctx)->client_ops->resume(client);
}

static void op_ready(void *ctx)
{
	struct monitor *m = ctx;

	m->ready_ms = loop_monotonic_ms();
	if (!m->dead) {
		m->ops->on_ready(m->ctx);
	}
}

static void op_event(void *ctx, const char *name, struct json_object *data)
{
	struct monitor *m = ctx;

	if (!m->dead && m->ops->on_event) {
		m->ops->on_event(m->ctx, name, data);
	}
}

static void op_unplugged(void *ctx, const char *name, struct json_object *data)
{
	struct monitor *m = ctx;

	if (!m->dead && m->ops->on_unplugged) {
		m->ops->on_unplugged(m->ctx, name, data);
	}
}

static void op_audit(void *ctx, void *client, const struct qmpmux_audit *audit)
{
	struct monitor *m = ctx;

	if (!m->dead && m->ops->on_audit) {
		m->ops->on_audit(m->ctx, client ? m->client_ops->pid(client) : 0, audit);
	}
}

static const struct qmpmux_ops mux_ops = {.send = op_send,
	.reply = op_reply,
	.over = op_over,
	.resume = op_resume,
	.ready = op_ready,
	.event = op_event,
	.unplugged = op_unplugged,
	.audit = op_audit};

static void link_up(void *ctx)
{
	struct monitor *m = ctx;

	loop_timer_stop(&m->absent);
	qmpmux_connected(m->mux, loop_monotonic_ms());
	settle(m);
}

static int link_data(void *ctx, const char *data, size_t len)
{
	struct monitor *m = ctx;
	struct err err;
	int r = qmpmux_feed(m->mux, data, len, loop_monotonic_ms(), &err);

	if (r < 0 && !m->dead) {
		broken(m, &err, true);
	}
	settle(m);
	return r > 0 ? r : 0;
}

static void link_down(void *ctx, const struct err *err, bool rules)
{
	struct monitor *m = ctx;
	struct err why = *err;

	if (why.code == -ECONNRESET && !qmpmux_is_ready(m->mux)) {
		err_set(&why, err->code, "%s before it answered", err->text);
	}
	broken(m, &why, rules);
	settle(m);
}

/* Nobody may ever come. Those who ask are not to wait for it each time. */
static void on_absent_long(void *arg)
{
	struct monitor *m = arg;
	struct err err;

	err_set(&err, -ENOTCONN, "the device model has no QMP");
	qmpmux_refuse(m->mux, &err, loop_monotonic_ms());
	if (m->ops->on_absent && !m->dead) {
		m->ops->on_absent(m->ctx);
	}
	settle(m);
}

static void link_absent(void *ctx)
{
	struct monitor *m = ctx;

	if (!m->absent.event && !qmpmux_is_refused(m->mux)) {
		loop_timer_start(m->loop, &m->absent, LIMIT_QMP_ABSENT_MS, on_absent_long, m);
	}
}

static const struct qmp_link_ops link_ops = {
	.on_up = link_up, .on_data = link_data, .on_down = link_down, .on_absent = link_absent};

static void release(void *arg)
{
	struct monitor *m = arg;

	qmpmux_free(m->mux);
	free(m);
}

static int64_t random_id(void *ctx)
{
	uint64_t n = 0;

	/* Integers that every JSON reader keeps. A kernel without randomness gives 0: then ids just
	 * go on counting. */
	return getrandom(&n, sizeof(n), GRND_NONBLOCK) == sizeof(n) ? (int64_t)(n >> 12) : 0;
}

static struct monitor *allocate(struct loop *loop, enum qmp_peer peer, int64_t timeout_ms,
	const struct monitor_ops *ops, void *ctx)
{
	struct monitor *m = calloc(1, sizeof(*m));
	const struct qmpmux_params params = {.peer = peer,
		.answer_ms = timeout_ms,
		.random_id = random_id,
		.ops = &mux_ops,
		.ctx = m};

	if (!m) {
		return NULL;
	}
	*m = (struct monitor){.loop = loop, .ops = ops, .ctx = ctx};
	if (qmpmux_new(&m->mux, &params) < 0) {
		free(m);
		return NULL;
	}
	return m;
}

/* Connecting from the loop, not from here: no callback comes before we have returned. */
static int begin(struct monitor *m, int r, struct monitor **ret)
{
	if (r == 0) {
		r = loop_timer_start(m->loop, &m->connect, 0, on_connect, m);
	}
	if (r < 0) {
		qmp_link_free(m->link);
		release(m);
		return r;
	}
	*ret = m;
	return 0;
}

int monitor_new(struct monitor **ret, struct loop *loop, const char *path, int64_t timeout_ms,
	const struct monitor_ops *ops, void *ctx)
{
	struct monitor *m = allocate(loop, QMP_PEER_DOM0, timeout_ms, ops, ctx);

	return m ? begin(m, qmp_link_new_unix(&m->link, loop, path, &link_ops, m), ret) : -ENOMEM;
}

int monitor_new_vchan(struct monitor **ret, struct loop *loop, struct store *store, uint32_t domid,
	const char *xs_path, int64_t timeout_ms, const struct monitor_ops *ops, void *ctx)
{
	struct monitor *m = allocate(loop, QMP_PEER_VCHAN, timeout_ms, ops, ctx);

	if (!m) {
		return -ENOMEM;
	}
	m->vchan = m->keep = true;
	return begin(
		m, qmp_link_new_vchan(&m->link, loop, store, domid, xs_path, &link_ops, m), ret);
}

struct monitor *monitor_free(struct monitor *m)
{
	if (m) {
		m->dead = true;
		qmpmux_shut(m->mux);
		m->link = qmp_link_free(m->link);
		loop_timer_stop(&m->connect);
		loop_timer_stop(&m->absent);
		loop_timer_stop(&m->tick);
		loop_timer_stop(&m->again);
		loop_defer(m->loop, &m->release, release, m);
	}
	return NULL;
}

void monitor_keep(struct monitor *m, const struct monitor_client_ops *ops)
{
	m->keep = true;
	m->client_ops = ops;
}

bool monitor_is_quarantined(const struct monitor *m)
{
	return qmpmux_is_refused(m->mux);
}

bool monitor_is_absent(const struct monitor *m)
{
	return qmpmux_health(m->mux) == QMPMUX_ABSENT;
}

void monitor_set_heartbeat(struct monitor *m, int64_t ms)
{
	qmpmux_set_heartbeat(m->mux, ms);
	settle(m);
}

struct qmpmux *monitor_mux(struct monitor *m)
{
	return m->mux;
}

void monitor_settle(struct monitor *m)
{
	settle(m);
}

static void on_again(void *arg)
{
	struct monitor *m = arg;

	if (!m->dead && qmpmux_is_ready(m->mux)) {
		m->ops->on_ready(m->ctx);
	}
}

/* After an answer that did not come the owner begins again, as after a reconnection. */
static void on_own_reply(void *ctx, struct json_object *body, const struct err *err)
{
	struct monitor *m = ctx;
	bool again = err && err->code != -EREMOTEIO && err->code != -EOPNOTSUPP &&
		     qmpmux_is_ready(m->mux);

	m->own = NULL;
	m->tries = err ? m->tries : 0;
	m->reply(m->reply_ctx, body, err);
	if (again && !m->dead) {
		loop_timer_start(m->loop, &m->again, LIMIT_QMP_RECONNECT_MS, on_again, m);
	}
}

int monitor_send(struct monitor *m, const char *command, struct json_object *arguments,
	monitor_reply_fn reply, void *ctx)
{
	const struct qmpmux_call call = {.class = QMP_CLASS_ADMIN,
		.own = true,
		.command = command,
		.arguments = arguments,
		.fn = on_own_reply,
		.ctx = m};
	struct err err;
	int r;

	if (m->dead || !qmpmux_is_ready(m->mux)) {
		return -ENOTCONN;
	}
	if (m->own) {
		return -EBUSY;
	}
	m->reply = reply;
	m->reply_ctx = ctx;
	r = qmpmux_call(m->mux, &call, loop_monotonic_ms(), &m->own, &err);
	settle(m);
	return r;
}

void monitor_forget(struct monitor *m)
{
	m->own = qmpmux_client_free(m->own, loop_monotonic_ms());
	loop_timer_stop(&m->again);
	settle(m);
}
