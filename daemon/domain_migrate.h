/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A migration that is under way, for domain_migrate*.c only. */
#include "daemon/domain_impl.h"
#include "proto/migration.h"

#define MIGRATE_FD_NAME "xendmd-migration" /* QEMU's name for what it gets */

/* In this order. What comes behind MIGRATE_WATCH undoes, after any end. */
enum domain_migrate_step {
	MIGRATE_STATUS,
	MIGRATE_BEFORE,
	MIGRATE_CAPABILITIES,
	MIGRATE_PARAMETERS,
	MIGRATE_SET_CAPABILITIES,
	MIGRATE_SET_PARAMETERS,
	MIGRATE_FD,
	MIGRATE_BEGIN,
	MIGRATE_WATCH,
	MIGRATE_CLOSE_FD,
	MIGRATE_OLD_PARAMETERS,
	MIGRATE_OLD_CAPABILITIES,
	MIGRATE_AFTER,
	MIGRATE_CONT,
	_MIGRATE_STEP_MAX
};

struct domain_migration {
	struct domain *d;
	struct control_call *call, *cancel_call; /* NULL: nobody waits */
	enum domain_migrate_step step;
	bool incoming, detach;
	int fd; /* until it is sent */
	char *uri;
	struct json_object *capabilities, *parameters; /* asked for; NULL: none */
	struct json_object *old_capabilities, *old_parameters;
	bool was_running;
	bool noted;			       /* the record has it */
	bool set_capabilities, set_parameters; /* perhaps: there is something to undo */
	bool fd_given;			       /* QEMU has it under our name */
	bool begun, cancelled;
	bool taken_up;	    /* an earlier daemon began it, or was about to */
	bool paused, stuck; /* at the end; and that is not as it was */
	struct migration_progress progress;
	struct qmpmux_client *flight; /* NULL: nothing is asked */
	struct loop_timer again;
	int64_t pause_ms;
	unsigned tries; /* of this step that went wrong in a row */
	struct err failed;
};

/* domain_migrate.c. NULL: out of memory. */
struct domain_migration *domain_migrate_new(struct domain *d);
/* Begins at its step; it is the domain's from here on and frees itself. */
void domain_migrate_run(struct domain_migration *m);

/* domain_migrate_steps.c: of the step it is at. Is there something to be done in it? */
bool migrate_step_is_due(const struct domain_migration *m);
const char *migrate_step_command(const struct domain_migration *m);
/* The caller's; NULL: it has none. */
struct json_object *migrate_step_arguments(const struct domain_migration *m);
/* Takes from QEMU's answer what a later step needs; <0: it may not go on. */
int migrate_step_take(struct domain_migration *m, struct json_object *body, struct err *err);
/* Of MIGRATE_AFTER. True: QEMU has not come to its end yet. */
bool migrate_step_take_after(struct domain_migration *m, struct json_object *body);

/* domain_migrate_record.c: what of it the record has. -errno where it could not be written. */
int domain_migrate_note_begin(struct domain_migration *m);
void domain_migrate_note_end(struct domain_migration *m);
/* The event device-model-migration. PROGRESS may be NULL. */
void domain_migrate_tell(
	struct domain *d, const char *state, const struct migration_progress *progress);
