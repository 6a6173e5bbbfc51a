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
#include "lib/parse.h"
#include "proto/varlink.h"

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

/* PLAN NULL: no device model is needed. */
static int plan_to_json(const struct plan *plan, struct json_object **ret, struct err *err)
{
	struct json_object *json = json_object_new_object();

	if (!json) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	json_object_object_add(json, "argv", plan ? argv_to_json(&plan->argv) : NULL);
	json_object_object_add(
		json, "argv0", plan ? json_object_new_string(plan->argv.items[0]) : NULL);
	json_object_object_add(
		json, "env", plan ? env_to_json(&plan->env) : json_object_new_object());
	*ret = json;
	return 0;
}

static int render_plan(const struct definition *d, const struct render_params *params,
	struct json_object **ret, struct err *err)
{
	_cleanup_(context_fini) struct render_context context = {0};
	_cleanup_(plan_fini) struct plan plan = {0};
	const struct plan_config config = {.default_binary = params->config->default_binary,
		.libexec_dir = params->config->libexec_dir,
		.firmware_dir = params->config->firmware_dir,
		.script_dir = params->config->script_dir,
		.unchecked = true};
	int r = context_init(&context, d, params->domid, err);

	if (r == 0) {
		r = plan_build(d, &context.plan, &config, &plan, err);
	}
	return r < 0 ? r : plan_to_json(&plan, ret, err);
}

/* A text that is no definition, by its keys: what it is instead. */
static bool is_libxl(const char *text, size_t len)
{
	_cleanup_json_ struct json_object *json = NULL;

	return varlink_json_parse(text, len, &json, NULL) == 0 &&
	       (json_object_object_get_ex(json, "c_info", NULL) ||
		       json_object_object_get_ex(json, "config", NULL));
}

int render_definition(const struct render_params *params, struct json_object **ret, struct err *err)
{
	_cleanup_definition_ struct definition *d = NULL;
	int r;

	if (params->domid == 0 || params->domid >= DOMID_FIRST_RESERVED) {
		return err_set(err, -EINVAL, "%s: no guest has the number %llu", params->file,
			(unsigned long long)params->domid);
	}
	if (is_libxl(params->text, params->len)) {
		return err_set(err, -EOPNOTSUPP,
			"%s: a libxl configuration; this version can't render one", params->file);
	}
	r = definition_parse_given(params->file, params->text, params->len, &d, err);
	if (r < 0) {
		return r;
	}
	if (params->as_libxl) {
		return err_set(err, -EOPNOTSUPP,
			"%s: this version can't render what libxl would run", params->file);
	}
	if (d->kind == DEFINITION_NO_DM) {
		return plan_to_json(NULL, ret, err);
	}
	return render_plan(d, params, ret, err);
}

/* With a key that only xendmd.json has, or by the file's name where no key tells. A key that
 * neither knows is an error of the one that it is taken for. */
static bool is_config(const char *file, const char *text, size_t len)
{
	_cleanup_json_ struct json_object *json = NULL;
	const char *slash = strrchr(file, '/');

	if (!strcmp(slash ? slash + 1 : file, "xendmd.json")) {
		return true;
	}
	if (varlink_json_parse(text, len, &json, NULL) < 0 ||
		json_object_object_get_ex(json, "match", NULL)) {
		return false;
	}
	json_object_object_foreach (json, key, value) {
		(void)value;
		if (config_has_key(key)) {
			return true;
		}
	}
	return json_object_object_length(json) == 0;
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

int check_text(
	const char *file, const char *text, size_t len, const char **ret_note, struct err *err)
{
	struct config config;
	int r;

	*ret_note = NULL;
	if (!is_config(file, text, len)) {
		return check_definition(file, text, len, ret_note, err);
	}
	r = config_parse(&config, file, text, len, err);
	if (r == 0) {
		config_fini(&config);
	}
	return r;
}
