/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fake/fakedm_migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	struct json_object *capabilities, *parameters;
	int fd; /* of getfd; 0: none */
	char fdname[64], status[32];
	bool incoming, was_running;
	int64_t balloon, questions;
} mig;

static void begin_once(void)
{
	if (mig.capabilities) {
		return;
	}
	mig.capabilities = json_tokener_parse("{\"x-ignore-shared\": false, \"multifd\": false, "
					      "\"auto-converge\": true}");
	mig.parameters = json_tokener_parse(
		"{\"max-bandwidth\": 134217728, \"downtime-limit\": 300, \"multifd-channels\": 2, "
		"\"multifd-compression\": \"none\", \"cpu-throttle-tailslow\": false}");
	strcpy(mig.status, "none");
	mig.balloon = INT64_C(512) << 20;
}

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

static const char *text(struct json_object *object, const char *key)
{
	struct json_object *value = member(object, key);

	return value ? json_object_get_string(value) : "";
}

static struct json_object *capability_list(void)
{
	struct json_object *list = json_object_new_array();

	json_object_object_foreach (mig.capabilities, name, state) {
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "capability", json_object_new_string(name));
		json_object_object_add(one, "state", json_object_get(state));
		json_object_array_add(list, one);
	}
	return list;
}

static void set_capabilities(struct json_object *list)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		json_object_object_add(mig.capabilities, text(one, "capability"),
			json_object_get(member(one, "state")));
	}
}

static void set_parameters(struct json_object *given)
{
	json_object_object_foreach (given, name, value) {
		json_object_object_add(mig.parameters, name, json_object_get(value));
	}
}

static void set_status(const struct fakedm_machine *m, const char *status, bool running)
{
	snprintf(m->status, m->status_size, "%s", status);
	*m->running = running;
}

static const char *take_named_fd(const char *name, bool write_it)
{
	if (!mig.fd || strcmp(name, mig.fdname)) {
		return "File descriptor named 'xendmd-migration' has not been found";
	}
	if (write_it) {
		dprintf(mig.fd, "memory of %d\n", (int)getpid());
	}
	close(mig.fd);
	mig.fd = 0;
	return NULL;
}

static const char *begin(const struct fakedm_machine *m, const char *uri, bool incoming)
{
	const char *error = NULL;

	if (incoming && strcmp(m->status, "inmigrate")) {
		return "'-incoming' was not specified on the command line";
	}
	if (!strncmp(uri, "fd:", 3)) {
		error = take_named_fd(uri + 3, !incoming);
	} else if (strncmp(uri, "exec:", 5)) {
		error = "unknown migration protocol";
	}
	if (!error) {
		mig.incoming = incoming;
		mig.was_running = *m->running;
		mig.questions = 0;
		strcpy(mig.status, "active");
	}
	return error;
}

static void end(const struct fakedm_machine *m, const char *word)
{
	if (strcmp(mig.status, "active")) {
		return;
	}
	if (!strcmp(word, "completed")) {
		set_status(m,
			!mig.incoming	   ? "postmigrate"
			: m->stopped_start ? "paused"
					   : "running",
			mig.incoming && !m->stopped_start);
	} else if (strcmp(word, "failed") && strcmp(word, "cancelled") && strcmp(word, "stuck")) {
		return;
	}
	if (!strcmp(word, "stuck")) { /* a QEMU that leaves it stopped */
		set_status(m, "paused", false);
		word = "failed";
	}
	snprintf(mig.status, sizeof(mig.status), "%s", word);
}

static void read_script(const struct fakedm_machine *m)
{
	FILE *f = m->script ? fopen(m->script, "re") : NULL;
	char word[32];

	if (f && fscanf(f, "%31s", word) == 1) {
		end(m, word);
	}
	if (f) {
		fclose(f);
	}
}

static struct json_object *progress(const struct fakedm_machine *m)
{
	struct json_object *json = json_object_new_object(), *ram;

	read_script(m);
	if (!strcmp(mig.status, "none")) {
		return json;
	}
	json_object_object_add(json, "status", json_object_new_string(mig.status));
	json_object_object_add(json, "total-time", json_object_new_int64(10 * ++mig.questions));
	if (!strcmp(mig.status, "completed")) {
		json_object_object_add(json, "downtime", json_object_new_int(7));
	}
	if (!strcmp(mig.status, "failed")) {
		json_object_object_add(
			json, "error-desc", json_object_new_string("Unable to write: no space"));
	}
	ram = json_object_new_object();
	json_object_object_add(ram, "transferred", json_object_new_int64(4096 * mig.questions));
	json_object_object_add(ram, "remaining", json_object_new_int64(8192));
	json_object_object_add(ram, "total", json_object_new_int64(1048576));
	json_object_object_add(json, "ram", ram);
	return json;
}

static const char *get_fd(const struct fakedm_machine *m, const char *name)
{
	if (*m->passed_fd < 0) {
		return "No file descriptor supplied via SCM_RIGHTS";
	}
	snprintf(mig.fdname, sizeof(mig.fdname), "%s", name);
	mig.fd = *m->passed_fd;
	*m->passed_fd = -1;
	return NULL;
}

static struct json_object *balloon(void)
{
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "actual", json_object_new_int64(mig.balloon));
	return json;
}

bool fakedm_migrate(const char *name, struct json_object *arguments, const struct fakedm_machine *m,
	struct json_object **ret, const char **ret_error)
{
	begin_once();
	*ret = NULL;
	*ret_error = NULL;
	if (!strcmp(name, "query-migrate-capabilities")) {
		*ret = capability_list();
	} else if (!strcmp(name, "query-migrate-parameters")) {
		*ret = json_object_get(mig.parameters);
	} else if (!strcmp(name, "migrate-set-capabilities")) {
		set_capabilities(member(arguments, "capabilities"));
	} else if (!strcmp(name, "migrate-set-parameters")) {
		set_parameters(arguments);
	} else if (!strcmp(name, "getfd")) {
		*ret_error = get_fd(m, text(arguments, "fdname"));
	} else if (!strcmp(name, "closefd")) {
		*ret_error = take_named_fd(text(arguments, "fdname"), false);
	} else if (!strcmp(name, "migrate") || !strcmp(name, "migrate-incoming")) {
		*ret_error = begin(m, text(arguments, "uri"), name[7] == '-');
	} else if (!strcmp(name, "query-migrate")) {
		*ret = progress(m);
	} else if (!strcmp(name, "migrate_cancel")) {
		end(m, "cancelled");
	} else if (!strcmp(name, "balloon")) {
		mig.balloon = json_object_get_int64(member(arguments, "value"));
	} else if (!strcmp(name, "query-balloon")) {
		*ret = balloon();
	} else {
		return false;
	}
	return true;
}
