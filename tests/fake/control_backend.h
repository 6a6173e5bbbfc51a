/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What stands behind the control socket in tests: domain 3 "web1" runs, domain 4 "db" has exited. A
 * call that waits (start of domain 4) is completed by the test.
 */
#include "daemon/control.h"
#include "daemon/handoff.h"

struct fake_backend {
	struct config config;
	char log[256]; /* path of the log of every domain */
	unsigned lists, starts, stops, reloads;
	char file[32];		      /* the first that came with the last start */
	bool defer;		      /* start keeps its call */
	struct control_call *waiting; /* kept by start */
	struct handoff *handoff;      /* kept, accepted */
	unsigned gone;		      /* so often its client went away */
	unsigned padding;	      /* bytes that make the list large */
};

extern const struct control_backend fake_control_backend;
void fake_backend_init(struct fake_backend *fake);
void fake_backend_fini(struct fake_backend *fake);
