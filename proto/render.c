/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/render.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/definition.h"
#include "lib/json.h"
#include "lib/libxlconf.h"
#include "lib/libxlplan.h"
#include "lib/parse.h"
#include "lib/typed.h"
#include "proto/qmppolicy.h"
#include "proto/varlink.h"

#define HIDDEN "***" /* in place of a password */
#define STAND_IN_NAME "domain"
#define STAND_IN_MEMORY_MIB 1024
#define STAND_IN_VCPUS 1
#define NULL_UUID "00000000-0000-0000-0000-000000000000"

/* What a running daemon would put in, with stand-ins for what only a domain knows. */
struct render_context {
	struct plan_context plan;
	char *run_dir, *log_file, *qmp_socket; /* owned */
};

static void context_fini(struct render_context *c)
{
	free(c->run_dir);
	free(c->log_file);
	free(c->qmp_socket);
}

static int context_init(
	struct render_context *c, const struct definition *d, uint32_t domid, struct err *err)
{
	struct paths paths;

	paths_init(&paths);
	c->plan = (struct plan_context){.domid = domid,
		.uuid = NULL_UUID,
		.name = d->match == DEFINITION_MATCH_NAME ? d->match_name : STAND_IN_NAME,
		.memory_mib = STAND_IN_MEMORY_MIB,
		.vcpus = STAND_IN_VCPUS};
	if (d->match == DEFINITION_MATCH_UUID) {
		uuid_format(d->match_uuid, c->plan.uuid);
	}
	if (asprintf(&c->run_dir, "%s/dm/%u", paths.run_dir, domid) < 0 ||
		asprintf(&c->qmp_socket, "%s/own-qmp", c->run_dir) < 0 ||
		asprintf(&c->log_file, "%s/qemu-dm-%s.log", paths.log_dir, c->plan.name) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	c->plan.run_dir = c->run_dir;
	c->plan.qmp_socket = c->qmp_socket;
	c->plan.log_file = c->log_file;
	return 0;
}

static struct json_object *argv_to_json(const struct strv *argv)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 1; list && i < argv->len; i++) {
		json_object_array_add(list, json_object_new_string(argv->items[i]));
	}
	return list;
}

static struct json_object *env_to_json(const struct strv *env)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; object && i < env->len; i++) {
		_cleanup_free_ char *name = strdup(env->items[i]);
		char *equals = name ? strchr(name, '=') : NULL;

		if (equals) {
			*equals = 0;
			json_object_object_add(object, name, json_object_new_string(equals + 1));
		}
	}
	return object;
}

/* The commands that follow the start, without the passwords in them. */
static struct json_object *steps_to_json(struct json_object *steps, bool with_passwords)
{
	struct json_object *copy = NULL;

	if (!steps) {
		return json_object_new_array();
	}
	json_object_deep_copy(steps, &copy, NULL);
	for (size_t i = 0; copy && !with_passwords && i < json_object_array_length(copy); i++) {
		struct json_object *arguments;

		if (json_object_object_get_ex(
			    json_object_array_get_idx(copy, i), "arguments", &arguments) &&
			json_object_object_get_ex(arguments, "password", NULL)) {
			json_object_object_add(
				arguments, "password", json_object_new_string(HIDDEN));
		}
	}
	return copy;
}

/* What a stub domain's device model is told stands apart: it has no program here. */
static void add_stubdom(struct json_object *json, const struct plan *plan)
{
	_cleanup_(strv_fini) struct strv minios = {0};

	if (plan->minios) {
		libxlplan_minios_args(&plan->argv, &minios);
	}
	json_object_object_add(json, "dm_argv", argv_to_json(plan->minios ? &minios : &plan->argv));
}

/* PLAN NULL: no device model is needed. */
static int plan_to_json(
	const struct plan *plan, bool as_libxl, struct json_object **ret, struct err *err)
{
	struct json_object *json = json_object_new_object();
	bool here = plan && plan->binary;

	if (!json) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	json_object_object_add(json, "argv", here ? argv_to_json(&plan->argv) : NULL);
	json_object_object_add(
		json, "argv0", here ? json_object_new_string(plan->argv.items[0]) : NULL);
	json_object_object_add(
		json, "env", plan ? env_to_json(&plan->env) : json_object_new_object());
	if (plan && !here) {
		add_stubdom(json, plan);
	}
	if (plan && plan->qmp_steps) {
		json_object_object_add(json, "qmp_steps", steps_to_json(plan->qmp_steps, as_libxl));
	}
	*ret = json;
	return 0;
}

static struct plan_config plan_places(const struct render_params *params)
{
	const struct config *config = params->config;
	struct paths paths;

	paths_init(&paths);
	return (struct plan_config){.default_binary = config->default_binary,
		.libexec_dir = config->libexec_dir,
		.firmware_dir = config->firmware_dir,
		.script_dir = config->script_dir,
		.xen_run_dir = paths.xen_run_dir,
		.unchecked = true,
		.qemu_version = params->qemu_version};
}

static int render_plan(const struct definition *d, const struct render_params *params,
	struct json_object **ret, struct err *err)
{
	_cleanup_(context_fini) struct render_context context = {0};
	_cleanup_(plan_fini) struct plan plan = {0};
	const struct plan_config config = plan_places(params);
	int r = context_init(&context, d, params->domid, err);

	context.plan.stubdom_id = (uint32_t)params->stubdom_id;
	if (r == 0) {
		r = plan_build(d, &context.plan, &config, &plan, err);
	}
	return r < 0 ? r : plan_to_json(&plan, false, ret, err);
}

/* A libxl configuration by itself, or what libxl would make of one. */
static int render_libxl(const struct json_node *node, const struct render_params *params,
	struct json_object **ret, struct err *err)
{
	const struct plan_context context = {.domid = (uint32_t)params->domid};
	const struct plan_config config = plan_places(params);
	_cleanup_(plan_fini) struct plan plan = {0};
	_cleanup_libxlconf_ struct libxlconf *c = NULL;
	int r = libxlconf_parse(node, params->as_libxl, &c, err);

	if (r < 0) {
		return r;
	}
	if (libxlconf_kind(c) == DEFINITION_NO_DM) {
		return plan_to_json(NULL, params->as_libxl, ret, err);
	}
	r = plan_libxl(c, params->as_libxl, &context, &config, &plan, err);
	if (r < 0) {
		err_wrap(err, "%s", params->file);
		return r;
	}
	return plan_to_json(&plan, params->as_libxl, ret, err);
}

/* A typed description by itself: a part of a machine as well as a whole one. */
static int render_typed(const struct json_node *node, const struct render_params *params,
	struct json_object **ret, struct err *err)
{
	static const struct definition nobody = {0};
	_cleanup_(context_fini) struct render_context context = {0};
	_cleanup_(plan_fini) struct plan plan = {0};
	const struct plan_config config = plan_places(params);
	int r = typed_check(node, err);

	if (r == 0) {
		r = context_init(&context, &nobody, params->domid, err);
	}
	if (r == 0) {
		r = plan_typed(node->value, &context.plan, &config, &plan, err);
		if (r < 0) {
			err_wrap(err, "%s", params->file);
		}
	}
	return r < 0 ? r : plan_to_json(&plan, false, ret, err);
}

static bool is_libxl(const struct json_node *root)
{
	return json_object_object_get_ex(root->value, "c_info", NULL) ||
	       json_object_object_get_ex(root->value, "b_info", NULL) ||
	       json_object_object_get_ex(root->value, "config", NULL);
}

static int render_given(
	const struct render_params *params, struct json_object **ret, struct err *err)
{
	_cleanup_definition_ struct definition *d = NULL;
	int r = definition_parse_given(params->file, params->text, params->len, &d, err);

	if (r < 0) {
		return r;
	}
	if (d->kind == DEFINITION_NO_DM) {
		return plan_to_json(NULL, false, ret, err);
	}
	return render_plan(d, params, ret, err);
}

int render_definition(const struct render_params *params, struct json_object **ret, struct err *err)
{
	_cleanup_json_doc_ struct json_doc doc = {0};
	struct json_node root, libxl, typed;
	int r;

	if (params->domid == 0 || params->domid >= DOMID_FIRST_RESERVED ||
		params->stubdom_id >= DOMID_FIRST_RESERVED) {
		bool stub = params->stubdom_id >= DOMID_FIRST_RESERVED;

		return err_set(err, -EINVAL, "%s: no %s has the number %llu", params->file,
			stub ? "stub domain" : "guest",
			(unsigned long long)(stub ? params->stubdom_id : params->domid));
	}
	r = json_doc_parse(&doc, params->file, params->text, params->len, err);
	if (r < 0) {
		return r;
	}
	root = json_doc_root(&doc);
	if (is_libxl(&root)) {
		return render_libxl(&root, params, ret, err);
	}
	if (!params->as_libxl) {
		return json_object_object_length(root.value) == 1 &&
				       json_member(&root, "qemu", &typed)
			       ? render_typed(&typed, params, ret, err)
			       : render_given(params, ret, err);
	}
	if (!json_member(&root, "libxl", &libxl)) {
		return json_fail_missing(&root, "libxl", err,
			"is missing: libxl runs nothing without a configuration");
	}
	return render_libxl(&libxl, params, ret, err);
}

char *render_asks_version(const struct render_params *params)
{
	_cleanup_definition_ struct definition *d = NULL;
	_cleanup_(context_fini) struct render_context context = {0};
	const struct plan_config config = plan_places(params);
	char *program = NULL;
	struct err err;

	if (params->as_libxl || params->domid == 0 || params->domid >= DOMID_FIRST_RESERVED ||
		definition_parse_given(params->file, params->text, params->len, &d, &err) < 0 ||
		context_init(&context, d, params->domid, &err) < 0) {
		return NULL;
	}
	return plan_depends_on_version(d, &context.plan, &config, &program) ? program : NULL;
}

enum kind_of_file { FILE_DEFINITION, FILE_CONFIG, FILE_POLICY };

static bool has_config_key(struct json_object *json)
{
	json_object_object_foreach (json, key, value) {
		(void)value;
		if (config_has_key(key)) {
			return true;
		}
	}
	return json_object_object_length(json) == 0;
}

/* With a key that only xendmd.json or qmp-policy.json has, or by the file's name where no key
 * tells. A key that none knows is an error of the one that it is taken for. */
static enum kind_of_file kind_of(const char *file, const char *text, size_t len)
{
	_cleanup_json_ struct json_object *json = NULL;
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;

	if (!strcmp(name, "xendmd.json") || !strcmp(name, QMP_POLICY_FILE)) {
		return !strcmp(name, QMP_POLICY_FILE) ? FILE_POLICY : FILE_CONFIG;
	}
	if (varlink_json_parse(text, len, &json, NULL) < 0 ||
		json_object_object_get_ex(json, "match", NULL)) {
		return FILE_DEFINITION;
	}
	if (qmp_policy_has_its_keys(json)) {
		return FILE_POLICY;
	}
	return has_config_key(json) ? FILE_CONFIG : FILE_DEFINITION;
}

static int check_definition(
	const char *file, const char *text, size_t len, const char **ret_note, struct err *err)
{
	_cleanup_definition_ struct definition *d = NULL;
	int r = definition_parse(file, text, len, &d, err);

	if (r == 0) {
		r = definition_supported(d, err);
	}
	if (r == 0 && d->source != DEFINITION_HANDOFF) {
		*ret_note = "starts nothing for a domain that libxl made: libxl starts a device "
			    "model itself";
	}
	return r;
}

static int check_config(const char *file, const char *text, size_t len, struct err *err)
{
	struct config config;
	int r = config_parse(&config, file, text, len, err);

	if (r == 0) {
		config_fini(&config);
	}
	return r;
}

static int check_policy(const char *file, const char *text, size_t len, struct err *err)
{
	struct qmp_policy *policy = NULL;
	int r = qmp_policy_parse(&policy, file, text, len, err);

	qmp_policy_free(policy);
	return r;
}

int check_text(
	const char *file, const char *text, size_t len, const char **ret_note, struct err *err)
{
	*ret_note = NULL;
	switch (kind_of(file, text, len)) {
	case FILE_CONFIG:
		return check_config(file, text, len, err);
	case FILE_POLICY:
		return check_policy(file, text, len, err);
	default:
		return check_definition(file, text, len, ret_note, err);
	}
}
