/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain as JSON: contract section 4.1 and the verb show. */
#include "daemon/domain_impl.h"

#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/mask.h"

#define SHOW_LOG_LINES 20

static void fill_status(const struct domain *d, struct dm_status *ret)
{
	bool known = d->state != DOMAIN_UNMANAGED;

	*ret = (struct dm_status){
		.domid = d->dom.domid,
		.name = d->r.name,
		.kind = known ? d->r.kind : DM_KIND_UNKNOWN,
		.state = d->r.state,
		.pid = d->process && !process_has_ended(d->process) ? d->r.process.pid : 0,
		.source = known ? d->r.source : NULL,
		.since_ms = known ? d->r.since_ms : 0,
		.start_ms = d->r.start_ms,
		.qmp = d->monitor && monitor_is_absent(d->monitor)
			       ? NULL
			       : domain_qmp_path(d, QMP_CLASS_ADMIN),
		.log = d->r.log,
		.reason = d->r.state == DM_EXITED || d->r.state == DM_FAILED ||
					  d->r.state == DM_LOST || d->state == DOMAIN_WAITING
				  ? d->r.reason
				  : NULL,
		.exit = d->r.exit,
		.migration = domain_migrate_word(d),
	};
	memcpy(ret->uuid, d->uuid, sizeof(ret->uuid));
	if (d->stub) {
		ret->has_stubdom = true;
		ret->stubdom_domid = d->stub->dom.domid;
		ret->stubdom_backend_pid = d->stub->r.process.pid;
		ret->stubdom_backend_state = dm_state_name(d->stub->r.state);
	}
}

struct json_object *domain_status_json(const struct domain *d)
{
	struct dm_status status;

	fill_status(d, &status);
	return dm_status_to_json(&status);
}

static struct json_object *phases_json(const struct domain *d)
{
	struct json_object *list = json_object_new_array();
	char time[TIME_TEXT_LEN + 1];

	for (unsigned i = 0; list && i < d->phases_len; i++) {
		struct json_object *phase = json_object_new_object();

		time_format_ms(d->phases[i].at_ms, time);
		json_object_object_add(phase, "phase", json_object_new_string(d->phases[i].name));
		json_object_object_add(phase, "time", json_object_new_string(time));
		json_object_object_add(phase, "after_ms",
			json_object_new_int64(d->phases[i].at_ms - d->phases[0].at_ms));
		json_object_array_add(list, phase);
	}
	return list;
}

static struct json_object *limits_json(const struct definition_limits *l)
{
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "memory_max_mib",
		l->memory_max_mib ? json_object_new_int64(l->memory_max_mib) : NULL);
	json_object_object_add(json, "cpu_weight", json_object_new_int(l->cpu_weight));
	json_object_object_add(json, "pids_max", json_object_new_int(l->pids_max));
	json_object_object_add(json, "log_max_mib", json_object_new_int(l->log_max_mib));
	json_object_object_add(json, "start_timeout_s", json_object_new_int(l->start_timeout_s));
	return json;
}

static void add_warnings(struct json_object *list, const struct domain *d)
{
	if (*d->warning) {
		json_object_array_add(list, json_object_new_string(d->warning));
	}
	STRV_FOREACH (warning, &d->r.warnings) {
		json_object_array_add(list, json_object_new_string(warning));
	}
}

/* What clients find below /local/domain/G; never a secret. */
static struct json_object *nodes_json(const struct domain *d)
{
	struct json_object *json = json_object_new_object();

	STRV_FOREACH (node, &d->r.nodes) {
		const char *value = strchr(node, '=');
		char key[64];

		if (value) {
			snprintf(key, sizeof(key), "%.*s", (int)(value - node), node);
			json_object_object_add(json, key, json_object_new_string(value + 1));
		}
	}
	return json;
}

static struct json_object *argv_json(const struct strv *argv)
{
	struct json_object *list = argv->len ? json_object_new_array() : NULL;
	_cleanup_(strv_fini) struct strv masked = {0};

	mask_argv(argv, &masked);
	for (size_t i = 0; list && i < masked.len; i++) {
		json_object_array_add(list, json_object_new_string(masked.items[i]));
	}
	return list;
}

static struct json_object *hypervisor_json(const struct toolstack_domain *dom)
{
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "dying", json_object_new_boolean(dom->dying));
	json_object_object_add(json, "shutdown", json_object_new_boolean(dom->shutdown));
	json_object_object_add(json, "hvm", json_object_new_boolean(dom->hvm));
	json_object_object_add(json, "memory_mib", json_object_new_int64(dom->max_memkb / 1024));
	json_object_object_add(json, "vcpus", json_object_new_int(dom->vcpus));
	return json;
}

struct json_object *domain_describe_json(const struct domain *d)
{
	_cleanup_free_ char *tail = d->r.log ? dmlog_tail(d->r.log, SHOW_LOG_LINES) : NULL;
	struct json_object *json = domain_status_json(d), *warnings = json_object_new_array();

	if (!json || !warnings) {
		json_object_put(json);
		json_object_put(warnings);
		return NULL;
	}
	add_warnings(warnings, d);
	json_object_object_add(
		json, "state_detail", json_object_new_string(domain_state_name(d->state)));
	json_object_object_add(
		json, "binary", d->r.binary ? json_object_new_string(d->r.binary) : NULL);
	json_object_object_add(json, "argv", argv_json(&d->r.argv));
	json_object_object_add(json, "phases", phases_json(d));
	json_object_object_add(
		json, "limits", d->r.kind == DM_KIND_FOREIGN ? NULL : limits_json(&d->r.limits));
	json_object_object_add(json, "on_exit", json_object_new_string(on_exit_name(d->r.on_exit)));
	json_object_object_add(json, "confinement", NULL);
	json_object_object_add(json, "qmp_session", domain_qmp_json(d));
	json_object_object_add(json, "migration", domain_migrate_json(d));
	json_object_object_add(
		json, "cgroup", d->r.cgroup ? json_object_new_string(d->r.cgroup) : NULL);
	json_object_object_add(json, "hypervisor", hypervisor_json(&d->dom));
	json_object_object_add(json, "nodes", nodes_json(d));
	json_object_object_add(json, "devices", domain_devices_json(d));
	json_object_object_add(json, "following", json_object_new_boolean(d->r.following));
	json_object_object_add(json, "warnings", warnings);
	json_object_object_add(json, "log_tail", tail ? json_object_new_string(tail) : NULL);
	return json;
}
