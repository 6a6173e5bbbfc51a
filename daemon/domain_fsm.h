/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The life of one domain as a table: (state, event) -> (state, actions). Pure: no I/O, no memory,
 * no time. Every pair is listed or refused; docs/states.md is printed from this table.
 */
#include <stdbool.h>

#include "proto/status.h"

enum domain_state {
	DOMAIN_LOOKING,	  /* its name, toolstack and earlier device model are being read */
	DOMAIN_UNMANAGED, /* no device model known, none wanted */
	DOMAIN_WAITING,	  /* its definition waits for a handoff */
	DOMAIN_QUEUED,	  /* wants a start slot */
	DOMAIN_PREPARING, /* xenstore, log and sockets are being made ready */
	DOMAIN_SPAWNED,	  /* dm-launch waits for record and scope */
	DOMAIN_PROBING,	  /* the device model runs and must prove that it is ready */
	DOMAIN_RUNNING,
	DOMAIN_FOREIGN,		/* runs a device model that another toolstack started */
	DOMAIN_ENDING,		/* the device model ended; why is being found out */
	DOMAIN_ENDED,		/* its toolstack ended it; the domain should follow */
	DOMAIN_STOPPING_FAILED, /* being stopped because its start failed */
	DOMAIN_STOPPING_EXITED, /* being stopped because somebody asked */
	DOMAIN_STOPPING_GONE,	/* being stopped because its domain goes */
	DOMAIN_CLEANING_FAILED, /* the process is gone, its traces are being removed; then FAILED */
	DOMAIN_CLEANING_EXITED,
	DOMAIN_CLEANING_RESTART,
	DOMAIN_CLEANING_GONE,
	DOMAIN_BACKOFF, /* before it is started again */
	DOMAIN_FAILED,
	DOMAIN_EXITED,
	DOMAIN_LOST,	/* recorded, but its identity can't be proven */
	DOMAIN_LEAVING, /* nothing of ours is left; the hypervisor still knows the domain */
	DOMAIN_GONE,	/* the object is released */
	_DOMAIN_STATE_MAX
};

enum domain_event {
	DOMAIN_EV_LOOK,		  /* look again: definitions or xenstore changed */
	DOMAIN_EV_FOUND_START,	  /* a definition gives it a device model, none has run */
	DOMAIN_EV_FOUND_WAIT,	  /* a definition without a source */
	DOMAIN_EV_FOUND_NOTHING,  /* no definition, no device model */
	DOMAIN_EV_FOUND_FOREIGN,  /* somebody else's device model, proven */
	DOMAIN_EV_FOUND_ENDED,	  /* somebody else's device model, which has ended by now */
	DOMAIN_EV_FOUND_HANDOFF,  /* a device model was handed over for it */
	DOMAIN_EV_FOUND_BAD,	  /* its definitions contradict each other or can't be started */
	DOMAIN_EV_ADOPT_RUNNING,  /* a record; the process is proven ours and was ready */
	DOMAIN_EV_ADOPT_STARTING, /* a record; proven ours, not ready yet */
	DOMAIN_EV_ADOPT_STOPPING, /* a record; proven ours, a stop had begun */
	DOMAIN_EV_ADOPT_ENDED,	  /* a record; the process ended while nobody watched */
	DOMAIN_EV_ADOPT_LOST,	  /* a record; the process is somebody else's or can't be read */
	DOMAIN_EV_ADOPT_EXITED,	  /* a record of a device model that had ended */
	DOMAIN_EV_ADOPT_FAILED,	  /* a record of a start that had failed */
	DOMAIN_EV_ADOPT_RESTART,  /* a record of a device model that was to be started again */
	DOMAIN_EV_START,	  /* somebody asks for a device model */
	DOMAIN_EV_HANDOFF,	  /* a toolstack hands a device model over */
	DOMAIN_EV_DISPROVED,	  /* somebody else's device model is none: a script of our helper */
	DOMAIN_EV_SLOT,		  /* a start slot is free */
	DOMAIN_EV_PREPARED,
	DOMAIN_EV_EXECUTED,
	DOMAIN_EV_READY,
	DOMAIN_EV_START_ERROR,	 /* a step of the start failed */
	DOMAIN_EV_PROCESS_ENDED, /* told by the pidfd */
	DOMAIN_EV_END_TOOLSTACK, /* the end was the toolstack's doing */
	DOMAIN_EV_END_DEATH,	 /* it was not */
	DOMAIN_EV_END_RESTART,	 /* it was not, and it is to be started again */
	DOMAIN_EV_STOP,		 /* somebody asks to end the device model */
	DOMAIN_EV_DEADLINE,	 /* the state's time is up */
	DOMAIN_EV_CLEANED,
	DOMAIN_EV_CLEANED_RETRY,   /* the start that failed was a restart: once more */
	DOMAIN_EV_CLEANED_GIVE_UP, /* the same, the last one */
	DOMAIN_EV_DYING,	   /* the hypervisor is taking the domain down */
	DOMAIN_EV_GONE,		   /* the hypervisor does not know it any more */
	_DOMAIN_EVENT_MAX
};

/* In the order in which they are carried out. */
enum domain_action {
	DOMAIN_ACT_ABORT =
		1 << 0,		  /* cancel what is pending of a look, a start or what follows it */
	DOMAIN_ACT_LOOK = 1 << 1, /* read name, toolstack, earlier device model */
	DOMAIN_ACT_QUEUE = 1 << 2,     /* ask for a start slot */
	DOMAIN_ACT_PREPARE = 1 << 3,   /* plan, xenstore, log, sockets */
	DOMAIN_ACT_SPAWN = 1 << 4,     /* dm-launch, record, scope, release */
	DOMAIN_ACT_PROBE = 1 << 5,     /* QMP and xenstore until it is ready */
	DOMAIN_ACT_READY = 1 << 6,     /* record it, tell that it runs */
	DOMAIN_ACT_FOLLOW = 1 << 7,    /* what libxl does after a start, as far as it is not done */
	DOMAIN_ACT_CLASSIFY = 1 << 8,  /* find out whose doing the end was */
	DOMAIN_ACT_POLICY = 1 << 9,    /* on_exit */
	DOMAIN_ACT_STOP = 1 << 10,     /* QMP quit, the first rung */
	DOMAIN_ACT_ESCALATE = 1 << 11, /* the next rung: SIGTERM, SIGKILL, again */
	DOMAIN_ACT_CLEAN = 1 << 12,    /* sockets, xenstore, scope, run directory */
	DOMAIN_ACT_FORGET = 1 << 13,   /* release the object */
	_DOMAIN_ACT_LAST = DOMAIN_ACT_FORGET
};

struct domain_step {
	enum domain_state next;
	unsigned actions;
};

/* False: the event means nothing in this state and is refused; RET is untouched. */
bool domain_fsm_step(enum domain_state state, enum domain_event event, struct domain_step *ret);

/* What a state is called in status (contract section 4.1). */
enum dm_state domain_fsm_public(enum domain_state state);

/* States that wait for something have a deadline. */
bool domain_fsm_has_deadline(enum domain_state state);

const char *domain_state_name(enum domain_state state);	   /* "cleaning-failed" */
const char *domain_event_name(enum domain_event event);	   /* "process-ended" */
const char *domain_action_name(enum domain_action action); /* "classify"; NULL for an unknown bit */
