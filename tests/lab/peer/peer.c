/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lab/peer/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define GREETING                                                                                   \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "         \
	"\"package\": \"peer\"}, \"capabilities\": [\"oob\"]}}\r\n"
#define SCHEMA_ENTRY                                                                               \
	"{\"name\": \"0123456789\", \"meta-type\": \"builtin\", \"json-type\": \"string\"}"
#define LOOK_MS 100	    /* between two looks at data/attack */
#define SCHEMA_ENTRIES 2915 /* 207 kB */

int64_t peer_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void note(const char *what, const char *more)
{
	fprintf(stderr, "peer: %s %s\n", what, more);
}

static void say(struct peer *p, const char *text, size_t len)
{
	if (p->out_at > 0) {
		memmove(p->out, p->out + p->out_at, p->out_len - p->out_at);
		p->out_len -= p->out_at;
		p->out_at = 0;
	}
	if (len <= sizeof(p->out) - p->out_len) {
		memcpy(p->out + p->out_len, text, len);
		p->out_len += len;
	}
}

static void say_text(struct peer *p, const char *text)
{
	say(p, text, strlen(text));
}

static void say_schema(struct peer *p, int64_t id)
{
	char text[64];

	say_text(p, "{\"return\": [" SCHEMA_ENTRY);
	for (int i = 1; i < SCHEMA_ENTRIES; i++) {
		say_text(p, ", " SCHEMA_ENTRY);
	}
	snprintf(text, sizeof(text), "], \"id\": %lld}\r\n", (long long)id);
	say_text(p, text);
}

static void on_command(struct peer *p, const char *line)
{
	const char *id = strstr(line, "\"id\"");
	char text[160];
	int64_t n = id ? strtoll(id + 4 + strspn(id + 4, ": "), NULL, 10) : 0;

	if (p->wanted && strstr(line, EVIL_TRIGGER)) {
		evil_begin(&p->evil, p->wanted, n);
		return;
	}
	if (strstr(line, "query-qmp-schema")) {
		say_schema(p, n);
		return;
	}
	snprintf(text, sizeof(text), "{\"return\": %s, \"id\": %lld}\r\n",
		strstr(line, "query-status") ? "{\"status\": \"running\", \"singlestep\": false, "
					       "\"running\": true}"
		: strstr(line, "query-version") ? "{\"qemu\": {\"micro\": 22, \"minor\": 2, "
						  "\"major\": 7}, \"package\": \"\"}"
						: "{}",
		(long long)n);
	say_text(p, text);
}

static void new_session(struct peer *p)
{
	p->in_len = p->out_at = p->out_len = 0;
	p->evil.attack = NULL;
	say_text(p, GREETING);
}

/* A marker in the middle means that the client began anew (Qubes). */
static void take_input(struct peer *p)
{
	char *start = p->in, *end;

	p->in[p->in_len] = '\0';
	end = strrchr(p->in, '\x01');
	if (end && end > p->in) {
		new_session(p);
		return;
	}
	while ((end = strchr(start, '\n'))) {
		*end = '\0';
		on_command(p, start);
		start = end + 1;
	}
	p->in_len -= start - p->in;
	memmove(p->in, start, p->in_len);
	if (p->in_len == sizeof(p->in) - 1) {
		p->in_len = 0;
	}
}

static void read_input(struct peer *p)
{
	int n = 1;

	/* Bounded: an index that was bent promises 4 GiB. */
	for (int i = 0; i < 64 && n > 0 && !p->deaf; i++) {
		n = libxenvchan_read(p->vchan, p->in + p->in_len, sizeof(p->in) - 1 - p->in_len);
		if (n > 0) {
			p->in_len += n;
			take_input(p);
		}
	}
}

static void write_output(struct peer *p)
{
	int n = 1;

	while (n > 0 && !p->mute) {
		if (p->out_at == p->out_len) {
			p->out_at = 0;
			p->out_len = evil_say(&p->evil, p->out, 4096);
		}
		if (p->out_len == 0) {
			return;
		}
		n = libxenvchan_write(p->vchan, p->out + p->out_at, p->out_len - p->out_at);
		p->out_at += n > 0 ? n : 0;
	}
}

void peer_talk(struct peer *p)
{
	bool open = p->vchan && libxenvchan_is_open(p->vchan) == 1;

	if (open && !p->open) {
		note("client", "came");
		new_session(p);
	} else if (!open && p->open) {
		note("client", "went");
	}
	p->open = open;
	if (open) {
		read_input(p);
		write_output(p);
	} else if (p->vchan) {
		libxenvchan_read(p->vchan, p->in, sizeof(p->in));
	}
}

void peer_stop(struct peer *p)
{
	if (p->vchan) {
		libxenvchan_close(p->vchan);
	}
	p->vchan = NULL;
	p->open = p->deaf = p->mute = false;
}

void peer_serve(struct peer *p, size_t read_min, size_t write_min)
{
	p->vchan = libxenvchan_server_init(NULL, 0, p->path, read_min, write_min);
	if (p->vchan) {
		p->vchan->blocking = 0;
		p->vchan->server_persist = 0;
		fcntl(libxenvchan_fd_for_select(p->vchan), F_SETFL, O_NONBLOCK);
	} else {
		note("no server at", p->path);
	}
}

static bool read_node(struct xs_handle *xs, const char *node, char *ret, size_t size)
{
	unsigned len;
	char *value = xs_read(xs, XBT_NULL, node, &len);

	if (value) {
		snprintf(ret, size, "%s", value);
	}
	free(value);
	return value != NULL;
}

static void on_word(struct peer *p)
{
	char word[sizeof(p->word)] = "";

	if (!read_node(p->xs, p->attack, word, sizeof(word)) || !strcmp(word, p->word)) {
		return;
	}
	if (p->ring && p->ring->end) {
		p->ring->end(p);
	}
	note("does", word);
	snprintf(p->word, sizeof(p->word), "%s", word);
	p->wanted = evil_find(word);
	if (!p->wanted && !evil_is_halfway(&p->evil)) {
		p->evil.attack = NULL;
	}
	p->ring = peer_ring_find(word);
	p->ring_until_ms = peer_now_ms() + (p->ring ? p->ring->ms : 0);
	p->ring_turns = 0;
	if (p->ring && p->ring->begin) {
		p->ring->begin(p);
	}
	xs_write(p->xs, XBT_NULL, p->did, word, strlen(word));
}

static void ring_turn(struct peer *p)
{
	if (p->ring->turn) {
		p->ring->turn(p);
	}
	if (peer_now_ms() >= p->ring_until_ms) {
		const struct peer_ring_attack *done = p->ring;

		p->ring = NULL;
		note("is done with", done->name);
		if (done->end) {
			done->end(p);
		}
	}
}

static bool is_busy(const struct peer *p)
{
	return (p->ring && p->ring->turn) || (p->open && p->evil.attack);
}

/* Ten times a second. Not by a watch: the static libxenstore has no thread that reads, and takes an
 * event that comes in the middle of an exchange for a broken answer. */
static void look_for_word(struct peer *p)
{
	int64_t now = peer_now_ms();

	if (now - p->looked_ms >= LOOK_MS) {
		p->looked_ms = now;
		on_word(p);
	}
}

/* Woken by the client, and looks by itself, as a corrupted ring wakes nobody. */
static void turn(struct peer *p)
{
	struct pollfd fd = {.fd = -1, .events = POLLIN};

	if (p->vchan) {
		fd.fd = libxenvchan_fd_for_select(p->vchan);
	}
	poll(&fd, 1, is_busy(p) ? 1 : LOOK_MS);
	if (fd.revents) {
		libxenvchan_wait(p->vchan);
	}
	look_for_word(p);
	if (p->ring) {
		ring_turn(p);
	}
	if (!p->ring || !p->ring->turn) {
		peer_talk(p);
	}
}

/* --- the domain's first program */

static void load_modules(void)
{
	FILE *f = fopen("/modules/order", "r");
	char name[64], path[96];
	int fd;

	while (f && fscanf(f, "%63s", name) == 1) {
		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0) {
			note(strerror(errno), name);
		}
		close(fd);
	}
	if (f) {
		fclose(f);
	}
}

static void be_init(void)
{
	int fd;

	mkdir("/proc", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/hvc0", O_RDWR | O_NOCTTY);
	for (int i = 0; fd >= 0 && i < 3; i++) {
		dup2(fd, i);
	}
	load_modules();
}

static void find_guest(char *self, char *guest, size_t size)
{
	struct xs_handle *xs;

	while (!(xs = xs_open(0))) {
		usleep(100000);
	}
	while (!read_node(xs, "domid", self, size) || !read_node(xs, "target", guest, size)) {
		usleep(100000);
	}
	xs_close(xs);
}

static const char *ring_link(const struct peer_ring_attack *a)
{
	if (!a->event) {
		return "any";
	}
	return *a->event ? "ends" : "stays";
}

/* In dom0, for the test: name, "qmp" or "ring", what the client gets, "ends" or "stays" or "any"
 * for the connection, milliseconds, a pattern: of the client's error, or for a ring of what is
 * told. */
static int list_attacks(void)
{
	static const char *const client[] = {"fine", "error", "late"};

	for (const struct evil_attack *a = evil_attacks; a->name; a++) {
		printf("%s qmp %s %s 0 %s\n", a->name, client[a->client],
			a->link[1] == EVIL_ENDS ? "ends" : "stays", a->text ? a->text : "");
	}
	for (const struct peer_ring_attack *a = peer_ring_attacks; a->name; a++) {
		printf("%s ring %s %s %lld %s\n", a->name, a->client, ring_link(a),
			(long long)a->ms, a->event ? a->event : "");
	}
	return 0;
}

/* As stub domain SELF, the device model of GUEST. */
__attribute__((noreturn)) static void serve(const char *self, const char *guest)
{
	static struct peer p;
	char state[64];

	snprintf(p.path, sizeof(p.path), "/local/domain/%.8s/device-model/%.8s/qmp-vchan", self,
		guest);
	snprintf(p.attack, sizeof(p.attack), "/local/domain/%.8s/data/attack", self);
	snprintf(p.did, sizeof(p.did), "/local/domain/%.8s/data/did", self);
	snprintf(state, sizeof(state), "/local/domain/%.8s/device-model/%.8s/state", self, guest);
	p.xs = xs_open(0);
	if (!p.xs) {
		note("no", "xenstore");
		_exit(1);
	}
	note("serves at", p.path);
	peer_serve(&p, 0, 0);
	xs_write(p.xs, XBT_NULL, state, "running", 7);
	for (;;) {
		turn(&p);
	}
}

/* The first program of a stub domain; "peer STUB GUEST" over a fake vchan; "peer": the list. */
int main(int argc, char *argv[])
{
	char self[9] = "", guest[9] = "";

	if (getpid() == 1) {
		be_init();
		find_guest(self, guest, sizeof(self));
		serve(self, guest);
	}
	if (argc == 3) {
		serve(argv[1], argv[2]);
	}
	return list_attacks();
}
