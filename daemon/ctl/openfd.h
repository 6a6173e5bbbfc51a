/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Descriptors that dmctl passes: the daemon opens no path for a client. What goes wrong is told on
 * stderr; the results are exit statuses (ctl.h). */
#include <json-c/json.h>

#include "lib/limits.h"
#include "lib/strv.h"

/* SPEC is the number of an inherited descriptor, or a path: of a unix socket, which is connected
 * to, or of a file, opened for reading and writing, else for one of them. RET is the caller's. */
int openfd_open(const char *spec, int *ret);
/* A unix socket at PATH, connected to (a listening one). */
int openfd_connect(const char *path, int *ret);

struct openfds {
	int fds[LIMIT_RECEIVED_FILES];
	unsigned len;
};
/* Each of LIST is NAME=SPEC. RET is to be closed in any case. */
int openfds_open(struct openfds *ret, const struct strv *list);
void openfds_fini(struct openfds *files);
/* The names of LIST. */
struct json_object *openfds_names(const struct strv *list);
