/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * /etc/xendmd/qmp-policy.json: an administrator's additions to the classes' lists of commands, and
 * what is taken from them. The shapes of arguments and replies are not its business.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "proto/qmpfilter.h"

struct qmp_policy;

#define QMP_POLICY_FILE "qmp-policy.json"

/* {"monitor": {"add": ["query-vnc"], "remove": []}, …}. Errors name FILE, line and key. */
int qmp_policy_parse(
	struct qmp_policy **ret, const char *file, const char *text, size_t len, struct err *err);
/* QMP_POLICY_FILE in CONF_DIR. A missing file gives NULL. RET_FILE, if not NULL, gets its path (the
 * caller's), whatever becomes of it. */
int qmp_policy_load(
	struct qmp_policy **ret, const char *conf_dir, char **ret_file, struct err *err);
/* The keys of JSON are such a file's. A libxl configuration in a definition is not class libxl. */
bool qmp_policy_has_its_keys(struct json_object *json);
struct qmp_policy *qmp_policy_free(struct qmp_policy *policy);

/* ALLOWED is what the table says; POLICY may be NULL. */
bool qmp_policy_allows(
	const struct qmp_policy *policy, enum qmp_class class, const char *command, bool allowed);
