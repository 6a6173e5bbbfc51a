/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* A vchan made by the thread of lib/xs: in time, too late, for nobody. */
#include "lib/err.h"
#include "lib/vchan.h"
#include "tests/fake/fakevchan.h"
#include "tests/xs_world.h"

#define NODE "/local/domain/7/qmp"

struct made {
	unsigned came;
	struct vchan *v;
	struct err err;
};

static void on_made(void *ctx, struct vchan *v, const struct err *err)
{
	struct made *m = ctx;

	assert_true((v != NULL) != (err != NULL));
	m->came++;
	m->v = v;
	m->err = err ? *err : (struct err){0};
}

static void serve(struct world *w, struct fakevchan_server *s)
{
	setenv("FAKEVCHAN_DIR", w->dir, 1);
	assert_int_equal(fakevchan_serve(s, 7, 1, 10, 11), 0);
	put(w, NODE "/ring-ref", "1");
	put(w, NODE "/event-channel", "1");
}

static uint64_t begin(struct world *w, struct made *m, int64_t deadline_ms)
{
	uint64_t id = 0;

	*m = (struct made){0};
	assert_int_equal(xs_link_connect_vchan(w->link, 7, NODE, deadline_ms, on_made, m, &id), 0);
	assert_int_equal(m->came, 0);
	return id;
}

static void test_made(void **state)
{
	struct world *w = *state;
	struct fakevchan_server s;
	char buf[64];
	struct made m;

	serve(w, &s);
	begin(w, &m, LIMIT_XS_DEADLINE_MS);
	WAIT_UNTIL(w, m.came);
	assert_non_null(m.v);
	/* The descriptor does not block, nor does reading, however the library left them. */
	assert_int_equal(vchan_take_event(m.v), 0);
	assert_int_equal(vchan_take_event(m.v), -EAGAIN);
	assert_int_equal(vchan_read(m.v, buf, sizeof(buf)), 0);
	assert_int_equal(vchan_write(m.v, "hello", 5), 5);
	assert_int_equal(fakevchan_get(&s, buf, sizeof(buf)), 5);
	/* What was written before a close is read; then, and for ever, it is closed. */
	assert_int_equal(fakevchan_put(&s, "bye", 3), 3);
	s.page->srv_live = 0;
	assert_int_equal(vchan_read(m.v, buf, sizeof(buf)), 3);
	assert_int_equal(vchan_read(m.v, buf, sizeof(buf)), -EPIPE);
	s.page->srv_live = 1;
	assert_int_equal(vchan_read(m.v, buf, sizeof(buf)), -EPIPE);
	assert_int_equal(vchan_write(m.v, "x", 1), -EPIPE);
	s.page->left.prod += 2000;
	assert_int_equal(vchan_read(m.v, buf, sizeof(buf)), -EPROTO);
	assert_int_equal(vchan_write(m.v, "x", 1), -EPROTO);
	vchan_close(m.v);
	assert_false(fakevchan_is_mapped(&s));
	fakevchan_vanish(&s);
}

static void test_not_made(void **state)
{
	static const char too_long[] = "/local/domain/12345/device-model/12345/qmp-vchan/xx";
	struct world *w = *state;
	struct made m;

	begin(w, &m, LIMIT_XS_DEADLINE_MS);
	WAIT_UNTIL(w, m.came);
	assert_null(m.v);
	assert_int_equal(m.err.code, -ENOENT);
	assert_non_null(strstr(m.err.text, "no vchan server at \"" NODE "\""));
	put(w, NODE "/ring-ref", "5");
	begin(w, &m, LIMIT_XS_DEADLINE_MS); /* half of it */
	WAIT_UNTIL(w, m.came);
	assert_int_equal(m.err.code, -ENOENT);
	put(w, NODE "/event-channel", "5");
	begin(w, &m, LIMIT_XS_DEADLINE_MS); /* stale */
	WAIT_UNTIL(w, m.came);
	assert_null(m.v);
	assert_true(m.err.code < 0 && m.err.code != -ENOENT);
	assert_int_equal(xs_link_connect_vchan(w->link, 7, too_long, 1000, on_made, &m, NULL),
		-ENAMETOOLONG);
}

/* xenstored is stopped while the thread asks; nobody waits when it goes on. */
static void test_late(void **state)
{
	struct world *w = *state;
	struct fakevchan_server s;
	struct made m;

	serve(w, &s);
	server_stop(w);
	begin(w, &m, 200);
	WAIT_UNTIL(w, m.came);
	assert_null(m.v);
	assert_int_equal(m.err.code, -ETIMEDOUT);
	kill(w->server, SIGCONT);
	run_for(w, 100);
	assert_int_equal(m.came, 1);
	fakevchan_vanish(&s);
}

/* One that was cancelled when it was made already is closed by the thread. */
static void test_nobodys(void **state)
{
	struct world *w = *state;
	unsigned opens = fakevchan_counts.opens;
	struct pollfd p = {.fd = xs_link_fd(w->link), .events = POLLIN};
	struct fakevchan_server s;
	struct made m;
	uint64_t id;

	serve(w, &s);
	id = begin(w, &m, LIMIT_XS_DEADLINE_MS);
	assert_int_equal(poll(&p, 1, GENEROUS_MS), 1); /* its answer, which is not taken */
	assert_true(fakevchan_is_mapped(&s));
	assert_int_equal(fakevchan_counts.opens - opens, 1);
	xs_link_cancel(w->link, id);
	WAIT_UNTIL(w, !fakevchan_is_mapped(&s));
	assert_int_equal(fakevchan_counts.opens, fakevchan_counts.closes);
	assert_int_equal(m.came, 0);
	/* And by the end of the link, when nobody looks at all. */
	begin(w, &m, LIMIT_XS_DEADLINE_MS);
	assert_int_equal(poll(&p, 1, GENEROUS_MS), 1);
	w->link = xs_link_free(w->link);
	assert_false(fakevchan_is_mapped(&s));
	assert_int_equal(m.came, 0);
	fakevchan_vanish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		XS_TEST(test_made),
		XS_TEST(test_not_made),
		XS_TEST(test_late),
		XS_TEST(test_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
