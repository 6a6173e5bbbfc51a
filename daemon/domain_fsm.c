/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table. Three rules hold throughout and tests/test_domain_fsm.c checks them for all pairs:
 * - what goes away wins: dying and gone are understood in every state and end in GONE;
 * - a process that may live is stopped before anything of it is cleaned;
 * - every state with a deadline understands it.
 *
 * A stop and a clean-up have one of a few goals, and each goal has its own states, so that the
 * machine needs no memory beside its state.
 */
#include "daemon/domain_fsm.h"

#include <stddef.h>

#include "lib/cleanup.h"

struct edge {
	bool known;
	struct domain_step step;
};

#define ON(event, state, acts)                                                                     \
	[DOMAIN_EV_##event] = {.known = true, .step = {.next = DOMAIN_##state, .actions = (acts)}}
#define A(action) DOMAIN_ACT_##action

/* What a look may find. */
#define FOUND                                                                                      \
	ON(FOUND_START, QUEUED, A(QUEUE)), ON(FOUND_WAIT, WAITING, 0),                             \
		ON(FOUND_NOTHING, UNMANAGED, 0), ON(FOUND_FOREIGN, FOREIGN, 0),                    \
		ON(FOUND_ENDED, ENDING, A(CLASSIFY)), ON(FOUND_BAD, FAILED, 0)
/* Looked at afresh, because its definition counts, before it is started like any other. */
#define HANDOFF ON(HANDOFF, LOOKING, A(ABORT) | A(LOOK))
/* The domain goes and no process of ours lives. */
#define LEAVE(acts)                                                                                \
	ON(DYING, CLEANING_GONE, (acts) | A(CLEAN)), ON(GONE, CLEANING_GONE, (acts) | A(CLEAN))
/* The domain goes and a process of ours may live. */
#define LEAVE_STOPPING(acts)                                                                       \
	ON(DYING, STOPPING_GONE, (acts) | A(STOP)), ON(GONE, STOPPING_GONE, (acts) | A(STOP))

/* clang-format off */
static const struct edge table[_DOMAIN_STATE_MAX][_DOMAIN_EVENT_MAX] = {
	[DOMAIN_LOOKING] = {
		ON(LOOK, LOOKING, A(ABORT) | A(LOOK)),
		FOUND,
		ON(FOUND_HANDOFF, QUEUED, A(QUEUE)),
		HANDOFF,
		ON(ADOPT_RUNNING, RUNNING, A(FOLLOW)),
		ON(ADOPT_STARTING, PROBING, A(PROBE)),
		ON(ADOPT_STOPPING, STOPPING_EXITED, A(STOP)),
		ON(ADOPT_ENDED, ENDING, A(CLASSIFY)),
		ON(ADOPT_LOST, LOST, 0),
		ON(ADOPT_EXITED, EXITED, 0),
		ON(ADOPT_FAILED, FAILED, 0),
		ON(ADOPT_RESTART, BACKOFF, 0),
		ON(START, QUEUED, A(ABORT) | A(QUEUE)),
		ON(DEADLINE, LOOKING, A(ABORT) | A(LOOK)),
		LEAVE(A(ABORT)),
	},
	[DOMAIN_UNMANAGED] = {
		ON(LOOK, UNMANAGED, A(LOOK)),
		FOUND,
		HANDOFF,
		ON(START, QUEUED, A(QUEUE)),
		ON(DYING, UNMANAGED, 0),
		ON(GONE, CLEANING_GONE, A(CLEAN)),
	},
	[DOMAIN_WAITING] = {
		ON(LOOK, WAITING, A(LOOK)),
		FOUND,
		HANDOFF,
		ON(START, QUEUED, A(QUEUE)),
		LEAVE(0),
	},
	[DOMAIN_QUEUED] = {
		ON(SLOT, PREPARING, A(PREPARE)),
		ON(STOP, CLEANING_EXITED, A(ABORT) | A(CLEAN)),
		LEAVE(A(ABORT)),
	},
	[DOMAIN_PREPARING] = {
		ON(PREPARED, SPAWNED, A(SPAWN)),
		ON(START_ERROR, CLEANING_FAILED, A(ABORT) | A(CLEAN)),
		ON(DEADLINE, CLEANING_FAILED, A(ABORT) | A(CLEAN)),
		ON(STOP, CLEANING_EXITED, A(ABORT) | A(CLEAN)),
		LEAVE(A(ABORT)),
	},
	[DOMAIN_SPAWNED] = {
		ON(EXECUTED, PROBING, A(PROBE)),
		ON(START_ERROR, STOPPING_FAILED, A(ABORT) | A(STOP)),
		ON(PROCESS_ENDED, CLEANING_FAILED, A(ABORT) | A(CLEAN)),
		ON(DEADLINE, STOPPING_FAILED, A(ABORT) | A(STOP)),
		ON(STOP, STOPPING_EXITED, A(ABORT) | A(STOP)),
		LEAVE_STOPPING(A(ABORT)),
	},
	[DOMAIN_PROBING] = {
		ON(READY, RUNNING, A(READY) | A(FOLLOW)),
		ON(START_ERROR, STOPPING_FAILED, A(ABORT) | A(STOP)),
		ON(PROCESS_ENDED, CLEANING_FAILED, A(ABORT) | A(CLEAN)),
		ON(DEADLINE, STOPPING_FAILED, A(ABORT) | A(STOP)),
		ON(STOP, STOPPING_EXITED, A(ABORT) | A(STOP)),
		LEAVE_STOPPING(A(ABORT)),
	},
	[DOMAIN_RUNNING] = {
		ON(PROCESS_ENDED, ENDING, A(ABORT) | A(CLASSIFY)),
		ON(STOP, STOPPING_EXITED, A(ABORT) | A(STOP)),
		LEAVE_STOPPING(A(ABORT)),
	},
	[DOMAIN_FOREIGN] = {
		ON(LOOK, FOREIGN, A(LOOK)),
		ON(FOUND_FOREIGN, FOREIGN, 0),
		ON(DISPROVED, LOOKING, A(LOOK)),
		ON(PROCESS_ENDED, ENDING, A(CLASSIFY)),
		ON(DYING, FOREIGN, 0), /* never ours to stop */
		ON(GONE, CLEANING_GONE, A(CLEAN)),
	},
	[DOMAIN_ENDING] = {
		ON(END_TOOLSTACK, ENDED, A(LOOK)), /* for another one that came meanwhile */
		ON(END_DEATH, CLEANING_EXITED, A(POLICY) | A(CLEAN)),
		ON(END_RESTART, CLEANING_RESTART, A(POLICY) | A(CLEAN)),
		ON(DEADLINE, CLEANING_EXITED, A(ABORT) | A(POLICY) | A(CLEAN)),
		LEAVE(A(ABORT)),
	},
	[DOMAIN_ENDED] = {
		ON(LOOK, ENDED, A(LOOK)),
		ON(FOUND_FOREIGN, FOREIGN, 0), /* a soft reset */
		HANDOFF, /* a soft reset */
		ON(DEADLINE, CLEANING_EXITED, A(CLEAN)),
		LEAVE(0),
	},
	[DOMAIN_STOPPING_FAILED] = {
		ON(PROCESS_ENDED, CLEANING_FAILED, A(CLEAN)),
		ON(DEADLINE, STOPPING_FAILED, A(ESCALATE)),
		ON(STOP, STOPPING_FAILED, 0),
		ON(DYING, STOPPING_GONE, 0),
		ON(GONE, STOPPING_GONE, 0),
	},
	[DOMAIN_STOPPING_EXITED] = {
		ON(PROCESS_ENDED, CLEANING_EXITED, A(CLEAN)),
		ON(DEADLINE, STOPPING_EXITED, A(ESCALATE)),
		ON(STOP, STOPPING_EXITED, 0),
		ON(DYING, STOPPING_GONE, 0),
		ON(GONE, STOPPING_GONE, 0),
	},
	[DOMAIN_STOPPING_GONE] = {
		ON(PROCESS_ENDED, CLEANING_GONE, A(CLEAN)),
		ON(DEADLINE, STOPPING_GONE, A(ESCALATE)),
		ON(STOP, STOPPING_GONE, 0),
		ON(DYING, STOPPING_GONE, 0),
		ON(GONE, STOPPING_GONE, 0),
	},
	[DOMAIN_CLEANING_FAILED] = {
		ON(CLEANED, FAILED, 0),
		ON(CLEANED_RETRY, BACKOFF, A(POLICY)),
		ON(CLEANED_GIVE_UP, EXITED, A(POLICY) | A(LOOK)),
		ON(DEADLINE, CLEANING_FAILED, A(ABORT) | A(CLEAN)),
		LEAVE(A(ABORT)),
	},
	[DOMAIN_CLEANING_EXITED] = {
		ON(CLEANED, EXITED, A(LOOK)),
		ON(DEADLINE, CLEANING_EXITED, A(ABORT) | A(CLEAN)),
		LEAVE(A(ABORT)),
	},
	[DOMAIN_CLEANING_RESTART] = {
		ON(CLEANED, BACKOFF, 0),
		ON(DEADLINE, CLEANING_RESTART, A(ABORT) | A(CLEAN)),
		ON(STOP, CLEANING_EXITED, A(ABORT) | A(CLEAN)),
		LEAVE(A(ABORT)),
	},
	[DOMAIN_CLEANING_GONE] = {
		ON(CLEANED, LEAVING, 0),
		ON(DEADLINE, CLEANING_GONE, A(ABORT) | A(CLEAN)),
		ON(DYING, CLEANING_GONE, 0),
		ON(GONE, CLEANING_GONE, 0),
	},
	[DOMAIN_BACKOFF] = {
		ON(DEADLINE, QUEUED, A(QUEUE)),
		ON(START, QUEUED, A(QUEUE)),
		ON(STOP, CLEANING_EXITED, A(CLEAN)),
		HANDOFF,
		LEAVE(0),
	},
	[DOMAIN_FAILED] = {
		ON(LOOK, FAILED, A(LOOK)),
		FOUND,
		HANDOFF,
		ON(START, QUEUED, A(QUEUE)),
		LEAVE(0),
	},
	[DOMAIN_EXITED] = {
		ON(LOOK, EXITED, A(LOOK)),
		ON(FOUND_FOREIGN, FOREIGN, 0), /* its toolstack made another one */
		HANDOFF,
		ON(START, QUEUED, A(QUEUE)),
		LEAVE(0),
	},
	[DOMAIN_LOST] = {
		LEAVE(0),
	},
	[DOMAIN_LEAVING] = {
		ON(DYING, LEAVING, 0),
		ON(GONE, GONE, A(FORGET)),
	},
};
/* clang-format on */

bool domain_fsm_step(enum domain_state state, enum domain_event event, struct domain_step *ret)
{
	const struct edge *edge = &table[state][event];

	if (edge->known) {
		*ret = edge->step;
	}
	return edge->known;
}

static const struct {
	const char *name;
	enum dm_state public;
	bool deadline;
} states[_DOMAIN_STATE_MAX] = {
	[DOMAIN_LOOKING] = {"looking", DM_WAITING, true},
	[DOMAIN_UNMANAGED] = {"unmanaged", DM_UNMANAGED, false},
	[DOMAIN_WAITING] = {"waiting", DM_WAITING, false},
	[DOMAIN_QUEUED] = {"queued", DM_WAITING, false},
	[DOMAIN_PREPARING] = {"preparing", DM_STARTING, true},
	[DOMAIN_SPAWNED] = {"spawned", DM_STARTING, true},
	[DOMAIN_PROBING] = {"probing", DM_STARTING, true},
	[DOMAIN_RUNNING] = {"running", DM_RUNNING, false},
	[DOMAIN_FOREIGN] = {"foreign", DM_RUNNING, false},
	[DOMAIN_ENDING] = {"ending", DM_STOPPING, true},
	[DOMAIN_ENDED] = {"ended", DM_STOPPING, true},
	[DOMAIN_STOPPING_FAILED] = {"stopping-failed", DM_STOPPING, true},
	[DOMAIN_STOPPING_EXITED] = {"stopping-exited", DM_STOPPING, true},
	[DOMAIN_STOPPING_GONE] = {"stopping-gone", DM_STOPPING, true},
	[DOMAIN_CLEANING_FAILED] = {"cleaning-failed", DM_STOPPING, true},
	[DOMAIN_CLEANING_EXITED] = {"cleaning-exited", DM_STOPPING, true},
	[DOMAIN_CLEANING_RESTART] = {"cleaning-restart", DM_STOPPING, true},
	[DOMAIN_CLEANING_GONE] = {"cleaning-gone", DM_STOPPING, true},
	[DOMAIN_BACKOFF] = {"backing-off", DM_WAITING, true},
	[DOMAIN_FAILED] = {"failed", DM_FAILED, false},
	[DOMAIN_EXITED] = {"exited", DM_EXITED, false},
	[DOMAIN_LOST] = {"lost", DM_LOST, false},
	[DOMAIN_LEAVING] = {"leaving", DM_STOPPING, false},
	[DOMAIN_GONE] = {"gone", DM_UNMANAGED, false},
};

static const char *const event_names[_DOMAIN_EVENT_MAX] = {
	[DOMAIN_EV_LOOK] = "look",
	[DOMAIN_EV_FOUND_START] = "found-start",
	[DOMAIN_EV_FOUND_WAIT] = "found-wait",
	[DOMAIN_EV_FOUND_NOTHING] = "found-nothing",
	[DOMAIN_EV_FOUND_FOREIGN] = "found-foreign",
	[DOMAIN_EV_FOUND_ENDED] = "found-ended",
	[DOMAIN_EV_FOUND_HANDOFF] = "found-handoff",
	[DOMAIN_EV_FOUND_BAD] = "found-bad",
	[DOMAIN_EV_ADOPT_RUNNING] = "adopt-running",
	[DOMAIN_EV_ADOPT_STARTING] = "adopt-starting",
	[DOMAIN_EV_ADOPT_STOPPING] = "adopt-stopping",
	[DOMAIN_EV_ADOPT_ENDED] = "adopt-ended",
	[DOMAIN_EV_ADOPT_LOST] = "adopt-lost",
	[DOMAIN_EV_ADOPT_EXITED] = "adopt-exited",
	[DOMAIN_EV_ADOPT_FAILED] = "adopt-failed",
	[DOMAIN_EV_ADOPT_RESTART] = "adopt-restart",
	[DOMAIN_EV_START] = "start",
	[DOMAIN_EV_HANDOFF] = "handoff",
	[DOMAIN_EV_DISPROVED] = "disproved",
	[DOMAIN_EV_SLOT] = "slot",
	[DOMAIN_EV_PREPARED] = "prepared",
	[DOMAIN_EV_EXECUTED] = "executed",
	[DOMAIN_EV_READY] = "ready",
	[DOMAIN_EV_START_ERROR] = "start-error",
	[DOMAIN_EV_PROCESS_ENDED] = "process-ended",
	[DOMAIN_EV_END_TOOLSTACK] = "end-toolstack",
	[DOMAIN_EV_END_DEATH] = "end-death",
	[DOMAIN_EV_END_RESTART] = "end-restart",
	[DOMAIN_EV_STOP] = "stop",
	[DOMAIN_EV_DEADLINE] = "deadline",
	[DOMAIN_EV_CLEANED] = "cleaned",
	[DOMAIN_EV_CLEANED_RETRY] = "cleaned-retry",
	[DOMAIN_EV_CLEANED_GIVE_UP] = "cleaned-give-up",
	[DOMAIN_EV_DYING] = "dying",
	[DOMAIN_EV_GONE] = "gone",
};

static const char *const action_names[] = {"abort", "look", "queue", "prepare", "spawn", "probe",
	"ready", "follow", "classify", "policy", "stop", "escalate", "clean", "forget"};

enum dm_state domain_fsm_public(enum domain_state state)
{
	return states[state].public;
}

bool domain_fsm_has_deadline(enum domain_state state)
{
	return states[state].deadline;
}

const char *domain_state_name(enum domain_state state)
{
	return states[state].name;
}

const char *domain_event_name(enum domain_event event)
{
	return event_names[event];
}

const char *domain_action_name(enum domain_action action)
{
	for (size_t i = 0; i < ARRAY_SIZE(action_names); i++) {
		if ((unsigned)action == 1u << i) {
			return action_names[i];
		}
	}
	return NULL;
}
