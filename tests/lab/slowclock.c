/*
 * SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LD_PRELOAD for xl: the clock by which libxl measures its deadlines runs SLOWER times slower. They
 * are made for real machines (30 s for a stub domain, 10 s for QMP, 40 s for a hotplug script), and
 * the lab is an emulated one beside others. xl itself is as it is; what it starts has the usual
 * clock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define SLOWER 8

static long long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	static long long base;
	long long us = now_us();

	base = base ? base : us;
	us = base + (us - base) / SLOWER;
	tv->tv_sec = us / 1000000;
	tv->tv_usec = us % 1000000;
	return 0;
}

/* Debian's wrapper of that name is a shell that executes it. */
__attribute__((constructor)) static void begin(void)
{
	if (!strcmp(program_invocation_short_name, "xl"))
		unsetenv("LD_PRELOAD");
}
