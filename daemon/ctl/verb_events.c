/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/print.h"
#include "daemon/ctl/text.h"

static struct json_object *event_parameters(const struct ctl_options *options)
{
	struct json_object *parameters = json_object_new_object();

	if (options->has_since) {
		json_object_object_add(parameters, "since", json_object_new_int64(options->since));
	}
	return parameters;
}

/* "17 2026-11-20T11:42:25.017Z device-model-exited d3 web1 KEY=VALUE …" */
static void print_event(struct json_object *event)
{
	static const char *const told[] = {"seq", "time", "event", "domid", "uuid", "name", NULL};
	const char *time = ctl_member(event, "time"), *what = ctl_member(event, "event");
	const char *name = ctl_member(event, "name");
	struct json_object *domid = json_object_object_get(event, "domid");

	printf("%s ", json_object_get_string(json_object_object_get(event, "seq")));
	text_put(stdout, time ? time : "-");
	putchar(' ');
	text_put(stdout, what ? what : "-");
	if (domid) {
		printf(" d%s", json_object_get_string(domid));
	}
	if (name) {
		putchar(' ');
		text_put(stdout, name);
	}
	print_members(event, told);
	putchar('\n');
}

static void on_events(void *ctx, struct json_object *parameters)
{
	const struct ctl_options *options = ctx;
	struct json_object *events = json_object_object_get(parameters, "events");
	size_t len =
		json_object_is_type(events, json_type_array) ? json_object_array_length(events) : 0;

	for (size_t i = 0; i < len; i++) {
		struct json_object *event = json_object_array_get_idx(events, i);

		if (options->json) {
			print_json_line(event);
		} else {
			print_event(event);
		}
	}
	fflush(stdout);
}

int verb_events(const struct ctl_options *options)
{
	struct json_object *reply = NULL;
	int r;

	if (options->follow) {
		return ctl_stream(
			options, "Events", event_parameters(options), on_events, (void *)options);
	}
	r = ctl_call(options, "Events", event_parameters(options), CTL_TIMEOUT_MS, &reply);
	if (r == CTL_DONE) {
		on_events((void *)options, reply);
	}
	json_object_put(reply);
	return r;
}

static void on_lines(void *ctx, struct json_object *parameters)
{
	struct json_object *lines = json_object_object_get(parameters, "lines");
	size_t len =
		json_object_is_type(lines, json_type_array) ? json_object_array_length(lines) : 0;

	for (size_t i = 0; i < len; i++) {
		text_put(stdout, json_object_get_string(json_object_array_get_idx(lines, i)));
		putchar('\n');
	}
	fflush(stdout);
}

int verb_logs(const struct ctl_options *options)
{
	struct json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, "domain", json_object_new_string(options->args[0]));
	if (options->has_lines) {
		json_object_object_add(parameters, "lines", json_object_new_int64(options->lines));
	}
	if (options->follow) {
		json_object_object_add(parameters, "follow", json_object_new_boolean(true));
	}
	return ctl_stream(options, "Logs", parameters, on_lines, NULL);
}
