/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For tests: runs the loop until a condition holds, looked at after every few milliseconds. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/loop.h"

#define UNTIL_DEADLINE_MS 20000 /* generous: the machine may be busy */

struct loop_until {
	struct loop *loop;
	struct loop_timer timer;
	bool (*holds)(void *arg);
	void *arg;
	int64_t deadline;
	bool held;
};

static inline void loop_until_look(void *arg)
{
	struct loop_until *u = arg;

	u->held = u->holds && u->holds(u->arg);
	if (u->held || loop_monotonic_ms() >= u->deadline ||
		loop_timer_start(u->loop, &u->timer, 2, loop_until_look, u) < 0) {
		loop_quit(u->loop);
	}
}

/* False when it did not hold within DEADLINE_MS. HOLDS NULL: just runs for that long. */
static inline bool loop_until_for(
	struct loop *loop, bool (*holds)(void *arg), void *arg, int64_t deadline_ms)
{
	struct loop_until u = {.loop = loop,
		.holds = holds,
		.arg = arg,
		.deadline = loop_monotonic_ms() + deadline_ms};

	if (loop_timer_start(loop, &u.timer, 0, loop_until_look, &u) == 0) {
		loop_run(loop);
	}
	loop_timer_stop(&u.timer);
	return u.held;
}

static inline bool loop_until(struct loop *loop, bool (*holds)(void *arg), void *arg)
{
	return loop_until_for(loop, holds, arg, UNTIL_DEADLINE_MS);
}

/* PATH below the build directory, which meson passes in XENDMD_TEST_BUILD. */
static inline const char *build_path(const char *path, char *buf, size_t size)
{
	const char *build = getenv("XENDMD_TEST_BUILD");

	snprintf(buf, size, "%s/%s", build ? build : ".", path);
	return buf;
}
