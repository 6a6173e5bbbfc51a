/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a definition to a program and its arguments: contract section 3. Reads the file system, and
 * nothing else. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/definition.h"
#include "lib/limits.h"
#include "lib/subst.h"

/* PATH exists in its directory; can it be executed? */
static int check_program(const char *path, struct err *err)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t len;

	if (stat(path, &st) < 0) {
		int code = -errno;

		len = readlink(path, target, sizeof(target));
		if (len < 0) {
			return err_set_errno(err, code, "\"%s\"", path);
		}
		return err_set_errno(
			err, code, "\"%s\" is a link to \"%.*s\"", path, (int)len, target);
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(err, -EACCES, "\"%s\" is not a regular file", path);
	}
	if (access(path, X_OK) < 0) {
		return err_set(err, -EACCES, "\"%s\" is not executable", path);
	}
	return 0;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* 0 with *RET, NULL when no directory of the list has an entry of that name. An empty entry (in
 * $PATH the current directory) is passed over: a daemon's means nothing. */
static int find_in(const char *dirs, const char *name, char **ret)
{
	*ret = NULL;
	while (dirs && *dirs) {
		size_t len = strcspn(dirs, ":");
		_cleanup_free_ char *path = NULL;

		if (len && asprintf(&path, "%.*s/%s", (int)len, dirs, name) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		if (path && is_there(path)) {
			*ret = TAKE_PTR(path);
			return 0;
		}
		dirs += len + (dirs[len] == ':');
	}
	return 0;
}

int plan_find_program(
	const char *name, const char *dirs, const char *path, char **ret, struct err *err)
{
	_cleanup_free_ char *found = NULL;
	int r = 0;

	if (!path) {
		path = getenv("PATH");
	}
	if (*name == '/') {
		found = strdup(name);
		r = found ? 0 : -ENOMEM;
	} else {
		r = find_in(dirs, name, &found);
		if (r == 0 && !found) {
			r = find_in(path, name, &found);
		}
	}
	if (r < 0) {
		return err_set(err, r, "out of memory");
	}
	if (!found) {
		return err_set(err, -ENOENT, "program \"%s\" is neither in %s nor in $PATH (%s)",
			name, dirs && *dirs ? dirs : "(no directories)", path ? path : "not set");
	}
	r = check_program(found, err);
	if (r == 0) {
		*ret = TAKE_PTR(found);
	}
	return r;
}

/* The values' text, for as long as a plan is built. */
struct context_text {
	char domid[16], memory_mib[24], vcpus[16];
	struct subst_values values;
};

static void fill_values(const struct plan_context *context, struct context_text *ret)
{
	const char **v = ret->values.values;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->domid, sizeof(ret->domid), "%u", context->domid);
	snprintf(ret->memory_mib, sizeof(ret->memory_mib), "%llu",
		(unsigned long long)context->memory_mib);
	snprintf(ret->vcpus, sizeof(ret->vcpus), "%u", context->vcpus);
	v[SUBST_DOMID] = ret->domid;
	v[SUBST_NAME] = context->name;
	v[SUBST_UUID] = context->uuid[0] ? context->uuid : NULL;
	v[SUBST_QMP_SOCKET] = context->qmp_socket;
	v[SUBST_RUN_DIR] = context->run_dir;
	v[SUBST_LOG_FILE] = context->log_file;
	v[SUBST_MEMORY_MIB] = context->memory_mib ? ret->memory_mib : NULL;
	v[SUBST_VCPUS] = context->vcpus ? ret->vcpus : NULL;
}

/* Appends what LIST gives, each item from its byte SKIP on with placeholders replaced. */
static int expand_list(const struct strv *list, const char *what, bool assignments,
	const struct subst_values *values, struct strv *ret, struct err *err)
{
	for (size_t i = 0; i < list->len; i++) {
		const char *item = list->items[i];
		size_t fixed = assignments ? strcspn(item, "=") + 1 : 0;
		_cleanup_free_ char *text = NULL;
		int r = subst_expand(item + fixed, values, LIMIT_ARG_BYTES - fixed, &text, err);

		if (r < 0 && assignments) {
			err_wrap(err, "%s.%.*s", what, (int)fixed - 1, item);
			return r;
		}
		if (r < 0) {
			err_wrap(err, "%s[%zu]", what, i);
			return r;
		}
		strv_addf(ret, "%.*s%s", (int)fixed, item, text);
	}
	return 0;
}

static size_t bytes_of(const struct strv *v)
{
	size_t sum = 0;

	for (size_t i = 0; i < v->len; i++) {
		sum += strlen(v->items[i]) + 1;
	}
	return sum;
}

static int check_size(const struct plan *plan, struct err *err)
{
	if (strv_status(&plan->argv) < 0 || strv_status(&plan->env) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (plan->argv.len > LIMIT_ARGV_ITEMS || plan->env.len > LIMIT_ARGV_ITEMS) {
		return err_set(
			err, -E2BIG, "more than %d arguments or variables", LIMIT_ARGV_ITEMS);
	}
	if (bytes_of(&plan->argv) + bytes_of(&plan->env) > LIMIT_ARGV_BYTES) {
		return err_set(err, -E2BIG, "arguments and variables have more than %d bytes",
			LIMIT_ARGV_BYTES);
	}
	return 0;
}

static int find_binary(
	const struct definition *d, const struct plan_config *config, char **ret, struct err *err)
{
	const char *name = d->binary ? d->binary : config->default_binary;
	int r = plan_find_program(name, config->libexec_dir, NULL, ret, err);

	if (r < 0 && r != -ENOMEM && config->unchecked) {
		*ret = strdup(name);
		return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
	}
	return r;
}

static int build(const struct definition *d, const struct subst_values *values,
	const struct plan_config *config, struct plan *plan, struct err *err)
{
	int r = find_binary(d, config, &plan->binary, err);

	if (r < 0) {
		return r;
	}
	strv_add(&plan->argv, plan->binary);
	if ((r = expand_list(&d->argv, "argv", false, values, &plan->argv, err)) < 0 ||
		(r = expand_list(&d->extra_args, "extra_args", false, values, &plan->argv, err)) <
			0 ||
		(r = expand_list(&d->env, "env", true, values, &plan->env, err)) < 0) {
		return r;
	}
	return check_size(plan, err);
}

int plan_build(const struct definition *d, const struct plan_context *context,
	const struct plan_config *config, struct plan *ret, struct err *err)
{
	struct context_text text;
	struct plan plan = {0};
	int r = definition_supported(d, err);

	if (r < 0) {
		return r;
	}
	if (d->kind == DEFINITION_NO_DM || d->source != DEFINITION_ARGV) {
		return err_set(err, -ENODATA, "%s: gives no command line: %s", d->path,
			d->kind == DEFINITION_NO_DM ? "its kind is \"none\""
						    : "it waits for a handoff");
	}
	fill_values(context, &text);
	r = build(d, &text.values, config, &plan, err);
	if (r < 0) {
		plan_fini(&plan);
		err_wrap(err, "%s", d->path);
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
	*plan = (struct plan){0};
}
