/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the control socket may ask of the manager (struct control_backend). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/manager_impl.h"
#include "daemon/events.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/received.h"
#include "proto/qmppolicy.h"
#include "proto/varlink.h"

static bool is_leaving(const struct domain *d)
{
	return domain_is_dying(d) || domain_is_going(d);
}

/* During a reboot the old domain dies while the new one has its name and uuid already: the one that
 * lives is meant. */
static struct domain *find_by_uuid(struct manager *m, const uint8_t uuid[16])
{
	struct manager_entry *entry;
	struct domain *found = NULL;

	TAILQ_FOREACH (entry, &m->all, order) {
		if (!domain_is_stub(entry->d) && !memcmp(domain_uuid(entry->d), uuid, 16) &&
			(!found || is_leaving(found))) {
			found = entry->d;
		}
	}
	return found;
}

static struct domain *find_by_name(struct manager *m, const char *name, bool *ret_twice)
{
	struct manager_entry *entry;
	struct domain *found = NULL;

	TAILQ_FOREACH (entry, &m->all, order) {
		const char *own = domain_name(entry->d);

		if (!own || domain_is_stub(entry->d) || strcmp(own, name)) {
			continue;
		}
		if (found && is_leaving(entry->d)) {
			continue;
		}
		*ret_twice = found && !is_leaving(found);
		found = entry->d;
	}
	return found;
}

int manager_find_who(struct manager *m, const char *who, struct domain **ret, struct err *err)
{
	struct manager_entry *entry;
	uint8_t uuid[16];
	uint32_t domid;
	bool twice = false;

	*ret = NULL;
	if (parse_domid(who, &domid) == 0) {
		entry = manager_find(m, domid);
		*ret = entry && !domain_is_stub(entry->d) ? entry->d : NULL;
	} else if (parse_uuid(who, uuid) == 0) {
		*ret = find_by_uuid(m, uuid);
	} else {
		*ret = find_by_name(m, who, &twice);
	}
	if (twice) {
		return err_set(
			err, -EIO, "more than one domain is named \"%.100s\"; use the domid", who);
	}
	return *ret ? 0 : err_set(err, -ENOENT, "no domain \"%.100s\"", who);
}

/* As text: a tree takes some 5 KiB a domain, and a thousand of them at once cost more in fresh
 * pages than all the rest of the answer. */
static void add_status(struct json_object *list, const struct domain *d)
{
	struct json_object *json = domain_status_json(d), *raw = NULL;
	const char *text;
	size_t len;

	text = json ? varlink_encode(json, &len) : NULL;
	if (text) {
		raw = varlink_raw_new(text, len - 1);
	}
	json_object_put(json);
	if (raw) {
		json_object_array_add(list, raw);
	}
}

static int backend_list(void *ctx, const char *who, struct json_object **ret, struct err *err)
{
	struct json_object *list = json_object_new_array();
	struct manager *m = ctx;
	struct manager_entry *entry;
	struct domain *d;
	int r;

	if (!list) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (who) {
		r = manager_find_who(m, who, &d, err);
		if (r < 0) {
			json_object_put(list);
			return r;
		}
		add_status(list, d);
	} else {
		TAILQ_FOREACH (entry, &m->all, order) {
			/* What is gone and only being cleaned is not listed: contract 4.1. */
			if (!domain_is_stub(entry->d) && !domain_is_going(entry->d)) {
				add_status(list, entry->d);
			}
		}
	}
	*ret = list;
	return 0;
}

static int backend_describe(void *ctx, const char *who, struct json_object **ret, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	if (r < 0) {
		return r;
	}
	*ret = domain_describe_json(d);
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int backend_log_path(void *ctx, const char *who, char **ret, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	if (r < 0) {
		return r;
	}
	if (!domain_log_path(d)) {
		return err_set(err, -ENODATA, "domain %u has no device model log", domain_domid(d));
	}
	*ret = strdup(domain_log_path(d));
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int matching_definition(
	struct manager *m, struct domain *d, struct definition **ret, struct err *err)
{
	struct definition *def = NULL;
	int r = defset_match(m->s.defs, domain_domid(d), domain_uuid(d), domain_name(d), &def, err);

	*ret = def ? definition_ref(def) : NULL;
	return r;
}

static int backend_start(void *ctx, const char *who, const char *text, size_t len,
	struct received *given, struct control_call *call, struct err *err)
{
	_cleanup_definition_ struct definition *def = NULL;
	_cleanup_received_ struct received *files = given;
	struct manager *m = ctx;
	struct domain *d;
	int r = manager_find_who(m, who, &d, err);

	if (r < 0) {
		return r;
	}
	r = text ? definition_parse_given("definition", text, len, &def, err)
		 : matching_definition(m, d, &def, err);
	if (r < 0) {
		err->code = text ? -EINVAL : r;
		return err->code;
	}
	if (def && !definition_matches(def, domain_domid(d), domain_uuid(d), domain_name(d))) {
		return err_set(err, -EINVAL, "%s: its \"match\" is not domain %u",
			definition_path(def), domain_domid(d));
	}
	r = domain_start(d, def, files, call, err);
	if (r == 0) {
		files = NULL;
	}
	return r;
}

static int backend_stop(
	void *ctx, const char *who, bool force, struct control_call *call, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	return r < 0 ? r : domain_stop(d, force, call, err);
}

static int backend_qmp(void *ctx, const char *who, bool root, const char *command,
	struct json_object *arguments, struct control_call *call, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	return r < 0 ? r : domain_qmp(d, root, command, arguments, call, err);
}

static int backend_save(
	void *ctx, const char *who, int fd, struct control_call *call, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	if (r < 0) {
		close_p(&fd);
		return r;
	}
	return domain_save(d, fd, call, err);
}

static int backend_device_add(void *ctx, const char *who, struct json_object *device,
	const struct strv *names, int *fds, struct control_call *call, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	return r < 0 ? r : domain_device_add(d, device, names, fds, call, err);
}

static int backend_device_remove(void *ctx, const char *who, const char *id, uint64_t timeout_s,
	struct control_call *call, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	return r < 0 ? r : domain_device_remove(d, id, timeout_s, call, err);
}

static int backend_device_list(
	void *ctx, const char *who, struct json_object **ret, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	if (r < 0) {
		return r;
	}
	*ret = domain_devices_json(d);
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int backend_restart(void *ctx, const char *who, struct control_call *call, struct err *err)
{
	struct domain *d;
	int r = manager_find_who(ctx, who, &d, err);

	if (r < 0) {
		return r;
	}
	return err_set(err, -EOPNOTSUPP,
		"domain %u: a restart has to save and load the device state, which this version "
		"of xendmd can't do",
		domain_domid(d));
}

struct load_report {
	struct json_object *errors; /* borrowed, may be NULL */
};

static void tell_bad_file(struct load_report *report, const char *path, const struct err *err)
{
	struct json_object *json;

	if (!report->errors) {
		return;
	}
	json = json_object_new_object();
	json_object_object_add(json, "path", json_object_new_string(path));
	json_object_object_add(json, "message", json_object_new_string(err->text));
	json_object_array_add(report->errors, json);
}

static void on_bad_definition(void *ctx, const char *path, const struct err *err)
{
	log_error("definition %s", err->text);
	tell_bad_file(ctx, path, err);
}

static void on_bad_file(struct load_report *report, const char *path, const struct err *err)
{
	log_error("%s", err->text);
	tell_bad_file(report, path, err);
}

void manager_load_definitions(struct manager *m, struct json_object *errors)
{
	struct load_report report = {.errors = errors};

	defset_load(m->s.defs, on_bad_definition, &report);
}

/* A configuration that can't be read leaves the old one in force. */
static void reload_config(struct manager *m, struct json_object *errors)
{
	struct load_report report = {.errors = errors};
	struct config config;
	struct err err;

	if (config_load(&config, m->config_path, &err) < 0) {
		on_bad_file(&report, m->config_path, &err);
		return;
	}
	config_fini(&m->config);
	m->config = config;
	control_configure(m->control, &m->config);
}

/* Likewise: what was forbidden stays forbidden. */
static void reload_qmp_policy(struct manager *m, struct json_object *errors)
{
	struct load_report report = {.errors = errors};
	_cleanup_free_ char *file = NULL;
	struct manager_entry *entry;
	struct qmp_policy *policy;
	struct err err = {0};

	if (qmp_policy_load(&policy, m->paths.conf_dir, &file, &err) < 0) {
		on_bad_file(&report, file ? file : QMP_POLICY_FILE, &err);
		return;
	}
	m->s.qmp_policy = policy;
	TAILQ_FOREACH (entry, &m->all, order) {
		domain_on_qmp_policy(entry->d);
	}
	qmp_policy_free(m->qmp_policy);
	m->qmp_policy = policy;
}

static int backend_reload(void *ctx, struct json_object **ret, struct err *err)
{
	struct json_object *json = json_object_new_object(), *errors = json_object_new_array();
	struct json_object *event = json_object_new_object();
	struct manager *m = ctx;
	unsigned bad;

	if (m->on_reloading) {
		m->on_reloading(m->change_ctx, true);
	}
	reload_config(m, errors);
	reload_qmp_policy(m, errors);
	manager_load_definitions(m, errors);
	manager_look(m);
	json_object_object_add(
		json, "definitions", json_object_new_int(defset_count(m->s.defs, &bad)));
	json_object_object_add(json, "errors", errors);
	json_object_object_add(event, "event", json_object_new_string("configuration-reloaded"));
	json_object_object_add(
		event, "errors", json_object_new_int(json_object_array_length(errors)));
	events_publish(m->s.events, event);
	if (m->on_reloading) {
		m->on_reloading(m->change_ctx, false);
	}
	*ret = json;
	return 0;
}

static const struct config *backend_config(void *ctx)
{
	return &((struct manager *)ctx)->config;
}

const struct control_backend manager_backend = {
	.list = backend_list,
	.describe = backend_describe,
	.log_path = backend_log_path,
	.start = backend_start,
	.stop = backend_stop,
	.handoff = manager_handoff,
	.proxy = manager_proxy,
	.qmp = backend_qmp,
	.save = backend_save,
	.migrate = manager_migrate,
	.migrate_cancel = manager_migrate_cancel,
	.balloon = manager_balloon,
	.query = manager_query,
	.device_add = backend_device_add,
	.device_remove = backend_device_remove,
	.device_list = backend_device_list,
	.restart = backend_restart,
	.reload = backend_reload,
	.config = backend_config,
};
