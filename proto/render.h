/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * `render` and `check`: what a definition's text gives and whether it is right. Pure but for the
 * look-up of the binary; shared by dmctl (without a daemon) and the daemon's Render and Check.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/config.h"
#include "lib/err.h"

#define RENDER_DOMID 1 /* where none is given */

struct render_params {
	const char *file; /* only for messages */
	const char *text;
	size_t len;
	bool as_libxl;
	uint64_t domid, stubdom_id; /* stubdom_id 0: none */
	unsigned qemu_version;	    /* MAJOR * 100 + MINOR of who gets it; 0: the oldest */
	const struct config *config;
};
/* {"argv": […], "argv0": …, "env": {…}}; for a stub domain "argv" is null and "dm_argv" has what
 * its device model is told; "qmp_steps" are the commands to follow the start. Placeholders for what
 * only a living domain has (memory, VCPUs, a name that is matched by a glob) get stand-ins. -EINVAL
 * with "FILE:LINE: key: message", -EOPNOTSUPP for what this version can't render. */
int render_definition(
	const struct render_params *params, struct json_object **ret, struct err *err);

/* The program whose version decides what a definition's command line is; the caller frees it. NULL:
 * none does, or the text is no definition. */
char *render_asks_version(const struct render_params *params);

/* A definition, xendmd.json or qmp-policy.json, told apart by its keys, then by FILE's name. 0 or
 * -errno with "FILE:LINE: key: message". RET_NOTE: a sentence on what is right and may still
 * surprise, static; NULL: none. */
int check_text(
	const char *file, const char *text, size_t len, const char **ret_note, struct err *err);
