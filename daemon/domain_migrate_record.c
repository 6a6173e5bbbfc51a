/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the record has of a migration (its member "migration", which a daemon of before leaves out):
 * while one is under way what undoes it, afterwards how it ended, until the next one or until the
 * machine runs again. And taking it up after a restart of the daemon.
 */
#include "daemon/domain_migrate.h"

#include <errno.h>
#include <string.h>

#include "daemon/events.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/limits.h"
#include "proto/qmpmux.h"

#define ACTIVE "active"
#define INCOMING "incoming"
#define COMPLETED "completed"

void domain_migrate_drop(struct domain *d)
{
	if (d->migration) {
		domain_migrate_end(d, -ESRCH, "its device model ends, and the migration with it");
		domain_migrate_forget(d);
	}
}

static const char *recorded_state(const struct domain *d)
{
	struct json_object *state;

	return d->r.migration && json_object_object_get_ex(d->r.migration, "state", &state) &&
			       json_object_is_type(state, json_type_string)
		       ? json_object_get_string(state)
		       : "";
}

static bool flag(struct json_object *json, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(json, key, &value) && json_object_get_boolean(value);
}

void domain_migrate_forget(struct domain *d)
{
	json_object_put(d->r.migration);
	d->r.migration = NULL;
}

static void replace(struct domain *d, struct json_object *json)
{
	domain_migrate_forget(d);
	d->r.migration = json;
	domain_changed(d);
}

static struct json_object *new_state(const struct domain_migration *m, const char *state)
{
	struct json_object *json = json_object_new_object();

	json_object_object_add(
		json, "direction", json_object_new_string(m->incoming ? "in" : "out"));
	json_object_object_add(json, "state", json_object_new_string(state));
	return json;
}

int domain_migrate_note_begin(struct domain_migration *m)
{
	struct json_object *json = new_state(m, m->incoming ? INCOMING : ACTIVE);

	json_object_object_add(json, "was_running", json_object_new_boolean(m->was_running));
	json_object_object_add(json, "capabilities", json_object_get(m->old_capabilities));
	json_object_object_add(json, "parameters", json_object_get(m->old_parameters));
	replace(m->d, json);
	return domain_write_record(m->d);
}

static void add_progress(struct json_object *json, const struct migration_progress *progress)
{
	_cleanup_json_ struct json_object *members = migration_progress_json(progress);

	json_object_object_foreach (members, key, value) {
		json_object_object_add(json, key, json_object_get(value));
	}
}

void domain_migrate_tell(
	struct domain *d, const char *state, const struct migration_progress *progress)
{
	struct json_object *json = domain_event_json(d, "device-model-migration");

	if (json) {
		json_object_object_add(json, "state", json_object_new_string(state));
		if (progress) {
			add_progress(json, progress);
		}
		events_publish(d->s->events, json);
	}
}

static const char *end_of(const struct domain_migration *m)
{
	if (!m->failed.code) {
		return COMPLETED;
	}
	return m->cancelled ? "cancelled" : "failed";
}

/* One that was refused before anything was done leaves what was known of an earlier one. */
void domain_migrate_note_end(struct domain_migration *m)
{
	struct domain *d = m->d;
	struct json_object *json;

	domain_log(d, m->failed.code ? LOG_LVL_WARNING : LOG_LVL_NOTICE, "%s: %s%s%s",
		m->incoming ? "the incoming migration" : "the migration", end_of(m),
		m->failed.code ? ": "
		: m->paused    ? "; the machine stays paused"
			       : "",
		m->failed.text);
	if (!m->noted) {
		return;
	}
	json = new_state(m, end_of(m));
	add_progress(json, &m->progress);
	if (m->failed.code) {
		json_object_object_add(json, "reason", json_object_new_string(m->failed.text));
	}
	json_object_object_add(json, "paused", json_object_new_boolean(m->paused));
	replace(d, json);
	domain_write_record(d);
	if (m->failed.code) {
		snprintf(m->progress.reason, sizeof(m->progress.reason), "%.500s", m->failed.text);
	}
	domain_migrate_tell(d, end_of(m), &m->progress);
}

struct json_object *domain_migrate_json(const struct domain *d)
{
	static const char *const inner[] = {"was_running", "capabilities", "parameters"};
	struct json_object *json = NULL;

	if (!d->r.migration || d->state != DOMAIN_RUNNING ||
		json_object_deep_copy(d->r.migration, &json, NULL) < 0) {
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(inner); i++) {
		json_object_object_del(json, inner[i]);
	}
	if (d->migration) {
		add_progress(json, &d->migration->progress);
	}
	return json;
}

/* "active", "incoming", or "completed" of a machine that stays paused because its successor has the
 * guest; NULL: nothing that a look at the status should tell. */
const char *domain_migrate_word(const struct domain *d)
{
	const char *state = recorded_state(d);

	if (d->state != DOMAIN_RUNNING) {
		return NULL;
	}
	if (!strcmp(state, ACTIVE) || !strcmp(state, INCOMING)) {
		return state;
	}
	return !strcmp(state, COMPLETED) && flag(d->r.migration, "paused") ? COMPLETED : NULL;
}

static struct json_object *object_in(struct json_object *json, const char *key)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(json, key, &value) &&
			       json_object_is_type(value, json_type_object)
		       ? json_object_get(value)
		       : NULL;
}

static void take_up(struct domain *d, bool incoming)
{
	struct domain_migration *m = domain_migrate_new(d);

	if (!m) {
		domain_log(d, LOG_LVL_ERROR, "migration: out of memory");
		return;
	}
	domain_log(d, LOG_LVL_NOTICE, "a migration was under way; it is followed again");
	m->step = MIGRATE_WATCH;
	m->incoming = incoming;
	m->was_running = flag(d->r.migration, "was_running");
	m->old_capabilities = object_in(d->r.migration, "capabilities");
	m->old_parameters = object_in(d->r.migration, "parameters");
	m->taken_up = m->noted = m->begun = m->set_capabilities = m->set_parameters = true;
	m->fd_given = true; /* perhaps */
	domain_migrate_run(m);
}

static void on_status(void *ctx, struct json_object *body, const struct err *err)
{
	struct json_object *running;
	struct domain *d = ctx;

	if (!err && json_object_object_get_ex(body, "running", &running) &&
		json_object_get_boolean(running)) {
		domain_migrate_resumed(d);
	}
}

/* Was it let go on while nobody looked? */
static void ask_status(struct domain *d)
{
	const struct qmpmux_call call = {
		.class = QMP_CLASS_ADMIN, .command = "query-status", .fn = on_status, .ctx = d};
	struct err err;

	if (qmpmux_call(monitor_mux(d->monitor), &call, loop_monotonic_ms(), NULL, &err) == 0) {
		monitor_settle(d->monitor);
	}
}

void domain_migrate_connected(struct domain *d)
{
	const char *state = recorded_state(d);

	if (d->migration || !d->monitor) {
		return;
	}
	if (!strcmp(state, ACTIVE) || !strcmp(state, INCOMING)) {
		take_up(d, !strcmp(state, INCOMING));
	} else if (domain_migrate_word(d)) {
		ask_status(d);
	}
}

void domain_migrate_resumed(struct domain *d)
{
	if (!d->migration && domain_migrate_word(d)) {
		domain_log(d, LOG_LVL_NOTICE, "the machine that was migrated runs again");
		replace(d, NULL);
		domain_write_record(d);
	}
}
