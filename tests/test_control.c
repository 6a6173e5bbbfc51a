/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls, limits, bad clients. Streams: test_control_streams.c. */
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

static void test_answers(void **state)
{
	static const struct {
		const char *call, *error;
	} cases[] = {
		{"{\"method\":\"org.varlink.service.GetInfo\"}", ""},
		{"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
		 "{\"interface\":\"io.xendmd.DeviceModels\"}}",
			""},
		{"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
		 "{\"interface\":\"org.varlink.service\"}}",
			""},
		{"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
		 "{\"interface\":\"a.b\"}}",
			"org.varlink.service.InterfaceNotFound"},
		{"{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
			"org.varlink.service.InvalidParameter"},
		{"{\"method\":\"org.varlink.service.Nothing\"}",
			"org.varlink.service.MethodNotFound"},
		{CALL("Nothing"), "org.varlink.service.MethodNotFound"},
		{"{\"method\":\"io.other.Thing\"}", "org.varlink.service.InterfaceNotFound"},
		{"{\"method\":\"\"}", "org.varlink.service.InterfaceNotFound"},
		{"{\"method\":\"List\"}", "org.varlink.service.InterfaceNotFound"},
		{CALL("Qmp"), "org.varlink.service.InvalidParameter"},
		{CALL_P("Save", "{\"domain\":\"3\"}"), IFACE ".Failed"},
		{CALL("Verify"), "org.varlink.service.MethodNotImplemented"},
		{CALL("Audit"), "org.varlink.service.MethodNotImplemented"},
		{CALL("Metrics"), "org.varlink.service.MethodNotImplemented"},
		{CALL("Handoff"), "org.varlink.service.ExpectedMore"},
		{"{\"method\":\"" IFACE ".Handoff\",\"more\":true}", IFACE ".Failed"},
		{CALL("ProxyVchan"), "org.varlink.service.ExpectedMore"},
		{"{\"method\":\"" IFACE ".ProxyVchan\",\"more\":true}", IFACE ".Failed"},
		{"{\"method\":\"" IFACE ".List\",\"upgrade\":true}",
			"org.varlink.service.InvalidParameter"},
		{"{\"method\":\"" IFACE ".Events\",\"more\":true,\"oneway\":true}", NULL},
		{CALL("List"), ""},
		{CALL_P("List", "{\"domain\":\"web1\"}"), ""},
		{CALL_P("List", "{\"domain\":3}"), "org.varlink.service.InvalidParameter"},
		{CALL_P("List", "{\"what\":3}"), "org.varlink.service.InvalidParameter"},
		{CALL_P("List", "{\"domain\":\"9\"}"), IFACE ".NoSuchDomain"},
		{CALL_P("Describe", "{\"domain\":\"3\"}"), ""},
		{CALL_P("Describe", "{\"domain\":\"4\"}"), IFACE ".NoSuchDomain"},
		{CALL("Describe"), "org.varlink.service.InvalidParameter"},
		{CALL_P("Start", "{\"domain\":\"3\"}"), IFACE ".AlreadyRunning"},
		{CALL_P("Start", "{\"domain\":\"4\"}"), ""},
		{CALL_P("Start", "{\"domain\":\"4\",\"definition\":\"{}\"}"),
			IFACE ".InvalidDefinition"},
		{CALL_P("Stop", "{\"domain\":\"4\"}"), IFACE ".NotRunning"},
		{CALL_P("Stop", "{\"domain\":\"3\"}"), IFACE ".Failed"},
		{CALL_P("Stop", "{\"domain\":\"3\",\"force\":true}"), ""},
		{CALL_P("Restart", "{\"domain\":\"3\"}"), IFACE ".Failed"},
		{CALL("Reload"), ""},
		{CALL("Events"), ""},
		{CALL_P("Events", "{\"since\":-1}"), "org.varlink.service.InvalidParameter"},
		{CALL_P("Logs", "{\"domain\":\"4\"}"), IFACE ".Failed"},
		{CALL_P("Logs", "{\"domain\":\"3\"}"), IFACE ".Failed"}, /* no such file */
		{CALL_P("Logs", "{\"domain\":\"3\",\"follow\":true}"),
			"org.varlink.service.ExpectedMore"},
		{CALL_P("Check", "{\"text\":\"{}\"}"), ""},
		{CALL_P("Check", "{\"text\":\"\"}"), ""},
		{CALL_P("Render", "{\"definition\":\"{\\\"kind\\\":\\\"qemu\\\",\\\"argv\\\":[\\\"-"
				  "S\\\"]}\"}"),
			""},
		{CALL_P("Render", "{\"definition\":\"{\"}"), IFACE ".InvalidDefinition"},
		{CALL_P("Render", "{\"definition\":\"{\\\"argv\\\":[]}\",\"domid\":99999999}"),
			IFACE ".InvalidDefinition"},
	};
	struct fixture *f = *state;
	struct peer peer = peer_open(f);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_object *reply;

		send_call(f, &peer, cases[i].call);
		if (!cases[i].error) {
			continue;
		}
		reply = receive(f, &peer);
		assert_non_null(reply);
		if (strcmp(error_of(reply), cases[i].error)) {
			fail_msg("%s: %s", cases[i].call, json_object_to_json_string(reply));
		}
		if (cases[i].error[0]) {
			assert_int_equal(json_object_object_length(
						 json_object_object_get(reply, "parameters")) > 0,
				strcmp(cases[i].error, "org.varlink.service.ExpectedMore") != 0);
		}
		json_object_put(reply);
	}
	peer_close(&peer);
	wait_clients(f, 0);
}

static void test_pipelining(void **state)
{
	static const char three[] = CALL_P("List", "{\"domain\":\"3\"}");
	static const char four[] = CALL_P("List", "{\"domain\":\"4\"}");
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	enum { CALLS = 2000 };
	size_t len = 0;
	char *all = malloc(CALLS * sizeof(three));

	for (int i = 0; i < CALLS; i++) {
		memcpy(all + len, i % 2 ? four : three, sizeof(three));
		len += sizeof(three);
	}
	assert_true(send_bytes(f, &peer, all, len));
	for (int i = 0; i < CALLS; i++) {
		struct json_object *reply = receive(f, &peer), *list;

		list = parameter(reply, "domains");
		assert_int_equal(json_object_array_length(list), 1);
		assert_int_equal(json_object_get_int(json_object_object_get(
					 json_object_array_get_idx(list, 0), "domid")),
			i % 2 ? 4 : 3);
		json_object_put(reply);
	}
	free(all);
	peer_close(&peer);
}

/* Each of them gets an error that says why, then the end, and disturbs nobody. */
static void test_garbage(void **state)
{
	static const char *const messages[] = {"garbage", "", "{", "[]", "\"x\"", "{}",
		"{\"method\":7}", "{\"method\":\"a.B\",\"method\":\"a.C\"}",
		"{\"method\":\"a.\xff\xfe\"}", "{\"method\":\"a\\u0000b.C\"}",
		"{\"method\":\"a.B\",\"parameters\":7}", "{\"method\":\"a.B\",\"more\":\"x\"}",
		"\x16\x03\x01\x02", "GET / HTTP/1.1\r\n\r\n"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		struct peer peer = peer_open(f);
		struct json_object *reply;

		send_call(f, &peer, messages[i]);
		send_call(f, &peer, CALL("Reload")); /* is not looked at any more */
		reply = receive(f, &peer);
		assert_string_equal(error_of(reply), IFACE ".Failed");
		assert_non_null(strstr(
			json_object_get_string(parameter(reply, "message")), "not a varlink call"));
		json_object_put(reply);
		expect_eof(f, &peer);
		peer_close(&peer);
		expect_alive(f);
	}
	assert_int_equal(f->fake.reloads, 0);
}

static void test_half_message(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	int64_t start;

	f->control->idle_ms = 300;
	send_call(f, &peer, CALL("List"));
	expect_error(f, &peer, "");
	spin(f, 500); /* an idle client without a half message may stay */
	assert_int_equal(f->control->clients_len, 1);
	start = loop_monotonic_ms();
	while (send_bytes(f, &peer, "{", 1)) { /* a trickle doesn't prolong it */
		spin(f, 20);
		assert_true(loop_monotonic_ms() - start < DEADLINE_MS);
	}
	assert_true(loop_monotonic_ms() - start > 200);
	expect_eof(f, &peer);
	peer_close(&peer);
	expect_alive(f);
}

static void test_100_mb(void **state)
{
	static char block[1 << 20];
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	int sent = 0;

	memset(block, 'x', sizeof(block));
	while (sent < 100 && send_bytes(f, &peer, block, sizeof(block))) {
		sent++;
	}
	assert_in_range(sent, 1, 4); /* 2 MiB are taken, some lie in the socket */
	expect_error(f, &peer, IFACE ".LimitReached");
	expect_eof(f, &peer);
	peer_close(&peer);
	wait_clients(f, 0);
	expect_alive(f);
}

/* Many whole messages behind a call that takes long: bounded like one large message. */
static void test_pile_behind_slow_call(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	static char block[64 * 1024];
	int sent = 0;

	f->fake.defer = true;
	memset(block, ' ', sizeof(block));
	for (size_t i = 0; i < sizeof(block); i += 64) {
		block[i + 63] = 0;
	}
	send_call(f, &peer, CALL_P("Start", "{\"domain\":\"4\"}"));
	while (sent < 1000 && send_bytes(f, &peer, block, sizeof(block))) {
		sent++;
	}
	assert_in_range(sent, 10, 100);
	expect_error(f, &peer, IFACE ".LimitReached");
	expect_eof(f, &peer);
	peer_close(&peer);
	wait_clients(f, 0);
	expect_alive(f);
}

/* A follower that doesn't read is dropped by its queue's limit, without blocking anything. */
static void test_never_reads_stream(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	int published = 0;

	f->control->queue_max = 512 * 1024;
	send_call(f, &peer, CALL_MORE("Events", "{}"));
	spin(f, 20);
	assert_int_equal(f->control->clients_len, 1);
	while (f->control->clients_len == 1 && published < 100000) {
		publish(f, "device-model-running");
		if (++published % 100 == 0) {
			spin(f, 1);
		}
	}
	assert_int_equal(f->control->clients_len, 0);
	assert_true(published > 2000);
	peer_close(&peer);
	expect_alive(f);
}

/* One that calls and doesn't read gets no further calls answered and is dropped after a while. */
static void test_never_reads_replies(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);

	f->control->idle_ms = 300;
	f->fake.padding = 100 * 1024;
	for (int i = 0; i < 200; i++) {
		send_call(f, &peer, CALL("List"));
	}
	spin(f, 100);
	assert_int_equal(f->control->clients_len, 1);
	assert_in_range(f->fake.lists, 2, 20);
	wait_clients(f, 0);
	peer_close(&peer);
	f->fake.padding = 0;
	expect_alive(f);
}

/* A single answer over the limit ends the client. */
static void test_answer_over_limit(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);

	f->control->queue_max = 64 * 1024;
	f->fake.padding = 100 * 1024;
	send_call(f, &peer, CALL("List"));
	expect_eof(f, &peer);
	peer_close(&peer);
}

static void test_one_client_too_many(void **state)
{
	struct peer peers[LIMIT_CONTROL_CLIENTS + 1];
	struct fixture *f = *state;

	for (int i = 0; i < LIMIT_CONTROL_CLIENTS; i++) {
		peers[i] = peer_open(f);
	}
	wait_clients(f, LIMIT_CONTROL_CLIENTS);
	peers[LIMIT_CONTROL_CLIENTS] = peer_open(f);
	expect_error(f, &peers[LIMIT_CONTROL_CLIENTS], IFACE ".LimitReached");
	expect_eof(f, &peers[LIMIT_CONTROL_CLIENTS]);
	send_call(f, &peers[7], CALL("List"));
	expect_error(f, &peers[7], "");
	peer_close(&peers[0]);
	wait_clients(f, LIMIT_CONTROL_CLIENTS - 1);
	expect_alive(f);
	for (int i = 1; i <= LIMIT_CONTROL_CLIENTS; i++) {
		peer_close(&peers[i]);
	}
}

static void test_out_of_descriptors(void **state)
{
	struct fixture *f = *state;
	struct peer old = peer_open(f), new;
	struct rlimit limit, none;

	send_call(f, &old, CALL("List"));
	expect_error(f, &old, "");
	new = peer_open(f);
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 3; /* those that are open stay */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	spin(f, 50);
	assert_true(f->control->acceptor.paused);
	send_call(f, &old, CALL("List")); /* who is there is served */
	expect_error(f, &old, "");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	send_call(f, &new, CALL("List"));
	expect_error(f, &new, ""); /* after the pause */
	assert_false(f->control->acceptor.paused);
	peer_close(&old);
	peer_close(&new);
}

static void test_oneway(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	struct json_object *reply;

	send_call(f, &peer, "{\"method\":\"" IFACE ".Reload\",\"oneway\":true}");
	send_call(f, &peer, "{\"method\":\"" IFACE ".Nothing\",\"oneway\":true}");
	send_call(f, &peer, "{\"method\":\"org.varlink.service.GetInfo\"}");
	reply = receive(f, &peer);
	assert_string_equal(json_object_get_string(parameter(reply, "product")), "xendmd");
	json_object_put(reply);
	assert_int_equal(f->fake.reloads, 1);
	peer_close(&peer);
}

static uid_t uid_1000(int fd)
{
	return 1000;
}

static void test_only_root_changes(void **state)
{
	static const char *const denied[] = {CALL_P("Start", "{\"domain\":\"4\"}"),
		CALL_P("Stop", "{\"domain\":\"3\",\"force\":true}"),
		CALL_P("Restart", "{\"domain\":\"3\"}"), CALL("Reload")};
	static const char *const allowed[] = {CALL("List"), CALL("Events"),
		CALL_P("Describe", "{\"domain\":\"3\"}"), CALL_P("Check", "{\"text\":\"{}\"}")};
	struct fixture *f = *state;
	struct peer peer;

	f->control->peer_uid = uid_1000;
	peer = peer_open(f);
	for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
		send_call(f, &peer, denied[i]);
		expect_error(f, &peer, IFACE ".Denied");
	}
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		send_call(f, &peer, allowed[i]);
		expect_error(f, &peer, "");
	}
	assert_int_equal(f->fake.starts + f->fake.stops + f->fake.reloads, 0);
	peer_close(&peer);
}

static void send_bytes_with_fds(
	struct peer *peer, const char *text, size_t text_len, const int *fds, unsigned len)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(200 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)text, .iov_len = text_len};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(len * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(len * sizeof(int));
	memcpy(CMSG_DATA(c), fds, len * sizeof(int));
	assert_int_equal(sendmsg(peer->fd, &msg, MSG_NOSIGNAL), (ssize_t)iov.iov_len);
}

static void send_with_fds(struct peer *peer, const char *text, const int *fds, unsigned len)
{
	send_bytes_with_fds(peer, text, strlen(text) + 1, fds, len);
}

static void test_descriptors_are_closed(void **state)
{
	static const unsigned counts[] = {1, 3, 64, 65, 200};
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	unsigned before;
	int fds[200];

	send_call(f, &peer, CALL("List"));
	expect_error(f, &peer, "");
	before = open_fds();
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		for (unsigned k = 0; k < counts[i]; k++) {
			fds[k] = peer.fd;
		}
		send_with_fds(&peer, CALL("List"), fds, counts[i]);
		expect_error(f, &peer, "");
		assert_int_equal(open_fds(), before);
	}
	peer_close(&peer);
}

#define HANDOFF(fds)                                                                               \
	"{\"method\":\"" IFACE ".Handoff\",\"more\":true,\"parameters\":{\"argv\":[\"q\","         \
	"\"-xen-domid\",\"3\"],\"env\":[],\"directory\":\"/\",\"fds\":" fds "}}"

/* Accepted with the descriptors that came; told when the client goes. */
static void test_handoff(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f), other = peer_open(f);
	int fds[3] = {open("/dev/zero", O_RDONLY | O_CLOEXEC), 0, 1}, before;
	struct json_object *reply;
	char link[64], target[64] = "";

	send_call(f, &peer, CALL("List"));
	expect_error(f, &peer, "");
	before = open_fds();
	send_with_fds(&peer, HANDOFF("[5,0]"), fds, 3);
	reply = receive(f, &peer);
	assert_true(json_object_get_boolean(json_object_object_get(reply, "continues")));
	json_object_put(reply);
	assert_non_null(f->fake.handoff);
	assert_int_equal(f->fake.handoff->helper, getpid());
	assert_int_equal(f->fake.handoff->fds_len, 2);
	assert_int_equal(f->fake.handoff->request.fds[0], 5);
	assert_true(f->fake.handoff->parent_fd >= 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fake.handoff->fds[0]);
	assert_true(readlink(link, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "/dev/zero");
	assert_int_equal(open_fds(), before + 3);

	/* A second one is refused, and what came with it closed. */
	send_with_fds(&other, HANDOFF("[5,0]"), fds, 3);
	expect_error(f, &other, IFACE ".AlreadyRunning");
	assert_int_equal(open_fds(), before + 3);
	send_with_fds(&other, HANDOFF("[5,0,7]"), fds, 3);
	expect_error(f, &other, IFACE ".Failed");
	assert_int_equal(open_fds(), before + 3);

	peer_close(&peer);
	spin(f, 50);
	assert_int_equal(f->fake.gone, 1);
	assert_null(f->fake.handoff);
	close(fds[0]);
	peer_close(&other);
}

static uid_t not_root(int fd)
{
	return 1000;
}

static void test_handoff_of_others(void **state)
{
	struct fixture *f = *state;
	unsigned before;
	struct peer peer;
	int fds[1];

	f->control->peer_uid = not_root;
	peer = peer_open(f);
	fds[0] = peer.fd;
	send_call(f, &peer, CALL("List"));
	expect_error(f, &peer, "");
	before = open_fds();
	send_with_fds(&peer, HANDOFF("[]"), fds, 1);
	expect_error(f, &peer, IFACE ".Denied");
	assert_int_equal(open_fds(), before);
	assert_null(f->fake.handoff);
	peer_close(&peer);
}

/* More than one call may bring: none of them is taken for the announced ones. */
static void test_too_many_descriptors(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	unsigned before;
	int fds[200];

	send_call(f, &peer, CALL("List"));
	expect_error(f, &peer, "");
	before = open_fds();
	for (unsigned k = 0; k < ARRAY_SIZE(fds); k++) {
		fds[k] = peer.fd;
	}
	send_bytes_with_fds(&peer, " ", 1, fds, 200);
	spin(f, 20);
	send_with_fds(&peer, HANDOFF("[]"), fds, 200);
	expect_error(f, &peer, IFACE ".LimitReached");
	assert_int_equal(open_fds(), before);
	peer_close(&peer);
}

static void test_call_answered_later(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);
	struct json_object *reply;

	f->fake.defer = true;
	send_call(f, &peer, CALL_P("Start", "{\"domain\":\"4\"}"));
	send_call(f, &peer, CALL_P("List", "{\"domain\":\"4\"}"));
	spin(f, 50);
	assert_non_null(f->fake.waiting);
	assert_int_equal(f->fake.lists, 0); /* answers come in order */
	control_complete(TAKE_PTR(f->fake.waiting), NULL);
	expect_error(f, &peer, "");
	reply = receive(f, &peer);
	assert_int_equal(json_object_array_length(parameter(reply, "domains")), 1);
	json_object_put(reply);
	/* The client goes first. */
	send_call(f, &peer, CALL_P("Start", "{\"domain\":\"4\"}"));
	spin(f, 50);
	peer_close(&peer);
	wait_clients(f, 0);
	control_complete(TAKE_PTR(f->fake.waiting), NULL);
	/* The control socket goes first: see control_teardown. */
	peer = peer_open(f);
	send_call(f, &peer, CALL_P("Start", "{\"domain\":\"4\"}"));
	spin(f, 50);
	assert_non_null(f->fake.waiting);
	peer_close(&peer);
}

/* Who sends all and closes its side of the connection still gets its answers. */
static void test_half_close(void **state)
{
	struct fixture *f = *state;
	struct peer peer = peer_open(f);

	send_call(f, &peer, CALL("List"));
	send_call(f, &peer, CALL("Reload"));
	shutdown(peer.fd, SHUT_WR);
	expect_error(f, &peer, "");
	expect_error(f, &peer, "");
	expect_eof(f, &peer);
	peer_close(&peer);
	peer = peer_open(f);
	send_call(f, &peer, CALL("List"));
	send_call(f, &peer, CALL_MORE("List", "{}")); /* no end: ends with the client's side */
	shutdown(peer.fd, SHUT_WR);
	expect_error(f, &peer, "");
	json_object_put(receive(f, &peer));
	wait_clients(f, 0);
	peer_close(&peer);
}

/* A client with thousands of calls at once doesn't keep another one waiting for them. */
static void test_fairness(void **state)
{
	struct fixture *f = *state;
	struct peer greedy = peer_open(f), other = peer_open(f);
	char all[200 * sizeof(CALL("List"))];

	for (int i = 0; i < 200; i++) {
		memcpy(all + i * sizeof(CALL("List")), CALL("List"), sizeof(CALL("List")));
	}
	assert_true(send_bytes(f, &greedy, all, sizeof(all)));
	send_call(f, &other, CALL("Reload"));
	expect_error(f, &other, "");
	assert_true(f->fake.lists < 200);
	peer_close(&greedy);
	peer_close(&other);
}

static struct control *second(struct fixture *f, const char *path, int fd, int expected)
{
	struct control *control = NULL;
	struct err err = {0};
	int r = control_new(&control, f->loop, f->events, fd, path, &f->fake.config,
		&fake_control_backend, &f->fake, &err);

	if (r != expected) {
		fail_msg("%d: %s", r, err.text);
	}
	return control;
}

static void test_binding(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char path[128], longer[200];
	struct stat st;
	int fd;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	second(f, f->path, -1, -EADDRINUSE); /* a living one */
	f->fake.config.control_clients = 7;
	control_configure(f->control, &f->fake.config);
	assert_int_equal(f->control->clients_max, 7);
	expect_alive(f);
	snprintf(path, sizeof(path), "%s/other", f->dir);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/other", f->dir);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	control_free(second(f, path, -1, 0)); /* a dead one */
	assert_int_equal(access(path, F_OK), -1);
	append(path, "a file");
	second(f, path, -1, -EEXIST);
	unlink(path);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	second(f, longer, -1, -ENAMETOOLONG);
	second(f, "/nonexistent/control", -1, -ENOENT);
	second(f, NULL, open("/dev/null", O_RDONLY | O_CLOEXEC), -EINVAL);
	second(f, NULL, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), -EINVAL);
}

/* As from systemd: the file stays when we go. */
static void test_inherited(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct control *control;
	struct stat st;
	int fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/inherited", f->dir);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 5), 0);
	control = second(f, NULL, fd, 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	control_free(control);
	assert_int_equal(stat(addr.sun_path, &st), 0);
	unlink(addr.sun_path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers),
		TEST(test_pipelining),
		TEST(test_garbage),
		TEST(test_half_message),
		TEST(test_100_mb),
		TEST(test_pile_behind_slow_call),
		TEST(test_never_reads_stream),
		TEST(test_never_reads_replies),
		TEST(test_answer_over_limit),
		TEST(test_one_client_too_many),
		TEST(test_out_of_descriptors),
		TEST(test_oneway),
		TEST(test_only_root_changes),
		TEST(test_descriptors_are_closed),
		TEST(test_handoff),
		TEST(test_handoff_of_others),
		TEST(test_too_many_descriptors),
		TEST(test_call_answered_later),
		TEST(test_half_close),
		TEST(test_fairness),
		TEST(test_binding),
		TEST(test_inherited),
	};

	log_init(LOG_LVL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
