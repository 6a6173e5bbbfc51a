/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fake/fakexs.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fake/fakehv.h"

/*
 * fakexs [--hv FILE] SOCKET: a xenstored for machines without Xen. It speaks the wire protocol of
 * xen/io/xs_wire.h, so that the real libxenstore is used against it: export XENSTORED_PATH=SOCKET.
 * Says "ready" on stdout when it listens. Every client counts as domain 0; permissions are kept,
 * not enforced. SIGUSR1 fires @releaseDomain, as VIRQ_DOM_EXC does (fakehv sends it).
 *
 * Faults and figures are nodes below /fakexs, outside of transactions:
 *   write eagain N      the next N commits end with EAGAIN (-1: all)
 *   write error "E N"   the next N changes (write, mkdir, rm, set-perms) end with the word E
 *   write stall 1       no transaction begins until stall is 0 again
 *   write drop 1        all connections are closed, without an answer
 *   write oversize P    reading P sends more than the protocol allows
 *   read transactions, connections, watches, requests, commits
 */
static void take_requests(struct server *s, struct conn *c)
{
	struct request r = {.s = s, .c = c};
	size_t whole;

	while (c->in_len >= sizeof(r.hdr) && !c->dead) {
		memcpy(&r.hdr, c->in, sizeof(r.hdr));
		if (r.hdr.len > XENSTORE_PAYLOAD_MAX) {
			c->dead = true;
			return;
		}
		if (s->stalled && r.hdr.type == XS_TRANSACTION_START) {
			return;
		}
		whole = sizeof(r.hdr) + r.hdr.len;
		if (c->in_len < whole) {
			return;
		}
		memcpy(r.payload, c->in + sizeof(r.hdr), r.hdr.len);
		r.payload[r.hdr.len] = 0;
		memmove(c->in, c->in + whole, c->in_len - whole);
		c->in_len -= whole;
		fakexs_handle(&r);
	}
}

static void on_conn(struct server *s, struct conn *c, uint32_t events)
{
	ssize_t n = 1;

	if (events & (EPOLLIN | EPOLLHUP)) {
		n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);
		if (n > 0) {
			c->in_len += n;
			take_requests(s, c);
		}
	}
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		c->dead = true;
	}
	fakexs_flush(s, c);
}

static void on_listener(struct server *s)
{
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	struct epoll_event ev = {.events = EPOLLIN};
	struct conn *c;

	if (fd < 0) {
		return;
	}
	c = fakexs_must(calloc(1, sizeof(*c)));
	c->fd = fd;
	LIST_INSERT_HEAD(&s->conns, c, entry);
	ev.data.ptr = c;
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev);
}

/* False when it is time to end. */
static bool on_signal(struct server *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info)) {
		return true;
	}
	if (info.ssi_signo == SIGUSR1) {
		fakexs_fire(s, "@releaseDomain", true);
		return true;
	}
	return false;
}

static void take_stalled(struct server *s)
{
	struct conn *c;

	s->resumed = false;
	LIST_FOREACH (c, &s->conns, entry) {
		take_requests(s, c);
		fakexs_flush(s, c);
	}
}

static void bury_dead(struct server *s)
{
	struct conn *c = LIST_FIRST(&s->conns), *next;

	for (; c; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->dead) {
			fakexs_conn_free(c);
		}
	}
}

static void run(struct server *s)
{
	struct epoll_event ev;

	for (;;) {
		if (epoll_wait(s->epoll, &ev, 1, -1) != 1) {
			continue;
		}
		if (ev.data.ptr == &s->listener) {
			on_listener(s);
		} else if (ev.data.ptr == &s->signals) {
			if (!on_signal(s)) {
				return;
			}
		} else {
			on_conn(s, ev.data.ptr, ev.events);
		}
		if (s->resumed) {
			take_stalled(s);
		}
		bury_dead(s);
	}
}

static void populate(struct server *s)
{
	static const char *const dirs[] = {"/local/domain/0", "/vm", "/tool", "/libxl"};
	struct txn *t = txn_new(s->store);

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		txn_mkdir(t, dirs[i]);
	}
	txn_write(t, "/local/domain/0/domid", "0", 1);
	txn_write(t, "/local/domain/0/name", "Domain-0", 8);
	txn_commit(t, fakexs_fire, s);
	txn_free(t);
	s->introduced[0] = true;
}

static void listen_at(struct server *s, const char *path)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &s->listener};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	sigset_t set;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		fprintf(stderr, "fakexs: %s: too long\n", path);
		exit(1);
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	unlink(path);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(s->listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		listen(s->listener, 64) < 0) {
		fprintf(stderr, "fakexs: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &ev);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC);
	ev.data.ptr = &s->signals;
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->signals, &ev);
}

static void tell_hypervisor(const char *path)
{
	struct fakehv *hv = path ? fakehv_map(path) : NULL;

	if (hv) {
		fakehv_lock(hv);
		hv->xenstored_pid = getpid();
		fakehv_unlock(hv);
		fakehv_unmap(hv);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"hv", required_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct server *s = fakexs_must(calloc(1, sizeof(*s)));
	const char *hv = getenv(FAKEHV_ENV);
	int c;

	while ((c = getopt_long(argc, argv, "h:", options, NULL)) != -1) {
		if (c != 'h') {
			return 2;
		}
		hv = optarg;
	}
	if (argc - optind != 1) {
		fprintf(stderr, "usage: fakexs [--hv FILE] SOCKET\n");
		return 2;
	}
	s->store = store_new();
	populate(s);
	listen_at(s, argv[optind]);
	tell_hypervisor(hv);
	puts("ready");
	fflush(stdout);
	run(s);
	unlink(argv[optind]);
	while (LIST_FIRST(&s->conns)) {
		fakexs_conn_free(LIST_FIRST(&s->conns));
	}
	store_free(s->store);
	free(s);
	return 0;
}
