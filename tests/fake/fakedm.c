/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A device model for tests without Xen: takes QEMU's arguments, of which it looks at -xen-domid,
 * -S, -incoming, "-serial pty" (a real one), -vnc HOST:DISPLAY and monitors (-chardev
 * socket,id=ID,… with fd=N or path=PATH, where ID is xendmd-monitor, libxl-cmd or libxenstat-cmd),
 * speaks QMP there and writes `state` = `running` to xenstore as QEMU does. How it misbehaves is
 * told by "-fakedm SPEC", XENDMD_FAKEDM or the file PROGRAM.spec, comma-separated:
 *
 *   exit=N signal=N          end at once, or after=MS after the start
 *   write-state-then-die     exit 1 right after `state` was written
 *   never-ready              no greeting, no state      no-state   no state
 *   slow-ready=MS            greeting and state come later
 *   status=WORD              what query-status answers; "null" is JSON's
 *   close-qmp garbage-qmp huge-qmp-line silent-qmp      on the monitor
 *   flood-stderr=BYTES       lines on stderr before anything else; say=TEXT one line
 *   answers=DIR              DIR/COMMAND is the reply: {"return": …} or {"error": …}; empty: none
 *                            comes; a string: the connection ends. "events": […] beside it are
 *                            told behind it
 *   commands=FILE            each command is noted there, a line of JSON; with a descriptor that
 *                            came for add-fd what that is
 *   migration=FILE           what becomes of a migration (fakedm_migrate.h)
 *   evil=FILE                FILE names the attack of evil.c that EVIL_TRIGGER begins, and that
 *                            ends when FILE names another; "fakedm -evil-list" lists them
 *   ignore-quit ignore-term  leftovers  (a process of its own session stays behind)
 *   show-self                fds, limits, namespaces, directory on stderr, a line each
 *   xenstored=PATH           socket of xenstored (else XENSTORED_PATH)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>
#include <xenstore.h>

#include "tests/fake/evil.h"
#include "tests/fake/fakedm_migrate.h"

#define LINE_MAX_BYTES 65536
#define HUGE_LINE_BYTES (4 * 1024 * 1024)
#define SERIALS_MAX 4
#define MONITORS_MAX 3

/* One client at a time, as QEMU's socket chardev. */
struct monitor {
	int listen_fd, client, passed_fd;
	bool negotiated;
	size_t len;
	char line[LINE_MAX_BYTES];
	struct evil evil;
	char evil_bytes[4096]; /* of which EVIL_AT to EVIL_LEN are still to be sent */
	size_t evil_at, evil_len;
	int64_t evil_seen_ms;
};

static struct {
	char spec[1024];
	const char *domid;
	int exit_code, signo;
	bool paused_start, running;
	int fdset; /* the descriptor in it; 0: none */
	char status[32];
	int64_t start_ms, ready_ms, end_ms; /* -1: never */
	struct monitor monitors[MONITORS_MAX];
	unsigned monitors_len;
	char serials[SERIALS_MAX][64]; /* "pty:/dev/pts/3" */
	unsigned serials_len;
	const char *vnc;
} dm = {.exit_code = -1, .end_ms = -1, .status = "running"};

static struct monitor *at; /* the one that is being served */

static volatile sig_atomic_t got_term;

static void on_term(int signo)
{
	got_term = 1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The value of KEY ("" for a bare word), NULL when it isn't there. In a static buffer. */
static const char *option(const char *key)
{
	static char value[256];
	size_t len = strlen(key);

	for (const char *p = dm.spec; *p; p += strcspn(p, ","), p += *p == ',') {
		size_t n = strcspn(p, ",");

		if (n >= len && !strncmp(p, key, len) && (n == len || p[len] == '=')) {
			snprintf(value, sizeof(value), "%.*s", n > len ? (int)(n - len - 1) : 0,
				p + len + 1);
			return value;
		}
	}
	return NULL;
}

static int64_t number(const char *key, int64_t otherwise)
{
	const char *value = option(key);

	return value ? strtoll(value, NULL, 10) : otherwise;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strnlen(path, sizeof(address.sun_path) - 1));
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, 1) < 0) {
		fprintf(stderr, "fakedm: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	return fd;
}

static void read_chardev(const char *value)
{
	static const char *const ids[] = {
		"id=xendmd-monitor", "id=libxl-cmd", "id=libxenstat-cmd", NULL};
	const char *fd = strstr(value, "fd="), *path = strstr(value, "path=");
	struct monitor *m = &dm.monitors[dm.monitors_len];
	char name[128];
	unsigned i = 0;

	while (ids[i] && !strstr(value, ids[i])) {
		i++;
	}
	if (strncmp(value, "socket,", 7) || !ids[i] || dm.monitors_len == MONITORS_MAX) {
		return;
	}
	*m = (struct monitor){.client = -1, .passed_fd = -1};
	if (path) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(path + 5, ","), path + 5);
	}
	m->listen_fd = path ? listen_at(name) : fd ? (int)strtol(fd + 3, NULL, 10) : -1;
	dm.monitors_len += m->listen_fd >= 0;
}

/* The master stays open: it is what proves that the pty is ours. */
static void add_serial(const char *value)
{
	int fd = -1;

	if (dm.serials_len == SERIALS_MAX) {
		return;
	}
	if (!strcmp(value, "pty")) {
		fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	}
	if (fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0) {
		snprintf(dm.serials[dm.serials_len++], sizeof(dm.serials[0]), "pty:%.50s",
			ptsname(fd));
	} else {
		snprintf(dm.serials[dm.serials_len++], sizeof(dm.serials[0]), "%.60s", value);
	}
}

/* Where the command line is not the test's own. */
static void read_spec_file(const char *program)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s.spec", program);
	file = fopen(path, "re");
	if (file) {
		if (!fgets(dm.spec, sizeof(dm.spec), file)) {
			*dm.spec = '\0';
		}
		dm.spec[strcspn(dm.spec, "\n")] = '\0';
		fclose(file);
	}
}

static void read_arguments(int argc, char *argv[])
{
	const char *env = getenv("XENDMD_FAKEDM");

	read_spec_file(argv[0]);
	if (env) {
		snprintf(dm.spec, sizeof(dm.spec), "%s", env);
	}
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (!strcmp(argv[i], "-S")) {
			dm.paused_start = true;
			snprintf(dm.status, sizeof(dm.status), "prelaunch");
		} else if (!strcmp(argv[i], "-incoming") && !strcmp(value, "defer")) {
			snprintf(dm.status, sizeof(dm.status), "inmigrate");
		} else if (!strcmp(argv[i], "-xen-domid")) {
			dm.domid = value;
		} else if (!strcmp(argv[i], "-chardev")) {
			read_chardev(value);
		} else if (!strcmp(argv[i], "-serial")) {
			add_serial(value);
		} else if (!strcmp(argv[i], "-vnc")) {
			dm.vnc = value;
		} else if (!strcmp(argv[i], "-fakedm")) {
			snprintf(dm.spec, sizeof(dm.spec), "%s", value);
		}
	}
}

static void apply_options(void)
{
	const char *status = option("status");

	if (status) {
		snprintf(dm.status, sizeof(dm.status), "%s", status);
	}
	dm.running = !strcmp(dm.status, "running");
	dm.exit_code = number("exit", -1);
	dm.signo = number("signal", 0);
	if (dm.exit_code >= 0 || dm.signo) {
		dm.end_ms = dm.start_ms + number("after", 0);
	}
	dm.ready_ms = option("never-ready") ? -1 : dm.start_ms + number("slow-ready", 0);
}

static void end_now(void)
{
	if (dm.signo) {
		signal(dm.signo, SIG_DFL);
		raise(dm.signo);
	}
	_exit(dm.exit_code >= 0 ? dm.exit_code : 0);
}

static void flood_stderr(int64_t bytes)
{
	char text[128];

	for (int64_t done = 0, n = 0; done < bytes; n++) {
		int len = snprintf(text, sizeof(text),
			"fakedm: line %010lld of a flood that nobody asked for\n", (long long)n);

		if (write(STDERR_FILENO, text, len) < 0) {
			return;
		}
		done += len;
	}
}

static void leave_a_process(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		if (fork() == 0) {
			signal(SIGTERM, SIG_DFL);
			for (;;) {
				pause();
			}
		}
		_exit(0);
	}
}

static void show_link(const char *name)
{
	char path[64], target[256] = "";

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	if (readlink(path, target, sizeof(target) - 1) < 0) {
		target[0] = '\0';
	}
	fprintf(stderr, "%s %s\n", name, target);
}

static void show_limit(const char *name, int resource)
{
	struct rlimit limit;

	getrlimit(resource, &limit);
	fprintf(stderr, "%s %lld/%lld\n", name, (long long)limit.rlim_cur,
		(long long)limit.rlim_max);
}

static void show_self(void)
{
	char name[32];

	for (int fd = 0; fd < 64; fd++) {
		snprintf(name, sizeof(name), "fd/%d", fd);
		if (fcntl(fd, F_GETFD) >= 0) {
			show_link(name);
		}
	}
	show_link("cwd");
	show_link("ns/mnt");
	show_link("ns/ipc");
	show_limit("core", RLIMIT_CORE);
	show_limit("msgqueue", RLIMIT_MSGQUEUE);
	show_limit("locks", RLIMIT_LOCKS);
	show_limit("memlock", RLIMIT_MEMLOCK);
	show_limit("fsize", RLIMIT_FSIZE);
	fprintf(stderr, "xfsz %s\n", signal(SIGXFSZ, SIG_DFL) == SIG_IGN ? "ignored" : "default");
	fprintf(stderr, "env %s\n", getenv("HANDED") ? getenv("HANDED") : "-");
}

static void write_state(void)
{
	const char *path = option("xenstored");
	struct xs_handle *xs;
	char key[96];

	if (!dm.domid || option("no-state") || dm.paused_start) {
		return;
	}
	if (path) {
		setenv("XENSTORED_PATH", path, 1);
	}
	xs = xs_open(0);
	if (!xs) {
		fprintf(stderr, "fakedm: no xenstore: %s\n", strerror(errno));
		return;
	}
	snprintf(key, sizeof(key), "/local/domain/0/device-model/%s/state", dm.domid);
	if (!xs_write(xs, XBT_NULL, key, "running", 7)) {
		fprintf(stderr, "fakedm: can't write %s: %s\n", key, strerror(errno));
	}
	xs_close(xs);
	if (option("write-state-then-die")) {
		_exit(1);
	}
}

static void drop_client(void)
{
	if (at->client >= 0) {
		close(at->client);
	}
	if (at->passed_fd >= 0) {
		close(at->passed_fd);
	}
	at->client = at->passed_fd = -1;
	at->len = at->evil_at = at->evil_len = 0;
	at->evil.attack = NULL;
	at->negotiated = false;
}

/* The attack that is wanted now; NULL: none. */
static const struct evil_attack *wanted_attack(void)
{
	const char *path = option("evil");
	char name[64] = "";
	FILE *f = path ? fopen(path, "re") : NULL;

	if (f) {
		if (fscanf(f, "%63s", name) != 1) {
			name[0] = '\0';
		}
		fclose(f);
	}
	return evil_find(name);
}

/* True: EVIL_TRIGGER was asked, and its answer is an attack. */
static bool begins_attack(const char *name, struct json_object *request)
{
	const struct evil_attack *attack = strcmp(name, EVIL_TRIGGER) ? NULL : wanted_attack();
	struct json_object *id = NULL;

	if (!attack) {
		return false;
	}
	json_object_object_get_ex(request, "id", &id);
	evil_begin(&at->evil, attack, json_object_get_int64(id));
	at->evil_seen_ms = now_ms();
	return true;
}

/* The socket takes bytes. */
static void go_on_with_attack(void)
{
	ssize_t n;

	if (now_ms() - at->evil_seen_ms > 100) {
		at->evil_seen_ms = now_ms();
		if (wanted_attack() != at->evil.attack && !evil_is_halfway(&at->evil)) {
			at->evil.attack = NULL;
		}
	}
	if (at->evil_at == at->evil_len) {
		at->evil_at = 0;
		at->evil_len = evil_say(&at->evil, at->evil_bytes, sizeof(at->evil_bytes));
	}
	if (at->evil_len == 0) {
		at->evil.attack = NULL;
		return;
	}
	n = send(at->client, at->evil_bytes + at->evil_at, at->evil_len - at->evil_at,
		MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0) {
		at->evil_at += n;
	} else if (errno != EAGAIN && errno != EINTR) {
		drop_client();
	}
}

static short client_events(const struct monitor *m)
{
	if (m->client < 0 || !m->evil.attack) {
		return POLLIN;
	}
	return m->evil_at < m->evil_len ? POLLOUT : POLLIN | POLLOUT;
}

static void send_bytes(const char *data, size_t len)
{
	while (len && at->client >= 0) {
		ssize_t n = send(at->client, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			drop_client();
			return;
		}
		data += n;
		len -= n;
	}
}

static void send_text(const char *text)
{
	send_bytes(text, strlen(text));
	send_bytes("\r\n", 2);
}

/* QEMU writes nothing but ASCII. Knows characters of two bytes. */
static void send_ascii(const char *text)
{
	char escaped[8];

	for (; *text; text++) {
		unsigned char c = text[0], d = text[1];

		if ((c & 0xe0) == 0xc0 && (d & 0xc0) == 0x80) {
			snprintf(escaped, sizeof(escaped), "\\u%04x",
				(c & 0x1fu) << 6 | (d & 0x3fu));
			send_bytes(escaped, strlen(escaped));
			text++;
		} else {
			send_bytes(text, 1);
		}
	}
	send_bytes("\r\n", 2);
}

/* To all who listen, as QEMU. */
static void send_event(const char *name)
{
	struct monitor *served = at;
	char text[256];

	snprintf(text, sizeof(text),
		"{\"timestamp\": {\"seconds\": %lld, \"microseconds\": 0}, \"event\": \"%s\"}",
		(long long)time(NULL), name);
	for (at = dm.monitors; at < dm.monitors + dm.monitors_len; at++) {
		if (at->client >= 0 && at->negotiated) {
			send_text(text);
		}
	}
	at = served;
}

static void send_huge_line(void)
{
	static char block[65536];

	memset(block, 'x', sizeof(block));
	send_bytes("{\"event\": \"", 11);
	for (int i = 0; i < HUGE_LINE_BYTES / (int)sizeof(block); i++) {
		send_bytes(block, sizeof(block));
	}
	send_text("\"}");
}

static void greet(void)
{
	if (option("close-qmp")) {
		drop_client();
	} else if (option("garbage-qmp")) {
		send_text("\001\377 this is { no JSON");
	} else if (option("huge-qmp-line")) {
		send_huge_line();
	} else if (!option("silent-qmp")) {
		send_text("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, "
			  "\"major\": 7}, \"package\": \"fakedm\"}, \"capabilities\": [\"oob\"]}}");
	}
}

static struct json_object *command_not_found(struct json_object *reply, const char *name)
{
	struct json_object *error = json_object_new_object();
	char text[256];

	snprintf(text, sizeof(text), "The command %.128s has not been found", name);
	json_object_object_add(error, "class", json_object_new_string("CommandNotFound"));
	json_object_object_add(error, "desc", json_object_new_string(text));
	json_object_object_add(reply, "error", error);
	return reply;
}

static struct json_object *status_object(void)
{
	struct json_object *status = json_object_new_object();

	json_object_object_add(status, "status",
		strcmp(dm.status, "null") ? json_object_new_string(dm.status) : NULL);
	json_object_object_add(status, "singlestep", json_object_new_boolean(false));
	json_object_object_add(status, "running", json_object_new_boolean(dm.running));
	return status;
}

static void add_chardev(struct json_object *list, const char *label, const char *filename)
{
	struct json_object *entry = json_object_new_object();

	json_object_object_add(entry, "label", json_object_new_string(label));
	json_object_object_add(entry, "filename", json_object_new_string(filename));
	json_object_object_add(entry, "frontend-open", json_object_new_boolean(true));
	json_object_array_add(list, entry);
}

static struct json_object *chardevs(void)
{
	struct json_object *list = json_object_new_array();
	char label[32];

	add_chardev(list, "compat_monitor0", "null");
	for (unsigned i = 0; i < dm.serials_len; i++) {
		snprintf(label, sizeof(label), "serial%u", i);
		add_chardev(list, label, dm.serials[i]);
	}
	return list;
}

static struct json_object *vnc_object(void)
{
	struct json_object *vnc = json_object_new_object();
	const char *display = dm.vnc ? strrchr(dm.vnc, ':') : NULL;
	char text[32];

	json_object_object_add(vnc, "enabled", json_object_new_boolean(display != NULL));
	if (display) {
		json_object_object_add(
			vnc, "host", json_object_new_string_len(dm.vnc, display - dm.vnc));
		snprintf(text, sizeof(text), "%u", 5900 + (unsigned)atoi(display + 1));
		json_object_object_add(vnc, "service", json_object_new_string(text));
		json_object_object_add(vnc, "family", json_object_new_string("ipv4"));
		json_object_object_add(vnc, "auth", json_object_new_string("none"));
	}
	return vnc;
}

/* Commands that change something and of which nothing is to be seen. */
static bool is_taken(const char *name)
{
	static const char *const names[] = {
		"change-vnc-password", "set_password", "device_add", NULL};

	for (unsigned i = 0; names[i]; i++) {
		if (!strcmp(name, names[i])) {
			return true;
		}
	}
	return false;
}

/* The reply to NAME is in REPLY when it is one of a migration's. */
static bool migrates(const char *name, struct json_object *arguments, struct json_object *reply)
{
	static char script[256];
	const char *path = option("migration"), *text;
	struct fakedm_machine machine = {.running = &dm.running,
		.stopped_start = dm.paused_start,
		.status = dm.status,
		.status_size = sizeof(dm.status),
		.passed_fd = &at->passed_fd};
	struct json_object *result, *error;

	if (path) {
		snprintf(script, sizeof(script), "%s", path);
		machine.script = script;
	}
	if (!fakedm_migrate(name, arguments, &machine, &result, &text)) {
		return false;
	}
	if (text) {
		error = json_object_new_object();
		json_object_object_add(error, "class", json_object_new_string("GenericError"));
		json_object_object_add(error, "desc", json_object_new_string(text));
		json_object_object_add(reply, "error", error);
	} else {
		json_object_object_add(reply, "return", result ? result : json_object_new_object());
	}
	return true;
}

static void set_running(bool running)
{
	dm.running = running;
	snprintf(dm.status, sizeof(dm.status), "%s", running ? "running" : "paused");
	send_event(running ? "RESUME" : "STOP");
}

/* What came is noted as "fd PATH". */
static struct json_object *take_fd(void)
{
	const char *path = option("commands");
	FILE *f = path ? fopen(path, "ae") : NULL;
	struct json_object *result;
	char link[64], target[256];
	ssize_t len;

	if (at->passed_fd < 0) {
		return NULL;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", at->passed_fd);
	len = readlink(link, target, sizeof(target));
	if (f) {
		fprintf(f, "fd %.*s\n", (int)(len > 0 ? len : 0), target);
		fclose(f);
	}
	result = json_object_new_object();
	json_object_object_add(result, "fdset-id", json_object_new_int(7));
	json_object_object_add(result, "fd", json_object_new_int(at->passed_fd));
	dm.fdset = at->passed_fd;
	at->passed_fd = -1;
	return result;
}

/* The state of a fake: its pid, and whether it was stopped for it. */
static bool save_state(void)
{
	return dm.fdset > 0 && dprintf(dm.fdset, "state of %d, %s\n", (int)getpid(), dm.status) > 0;
}

static bool remove_fdset(void)
{
	bool had = dm.fdset > 0;

	if (had) {
		close(dm.fdset);
	}
	dm.fdset = 0;
	return had;
}

/* Fills REPLY; true when the program has to end after it was sent. */
static bool execute(const char *name, struct json_object *arguments, struct json_object *reply)
{
	struct json_object *result = NULL;
	bool quit = false;

	if (!at->negotiated && strcmp(name, "qmp_capabilities")) {
		command_not_found(reply, name);
		return false;
	}
	if (migrates(name, arguments, reply)) {
		return false;
	}
	if (!strcmp(name, "qmp_capabilities")) {
		at->negotiated = true;
	} else if (!strcmp(name, "query-status")) {
		result = status_object();
	} else if (!strcmp(name, "stop") || !strcmp(name, "cont")) {
		set_running(name[0] == 'c');
	} else if (!strcmp(name, "query-chardev")) {
		result = chardevs();
	} else if (!strcmp(name, "query-vnc")) {
		result = vnc_object();
	} else if (!strcmp(name, "add-fd") && (result = take_fd())) {
		/* else QEMU has no descriptor either */
	} else if ((!strcmp(name, "xen-save-devices-state") && save_state()) ||
		   (!strcmp(name, "remove-fd") && remove_fdset()) || is_taken(name)) {
		result = NULL;
	} else if (!strcmp(name, "system_powerdown")) {
		send_event("POWERDOWN");
	} else if (!strcmp(name, "quit")) {
		quit = !option("ignore-quit");
	} else {
		command_not_found(reply, name);
		return false;
	}
	json_object_object_add(reply, "return", result ? result : json_object_new_object());
	return quit;
}

static void note_command(const char *line)
{
	const char *path = option("commands");
	FILE *f = path ? fopen(path, "ae") : NULL;

	if (f) {
		fprintf(f, "%s\n", line);
		fclose(f);
	}
}

/* True when the reply to NAME is the test's: REPLY is it, NULL for none. */
static bool given_answer(const char *name, struct json_object **reply)
{
	const char *dir = option("answers");
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "", name);
	if (!dir || access(path, R_OK) < 0) {
		return false;
	}
	json_object_put(*reply);
	*reply = json_object_from_file(path);
	return true;
}

/* What the test wants to be told with a reply; it is no part of it. */
static struct json_object *take_events(struct json_object *reply)
{
	struct json_object *events = NULL;

	if (json_object_is_type(reply, json_type_object) &&
		json_object_object_get_ex(reply, "events", &events)) {
		json_object_get(events);
		json_object_object_del(reply, "events");
	}
	return events;
}

static void send_events(struct json_object *events)
{
	for (size_t i = 0; events && i < json_object_array_length(events); i++) {
		struct json_object *event = json_object_array_get_idx(events, i),
				   *time = json_tokener_parse(
					   "{\"seconds\": 1, \"microseconds\": 0}");

		json_object_object_add(event, "timestamp", time);
		send_ascii(json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN));
	}
	json_object_put(events);
}

static void on_line(const char *line)
{
	struct json_object *request = json_tokener_parse(line), *name, *id, *arguments = NULL;
	struct json_object *reply = json_object_new_object(), *events;
	bool quit = false;

	if (!json_object_is_type(request, json_type_object) ||
		!json_object_object_get_ex(request, "execute", &name)) {
		command_not_found(reply, "?");
	} else {
		note_command(line);
		if (begins_attack(json_object_get_string(name), request)) {
			json_object_put(request);
			json_object_put(reply);
			return;
		}
		if (!given_answer(json_object_get_string(name), &reply)) {
			json_object_object_get_ex(request, "arguments", &arguments);
			quit = execute(json_object_get_string(name), arguments, reply);
		}
		if (json_object_is_type(reply, json_type_object) &&
			json_object_object_get_ex(request, "id", &id)) {
			json_object_object_add(reply, "id", json_object_get(id));
		}
	}
	events = take_events(reply);
	if (json_object_is_type(reply, json_type_string)) {
		drop_client();
	} else if (reply) {
		send_ascii(json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN));
	}
	send_events(events);
	json_object_put(reply);
	json_object_put(request);
	if (quit) {
		send_event("SHUTDOWN");
		_exit(0);
	}
}

/* A descriptor of before goes, as with QEMU. */
static void take_descriptor(struct msghdr *msg)
{
	struct cmsghdr *h = CMSG_FIRSTHDR(msg);

	if (!h || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) {
		return;
	}
	if (at->passed_fd >= 0) {
		close(at->passed_fd);
	}
	memcpy(&at->passed_fd, CMSG_DATA(h), sizeof(int));
}

static void on_client(void)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {
		.iov_base = at->line + at->len, .iov_len = sizeof(at->line) - 1 - at->len};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(at->client, &msg, MSG_CMSG_CLOEXEC);
	char *start = at->line, *end;

	if (n <= 0) {
		drop_client();
		return;
	}
	take_descriptor(&msg);
	if (option("silent-qmp")) {
		return;
	}
	at->len += n;
	at->line[at->len] = '\0';
	while (at->client >= 0 && (end = strchr(start, '\n'))) {
		*end = '\0';
		on_line(start);
		start = end + 1;
	}
	if (at->client >= 0) {
		at->len -= start - at->line;
		memmove(at->line, start, at->len);
		if (at->len == sizeof(at->line) - 1) {
			drop_client();
		}
	}
}

static void on_terminated(void)
{
	got_term = 0;
	if (!option("ignore-term")) {
		send_event("SHUTDOWN");
		_exit(0);
	}
}

static int timeout_ms(bool ready)
{
	int64_t next = -1;

	if (!ready && dm.ready_ms >= 0) {
		next = dm.ready_ms;
	}
	if (dm.end_ms >= 0 && (next < 0 || dm.end_ms < next)) {
		next = dm.end_ms;
	}
	if (next < 0) {
		return -1;
	}
	next -= now_ms();
	return next > 0 ? next : 0;
}

static void on_ready(struct monitor *m, short revents)
{
	at = m;
	if (m->client >= 0 && !(revents & ~POLLOUT)) {
		go_on_with_attack();
		return;
	}
	if (m->client >= 0) {
		on_client();
		return;
	}
	m->client = accept4(m->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (m->client >= 0) {
		greet();
	}
}

__attribute__((noreturn)) static void serve(const sigset_t *mask)
{
	bool ready = false;

	for (;;) {
		struct pollfd fds[MONITORS_MAX];
		int wait = timeout_ms(ready), r;
		struct timespec ts = {wait / 1000, wait % 1000 * 1000000L};

		for (unsigned i = 0; i < dm.monitors_len; i++) {
			const struct monitor *m = &dm.monitors[i];

			fds[i] = (struct pollfd){.events = client_events(m), .fd = -1};
			if (ready) {
				fds[i].fd = m->client >= 0 ? m->client : m->listen_fd;
			}
		}
		r = ppoll(fds, dm.monitors_len, wait < 0 ? NULL : &ts, mask);
		if (got_term) {
			on_terminated();
		}
		if (dm.end_ms >= 0 && now_ms() >= dm.end_ms) {
			end_now();
		}
		if (!ready && dm.ready_ms >= 0 && now_ms() >= dm.ready_ms) {
			ready = true;
			write_state();
			continue;
		}
		for (unsigned i = 0; r > 0 && i < dm.monitors_len; i++) {
			if (fds[i].revents) {
				on_ready(&dm.monitors[i], fds[i].revents);
			}
		}
	}
}

/* A line more in ARGV0.SUFFIX. */
static void count_question(const char *argv0, const char *suffix)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s.%s", argv0, suffix);
	f = fopen(path, "ae");
	if (f) {
		fputs("asked\n", f);
		fclose(f);
	}
}

/* dm-ask's other question: ARGV0.version has the answer, ARGV0.asked-version counts. */
static int answer_version(const char *argv0)
{
	char path[512], version[32] = "7.2.22\n";
	FILE *f;

	count_question(argv0, "asked-version");
	snprintf(path, sizeof(path), "%s.version", argv0);
	f = fopen(path, "re");
	if (f && !fgets(version, sizeof(version), f)) {
		*version = '\0';
	}
	if (f) {
		fclose(f);
	}
	printf("QEMU emulator version %s", version);
	return 0;
}

/* dm-ask's question: ARGV0.no-des makes the answer no, ARGV0.asked counts. */
__attribute__((noreturn)) static void answer_dm_ask(const char *argv0)
{
	char path[512];

	count_question(argv0, "asked");
	snprintf(path, sizeof(path), "%s.no-des", argv0);
	if (access(path, F_OK) == 0) {
		fprintf(stderr, "%s: warning: something else\n", argv0);
		fprintf(stderr,
			"%s: -vnc none,password=on: Cipher backend does not support DES "
			"algorithm\n",
			argv0);
		_exit(1);
	}
	_exit(0);
}

/* For tests: name, what the client gets, what becomes of the connection, the client's text. */
static int list_attacks(void)
{
	static const char *const client[] = {"fine", "error", "late"}, *const link[] = {
									       "stays", "ends"};

	for (const struct evil_attack *a = evil_attacks; a->name; a++) {
		printf("%s %s %s %s %s\n", a->name, client[a->client], link[a->link[0]],
			link[a->link[1]], a->text ? a->text : "");
	}
	return 0;
}

int main(int argc, char *argv[])
{
	struct sigaction sa = {.sa_handler = on_term};
	sigset_t block, mask;
	const char *text;

	if (argc == 2 && !strcmp(argv[1], "-evil-list")) {
		return list_attacks();
	}
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		return answer_version(argv[0]);
	}
	dm.start_ms = now_ms();
	for (int i = 1; i + 1 < argc; i++) {
		if (!strcmp(argv[i], "-monitor") && !strcmp(argv[i + 1], "stdio")) {
			answer_dm_ask(argv[0]);
		}
	}
	read_arguments(argc, argv);
	apply_options();
	text = option("say");
	if (text) {
		fprintf(stderr, "%s\n", text);
	}
	if (option("show-self")) {
		show_self();
	}
	flood_stderr(number("flood-stderr", 0));
	if (option("leftovers")) {
		leave_a_process();
	}
	if (dm.end_ms >= 0 && dm.end_ms <= now_ms()) {
		end_now();
	}
	/* Signals are taken only inside ppoll(), so that none falls between look and wait. */
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGHUP);
	sigprocmask(SIG_BLOCK, &block, &mask);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	serve(&mask);
}
