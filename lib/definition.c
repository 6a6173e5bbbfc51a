/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One definition: each key of contract section 3 is checked, here and in the files next to this
 * one, also what this version can't start, so that a file that passes today means the same
 * tomorrow.
 */
#include "lib/definition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/deflibxl.h"
#include "lib/defmatch.h"
#include "lib/defparts.h"
#include "lib/defwhole.h"
#include "lib/libxlconf.h"
#include "lib/limits.h"
#include "lib/typed.h"

const struct definition_limits definition_limits_builtin = {
	.cpu_weight = 100, .pids_max = 256, .log_max_mib = 16, .start_timeout_s = 60};

static const char *const kind_names[] = {"qemu", "stubdom-linux", "stubdom-minios", "none", NULL};
static const enum definition_kind kinds[] = {
	DEFINITION_QEMU, DEFINITION_STUBDOM_LINUX, DEFINITION_STUBDOM_MINIOS, DEFINITION_NO_DM};

static const char *const on_exit_names[] = {
	[ON_EXIT_PAUSE] = "pause",
	[ON_EXIT_CRASH] = "crash",
	[ON_EXIT_DESTROY] = "destroy",
	[ON_EXIT_PRESERVE] = "preserve",
	[ON_EXIT_RESTART] = "restart",
	[ON_EXIT_NONE] = "none",
	[_ON_EXIT_MAX] = NULL,
};

const char *on_exit_name(enum on_exit_policy policy)
{
	return (unsigned)policy < _ON_EXIT_MAX ? on_exit_names[policy] : NULL;
}

const char *definition_kind_name(enum definition_kind kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i] == kind) {
			return kind_names[i];
		}
	}
	return NULL;
}

static int parse_kind(const struct json_node *root, struct definition *d, struct err *err)
{
	struct json_node node;
	unsigned which;
	int r;

	if (!json_member(root, "kind", &node)) {
		if (d->source == DEFINITION_LIBXL) {
			return 0;
		}
		return json_fail_missing(
			root, "kind", err, "is missing; only beside \"libxl\" it may be left out");
	}
	r = json_enum(&node, kind_names, &which, err);
	if (r == 0) {
		d->kind = kinds[which];
	}
	return r;
}

static int parse_source(const struct json_node *root, struct definition *d, struct err *err)
{
	static const struct {
		const char *key;
		enum definition_source source;
		enum json_type type;
	} sources[] = {{"libxl", DEFINITION_LIBXL, json_type_object},
		{"qemu", DEFINITION_TYPED, json_type_object},
		{"argv", DEFINITION_ARGV, json_type_array}};
	const char *first = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		struct json_node node;
		int r;

		if (!json_member(root, sources[i].key, &node)) {
			continue;
		}
		if (first) {
			return json_fail(&node, -EINVAL, err,
				"beside \"%s\"; at most one of \"libxl\", \"qemu\" and \"argv\" "
				"is possible",
				first);
		}
		r = json_check_type(&node, sources[i].type, err);
		if (r < 0) {
			return r;
		}
		first = sources[i].key;
		d->source = sources[i].source;
	}
	return 0;
}

static int parse_binary(const struct json_node *root, struct definition *d, struct err *err)
{
	struct json_node node;
	const char *path;
	int r;

	if (!json_member(root, "binary", &node)) {
		return 0;
	}
	r = defparts_path(&node, DEFPARTS_PATH_BARE, &path, err);
	return r < 0 ? r : json_copy_text(&node, path, &d->binary, err);
}

static int parse_strings(
	const struct json_node *root, const char *key, struct strv *ret, struct err *err)
{
	struct json_node node;
	const char *text;
	int r;

	if (!json_member(root, key, &node)) {
		return 0;
	}
	r = json_check_type(&node, json_type_array, err);
	if (r == 0 && json_length(&node) > LIMIT_ARGV_ITEMS) {
		return json_fail(&node, -EINVAL, err, "more than %d arguments", LIMIT_ARGV_ITEMS);
	}
	for (size_t i = 0; r == 0 && i < json_length(&node); i++) {
		struct json_node element = json_element(&node, i);

		r = json_string(&element, &text, err);
		if (r == 0) {
			strv_add(ret, text);
			r = defparts_check_placeholders(&element, err);
		}
	}
	return r == 0 && strv_status(ret) < 0 ? json_no_memory(&node, err) : r;
}

static int parse_arguments(const struct json_node *root, struct definition *d, struct err *err)
{
	int r = parse_strings(root, "argv", &d->argv, err);

	return r < 0 ? r : parse_strings(root, "extra_args", &d->extra_args, err);
}

static int parse_variable(const struct json_node *node, struct strv *ret, struct err *err)
{
	const char *value;
	int r;

	if (!*node->key || strchr(node->key, '=')) {
		return json_fail(
			node, -EINVAL, err, "a variable's name is not empty and has no \"=\"");
	}
	r = json_string(node, &value, err);
	if (r < 0) {
		return r;
	}
	strv_addf(ret, "%s=%s", node->key, value);
	return defparts_check_placeholders(node, err);
}

static int parse_env(const struct json_node *root, struct definition *d, struct err *err)
{
	struct json_node node;
	int r;

	if (!json_member(root, "env", &node)) {
		return 0;
	}
	r = json_check_type(&node, json_type_object, err);
	if (r < 0) {
		return r;
	}
	if (json_object_object_length(node.value) > LIMIT_ARGV_ITEMS) {
		return json_fail(&node, -EINVAL, err, "more than %d variables", LIMIT_ARGV_ITEMS);
	}
	json_object_object_foreach (node.value, key, value) {
		struct json_node variable = {
			.doc = node.doc, .parent = &node, .key = key, .value = value};

		r = parse_variable(&variable, &d->env, err);
		if (r < 0) {
			return r;
		}
	}
	return strv_status(&d->env) < 0 ? json_no_memory(&node, err) : 0;
}

static int parse_on_exit(const struct json_node *root, struct definition *d, struct err *err)
{
	unsigned which = ON_EXIT_PAUSE;
	struct json_node node;
	int r;

	if (!json_member(root, "on_exit", &node)) {
		return 0;
	}
	r = json_enum(&node, on_exit_names, &which, err);
	if (r < 0) {
		return r;
	}
	d->on_exit = which;
	return 0;
}

static int parse_limits(const struct json_node *root, struct definition *d, struct err *err)
{
	struct json_node node;

	d->limits = definition_limits_builtin;
	if (!json_member(root, "limits", &node)) {
		return 0;
	}
	return defparts_limits(&node, &d->limits, &d->limits_given, err);
}

/* Parts that later stages read from the tree. */
static int check_parts(const struct json_node *root, struct definition *d, struct err *err)
{
	struct json_node node;
	const char *path;
	int r = 0;

	if (json_member(root, "qemu", &node)) {
		r = defparts_check_placeholders(&node, err);
		r = r < 0 ? r : typed_check_whole(&node, err);
	}
	if (r == 0) {
		r = defparts_files(root, err);
	}
	if (r == 0 && json_member(root, "stubdom", &node)) {
		r = defparts_stubdom(&node, d->source, err);
	}
	if (r == 0 && json_member(root, "restore_from", &node)) {
		r = defparts_path(&node, DEFPARTS_PATH_SUBST, &path, err);
	}
	if (r == 0 && json_member(root, "confinement", &node)) {
		r = defparts_confinement(&node, err);
	}
	return r;
}

static int parse_root(
	const struct json_node *root, bool needs_match, struct definition *d, struct err *err)
{
	static const char *const known[] = {"match", "kind", "libxl", "qemu", "argv", "extra_args",
		"env", "binary", "files", "stubdom", "restore_from", "on_exit", "limits",
		"confinement", NULL};
	static int (*const parts[])(const struct json_node *, struct definition *, struct err *) = {
		parse_source, parse_kind, deflibxl_parse, parse_binary, parse_arguments, parse_env,
		parse_on_exit, parse_limits, check_parts, defwhole_check};
	struct json_node match;
	int r = json_check_keys(root, known, err);

	if (r == 0 && json_member(root, "match", &match)) {
		r = defmatch_parse(&match, d, err);
	} else if (r == 0 && needs_match) {
		r = json_fail_missing(root, "match", err, "is missing");
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++) {
		r = parts[i](root, d, err);
	}
	return r;
}

static int parse(const char *file, const char *text, size_t len, bool needs_match,
	struct definition **ret, struct err *err)
{
	_cleanup_json_doc_ struct json_doc doc = {0};
	_cleanup_definition_ struct definition *d = NULL;
	struct json_node root;
	int r = json_doc_parse(&doc, file, text, len, err);

	if (r < 0) {
		return r;
	}
	root = json_doc_root(&doc);
	d = calloc(1, sizeof(*d));
	if (!d) {
		return json_no_memory(&root, err);
	}
	d->refs = 1;
	d->json = json_object_get(doc.root);
	r = json_copy_text(&root, file, &d->path, err);
	if (r == 0) {
		r = parse_root(&root, needs_match, d, err);
	}
	if (r == 0) {
		*ret = TAKE_PTR(d);
	}
	return r;
}

int definition_parse(
	const char *file, const char *text, size_t len, struct definition **ret, struct err *err)
{
	return parse(file, text, len, true, ret, err);
}

int definition_parse_given(
	const char *file, const char *text, size_t len, struct definition **ret, struct err *err)
{
	return parse(file, text, len, false, ret, err);
}

struct definition *definition_ref(struct definition *d)
{
	if (d) {
		d->refs++;
	}
	return d;
}

struct definition *definition_unref(struct definition *d)
{
	if (!d || --d->refs) {
		return NULL;
	}
	free(d->path);
	free(d->match_name);
	free(d->binary);
	free(d->unsupported);
	free(d->unstartable);
	libxlconf_free(d->libxl);
	strv_fini(&d->argv);
	strv_fini(&d->extra_args);
	strv_fini(&d->env);
	json_object_put(d->json);
	free(d);
	return NULL;
}

int definition_supported(const struct definition *d, struct err *err)
{
	const char *text = d->unsupported ? d->unsupported : d->unstartable;

	return text ? err_set(err, -EOPNOTSUPP, "%s", text) : 0;
}

void definition_limits_resolve(const struct definition *d, const struct definition_limits *defaults,
	struct definition_limits *ret)
{
	unsigned given = d->limits_given;

	*ret = *defaults;
	if (given & DEFINITION_GIVES_MEMORY_MAX) {
		ret->memory_max_mib = d->limits.memory_max_mib;
	}
	if (given & DEFINITION_GIVES_CPU_WEIGHT) {
		ret->cpu_weight = d->limits.cpu_weight;
	}
	if (given & DEFINITION_GIVES_PIDS_MAX) {
		ret->pids_max = d->limits.pids_max;
	}
	if (given & DEFINITION_GIVES_LOG_MAX) {
		ret->log_max_mib = d->limits.log_max_mib;
	}
	if (given & DEFINITION_GIVES_START_TIMEOUT) {
		ret->start_timeout_s = d->limits.start_timeout_s;
	}
}
