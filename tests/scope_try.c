/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/* scope_try DOMID PID: makes a scope as the daemon does, on the real systemd (in the lab), and
 * prints the process's cgroup. "scope_try stop DOMID" asks systemd to drop it; "scope_try kill
 * DOMID PID" writes cgroup.kill. Exits 1 with the reason. */
#include <stdio.h>
#include <string.h>

#include "daemon/loop.h"
#include "daemon/scope.h"
#include "lib/parse.h"
#include "tests/loop_until.h"

struct outcome {
	bool done;
	struct err err;
};

static void on_done(void *ctx, const struct err *err)
{
	struct outcome *o = ctx;

	o->done = true;
	o->err = err ? *err : (struct err){0};
}

static bool is_done(void *arg)
{
	return ((struct outcome *)arg)->done;
}

static int make(struct loop *loop, struct scope_bus *bus, uint32_t domid, pid_t pid)
{
	struct scope_limits limits = {256 << 20, 200, 64};
	struct outcome o = {0};
	struct scope_job *job;
	char cgroup[512] = "none";
	int64_t start = loop_monotonic_ms();

	if (scope_start(bus, domid, "a device model that is tried", pid, &limits, 5000, on_done, &o,
		    &job) < 0) {
		return 1;
	}
	loop_until(loop, is_done, &o);
	if (!o.done || o.err.code) {
		fprintf(stderr, "%s\n", o.err.text);
		return 1;
	}
	scope_cgroup_of(domid, pid, cgroup, sizeof(cgroup));
	printf("%s empty=%d plain=%d ms=%lld longest-turn-us=%llu\n", cgroup,
		scope_is_empty(cgroup), scope_bus_is_plain(bus),
		(long long)(loop_monotonic_ms() - start),
		(unsigned long long)loop_longest_turn_us(loop));
	return strcmp(cgroup, "none") ? 0 : 1;
}

static int kill_all(uint32_t domid, pid_t pid)
{
	char cgroup[512];

	return scope_cgroup_of(domid, pid, cgroup, sizeof(cgroup)) < 0 || scope_kill(cgroup) < 0;
}

int main(int argc, char **argv)
{
	bool stop = argc == 3 && !strcmp(argv[1], "stop");
	bool kill = argc == 4 && !strcmp(argv[1], "kill");
	uint32_t domid, pid = 0;
	struct scope_bus *bus;
	struct loop *loop;
	int r = 0;

	if (argc < 3 || parse_u32(argv[stop || kill ? 2 : 1], UINT32_MAX, &domid) < 0 ||
		(!stop && parse_u32(argv[argc - 1], INT32_MAX, &pid) < 0)) {
		return 2;
	}
	if (loop_new(&loop) < 0 || scope_bus_new(&bus, loop) < 0) {
		return 1;
	}
	if (stop) {
		scope_stop(bus, domid);
		loop_until_for(loop, NULL, NULL, 500);
	} else {
		r = kill ? kill_all(domid, pid) : make(loop, bus, domid, pid);
	}
	scope_bus_free(bus);
	loop_free(loop);
	return r;
}
