/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qmppolicy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/strv.h"

struct qmp_policy {
	struct strv add[_QMP_CLASS_MAX], remove[_QMP_CLASS_MAX];
};

static void policy_free_p(struct qmp_policy **p)
{
	qmp_policy_free(*p);
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
