/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be asked of any device model without changing it, by names of our own; and its balloon.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/limits.h"
#include "proto/qmppolicy.h"

/* Members of group xendmd may ask all of them, as far as the administrator's policy takes none from
 * the class monitor. None tells a secret. docs/dmctl.1.scd lists them. */
static const struct {
	const char *what, *command;
} queries[] = {
	{"balloon", "query-balloon"},
	{"block", "query-block"},
	{"block-jobs", "query-block-jobs"},
	{"blockstats", "query-blockstats"},
	{"chardev", "query-chardev"},
	{"cpus", "query-cpus-fast"},
	{"fdsets", "query-fdsets"},
	{"hotpluggable-cpus", "query-hotpluggable-cpus"},
	{"iothreads", "query-iothreads"},
	{"jobs", "query-jobs"},
	{"machines", "query-machines"},
	{"memdev", "query-memdev"},
	{"memory", "query-memory-size-summary"},
	{"memory-devices", "query-memory-devices"},
	{"migrate", "query-migrate"},
	{"migrate-capabilities", "query-migrate-capabilities"},
	{"migrate-parameters", "query-migrate-parameters"},
	{"name", "query-name"},
	{"pci", "query-pci"},
	{"rx-filter", "query-rx-filter"},
	{"status", "query-status"},
	{"uuid", "query-uuid"},
	{"version", "query-version"},
	{"vnc", "query-vnc"},
};

static const char *command_of(const char *what)
{
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		if (!strcmp(queries[i].what, what)) {
			return queries[i].command;
		}
	}
	return NULL;
}

static int unknown(const char *what, struct err *err)
{
	_cleanup_(strv_fini) struct strv known = {0};
	_cleanup_free_ char *list = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		strv_add(&known, queries[i].what);
	}
	list = strv_join_quoted(&known);
	return err_set(err, -EIO, "no query \"%.64s\"; there are: %s", what, list ? list : "?");
}

int domain_query(
	struct domain *d, bool root, const char *what, struct control_call *call, struct err *err)
{
	const char *command = command_of(what);

	if (!command) {
		return unknown(what, err);
	}
	if (!root && !qmp_policy_allows(d->s->qmp_policy, QMP_CLASS_MONITOR, command, true)) {
		return err_set(err, -EPERM,
			"the QMP policy does not allow %s to clients of class %s", command,
			qmp_class_name(QMP_CLASS_MONITOR));
	}
	return domain_qmp_then(d, QMP_CLASS_ADMIN, command, NULL, NULL, call, err);
}

/* QEMU takes the number, the guest follows as far as it likes. */
int domain_balloon(struct domain *d, uint64_t mib, struct control_call *call, struct err *err)
{
	_cleanup_json_ struct json_object *arguments = json_object_new_object();

	if (d->state == DOMAIN_FOREIGN) {
		return err_set(
			err, -EPERM, "domain %u: its device model is not ours", d->dom.domid);
	}
	if (mib < 1 || mib > LIMIT_BALLOON_MIB) {
		return err_set(err, -EIO, "a balloon's size is 1 to %llu MiB",
			(unsigned long long)LIMIT_BALLOON_MIB);
	}
	json_object_object_add(arguments, "value", json_object_new_int64((int64_t)mib << 20));
	return domain_qmp_then(
		d, QMP_CLASS_ADMIN, "balloon", arguments, "query-balloon", call, err);
}
