/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/domain_fsm.h"
#include "lib/cleanup.h"

/* States in which a process of ours may live: nothing of it may be cleaned yet. */
static bool process_may_live(enum domain_state state)
{
	switch (state) {
	case DOMAIN_SPAWNED:
	case DOMAIN_PROBING:
	case DOMAIN_RUNNING:
	case DOMAIN_STOPPING_FAILED:
	case DOMAIN_STOPPING_EXITED:
	case DOMAIN_STOPPING_GONE:
		return true;
	default:
		return false;
	}
}

static bool is_cleaning(enum domain_state state)
{
	return state == DOMAIN_CLEANING_FAILED || state == DOMAIN_CLEANING_EXITED ||
	       state == DOMAIN_CLEANING_RESTART || state == DOMAIN_CLEANING_GONE;
}

static void test_every_pair(void **state)
{
	for (int from = 0; from < _DOMAIN_STATE_MAX; from++) {
		assert_non_null(domain_state_name(from));
		for (int event = 0; event < _DOMAIN_EVENT_MAX; event++) {
			struct domain_step step = {.next = 99, .actions = 99};

			assert_non_null(domain_event_name(event));
			if (!domain_fsm_step(from, event, &step)) {
				assert_int_equal(step.next, 99); /* refused: untouched */
				continue;
			}
			assert_true(step.next < _DOMAIN_STATE_MAX);
			assert_true(step.actions < 2 * _DOMAIN_ACT_LAST);
			/* Cleaning begins exactly where the clean action stands. */
			if (is_cleaning(step.next) && !is_cleaning(from)) {
				assert_true(step.actions & DOMAIN_ACT_CLEAN);
			}
			if (step.actions & DOMAIN_ACT_CLEAN) {
				assert_true(is_cleaning(step.next));
			}
			/* A process that may live is stopped, or has told its end, before that. */
			if (process_may_live(from) && is_cleaning(step.next)) {
				assert_int_equal(event, DOMAIN_EV_PROCESS_ENDED);
			}
			if (step.actions & DOMAIN_ACT_FORGET) {
				assert_int_equal(step.next, DOMAIN_GONE);
			}
			if (step.next == DOMAIN_GONE) {
				assert_int_equal(from, DOMAIN_LEAVING);
			}
		}
	}
}

static void test_deadlines_are_understood(void **state)
{
	for (int from = 0; from < _DOMAIN_STATE_MAX; from++) {
		struct domain_step step;
		bool known = domain_fsm_step(from, DOMAIN_EV_DEADLINE, &step);

		assert_int_equal(known, domain_fsm_has_deadline(from));
		if (known && step.next == (enum domain_state)from) {
			assert_int_not_equal(step.actions, 0); /* no waiting for nothing */
		}
	}
}

/* Whatever happens first: once the hypervisor says gone, process ends and clean-ups lead to GONE.
 */
static void test_gone_wins_everywhere(void **state)
{
	for (int from = 0; from < DOMAIN_GONE; from++) {
		enum domain_state at = from;
		struct domain_step step;
		int steps = 0;

		assert_true(domain_fsm_step(at, DOMAIN_EV_DYING, &step));
		assert_true(domain_fsm_step(at, DOMAIN_EV_GONE, &step));
		at = step.next;
		while (at != DOMAIN_GONE && steps++ < 5) {
			enum domain_event event = process_may_live(at) ? DOMAIN_EV_PROCESS_ENDED
						  : is_cleaning(at)    ? DOMAIN_EV_CLEANED
								       : DOMAIN_EV_GONE;

			assert_true(domain_fsm_step(at, event, &step));
			at = step.next;
		}
		assert_int_equal(at, DOMAIN_GONE);
	}
}

static void test_foreign_is_never_touched(void **state)
{
	for (int event = 0; event < _DOMAIN_EVENT_MAX; event++) {
		struct domain_step step;

		if (domain_fsm_step(DOMAIN_FOREIGN, event, &step)) {
			assert_int_equal(step.actions & ~(DOMAIN_ACT_LOOK | DOMAIN_ACT_CLASSIFY |
								DOMAIN_ACT_CLEAN),
				0);
		}
		if (domain_fsm_step(DOMAIN_LOST, event, &step)) {
			assert_false(step.actions & (DOMAIN_ACT_STOP | DOMAIN_ACT_ESCALATE));
		}
	}
}

/* Theirs is looked for where none of ours can live, and nowhere else. */
static void test_foreign_is_found(void **state)
{
	for (int from = 0; from < _DOMAIN_STATE_MAX; from++) {
		struct domain_step step;

		if (domain_fsm_step(from, DOMAIN_EV_FOUND_FOREIGN, &step)) {
			assert_false(process_may_live(from) || is_cleaning(from));
			assert_int_equal(step.next, DOMAIN_FOREIGN);
			assert_int_equal(step.actions, 0);
			assert_true(domain_fsm_step(from, DOMAIN_EV_LOOK, &step));
			assert_int_equal(step.next, from);
			assert_true(step.actions & DOMAIN_ACT_LOOK);
		}
		if (domain_fsm_step(from, DOMAIN_EV_FOUND_ENDED, &step)) {
			assert_false(process_may_live(from) || is_cleaning(from));
			assert_int_equal(step.next, DOMAIN_ENDING);
			assert_int_equal(step.actions, DOMAIN_ACT_CLASSIFY);
		}
	}
}

/* One device model at a time: a start is only possible where none can live. */
static void test_no_second_start(void **state)
{
	for (int from = 0; from < _DOMAIN_STATE_MAX; from++) {
		struct domain_step step;

		if (process_may_live(from) || from == DOMAIN_FOREIGN || from == DOMAIN_LOST ||
			is_cleaning(from)) {
			assert_false(domain_fsm_step(from, DOMAIN_EV_START, &step));
			assert_false(domain_fsm_step(from, DOMAIN_EV_SLOT, &step));
			assert_false(domain_fsm_step(from, DOMAIN_EV_HANDOFF, &step));
		}
	}
}

static void test_stories(void **state)
{
	static const struct {
		const char *story;
		enum domain_event events[12];
		enum domain_state end;
	} stories[] = {
		{"a life",
			{DOMAIN_EV_FOUND_START, DOMAIN_EV_SLOT, DOMAIN_EV_PREPARED,
				DOMAIN_EV_EXECUTED, DOMAIN_EV_READY, DOMAIN_EV_DYING,
				DOMAIN_EV_PROCESS_ENDED, DOMAIN_EV_CLEANED, DOMAIN_EV_GONE},
			DOMAIN_GONE},
		{"handed over, with a look in between",
			{DOMAIN_EV_FOUND_NOTHING, DOMAIN_EV_HANDOFF, DOMAIN_EV_LOOK,
				DOMAIN_EV_FOUND_HANDOFF, DOMAIN_EV_SLOT, DOMAIN_EV_PREPARED,
				DOMAIN_EV_EXECUTED, DOMAIN_EV_READY, DOMAIN_EV_PROCESS_ENDED,
				DOMAIN_EV_END_TOOLSTACK, DOMAIN_EV_HANDOFF},
			DOMAIN_LOOKING},
		{"handed over by what was taken for another's device model",
			{DOMAIN_EV_FOUND_FOREIGN, DOMAIN_EV_DISPROVED, DOMAIN_EV_HANDOFF,
				DOMAIN_EV_FOUND_HANDOFF},
			DOMAIN_QUEUED},
		{"handed over, refused",
			{DOMAIN_EV_FOUND_WAIT, DOMAIN_EV_HANDOFF, DOMAIN_EV_FOUND_BAD,
				DOMAIN_EV_HANDOFF},
			DOMAIN_LOOKING},
		{"death",
			{DOMAIN_EV_FOUND_START, DOMAIN_EV_SLOT, DOMAIN_EV_PREPARED,
				DOMAIN_EV_EXECUTED, DOMAIN_EV_READY, DOMAIN_EV_PROCESS_ENDED,
				DOMAIN_EV_END_DEATH, DOMAIN_EV_CLEANED},
			DOMAIN_EXITED},
		{"death and restart",
			{DOMAIN_EV_ADOPT_RUNNING, DOMAIN_EV_PROCESS_ENDED, DOMAIN_EV_END_RESTART,
				DOMAIN_EV_CLEANED, DOMAIN_EV_DEADLINE, DOMAIN_EV_SLOT,
				DOMAIN_EV_PREPARED, DOMAIN_EV_EXECUTED, DOMAIN_EV_READY},
			DOMAIN_RUNNING},
		{"a restart that fails, and once more",
			{DOMAIN_EV_ADOPT_RESTART, DOMAIN_EV_DEADLINE, DOMAIN_EV_SLOT,
				DOMAIN_EV_PREPARED, DOMAIN_EV_EXECUTED, DOMAIN_EV_PROCESS_ENDED,
				DOMAIN_EV_CLEANED_RETRY, DOMAIN_EV_DEADLINE, DOMAIN_EV_SLOT,
				DOMAIN_EV_START_ERROR, DOMAIN_EV_CLEANED_GIVE_UP},
			DOMAIN_EXITED},
		{"a stop before the restart",
			{DOMAIN_EV_ADOPT_RUNNING, DOMAIN_EV_PROCESS_ENDED, DOMAIN_EV_END_RESTART,
				DOMAIN_EV_STOP, DOMAIN_EV_CLEANED},
			DOMAIN_EXITED},
		{"a stop in the pause, and a start by hand",
			{DOMAIN_EV_ADOPT_RESTART, DOMAIN_EV_STOP, DOMAIN_EV_CLEANED,
				DOMAIN_EV_START},
			DOMAIN_QUEUED},
		{"a domain that goes in the pause",
			{DOMAIN_EV_ADOPT_RESTART, DOMAIN_EV_DYING, DOMAIN_EV_CLEANED,
				DOMAIN_EV_GONE},
			DOMAIN_GONE},
		{"a toolstack's destroy",
			{DOMAIN_EV_FOUND_FOREIGN, DOMAIN_EV_PROCESS_ENDED, DOMAIN_EV_END_TOOLSTACK,
				DOMAIN_EV_DYING, DOMAIN_EV_CLEANED},
			DOMAIN_LEAVING},
		{"another toolstack's soft reset",
			{DOMAIN_EV_FOUND_FOREIGN, DOMAIN_EV_PROCESS_ENDED, DOMAIN_EV_END_TOOLSTACK,
				DOMAIN_EV_FOUND_FOREIGN},
			DOMAIN_FOREIGN},
		{"a death that nobody saw, and another one by hand",
			{DOMAIN_EV_FOUND_NOTHING, DOMAIN_EV_FOUND_ENDED, DOMAIN_EV_END_DEATH,
				DOMAIN_EV_CLEANED, DOMAIN_EV_FOUND_FOREIGN},
			DOMAIN_FOREIGN},
		{"a stop",
			{DOMAIN_EV_ADOPT_RUNNING, DOMAIN_EV_STOP, DOMAIN_EV_DEADLINE,
				DOMAIN_EV_DEADLINE, DOMAIN_EV_PROCESS_ENDED, DOMAIN_EV_CLEANED},
			DOMAIN_EXITED},
		{"early death",
			{DOMAIN_EV_FOUND_START, DOMAIN_EV_SLOT, DOMAIN_EV_PREPARED,
				DOMAIN_EV_EXECUTED, DOMAIN_EV_PROCESS_ENDED, DOMAIN_EV_CLEANED},
			DOMAIN_FAILED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		struct domain_step step = {.next = DOMAIN_LOOKING};

		for (size_t k = 0; k < 12 && stories[i].events[k]; k++) {
			assert_true(domain_fsm_step(step.next, stories[i].events[k], &step));
		}
		assert_int_equal(step.next, stories[i].end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_deadlines_are_understood),
		cmocka_unit_test(test_gone_wins_everywhere),
		cmocka_unit_test(test_foreign_is_never_touched),
		cmocka_unit_test(test_foreign_is_found),
		cmocka_unit_test(test_no_second_start),
		cmocka_unit_test(test_stories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
