/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/print.h"
#include "daemon/ctl/text.h"

static struct json_object *domain_parameter(const struct ctl_options *options)
{
	struct json_object *parameters = json_object_new_object();

	if (options->args_len > 0) {
		json_object_object_add(
			parameters, "domain", json_object_new_string(options->args[0]));
	}
	return parameters;
}

static const char *state_colour(const char *state)
{
	static const struct {
		const char *state, *colour;
	} colours[] = {
		{"running", "32"},
		{"waiting", "33"},
		{"starting", "33"},
		{"stopping", "33"},
		{"exited", "31"},
		{"failed", "31"},
		{"lost", "31"},
	};

	for (size_t i = 0; state && i < ARRAY_SIZE(colours); i++) {
		if (!strcmp(state, colours[i].state)) {
			return colours[i].colour;
		}
	}
	return NULL;
}

/* "2026-11-20T11:42:25.017Z" as "2026-11-20 11:42:25". */
static void format_since(const char *time, char buf[20])
{
	snprintf(buf, 20, "%s", time ? time : "");
	if (strlen(buf) > 10) {
		buf[10] = ' ';
	}
}

/* Its successor has the guest; that is no failure. */
static bool is_migrated(struct json_object *domain)
{
	const char *migration = ctl_member(domain, "migration");

	return migration && !strcmp(migration, "completed");
}

static void add_domain(struct table *table, struct json_object *domain)
{
	const char *state = ctl_member(domain, "state"), *reason = ctl_member(domain, "reason");
	struct json_object *pid = json_object_object_get(domain, "pid");
	struct json_object *stubdom = json_object_object_get(domain, "stubdom");
	char since[20];
	const char *cells[] = {
		json_object_get_string(json_object_object_get(domain, "domid")),
		ctl_member(domain, "name"),
		ctl_member(domain, "kind"),
		state,
		pid ? json_object_get_string(pid) : NULL,
		json_object_get_string(json_object_object_get(stubdom, "domid")),
		since,
		reason		      ? reason
		: is_migrated(domain) ? "migrated: paused (postmigrate)"
				      : ctl_member(domain, "source"),
	};

	format_since(ctl_member(domain, "since"), since);
	table_add(table, cells, 3, state_colour(state));
}

static int print_table(struct json_object *domains)
{
	static const char *const headings[] = {
		"DOMID", "NAME", "KIND", "STATE", "PID", "STUB", "SINCE (UTC)", "REASON OR SOURCE"};
	struct table *table = table_new(headings, ARRAY_SIZE(headings));
	size_t len = json_object_is_type(domains, json_type_array)
			     ? json_object_array_length(domains)
			     : 0;
	int r = table ? 0 : -1;

	for (size_t i = 0; table && i < len; i++) {
		add_domain(table, json_object_array_get_idx(domains, i));
	}
	if (table) {
		r = table_print(table, stdout, text_colours(stdout));
	}
	table_free(table);
	return r < 0 ? ctl_fail(CTL_FAILED, "out of memory") : CTL_DONE;
}

struct watch {
	bool json, terminal, again;
};

/* A terminal is drawn anew, a pipe gets one table after the other. */
static void on_list(void *ctx, struct json_object *parameters)
{
	struct watch *watch = ctx;

	if (watch->json) {
		print_json_line(parameters);
	} else {
		fputs(watch->terminal ? "\033[H\033[2J" : watch->again ? "\n" : "", stdout);
		print_table(json_object_object_get(parameters, "domains"));
	}
	watch->again = true;
	fflush(stdout);
}

int verb_status(const struct ctl_options *options)
{
	struct watch watch = {.json = options->json, .terminal = isatty(STDOUT_FILENO)};
	struct json_object *reply = NULL;
	int r;

	if (options->watch) {
		return ctl_stream(options, "List", domain_parameter(options), on_list, &watch);
	}
	r = ctl_call(options, "List", domain_parameter(options), CTL_TIMEOUT_MS, &reply);
	if (r == CTL_DONE && options->json) {
		print_json(reply);
	} else if (r == CTL_DONE) {
		r = print_table(json_object_object_get(reply, "domains"));
	}
	json_object_put(reply);
	return r;
}

int verb_show(const struct ctl_options *options)
{
	struct json_object *reply = NULL, *description;
	int r = ctl_call(options, "Describe", domain_parameter(options), CTL_TIMEOUT_MS, &reply);

	if (r == CTL_DONE) {
		description = json_object_object_get(reply, "description");
		if (options->json) {
			print_json(description);
		} else {
			print_tree(description);
		}
	}
	json_object_put(reply);
	return r;
}
