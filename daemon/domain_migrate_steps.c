/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each step of a migration asks QEMU, and what it makes of the answer. */
#include "daemon/domain_migrate.h"

#include <errno.h>
#include <string.h>

static const char *const commands[_MIGRATE_STEP_MAX] = {
	[MIGRATE_STATUS] = "query-status",
	[MIGRATE_BEFORE] = "query-migrate",
	[MIGRATE_CAPABILITIES] = "query-migrate-capabilities",
	[MIGRATE_PARAMETERS] = "query-migrate-parameters",
	[MIGRATE_SET_CAPABILITIES] = "migrate-set-capabilities",
	[MIGRATE_SET_PARAMETERS] = "migrate-set-parameters",
	[MIGRATE_FD] = "getfd",
	[MIGRATE_BEGIN] = "migrate",
	[MIGRATE_WATCH] = "query-migrate",
	[MIGRATE_CLOSE_FD] = "closefd",
	[MIGRATE_OLD_PARAMETERS] = "migrate-set-parameters",
	[MIGRATE_OLD_CAPABILITIES] = "migrate-set-capabilities",
	[MIGRATE_AFTER] = "query-status",
	[MIGRATE_CONT] = "cont",
};

const char *migrate_step_command(const struct domain_migration *m)
{
	return m->step == MIGRATE_BEGIN && m->incoming ? "migrate-incoming" : commands[m->step];
}

bool migrate_step_is_due(const struct domain_migration *m)
{
	switch (m->step) {
	case MIGRATE_CAPABILITIES:
	case MIGRATE_SET_CAPABILITIES:
		return m->capabilities != NULL;
	case MIGRATE_PARAMETERS:
	case MIGRATE_SET_PARAMETERS:
		return m->parameters != NULL;
	case MIGRATE_FD:
		return m->fd >= 0;
	case MIGRATE_CLOSE_FD:
		return m->fd_given;
	case MIGRATE_OLD_PARAMETERS:
		return m->set_parameters && m->old_parameters;
	case MIGRATE_OLD_CAPABILITIES:
		return m->set_capabilities && m->old_capabilities;
	case MIGRATE_AFTER:
		return m->begun && !m->incoming;
	case MIGRATE_CONT:
		return m->stuck;
	default:
		return true;
	}
}

static struct json_object *one_argument(const char *key, struct json_object *value)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, key, value);
	return arguments;
}

struct json_object *migrate_step_arguments(const struct domain_migration *m)
{
	switch (m->step) {
	case MIGRATE_SET_CAPABILITIES:
		return one_argument("capabilities", migration_capabilities_list(m->capabilities));
	case MIGRATE_OLD_CAPABILITIES:
		return one_argument(
			"capabilities", migration_capabilities_list(m->old_capabilities));
	case MIGRATE_SET_PARAMETERS:
		return json_object_get(m->parameters);
	case MIGRATE_OLD_PARAMETERS:
		return json_object_get(m->old_parameters);
	case MIGRATE_FD:
	case MIGRATE_CLOSE_FD:
		return one_argument("fdname", json_object_new_string(MIGRATE_FD_NAME));
	case MIGRATE_BEGIN:
		return one_argument("uri", json_object_new_string(m->uri));
	default:
		return NULL;
	}
}

/* Of query-status. */
static const char *read_status(struct json_object *body, bool *running)
{
	struct json_object *value;

	*running = json_object_object_get_ex(body, "running", &value) &&
		   json_object_get_boolean(value);
	return json_object_object_get_ex(body, "status", &value) &&
			       json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : "";
}

static int take_status(struct domain_migration *m, struct json_object *body, struct err *err)
{
	const char *status = read_status(body, &m->was_running);

	if (m->incoming != !strcmp(status, "inmigrate")) {
		return err_set(err, -EIO,
			m->incoming ? "it does not wait for one (its state is \"%.40s\")"
				    : "it waits for an incoming one (its state is \"%.40s\")",
			status);
	}
	return 0;
}

static int take_before(struct domain_migration *m, struct json_object *body, struct err *err)
{
	struct migration_progress before;
	int r = migration_progress_read(body, &before, err);

	if (r == 0 && before.stage == MIGRATION_UNDER_WAY) {
		return err_set(err, -EBUSY,
			"another one is under way (\"%s\"), which was begun over QMP",
			before.status);
	}
	return r;
}

int migrate_step_take(struct domain_migration *m, struct json_object *body, struct err *err)
{
	switch (m->step) {
	case MIGRATE_STATUS:
		return take_status(m, body, err);
	case MIGRATE_BEFORE:
		return take_before(m, body, err);
	case MIGRATE_CAPABILITIES:
		return migration_capabilities_now(m->capabilities, body, &m->old_capabilities, err);
	case MIGRATE_PARAMETERS:
		return migration_parameters_now(m->parameters, body, &m->old_parameters, err);
	case MIGRATE_FD:
		m->fd_given = true;
		return 0;
	case MIGRATE_CONT:
		m->paused = m->stuck = false;
		return 0;
	default:
		return 0;
	}
}

bool migrate_step_take_after(struct domain_migration *m, struct json_object *body)
{
	bool running;
	const char *status = read_status(body, &running);

	m->paused = !running;
	return !strcmp(status, "finish-migrate");
}
