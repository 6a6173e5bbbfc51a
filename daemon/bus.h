/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A connection to systemd's manager, driven by the loop; nothing in it waits. Its private socket is
 * tried first: it is there before and after dbus, and in a dom0 without dbus; then the system bus.
 * The owner connects when it has something to ask and closes when it has not, because systemd sends
 * every signal it has to everyone on the private socket.
 */
#include <systemd/sd-bus.h>

#include "daemon/loop.h"

struct bus {
	struct loop *loop;
	sd_bus *bus; /* NULL: not connected */
	struct loop_io io;
	struct loop_timer timer;
	unsigned events; /* that io waits for */
	void (*on_lost)(void *arg);
	void *arg;
};

/* ADDRESS NULL: as above. ON_LOST: the connection went; it is closed already. -errno. */
int bus_connect(struct bus *bus, struct loop *loop, const char *address, void (*on_lost)(void *arg),
	void *arg);
/* After each use of bus->bus outside its callbacks: has what was queued sent. */
void bus_kick(struct bus *bus);
void bus_close(struct bus *bus); /* from within a callback of sd-bus too */
