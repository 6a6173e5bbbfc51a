/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints docs/states.md from the table in daemon/domain_fsm.c; a test holds the two together. */
#include <stdio.h>

#include "daemon/domain_fsm.h"

static void print_actions(unsigned actions)
{
	const char *separator = "";

	for (unsigned bit = 1; bit <= _DOMAIN_ACT_LAST; bit <<= 1) {
		if (actions & bit) {
			printf("%s%s", separator, domain_action_name(bit));
			separator = ", ";
		}
	}
}

static void print_state(enum domain_state state)
{
	struct domain_step step;

	printf("\n## %s\n\nIn status: `%s`. %s\n\n", domain_state_name(state),
		dm_state_name(domain_fsm_public(state)),
		domain_fsm_has_deadline(state) ? "Has a deadline." : "No deadline.");
	if (state == DOMAIN_GONE) {
		printf("The end: the object is released.\n");
		return;
	}
	printf("| event | next state | actions |\n|---|---|---|\n");
	for (int event = 0; event < _DOMAIN_EVENT_MAX; event++) {
		if (domain_fsm_step(state, event, &step)) {
			printf("| %s | %s | ", domain_event_name(event),
				domain_state_name(step.next));
			print_actions(step.actions);
			printf(" |\n");
		}
	}
}

int main(void)
{
	printf("<!-- SPDX-FileCopyrightText: The xendmd authors\n"
	       "     SPDX-License-Identifier: LGPL-2.1-or-later -->\n\n"
	       "# The life of a domain\n\n"
	       "Printed by `tests/print-states` from the table in `daemon/domain_fsm.c`; do not "
	       "edit.\n"
	       "An event that a state does not list is refused there: it changes nothing.\n"
	       "Actions are carried out in the order in which they stand.\n");
	for (int state = 0; state < _DOMAIN_STATE_MAX; state++) {
		print_state(state);
	}
	return 0;
}
