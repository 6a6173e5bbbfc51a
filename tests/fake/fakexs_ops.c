/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fake/fakexs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/hash.h"

void *fakexs_must(void *p)
{
	if (!p) {
		abort();
	}
	return p;
}

void fakexs_flush(struct server *s, struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	ssize_t n = 0;

	if (c->out_len && !c->dead) {
		n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	if (n < 0 && errno != EAGAIN) {
		c->dead = true;
		return;
	}
	if (n > 0) {
		memmove(c->out, c->out + n, c->out_len - n);
		c->out_len -= n;
	}
	if (c->out_len) {
		ev.events |= EPOLLOUT;
	}
	epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

static void put(struct conn *c, const void *data, size_t len)
{
	if (c->out_len + len > OUT_MAX) {
		c->dead = true;
		return;
	}
	if (c->out_len + len > c->out_cap) {
		c->out_cap = (c->out_len + len) * 2;
		c->out = fakexs_must(realloc(c->out, c->out_cap));
	}
	if (len) {
		memcpy(c->out + c->out_len, data, len);
	}
	c->out_len += len;
}

static void answer(struct request *r, const void *data, size_t len)
{
	struct xsd_sockmsg hdr = r->hdr;

	hdr.len = len;
	put(r->c, &hdr, sizeof(hdr));
	put(r->c, data, len);
}

static void answer_text(struct request *r, const char *text)
{
	answer(r, text, strlen(text) + 1);
}

static void answer_word(struct request *r, const char *word)
{
	r->hdr.type = XS_ERROR;
	answer_text(r, word);
}

static void answer_error(struct request *r, int error)
{
	const char *word = "EINVAL";

	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++) {
		if (xsd_errors[i].errnum == error) {
			word = xsd_errors[i].errstring;
		}
	}
	answer_word(r, word);
}

static void answer_status(struct request *r, int status)
{
	if (status < 0) {
		answer_error(r, -status);
	} else {
		answer_text(r, "OK");
	}
}

static unsigned bucket(const char *path, size_t len)
{
	return hash_fnv(HASH_FNV_START, path, len) % WATCH_BUCKETS;
}

static void send_event(struct server *s, struct watch *w, const char *path)
{
	struct xsd_sockmsg hdr = {.type = XS_WATCH_EVENT};
	const char *shown = path[0] == '/' ? path + w->relative : path;

	hdr.len = strlen(shown) + 1 + strlen(w->token) + 1;
	put(w->conn, &hdr, sizeof(hdr));
	put(w->conn, shown, strlen(shown) + 1);
	put(w->conn, w->token, strlen(w->token) + 1);
	fakexs_flush(s, w->conn);
}

/* To the watches of the LEN first bytes of PATH. */
static void fire_prefix(struct server *s, const char *path, size_t len)
{
	struct watch *w;

	LIST_FOREACH (w, &s->watches[bucket(path, len)], hash_entry) {
		if (strlen(w->path) == len && !memcmp(w->path, path, len)) {
			send_event(s, w, path);
		}
	}
}

void fakexs_fire(void *ctx, const char *path, bool exact)
{
	struct server *s = ctx;

	fire_prefix(s, path, strlen(path));
	for (size_t len = strlen(path) - 1; !exact && len > 0; len--) {
		if (path[len] == '/') {
			fire_prefix(s, path, len);
		}
	}
	if (!exact && path[0] == '/' && path[1]) {
		fire_prefix(s, "/", 1);
	}
}

static struct transaction *find_transaction(struct conn *c, uint32_t id)
{
	struct transaction *t;

	LIST_FOREACH (t, &c->transactions, entry) {
		if (t->id == id) {
			return t;
		}
	}
	return NULL;
}

static void transaction_free(struct transaction *t)
{
	LIST_REMOVE(t, entry);
	txn_free(t->txn);
	free(t);
}

static void watch_free(struct watch *w)
{
	LIST_REMOVE(w, entry);
	LIST_REMOVE(w, hash_entry);
	free(w->path);
	free(w->token);
	free(w);
}

void fakexs_conn_free(struct conn *c)
{
	struct transaction *t;
	struct watch *w;

	while ((t = LIST_FIRST(&c->transactions))) {
		transaction_free(t);
	}
	while ((w = LIST_FIRST(&c->watches))) {
		watch_free(w);
	}
	LIST_REMOVE(c, entry);
	close(c->fd);
	free(c->out);
	free(c);
}

/* The first string of the payload as an absolute path. 0 or -EINVAL. */
static int get_path(struct request *r)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-/_@";
	const char *p = r->payload;
	size_t len = strlen(p);

	if (!len || len > XENSTORE_ABS_PATH_MAX || p[strspn(p, allowed)] || strstr(p, "//") ||
		(len > 1 && p[len - 1] == '/')) {
		return -EINVAL;
	}
	r->relative = p[0] == '/' || p[0] == '@' ? 0 : strlen("/local/domain/0/");
	snprintf(r->path, sizeof(r->path), "%s%s", r->relative ? "/local/domain/0/" : "", p);
	return 0;
}

static void figures(struct request *r, const char *name)
{
	uint64_t connections = 0, transactions = 0, watches = 0, value;
	struct transaction *t;
	struct watch *w;
	struct conn *c;
	char text[32];

	LIST_FOREACH (c, &r->s->conns, entry) {
		connections++;
		LIST_FOREACH (t, &c->transactions, entry) {
			transactions++;
		}
		LIST_FOREACH (w, &c->watches, entry) {
			watches++;
		}
	}
	value = !strcmp(name, "connections")	? connections
		: !strcmp(name, "transactions") ? transactions
		: !strcmp(name, "watches")	? watches
		: !strcmp(name, "commits")	? r->s->commits
						: r->s->requests;
	answer(r, text, snprintf(text, sizeof(text), "%llu", (unsigned long long)value));
}

static void set_fault(struct request *r, const char *name, const char *value)
{
	struct server *s = r->s;
	struct conn *c;
	char *space;

	if (!strcmp(name, "eagain")) {
		s->eagain = strtol(value, NULL, 10);
	} else if (!strcmp(name, "error")) {
		snprintf(s->error, sizeof(s->error), "%s", value);
		space = strchr(s->error, ' ');
		s->error_left = space ? strtol(space, NULL, 10) : 1;
		if (space) {
			*space = 0;
		}
	} else if (!strcmp(name, "stall")) {
		s->stalled = value[0] != '0';
		s->resumed = !s->stalled;
	} else if (!strcmp(name, "oversize")) {
		snprintf(s->oversize, sizeof(s->oversize), "%s", value);
	} else if (!strcmp(name, "drop")) {
		LIST_FOREACH (c, &s->conns, entry) {
			c->dead = true;
		}
		return;
	}
	answer_text(r, "OK");
}

static void do_list(struct request *r, struct txn *t, bool part)
{
	size_t len, offset = 0, chunk;
	char *names = NULL, out[XENSTORE_PAYLOAD_MAX];
	int status = txn_list(t, r->path, &names, &len);

	if (status < 0) {
		answer_status(r, status);
	} else if (!part && len > XENSTORE_PAYLOAD_MAX) {
		answer_error(r, E2BIG);
	} else if (!part) {
		answer(r, names, len);
	} else {
		/* "generation\0" and names from the offset on; an empty name ends the last part */
		offset = strtoul(r->payload + strlen(r->payload) + 1, NULL, 10);
		names = fakexs_must(realloc(names, len + 1));
		names[len++] = 0;
		offset = offset < len ? offset : len;
		chunk = len - offset < sizeof(out) - 2 ? len - offset : sizeof(out) - 2;
		memcpy(out, "1", 2);
		memcpy(out + 2, names + offset, chunk);
		answer(r, out, chunk + 2);
	}
	free(names);
}

static void do_read(struct request *r, struct txn *t)
{
	static const char big[XENSTORE_PAYLOAD_MAX + 1000];
	const void *value;
	size_t len;
	int status;

	if (r->s->oversize[0] && !strcmp(r->s->oversize, r->path)) {
		answer(r, big, sizeof(big));
		return;
	}
	status = txn_read(t, r->path, &value, &len);
	if (status < 0) {
		answer_status(r, status);
	} else {
		answer(r, value, len);
	}
}

/* Runs one operation on the tree in T. Returns what it answered: 0 or -errno. */
static int change_tree(struct request *r, struct txn *t)
{
	size_t path_len = strlen(r->payload) + 1;
	const char *rest = r->payload + path_len;
	size_t rest_len = r->hdr.len - path_len;

	switch (r->hdr.type) {
	case XS_WRITE:
		return txn_write(t, r->path, rest, rest_len);
	case XS_MKDIR:
		return txn_mkdir(t, r->path);
	case XS_RM:
		return txn_rm(t, r->path);
	default:
		return txn_set_perms(t, r->path, rest, rest_len);
	}
}

static bool is_change(uint32_t type)
{
	return type == XS_WRITE || type == XS_MKDIR || type == XS_RM || type == XS_SET_PERMS;
}

static void answer_tree(struct request *r, struct txn *t, bool commit)
{
	const char *perms;
	size_t len;
	int status;

	switch (r->hdr.type) {
	case XS_DIRECTORY:
	case XS_DIRECTORY_PART:
		do_list(r, t, r->hdr.type == XS_DIRECTORY_PART);
		return;
	case XS_READ:
		do_read(r, t);
		return;
	case XS_GET_PERMS:
		status = txn_get_perms(t, r->path, &perms, &len);
		if (status < 0) {
			answer_status(r, status);
		} else {
			answer(r, perms, len);
		}
		return;
	}
	status = change_tree(r, t);
	answer_status(r, status);
	if (status == 0 && commit) {
		txn_commit(t, fakexs_fire, r->s);
	}
}

static void do_tree(struct request *r)
{
	struct transaction *open = NULL;
	struct txn *one;

	if (memchr(r->payload, 0, r->hdr.len) == NULL || get_path(r) < 0) {
		answer_error(r, EINVAL);
		return;
	}
	if (!strncmp(r->path, "/fakexs/", 8) && r->hdr.type == XS_READ) {
		figures(r, r->path + 8);
		return;
	}
	if (!strncmp(r->path, "/fakexs/", 8) && r->hdr.type == XS_WRITE) {
		set_fault(r, r->path + 8, r->payload + strlen(r->payload) + 1);
		return;
	}
	if (is_change(r->hdr.type) && r->s->error_left) {
		r->s->error_left -= r->s->error_left > 0;
		answer_word(r, r->s->error);
		return;
	}
	if (r->hdr.tx_id) {
		open = find_transaction(r->c, r->hdr.tx_id);
		if (!open) {
			answer_error(r, ENOENT);
			return;
		}
		answer_tree(r, open->txn, false);
		return;
	}
	one = txn_new(r->s->store);
	answer_tree(r, one, true);
	txn_free(one);
}

static void do_transaction_start(struct request *r)
{
	struct transaction *t = fakexs_must(calloc(1, sizeof(*t)));
	char text[16];

	t->id = ++r->s->last_transaction;
	t->txn = txn_new(r->s->store);
	LIST_INSERT_HEAD(&r->c->transactions, t, entry);
	snprintf(text, sizeof(text), "%u", t->id);
	answer_text(r, text);
}

/* The transaction is over whatever the answer is. */
static void do_transaction_end(struct request *r)
{
	struct transaction *t = find_transaction(r->c, r->hdr.tx_id);
	int status = 0;

	if (!t) {
		answer_error(r, ENOENT);
		return;
	}
	if (!strcmp(r->payload, "T")) {
		r->s->commits++;
		if (r->s->eagain) {
			r->s->eagain -= r->s->eagain > 0;
			status = -EAGAIN;
		} else {
			status = txn_commit(t->txn, fakexs_fire, r->s);
		}
	}
	transaction_free(t);
	answer_status(r, status);
}

static struct watch *find_watch(struct conn *c, const char *path, const char *token)
{
	struct watch *w;

	LIST_FOREACH (w, &c->watches, entry) {
		if (!strcmp(w->path, path) && !strcmp(w->token, token)) {
			return w;
		}
	}
	return NULL;
}

static void do_watch(struct request *r)
{
	const char *token = r->payload + strlen(r->payload) + 1;
	struct watch *w;

	if (get_path(r) < 0 || token > r->payload + r->hdr.len) {
		answer_error(r, EINVAL);
		return;
	}
	w = find_watch(r->c, r->path, token);
	if (r->hdr.type == XS_UNWATCH) {
		answer_status(r, w ? 0 : -ENOENT);
		if (w) {
			watch_free(w);
		}
		return;
	}
	if (w) {
		answer_error(r, EEXIST);
		return;
	}
	w = fakexs_must(calloc(1, sizeof(*w)));
	w->conn = r->c;
	w->path = fakexs_must(strdup(r->path));
	w->token = fakexs_must(strdup(token));
	w->relative = r->relative;
	LIST_INSERT_HEAD(&r->c->watches, w, entry);
	LIST_INSERT_HEAD(&r->s->watches[bucket(w->path, strlen(w->path))], w, hash_entry);
	answer_text(r, "OK");
	send_event(r->s, w, w->path);
}

static void do_domain(struct request *r)
{
	unsigned long domid = strtoul(r->payload, NULL, 10);
	char path[64];

	if (domid >= 0x7ff0) {
		answer_error(r, EINVAL);
		return;
	}
	switch (r->hdr.type) {
	case XS_INTRODUCE:
		r->s->introduced[domid] = true;
		answer_text(r, "OK");
		fakexs_fire(r->s, "@introduceDomain", true);
		return;
	case XS_RELEASE:
		r->s->introduced[domid] = false;
		answer_text(r, "OK");
		fakexs_fire(r->s, "@releaseDomain", true);
		return;
	case XS_IS_DOMAIN_INTRODUCED:
		answer_text(r, r->s->introduced[domid] ? "T" : "F");
		return;
	case XS_GET_DOMAIN_PATH:
		snprintf(path, sizeof(path), "/local/domain/%lu", domid);
		answer_text(r, path);
		return;
	default:
		answer_text(r, "OK");
	}
}

void fakexs_handle(struct request *r)
{
	struct watch *w;

	r->s->requests++;
	switch (r->hdr.type) {
	case XS_DIRECTORY:
	case XS_DIRECTORY_PART:
	case XS_READ:
	case XS_GET_PERMS:
	case XS_WRITE:
	case XS_MKDIR:
	case XS_RM:
	case XS_SET_PERMS:
		do_tree(r);
		break;
	case XS_WATCH:
	case XS_UNWATCH:
		do_watch(r);
		break;
	case XS_TRANSACTION_START:
		do_transaction_start(r);
		break;
	case XS_TRANSACTION_END:
		do_transaction_end(r);
		break;
	case XS_INTRODUCE:
	case XS_RELEASE:
	case XS_GET_DOMAIN_PATH:
	case XS_IS_DOMAIN_INTRODUCED:
	case XS_RESUME:
	case XS_SET_TARGET:
		do_domain(r);
		break;
	case XS_RESET_WATCHES:
		while ((w = LIST_FIRST(&r->c->watches))) {
			watch_free(w);
		}
		answer_text(r, "OK");
		break;
	default:
		answer_error(r, ENOSYS);
	}
}
