/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * fakecontrol SOCKET STATE_DIR LOG [LIMIT_CLIENTS]: the real control module over canned data, for
 * clients to be tried on. Serves until SIGTERM; SIGUSR1 publishes an event.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "daemon/events.h"
#include "daemon/loop.h"
#include "tests/fake/control_backend.h"

static void on_term(void *arg)
{
	loop_quit(arg);
}

static void publish(struct events *events, const char *what)
{
	struct json_object *body = json_object_new_object();

	json_object_object_add(body, "event", json_object_new_string(what));
	json_object_object_add(body, "domid", json_object_new_int(3));
	json_object_object_add(body, "name", json_object_new_string("web1"));
	events_publish(events, body);
}

struct something {
	struct events *events;
	struct control *control;
};

static void on_usr1(void *arg)
{
	struct something *happens = arg;

	publish(happens->events, "device-model-running");
	control_list_changed(happens->control);
}

int main(int argc, char **argv)
{
	struct fake_backend fake;
	struct loop_signal term = {0}, usr1 = {0};
	struct events *events = NULL;
	struct control *control = NULL;
	struct loop *loop = NULL;
	struct something happens;
	struct err err = {0};

	if (argc < 4 || loop_new(&loop) < 0 || events_new(&events, argv[2], 4096) < 0) {
		return 2;
	}
	log_init(LOG_LVL_WARNING);
	fake_backend_init(&fake);
	if (argc > 4) {
		fake.config.control_clients = strtoul(argv[4], NULL, 10);
	}
	snprintf(fake.log, sizeof(fake.log), "%s", argv[3]);
	if (control_new(&control, loop, events, -1, argv[1], &fake.config, &fake_control_backend,
		    &fake, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	publish(events, "domain-appeared");
	publish(events, "device-model-starting");
	loop_signal_start(loop, &term, SIGTERM, on_term, loop);
	happens = (struct something){.events = events, .control = control};
	loop_signal_start(loop, &usr1, SIGUSR1, on_usr1, &happens);
	puts("ready");
	fflush(stdout);
	loop_run(loop);
	loop_signal_stop(&term);
	loop_signal_stop(&usr1);
	control_free(control);
	events_free(events);
	loop_free(loop);
	fake_backend_fini(&fake);
	return 0;
}
