/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose migration is begun, and what is refused at once. */
#include "daemon/domain_migrate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"
#include "lib/limits.h"

int domain_migrate_busy(const struct domain *d, struct err *err)
{
	return d->migration ? err_set(err, -EBUSY, "domain %u: a migration is under way already",
				      d->dom.domid)
			    : 0;
}

static int refuse(const struct domain *d, struct err *err)
{
	if (d->state == DOMAIN_FOREIGN) {
		return err_set(err, -EPERM,
			"domain %u: its device model is not ours: its "
			"toolstack migrates it",
			d->dom.domid);
	}
	if (!d->monitor || d->state != DOMAIN_RUNNING) {
		return domain_no_qmp(d, err);
	}
	if (dmopt_is_xen(&d->r.argv)) {
		return err_set(err, -EOPNOTSUPP,
			"domain %u: the memory of a Xen machine is the hypervisor's, and QEMU has "
			"none of it: its toolstack migrates it (xl migrate); \"dmctl save\" writes "
			"the device model's state",
			d->dom.domid);
	}
	if (d->save) {
		return err_set(err, -EBUSY, "domain %u: its state is being saved", d->dom.domid);
	}
	return domain_migrate_busy(d, err);
}

static int check_target(
	const struct migrate_request *request, struct migration_target *ret, struct err *err)
{
	int r = migration_target_parse(request->target, ret, err);

	if (r < 0) {
		return r;
	}
	if (ret->via == MIGRATION_FILE || ret->via == MIGRATION_UNIX ||
		(ret->via == MIGRATION_FD && *ret->value)) {
		return err_set(err, -EINVAL,
			"target \"%.64s\": the daemon opens nothing for a client; open it, pass "
			"the descriptor with the call and say \"fd\"",
			request->target);
	}
	if ((ret->via == MIGRATION_FD) != (request->fd >= 0)) {
		return err_set(err, -EINVAL, "target \"%.64s\": %s descriptor must come with it",
			request->target, ret->via == MIGRATION_FD ? "one" : "no");
	}
	if (strlen(ret->value) > LIMIT_MIGRATION_COMMAND_BYTES) {
		return err_set(err, -EINVAL, "target: the command has more than %d bytes",
			LIMIT_MIGRATION_COMMAND_BYTES);
	}
	return 0;
}

static int check(const struct domain *d, const struct migrate_request *request,
	struct migration_target *target, struct err *err)
{
	int r = refuse(d, err);

	if (r < 0) {
		return r;
	}
	if ((r = check_target(request, target, err)) < 0 ||
		(r = migration_capabilities_check(request->capabilities, err)) < 0 ||
		(r = migration_parameters_check(request->parameters, err)) < 0) {
		return err->code = -EIO; /* nothing about it is a definition */
	}
	return 0;
}

/* An object without members asks for nothing. */
static struct json_object *wanted(struct json_object *object)
{
	return object && json_object_object_length(object) ? json_object_get(object) : NULL;
}

int domain_migrate(struct domain *d, struct migrate_request *request, struct control_call *call,
	struct err *err)
{
	_cleanup_close_ int fd = request->fd;
	struct migration_target target;
	struct domain_migration *m;
	int r = check(d, request, &target, err);

	if (r < 0) {
		return r;
	}
	m = domain_migrate_new(d);
	if (!m || asprintf(&m->uri, "%s:%s", target.via == MIGRATION_FD ? "fd" : "exec",
			  target.via == MIGRATION_FD ? MIGRATE_FD_NAME : target.value) < 0) {
		free(m);
		return err_set(err, -ENOMEM, "out of memory");
	}
	m->call = call;
	m->incoming = request->incoming;
	m->detach = request->detach;
	m->fd = TAKE_FD(fd);
	m->capabilities = wanted(request->capabilities);
	m->parameters = wanted(request->parameters);
	domain_log(d, LOG_LVL_NOTICE, "%s by way of %s is asked for",
		m->incoming ? "an incoming migration" : "a migration",
		target.via == MIGRATION_FD ? "a descriptor" : "a command");
	domain_migrate_run(m);
	return 0;
}
