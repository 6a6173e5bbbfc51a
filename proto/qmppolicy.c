/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qmppolicy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/readfile.h"
#include "lib/strv.h"

struct qmp_policy {
	struct strv add[_QMP_CLASS_MAX], remove[_QMP_CLASS_MAX];
};

static void policy_free_p(struct qmp_policy **p)
{
	qmp_policy_free(*p);
}

/* An addition that would have no effect is a mistake. */
static int check_addition(
	const struct json_node *node, enum qmp_class class, const char *name, struct err *err)
{
	const struct qmp_command *command = qmp_command_find(name);

	return command->flags & QMP_HMP && !(command->classes & 1u << class)
		       ? json_fail(node, -EINVAL, err,
				 "is every command at once, and only for the classes libxl and "
				 "admin")
		       : 0;
}

static int parse_names(const struct json_node *list, struct strv *names, struct err *err)
{
	const char *name;
	int r = json_check_type(list, json_type_array, err);

	for (size_t i = 0; r == 0 && i < json_length(list); i++) {
		struct json_node node = json_element(list, i);

		r = json_text(&node, &name, err);
		if (r == 0 && strlen(name) > LIMIT_QMP_KEY_BYTES) {
			r = json_fail(&node, -EINVAL, err, "no command has such a name");
		}
		if (r == 0) {
			strv_add(names, name);
		}
	}
	if (r == 0 && strv_status(names) < 0) {
		r = json_fail(list, -ENOMEM, err, "out of memory");
	}
	return r;
}

static int parse_class(
	struct qmp_policy *p, enum qmp_class class, const struct json_node *node, struct err *err)
{
	static const char *const known[] = {"add", "remove", NULL};
	struct json_node list;
	int r = json_check_type(node, json_type_object, err);

	if (r == 0) {
		r = json_check_keys(node, known, err);
	}
	if (r == 0 && json_member(node, "add", &list)) {
		r = parse_names(&list, &p->add[class], err);
		for (size_t i = 0; r == 0 && i < json_length(&list); i++) {
			struct json_node name = json_element(&list, i);

			r = check_addition(&name, class, p->add[class].items[i], err);
		}
	}
	if (r == 0 && json_member(node, "remove", &list)) {
		r = parse_names(&list, &p->remove[class], err);
	}
	return r;
}

int qmp_policy_parse(
	struct qmp_policy **ret, const char *file, const char *text, size_t len, struct err *err)
{
	_cleanup_(policy_free_p) struct qmp_policy *p = calloc(1, sizeof(*p));
	const char *known[_QMP_CLASS_MAX + 1] = {0};
	_cleanup_json_doc_ struct json_doc doc = {0};
	struct json_node root, node;
	int r = p ? json_doc_parse(&doc, file, text, len, err)
		  : err_set(err, -ENOMEM, "%s: out of memory", file);

	if (r < 0) {
		return r;
	}
	root = json_doc_root(&doc);
	for (int i = 0; i < _QMP_CLASS_MAX; i++) {
		known[i] = qmp_class_name(i);
	}
	r = json_check_keys(&root, known, err);
	for (int i = 0; r == 0 && i < _QMP_CLASS_MAX; i++) {
		if (json_member(&root, known[i], &node)) {
			r = parse_class(p, i, &node, err);
		}
	}
	if (r == 0) {
		*ret = TAKE_PTR(p);
	}
	return r;
}

int qmp_policy_load(struct qmp_policy **ret, const char *conf_dir, char **ret_file, struct err *err)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	size_t len;
	int r;

	*ret = NULL;
	if (asprintf(&path, "%s/" QMP_POLICY_FILE, conf_dir) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	r = readfile(AT_FDCWD, path, LIMIT_JSON_BYTES, &text, &len, err);
	if (r == 0) {
		r = qmp_policy_parse(ret, path, text, len, err);
	} else if (r == -ENOENT) {
		r = 0;
	} else {
		err_wrap(err, "%s", path);
	}
	if (ret_file) {
		*ret_file = TAKE_PTR(path);
	}
	return r;
}

static bool is_rule(struct json_object *json)
{
	return json_object_object_get_ex(json, "add", NULL) ||
	       json_object_object_get_ex(json, "remove", NULL);
}

bool qmp_policy_has_its_keys(struct json_object *json)
{
	enum qmp_class class;

	if (!json_object_is_type(json, json_type_object)) {
		return false;
	}
	json_object_object_foreach (json, key, value) {
		if (qmp_class_parse(key, &class) == 0 &&
			(class != QMP_CLASS_LIBXL || is_rule(value))) {
			return true;
		}
	}
	return false;
}

struct qmp_policy *qmp_policy_free(struct qmp_policy *policy)
{
	for (int i = 0; policy && i < _QMP_CLASS_MAX; i++) {
		strv_fini(&policy->add[i]);
		strv_fini(&policy->remove[i]);
	}
	free(policy);
	return NULL;
}

static bool has(const struct strv *names, const char *name)
{
	for (size_t i = 0; i < names->len; i++) {
		if (!strcmp(names->items[i], name)) {
			return true;
		}
	}
	return false;
}

bool qmp_policy_allows(
	const struct qmp_policy *policy, enum qmp_class class, const char *command, bool allowed)
{
	if (!policy) {
		return allowed;
	}
	return !has(&policy->remove[class], command) &&
	       (allowed || has(&policy->add[class], command));
}
