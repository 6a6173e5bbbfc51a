/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line that a domain's device model gets, from whatever it comes. */
#include "daemon/domain_impl.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/dmask.h"
#include "lib/cleanup.h"

struct planning {
	struct plan_config places;
	struct plan_context context;
	char run_dir[PATH_MAX], qmp[PATH_MAX];
};

static void begin(const struct domain *d, struct planning *ret)
{
	const struct config *config = d->s->config;

	domain_run_dir(d, NULL, ret->run_dir, sizeof(ret->run_dir));
	domain_run_dir(d, "own-qmp", ret->qmp, sizeof(ret->qmp));
	ret->places = (struct plan_config){
		.default_binary = config->default_binary,
		.libexec_dir = config->libexec_dir,
		.firmware_dir = config->firmware_dir,
		.script_dir = config->script_dir,
		.xen_run_dir = d->s->paths->xen_run_dir,
	};
	ret->context = (struct plan_context){
		.domid = d->dom.domid,
		.name = d->r.name ? d->r.name : d->uuid,
		.run_dir = ret->run_dir,
		.log_file = d->r.log ? d->r.log : "",
		.qmp_socket = ret->qmp,
		.memory_mib = d->memory_kib / 1024,
		.vcpus = d->dom.vcpus,
	};
	memcpy(ret->context.uuid, d->uuid, sizeof(ret->context.uuid));
}

/* Of its definition's, where that makes a difference; NULL else. */
static char *program_that_matters(const struct domain *d, const struct planning *planning)
{
	char *program = NULL;

	if (!d->def || d->repeat || d->backends || d->handoff) {
		return NULL;
	}
	return plan_depends_on_version(d->def, &planning->context, &planning->places, &program)
		       ? program
		       : NULL;
}

static unsigned known_version(const struct domain *d, const char *program)
{
	struct stat st;

	return stat(program, &st) == 0 ? dmask_version(d->s->dmask, &st) : 0;
}

char *domain_plan_asks_version(const struct domain *d)
{
	_cleanup_free_ char *program = NULL;
	struct planning planning;

	begin(d, &planning);
	program = program_that_matters(d, &planning);
	return program && !known_version(d, program) ? TAKE_PTR(program) : NULL;
}

int domain_plan(struct domain *d, struct plan *ret, struct err *err)
{
	_cleanup_free_ char *program = NULL;
	struct planning planning;

	begin(d, &planning);
	if (d->repeat) {
		return domain_repeat_plan(d, ret, err);
	}
	if (d->backends) {
		return plan_backends(d->def, &planning.context, &planning.places, ret, err);
	}
	if (d->handoff) {
		return plan_handed_over(d->def, &planning.context, &planning.places,
			&d->handoff->request.argv, &d->handoff->request.env, ret, err);
	}
	program = program_that_matters(d, &planning);
	planning.places.qemu_version = program ? known_version(d, program) : 0;
	return plan_build(d->def, &planning.context, &planning.places, ret, err);
}
