/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/bus.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define MESSAGES_A_TURN 32
#define PRIVATE_ADDRESS "unix:path=/run/systemd/private"
#define SYSTEM_ADDRESS "unix:path=/run/dbus/system_bus_socket"

static void pump(struct bus *bus);

static void on_io(void *arg, unsigned events)
{
	pump(arg);
}

static void on_timer(void *arg)
{
	pump(arg);
}

static int arm_timer(struct bus *bus)
{
	uint64_t due_us;
	int64_t ms;
	int r = sd_bus_get_timeout(bus->bus, &due_us);

	if (r < 0) {
		return r;
	}
	if (r == 0 || due_us == UINT64_MAX) {
		loop_timer_stop(&bus->timer);
		return 0;
	}
	/* CLOCK_MONOTONIC; 0 means now, as messages wait in its queue */
	ms = due_us ? (int64_t)(due_us / 1000) + 1 - loop_monotonic_ms() : 0;
	return loop_timer_start(bus->loop, &bus->timer, ms > 0 ? ms : 0, on_timer, bus);
}

static int arm(struct bus *bus)
{
	int fd = sd_bus_get_fd(bus->bus), wanted = sd_bus_get_events(bus->bus);
	unsigned events;

	if (fd < 0 || wanted < 0) {
		return fd < 0 ? fd : wanted;
	}
	events = (wanted & POLLIN ? LOOP_READ : 0) | (wanted & POLLOUT ? LOOP_WRITE : 0);
	if (events != bus->events || !bus->io.event) {
		int r = loop_io_start(bus->loop, &bus->io, fd, events, on_io, bus);

		if (r < 0) {
			return r;
		}
		bus->events = events;
	}
	return arm_timer(bus);
}

static void lost(struct bus *bus)
{
	bus_close(bus);
	bus->on_lost(bus->arg);
}

/* Callbacks may close the connection, or close it and make a new one. */
static void pump(struct bus *bus)
{
	sd_bus *current = sd_bus_ref(bus->bus);
	int r = 1;

	for (int i = 0; i < MESSAGES_A_TURN && r > 0 && bus->bus == current; i++) {
		r = sd_bus_process(current, NULL);
	}
	if (bus->bus == current && (r < 0 || arm(bus) < 0)) {
		lost(bus);
	}
	sd_bus_unref(current);
}

void bus_kick(struct bus *bus)
{
	if (bus->bus && arm(bus) < 0) {
		/* A connection that can't be driven: found by the timer of its owner's job. */
		bus_close(bus);
	}
}

static int open_at(const char *address, bool is_bus, sd_bus **ret)
{
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r < 0) {
		return r;
	}
	r = sd_bus_set_address(bus, address);
	if (r >= 0) {
		r = sd_bus_set_bus_client(bus, is_bus);
	}
	if (r >= 0) {
		r = sd_bus_start(bus); /* connects and authenticates from the loop */
	}
	if (r < 0) {
		sd_bus_unref(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

int bus_connect(struct bus *bus, struct loop *loop, const char *address, void (*on_lost)(void *arg),
	void *arg)
{
	sd_bus *new_bus = NULL;
	int r;

	bus_close(bus);
	r = open_at(address ? address : PRIVATE_ADDRESS, false, &new_bus);
	if (r < 0 && !address) {
		r = open_at(SYSTEM_ADDRESS, true, &new_bus);
	}
	if (r < 0) {
		return r;
	}
	*bus = (struct bus){.loop = loop, .bus = new_bus, .on_lost = on_lost, .arg = arg};
	r = arm(bus);
	if (r < 0) {
		bus_close(bus);
	}
	return r;
}

void bus_close(struct bus *bus)
{
	loop_io_stop(&bus->io);
	loop_timer_stop(&bus->timer);
	bus->events = 0;
	if (bus->bus) {
		/* not flushed: that could wait */
		bus->bus = sd_bus_close_unref(bus->bus);
	}
}
