/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * record.json: what must survive the daemon (contract section 2, /run/xendmd/dm/G/). Written before
 * the device model is executed and at every change of its state. JSON with "version": a newer or
 * older daemon refuses what it does not know, and the file is then kept aside, never deleted.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/definition.h"
#include "lib/err.h"
#include "lib/procinfo.h"
#include "lib/strv.h"
#include "proto/status.h"

#define RECORD_VERSION 1

struct record {
	uint32_t domid;
	uint8_t uuid[16];
	uint64_t unique_id;
	char *name; /* may be NULL */
	char boot_id[37];
	enum dm_kind kind;
	enum dm_state state;
	bool released; /* the device model was allowed to execute: it may have run */
	char *source;  /* "definition:/etc/…" */
	char *reason;  /* may be NULL */
	enum on_exit_policy on_exit;
	bool by_toolstack; /* ended by its toolstack */
	bool asked;	   /* a stop of ours is under way: its end is no death */
	struct definition_limits limits;
	struct proc_id process;
	int helper_pid; /* dm-handoff, whose toolstack still waits; 0: none */
	struct exit_info exit;
	char *binary, *log; /* may be NULL */
	char *cgroup;	    /* of its scope, may be NULL: what it left there is swept */
	struct strv argv;
	bool by_libxl;	   /* the domain was made by libxl */
	bool restarting;   /* on_exit starts it again, and it does not run yet */
	unsigned restarts; /* so often in a row */
	/* What a command line that can be run again was run with (daemon/domain_restart.c). */
	struct strv env;
	char *directory;	       /* NULL: / */
	struct json_object *all_steps; /* as "steps", all of them */
	/* What follows the start (proto/follow). "steps" may hold passwords and goes with the last.
	 */
	/* Of a migration that is under way or has ended (daemon/domain_migrate_record.c); NULL:
	 * none */
	struct json_object *migration;
	bool incoming_later;	   /* -incoming, from a peer: ready before it comes */
	bool following;		   /* it is under way */
	struct json_object *steps; /* commands that are not answered yet; NULL: none */
	struct strv nodes;	   /* what was written below /local/domain/G */
	struct strv warnings;	   /* what of it failed */
	/* The devices of the machine (proto/devicelist); NULL: none are known. */
	struct json_object *devices;
	struct strv gone;	/* of the command line's (lib/hotplug), what was taken out */
	uint32_t device_serial; /* of the last that was added */
	int64_t since_ms, started_ms,
		start_ms; /* realtime, realtime, duration (-1: not ready yet) */
};

void record_fini(struct record *record);
/* The text of the file; the caller frees; NULL when out of memory. */
char *record_encode(const struct record *record);
/* -EPROTONOSUPPORT: another version; -EBADMSG: anything else that is wrong. */
int record_decode(const char *text, size_t len, struct record *ret, struct err *err);
