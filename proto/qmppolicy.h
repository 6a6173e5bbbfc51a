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

/* {"monitor": {"add": ["query-vnc"], "remove": []}, …}. Errors name FILE, line and key. */
int qmp_policy_parse(
	struct qmp_policy **ret, const char *file, const char *text, size_t len, struct err *err);
struct qmp_policy *qmp_policy_free(struct qmp_policy *policy);

/* ALLOWED is what the table says; POLICY may be NULL. */
bool qmp_policy_allows(
	const struct qmp_policy *policy, enum qmp_class class, const char *command, bool allowed);
