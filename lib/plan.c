/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a definition to a program and its arguments: contract section 3. Reads the file system, and
 * nothing else. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/defparts.h"
#include "lib/definition.h"
#include "lib/json.h"
#include "lib/libxlconf.h"
#include "lib/libxlplan.h"
#include "lib/limits.h"
#include "lib/qemuopt.h"
#include "lib/subst.h"
#include "lib/typed.h"

#define STUBDOM_ARGV0 "stubdom-dm" /* never transmitted */

/* The values' text, for as long as a plan is built. */
struct context_text {
	char domid[16], stubdom_id[16], memory_mib[24], vcpus[16], incoming[16];
	struct subst_values values;
	int incoming_fd;	   /* device state to begin with; negative: none */
	char *incoming_file;	   /* where it comes from; NULL: nowhere */
	struct json_object *files; /* the definition's; NULL: none */
	struct strv names;	   /* of files, in the order in which they were named */
};

static void context_text_fini(struct context_text *text)
{
	strv_fini(&text->names);
	free(text->incoming_file);
}

static void fill_values(const struct plan_context *context, struct context_text *ret)
{
	const char **v = ret->values.values;

	*ret = (struct context_text){.incoming_fd = -1};
	snprintf(ret->domid, sizeof(ret->domid), "%u", context->domid);
	snprintf(ret->memory_mib, sizeof(ret->memory_mib), "%llu",
		(unsigned long long)context->memory_mib);
	snprintf(ret->vcpus, sizeof(ret->vcpus), "%u", context->vcpus);
	snprintf(ret->stubdom_id, sizeof(ret->stubdom_id), "%u", context->stubdom_id);
	v[SUBST_DOMID] = ret->domid;
	v[SUBST_STUBDOM_ID] = context->stubdom_id ? ret->stubdom_id : NULL;
	v[SUBST_NAME] = context->name;
	v[SUBST_UUID] = context->uuid[0] ? context->uuid : NULL;
	v[SUBST_QMP_SOCKET] = context->qmp_socket;
	v[SUBST_RUN_DIR] = context->run_dir;
	v[SUBST_LOG_FILE] = context->log_file;
	v[SUBST_MEMORY_MIB] = context->memory_mib ? ret->memory_mib : NULL;
	v[SUBST_VCPUS] = context->vcpus ? ret->vcpus : NULL;
}

static bool is_traditional(const struct definition *d)
{
	return d->libxl && d->libxl->version == LIBXL_DM_TRADITIONAL;
}

/* The state's descriptor follows those of the files, all of which the command line names. qemu-dm
 * opens it by its name. */
static int fill_incoming(const struct definition *d, struct context_text *ret, struct err *err)
{
	struct json_object *path;
	int r;

	if (d->kind == DEFINITION_STUBDOM_LINUX) {
		/* The stub domain's init puts its own number in. */
		ret->values.values[SUBST_STUBDOM_RESTORE_INCOMING_ARG] =
			"$STUBDOM_RESTORE_INCOMING_ARG";
		ret->incoming_fd = 0;
	}
	if (!json_object_object_get_ex(d->json, "restore_from", &path)) {
		ret->incoming_fd = -1;
		return 0;
	}
	r = subst_expand(json_object_get_string(path), &ret->values, LIMIT_ARG_BYTES,
		&ret->incoming_file, err);
	if (r < 0) {
		err_wrap(err, "restore_from");
	} else if (d->kind == DEFINITION_QEMU && !is_traditional(d)) {
		ret->incoming_fd = OPENFILE_FIRST_FD + (int)defparts_files_fds(ret->files);
		snprintf(ret->incoming, sizeof(ret->incoming), "fd:%d", ret->incoming_fd);
		ret->values.values[SUBST_STUBDOM_RESTORE_INCOMING_ARG] = ret->incoming;
	}
	return r;
}

/* What a definition has beside the command line's source. */
static int fill_definition(const struct definition *d, struct context_text *ret, struct err *err)
{
	ret->files = json_object_object_get(d->json, "files");
	return fill_incoming(d, ret, err);
}

/* What is to be opened for what was named. */
static int resolve_files(struct context_text *text, struct plan *plan, struct err *err)
{
	int r = defparts_resolve_files(text->files, &text->names, &text->values, &plan->files, err);

	if (r == 0 && text->incoming_fd >= OPENFILE_FIRST_FD) {
		r = openfiles_add(&plan->files, OPENFILE_READ, text->incoming_file) < 0
			    ? err_set(err, -ENOMEM, "out of memory")
			    : 0;
	}
	return r;
}

static int expand_argument(
	const char *item, struct context_text *text, struct strv *ret, struct err *err)
{
	_cleanup_free_ char *numbered = NULL, *expanded = NULL;
	int r = 0;

	if (text->files) {
		r = defparts_number_files(text->files, item, &text->names, &numbered, err);
	}
	if (r == 0) {
		r = subst_expand(
			numbered ? numbered : item, &text->values, LIMIT_ARG_BYTES, &expanded, err);
	}
	if (r == 0) {
		strv_add(ret, expanded);
	}
	return r;
}

static int expand_arguments(const struct strv *list, const char *what, struct context_text *text,
	struct strv *ret, struct err *err)
{
	for (size_t i = 0; i < list->len; i++) {
		int r = expand_argument(list->items[i], text, ret, err);

		if (r < 0) {
			err_wrap(err, "%s[%zu]", what, i);
			return r;
		}
	}
	return 0;
}

/* Only what stands behind the name has placeholders. */
static int expand_env(const struct strv *list, const struct subst_values *values, struct strv *ret,
	struct err *err)
{
	for (size_t i = 0; i < list->len; i++) {
		const char *item = list->items[i];
		size_t fixed = strcspn(item, "=") + 1;
		_cleanup_free_ char *text = NULL;
		int r = subst_expand(item + fixed, values, LIMIT_ARG_BYTES - fixed, &text, err);

		if (r < 0) {
			err_wrap(err, "env.%.*s", (int)fixed - 1, item);
			return r;
		}
		strv_addf(ret, "%.*s%s", (int)fixed, item, text);
	}
	return 0;
}

static size_t bytes_of(const struct strv *v, size_t *longest)
{
	size_t sum = 0;

	for (size_t i = 0; i < v->len; i++) {
		size_t len = strlen(v->items[i]);

		*longest = len > *longest ? len : *longest;
		sum += len + 1;
	}
	return sum;
}

static int check_size(const struct plan *plan, struct err *err)
{
	size_t longest = 0, bytes;

	if (strv_status(&plan->argv) < 0 || strv_status(&plan->env) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (plan->argv.len > LIMIT_ARGV_ITEMS || plan->env.len > LIMIT_ARGV_ITEMS) {
		return err_set(
			err, -E2BIG, "more than %d arguments or variables", LIMIT_ARGV_ITEMS);
	}
	bytes = bytes_of(&plan->argv, &longest) + bytes_of(&plan->env, &longest);
	if (longest > LIMIT_ARG_BYTES) {
		return err_set(err, -E2BIG, "an argument or variable has more than %d bytes",
			LIMIT_ARG_BYTES);
	}
	if (bytes > LIMIT_ARGV_BYTES) {
		return err_set(err, -E2BIG, "arguments and variables have more than %d bytes",
			LIMIT_ARGV_BYTES);
	}
	return 0;
}

/* NAME NULL: the default. */
static int find_binary(
	const char *name, const struct plan_config *config, char **ret, struct err *err)
{
	int r;

	name = name ? name : config->default_binary;
	r = plan_find_program(name, config->libexec_dir, NULL, ret, err);

	if (r < 0 && r != -ENOMEM && config->unchecked) {
		*ret = strdup(name);
		return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
	}
	return r;
}

/* What a definition adds to any source. */
static int add_extras(
	const struct definition *d, struct context_text *text, struct plan *plan, struct err *err)
{
	_cleanup_(strv_fini) struct strv env = {0};
	int r = expand_arguments(&d->extra_args, "extra_args", text, &plan->argv, err);

	if (r == 0) {
		r = expand_env(&d->env, &text->values, &env, err);
	}
	if (r == 0 && strv_status(&env) < 0) {
		r = err_set(err, -ENOMEM, "out of memory");
	}
	if (r == 0) {
		strv_setenv_all(&plan->env, &env);
	}
	return r;
}

static int build_argv(const struct definition *d, struct context_text *text,
	const struct plan_config *config, struct plan *plan, struct err *err)
{
	int r = find_binary(d->binary, config, &plan->binary, err);

	if (r < 0) {
		return r;
	}
	strv_add(&plan->argv, plan->binary);
	return expand_arguments(&d->argv, "argv", text, &plan->argv, err);
}

/* WHOLE: a definition's, not a part of a machine. */
static int build_typed(struct json_object *qemu, const char *binary, bool whole,
	struct context_text *text, const struct plan_config *config, struct plan *plan,
	struct err *err)
{
	const struct typed_context context = {.values = &text->values,
		.files = text->files,
		.incoming_fd = text->incoming_fd,
		.whole = whole};
	const struct qemuopt_style style = {.qemu_version = context.qemu_version};
	_cleanup_(vmdesc_fini) struct vmdesc description = {0};
	int r = find_binary(binary, config, &plan->binary, err);

	if (r < 0 || (r = typed_build(qemu, &context, &description, &text->names, err)) < 0) {
		return r;
	}
	plan->devices = TAKE_PTR(description.devices);
	strv_add(&plan->argv, plan->binary);
	return qemuopt_print(&description, &style, &plan->argv, err);
}

int plan_typed(struct json_object *qemu, const struct plan_context *context,
	const struct plan_config *config, struct plan *ret, struct err *err)
{
	_cleanup_(context_text_fini) struct context_text text;
	struct plan plan = {0};
	int r;

	fill_values(context, &text);
	r = build_typed(qemu, NULL, false, &text, config, &plan, err);
	if (r == 0) {
		r = check_size(&plan, err);
	}
	if (r < 0) {
		plan_fini(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

/* libxl takes the name as it stands. */
static int find_libxl_binary(const struct libxlconf *c, const char *given, bool as_libxl,
	const struct plan_config *config, char **ret, struct err *err)
{
	const char *name = given ? given : libxlplan_program(c, as_libxl);

	if (!as_libxl) {
		int r = find_binary(name, config, ret, err);

		if (r < 0 && !given && name && c->version == LIBXL_DM_TRADITIONAL) {
			err_wrap(err, "libxl.b_info.device_model_version: qemu_xen_traditional");
		}
		return r;
	}
	*ret = strdup(name ? name : config->default_binary);
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* TEXT NULL: no definition's. */
static int describe(const struct libxlconf *c, bool as_libxl, const struct plan_context *context,
	const struct context_text *text, const struct plan_config *config, struct vmdesc *ret,
	struct err *err)
{
	const struct libxlplan_context libxl = {.domid = context->domid,
		.as_libxl = as_libxl,
		.name = context->name,
		.xen_run_dir = config->xen_run_dir,
		.run_dir = context->run_dir,
		.incoming_fd = text ? text->incoming_fd : -1,
		.incoming_file = text ? text->incoming_file : NULL};

	return libxlplan_build(c, &libxl, ret, err);
}

/* A stub domain's device model has neither a program nor an environment here. */
static int build_libxl(const struct libxlconf *c, const char *binary, bool as_libxl,
	const struct plan_context *context, const struct context_text *text,
	const struct plan_config *config, struct plan *plan, struct err *err)
{
	const struct qemuopt_style style = {.unescaped = as_libxl};
	_cleanup_(vmdesc_fini) struct vmdesc description = {0};
	int r = 0;

	if (!c->stubdom) {
		r = find_libxl_binary(c, binary, as_libxl, config, &plan->binary, err);
	}
	if (r < 0 || (r = describe(c, as_libxl, context, text, config, &description, err)) < 0) {
		return r;
	}
	strv_add(&plan->argv, c->stubdom ? STUBDOM_ARGV0 : plan->binary);
	r = qemuopt_print(&description, &style, &plan->argv, err);
	if (r == 0 && !c->stubdom) {
		strv_add_all(&plan->env, &description.env);
	}
	plan->minios = c->stubdom && c->version == LIBXL_DM_TRADITIONAL;
	plan->qmp_steps = TAKE_PTR(description.qmp_steps);
	return r;
}

int plan_libxl(const struct libxlconf *c, bool as_libxl, const struct plan_context *context,
	const struct plan_config *config, struct plan *ret, struct err *err)
{
	struct plan plan = {0};
	int r = build_libxl(c, NULL, as_libxl, context, NULL, config, &plan, err);

	if (r == 0) {
		r = check_size(&plan, err);
	}
	if (r < 0) {
		plan_fini(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

static int build(const struct definition *d, const struct plan_context *context,
	const struct plan_config *config, struct plan *plan, struct err *err)
{
	_cleanup_(context_text_fini) struct context_text text;
	int r;

	fill_values(context, &text);
	r = fill_definition(d, &text, err);
	if (r < 0) {
		return r;
	}
	if (d->libxl) {
		r = build_libxl(d->libxl, d->binary, false, context, &text, config, plan, err);
	} else if (d->source == DEFINITION_TYPED) {
		r = build_typed(json_object_object_get(d->json, "qemu"), d->binary, true, &text,
			config, plan, err);
	} else {
		r = build_argv(d, &text, config, plan, err);
	}
	if (r < 0 || (r = add_extras(d, &text, plan, err)) < 0 ||
		(!config->unchecked && (r = resolve_files(&text, plan, err)) < 0)) {
		return r;
	}
	return check_size(plan, err);
}

/* Without a source, or with one that this version can't make a command line of. */
static int check_source(
	const struct definition *d, const struct plan_config *config, struct err *err)
{
	int r = config->unchecked && !d->unsupported ? 0 : definition_supported(d, err);

	if (r < 0) {
		return r;
	}
	if (d->kind == DEFINITION_NO_DM || d->source == DEFINITION_HANDOFF) {
		return err_set(err, -ENODATA, "%s: gives no command line: %s", d->path,
			d->kind == DEFINITION_NO_DM ? "its kind is \"none\""
						    : "it waits for a handoff");
	}
	return 0;
}

int plan_build(const struct definition *d, const struct plan_context *context,
	const struct plan_config *config, struct plan *ret, struct err *err)
{
	struct plan plan = {0};
	int r = check_source(d, config, err);

	if (r < 0) {
		return r;
	}
	r = build(d, context, config, &plan, err);
	if (r < 0) {
		plan_fini(&plan);
		err_wrap(err, "%s", d->path);
		return r;
	}
	*ret = plan;
	return 0;
}

/* Binary, extra_args and env of a definition that has no say in the rest. */
static int finish_for(
	const struct definition *d, struct context_text *text, struct plan *plan, struct err *err)
{
	int r = d ? add_extras(d, text, plan, err) : 0;

	if (r < 0) {
		err_wrap(err, "%s", d->path);
		return r;
	}
	return check_size(plan, err);
}

int plan_handed_over(const struct definition *d, const struct plan_context *context,
	const struct plan_config *config, const struct strv *argv, const struct strv *env,
	struct plan *ret, struct err *err)
{
	struct context_text text;
	struct plan plan = {0};
	int r = d ? definition_supported(d, err) : 0;

	if (r < 0) {
		return r;
	}
	fill_values(context, &text);
	r = find_binary(d ? d->binary : NULL, config, &plan.binary, err);
	if (r == 0) {
		strv_add(&plan.argv, plan.binary);
		for (size_t i = 1; i < argv->len; i++) {
			strv_add(&plan.argv, argv->items[i]);
		}
		strv_add_all(&plan.env, env);
		r = finish_for(d, &text, &plan, err);
	}
	if (r < 0) {
		plan_fini(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

/* What is known of the guest, as libxl would have it. */
static int parse_guest(uint64_t memory_mib, struct libxlconf **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct json_doc doc;
	struct json_node root;
	int r;

	if (asprintf(&text,
		    "{\"c_info\": {\"type\": \"pv\"}, "
		    "\"b_info\": {\"max_memkb\": %" PRIu64 ", \"type.pv\": {}}}",
		    memory_mib * 1024) < 0) {
		text = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	r = json_doc_parse(&doc, "guest", text, strlen(text), err);
	if (r < 0) {
		return r;
	}
	root = json_doc_root(&doc);
	r = libxlconf_parse(&root, false, ret, err);
	json_doc_fini(&doc);
	return r;
}

int plan_backends(const struct definition *d, const struct plan_context *context,
	const struct plan_config *config, struct plan *ret, struct err *err)
{
	_cleanup_libxlconf_ struct libxlconf *guest = NULL;
	struct context_text text;
	struct plan plan = {0};
	int r = d ? definition_supported(d, err) : 0;

	if (r == 0) {
		r = parse_guest(context->memory_mib, &guest, err);
	}
	if (r < 0) {
		return r;
	}
	fill_values(context, &text);
	r = build_libxl(guest, d ? d->binary : NULL, false, context, NULL, config, &plan, err);
	if (r == 0) {
		r = finish_for(d, &text, &plan, err);
	}
	if (r < 0) {
		plan_fini(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

void plan_fini(struct plan *plan)
{
	free(plan->binary);
	strv_fini(&plan->argv);
	strv_fini(&plan->env);
	openfiles_fini(&plan->files);
	json_object_put(plan->devices);
	json_object_put(plan->qmp_steps);
	*plan = (struct plan){0};
}
